"""Which sites a public key may be sent from: origins, as browsers write them.

It keeps the pages of others from counting into a project by mistake or mischief. It stops nobody who
writes requests by hand.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from tallymark.core.errors import Refused

MOST_ORIGINS = 50
_ORIGIN = re.compile(r"https?://(?:\*\.)?[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?(?::[0-9]{1,5})?")
_USUAL = {"http": ":80", "https": ":443"}


def checked_origins(given: Iterable[str]) -> tuple[str, ...]:
    """Return origins as browsers write them, each once; raises Refused for what is none.

    ``https://*.example.com`` stands for every host below it, and not for itself.
    """
    found = tuple(dict.fromkeys(map(_origin, given)))
    if len(found) > MOST_ORIGINS:
        raise Refused(f"A key may have {MOST_ORIGINS} origins.", path="origins")
    return found


def allows(origins: tuple[str, ...], origin: str) -> bool:
    """Whether a page of an origin may send, if these are those that may."""
    if origin in origins:
        return True
    scheme, _, host = origin.partition("://")
    return any(
        one.startswith(f"{scheme}://*.") and host.endswith(one.partition("://*")[2])
        for one in origins
    )


def origin_of(address: str) -> str:
    """Return the origin of an address, as a browser writes it; empty if it has none."""
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return ""
    if parts.scheme not in _USUAL or not parts.netloc:
        return ""
    host = parts.netloc.rpartition("@")[2].lower()
    return f"{parts.scheme}://{host.removesuffix(_USUAL[parts.scheme])}"


def _origin(text: str) -> str:
    plain = text.strip().lower().removesuffix("/")
    if not _ORIGIN.fullmatch(plain):
        raise Refused(
            f"{text[:80]!r} is no origin.",
            path="origins",
            hint="Write it as https://shop.example, or https://*.shop.example for all below it.",
        )
    return plain.removesuffix(_USUAL[plain.partition(":")[0]])
