"""China Telecom's strEnc: DES with its own PC-1, three key groups, always encrypting (B1.2).

The cipher is standard but for the right half of PC-1, so a key whose bits are moved accordingly makes any standard
DES compute it. TripleDES with the same key three times is single DES.
"""

from __future__ import annotations

from functools import lru_cache

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import ECB

_STANDARD_D = (
    63,
    55,
    47,
    39,
    31,
    23,
    15,
    7,
    62,
    54,
    46,
    38,
    30,
    22,
    14,
    6,
    61,
    53,
    45,
    37,
    29,
    21,
    13,
    5,
    28,
    20,
    12,
    4,
)
_TELECOM_D = (
    28,
    20,
    12,
    4,
    61,
    53,
    45,
    37,
    29,
    21,
    13,
    5,
    62,
    54,
    46,
    38,
    30,
    22,
    14,
    6,
    63,
    55,
    47,
    39,
    31,
    23,
    15,
    7,
)
_C = (57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36)


def encrypt(text: str, *keys: str) -> str:
    """strEnc: upper-case hex, 16 digits for each 4 characters."""
    data = _blocks(text)
    for cipher in _ciphers(keys):
        encryptor = cipher.encryptor()
        data = encryptor.update(data) + encryptor.finalize()
    return data.hex().upper()


def decrypt(hexadecimal: str, *keys: str) -> str:
    """The text of a strEnc, without its padding. Raises ValueError where it is none."""
    data = bytes.fromhex(hexadecimal)
    if not data or len(data) % 8:
        raise ValueError("not whole blocks")
    for cipher in reversed(_ciphers(keys)):
        decryptor = cipher.decryptor()
        data = decryptor.update(data) + decryptor.finalize()
    return data.decode("utf-16-be", "replace").replace("\0", "")


def _blocks(text: str) -> bytes:
    """UTF-16BE in groups of 4 characters, the last padded with zeros."""
    data = text.encode("utf-16-be")
    return data + bytes(-len(data) % 8)


@lru_cache(maxsize=64)
def _ciphers(keys: tuple[str, ...]) -> tuple[Cipher[ECB], ...]:
    """One cipher for each 4 characters of each key, in order."""
    groups = [block[at : at + 8] for key in keys for block in (_blocks(key),) for at in range(0, len(block), 8)]
    return tuple(Cipher(TripleDES(_moved(group) * 3), ECB()) for group in groups)


def _moved(key: bytes) -> bytes:
    """The key that a standard PC-1 turns into what Telecom's makes of this one; parity bits 0."""
    bits = int.from_bytes(key, "big")
    moved = 0
    for there, here in zip((*_C, *_STANDARD_D), (*_C, *_TELECOM_D), strict=True):
        moved |= (bits >> (64 - here) & 1) << (64 - there)
    return moved.to_bytes(8, "big")
