"""asyncpg: the staging tables of an import: its rows, and the templates of what many of them share.

They are temporary and end with the transaction. A row is a new SIM, a known one, or rejected: what has been read stays
known, so that a card that comes twice is noticed wherever it stands in the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.db.connection import Connection
from app.db.schema.control import sims
from app.db.set_based import columns_of_rows, packed

NEW, KNOWN, REJECTED = 0, 1, 2
"""What a row is: `kind` of the staging table."""

LAST_LINE = 2**31 - 1
"""No file has so many lines."""

ANALYZED_FROM = 5_000
"""Rows from which the planner is told how many there are."""

OWN = ("iccid", "msisdn", "imsi", "imei", "device_serial", "alias", "remark", "order_id", "tags")
"""Columns of a SIM that each row has of its own, and that no rule looks at; all others are its template's."""

TEMPLATE = (
    "carrier",
    "account",
    "terms",
    "plan",
    "pool",
    "underlying",
    "state",
    "holds",
    "opened_on",
    "purchased_on",
    "activated_on",
    "expires_on",
    "expires_forecast_on",
    "retained_until",
    "silent_since",
    "threshold_off_until",
    "next_due_on",
    "deadline_group",
    "test_months",
    "auto_stop",
    "real_name",
    "province",
    "region_limited",
    "threshold",
)


class Owner(NamedTuple):
    """A known SIM of any tenant, as far as an import looks at it."""

    id: int
    tenant: str
    account: str
    carrier: str
    underlying: str
    order_id: str | None
    terms: str
    plan: str
    auto_stop: bool | None
    pool: str | None


_OPEN = f"""
CREATE TEMP TABLE import_templates ON COMMIT DROP AS
SELECT 0::int AS template, NULL::text AS given, {", ".join(TEMPLATE)} FROM sims LIMIT 0;
CREATE TEMP TABLE import_rows (
    id bigint NOT NULL DEFAULT nextval('sims_id_seq'), line int NOT NULL,
    kind smallint NOT NULL DEFAULT 0,
    template int, canonical text NOT NULL, alternate text,
    iccid text NOT NULL, msisdn text, imsi text, imei text, device_serial text, alias text, remark text, order_id text,
    tags text, changed text, plan_left text, limits_changed boolean NOT NULL DEFAULT false) ON COMMIT DROP;
CREATE INDEX ON import_rows (canonical);
CREATE INDEX ON import_rows (line);
CREATE UNIQUE INDEX ON import_templates (template);
"""  # noqa: S608 - our own columns
# A chunk is looked up row by row by an index; without statistics the planner would read the whole table for each.
_BY_INDEX = "SET LOCAL enable_seqscan = off"

# `+ 0`: the index of lines must not be walked for the order.
_SEEN = """
SELECT k.n, r.line FROM unnest($1::text[]) WITH ORDINALITY k(canonical, n)
 CROSS JOIN LATERAL (SELECT line FROM import_rows WHERE canonical = k.canonical ORDER BY line + 0 LIMIT 1) r
"""
_OWNERS = f"""
SELECT k.n, s.* FROM unnest($1::text[], $2::int[]) k(iccid, n)
 CROSS JOIN LATERAL (SELECT {", ".join(Owner._fields)} FROM sims WHERE iccid = k.iccid LIMIT 1) s
"""  # noqa: S608 - our own columns
_NEW_ROWS = ("line", "template", "canonical", "alternate", *OWN)
_OTHER_ROWS = ("id", "line", "kind", "canonical", "alternate", "iccid", "changed", "plan_left", "limits_changed")
_ADD_TEMPLATES = f"""
INSERT INTO import_templates (template, given, {", ".join(TEMPLATE)})
SELECT template, given, {", ".join(TEMPLATE)}
  FROM {columns_of_rows(sims, TEMPLATE, "$1::text", also=("template int", "given text"))}
"""  # noqa: S608 - our own columns
_CLOSE = """
SET LOCAL enable_seqscan TO DEFAULT;
CREATE INDEX ON import_rows (id) WHERE kind = 1;
"""


async def open_staging(connection: Connection) -> None:
    """Create the staging tables of this transaction."""
    await connection.execute(_OPEN + _BY_INDEX)


async def still_here(connection: Connection) -> None:
    """Send something: the server ends a transaction in which nothing comes for long."""
    await connection.execute("SELECT")


async def seen(connection: Connection, canonical: Sequence[str]) -> dict[int, int]:
    """Of these canonical ICCIDs, by their place from 0, the line of the earlier row that names the same card."""
    return {row["n"] - 1: row["line"] for row in await connection.fetch(_SEEN, canonical)}


async def owners(connection: Connection, forms: Sequence[str], places: Sequence[int]) -> dict[int, Owner]:
    """Of the ICCIDs `forms`, by the place that stands beside each: the known SIM, of any tenant."""
    return {row[0]: Owner(*row[1:]) for row in map(tuple, await connection.fetch(_OWNERS, forms, places))}


async def stage(
    connection: Connection,
    templates: Sequence[Mapping[str, Any]],
    new: Sequence[tuple[Any, ...]],
    others: Sequence[tuple[Any, ...]],
) -> None:
    """Add templates (JSON values by column), rows of new SIMs (`_NEW_ROWS`) and other rows (`_OTHER_ROWS`)."""
    if templates:
        await connection.execute(_ADD_TEMPLATES, packed(templates)["rows"])
    for columns, rows in ((_NEW_ROWS, new), (_OTHER_ROWS, others)):
        if rows:
            await connection.copy_records_to_table("import_rows", records=rows, columns=columns)


async def close_staging(connection: Connection, rows: int) -> None:
    """All rows are there: the planner may choose again, and knows how many there are."""
    await connection.execute(_CLOSE)
    if rows >= ANALYZED_FROM:
        await connection.execute("ANALYZE import_rows; ANALYZE import_templates")


async def given_of(connection: Connection, templates: Sequence[int]) -> dict[int, dict[str, str]]:
    """The texts of the file from which these templates were made, by column."""
    found = await connection.fetch(
        "SELECT template, given FROM import_templates WHERE template = ANY($1::int[])", templates
    )
    return {row["template"]: json.loads(row["given"]) for row in found}


def tags_of(text: str) -> dict[str, str]:
    """The tags of a staged row."""
    tags: dict[str, str] = json.loads(text)
    return tags
