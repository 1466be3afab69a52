"""What malformed input raises; refusals by rule are values (`app.domain.operation.refusal`), never exceptions."""

from __future__ import annotations


class Malformed(ValueError):
    """A text that cannot be what it claims to be. `code` is SCREAMING_SNAKE; `detail` never echoes the value."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
