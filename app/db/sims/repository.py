"""SIMs: read as domain values with their plan, written back whole; each write increments `version`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Select, bindparam, case, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.deadline_groups import Groups, groups_of
from app.db.mapping import SimRecord, sim_columns, sim_from
from app.db.quarantine import not_resting
from app.db.schema.control import sims
from app.db.set_based import packed, update_of
from app.db.sims.statements import BY_IDS, GET, IDENTITIES, JOINED, LOCK, LOCK_AND_GET, LOCK_BY_IDS
from app.domain.errors import Malformed
from app.domain.identifiers import alternate_iccid, canonical_iccid
from app.domain.sim.model import Sim
from app.domain.vocabulary import SimState

DuePosition = tuple[date, int]
"""A position in the order of the sweep: due day and row id."""

_BEGINNINGS = """
SELECT created_at, EXISTS (
       SELECT 1 FROM usage_cycles WHERE sim_id = :sim_id AND (reported > 0 OR coalesce(figures, 0) > 0)) FROM sims
 WHERE id = :sim_id
"""
DATE_COLUMNS = frozenset({"terms", "plan", "test_months", "purchased_on", "opened_on"})
"""Columns from which deadlines follow, beside those that the rules alone change."""

LIMIT_COLUMNS = ("terms", "plan", "auto_stop", "pool")
"""The columns of a SIM that decide at which usage it is stopped."""

_ACCOUNTS = text(
    """
    WITH RECURSIVE used AS (
        SELECT min(account) AS account FROM sims WHERE state <> 'cancelled'
        UNION ALL
        SELECT (SELECT min(s.account) FROM sims s WHERE s.account > used.account AND s.state <> 'cancelled')
          FROM used WHERE used.account IS NOT NULL
    )
    SELECT account FROM used WHERE account IS NOT NULL
    """
)


def _forms(iccid: str) -> list[str]:
    alternate = alternate_iccid(iccid)
    return [iccid] if alternate is None else [iccid, alternate]


class SimRepository:
    """SIMs of one transaction. `groups` takes the deadlines of the SIMs stored, which the unit of work adds."""

    def __init__(self, connection: AsyncConnection, groups: Groups) -> None:
        self._connection = connection
        self._groups = groups

    async def _all(self, statement: Select[Any], *, for_update: bool) -> list[SimRecord]:
        locked = statement.with_for_update(of=sims) if for_update else statement
        return [sim_from(row) for row in (await self._connection.execute(locked)).mappings()]

    async def get(self, tenant: str, iccid: str, *, for_update: bool = False) -> SimRecord | None:
        """One SIM of a tenant by either form of its ICCID (DV-5)."""
        statement = LOCK_AND_GET if for_update else GET
        forms = {"iccid": iccid, "alternate": alternate_iccid(iccid)}
        rows = await statement.rows(self._connection, tenant=tenant, **forms)
        return sim_from(rows[0]) if rows else None

    async def by_ids(self, ids: Iterable[int], *, for_update: bool = False) -> dict[int, SimRecord]:
        """SIMs by row id; the locks of one call are taken in id order."""
        statement = LOCK_BY_IDS if for_update else BY_IDS
        rows = await statement.rows(self._connection, ids=sorted(set(ids)))
        return {row["id"]: sim_from(row) for row in rows}

    async def readable(self, ids: Iterable[int]) -> dict[int, SimRecord]:
        """SIMs by row id, without those whose rows cannot be read: a page about many is not kept back by one."""
        rows = await BY_IDS.rows(self._connection, ids=sorted(set(ids)))
        found = {}
        for row in rows:
            with suppress(ValueError, KeyError, TypeError, Malformed):
                found[row["id"]] = sim_from(row)
        return found

    async def lock(self, ids: Iterable[int]) -> None:
        """Lock these SIMs in id order, as every transaction that locks more than one does."""
        wanted = sorted(set(ids))
        if wanted:
            await LOCK.rows(self._connection, ids=wanted)

    async def identities(self, ids: Sequence[int]) -> dict[int, tuple[str, str | None, str | None]]:
        """(iccid, msisdn, imsi) of these SIMs by row id."""
        if not ids:
            return {}
        rows = await IDENTITIES.rows(self._connection, ids=list(ids))
        return {row["id"]: (row["iccid"], row["msisdn"], row["imsi"]) for row in rows}

    async def by_iccids(
        self, iccids: Sequence[str], *, tenant: str | None = None, for_update: bool = False
    ) -> dict[str, SimRecord]:
        """SIMs keyed by the ICCID as given (either form)."""
        forms = {form: iccid for iccid in iccids for form in _forms(iccid)}
        statement = JOINED.where(sims.c.iccid.in_(sorted(forms))).order_by(sims.c.id)
        if tenant is not None:
            statement = statement.where(sims.c.tenant == tenant)
        return {forms[r.sim.iccid]: r for r in await self._all(statement, for_update=for_update)}

    async def by_msisdn(self, account: str, msisdn: str) -> SimRecord | None:
        """The SIM of an account with this number."""
        found = await self._all(JOINED.where(sims.c.account == account, sims.c.msisdn == msisdn), for_update=False)
        return found[0] if found else None

    async def due_places(
        self, accounts: Sequence[str], today: date, limit: int, *, after: DuePosition | None = None
    ) -> list[DuePosition]:
        """(due day, row id) of SIMs of these accounts with a date due by today, from the position after `after` on."""
        position = tuple_(sims.c.next_due_on, sims.c.id)
        wanted = [sims.c.next_due_on <= today, sims.c.account.in_(accounts)]
        if after is not None:
            wanted.append(position > after)
        statement = select(sims.c.next_due_on, sims.c.id).where(*wanted)
        rows = await self._connection.execute(statement.order_by(sims.c.next_due_on, sims.c.id).limit(limit))
        return [(row.next_due_on, row.id) for row in rows]

    async def stopped_unexplained(
        self, accounts: Sequence[str], now: datetime, not_since: datetime, limit: int
    ) -> list[int]:
        """Row ids of SIMs of these accounts that their carrier stopped without a reason, or for a violation of no kind.

        Those at which nobody has looked yet, and those where the carrier did not answer before `not_since`; those set
        aside are left out.
        """
        found = text(
            '(holds @> \'[{"code": "unexplained", "source": "carrier"}]\''
            ' OR holds @> \'[{"code": "violation", "source": "carrier"}]\')'
            ' AND jsonb_path_exists(holds, \'$[*] ? (@.source == "carrier"'
            ' && (@.code == "unexplained" || @.code == "violation")'
            ' && (!exists(@.evidence) || exists(@.evidence[*] ? (@.found == "not_answered" && @.at < $until))))\','
            " jsonb_build_object('until', CAST(:until AS text)))"
        ).bindparams(until=not_since.astimezone(UTC).isoformat())
        rested = text(not_resting("stops", "sim", "sims.id::text")).bindparams(now=now)
        statement = select(sims.c.id).where(
            sims.c.underlying == SimState.ACTIVE.value, sims.c.account.in_(accounts), found, rested
        )
        return list((await self._connection.execute(statement.order_by(sims.c.id).limit(limit))).scalars())

    async def accounts(self) -> list[str]:
        """The accounts that have SIMs, cancelled ones left out; one step of the index for each account."""
        rows = await self._connection.execute(_ACCOUNTS)
        return list(rows.scalars())

    async def by_account(self, ids: Sequence[int]) -> dict[str, list[int]]:
        """These SIMs' row ids by account."""
        statement = select(sims.c.account, sims.c.id).where(sims.c.id.in_(list(ids))).order_by(sims.c.id)
        found: dict[str, list[int]] = {}
        for row in await self._connection.execute(statement):
            found.setdefault(row.account, []).append(row.id)
        return found

    async def ids_of_account(self, account: str, *, after: int, limit: int) -> list[int]:
        """Row ids of a page of an account's SIMs that are not cancelled."""
        statement = select(sims.c.id).where(
            sims.c.account == account, sims.c.id > after, sims.c.underlying != "cancelled"
        )
        return list((await self._connection.execute(statement.order_by(sims.c.id).limit(limit))).scalars())

    async def of_account(self, account: str, *, after: int, limit: int, locked: bool = False) -> list[SimRecord]:
        """A page of an account's SIMs that are not cancelled, by row id."""
        statement = (
            JOINED.where(sims.c.account == account, sims.c.id > after, sims.c.underlying != "cancelled")
            .order_by(sims.c.id)
            .limit(limit)
        )
        return await self._all(statement, for_update=locked)

    async def save(self, records: Sequence[SimRecord], now: datetime) -> None:
        """Write back the state that the rules decided and the carrier's view."""
        if not records:
            return
        rows = [_columns(record) | {"id": record.id, "updated_at": now} for record in records]
        self._groups.update(groups_of(record.sim for record in records))
        names = tuple(name for name in rows[0] if name != "id")
        statement = update_of(sims, names, "version = s.version + 1")
        await self._connection.execute(statement, packed(rows))

    async def insert(self, rows: Sequence[dict[str, Any]], values: Iterable[Sim]) -> dict[str, int]:
        """Add SIMs; gives the row id of each that is new, also by the other form of its ICCID (DV-5).

        `values`: the same SIMs as the rules see them.
        """
        if not rows:
            return {}
        self._groups.update(groups_of(values))
        # Two imports of one SIM: the second waits for the first's commit, then gets no row id back and treats it as
        # known.
        statement = insert(sims).on_conflict_do_nothing().returning(sims.c.iccid, sims.c.id)
        named = [row | {"canonical_iccid": canonical_iccid(row["iccid"])} for row in rows]
        named.sort(key=lambda row: str(row["canonical_iccid"]))  # one order of locks for imports at the same moment
        done = await self._connection.execute(statement, named)
        return {row[0]: row[1] for row in done}

    async def patch(self, sim_id: int, columns: dict[str, Any], now: datetime) -> None:
        """Change columns of one SIM."""
        await self._connection.execute(
            update(sims).where(sims.c.id == sim_id).values(columns | {"version": sims.c.version + 1, "updated_at": now})
        )

    async def add_tag(self, ids: Sequence[int], key: str, value: str, now: datetime) -> None:
        """Set one tag of these SIMs, which are locked; the others stay."""
        await self._connection.execute(
            text(
                "UPDATE sims SET tags = tags || jsonb_build_object(CAST(:key AS text), CAST(:value AS text)),"
                " version = version + 1, updated_at = :now WHERE id = ANY(:ids)"
            ),
            {"ids": list(ids), "key": key, "value": value, "now": now},
        )

    async def keep_session(self, sim_id: int, *, online: bool, as_of: datetime, now: datetime) -> None:
        """Store whether the SIM was online by the carrier's word (EX-1); an older word changes nothing."""
        # Two answers may be stored in the wrong order: compared in the statement, the later word stands.
        newer = or_(sims.c.online_as_of.is_(None), sims.c.online_as_of <= as_of)
        await self._connection.execute(
            update(sims).where(sims.c.id == sim_id, newer).values(online=online, online_as_of=as_of, updated_at=now)
        )

    async def patch_many(self, rows: Sequence[dict[str, Any]], now: datetime) -> None:
        """Change the same columns of many SIMs; each row has `id` and the columns."""
        if not rows:
            return
        names = [name for name in rows[0] if name != "id"]
        dates = [sims.c[name].is_distinct_from(bindparam(f"v_{name}")) for name in names if name in DATE_COLUMNS]
        anew = {"deadline_group": case((or_(*dates), None), else_=sims.c.deadline_group)} if dates else {}
        statement = (
            update(sims)
            .where(sims.c.id == bindparam("b_id"))
            .values({n: bindparam(f"v_{n}") for n in names} | anew | {"version": sims.c.version + 1, "updated_at": now})
        )
        await self._connection.execute(
            statement, [{"b_id": row["id"]} | {f"v_{n}": row[n] for n in names} for row in rows]
        )

    async def delete(self, sim_id: int) -> None:
        """Delete a SIM that was imported by mistake; its timeline stays."""
        await self._connection.execute(sims.delete().where(sims.c.id == sim_id))

    async def owners(self, iccids: Iterable[str]) -> dict[str, Any]:
        """Per ICCID as given (either form), of any tenant: id, tenant, account, carrier, order and limit columns."""
        forms = {form: iccid for iccid in iccids for form in _forms(iccid)}
        rows = await self._connection.execute(
            select(
                *(sims.c[name] for name in ("id", "tenant", "iccid", "account", "carrier", "underlying", "order_id")),
                *(sims.c[name] for name in LIMIT_COLUMNS),
            ).where(sims.c.iccid.in_(sorted(forms)))
        )
        return {forms[row.iccid]: row for row in rows}

    async def beginnings(self, sim_id: int) -> tuple[datetime, bool]:
        """When the SIM was imported, and whether any traffic of it is known, from reports or carrier figures."""
        found = await self._connection.execute(text(_BEGINNINGS), {"sim_id": sim_id})
        imported_at, ever_used = found.one()
        return imported_at, ever_used

    async def counts(self) -> list[tuple[str, str, int]]:
        """(carrier, state, number) over all tenants."""
        rows = await self._connection.execute(
            text("SELECT carrier, state, sum(cards)::bigint FROM sim_counts GROUP BY 1, 2 HAVING sum(cards) > 0")
        )
        return [(carrier, state, count) for carrier, state, count in rows]


def _columns(record: SimRecord) -> dict[str, Any]:
    return sim_columns(record.sim) | {
        "carrier_state": record.carrier_state.value if record.carrier_state else None,
        "carrier_code": record.carrier_code,
        "carrier_as_of": record.carrier_as_of,
        "carrier_unknown_at": record.carrier_unknown_at,
        "carrier_expires_on": record.carrier_expires_on,
        "carrier_expires_as_of": record.carrier_expires_as_of,
        "carrier_changed_at": record.carrier_changed_at,
        "stopped_by_us": record.stopped_by_us,
        "disagrees_since": record.disagrees_since,
    }
