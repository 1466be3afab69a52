"""The contract's bench for carriers described as data: sandbox, credentials and account follow from the file."""

from __future__ import annotations

from collections.abc import Mapping

from app.carriers.account_client import AccountClient
from app.carriers.config_file import parse_accounts
from app.carriers.described.reader import read_description
from app.carriers.registry import build_clients
from app.clock import SystemClock
from app.domain.vocabulary import Carrier, OperationKind, ProtocolName
from sandbox.described.server import credentials_of, load
from tests.contracts.served import DESCRIPTIONS
from tests.contracts.workbench import Bench

FILES = {load(path)["name"]: path for path in DESCRIPTIONS}


def described_credentials(name: str) -> Mapping[str, str]:
    """What the sandbox accepts for a description."""
    return credentials_of(load(FILES[name]))


class DescribedBench(Bench):
    """A bench whose carrier is a file."""

    def __init__(self, sandbox_url: str, name: str, carrier: Carrier) -> None:
        super().__init__(sandbox_url, ProtocolName.DESCRIBED, carrier, described_credentials(name))
        self.name_of_carrier = name
        self.operations = read_description(FILES[name]).operations

    @property
    def served_as(self) -> str:
        return self.name_of_carrier

    def has_api(self, kind: OperationKind) -> bool:
        return kind in self.operations

    def _client(self, credentials: Mapping[str, str]) -> AccountClient:
        entry = {
            "protocol": "described",
            "description": str(FILES[self.name_of_carrier]),
            "base_url": "sandbox",
            "credentials": dict(credentials),
            "settings": {"read_s": 1},
        }
        document = {"accounts": {"it": {"carrier": self.carrier.value, "protocols": [entry]}}}
        return build_clients(parse_accounts(document), sandbox_url=self.url, clock=SystemClock())["it"]
