"""The carriers' side without HTTP: the world of cards, the protocols' servers, faults, pushes and the journal."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.clock import Clock, SystemClock
from sandbox.credentials import CREDENTIALS
from sandbox.described.server import Described, credentials_of, load
from sandbox.fleet import fleet
from sandbox.fleet.card import Card
from sandbox.fleet.journal import FileJournal, Journal, NoJournal
from sandbox.fleet.store import Store
from sandbox.fleet.traffic import Meter
from sandbox.fleet.world import World
from sandbox.http.faults import Faults
from sandbox.http.push import Pusher
from sandbox.http.server import ProtocolServer
from sandbox.options import SandboxOptions
from sandbox.protocols import SERVERS
from sandbox.time import SandboxClock, Zone

log = logging.getLogger(__name__)


class SandboxCore:
    """What the ASGI application and the control API both work on."""

    def __init__(self, options: SandboxOptions, clock: Clock | None = None) -> None:
        self.options = options
        self.faults = Faults()
        journal: Journal = NoJournal() if options.data_dir is None else FileJournal(options.data_dir)
        self.store = Store(journal)
        kept = journal.read() if isinstance(journal, FileJournal) else {}
        self.store.load(kept)
        self.clock = SandboxClock(clock or SystemClock(), int(self.store.meta.get("offset", 0)))
        zones = {carrier: Zone(name) for carrier, name in options.zones.items()}
        self.world = World(self.store, self.clock, Meter(options.seed), zones)
        credentials = {**CREDENTIALS, **(options.credentials or {})}
        self.servers: dict[str, ProtocolServer] = {
            name: SERVERS[name](self.world, dict(credentials[name])) for name in options.protocols
        }
        self.servers |= {server.name: server for server in self._described(options.descriptions)}
        for name in self.servers:
            self.store.settings[name] = options.settings_of(name)
        self.pusher = Pusher(self.store, self.servers)
        if not kept:
            self._first_start()
        journal.rewrite(self.store.entries())
        self.store.flush()

    def _described(self, paths: Sequence[Path]) -> list[Described]:
        """A server for each file that describes a carrier."""
        documents = [load(path) for path in paths]
        return [Described(self.world, document, credentials_of(document)) for document in documents]

    def _first_start(self) -> None:
        if self.options.fleet is not None:
            done = fleet.add_file(self.world, self.options.fleet)
            for row in done["rejected"]:
                log.warning("sandbox fleet: line %s: %s", row["line"], row["detail"])

    def move_to(self, instant: int) -> None:
        """Let it be later; what falls due on the way happens in order, each at its own instant."""
        self.clock.move_to(instant)
        self.store.meta["offset"] = self.clock.offset_ms
        self.store.touch("meta", "offset")
        self.world.settle()

    def set(self, protocol: str, values: dict[str, Any]) -> None:
        """Change a protocol's settings. Raises ValueError."""
        self.store.settings[protocol] = self.store.settings[protocol].changed(values)
        self.store.touch("settings", protocol)

    def all_settings(self) -> dict[str, Any]:
        """Every protocol's settings."""
        return {name: dataclasses.asdict(self.store.settings[name]) for name in self.servers}

    def device_changed(self, card: Card, before: str) -> None:
        """Push another IMEI, from the carriers that do."""
        for name in self.world.protocols(card):
            if name in self.servers and name in ("jasper", "unicom_cmp"):
                push = {"event": "IMEI_CHANGE", "iccid": card.iccid, "before": before, "after": card.imei}
                self.world.queue_push(name, push, self.world.now())

    def reset(self) -> None:
        """As at the first start: the fleet file's cards, no faults, the settings of the start. The clock stays."""
        self.faults.waiting.clear()
        journal = self.store.journal
        self.store = self.world.store = self.pusher.store = Store(journal)
        self.store.meta["offset"] = self.clock.offset_ms
        for name in self.servers:
            self.store.settings[name] = self.options.settings_of(name)
        self._first_start()
        journal.rewrite(self.store.entries())

    async def tick(self) -> None:
        """Time has passed: what is due happens, pushes go out."""
        self.world.settle()
        if self.store.flush():
            await self.pusher.deliver()

    async def close(self) -> None:
        """Stop pushing and let the folder go."""
        await self.pusher.close()
        self.store.flush()
        self.store.journal.close()
