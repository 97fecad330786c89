"""Most batches of Segment's ``track`` messages in one pass; their properties stay the text that was sent.

Gives what ``segment.decode`` and the steps would give, or nothing where it cannot tell by a quick look
that nothing is out of the ordinary.
"""

import re
from collections.abc import Sequence
from typing import Any, Final, Literal

from msgspec import UNSET, Raw, Struct
from msgspec.json import Decoder

from tallymark.collect.places import Places, Sender
from tallymark.core.errors import Refused
from tallymark.core.event import NO_PROPERTIES, Context, TimeRule, Verbatim

from ._checks import Terms, are_plain, believed_time
from ._names import named
from ._reading import UNREADABLE, holds_nul
from ._segment_context import NOBODY
from ._values import text, when
from ._verbatim import are_plain as are_plain_texts

_SECOND: Final = len("2026-09-21T14:00:00")
_MILLISECONDS: Final = re.compile(r"\.[0-9]{3}Z")
# Each may be revenue, which has a field of its own.
_MONEY: Final = (b'"revenue"', b'"total"', b'"value"')


class _Page(Struct, frozen=True, gc=False):
    url: str | None = None
    path: str | None = None
    title: str | None = None
    referrer: str | None = None
    search: Any = None


class _Library(Struct, frozen=True, gc=False):
    name: str | None = None
    version: str | None = None


_NO_PAGE: Final = _Page()
_NO_LIBRARY: Final = _Library()


class _Where(Struct, frozen=True, gc=False):
    """A context; what is ``Any`` here asks for a closer look if it is told."""

    page: _Page | None = None
    library: _Library | None = None
    userAgent: str | None = None  # noqa: N815 - as the SDKs write it
    locale: str | None = None
    timezone: str | None = None
    ip: Any = UNSET
    app: Any = UNSET
    campaign: Any = UNSET
    device: Any = UNSET
    os: Any = UNSET
    location: Any = UNSET
    screen: Any = UNSET
    groupId: Any = UNSET  # noqa: N815
    sessionId: Any = UNSET  # noqa: N815
    consent: Any = UNSET
    consentManagement: Any = UNSET  # noqa: N815


class _Track(Struct, frozen=True, gc=False):
    type: Literal["track"]
    event: str
    messageId: str  # noqa: N815
    userId: str | None = None  # noqa: N815
    anonymousId: str | None = None  # noqa: N815
    timestamp: str | None = None
    properties: Raw = NO_PROPERTIES
    context: _Where | None = None
    originalTimestamp: Any = UNSET  # noqa: N815
    sentAt: Any = UNSET  # noqa: N815
    groupId: Any = UNSET  # noqa: N815


class _Tracks(Struct, frozen=True):
    batch: list[_Track]
    context: Any = UNSET


_NOWHERE: Final = _Where()
_TRACKS: Final = Decoder(_Tracks)


def verbatim_tracks(
    body: bytes, agreed: Terms, places: Places, *, may_be_personal: bool
) -> list[Verbatim] | None:
    """Return the events of a batch, ready for the log; None where they need a closer look."""
    if body[:1] != b"{" or holds_nul(body):
        return None
    try:
        found = _TRACKS.decode(body)
        if not _are_ordinary(found, agreed, may_be_personal=may_be_personal):
            return None
        return _events(found.batch, agreed, places)
    except (*UNREADABLE, Refused):
        return None


def _are_ordinary(found: _Tracks, agreed: Terms, *, may_be_personal: bool) -> bool:
    tracks, limits = found.batch, agreed.settings
    if found.context is not UNSET or not 0 < len(tracks) <= limits.max_batch_events:
        return False
    persons = [one.userId for one in tracks if one.userId is not None]
    persons += [one.anonymousId for one in tracks if one.anonymousId is not None]
    ids = [one.messageId for one in tracks]
    # The careful way asks of all ids of a message together whether they are plain.
    if not are_plain(persons + ids, persons, limits.max_id_bytes // 3):
        return False
    if not all(map(_is_ordinary, tracks)):
        return False
    texts = [one.properties for one in tracks if one.properties is not NO_PROPERTIES]
    return not texts or (
        are_plain_texts(texts, limits, may_be_personal=may_be_personal)
        and not any(name in b"".join(texts) for name in _MONEY)
    )


def _is_ordinary(one: _Track) -> bool:
    return (
        one.originalTimestamp is UNSET
        and one.sentAt is UNSET
        and one.groupId is UNSET
        and (one.userId or one.anonymousId) is not None
    )


def _events(tracks: Sequence[_Track], agreed: Terms, places: Places) -> list[Verbatim] | None:
    names: dict[str, tuple[str, tuple[str, ...]]] = {}
    seconds: dict[str, int | None] = {}
    senders: dict[Sender, Sender] = {}
    events: list[Verbatim] = []
    for one in tracks:
        name, flags = names.get(one.event) or names.setdefault(
            one.event, named(one.event.strip(), agreed.settings.max_name_bytes)
        )
        where = one.context or _NOWHERE
        if not _is_short(where):
            return None
        agent = text(where.userAgent)
        if places.is_bot(agent):
            flags = (*flags, "bot")
        time, rule, client = _time(one.timestamp, agreed, seconds)
        events.append(
            Verbatim(
                name,
                one.messageId,
                time,
                rule,
                client,
                "track",
                "segment",
                one.userId,
                one.anonymousId,
                properties=one.properties,
                context=_context(where, agent, places, senders),
                flags=flags,
            )
        )
    return events


def _time(
    given: str | None, agreed: Terms, seconds: dict[str, int | None]
) -> tuple[int, TimeRule, int | None]:
    client = None if given is None else _instant(given, seconds)
    if client is None:
        return agreed.received_at, "received", None
    if client <= agreed.received_at and not agreed.skew:
        return client, "client", client
    try:
        time, rule = believed_time(client, agreed, is_metered=False)
    except Refused:
        return agreed.received_at, "clamped", client
    return time, rule, client


def _instant(given: str, seconds: dict[str, int | None]) -> int | None:
    """Return what ``when`` does; of times that differ in their milliseconds only the first is read."""
    second, rest = given[:_SECOND], given[_SECOND:]
    if not _MILLISECONDS.fullmatch(rest) or "." in second or "," in second:
        return when(given)
    if second not in seconds:
        seconds[second] = when(second + "Z")
    known = seconds[second]
    return when(given) if known is None else known + int(rest[1:4]) * 1000


def _context(
    where: _Where, agent: str | None, places: Places, senders: dict[Sender, Sender]
) -> Context:
    page, library = where.page or _NO_PAGE, where.library or _NO_LIBRARY
    referrer = text(page.referrer)
    told = (library.name, library.version, where.locale, where.timezone)
    if told not in senders:
        name, version, locale, zone = told
        senders[told] = (text(name), text(version), text(locale), text(zone))
    return places.page(
        text(page.url),
        text(page.title),
        None if referrer == NOBODY else referrer,
        text(page.path),
        agent,
        senders[told],
    )


def _is_short(where: _Where) -> bool:
    return (
        where.ip is UNSET
        and where.app is UNSET
        and where.campaign is UNSET
        and where.device is UNSET
        and where.os is UNSET
        and where.location is UNSET
        and where.screen is UNSET
        and where.groupId is UNSET
        and where.sessionId is UNSET
        and where.consent is UNSET
        and where.consentManagement is UNSET
        and (where.page is None or where.page.search is None)
    )
