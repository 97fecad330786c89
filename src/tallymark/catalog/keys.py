"""What a key is, and how its text is made and read.

A key reads ``<pk|sk|rk>_<8: its id>_<32: the secret>_<6: checksum of the rest>``, and a token of a user
likewise, with ``ut``. The secret has 190 bits of randomness, so a plain SHA-256 of it is safe to keep; the
checksum tells a mistyped key from an unknown one without asking the catalog.
"""

import hashlib
import re
import zlib
from typing import Literal, TypeAlias

from msgspec import Struct

from tallymark.core.errors import Refused
from tallymark.core.ids import random_text

LONGEST_GRACE_SECONDS = 90 * 86_400
Kind: TypeAlias = Literal["public", "secret", "read"]

PREFIXES: dict[str, Kind] = {"pk": "public", "sk": "secret", "rk": "read"}
_PREFIX_OF = {kind: prefix for prefix, kind in PREFIXES.items()}
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# What a token of a user begins with.
_OF_USER = "ut"
_TEXT = re.compile(r"(pk|sk|rk|ut)_([0-9A-Za-z]{8})_([0-9A-Za-z]{32})_([0-9A-Za-z]{6})")


class Key(Struct, frozen=True):
    """A key as the catalog knows it; its secret part is not among what is kept.

    ``expires_at`` is set on a key that was rotated: until then both it and its successor work. ``text`` is
    the whole of a public key, which stands in pages for everybody to read; None of the others, and of
    public keys made before it was kept. ``origins`` are the sites whose pages alone may send with a public
    key; any may if there are none.
    """

    id: str
    project: str
    kind: Kind
    label: str
    prefix: str
    created_at: int
    revoked_at: int | None = None
    expires_at: int | None = None
    replaces: str | None = None
    text: str | None = None
    origins: tuple[str, ...] = ()

    def is_valid(self, now: int) -> bool:
        """Whether the key may be used at that instant."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class KeyParts(Struct, frozen=True):
    """The text of a key taken apart; its checksum was right."""

    kind: Kind
    id: str
    secret: str


def new_key_text(kind: Kind) -> str:
    """Return the text of a fresh key."""
    return _new_text(_PREFIX_OF[kind])


def parse(text: str) -> KeyParts | None:
    """Return the parts of a key, or None if it is no key or its checksum is wrong."""
    parts = _apart(text)
    if parts is None or parts[0] == _OF_USER:
        return None
    return KeyParts(PREFIXES[parts[0]], parts[1], parts[2])


def new_token_text() -> str:
    """Return the text of a fresh token of a user."""
    return _new_text(_OF_USER)


def token_parts(text: str) -> tuple[str, str] | None:
    """Return the id and the secret of a token of a user, or None if it is none."""
    parts = _apart(text)
    return None if parts is None or parts[0] != _OF_USER else parts[1:]


def checksum(body: str) -> str:
    """Return the CRC-32 of the text, in six base-62 digits."""
    rest = zlib.crc32(body.encode())
    digits = ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = _ALPHABET[digit] + digits
    return digits


def digest(secret: str) -> bytes:
    """Return what is kept of the secret part of a key."""
    return hashlib.sha256(secret.encode()).digest()


def checked_grace(seconds: int) -> int:
    """Return how long a key works beside its successor; raises Refused if it cannot be so long."""
    if not 0 <= seconds <= LONGEST_GRACE_SECONDS:
        raise Refused(
            f"{seconds:,} seconds of grace are not between 0 and {LONGEST_GRACE_SECONDS:,}, which"
            " are 90 days.",
            path="grace_seconds",
            hint="With 0 the old key ends as soon as its successor is there; to end it without one,"
            " revoke it.",
        )
    return seconds


def _new_text(prefix: str) -> str:
    body = f"{prefix}_{random_text(8)}_{random_text(32)}"
    return f"{body}_{checksum(body)}"


def _apart(text: str) -> tuple[str, str, str] | None:
    found = _TEXT.fullmatch(text)
    if found is None or checksum(text[:-7]) != found[4]:
        return None
    return found[1], found[2], found[3]
