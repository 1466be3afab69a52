"""What an add-on pack brings (QT-7)."""

from __future__ import annotations

import pytest

from app.domain.operation.arguments import Arguments
from app.domain.units import GB, MB
from app.domain.usage.addons import pack_bytes


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ({"bytes": 7}, 7),
        ({"bytes": 7, "addon": "500m", "product_code": "0:0"}, 7),
        ({"product_code": "0:2", "addon": "100m"}, 500 * MB),
        ({"product_code": "1:1"}, 100 * MB),
        ({"product_code": "TOPUP 100M"}, 100 * MB),
        ({"addon": "500m"}, 500 * MB),
        ({"addon": "addon-1GB "}, GB),
        ({"addon": "1g", "bytes": 0}, GB),
        ({"addon": "1g", "bytes": None}, GB),
        ({"addon": "iot-4g"}, None),
        ({"addon": "x500m"}, None),
        ({"addon": "0m"}, None),
        ({"addon": "big", "bytes": True}, None),
        ({"product_code": "2007"}, None),
        ({}, None),
    ],
)
def test_a_packs_size_is_told_published_or_named(arguments: Arguments, size: int | None) -> None:
    """QT-7: never guessed; a generation of networks is no size."""
    assert pack_bytes(arguments) == size
