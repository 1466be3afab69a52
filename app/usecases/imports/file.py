"""Import the rows of a file; every bad row is reported by line and column, never by its value."""

from __future__ import annotations

from collections.abc import Iterator

from app.db.access import AuditRow
from app.db.uow import UnitOfWork
from app.usecases.context import Context
from app.usecases.imports.checks import ImportState
from app.usecases.imports.formats import Row
from app.usecases.imports.report import ImportReport, Progress, untold
from app.usecases.imports.staging import Staging
from app.usecases.imports.storing import Storing


async def import_sims(
    ctx: Context,
    work: UnitOfWork,
    tenant: str,
    rows: Iterator[Row],
    *,
    actor: str = "gateway",
    whole: bool = False,
    ahead: bool = False,
    told: Progress = untold,
) -> ImportReport:
    """Store a file's good rows in this transaction, once in it; the caller rolls back where it wants all or nothing.

    `whole`: one bad row refuses the file, so that reading ends with the last fault that is listed, and nothing is
    kept. `ahead`: SIMs of a large file are stored while it is read. Raises `CardsTaken` where somebody else adds one of
    them at the same moment: import it again without it then. Afterwards the staging tables are there until the
    transaction ends.
    """
    report = ImportReport()
    state = ImportState(tenant=tenant, plans=await work.plans.all(tenant), pools=await work.plans.of_pools(tenant))
    state.zones.update({pool: ctx.zone(code) for pool, code in (await work.plans.pool_accounts(tenant)).items()})
    connection = await work.driver()
    storing = Storing(ctx, work, connection, state, report)
    await Staging(ctx, work, connection, state, report, whole, storing.add_ahead if ahead else None).read(rows, told)
    if whole and report.rejected:
        return report
    await storing.store(told)
    after: dict[str, object] = {"rows": report.rows, "created": report.created, "updated": report.updated}
    await work.access.add_audit(
        [AuditRow(tenant=tenant, at=ctx.now(), actor=actor, action="sims.imported", after=after)]
    )
    return report
