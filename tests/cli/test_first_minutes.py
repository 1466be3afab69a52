"""The first minutes: whatever is wrong with the database, the last line says what to do, and there is no traceback."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy.exc import DBAPIError

from app.cli.exits import CommandError, ExitCode
from app.cli.lifetime import database_message, exit_of
from app.database_tls import TlsUnusable, driver_query
from app.postgres.errors import DatabaseUnusable
from app.postgres.external import normalised
from app.postgres.supervisor import Server
from app.settings import PROJECT, VERSION
from tests import databases


def simgate(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    base = {"PATH": os.environ["PATH"], "HOME": str(folder), "SIMGATE_DATA_DIR": str(folder / "data")}
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=PROJECT,
        env=base | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_user_who_may_not_create_tables_is_told_the_grant(database_server: Server, tmp_path: Path) -> None:
    for statement in (
        "DROP DATABASE IF EXISTS first_minutes",
        "DROP ROLE IF EXISTS visitor",
        "CREATE ROLE visitor LOGIN",
        "CREATE DATABASE first_minutes",
    ):
        databases.run_async(lambda statement=statement: databases.execute(database_server.dsn, statement))
    address = re.sub(r"//[^@/]*@", "//visitor@", database_server.dsn_of("first_minutes"))

    for command in ("migrate", "worker"):
        told = simgate(tmp_path, command, DATABASE_URL=address)

        assert told.returncode == ExitCode.DATABASE, told.stderr
        last = told.stderr.splitlines()[-1]
        assert last.startswith("simgate: the database cannot be used: permission denied for schema public")
        assert "GRANT CREATE ON SCHEMA public" in last
        assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("sqlstate", "message", "advice"),
    [
        ("57P03", "the database system is starting up", "start again in a moment"),
        ("57P01", "terminating connection due to administrator command", "start again in a moment"),
        ("53300", "sorry, too many clients already", "SIMGATE_DATABASE_POOL"),
        ("53100", "could not extend file", "memory or disk"),
        ("08P01", "unsupported startup parameter: statement_timeout", "SIMGATE_PGBOUNCER=1"),
        ("26000", 'prepared statement "__asyncpg_stmt_1__" does not exist', "SIMGATE_PGBOUNCER=1"),
        ("42P05", 'prepared statement "__asyncpg_stmt_1__" already exists', "SIMGATE_PGBOUNCER=1"),
        ("25006", "cannot execute CREATE TABLE in a read-only transaction", "primary"),
        ("28P01", "password authentication failed", "user and password"),
        ("55P03", "canceling statement due to lock timeout", "pg_stat_activity"),
        ("XX000", "odd", "Check that it is up"),
    ],
)
def test_what_the_server_says_comes_with_what_to_do(sqlstate: str, message: str, advice: str) -> None:
    error = asyncpg.PostgresError.new({"C": sqlstate, "M": message, "D": "Key (secret)=(hush)", "S": "ERROR"})
    wrapped = DBAPIError("SELECT 'hush'", {}, error)

    for raised in (error, wrapped, ExceptionGroup("tasks", [wrapped])):
        code, line = exit_of(raised, "worker")
        assert (code, "hush" in line) == (ExitCode.DATABASE, False)
        assert message in line
        assert advice in line


def test_what_the_value_of_a_row_has_caused_is_told_without_the_value() -> None:
    error = asyncpg.PostgresError.new({"C": "22P02", "M": 'invalid input syntax: "hush"', "S": "ERROR"})

    assert "hush" not in database_message(error)


def test_an_error_that_is_none_of_the_databases_has_another_code() -> None:
    assert exit_of(CommandError(ExitCode.USE, "so"), "run") == (ExitCode.USE, "so")
    assert exit_of(PermissionError(13, "Permission denied", "/srv/x"), "run") == (1, "/srv/x: Permission denied")
    assert exit_of(ConnectionRefusedError(111, "refused"), "run")[0] == ExitCode.DATABASE
    assert exit_of(ConnectionRefusedError(111, "refused"), "advance")[0] == ExitCode.OTHER


def test_a_defect_is_shown_and_its_last_line_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    code, line = exit_of(KeyError("odd"), "rule")

    assert (code, line) == (ExitCode.OTHER, "a defect of SimGate (KeyError): please report what stands above")
    assert "KeyError" in "".join(capsys.readouterr())  # stderr, once a command has set up logging


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("sslmode=verify-full&sslrootcert=/no/such.pem", "sslrootcert: No such file or directory"),
        ("sslmode=verify-ca&sslrootcert={garbage}", "sslrootcert: no PEM that can be used"),
        ("sslmode=require&sslkey=/no/key.pem", "sslkey needs sslcert"),
        ("sslmode=require&sslcert=/no/cert.pem", "sslcert and sslkey: No such file or directory"),
        ("sslmode=prefer&sslrootcert={ca}", "sslrootcert: they need sslmode=require"),
        ("sslmode=always", "sslmode must be one of disable"),
        ("sslmode=require&sslpassword=hush", "parameters SimGate does not know: sslpassword"),
    ],
)
def test_tls_parameters_that_cannot_be_used_are_named(tmp_path: Path, query: str, told: str) -> None:
    (tmp_path / "garbage").write_text("no certificate")
    query = query.format(garbage=tmp_path / "garbage", ca=_authority(tmp_path))

    with pytest.raises(DatabaseUnusable, match=re.escape(told)) as refusal:
        normalised(f"postgres://gate:hush@127.0.0.1:1/sims?{query}")
    assert "hush" not in str(refusal.value)


def test_a_root_certificate_is_checked_as_libpq_does(tmp_path: Path) -> None:
    ca = _authority(tmp_path)
    contexts = {
        mode: driver_query({"ssl": mode, "sslrootcert": ca, "host": "db"})
        for mode in ("require", "verify-ca", "verify-full")
    }

    assert all(found["host"] == "db" and "sslrootcert" not in found for found in contexts.values())
    checked = {mode: (found["ssl"].verify_mode, found["ssl"].check_hostname) for mode, found in contexts.items()}
    assert checked == {
        "require": (ssl.CERT_REQUIRED, False),
        "verify-ca": (ssl.CERT_REQUIRED, False),
        "verify-full": (ssl.CERT_REQUIRED, True),
    }
    assert driver_query({"sslrootcert": ca})["ssl"].check_hostname is True
    assert driver_query({"ssl": "require"}) == {"ssl": "require"}
    with pytest.raises(TlsUnusable):
        driver_query({"ssl": "disable", "sslrootcert": ca})


def _authority(folder: Path) -> str:
    """The path of a certificate authority of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "authority.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return str(path)


def test_the_version_is_told_with_its_commit(tmp_path: Path) -> None:
    told = simgate(tmp_path, "--version", SIMGATE_COMMIT="c0ffee")

    assert (told.returncode, told.stdout) == (0, f"simgate {VERSION} (c0ffee)\n")


async def test_a_job_is_run_by_hand_and_kept_in_the_record_of_runs(clean_database: str, tmp_path: Path) -> None:
    done = simgate(tmp_path, "job", "run", "housekeeping", DATABASE_URL=clean_database)
    unknown = simgate(tmp_path, "job", "run", "tidy", DATABASE_URL=clean_database)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("housekeeping is done.")
    assert unknown.returncode == ExitCode.USE
    assert "usage_pull:cmcc-main" in unknown.stderr.splitlines()[-1]
    connection = await asyncpg.connect(clean_database.replace("postgresql+asyncpg", "postgresql"))
    try:
        runs = await connection.fetch("SELECT job FROM job_runs WHERE finished_at IS NOT NULL")
    finally:
        await connection.close()
    assert [run["job"] for run in runs] == ["housekeeping"]
