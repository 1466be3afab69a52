"""SM3 (GB/T 32905-2016), which gwapi signs its requests with (A2.2)."""

from __future__ import annotations


def sm3_hex(data: bytes) -> str:
    """The digest as 64 lower-case hex digits."""
    from cryptography.hazmat.primitives.hashes import SM3, Hash  # noqa: PLC0415 - 6 MB, where an account signs with it

    digest = Hash(SM3())
    digest.update(data)
    return digest.finalize().hex()
