"""The files that were built from ``web/``, in memory, each also as gzip."""

import gzip
from functools import cache
from importlib.resources import files
from typing import Final, Literal, TypeAlias

from msgspec import Struct

# The application, and what somebody sees who was sent a link.
PageName: TypeAlias = Literal["index", "shared"]
_TYPES: Final = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}


class Asset(Struct, frozen=True):
    """One file; ``zipped`` is None where gzip makes it no smaller."""

    content: bytes
    zipped: bytes | None
    media_type: str


def asset(name: str) -> Asset | None:
    """Return a file of the folder ``assets``, None if there is none of this name."""
    return _assets().get(name)


@cache
def icon() -> Asset:
    """Return the sign of Tallymark."""
    return _asset("icon.svg", (_BUILT / "icon.svg").read_bytes())


@cache
def page(name: PageName) -> str:
    """Return a page as it was built."""
    return (_BUILT / f"{name}.html").read_text("utf-8")


@cache
def _assets() -> dict[str, Asset]:
    # Names come from the folder and never from a request, so none can lead out of it.
    return {one.name: _asset(one.name, one.read_bytes()) for one in (_BUILT / "assets").iterdir()}


def _asset(name: str, content: bytes) -> Asset:
    zipped = gzip.compress(content, 9, mtime=0)
    media_type = _TYPES.get(name.rpartition(".")[2], "application/octet-stream")
    return Asset(content, zipped if len(zipped) < len(content) else None, media_type)


_BUILT: Final = files("tallymark.web") / "dist" / "app"
