"""Which class speaks which protocol, with its table of operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sandbox.ctcc_cmp.server import CtccCmp
from sandbox.ctwing.operations import OPERATIONS as CTWING
from sandbox.ctwing.server import CtWing
from sandbox.fleet.world import World
from sandbox.gsl.operations import OPERATIONS as GSL
from sandbox.gsl.server import Gsl
from sandbox.http.server import ProtocolServer
from sandbox.jasper.operations import OPERATIONS as JASPER
from sandbox.jasper.server import Jasper
from sandbox.onelink.operations import OPERATIONS as ONELINK
from sandbox.onelink.server import OneLink
from sandbox.unicom_cmp.operations import OPERATIONS as UNICOM_CMP
from sandbox.unicom_cmp.server import UnicomCmp

SERVERS: Mapping[str, Callable[[World, dict[str, str]], ProtocolServer]] = MappingProxyType(
    {
        "onelink": lambda world, credentials: OneLink(world, credentials, ONELINK),
        "jasper": lambda world, credentials: Jasper(world, credentials, JASPER),
        "unicom_cmp": lambda world, credentials: UnicomCmp(world, credentials, UNICOM_CMP),
        "ctcc_cmp": CtccCmp,
        "ctwing": lambda world, credentials: CtWing(world, credentials, CTWING),
        "gsl": lambda world, credentials: Gsl(world, credentials, GSL),
    }
)
