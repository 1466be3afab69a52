"""SM3 (GB/T 32905-2016), which gwapi signs its requests with (A2.2)."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SM3, Hash


def sm3_hex(data: bytes) -> str:
    """The digest as 64 lower-case hex digits."""
    digest = Hash(SM3())
    digest.update(data)
    return digest.finalize().hex()
