"""SIMs cached by ICCID block: what is found is what was read, and nothing else is found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.usecases.usage.ingest.iccid_blocks import (
    BLOCK_SIZE,
    LOOKUPS_BEFORE_LOAD,
    MIN_BLOCK_SIMS,
    PREFIX_LENGTH,
    BlockCache,
    IccidBlock,
)
from app.usecases.usage.ingest.packed import SimKey, sim_key

NAME = "8986040000000000"


def _blocks(cards: dict[str, int], *, calendar: int = 1) -> BlockCache:
    found = BlockCache()
    suffixes = [name[PREFIX_LENGTH:] for name in cards]
    found.add([NAME], [IccidBlock(prefix=NAME, calendar=calendar, ids=list(cards.values()), suffixes=suffixes)])
    return found


def _filled(blocks: BlockCache, names: list[str]) -> list[SimKey | None]:
    cards: list[SimKey | None] = [None] * len(names)
    blocks.fill(names, cards)
    return cards


SUFFIXES = st.from_regex(r"[0-9]{3}[0-9]?", fullmatch=True)


@given(
    suffixes=st.sets(SUFFIXES, min_size=MIN_BLOCK_SIMS, max_size=MIN_BLOCK_SIMS + 20),
    asked=st.lists(SUFFIXES | st.sampled_from(["", "1", "12", "٣٣٣", " 12", "1_2", "+12", "12a", "12345"])),
    first=st.sampled_from([1, 1 << 33]),
)
def test_a_block_knows_its_own_sims_by_their_whole_iccid_alone(
    suffixes: set[str], asked: list[str], first: int
) -> None:
    cards = {NAME + suffix: first + number for number, suffix in enumerate(sorted(suffixes))}
    blocks = _blocks(cards)

    names = [*cards, *(NAME + suffix for suffix in asked)]
    for name, card in zip(names, _filled(blocks, names), strict=True):
        assert card is None or card == sim_key(cards[name], 1)
    one_each = {name[:19] for name in cards}
    assert sum(card is not None for card in _filled(blocks, list(cards))) == len(one_each)


def test_sims_in_the_order_of_their_iccids_are_filled_too() -> None:
    cards = {f"{NAME}{number:03d}": 500 + number for number in range(BLOCK_SIZE)}

    assert _filled(_blocks(cards, calendar=0), list(cards)) == [sim_key(card, 0) for card in cards.values()]


def test_a_sim_already_filled_is_left_alone() -> None:
    cards = {f"{NAME}{number:03d}": 500 + number for number in range(BLOCK_SIZE)}
    given_: list[SimKey | None] = [SimKey(7), None]

    _blocks(cards).fill([f"{NAME}001", f"{NAME}002"], given_)

    assert given_ == [SimKey(7), sim_key(502, 1)]


def test_a_block_is_due_once_after_enough_single_lookups() -> None:
    blocks = BlockCache()
    names = [f"{NAME}{number:03d}" for number in range(LOOKUPS_BEFORE_LOAD)]

    blocks.count(names[:-1])
    early = blocks.take_due()
    blocks.count(names[-1:])

    assert (early, blocks.take_due(), blocks.take_due()) == ([], [NAME], [])


def test_a_sparse_block_is_not_cached_and_not_read_again_soon() -> None:
    blocks = BlockCache()
    names = [f"{NAME}{number:03d}" for number in range(MIN_BLOCK_SIMS - 1)]
    blocks.add(
        [NAME],
        [
            IccidBlock(
                prefix=NAME, calendar=1, ids=range(1, MIN_BLOCK_SIMS), suffixes=[n[PREFIX_LENGTH:] for n in names]
            )
        ],
    )

    blocks.count(names)

    assert (_filled(blocks, names), blocks.take_due()) == ([None] * len(names), [])


def test_of_two_calendars_in_one_block_the_fuller_is_cached() -> None:
    blocks = BlockCache()
    many = [f"{number:03d}" for number in range(200)]
    few = [f"{number:03d}" for number in range(200, 320)]
    blocks.add(
        [NAME],
        [
            IccidBlock(prefix=NAME, calendar=2, ids=range(1000, 1120), suffixes=few),
            IccidBlock(prefix=NAME, calendar=3, ids=range(1, 201), suffixes=many),
        ],
    )

    assert _filled(blocks, [f"{NAME}005", f"{NAME}205"]) == [sim_key(6, 3), None]
