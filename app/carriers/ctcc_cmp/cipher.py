"""strEnc, the DES variant of China Telecom's `m2m_ec` (`docs/carriers/ctcc_cmp.md` B1.2). A transport format, not
security.

Text goes in groups of four UTF-16 units, zero-padded, through DES with three keys in a row, always encrypting. The
cipher is standard but for its first key permutation (PC-1), whose lower half reads the key bits in another order; a
standard DES with the key's bits moved accordingly gives the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, modes

_STANDARD_C = (
    *(57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18),
    *(10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36),
)
_STANDARD_D = (
    *(63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22),
    *(14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4),
)
_THEIR_D = (
    *(28, 20, 12, 4, 61, 53, 45, 37, 29, 21, 13, 5, 62, 54),
    *(46, 38, 30, 22, 14, 6, 63, 55, 47, 39, 31, 23, 15, 7),
)
_MOVES = tuple(zip(_STANDARD_C + _THEIR_D, _STANDARD_C + _STANDARD_D, strict=True))


class StrEnc:
    """strEnc under three keys, each cut into DES keys of four characters."""

    def __init__(self, key1: str, key2: str, key3: str) -> None:
        self._ciphers = [_des(block) for key in (key1, key2, key3) for block in _blocks(key)]

    def encrypt(self, text: str) -> str:
        """Upper-case hex, 16 digits for every four characters."""
        data = b"".join(_blocks(text))
        for cipher in self._ciphers:
            context: CipherContext = cipher.encryptor()
            data = context.update(data)
        return data.hex().upper()


def sign_text(values: list[str]) -> str:
    """The values in code-unit order, joined with commas; an empty one leaves a leading comma (B1.3)."""
    return ",".join(sorted(values, key=lambda value: value.encode("utf-16-be", "surrogatepass")))


def _blocks(text: str) -> list[bytes]:
    raw = text.encode("utf-16-be", "surrogatepass")
    return [raw[start : start + 8].ljust(8, b"\0") for start in range(0, len(raw), 8)]


def _des(key: bytes) -> Cipher[modes.ECB]:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES  # noqa: PLC0415 - see `app.carriers.sm3`
    from cryptography.hazmat.primitives.ciphers import Cipher, modes  # noqa: PLC0415

    moved = _equivalent_key(key)
    return Cipher(TripleDES(moved * 3), modes.ECB())  # three equal keys are single DES


def _equivalent_key(key: bytes) -> bytes:
    """The standard DES key that does what theirs does: each bit moved from its place to the standard's; parity 0."""
    source = int.from_bytes(key)
    moved = 0
    for theirs, standard in _MOVES:
        moved |= (source >> (64 - theirs) & 1) << (64 - standard)
    return moved.to_bytes(8)
