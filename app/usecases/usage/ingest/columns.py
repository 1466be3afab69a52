"""The reports of a batch that may be counted, by column."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

REQUEST_SHIFT = 20
UNKNOWN = -1


@dataclass(slots=True)
class Columns:
    """Reports that may be counted.

    `cards`: as `SimLookupCache` packs them, or `UNKNOWN`, then `names` has the ICCID.

    `origins`: the request's place in the batch `<< REQUEST_SHIFT |` the report's place in the request.
    """

    gateways: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    cards: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    amounts: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    origins: list[int] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)

    def drop(self, indexes: Collection[int]) -> None:
        """Leave these reports out."""
        if not indexes:
            return
        left = [index for index in range(len(self.ids)) if index not in indexes]
        columns: list[list[Any]] = [self.gateways, self.ids, self.cards, self.seconds]
        for column in (*columns, self.amounts, self.keys, self.origins):
            column[:] = [column[index] for index in left]
        self.names = {place: self.names[index] for place, index in enumerate(left) if index in self.names}
