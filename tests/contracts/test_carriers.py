"""The contract, once per protocol."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.carriers.errors import CarrierAuthFailed, CarrierProtocolError, UnsupportedOperation
from app.domain.vocabulary import Carrier, OperationKind, ProtocolName
from tests.contracts.carrier import CarrierContract
from tests.contracts.described import DescribedBench, described_credentials
from tests.contracts.workbench import Bench

_DOCUMENT = tomllib.loads((Path(__file__).parents[2] / "demo" / "carriers-all.toml").read_text(encoding="utf-8"))


def credentials(protocol: ProtocolName) -> Mapping[str, str]:
    """What the sandbox accepts."""
    entries = (entry for account in _DOCUMENT["accounts"].values() for entry in account["protocols"])
    found: Mapping[str, str] = next(entry["credentials"] for entry in entries if entry["protocol"] == protocol)
    return found


class TestOneLink(CarrierContract):
    protocol = ProtocolName.ONELINK
    carrier = Carrier.CMCC
    credentials = credentials(ProtocolName.ONELINK)
    product_code = "0:2"

    async def test_a_revoked_token_is_renewed_and_the_change_has_one_effect(self, it: Bench) -> None:
        sim = await it.card("active")
        await it.warm(sim)
        await it.fault("suspend", "revoke_token", {})
        await it.done(OperationKind.SUSPEND, sim, await it.client.change(OperationKind.SUSPEND, sim, {}))
        assert await it.effects(sim, OperationKind.SUSPEND) == 1

    async def test_many_callers_share_one_token(self, it: Bench) -> None:
        sims = [await it.card("active") for _ in range(10)]
        before = await it.requests()
        await asyncio.gather(*[it.client.snapshot([sim, sim]) for sim in sims])
        assert await it.requests() - before == 1 + 2 * len(sims)


class TestJasper(CarrierContract):
    protocol = ProtocolName.JASPER
    carrier = Carrier.CUCC
    credentials = credentials(ProtocolName.JASPER)
    repetition = "silently"


class TestUnicomCmp(CarrierContract):
    protocol = ProtocolName.UNICOM_CMP
    carrier = Carrier.CUCC
    credentials = credentials(ProtocolName.UNICOM_CMP)
    wrong_credentials = (CarrierAuthFailed, CarrierProtocolError)  # its code for a bad token is not published


class TestCtccCmp(CarrierContract):
    protocol = ProtocolName.CTCC_CMP
    carrier = Carrier.CTCC
    credentials = credentials(ProtocolName.CTCC_CMP)
    product_code = "2007"


class TestCtwing(CarrierContract):
    protocol = ProtocolName.CTWING
    carrier = Carrier.CTCC
    credentials = credentials(ProtocolName.CTWING)
    wrong_credentials = (CarrierAuthFailed, CarrierProtocolError)  # nor is its gateway's


class TestGsl(CarrierContract):
    protocol = ProtocolName.GSL
    carrier = Carrier.CTCC
    credentials = credentials(ProtocolName.GSL)
    repetition = "unpublished"


class DescribedContract(CarrierContract):
    """The same contract for a carrier that is a file: what the suite needs is taken from the file."""

    protocol = ProtocolName.DESCRIBED
    carrier = Carrier.CMCC
    repetition = "silently"
    name: str

    def bench(self, sandbox_url: str) -> Bench:
        return DescribedBench(sandbox_url, self.name, self.carrier)

    async def test_a_session_is_told_or_refused_in_the_trees_words(self, it: Bench) -> None:
        assert isinstance(it, DescribedBench)
        sim = await it.card("active")
        await it.control("device", {"iccid": sim.iccid, "imei": "868739050000005", "province": "湖北"})
        if "session" not in it.operations:
            with pytest.raises(UnsupportedOperation):
                await it.client.session(sim)
            return
        assert (await it.client.session(sim)).online
        assert not (await it.client.session(await it.card("active"))).online


class TestSimboss(DescribedContract):
    name = "simboss"
    credentials = described_credentials("simboss")
    wrong_credentials = (CarrierProtocolError,)  # no code for a wrong signature is published


class TestUpiot(DescribedContract):
    name = "upiot"
    credentials = described_credentials("upiot")
    wrong_credentials = (CarrierProtocolError,)  # the key is in the path: a wrong one is no address at all


class TestInvented(DescribedContract):
    name = "invented"
    credentials = described_credentials("invented")

    async def test_a_revoked_token_is_renewed_and_the_change_has_one_effect(self, it: Bench) -> None:
        sim = await it.card("active")
        await it.warm(sim)
        await it.fault("suspend", "revoke_token", {})
        await it.done(OperationKind.SUSPEND, sim, await it.client.change(OperationKind.SUSPEND, sim, {}))
        assert await it.effects(sim, OperationKind.SUSPEND) == 1

    async def test_real_name_is_told(self, it: Bench) -> None:
        sim = await it.card("active")
        assert await it.client.real_named([sim]) == {sim.iccid: False}
