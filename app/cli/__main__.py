"""`simgate …`: every command, its help, and what its exit code means."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app.carriers.config_file import AccountsInvalid
from app.cli.exits import CommandError, ExitCode, require_sandbox
from app.postgres.errors import DatabaseUnusable, DataDirInUse
from app.settings import VERSION, Settings

EPILOG = """exit codes: 0 success, 1 any other error, 2 wrong usage, 3 port or data folder in use, 4 database unusable,
5 carriers.toml invalid; the last line says what to do. Settings are environment variables: see README.md."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="simgate", description="A carrier gateway for IoT SIM cards.", epilog=EPILOG)
    commit = os.environ.get("SIMGATE_COMMIT", "unknown")
    top.add_argument("--version", action="version", version=f"simgate {VERSION} ({commit})")
    commands = top.add_subparsers(dest="command", required=True, metavar="command")
    for name, text in {
        "run": "everything in one process: API, worker, scheduler, and in sandbox mode the carriers",
        "api": "the API alone; run as many as you like",
        "worker": "the worker alone: operations, webhooks, bulk; run as many as you like",
        "scheduler": "the scheduler alone; a second one does no harm",
    }.items():
        commands.add_parser(name, help=text, description=text)
    _migrate(commands.add_parser("migrate", help="bring the database to the newest schema"))
    restored = commands.add_parser(
        "restored", help="after a restore, before any start: hold back what was perhaps sent"
    )
    restored.add_argument("--at", required=True, help="the moment of the backup, RFC 3339 with offset")
    _sandbox(commands.add_parser("sandbox", help="the sandbox carriers alone, to test any client against"))
    _import(commands.add_parser("import", help="import SIMs or plans from a file, over HTTP"))
    _key(commands.add_parser("key-create", help="create an API key directly in the database"))
    jobs = commands.add_parser("job", help="about the timed jobs").add_subparsers(
        dest="job_command", required=True, metavar="command"
    )
    run_now = jobs.add_parser("run", help="run one timed job now, unless another process is at it")
    run_now.add_argument("name", help="for example reconcile, or usage_pull:<account>; a wrong name lists all")
    _advance(commands.add_parser("advance", help="move the gateway's clock forwards (sandbox mode only), over HTTP"))
    _doctor(commands.add_parser("doctor", help="what is right and wrong here: database, carriers, what waits"))
    rule = commands.add_parser("rule", help="text, values, sources and tests of a rule, in Chinese and English")
    rule.add_argument("id", help="for example RN-2")
    found = commands.add_parser("rules", help="search the rules by word or symptom, in Chinese or English")
    found.add_argument("words", nargs="*", help="for example: 卡停机了; all rules if left out")
    document = commands.add_parser("openapi", help="print the API's OpenAPI document; needs no gateway")
    document.add_argument("--json-bodies", action="store_true", help="one media type for each request body: JSON")
    carriers = commands.add_parser("carriers", help="about the carrier accounts of carriers.toml")
    check = carriers.add_subparsers(dest="carriers_command", required=True, metavar="command")
    checked = check.add_parser("check", help="try credentials, one read and the clock, and say what is wrong")
    checked.add_argument("account", nargs="?", help="one account; all of them if left out")
    probed = check.add_parser("probe", help="compare an account's answers with what the client expects; reads only")
    _probe(probed)
    return top


def _migrate(command: argparse.ArgumentParser) -> None:
    command.add_argument("--roles", action="store_true", help="also create the roles of API and worker, and grant them")
    asked = command.add_mutually_exclusive_group()
    asked.add_argument(
        "--distribute", action="store_true", help="on a Citus coordinator: distribute the usage tables over its workers"
    )
    asked.add_argument(
        "--check-distribution", action="store_true", help="say how the usage tables lie, and what is wrong"
    )
    command.add_argument("--shards", type=int, default=32, help="shards of each distributed table; default: 32")


def _probe(command: argparse.ArgumentParser) -> None:
    command.add_argument("account", help="a code of carriers.toml")
    command.add_argument("--iccid", action="append", default=[], help="a card to read; repeatable")
    command.add_argument("--calls", type=int, default=200, help="send no more requests than these; default: 200")
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    command.add_argument("--save", type=Path, metavar="DIR", help="write the answers there as scrubbed samples")


def _doctor(command: argparse.ArgumentParser) -> None:
    command.add_argument("--language", choices=("en", "zh"), default="en", help="language of the findings; default: en")


