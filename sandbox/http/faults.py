"""Injected faults: what goes wrong, with which calls, how often."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.http.messages import HTML, TEXT, Answer, Request, text_answer
from sandbox.http.records import names_in, spoiled

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
    "unknown_card",
    "bad_record",
)
PUSH_KINDS = frozenset({"lose_push", "duplicate_push", "early_push"})
CARD_KINDS = frozenset({"unknown_card", "bad_record"})
_PARAMS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "slow": {"seconds": (int, float), "when": str},
    "garbage": {"applied": bool},
    "html": {"applied": bool, "status": int},
    "wrong_charset": {"applied": bool},
    "status_429": {"retry_after": (int, float, str)},
    "status_500": {"applied": bool},
    "clock_skew": {"seconds": (int, float)},
    "bad_record": {"value": str},
}
UNREADABLE = "\ufffd"
GARBAGE = b'\x00\xff{"status":"0","mess\xfe\x9c<SvcCont><Resp'
PAGE = (
    "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>网关错误 Bad Gateway</h1></body></html>"
)


@dataclass(slots=True)
class Fault:
    """One fault. `count` None = until it is deleted; `naming`: of calls that name one of these alone, empty = any.

    A `bad_record` meets every call of its protocol and operation: an answer may list a card that its request does not.
    """

    protocol: str
    operation: str
    kind: str
    count: int | None = None
    params: dict[str, Any] = field(default_factory=dict)
    naming: frozenset[str] = frozenset()

    def meets(self, protocol: str, operation: str, named: frozenset[str]) -> bool:
        """Whether a call of this operation, whose request names these, meets the fault."""
        fits = self.protocol in ("*", protocol) and self.operation in ("*", operation)
        return fits and (not self.naming or self.kind == "bad_record" or bool(self.naming & named))


@dataclass(slots=True)
class ActiveFaults:
    """The faults that one call met, by kind, with their parameters; `records`: whose records are unreadable."""

    kinds: dict[str, dict[str, Any]] = field(default_factory=dict)
    records: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()

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
        naming = values.get("naming") or []
        if not isinstance(naming, list) or not all(isinstance(name, str) for name in naming):
            raise ValueError("naming must be a list of texts")
        if kind in CARD_KINDS and not naming:
            raise ValueError(f"{kind} needs naming: the cards it is about")
        fault = Fault(protocol, values.get("operation") or "*", kind, amount, params, frozenset(naming))
        self.waiting.append(fault)
        return fault

    def take(self, protocol: str, operation: str, request: Request, *, push: bool) -> ActiveFaults:
        """The faults a call meets; each counts down. Push faults wait for a call that is pushed at its end,
        a revoked token for a call that bears one.
        """
        if not self.waiting:
            return NONE
        faults = ActiveFaults()
        if any(fault.naming for fault in self.waiting):
            faults.named = names_in(request)
        for fault in list(self.waiting):
            idle = (fault.kind in PUSH_KINDS and not push) or (fault.kind == "revoke_token" and operation == "token")
            if idle or fault.kind in faults or not fault.meets(protocol, operation, faults.named):
                continue
            faults.kinds[fault.kind] = fault.params
            if fault.kind == "bad_record":
                faults.records |= fault.naming
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
    if faults.records:
        found = spoiled(answer, faults.records, faults.param("bad_record", "value", UNREADABLE))
        if found is None and faults.records & faults.named:
            return Answer(GARBAGE, answer.kind, answer.status)
        return found or answer
    if "html" in faults:
        return text_answer(PAGE, HTML, faults.param("html", "status", 200))
    if "wrong_charset" in faults:
        text = answer.body.decode()
        return Answer(text.encode("utf-16" if text.isascii() else "gb18030"), answer.kind, answer.status)
    return answer
