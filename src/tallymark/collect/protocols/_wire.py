"""What a client may send to ``POST /tm/v1/events``: the shapes of the wire, nothing decided yet.

One event:

| field | type | meaning |
|---|---|---|
| `name` | text, required | what happened, such as `signup`; at most `max_name_bytes` |
| `id` | text | the client's id of this event: the same id counts once, for ever |
| `time` | RFC 3339 with offset, or whole milliseconds since 1970 | when it happened |
| `user_id` | text | who, once known |
| `anonymous_id` | text | who, before that: a device or browser |
| `account` | text | short for `groups.account` |
| `groups` | object of text | other groups the person acts for, by type |
| `session_id` | text | the client's session; otherwise sessions are computed |
| `kind` | text | `track` (default), `page`, `screen`, `session`, `revenue` … |
| `properties` | object | anything else; numbers read back exactly as sent |
| `context` | object | where: `page`, `campaign`, `device`, `os`, `browser`, `app`, `library`, `screen`, `location`, `locale`, `timezone`, `ip`, `user_agent` |
| `value`, `unit` | number, text | a metered quantity; secret keys only |
| `revenue`, `currency` | number, ISO 4217 | money |
| `consent` | object of text | what the person said, by purpose: `{"measurement": "granted"}`; or in a consent string, as [What is not kept](../explanation/privacy.md#consent) says |

An item with a `type` says something of a person or group instead, and is no use:

| `type` | fields | meaning |
|---|---|---|
| `identify` | `user_id`, `anonymous_id`, `traits`, `operations`, `consent` | both ids are one person; what is known of them |
| `group` | `group_id`, `group_type`, `user_id`, `anonymous_id`, `traits`, `operations`, `consent` | what is known of a group, and that the person belongs to it |
| `consent` | `user_id`, `anonymous_id`, `consent` | what the person chose, kept as a [proof](../how-to/prove-consent.md) |
| `alias` | `one`, `other`, `one_kind`, `other_kind` | both ids are one person, even if both are users; secret keys only |
| `unlink` | `one`, `other`, `one_kind`, `other_kind` | takes back the link between both ids; secret keys only |

`traits` are set. `operations` are objects by `set`, `set_once`, `unset`, `add`, `append`, `prepend`,
`union`, `remove`, `clear` and `delete`, such as `{"add": {"logins": 1}}`. A kind of id is `user`
(default) or `anonymous`. Each item may have an `id` and a `time`, as an event.

An unknown field is refused. Of a field sent twice the last one holds.
"""

import sys
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, structs

from tallymark.core.event import (
    NO_PROPERTIES,
    Command,
    Context,
    Event,
    IdKind,
    Kind,
    Operation,
)

OUT_OF_RANGE = "Number out of range"
# What a double can hold: beyond it no client language keeps the number either.
_LARGEST_EXPONENT = 308

AwareTime: TypeAlias = Annotated[datetime, Meta(tz=True)]
Time: TypeAlias = AwareTime | int
Pixels: TypeAlias = Annotated[int, Meta(ge=0, le=2**31 - 1)]


NOWHERE = Context()
_Flat: TypeAlias = dict[str, str | int | None]


