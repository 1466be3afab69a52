"""What a bench runs against: a database (embedded in a folder of its own, or `DATABASE_URL`), and `simgate api`.

The database has the product's own settings: logged tables, fsync and synchronous_commit on.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
from alembic import command
from alembic.config import Config
from sqlalchemy import make_url

from app.db.roles import GRANT_RIGHTS, create_roles
from app.db.tenancy import API_ROLE
from app.postgres.supervisor import embedded

ROOT = Path(__file__).parent.parent
KEY = "bench-key-0123456789-0123456789-0123456789"
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Database:
    """Where the bench's own database is: for SQLAlchemy and for asyncpg."""

    url: str
    dsn: str


@contextmanager
def database(settings: Mapping[str, str] | None = None) -> Iterator[Database]:
    """A migrated database without a row, with some settings of its own; what was in `DATABASE_URL`'s is gone."""
    given = os.environ.get("DATABASE_URL")
    if given:
        plain = given.replace("postgresql+asyncpg://", "postgresql://", 1)
        found = Database(url=plain.replace("postgresql://", "postgresql+asyncpg://", 1), dsn=plain)
        asyncio.run(_wipe(found.dsn))
        migrate(found.url)
        yield found
        return
    with tempfile.TemporaryDirectory(prefix="simgate-bench-") as folder:
        Path(folder).chmod(0o711)
        with embedded(Path(folder), settings=settings) as server:
            migrate(server.url)
            yield Database(url=server.url, dsn=server.dsn)


async def _wipe(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "DROP SCHEMA IF EXISTS usage_parts CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public"
    )
    await connection.close()


def migrate(url: str) -> None:
    """Bring the database to the newest revision."""
    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = url
    command.upgrade(config, "head")


def behind_the_wall(where: Database) -> Database:
    """The same database as the API's own role, which PostgreSQL shows one tenant's rows (docs/adr/0038)."""
    asyncio.run(_divide(where.dsn))
    url = make_url(where.url).set(username=API_ROLE, password=KEY)
    return Database(url=url.render_as_string(hide_password=False), dsn=where.dsn)


async def _divide(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await create_roles(connection)
    await connection.execute(f"ALTER ROLE {API_ROLE} LOGIN PASSWORD '{KEY}'")
    await connection.execute(GRANT_RIGHTS)
    await connection.close()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def api(where: Database) -> Iterator[tuple[str, int]]:
    """`simgate api` in a process of its own: its address and pid."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="simgate-bench-api-") as folder:
        environment = {
            **os.environ,
            "DATABASE_URL": where.url,
            "SIMGATE_PORT": str(port),
            "SIMGATE_DATA_DIR": folder,
            "SIMGATE_BOOTSTRAP_KEY": KEY,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "api"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/livez", process)
            yield f"127.0.0.1:{port}", process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


WAIT_S = 240.0


def wait_for(url: str, process: subprocess.Popen[bytes], *, every_s: float = 0.1) -> None:
    """Until a process answers; ends the bench where it does not."""
    until = time.monotonic() + WAIT_S
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < until:
            if process.poll() is not None:
                sys.exit(f"a process ended: {process.args!r}")
            try:
                if client.get(url).is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(every_s)
    sys.exit(f"never ready: {process.args!r}")


def cpu_seconds(pid: int | str) -> float:
    """Processor time a process has used."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


async def postmaster(dsn: str) -> str:
    """The pid of the database's first process."""
    connection = await asyncpg.connect(dsn)
    told: str = await connection.fetchval("SELECT pg_read_file('postmaster.pid')")
    await connection.close()
    return told.splitlines()[0]


def postgres_seconds(parent: str) -> dict[str, float]:
    """Processor time of a PostgreSQL's processes, by pid: the first one and its children."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if not entry.name.isdigit():
                continue
            if entry.name == parent or (entry / "stat").read_text().rpartition(")")[2].split()[1] == parent:
                found[entry.name] = cpu_seconds(entry.name)
        except OSError:
            continue
    return found


def resident_mb(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES // (1 << 20)


async def seed(dsn: str, sims: int, *, counters: bool) -> None:
    """A tenant, a plan and so many active cards; with counters of the running cycle where they are to be there."""
    connection = await asyncpg.connect(dsn)
    lean = sims > 1_000_000
    if lean:  # what neither path reads: the unique index and the key stay
        for row in await connection.fetch(
            "SELECT indexname FROM pg_indexes WHERE tablename = 'sims' AND indexname LIKE 'ix%'"
            " AND indexname <> 'ix_sims_iccid_prefix'"
        ):
            await connection.execute(f"DROP INDEX {row['indexname']}")
    await connection.execute("INSERT INTO tenants (id, created_at) VALUES ('default', now()) ON CONFLICT DO NOTHING")
    await connection.execute(
        "INSERT INTO plans (tenant, id, carrier, allowance, months, kind)"
        " VALUES ('default', 'cmcc-100m', 'cmcc', 104857600, 12, 'card') ON CONFLICT DO NOTHING"
    )
    await connection.execute(
        "INSERT INTO sims (tenant, iccid, msisdn, imsi, carrier, account, terms, plan, underlying, state, opened_on,"
        " activated_on, expires_on, imei, created_at, updated_at)"
        " SELECT 'default', '898600' || lpad(n::text, 13, '0'), '14' || lpad(n::text, 11, '0'),"
        " '46004' || lpad(n::text, 10, '0'), 'cmcc', 'cmcc-main', 'flexem', 'cmcc-100m', 'active', 'active',"
        " '2026-01-05', '2026-02-01', '2099-01-31', '861234567890123', now(), now()"
        " FROM generate_series(1, $1::bigint) n",
        sims,
        timeout=7200,
    )
    if counters:
        await _seed_counters(connection)
    for table in ("sims", "usage_cycles"):
        await connection.execute(f"VACUUM ANALYZE {table}", timeout=7200)
    await connection.execute("CHECKPOINT", timeout=600)
    await connection.close()


async def _seed_counters(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Counters of the running cycle as they lie once every card has reported: without their room, their pages with it.

    That is about where reports lead to by themselves (docs/performance.md), only sooner.
    """
    await connection.execute("ALTER TABLE usage_cycles SET (fillfactor = 66)")
    await connection.execute(
        "INSERT INTO usage_cycles (sim_id, cycle, next_check_bytes, share_at, reported_at, padding)"
        " SELECT id, to_char(now() AT TIME ZONE 'Asia/Shanghai', 'YYYYMM')::int, 3221225472, 10485760, now(), NULL"
        " FROM sims ORDER BY id",
        timeout=7200,
    )
    await connection.execute(
        "INSERT INTO usage_shares (sim_id, tenant, carrier, plan, cycle, allowance, step)"
        " SELECT s.id, s.tenant, s.carrier, s.plan, c.cycle, 104857600, 0"
        " FROM sims s JOIN usage_cycles c ON c.sim_id = s.id ORDER BY 1",
        timeout=7200,
    )
    await connection.execute("ALTER TABLE usage_cycles SET (fillfactor = 90)")


def iccid(number: int) -> str:
    """The ICCID of the nth seeded card."""
    return f"898600{number:013d}"
