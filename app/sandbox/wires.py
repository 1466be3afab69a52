"""Which class speaks which protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from app.sandbox.ctcc_cmp.wire import CtccCmp
from app.sandbox.jasper.operations import OPERATIONS as JASPER
from app.sandbox.jasper.wire import Jasper
from app.sandbox.onelink.operations import OPERATIONS as ONELINK
from app.sandbox.onelink.wire import OneLink
from app.sandbox.wire import Wire
from app.sandbox.world import World

WIRES: Mapping[str, Callable[[World, dict[str, str]], Wire]] = MappingProxyType(
    {
        "onelink": lambda world, credentials: OneLink(world, credentials, ONELINK),
        "jasper": lambda world, credentials: Jasper(world, credentials, JASPER),
        "ctcc_cmp": CtccCmp,
    }
)
