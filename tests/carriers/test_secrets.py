"""Secrets are read again without a restart: where a carrier refuses them, and where the operator asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.gateway import Gateway, open_gateway

ONELINK = """
[accounts.cmcc-main]
carrier = "cmcc"
[[accounts.cmcc-main.protocols]]
protocol = "onelink"
base_url = "sandbox"
credentials = { appid = "%s", password = "file:password" }
"""
GOOD, BAD = "sandbox-onelink-password", "of-last-year"


def carriers(folder: Path, password: str) -> Path:
    """A carriers.toml whose password is in a file."""
    (folder / "password").write_text(password)
    path = folder / "own.toml"
    path.write_text(ONELINK % "100001")
    return path


async def suspended(gateway: Gateway, card: str) -> dict[str, Any]:
    answer = await gateway.api.post(f"/v1/sims/{card}/suspend")
    return await gateway.operation(answer)


async def test_refused_secrets_are_read_again_without_a_restart(clean_database: str, tmp_path: Path) -> None:
    """What waited for the right password is sent once it is there; nobody restarts anything."""
    path = carriers(tmp_path, BAD)
    async with open_gateway(clean_database, tmp_path, accounts_path=path) as gateway:
        [card] = await gateway.fleet({})
        (tmp_path / "password").write_text(GOOD)

        done = await suspended(gateway, card)

        assert (done["status"], done["error"]) == ("succeeded", None)
        told = [line for line in done["history"] if "not sent" in line["note"]]
        assert told, done["history"]


async def test_secrets_are_read_again_where_the_operator_asks(clean_database: str, tmp_path: Path) -> None:
    """As at SIGHUP: the accounts whose secrets are others are told; unreadable ones leave what there was."""
    path = carriers(tmp_path, GOOD)
    async with open_gateway(clean_database, tmp_path, accounts_path=path) as gateway:
        secrets = gateway.container.secrets
        same = secrets.read_again()
        (tmp_path / "password").write_text(BAD)
        changed = secrets.read_again()
        (tmp_path / "password").unlink()
        unreadable = secrets.read_again()

        assert (same, changed, unreadable) == ([], ["cmcc-main"], [])
        entry = gateway.ctx.accounts["cmcc-main"].protocols[0]
        assert entry.credentials["password"] == BAD
