"""Injected faults: what goes wrong, with which calls, how often."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.http.messages import HTML, TEXT, Answer, text_answer

KINDS = (
    "drop_before",
    "drop_after",
    "slow",
    "garbage",
    "html",
    "wrong_charset",
    "status_429",
    "status_500",
    "revoke_token",
    "clock_skew",
    "lose_push",
    "duplicate_push",
    "early_push",
)
PUSH_KINDS = frozenset({"lose_push", "duplicate_push", "early_push"})
_PARAMS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "slow": {"seconds": (int, float), "when": str},
    "garbage": {"applied": bool},
    "html": {"applied": bool, "status": int},
    "wrong_charset": {"applied": bool},
    "status_429": {"retry_after": (int, float, str)},
    "status_500": {"applied": bool},
    "clock_skew": {"seconds": (int, float)},
}
GARBAGE = b'\x00\xff{"status":"0","mess\xfe\x9c<SvcCont><Resp'
PAGE = (
    "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>网关错误 Bad Gateway</h1></body></html>"
)


@dataclass(slots=True)
class Fault:
    """One fault. `count` None = until it is deleted."""

    protocol: str
    operation: str
    kind: str
    count: int | None = None
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class ActiveFaults:
    """The faults that one call met, by kind, with their parameters."""

    kinds: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __contains__(self, kind: str) -> bool:
        return kind in self.kinds

    def param(self, kind: str, name: str, default: Any) -> Any:
        """A parameter of a fault that was met."""
        return self.kinds.get(kind, {}).get(name, default)


NONE = ActiveFaults()


class Faults:
    """The injected faults, in order; each call takes those that match it."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def add(self, values: dict[str, Any], protocols: tuple[str, ...]) -> Fault:
        """Take a fault from the control API. Raises ValueError saying what is wrong."""
        kind, protocol = values.get("kind"), values.get("protocol", "*")
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        if protocol != "*" and protocol not in protocols:
            raise ValueError(f"protocol must be * or one of {', '.join(protocols)}")
        amount = values.get("count")
        if amount is not None and (not isinstance(amount, int) or isinstance(amount, bool) or amount < 1):
            raise ValueError("count must be a whole number above 0, or null")
        params = dict(values.get("params") or {})
        for name in _PARAMS.get(kind, {}):
            if name in values:
                params.setdefault(name, values[name])
        _check_params(kind, params)
        fault = Fault(protocol, values.get("operation") or "*", kind, amount, params)
        self.waiting.append(fault)
        return fault

    def take(self, protocol: str, operation: str, *, push: bool) -> ActiveFaults:
        """The faults a call meets; each counts down. Push faults wait for a call that is pushed at its end,
        a revoked token for a call that bears one.
        """
        if not self.waiting:
            return NONE
        faults = ActiveFaults()
        for fault in list(self.waiting):
            fits = fault.protocol in ("*", protocol) and fault.operation in ("*", operation)
            idle = (fault.kind in PUSH_KINDS and not push) or (fault.kind == "revoke_token" and operation == "token")
            if not fits or idle or fault.kind in faults:
                continue
            faults.kinds[fault.kind] = fault.params
            if fault.count is not None:
                fault.count -= 1
                if fault.count == 0:
                    self.waiting.remove(fault)
        return faults


def _check_params(kind: str, params: dict[str, Any]) -> None:
    allowed = _PARAMS.get(kind, {})
    for name, value in params.items():
        if name not in allowed:
            raise ValueError(f"{kind} takes no {name}")
        if value is not None and not isinstance(value, allowed[name]):
            raise ValueError(f"{name} of {kind} has the wrong type")
    if kind in ("slow", "clock_skew") and params.get("seconds") is None:
        raise ValueError(f"{kind} needs params.seconds")


def substitute_answer(faults: ActiveFaults) -> Answer | None:
    """The answer that comes instead of doing anything, if one of the faults is of that sort."""
    if "status_429" in faults:
        after = faults.param("status_429", "retry_after", None)
        headers = () if after is None else (("retry-after", str(after)),)
        return Answer("请求过于频繁，请稍后再试".encode(), TEXT, 429, headers)
    if "status_500" in faults and not faults.param("status_500", "applied", False):
        return text_answer("Internal Server Error", TEXT, 500)
    if any(kind in faults and not faults.param(kind, "applied", True) for kind in ("garbage", "html", "wrong_charset")):
        return corrupted(faults, text_answer("系统忙，请稍后再试"))
    return None


def corrupted(faults: ActiveFaults, answer: Answer) -> Answer:
    """What becomes of an answer after the request was carried out."""
    if "status_500" in faults and faults.param("status_500", "applied", False):
        return text_answer("Internal Server Error", TEXT, 500)
    if "garbage" in faults:
        return Answer(GARBAGE, answer.kind, answer.status)
    if "html" in faults:
        return text_answer(PAGE, HTML, faults.param("html", "status", 200))
    if "wrong_charset" in faults:
        text = answer.body.decode()
        return Answer(text.encode("utf-16" if text.isascii() else "gb18030"), answer.kind, answer.status)
    return answer
