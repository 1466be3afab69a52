"""Cards remembered by the thousand: what a range holds is what the database said, and nothing else is found in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.usecases.usage.ingest.cycle_index import CALENDAR_BITS
from app.usecases.usage.ingest.iccid_blocks import ENOUGH, HEAD, LEAST, SLOTS, BlockCache, IccidBlock

NAME = "8986040000000000"


def _ranges(cards: dict[str, int], *, calendar: int = 1) -> BlockCache:
    found = BlockCache()
    rests = [name[HEAD:] for name in cards]
    found.add([NAME], [IccidBlock(head=NAME, calendar=calendar, ids=list(cards.values()), rests=rests)])
    return found


def _found(ranges: BlockCache, names: list[str]) -> list[int | None]:
    cards: list[int | None] = [None] * len(names)
    ranges.fill(names, cards)
    return cards


RESTS = st.from_regex(r"[0-9]{3}[0-9]?", fullmatch=True)


@given(
    rests=st.sets(RESTS, min_size=LEAST, max_size=LEAST + 20),
    asked=st.lists(RESTS | st.sampled_from(["", "1", "12", "٣٣٣", " 12", "1_2", "+12", "12a", "12345"])),
    first=st.sampled_from([1, 1 << 33]),
)
def test_a_range_knows_its_own_cards_by_their_whole_name_alone(rests: set[str], asked: list[str], first: int) -> None:
    cards = {NAME + rest: first + number for number, rest in enumerate(sorted(rests))}
    ranges = _ranges(cards)

    names = [*cards, *(NAME + rest for rest in asked)]
    for name, card in zip(names, _found(ranges, names), strict=True):
        assert card is None or card == cards[name] << CALENDAR_BITS | 1
    one_each = {name[:19] for name in cards}
    assert sum(card is not None for card in _found(ranges, list(cards))) == len(one_each)


def test_cards_in_the_order_of_their_numbers_are_found_too() -> None:
    cards = {f"{NAME}{number:03d}": 500 + number for number in range(SLOTS)}

    assert _found(_ranges(cards, calendar=0), list(cards)) == [card << CALENDAR_BITS for card in cards.values()]


def test_what_is_already_named_is_left_alone() -> None:
    cards = {f"{NAME}{number:03d}": 500 + number for number in range(SLOTS)}
    given_: list[int | None] = [7, None]

    _ranges(cards).fill([f"{NAME}001", f"{NAME}002"], given_)

    assert given_ == [7, 502 << CALENDAR_BITS | 1]


def test_a_head_is_read_once_enough_of_its_cards_were_asked_for() -> None:
    ranges = BlockCache()
    names = [f"{NAME}{number:03d}" for number in range(ENOUGH)]

    ranges.count(names[:-1])
    early = ranges.due()
    ranges.count(names[-1:])

    assert (early, ranges.due(), ranges.due()) == ([], [NAME], [])


def test_a_thin_head_is_not_kept_and_not_read_again_soon() -> None:
    ranges = BlockCache()
    names = [f"{NAME}{number:03d}" for number in range(LEAST - 1)]
    ranges.add([NAME], [IccidBlock(head=NAME, calendar=1, ids=range(1, LEAST), rests=[n[HEAD:] for n in names])])

    ranges.count(names)

    assert (_found(ranges, names), ranges.due()) == ([None] * len(names), [])


def test_of_two_calendars_in_one_head_the_fuller_is_kept() -> None:
    ranges = BlockCache()
    many = [f"{number:03d}" for number in range(200)]
    few = [f"{number:03d}" for number in range(200, 320)]
    ranges.add(
        [NAME],
        [
            IccidBlock(head=NAME, calendar=2, ids=range(1000, 1120), rests=few),
            IccidBlock(head=NAME, calendar=3, ids=range(1, 201), rests=many),
        ],
    )

    assert _found(ranges, [f"{NAME}005", f"{NAME}205"]) == [6 << CALENDAR_BITS | 3, None]
