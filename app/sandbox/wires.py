"""Which class speaks which protocol, with its table of operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from app.sandbox.ctcc_cmp.wire import CtccCmp
from app.sandbox.ctwing.operations import OPERATIONS as CTWING
from app.sandbox.ctwing.wire import CtWing
from app.sandbox.gsl.operations import OPERATIONS as GSL
from app.sandbox.gsl.wire import Gsl
from app.sandbox.jasper.operations import OPERATIONS as JASPER
from app.sandbox.jasper.wire import Jasper
from app.sandbox.onelink.operations import OPERATIONS as ONELINK
from app.sandbox.onelink.wire import OneLink
from app.sandbox.unicom_cmp.operations import OPERATIONS as UNICOM_CMP
from app.sandbox.unicom_cmp.wire import UnicomCmp
from app.sandbox.wire import Wire
from app.sandbox.world import World

WIRES: Mapping[str, Callable[[World, dict[str, str]], Wire]] = MappingProxyType(
    {
        "onelink": lambda world, credentials: OneLink(world, credentials, ONELINK),
        "jasper": lambda world, credentials: Jasper(world, credentials, JASPER),
        "unicom_cmp": lambda world, credentials: UnicomCmp(world, credentials, UNICOM_CMP),
        "ctcc_cmp": CtccCmp,
        "ctwing": lambda world, credentials: CtWing(world, credentials, CTWING),
        "gsl": lambda world, credentials: Gsl(world, credentials, GSL),
    }
)