class _Wire(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """An object of the wire: unknown fields are refused."""


class WirePage(_Wire, frozen=True):
    """The page on which it happened."""

    url: str | None = None
    path: str | None = None
    title: str | None = None
    referrer: str | None = None


_NO_PAGE = WirePage()


class WireCampaign(_Wire, frozen=True):
    """The campaign that brought the person; otherwise read from the page address."""

    source: str | None = None
    medium: str | None = None
    name: str | None = None
    term: str | None = None
    content: str | None = None
    click_id: str | None = None


class WireDevice(_Wire, frozen=True):
    """The device."""

    type: str | None = None
    brand: str | None = None
    model: str | None = None


class WireProgram(_Wire, frozen=True):
    """An operating system, browser, app or library."""

    name: str | None = None
    version: str | None = None


class WireScreen(_Wire, frozen=True):
    """The screen, in pixels."""

    width: Pixels | None = None
    height: Pixels | None = None


class WireLocation(_Wire, frozen=True):
    """The place, as the client knows it."""

    country: str | None = None
    region: str | None = None
    city: str | None = None


class WireContext(_Wire, frozen=True):
    """Where the use took place."""

    page: WirePage | None = None
    campaign: WireCampaign | None = None
    device: WireDevice | None = None
    os: WireProgram | None = None
    browser: WireProgram | None = None
    app: WireProgram | None = None
    library: WireProgram | None = None
    screen: WireScreen | None = None
    location: WireLocation | None = None
    locale: str | None = None
    timezone: str | None = None
    ip: str | None = None
    user_agent: str | None = None


class WireEvent(_Wire, frozen=True):
    """One event. ``value`` and ``revenue`` are read untyped: text must not pass for a number."""

    name: str
    id: str | None = None
    time: Time | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    account: str | None = None
    groups: dict[str, str] | None = None
    session_id: str | None = None
    kind: Kind = "track"
    properties: dict[str, Any] | None = None
    context: WireContext | None = None
    value: Any = UNSET
    unit: str | None = None
    revenue: Any = UNSET
    currency: str | None = None
    consent: dict[str, str] | None = None
    type: Literal["event"] = "event"


class WireUse(WireEvent, frozen=True):
    """One event with its properties unread."""

    properties: Raw = NO_PROPERTIES  # type: ignore[assignment]


class WireUses(_Wire, frozen=True):
    """Several of them with the instant they were sent."""

    events: list[WireUse]
    sent_at: Time | None = None


class WireIdentify(_Wire, frozen=True, tag="identify", tag_field="type"):
    """What is known of a person, and that an anonymous id and a user id are the same one."""

    id: str | None = None
    time: Time | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    traits: dict[str, Any] = {}
    operations: dict[Operation, dict[str, Any]] = {}
    consent: dict[str, str] = {}


class WireGroup(_Wire, frozen=True, tag="group", tag_field="type"):
    """What is known of a group, such as an account, and that a person belongs to it."""

    group_id: str
    group_type: str = "account"
    id: str | None = None
    time: Time | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    traits: dict[str, Any] = {}
    operations: dict[Operation, dict[str, Any]] = {}
    consent: dict[str, str] = {}


class WireAlias(_Wire, frozen=True, tag="alias", tag_field="type"):
    """That two ids are one person, also if each belongs to a user; secret keys only."""

    one: str
    other: str
    one_kind: IdKind = "user"
    other_kind: IdKind = "user"
    id: str | None = None
    time: Time | None = None


class WireUnlink(WireAlias, frozen=True, tag="unlink", tag_field="type"):
    """That two ids are not one person: takes back the link between them; secret keys only."""


class WireConsent(_Wire, frozen=True, tag="consent", tag_field="type"):
    """What a person chose, and nothing else."""

    consent: dict[str, str]
    id: str | None = None
    time: Time | None = None
    user_id: str | None = None
    anonymous_id: str | None = None


WireCommand: TypeAlias = WireIdentify | WireGroup | WireAlias | WireUnlink


class WireImported(_Wire, frozen=True, tag="imported", tag_field="type"):
    """What one record of another tool's export tells, in the form in which it is kept.

    It is for the owner of the data folder only: an event of it names whose ids its own belongs to.
    """

    events: list[Event] = []
    commands: list[Command] = []


class WireFailed(_Wire, frozen=True):
    """A line of a file that gave no event; ``raw`` is Base64, of ``raw_bytes`` bytes before a cut."""

    code: str
    message: str
    line: Annotated[int, Meta(ge=1, le=2**62)]
    id: str
    raw: bytes = b""
    raw_bytes: Annotated[int, Meta(ge=0, le=2**62)] = 0


class WireBatch(_Wire, frozen=True):
    """Several events with the instant they were sent, which reveals a wrong client clock.

    ``failed`` is for the owner of the data folder only, who loads files.
    """

    events: list[WireEvent]
    sent_at: Time | None = None
    failed: list[WireFailed] | UnsetType = UNSET


class WireRawBatch(_Wire, frozen=True):
    """The same with its events unread, so that each can fail alone."""

    events: list[Raw]
    sent_at: Time | None = None
    failed: list[WireFailed] | UnsetType = UNSET


class WireHead(Struct, frozen=True):
    """What tells a batch from one event, and what names an event that cannot be read."""

    events: Raw | UnsetType = UNSET
    type: Any = None
    id: Any = None
    name: Any = None
    context: Any = None


def number(text: str) -> Decimal:
    """Return a JSON number with a point or exponent, exactly; ValueError where a double is infinite.

    So long as the exponent is bounded, writing the number out in full stays short.
    """
    # Nearly every number: one of so few digits, and without an exponent, cannot be out of range.
    if len(text) <= _LARGEST_EXPONENT and "e" not in text and "E" not in text:
        return Decimal(text)
    if len(text) > sys.int_info.default_max_str_digits:
        raise ValueError(OUT_OF_RANGE)
    try:
        exact = Decimal(text)
    except InvalidOperation:
        raise ValueError(OUT_OF_RANGE) from None
    if abs(exact.adjusted()) > _LARGEST_EXPONENT:
        raise ValueError(OUT_OF_RANGE)
    return exact


def context(wire: WireContext) -> Context:
    """Return the same context in the form in which every protocol gives it."""
    page = wire.page or _NO_PAGE
    here = Context(
        page_url=page.url,
        page_path=page.path,
        page_title=page.title,
        referrer=page.referrer,
        locale=wire.locale,
        timezone=wire.timezone,
        ip=wire.ip,
        user_agent=wire.user_agent,
    )
    # Most events tell no more than that; looking whether they do is all that the rest costs them.
    is_more = wire.campaign or wire.location or wire.device or wire.os or wire.browser
    if not (is_more or wire.app or wire.library or wire.screen):
        return here
    return structs.replace(here, **_campaign_and_place(wire), **_machine(wire))


def _campaign_and_place(wire: WireContext) -> _Flat:
    found: _Flat = {}
    if (campaign := wire.campaign) is not None:
        found |= {"utm_source": campaign.source, "utm_medium": campaign.medium}
        found |= {"utm_campaign": campaign.name, "utm_term": campaign.term}
        found |= {"utm_content": campaign.content, "click_id": campaign.click_id}
    if (place := wire.location) is not None:
        found |= {"country": place.country, "region": place.region, "city": place.city}
    return found


def _machine(wire: WireContext) -> _Flat:
    found: _Flat = {}
    if (device := wire.device) is not None:
        found |= {"device_type": device.type, "device_brand": device.brand}
        found["device_model"] = device.model
    if (os := wire.os) is not None:
        found |= {"os": os.name, "os_version": os.version}
    if (browser := wire.browser) is not None:
        found |= {"browser": browser.name, "browser_version": browser.version}
    if (app := wire.app) is not None:
        found |= {"app_name": app.name, "app_version": app.version}
    if (library := wire.library) is not None:
        found |= {"library_name": library.name, "library_version": library.version}
    if (screen := wire.screen) is not None:
        found |= {"screen_width": screen.width, "screen_height": screen.height}
    return found
