"""The page that starts the application, as it is sent: a skeleton painted before any script has run.

Three things are put into what was built: where the application lives, what it should know at once,
and the nonce under which its style elements are allowed.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from html import escape
from typing import Any, Final

import msgspec
from msgspec import Struct

from .assets import PageName, page

# Every path of the application starts here, so a prefix may not lead out of it or end the attribute.
_PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
MAX_PREFIX: Final = 200
_NONE: Final = "'none'"
_INLINE: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class Boot(Struct, frozen=True):
    """What the application knows before it asks: its own address, and which version serves it."""

    base: str
    version: str


class Page(Struct, frozen=True):
    """The page, and the headers without which it must not be sent."""

    body: bytes
    headers: dict[str, str]


def prefix(text: str) -> str | None:
    """Return the path below which a proxy serves us, without a slash at its end; None if it is no path."""
    given = text.strip().rstrip("/")
    is_one = len(given) <= MAX_PREFIX and _PREFIX.fullmatch(given) is not None
    return given if is_one else None


def shell(boot: Boot, nonce: str, origins: Sequence[str] = (), *, name: PageName = "index") -> Page:
    """Return a page for one answer; ``nonce`` is used this once.

    Only pages of these origins may show it in a frame.
    """
    body = (
        page(name)
        .replace("<!--base-->", f'<base href="{escape(boot.base)}/">')
        .replace("<!--boot-->", _data(boot))
        .replace("%NONCE%", nonce)
    )
    policy = _policy(name, nonce, origins)
    return Page(body.encode(), {**_HEADERS, "Content-Security-Policy": policy})


def _data(boot: Boot) -> str:
    # In a data block only `</script` would be read as markup; no `<` is left at all.
    text = msgspec.json.encode(boot).decode().replace("<", "\\u003c")
    return f'<script type="application/json" id="boot">{text}</script>'


def _policy(name: PageName, nonce: str, origins: Sequence[str]) -> str:
    # The nonce is for styles alone: react-aria adds two small style elements of its own.
    return "; ".join(
        [
            "default-src 'self'",
            f"script-src 'self' {' '.join(_hashes(name))}",
            f"style-src 'self' 'nonce-{nonce}'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "font-src 'self'",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            f"frame-ancestors {' '.join(origins) or _NONE}",
        ]
    )


@cache
def _hashes(name: PageName) -> list[str]:
    """Return the digests of the scripts that stand in a page: the one that sets the theme."""
    return [
        f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'"
        for one in _INLINE.findall(page(name))
    ]


_HEADERS: Final[dict[str, Any]] = {
    # Its policy names a nonce, so a page that was kept must never meet the header of another answer.
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