def _sandbox(command: argparse.ArgumentParser) -> None:
    command.add_argument("--host", default="127.0.0.1")
    command.add_argument("--port", type=int, help="default: SIMGATE_SANDBOX_PORT (8090)")
    command.add_argument("--protocols", help="comma separated; default: all six")
    command.add_argument("--fleet", type=Path, help="NDJSON or CSV with the import's columns")
    command.add_argument(
        "--description", type=Path, action="append", default=[], help="a carrier described as data; repeatable"
    )
    command.add_argument("--memory", action="store_true", help="keep no journal on disk")
    command.add_argument("--seed", type=int, default=1, help="seed of the generated traffic, which is repeatable")
    command.add_argument("--latency-ms", type=float, default=0.0, help="delay of each response, in milliseconds")


def _import(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", type=Path, help="CSV with a header, or NDJSON")
    command.add_argument("--plans", action="store_true", help="the file contains plans, not SIMs")
    command.add_argument("--dry-run", action="store_true", help="say what an import of SIMs would do; store nothing")
    command.add_argument("--partial", action="store_true", help="import the valid rows of a file with invalid ones")


def _key(command: argparse.ArgumentParser) -> None:
    command.add_argument("--tenant", default="default", help="created if it does not exist; default: default")
    command.add_argument("--name", help="what the key is for")
    command.add_argument("--scopes", required=True, help="comma separated, e.g. sims:read,operations:write")
    command.add_argument("--expires-at", help="RFC 3339 with offset; never if left out")
    command.add_argument("--network", action="append", default=[], help="a CIDR it may be used from; repeatable")


def _advance(command: argparse.ArgumentParser) -> None:
    command.add_argument("duration", help="31d, 12h, or ISO 8601 (P31D)")


def dispatch(given: argparse.Namespace, settings: Settings) -> None:
    """Run a command, importing only what it needs. Raises `CommandError` with the exit code and what to do."""
    match given.command:
        case "run" | "api" | "worker" | "scheduler":
            load_command("run").serve_roles(settings, given.command)
        case "migrate" | "restored" | "key-create" | "job":
            load_command("database").run_command(settings, given)
        case "sandbox":
            require_sandbox(ExitCode.USE, "run `simgate sandbox` from a checkout")
            load_command("sandbox").run_sandbox(settings, given)
        case "import":
            load_command("import_file").import_file(
                settings, given.file, plans=given.plans, partial=given.partial, dry_run=given.dry_run
            )
        case "advance":
            load_command("gateway_client").advance(settings, given.duration)
        case "rule" | "rules":
            load_command("rule").print_rules(given)
        case "openapi":
            load_command("openapi").openapi(json_only=given.json_bodies)
        case "doctor":
            load_command("doctor.run").doctor(settings, given.language)
        case "carriers":
            _dispatch_carriers(given, settings)


def _dispatch_carriers(given: argparse.Namespace, settings: Settings) -> None:
    if given.carriers_command == "probe":
        load_command("probe").probe(settings, given)
    else:
        load_command("carriers_check").check_carriers(settings, given.account)


def load_command(name: str) -> Any:
    """A module of this package, imported when its command is run, so that `--help` and small commands start fast."""
    return import_module(f"app.cli.{name}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit code. After an error the last line on standard error says what to do."""
    given = parser().parse_args(arguments)
    try:
        dispatch(given, Settings())
    except ValidationError as wrong:
        return _report(ExitCode.USE, "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in wrong.errors()))
    except CommandError as stop:
        return _report(stop.code, str(stop))
    except AccountsInvalid as wrong:
        for message in wrong.messages:
            print(message, file=sys.stderr)
        return _report(
            ExitCode.CARRIERS, "carriers.toml cannot be used: correct the lines above (SIMGATE_CARRIERS names the file)"
        )
    except DataDirInUse as wrong:
        return _report(ExitCode.IN_USE, str(wrong))
    except DatabaseUnusable as wrong:
        return _report(ExitCode.DATABASE, str(wrong))
    except KeyboardInterrupt:
        return ExitCode.OK
    except Exception as error:  # noqa: BLE001 - a person at a terminal gets a line that says what to do
        return _report(*load_command("lifetime").exit_of(error, given.command))
    return ExitCode.OK


def _report(code: ExitCode, message: str) -> int:
    print(f"simgate: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
