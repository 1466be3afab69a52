"""Secrets read again without a restart: where a carrier refuses them, and where the operator asks for it (SIGHUP)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import replace
from pathlib import Path

from app.carriers.account_client import AccountClient
from app.carriers.config import Account
from app.carriers.config_file import AccountsInvalid, read_accounts
from app.clock import monotonic
from app.telemetry import get_logger

EVERY_S = 15.0
"""Refused secrets are read again no more often."""

log = get_logger("secrets")


class Secrets:
    """The secrets of the accounts in carriers.toml; of the file nothing else is taken over while the process runs."""

    def __init__(
        self,
        path: Path,
        accounts: MutableMapping[str, Account],
        clients: Mapping[str, AccountClient],
        renewed: Callable[[str], None],
    ) -> None:
        self._path = path
        self._accounts = accounts
        self._clients = clients
        self._renewed = renewed
        self._read_at: float | None = None

    def refused(self, account: str) -> None:
        """A carrier refused the secrets of an account: read all again, unless that was done just now."""
        if self._read_at is None or monotonic() - self._read_at >= EVERY_S:
            self.read_again(because=account)

    def read_again(self, *, because: str | None = None) -> list[str]:
        """Read carriers.toml and what it points to; gives the accounts whose secrets are others now."""
        self._read_at = monotonic()
        try:
            found = {account.code: account for account in read_accounts(self._path)}
        except AccountsInvalid as invalid:
            log.warning("secrets.unreadable", faults=len(invalid.messages))  # a message may quote the file
            return []
        changed = [code for code in self._accounts if code in found and self._renew(code, found[code])]
        log.info("secrets.read_again", changed=changed, refused_by=because)
        return changed

    def _renew(self, code: str, found: Account) -> bool:
        known = self._accounts[code]
        given = {entry.protocol: entry.credentials for entry in found.protocols}
        protocols = tuple(
            replace(entry, credentials=given.get(entry.protocol, entry.credentials)) for entry in known.protocols
        )
        if protocols == known.protocols:
            return False
        self._accounts[code] = replace(known, protocols=protocols)
        self._clients[code].renew(self._accounts[code])
        self._renewed(code)
        return True
