"""The commands of GSL: paths and bodies (`docs/carriers/gsl.md`, B.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.carriers.base import Arguments
from app.carriers.errors import CarrierRejected
from app.domain.units import MB, ceil_div
from app.domain.vocabulary import Carrier, OperationKind

ANY_DEVICE, THIS_DEVICE = 1, 2
SET_QUOTA, CANCEL_QUOTA = 1, 2
UNLIMITED = "-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchDirections:
    """The `down_up_switch` of a suspend and of a resume."""

    stop: object
    reset: object


def switch_directions(options: Mapping[str, object]) -> SwitchDirections:
    """As the account's settings have them.

    2 is the documents' example for a resume; 1 for a suspend is assumed [inf].
    """
    return SwitchDirections(stop=options.get("stop_switch", 1), reset=options.get("reset_switch", 2))


def command(
    kind: OperationKind, arguments: Arguments, carrier: Carrier, switch: SwitchDirections
) -> tuple[str, dict[str, object]]:
    """The command's path and body (B.3). Raises `CarrierRejected` for arguments that GSL cannot take."""
    match kind:
        case OperationKind.ACTIVATE:
            return "enable", {}
        case OperationKind.SUSPEND:
            return "stop", {"down_up_switch": switch.stop}
        case OperationKind.RESUME:
            return "reset", {"down_up_switch": switch.reset}
        case OperationKind.REBIND:
            return "bind-device", _binding(arguments, carrier)
        case OperationKind.SET_THRESHOLD:
            return "exceed-cut-net", _quota(arguments)
        case OperationKind.CUT_NETWORK:
            return "cut-net", {"action": "ADD"}
        case _:
            return "cut-net", {"action": "DEL"}


def _binding(arguments: Arguments, carrier: Carrier) -> dict[str, object]:
    imei = arguments.get("imei")
    if imei is None:
        return {"bind_type": ANY_DEVICE}
    if carrier is Carrier.CMCC:
        raise CarrierRejected("GSL binds a China Mobile card only to whatever device comes next; leave imei out")
    return {"bind_type": THIS_DEVICE, "imei": imei}


def _quota(arguments: Arguments) -> dict[str, object]:
    """A threshold in whole MB, rounded up; null cancels it."""
    size = arguments.get("bytes")
    if size is None:
        return {"action": CANCEL_QUOTA, "quota": UNLIMITED}
    if not isinstance(size, int) or size < 0:
        raise CarrierRejected("a threshold is a number of bytes, or null for none")
    return {"action": SET_QUOTA, "quota": str(ceil_div(size, MB))}
