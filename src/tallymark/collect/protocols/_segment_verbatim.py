"""Most batches of Segment's ``track`` messages in one pass; their properties stay the text that was sent.

``tracks_of`` reads a body once, before anybody knows whose it is, and ``verbatim_tracks`` gives of it
what ``segment.decode`` and the steps would give, or nothing where it cannot tell by a quick look that
nothing is out of the ordinary; then the body is opened as any other.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal

from msgspec import UNSET, Raw, Struct, structs
from msgspec.json import Decoder

from tallymark.collect.body import inflated
from tallymark.collect.loose import Loose, form_fields, open_loosely
from tallymark.collect.places import Places, Sender
from tallymark.collect.protocol import Request
from tallymark.core.errors import Refused
from tallymark.core.event import NO_PROPERTIES, Verbatim
from tallymark.core.known import Known
from tallymark.core.settings import Settings

from ._checks import Terms, are_plain
from ._foreign import believed
from ._names import named
from ._reading import UNREADABLE, holds_nul
from ._segment_context import LOOKED_AT, NOBODY
from ._values import text, when
from ._verbatim import FROM_BYTES
from ._verbatim import are_plain as are_plain_texts

_NO_GROUPS: Final[dict[str, str]] = {}
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
    channel: Any = None
    writeKey: str | None = None  # noqa: N815


class _Envelope(Struct, frozen=True):
    batch: list[_Track]
    context: Any = UNSET
    sentAt: str | None = None  # noqa: N815
    writeKey: str | None = None  # noqa: N815


class Tracks(Struct, frozen=True):
    """A body that holds tracks and nothing else, and ``fields``, the parameters of its query.

    ``loosely`` opens it as any other body, for whoever has to look closer.
    """

    envelope: _Envelope
    fields: Mapping[str, str]
    loosely: Callable[[], Loose]

    @property
    def messages(self) -> list[_Track]:
        """The tracks."""
        return self.envelope.batch

    @property
    def first(self) -> list[dict[str, Any]]:
        """What the first few tell of who sent them, in the shape of messages."""
        return [_told_of(one) for one in self.messages[:LOOKED_AT]]

    @property
    def key(self) -> str | None:
        """The write key, if it is in the body."""
        keys = (self.envelope.writeKey, *(one.writeKey for one in self.messages[:LOOKED_AT]))
        return next(filter(None, map(text, keys)), None)


_NOWHERE: Final = _Where()
_TRACKS: Final = Decoder(_Envelope)


def tracks_of(request: Request, settings: Settings) -> Tracks | None:
    """Return the tracks of a large body; None for any other. Raises Refused as ``open_loosely`` does."""
    fields = form_fields(request.query)
    body = inflated(request, settings)
    if len(body) < FROM_BYTES or body[:1] != b"{" or "compression" in fields or holds_nul(body):
        return None
    try:
        envelope = _TRACKS.decode(body)
    except UNREADABLE:
        return None
    if envelope.context is not UNSET or not envelope.batch:
        return None
    return Tracks(envelope, fields, partial(open_loosely, request, settings))


def verbatim_tracks(
    tracks: Sequence[_Track], agreed: Terms, places: Places, *, may_be_personal: bool
) -> list[Verbatim] | None:
    """Return the events of a batch, ready for the log; None where they need a closer look."""
    try:
        if not _are_ordinary(tracks, agreed, may_be_personal=may_be_personal):
            return None
        return _events(tracks, agreed, places)
    except (*UNREADABLE, Refused):
        return None


def _are_ordinary(tracks: Sequence[_Track], agreed: Terms, *, may_be_personal: bool) -> bool:
    limits = agreed.settings
    if len(tracks) > limits.max_batch_events:
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
    together = b"".join(texts)
    return not texts or (
        not any(name in together for name in _MONEY)
        and are_plain_texts(texts, limits, may_be_personal=may_be_personal)
    )


def _is_ordinary(one: _Track) -> bool:
    return (
        one.originalTimestamp is one.sentAt is one.groupId is UNSET
        and (one.userId or one.anonymousId) is not None
    )


def _events(tracks: Sequence[_Track], agreed: Terms, places: Places) -> list[Verbatim] | None:
    names = Known(partial(_named, max_bytes=agreed.settings.max_name_bytes))
    # Few clients send a batch, and each says the same of itself with every event.
    agents, senders = Known(text), Known(_sender)
    events: list[Verbatim] = []
    for one in tracks:
        where = one.context or _NOWHERE
        if not _is_short(where):
            return None
        name, flags = names[one.event]
        client = when(one.timestamp)
        time, rule = believed(client, agreed)
        page, library = where.page or _NO_PAGE, where.library or _NO_LIBRARY
        referrer = text(page.referrer)
        context = places.page(
            text(page.url),
            text(page.title),
            None if referrer == NOBODY else referrer,
            text(page.path),
            agents[where.userAgent],
            senders[library.name, library.version, where.locale, where.timezone],
        )
        # By their places: a name costs as much as a value.
        event = Verbatim(
            name,
            one.messageId,
            time,
            rule,
            client,
            "track",
            "segment",
            one.userId,
            one.anonymousId,
            _NO_GROUPS,
            None,
            one.properties,
            context,
            flags=flags,
        )
        events.append(event)
    if places.met_robot:
        return [
            _flagged(event, places.is_bot(agents[(one.context or _NOWHERE).userAgent]))
            for event, one in zip(events, tracks, strict=True)
        ]
    return events


def _flagged(event: Verbatim, is_bot: bool) -> Verbatim:
    return structs.replace(event, flags=(*event.flags, "bot")) if is_bot else event


def _told_of(one: _Track) -> dict[str, Any]:
    where = one.context or _NOWHERE
    library = where.library or _NO_LIBRARY
    return {"channel": one.channel, "context": {"library": {"name": library.name}}}


def _named(given: str, max_bytes: int) -> tuple[str, tuple[str, ...]]:
    return named(given.strip(), max_bytes)


def _sender(told: Sender) -> Sender:
    name, version, locale, zone = told
    return text(name), text(version), text(locale), text(zone)


def _is_short(where: _Where) -> bool:
    return (
        where.ip is where.app is where.campaign is where.device is where.os is UNSET
        and where.location is where.screen is where.groupId is where.sessionId is UNSET
        and where.consent is where.consentManagement is UNSET
        and (where.page is None or where.page.search is None)
    )
