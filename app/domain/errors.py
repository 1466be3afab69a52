"""The exception for malformed input; a refusal by rule is a value (`app.domain.operation.refusal`)."""

from __future__ import annotations


class Malformed(ValueError):
    """Input that cannot be parsed. `code` is a stable SCREAMING_SNAKE code; `detail` never repeats the value."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
