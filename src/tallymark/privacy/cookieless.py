"""An id for whoever sends no id: the same for one day, and afterwards nobody's.

    salt    = 32 random bytes per UTC day, in a file of the data folder that no backup holds
    message = lp("v1") lp(project) lp(site) lp(address) lp(user agent)      lp: 4-byte length first
    visitor = "d_" + base32(HMAC-SHA256(salt, message))[:16]

The day is that of receipt, never of the event, so that late events need no old salt. The site is the
registrable domain, so that sub-domains join. Once a salt is deleted nobody can tell whose an id was,
and nobody can make it again; while it lives the id is personal data, so the salt appears nowhere.
"""

import base64
import hashlib
import hmac
import ipaddress
import os
from collections import OrderedDict
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from tallymark.core.clock import DAY, MICROSECONDS, moment

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

PREFIX: Final = "d_"
_SALT_BYTES: Final = 32
_AGENT_CHARS: Final = 512
_SESSION: Final = 30 * 60 * MICROSECONDS
# Whoever came within half an hour of midnight; beyond this the oldest start a new day early.
_MOST_SEEN: Final = 100_000


class Visit(Struct, frozen=True):
    """What tells one visitor from another for a day: no part of it is kept."""

    project: str
    site: str
    ip: str
    user_agent: str


class Salts:
    """The salts of today and, while a session may still go on, of yesterday.

    One file a day, made by whoever is first; all others read it. A clock set back does not bring a
    deleted salt back: that day gets a new one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._known: dict[int, bytes] = {}
        # Ids lately seen, oldest first: a session that crosses midnight keeps its id.
        self._seen: OrderedDict[str, int] = OrderedDict()

    def visitor(self, visit: Visit, now: int) -> str:
        """Return the id of a visitor at an instant, in microseconds."""
        today = now // DAY
        with self._lock:
            found = visitor_id(self._salt(today), visit)
            before = self._known.get(today - 1)
            if before is not None and found not in self._seen:
                earlier = visitor_id(before, visit)
                if now - self._seen.get(earlier, 0) <= _SESSION:
                    found = earlier
            self._seen[found] = now
            self._seen.move_to_end(found)
            while len(self._seen) > _MOST_SEEN:
                self._seen.popitem(last=False)
        return found

    def purge(self, now: int) -> None:
        """Delete every salt that is not today's: what it made can never be made again."""
        today = now // DAY
        with self._lock:
            self._known = {day: salt for day, salt in self._known.items() if day >= today - 1}
            if not self._folder.is_dir():
                return
            for path in self._folder.iterdir():
                if path.name != _name(today):
                    _shred(path)

    def _salt(self, day: int) -> bytes:
        salt = self._known.get(day)
        if salt is None:
            salt = self._read_or_make(day)
            # Yesterday's stays in memory alone, for sessions under way.
            self._known = {one: kept for one, kept in self._known.items() if one == day - 1}
            self._known[day] = salt
            for path in self._folder.iterdir():
                if path.name != _name(day):
                    _shred(path)
        return salt

    def _read_or_make(self, day: int) -> bytes:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / _name(day)
        made = os.urandom(_SALT_BYTES)
        beside = self._folder / f".{_name(day)}.{os.getpid()}"
        beside.write_bytes(made)
        beside.chmod(0o600)
        try:
            # A link appears whole or not at all, and only for the first who makes it.
            os.link(beside, path)
        except FileExistsError:
            made = path.read_bytes()
        finally:
            beside.unlink()
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        return made


def visitor_id(salt: bytes, visit: Visit) -> str:
    """Return the id that a salt makes of a visit."""
    parts = ("v1", visit.project, visit.site, _network(visit.ip), visit.user_agent[:_AGENT_CHARS])
    message = b"".join(_prefixed(part) for part in parts)
    digest = hmac.new(salt, message, hashlib.sha256).digest()
    return PREFIX + base64.b32encode(digest).decode().lower()[:16]


def site_of(host: str | None) -> str:
    """Return the registrable domain of a host, such as ``example.co.uk``; the host if it has none."""
    return "" if not host else _registrable(host.lower().rstrip(".")[:253])


@lru_cache(maxsize=10_000)
def _registrable(host: str) -> str:
    return str(_suffixes().privatesuffix(host) or host)


@cache
def _suffixes() -> "PublicSuffixList":
    # A tenth of a second and some megabytes, which only those need who count without cookies.
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415

    return PublicSuffixList()


def _network(ip: str) -> str:
    try:
        address = ipaddress.ip_address(ip.strip())
    except ValueError:
        return ip
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        # A household has a /64, and its devices change the rest of the address every day.
        return str(ipaddress.ip_network((int(address), 64), strict=False).network_address)
    return str(address)


def _prefixed(text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    return len(data).to_bytes(4, "big") + data


def _name(day: int) -> str:
    return moment(day * DAY).date().isoformat()


def _shred(path: Path) -> None:
    with suppress(OSError):
        path.write_bytes(bytes(_SALT_BYTES))
        path.unlink()
