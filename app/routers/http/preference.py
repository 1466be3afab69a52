"""The `Prefer` of a request (RFC 7240): whether its caller would rather ask later than wait."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

ASYNC = "respond-async"
APPLIED = {"Preference-Applied": ASYNC}


class Preference:
    """A dependency: whether the caller prefers to be answered at once; what else is preferred is left aside."""

    def __call__(self, request: Request) -> bool:
        """Whether `respond-async` is among the preferences of a request."""
        given = ",".join(request.headers.getlist("prefer")).split(",")
        return any(one.partition(";")[0].strip().lower() == ASYNC for one in given)


Async = Annotated[bool, Depends(Preference())]
