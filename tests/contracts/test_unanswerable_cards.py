"""A full batch of each kind with one card that the carrier will not or cannot answer for: all others are seen through.

The card is refused ("not your card", for the whole call), or the answer that names it is unreadable, or its record in an
otherwise good answer is. Every protocol, and every dialect that is described as data, against the sandbox.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from app.carriers.base import Failures, Progress, ProgressState, SimRef
from app.carriers.errors import CarrierError, CarrierProtocolError, CarrierRejected, NoSuchCard, UnsupportedOperation
from app.domain.calendar.cycles import cycle_on
from app.domain.vocabulary import Carrier, OperationKind, ProtocolName, SimState
from tests.contracts.apart import Scene, fill, open_scene
from tests.contracts.asked import CARRIERS, NO_CODE, TABLE, Asked, Kind

FEW = 12
"""Cards, where each is asked for by itself."""


class Trouble(StrEnum):
    """What is wrong about the one card."""

    UNKNOWN = "unknown"
    UNREADABLE = "unreadable"
    BAD_RECORD = "bad record"
    BLANK_RECORD = "blank record"

    async def strike(self, on: Scene, naming: list[str]) -> None:
        match self:
            case Trouble.UNKNOWN:
                await on.fault("unknown_card", naming)
            case Trouble.UNREADABLE:
                await on.fault("garbage", naming, applied=False)
            case Trouble.BAD_RECORD:
                await on.fault("bad_record", naming)
            case Trouble.BLANK_RECORD:
                await on.fault("bad_record", naming, value="")


@dataclass
class Seen:
    """What came back: a value or an error by ICCID."""

    values: dict[str, Any] = field(default_factory=dict)
    failures: Failures = field(default_factory=dict)


async def change(on: Scene) -> Seen:
    """Suspend all; the value is whether the change was taken."""
    seen = Seen()
    for outcome in await on.client.change_many(OperationKind.SUSPEND, on.sims, {}):
        if outcome.error is not None:
            seen.failures[outcome.iccid] = outcome.error
        else:
            seen.values[outcome.iccid] = outcome.receipt is not None
    return seen


async def status(on: Scene) -> Seen:
    seen = Seen()
    found = await on.client.snapshot(on.sims, failures=seen.failures)
    seen.values = {snapshot.iccid: snapshot.state for snapshot in found if snapshot.state is not None}
    return seen


async def usage(on: Scene) -> Seen:
    seen = Seen()
    cycle = cycle_on(on.client.account.carrier, on.clock.now().date())
    figures = await on.client.usage(on.sims, cycle, failures=seen.failures)
    seen.values = {figure.iccid: figure.used for figure in figures}
    return seen


async def session(on: Scene) -> Seen:
    seen = Seen()
    for sim in on.sims:
        try:
            seen.values[sim.iccid] = (await on.client.session(sim)).online
        except CarrierError as error:
            seen.failures[sim.iccid] = error
    return seen


ASK: Mapping[Kind, Callable[[Scene], Awaitable[Seen]]] = {
    Kind.CHANGE: change,
    Kind.STATUS: status,
    Kind.USAGE: usage,
    Kind.SESSION: session,
}


def right_value(kind: Kind, on: Scene, sim: SimRef) -> object:
    """The truth about a card, as the test made it."""
    if kind is Kind.STATUS:
        return SimState.SUSPENDED if on.is_stopped(sim) else SimState.ACTIVE
    return {Kind.CHANGE: True, Kind.USAGE: on.used(sim), Kind.SESSION: on.is_online(sim)}[kind]


def most_calls(asked: Asked, healthy: int) -> int:
    """A batch is halved until the card is alone: two calls a level; and a card may be looked at once more by itself."""
    return healthy + 2 * math.ceil(math.log2(max(asked.size, 1))) + 2


def is_typed(on: Scene, trouble: Trouble, error: CarrierError) -> bool:
    """Whether an error of the tree says what is wrong."""
    expected = NoSuchCard if trouble is Trouble.UNKNOWN and on.name not in NO_CODE else CarrierProtocolError
    return isinstance(error, expected)


ROWS = [(name, kind) for name, kinds in TABLE.items() for kind in kinds]
READS = [(name, kind) for name, kind in ROWS if TABLE[name][kind].size and kind not in (Kind.CHANGE, Kind.PROGRESS)]


def named(rows: list[tuple[str, Kind]]) -> Any:
    return pytest.mark.parametrize("on", rows, indirect=True, ids=[f"{name}-{kind}" for name, kind in rows])


@pytest.fixture
async def on(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """As many cards as fill a batch (Jasper lists the account only where that is worth it: a page and some)."""
    name, kind = request.param
    asked, carrier = TABLE[name][kind], CARRIERS.get(name, Carrier.CMCC)
    cards = FEW if asked.size < FEW else asked.size + 10 * (name == "jasper")
    scene = open_scene(name, carrier, cards)
    await fill(scene, carrier, mixed=kind not in (Kind.CHANGE, Kind.PROGRESS))
    yield scene
    await scene.close()


def row(request: pytest.FixtureRequest) -> tuple[Kind, Asked]:
    name, kind = request.node.callspec.params["on"]
    return kind, TABLE[name][kind]


@pytest.mark.parametrize("trouble", Trouble)
@named(READS)
async def test_a_read_has_the_right_values_of_all_other_cards(
    on: Scene, trouble: Trouble, request: pytest.FixtureRequest
) -> None:
    kind, asked = row(request)
    right = {sim.iccid: right_value(kind, on, sim) for sim in on.sims}
    before = on.requests
    assert (await ASK[kind](on)).values == right
    healthy, before = on.requests - before, on.requests
    await trouble.strike(on, [on.apart.iccid])
    seen = await ASK[kind](on)
    assert on.requests - before <= most_calls(asked, healthy)
    assert {iccid: value for iccid, value in seen.values.items() if iccid != on.apart.iccid} == {
        iccid: value for iccid, value in right.items() if iccid != on.apart.iccid
    }
    assert set(seen.failures) <= {on.apart.iccid}
    if on.apart.iccid in seen.failures:
        assert on.apart.iccid not in seen.values
        assert is_typed(on, trouble, seen.failures[on.apart.iccid])
    else:
        assert seen.values.get(on.apart.iccid) in harmless(kind, asked, trouble, right[on.apart.iccid])


def harmless(kind: Kind, asked: Asked, trouble: Trouble, right: object) -> tuple[object, ...]:
    """What may be told of the card without an error: nothing, unless the trouble does not reach it."""
    if asked.listed and trouble in (Trouble.UNKNOWN, Trouble.UNREADABLE):
        return None, right  # the list names no card, so that nothing is refused
    if kind is Kind.SESSION and trouble is Trouble.BLANK_RECORD:
        return None, False  # a blank time is how carriers say that there is no session
    return (None,)


CHANGES = [(name, Kind.CHANGE) for name in TABLE]


@named(CHANGES)
async def test_a_change_reaches_all_other_cards_once(on: Scene, request: pytest.FixtureRequest) -> None:
    kind, asked = row(request)
    await Trouble.UNKNOWN.strike(on, [on.apart.iccid])
    seen = await change(on)
    assert seen.values == {sim.iccid: right_value(kind, on, sim) for sim in on.others}
    assert set(seen.failures) == {on.apart.iccid}
    assert is_typed(on, Trouble.UNKNOWN, seen.failures[on.apart.iccid])
    assert on.requests <= most_calls(asked, healthy=2 if asked.size > 1 else 1 + len(on.sims))  # a token, then these
    assert await changed(on) == dict.fromkeys(seen.values, 1)


@pytest.mark.parametrize("applied", [False, True])
@named(CHANGES)
async def test_a_change_whose_answer_is_unreadable_is_its_batchs_error_and_not_sent_again(
    on: Scene, applied: bool, request: pytest.FixtureRequest
) -> None:
    _, asked = row(request)
    await on.fault("garbage", [on.apart.iccid], applied=applied)
    seen = await change(on)
    shares_a_call = on.sims if asked.size > 1 else [on.apart]
    assert set(seen.failures) == {sim.iccid for sim in shares_a_call}
    assert all(isinstance(error, CarrierProtocolError) for error in seen.failures.values())
    assert on.requests <= 1 + math.ceil(len(on.sims) / asked.size)
    reached = on.sims if applied else [sim for sim in on.sims if sim.iccid in seen.values]
    assert await changed(on) == {sim.iccid: 1 for sim in reached}


async def changed(on: Scene) -> dict[str, int]:
    """How often each card was really suspended, where it was."""
    await on.pass_time(seconds=5)
    effects = {sim.iccid: on.sandbox.store.cards[sim.iccid].effects.get("suspend", 0) for sim in on.sims}
    return {iccid: times for iccid, times in effects.items() if times}


PROGRESS = [(name, Kind.PROGRESS) for name in TABLE if TABLE[name][Kind.PROGRESS].size]


@pytest.mark.parametrize("trouble", Trouble)
@named(PROGRESS)
async def test_the_progress_of_all_other_cards_is_told(
    on: Scene, trouble: Trouble, request: pytest.FixtureRequest
) -> None:
    _, asked = row(request)
    if asked.listed and trouble is Trouble.UNKNOWN:
        on.sandbox.store.remove(on.sandbox.store.cards[on.apart.iccid])
    outcomes = await on.client.change_many(OperationKind.SUSPEND, on.sims, {})
    references: dict[str, list[SimRef]] = {}
    for sim, outcome in zip(on.sims, outcomes, strict=True):
        assert outcome.receipt is not None
        references.setdefault(str(outcome.receipt.reference), []).append(sim)
    assert len(references) == math.ceil(len(on.sims) / asked.size)
    await on.pass_time(seconds=5)
    if not (asked.listed and trouble is Trouble.UNKNOWN):
        own = next(reference for reference, sims in references.items() if on.apart in sims)
        await trouble.strike(on, [on.apart.iccid] if asked.listed else [own])
    failures: Failures = {}
    told: dict[str, Progress] = {}
    before = on.requests
    for reference, sims in references.items():
        told |= await on.client.progress_many(OperationKind.SUSPEND, sims, reference, failures=failures)
    assert on.requests - before <= len(references) + 1
    apart = told.pop(on.apart.iccid, None)
    assert {iccid: one.state for iccid, one in told.items()} == dict.fromkeys(
        (sim.iccid for sim in on.others), ProgressState.DONE
    )
    assert set(failures) <= {on.apart.iccid}
    if apart is None:
        assert is_typed(on, trouble, failures[on.apart.iccid])
    else:
        # OneLink names the job alone: only a record in its answer can be unreadable, and an unknown card has failed.
        unreached = asked.listed and trouble is Trouble.UNREADABLE
        assert (apart.state, apart.unknown_sim) == (
            (ProgressState.DONE, False) if unreached else (ProgressState.FAILED, True)
        )


ABSENT = [(name, kind) for name, kind in ROWS if not TABLE[name][kind].size]


@named(ABSENT)
async def test_what_a_protocol_cannot_be_asked_is_not_asked(on: Scene, request: pytest.FixtureRequest) -> None:
    kind, asked = row(request)
    assert asked.why
    if kind is Kind.PROGRESS:
        for sim in on.sims:
            assert (await on.client.progress(OperationKind.SUSPEND, sim, "1")).state is ProgressState.UNREPORTED
        assert on.requests == 0
        return
    with pytest.raises((UnsupportedOperation, CarrierRejected)):
        await on.client.session(on.apart)


def test_the_table_has_every_protocol_and_dialect_and_a_reason_for_what_is_no_batch() -> None:
    public = {path.stem for path in (Path(__file__).parents[2] / "carriers").glob("*.toml")}
    protocols = {name.value for name in ProtocolName} - {"described", "desk"}
    assert set(TABLE) == protocols | public | {"invented"}
    assert all(set(kinds) == set(Kind) for kinds in TABLE.values())
    assert all(asked.why for kinds in TABLE.values() for asked in kinds.values() if asked.size < 2)
