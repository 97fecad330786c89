"""What a user agent and an address tell: browser, system, device class, robots, hosts and paths.

Pure and total: any text gives an answer. ``channel`` is in its own module, with its table of rules. The parsers are imported at the first user agent, because
loading their patterns takes about a fifth of a second.
"""

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

from .channels import Channel, channel

if TYPE_CHECKING:
    from ua_parser import PartialResult

__all__ = ["Agent", "Channel", "DeviceType", "channel", "page_parts", "referrer_host", "user_agent"]

DeviceType: TypeAlias = Literal["desktop", "mobile", "tablet", "tv", "bot", "other"]

# Longer ones are padding or attacks, and the cost of matching grows with the length.
MAX_USER_AGENT = 512
_PATTERNS_AT_ONCE = 50

_TV = re.compile(
    r"smart-?tv|hbbtv|apple ?tv|google ?tv|android ?tv|crkey|\broku|bravia|netcast|web0s|\baft[a-z]{1,4}\b",
    re.IGNORECASE,
)
_TABLET = re.compile(r"ipad|tablet|playbook|kindle|silk/|nexus (?:7|9|10)\b", re.IGNORECASE)
_MOBILE = re.compile(
    r"mobi|iphone|ipod|windows (?:phone|ce)|blackberry|\bbb10\b|opera mini|symbian|series ?60|midp|nokia|android",
    re.IGNORECASE,
)
_DESKTOP = re.compile(
    r"windows nt|windows 9|win(?:32|64|9\d)|macintosh|mac os x|mac_powerpc|x11|\bcros\b|linux|bsd|sunos",
    re.IGNORECASE,
)

_AUTHORITY = re.compile(
    r"(?:[a-z][a-z0-9+.-]*:)?//(?:[^/?#]*@)?(\[[^\]/?#]*\]|[^/?#:\\\[]*)", re.IGNORECASE
)
_BARE_HOST = re.compile(
    r"((?:[a-z0-9_-]+\.)+[a-z][a-z0-9-]+)\.?(?::\d+)?(?=[/?#]|\Z)", re.IGNORECASE
)
_AFTER_PATH = re.compile(r"[?#]")


class Agent(Struct, frozen=True):
    """What sent a request; ``None`` is unknown. Versions are text, the browser's its major only."""

    browser: str | None = None
    browser_version: str | None = None
    os: str | None = None
    os_version: str | None = None
    device_type: DeviceType | None = None
    is_bot: bool = False


NOBODY = Agent()


def user_agent(ua: str | None) -> Agent:
    """Return what a User-Agent header tells; without one nothing is known, and it is no robot.

    Only the first 512 characters are read.
    """
    if not ua:
        return NOBODY
    return _agent(ua if len(ua) <= MAX_USER_AGENT else ua[:MAX_USER_AGENT])


def referrer_host(referrer: str | None) -> str | None:
    """Return the host of a referring address in lower case, without port; None if it has none.

    A bare host, as some senders give it, counts as one.
    """
    text = (referrer or "").strip()
    found = _AUTHORITY.match(text) or _BARE_HOST.match(text)
    return _host(found)


def page_parts(url: str | None) -> tuple[str | None, str | None]:
    """Return host and path of a page address, either None if it has none.

    The host is lower case without port; the path is as sent, without query and fragment, and ``/``
    if the address ends with its host.
    """
    text = (url or "").strip()
    found = _AUTHORITY.match(text)
    if found is None:
        return None, _path(text) if text.startswith("/") else None
    return _host(found), _path(text[_authority_end(text, found.end()) :])


@lru_cache(maxsize=10_000)
def _agent(sent: str) -> Agent:
    text = sent.strip()
    if not text:
        return NOBODY
    seen = _families()(text)
    browser, system = seen.user_agent, seen.os
    is_bot = _is_bot(text)
    return Agent(
        browser=browser.family if browser else None,
        browser_version=browser.major if browser else None,
        os=system.family if system else None,
        os_version=_version(system.major, system.minor) if system else None,
        device_type="bot" if is_bot else _device_type(text),
        is_bot=is_bot,
    )


def _device_type(text: str) -> DeviceType:
    if _TV.search(text):
        return "tv"
    lower = text.lower()
    # Android tablets are told from phones only by the missing word "Mobile".
    if _TABLET.search(text) or ("android" in lower and "mobi" not in lower):
        return "tablet"
    if _MOBILE.search(text):
        return "mobile"
    return "desktop" if _DESKTOP.search(text) else "other"


def _version(major: str | None, minor: str | None) -> str | None:
    return f"{major}.{minor}" if major and minor else major


def _host(found: "re.Match[str] | None") -> str | None:
    return found.group(1).lower().rstrip(".") or None if found else None


def _authority_end(text: str, start: int) -> int:
    # What is left of the authority is a port, or nonsense; the path begins at the next delimiter.
    ends = [at for at in (text.find(mark, start) for mark in "/?#") if at >= 0]
    return min(ends, default=len(text))


def _path(text: str) -> str:
    return _AFTER_PATH.split(text, maxsplit=1)[0] or "/"


def _is_bot(text: str) -> bool:
    return any(pattern.search(text) for pattern in _robots())


@cache
def _families() -> "Callable[[str], PartialResult]":
    from ua_parser import BasicResolver, Domain, load_builtins  # noqa: PLC0415 - 0.2 s to load

    resolver = BasicResolver(load_builtins())
    return lambda text: resolver(text, Domain.USER_AGENT | Domain.OS)


@cache
def _robots() -> tuple[re.Pattern[str], ...]:
    from crawleruseragents import CRAWLER_USER_AGENTS_DATA  # noqa: PLC0415 - reads a file

    patterns = [entry["pattern"] for entry in CRAWLER_USER_AGENTS_DATA]
    return tuple(
        re.compile("|".join(patterns[start : start + _PATTERNS_AT_ONCE]))
        for start in range(0, len(patterns), _PATTERNS_AT_ONCE)
    )
