"""Ids, hashes and keys: where randomness enters, and how a 128-bit key is made."""

import hashlib
import os
import secrets
from collections.abc import Iterable

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def new_id(now: int) -> str:
    """Return a fresh event id: a UUID version 7 of the given instant (microseconds)."""
    stamp = (now // 1000).to_bytes(6, "big")
    tail = bytearray(os.urandom(10))
    tail[0] = 0x70 | (tail[0] & 0x0F)
    tail[2] = 0x80 | (tail[2] & 0x3F)
    text = (stamp + tail).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def random_text(length: int) -> str:
    """Return ``length`` random characters from 0-9A-Za-z, for secrets."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def hash128(*parts: str) -> bytes:
    """Return a 16-byte BLAKE2b of the parts, each length-prefixed so that ("a","bc") ≠ ("ab","c")."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "big"))
        digest.update(data)
    return digest.digest()


def digest256(data: bytes) -> bytes:
    """Return the 32-byte BLAKE2b of the data."""
    return hashlib.blake2b(data, digest_size=32).digest()


def halves(keys: Iterable[bytes]) -> tuple[list[int], list[int]]:
    """Split 16-byte keys into their high and low unsigned 64-bit halves."""
    high: list[int] = []
    low: list[int] = []
    for key in keys:
        high.append(int.from_bytes(key[:8], "big"))
        low.append(int.from_bytes(key[8:], "big"))
    return high, low
