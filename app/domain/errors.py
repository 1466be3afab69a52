"""The exception for malformed input; a refusal by rule is a value (`app.domain.operation.refusal`)."""

from __future__ import annotations


class Malformed(ValueError):
    """Input that cannot be parsed. `code` is a stable SCREAMING_SNAKE code; `detail` never repeats the value.

    `pointer`: the JSON pointer of the value in the request's body, where it is known.
    """

    def __init__(self, code: str, detail: str, *, pointer: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.pointer = pointer
