"""The arguments of an operation: which ones each kind requires, and their canonical form (OP-2, DV-5)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from app.domain.errors import Malformed
from app.domain.identifiers import imei_at
from app.domain.vocabulary import OperationKind

Argument = str | int | bool | None
Arguments = Mapping[str, Argument]
"""An operation's arguments as the API names them: `imei`, `bytes`, `province`, `months`, `product_code` …"""

REQUIRED_ARGUMENTS: Mapping[OperationKind, tuple[tuple[str, type], ...]] = MappingProxyType(
    {
        OperationKind.CHANGE_REGION: (("province", str),),
        OperationKind.RENEW: (("months", int),),
        OperationKind.CHANGE_PLAN: (("plan", str),),
        OperationKind.JOIN_POOL: (("pool", str),),
    },
)
"""Required arguments by kind: texts that are not empty, counts of one or more."""


def validate_arguments(kind: OperationKind, arguments: Arguments) -> Arguments:
    """The arguments in canonical form (`imei`: 15 digits). Raises `Malformed`, which never repeats a value."""
    for name, needed in REQUIRED_ARGUMENTS.get(kind, ()):
        given = arguments.get(name)
        if not isinstance(given, needed) or isinstance(given, bool) or not given:
            raise Malformed(f"{name.upper()}_MISSING", f"{name} is needed")
        if isinstance(given, int) and given < 1:
            raise Malformed(f"{name.upper()}_OUT_OF_RANGE", f"{name} is one or more")
    _check_amount(kind, arguments)
    if kind is OperationKind.RESUME and not isinstance(arguments.get("paid"), bool | None):
        raise Malformed("PAID_MALFORMED", "paid is true or false")
    canonical = dict(arguments)
    if kind is OperationKind.REBIND and arguments.get("imei") is not None:
        canonical["imei"] = imei_at("/imei", str(arguments["imei"]))
    return MappingProxyType(canonical)


def _check_amount(kind: OperationKind, arguments: Arguments) -> None:
    """Checks a threshold: bytes, not below zero, or null for none. Raises `Malformed`."""
    if kind is not OperationKind.SET_THRESHOLD:
        return
    if "bytes" not in arguments:
        raise Malformed("BYTES_MISSING", "bytes is needed, null for no threshold")
    amount = arguments["bytes"]
    if amount is not None and (isinstance(amount, bool) or not isinstance(amount, int) or amount < 0):
        raise Malformed("BYTES_OUT_OF_RANGE", "bytes is a number not below zero, or null")
