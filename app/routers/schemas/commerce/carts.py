"""Carts: what is put in, what it costs, and what cannot be ordered."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from app.domain.commerce.orders import ItemKind
from app.domain.vocabulary import Supplier
from app.routers.schemas.base import (
    AnswerModel,
    At,
    Fen,
    Listed,
    On,
    Paging,
    QueryFlag,
    QueryInt,
    RequestModel,
    Text,
    Word,
    open_words,
)
from app.routers.schemas.bulk import SelectedSims, Selector
from app.routers.schemas.operations import OPERATION_ID
from app.routers.schemas.problems import HoldWord
from app.routers.schemas.sims.answers import SupplierWord
from app.usecases.orders.carts import MOST_ENTRIES, MOST_ITEMS

ItemKindWord = Annotated[ItemKind, open_words(ItemKind)]
ICCID = "89860012345678901234"

_NEEDS: dict[ItemKind, tuple[str, ...]] = {
    ItemKind.RENEW: ("months",),
    ItemKind.CARD_ADDON: ("addon",),
    ItemKind.POOL_ADDON: ("pool", "addon"),
    ItemKind.CHANGE_PLAN: ("plan",),
    ItemKind.NEW_CARDS: ("plan", "quantity"),
}
"""What each kind of item needs beside its SIMs, and takes."""

OF_CARDS = frozenset({ItemKind.RENEW, ItemKind.CARD_ADDON, ItemKind.CHANGE_PLAN})
"""Kinds that are about SIMs: one by its ICCID, or those of a selector."""


class CartItemRequest(RequestModel):
    """What is bought: for one SIM or many, for a pool, or new SIMs."""

    kind: Annotated[ItemKind, Word] = Field(description="What is bought.", examples=["renew"])
    iccid: Text | None = Field(default=None, description="For this SIM.", examples=[ICCID])
    selector: Selector | None = Field(default=None, description="For these SIMs.")
    order: Text | None = Field(
        default=None,
        description="Of those only SIMs of this order; others are refused (RN-7).",
        examples=["SO-1"],
    )
    pool: Text | None = Field(default=None, description="`pool_addon`: for this pool.", examples=["pool-1"])
    months: Annotated[int, Field(ge=1, le=120, json_schema_extra={"x-unit": "month"})] | None = Field(
        default=None, description="`renew`: by how many months.", examples=[12]
    )
    addon: Text | None = Field(default=None, description="The add-on pack by its id.", examples=["cmcc-1g"])
    plan: Text | None = Field(
        default=None, description="`change_plan`: to this plan; `new_cards`: of this plan.", examples=["cmcc-100m"]
    )
    quantity: Annotated[int, Field(ge=1, le=MOST_ENTRIES)] | None = Field(
        default=None, description="`new_cards`: how many.", examples=[100]
    )

    @model_validator(mode="after")
    def _fits_its_kind(self) -> CartItemRequest:
        needed = _NEEDS[self.kind]
        missing = [name for name in needed if getattr(self, name) is None]
        if self.kind in OF_CARDS and (self.iccid is None) == (self.selector is None):
            missing.insert(0, "iccid or selector")
        if missing:
            raise PydanticCustomError("REQUIRED", f"{self.kind}: {', '.join(missing)}")
        taken = {*needed, *(("iccid", "selector", "order") if self.kind in OF_CARDS else ())}
        others = [name for name in type(self).model_fields if name != "kind" and name not in taken]
        if any(getattr(self, name) is not None for name in others):
            raise PydanticCustomError("NOT_FOR_THIS_KIND", f"{self.kind} takes {', '.join(sorted(taken))}")
        return self


Items = Annotated[list[CartItemRequest], Field(max_length=MOST_ITEMS)]


class CartRequest(RequestModel):
    """A new cart."""

    terms: Annotated[Supplier, Word] | None = Field(
        default=None, description="At which supplier; null: that of its first SIM (RN-5).", examples=["flexem"]
    )
    items: Items = Field(default=[], description="What is put in at once.")


class EntryRefusal(AnswerModel):
    """Why something cannot be ordered."""

    code: str = Field(description="A problem code.", examples=["RULE_VIOLATION"])
    rule: str | None = Field(description="The rule that refuses.", examples=["RN-1"])
    detail: str = Field(description="The same in words.", examples=["The renewal window of this card is over."])
    holds: list[HoldWord] = Field(description="The holds in the way.", examples=[[]])
    earliest_retry_at: At | None = Field(description="Not before.", examples=["2026-12-01T00:00:00+08:00"])
    assumed: list[str] = Field(description="Ids of the assumptions (D rules) it rests on.", examples=[["RN-1"]])


class CardRefusal(EntryRefusal):
    """Why something cannot be ordered, and for which SIM."""

    iccid: str | None = Field(description="The SIM; null: a pool, or new SIMs.", examples=[ICCID])


class CartItem(AnswerModel):
    """What was put in: its price, and what of it cannot be ordered."""

    item: int = Field(description="Its number in the cart, from 1.", examples=[1])
    kind: ItemKindWord = Field(description="What is bought.", examples=["renew"])
    iccid: str | None = Field(description="The one SIM.", examples=[ICCID])
    selector: SelectedSims | None = Field(description="Which SIMs.")
    order: str | None = Field(description="Only SIMs of this order.", examples=[None])
    pool: str | None = Field(description="The pool.", examples=[None])
    months: int | None = Field(description="By how many months.", examples=[12], json_schema_extra={"x-unit": "month"})
    addon: str | None = Field(description="The add-on pack.", examples=[None])
    plan: str | None = Field(description="The plan.", examples=[None])
    quantity: int | None = Field(description="How many new SIMs.", examples=[None])
    entries: int = Field(description="SIMs, or 1 for a pool or for new SIMs.", examples=[1])
    price_fen: Fen | None = Field(
        description="What all of it that can be ordered costs; of one SIM also where it is refused; null: not known.",
        examples=[2400],
    )
    expires_on: On | None = Field(description="`renew` of one SIM: its last valid day.", examples=["2026-12-31"])
    renews_to: On | None = Field(description="Its last valid day after it (RN-8).", examples=["2027-12-31"])
    conditions: list[str] = Field(
        description="`new_cards`: on what conditions, `freight_collect` or `via_account_manager` (OR-3).", examples=[[]]
    )
    refused: int = Field(description="Entries that cannot be ordered.", examples=[0])
    refusals: list[CardRefusal] = Field(description="Why, the first hundred; the others are in the list of entries.")


class Cart(AnswerModel):
    """A cart."""

    id: UUID = Field(description="Its id.", examples=[OPERATION_ID])
    terms: SupplierWord | None = Field(description="At which supplier (RN-5).", examples=["flexem"])
    order: UUID | None = Field(description="The order it has become.", examples=[OPERATION_ID])
    items: list[CartItem] = Field(description="What was put in, in order.")
    entries: int = Field(description="SIMs, pools and lots of new SIMs of all items.", examples=[1])
    refused: int = Field(description="Those that cannot be ordered.", examples=[0])
    refusals: list[EntryRefusal] = Field(description="Why nothing of it can be ordered now: the profile (RN-9).")
    amount_fen: Fen = Field(description="What the others cost.", examples=[2400])
    checked_at: At = Field(description="When windows were checked.", examples=["2026-11-21T10:00:00+00:00"])
    created_at: At = Field(description="When it was made.", examples=["2026-11-21T10:00:00+00:00"])


class CartEntry(AnswerModel):
    """One SIM, pool or lot of new SIMs of a cart."""

    position: int = Field(description="Its place.", examples=[1])
    item: int = Field(description="The item it belongs to.", examples=[1])
    kind: ItemKindWord = Field(description="What is bought.", examples=["renew"])
    iccid: str | None = Field(description="The SIM.", examples=[ICCID])
    pool: str | None = Field(description="The pool.", examples=[None])
    price_fen: Fen | None = Field(description="What it costs; null: not known.", examples=[2400])
    expires_on: On | None = Field(description="Its last valid day.", examples=["2026-12-31"])
    renews_to: On | None = Field(description="Its last valid day after the renewal.", examples=["2027-12-31"])
    conditions: list[str] = Field(description="On what conditions (OR-3).", examples=[["freight_collect"]])
    refusal: EntryRefusal | None = Field(description="Why it cannot be ordered.")


class CartEntryPage(Listed[CartEntry]):
    """A page of entries in order."""


class CartEntryQuery(Paging):
    """Which entries, and which page of them."""

    item: QueryInt | None = Field(default=None, ge=1, le=1_000_000, description="Of this item.", examples=[1])
    refused: QueryFlag | None = Field(default=None, description="Whether it is refused.", examples=[True])
