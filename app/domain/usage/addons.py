"""The bytes of an add-on pack (QT-7): as given, as published for its product, or as its code names them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from app.domain.operation.arguments import Arguments
from app.domain.units import GB, MB

PUBLISHED: Mapping[str, int] = MappingProxyType({"0:0": 100 * MB, "0:2": 500 * MB, "1:1": 100 * MB, "1:3": 500 * MB})
"""OneLink's packs by maincommoDity:packageType (23R08, sizes [1] S7). No other platform publishes its packs."""

_NAMED = re.compile(r"(?:^|[^0-9a-z])([1-9][0-9]{0,5})(mb|gb|m|g)$")
_UNITS = MappingProxyType({"m": MB, "mb": MB, "g": GB, "gb": GB})
_GENERATIONS = frozenset({"2g", "3g", "4g", "5g"})
"""Network generations, which are not sizes."""


def pack_bytes(arguments: Arguments) -> int | None:
    """The bytes of the ordered pack; None where neither the arguments nor a published product give them.

    The carrier's product precedes the caller's code; a code names its size at its end, as `addon-500m` or `1g`.
    """
    given = arguments.get("bytes")
    if isinstance(given, int) and not isinstance(given, bool) and given > 0:
        return given
    product = str(arguments.get("product_code") or "").strip()
    return PUBLISHED.get(product) or _named(product) or _named(str(arguments.get("addon") or ""))


def _named(code: str) -> int | None:
    found = _NAMED.search(code.strip().lower())
    if found is None or found[1] + found[2] in _GENERATIONS:
        return None
    return int(found[1]) * _UNITS[found[2]]
