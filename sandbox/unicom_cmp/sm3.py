"""SM3 (GB/T 32905): OpenSSL's where it has it, else our own."""

from __future__ import annotations

import hashlib

_MASK = 0xFFFFFFFF
_START = (
    0x7380166F,
    0x4914B2B9,
    0x172442D7,
    0xDA8A0600,
    0xA96F30BC,
    0x163138AA,
    0xE38DEE4D,
    0xB0FB0E4E,
)


def sm3_hex(data: bytes) -> str:
    """The digest in lower-case hex."""
    if "sm3" in hashlib.algorithms_available:
        return hashlib.new("sm3", data).hexdigest()
    return pure_sm3_hex(data)


def pure_sm3_hex(data: bytes) -> str:
    """The digest by our own arithmetic."""
    padded = data + b"\x80" + bytes((55 - len(data)) % 64) + (8 * len(data)).to_bytes(8, "big")
    state = list(_START)
    for at in range(0, len(padded), 64):
        state = _compress(state, padded[at : at + 64])
    return "".join(f"{word:08x}" for word in state)


def _rotate(word: int, by: int) -> int:
    by %= 32
    return (word << by | word >> (32 - by)) & _MASK


def _expand(block: bytes) -> list[int]:
    words = [int.from_bytes(block[at : at + 4], "big") for at in range(0, 64, 4)]
    for j in range(16, 68):
        mixed = words[j - 16] ^ words[j - 9] ^ _rotate(words[j - 3], 15)
        mixed ^= _rotate(mixed, 15) ^ _rotate(mixed, 23)
        words.append(mixed ^ _rotate(words[j - 13], 7) ^ words[j - 6])
    return words


def _compress(state: list[int], block: bytes) -> list[int]:
    words = _expand(block)
    a, b, c, d, e, f, g, h = state
    for j in range(64):
        early = j < 16
        constant = 0x79CC4519 if early else 0x7A879D8A
        first = _rotate((_rotate(a, 12) + e + _rotate(constant, j)) & _MASK, 7)
        second = first ^ _rotate(a, 12)
        majority = a ^ b ^ c if early else (a & b) | (a & c) | (b & c)
        choice = e ^ f ^ g if early else (e & f) | (~e & g & _MASK)
        left = (majority + d + second + (words[j] ^ words[j + 4])) & _MASK
        right = (choice + h + first + words[j]) & _MASK
        a, b, c, d = left, a, _rotate(b, 9), c
        e, f, g, h = right ^ _rotate(right, 9) ^ _rotate(right, 17), e, _rotate(f, 19), g
    return [old ^ new for old, new in zip(state, (a, b, c, d, e, f, g, h), strict=True)]
