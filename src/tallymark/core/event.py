"""One use, as every protocol decodes to it and as the log keeps it.

Instants are microseconds since 1970 UTC. Numbers inside ``properties`` are ``int`` or ``Decimal``,
never ``float``: they read back exactly as they were sent.
"""

from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from msgspec import Raw, Struct

from .consents import ConsentRecord

Kind: TypeAlias = Literal[
    "track", "page", "screen", "session", "revenue", "exception", "metric", "span", "log",
    "heartbeat", "interaction", "system",
]  # fmt: skip
TimeRule: TypeAlias = Literal["client", "repaired", "clamped", "received"]
Json: TypeAlias = Any
# A flag: the event comes from another tool's export, which tells it in other words than the live one.
IMPORTED: Final = "imported"


class Context(Struct, frozen=True, omit_defaults=True, gc=False):
    """Where the use took place, as the client said; already scrubbed by the project's policy."""

    page_url: str | None = None
    page_path: str | None = None
    page_host: str | None = None
    page_title: str | None = None
    referrer: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_term: str | None = None
    utm_content: str | None = None
    click_id: str | None = None
    device_type: str | None = None
    device_brand: str | None = None
    device_model: str | None = None
    os: str | None = None
    os_version: str | None = None
    browser: str | None = None
    browser_version: str | None = None
    app_name: str | None = None
    app_version: str | None = None
    library_name: str | None = None
    library_version: str | None = None
    locale: str | None = None
    timezone: str | None = None
    country: str | None = None
    region: str | None = None
    city: str | None = None
    screen_width: int | None = None
    screen_height: int | None = None
    ip: str | None = None
    user_agent: str | None = None


class Event(Struct, frozen=True, omit_defaults=True, gc=False):
    """A named use at an instant, by somebody, with properties; the unit that is counted.

    ``time`` is when it happened as we believe it; ``time_client`` as the client said, if it did.
    ``namespace`` says whose ids ``id`` belongs to: the key of dedupe is (project, namespace, id).
    ``consent`` is what the person said of purposes, by its name: ``granted``, ``denied`` …
    ``received_at`` is set where it is not that of its batch: on an event that failed and is replayed.
    """

    name: str
    id: str
    time: int
    time_rule: TimeRule = "client"
    time_client: int | None = None
    kind: Kind = "track"
    namespace: str = "native"
    user_id: str | None = None
    anonymous_id: str | None = None
    groups: dict[str, str] = {}
    session_id: str | None = None
    properties: dict[str, Json] = {}
    context: Context = Context()
    value: Decimal | None = None
    unit: str | None = None
    revenue: Decimal | None = None
    currency: str | None = None
    flags: tuple[str, ...] = ()
    consent: dict[str, str] = {}
    received_at: int | None = None


NO_PROPERTIES: Final = Raw()


class Verbatim(Event, frozen=True, omit_defaults=True, gc=False):
    """An event on its way to the log whose properties are still the JSON text that was sent.

    Only for what need not look into them: in the log, and from there on, it is an event as any other.
    """

    properties: Raw = NO_PROPERTIES  # type: ignore[assignment]


IdKind: TypeAlias = Literal["user", "anonymous"]
Operation: TypeAlias = Literal[
    "set", "set_once", "unset", "add", "append", "prepend", "union", "remove", "clear", "delete"
]


class ProfileOp(Struct, frozen=True, omit_defaults=True, tag="profile"):
    """A change of what is known of a person or group; not a use.

    ``subject_kind`` is ``user``, ``anonymous`` or the type of a group; ``consent`` as of an event.
    """

    op: Operation
    subject: str
    id: str
    time: int
    properties: dict[str, Json] = {}
    subject_kind: str = "user"
    namespace: str = "native"
    consent: dict[str, str] = {}


class IdentityLink(Struct, frozen=True, omit_defaults=True, tag="link"):
    """A claim that two ids are one person; symmetric. ``retract`` takes an earlier claim back."""

    one: str
    other: str
    id: str
    time: int
    one_kind: IdKind = "anonymous"
    other_kind: IdKind = "user"
    how: Literal["identify", "alias", "merge", "retract"] = "identify"
    namespace: str = "native"
    consent: dict[str, str] = {}


class GroupMembership(Struct, frozen=True, omit_defaults=True, tag="group"):
    """A person belongs to a group, such as an account."""

    group_type: str
    group_id: str
    id: str
    time: int
    user_id: str | None = None
    anonymous_id: str | None = None
    namespace: str = "native"
    consent: dict[str, str] = {}


Command: TypeAlias = ProfileOp | IdentityLink | GroupMembership


# The place of what failed in its request: it is the whole of it, or its place is not known.
UNPLACED: Final = -1


class Fault(Struct, frozen=True, omit_defaults=True):
    """One thing wrong with an item: where, what would have been right, and of what kind it was.

    ``got`` is a kind such as ``string``, never what was sent. ``schema`` names the event and the version
    of the tracking plan that say so.
    """

    code: str
    path: str = ""
    expected: str = ""
    got: str = ""
    schema: str = ""
    message: str = ""


class Failed(Struct, frozen=True, omit_defaults=True):
    """Something refused, kept with its reason so that it can be repaired and replayed.

    ``raw`` holds at most ``max_failed_bytes`` of what was sent; ``raw_bytes`` is its full length. Of
    an event that was set aside after it had been read, it is the whole event as it would be kept.
    ``line`` counts from 1 where it is a line of a file, else 0; then ``id`` names that line, and the
    same line failing for the same reason again is a duplicate. ``is_quarantined`` says that its client
    was told of a success: by rule of the project it does not count now.

    ``faults`` are all that is wrong where more is known than code, path and message. ``time`` and the SDK
    are those of an event that had been read. ``sampled`` is how many failures of its kind this one stands
    for, because the others came too fast to be kept.
    """

    code: str
    stage: str
    message: str
    index: int = 0
    path: str | None = None
    id: str | None = None
    name: str | None = None
    raw: bytes = b""
    raw_bytes: int = 0
    line: int = 0
    is_quarantined: bool = False
    faults: tuple[Fault, ...] = ()
    time: int | None = None
    sdk_name: str | None = None
    sdk_version: str | None = None
    sampled: int = 1


# What becomes of an item, that it came, and what was noted of it without becoming anything else.
Outcome: TypeAlias = Literal[
    "received",
    "accepted",
    "duplicate",
    "conflict",
    "quarantined",
    "dropped",
    "rejected",
    "observed",
]
FailedStatus: TypeAlias = Literal["open", "fixed", "replayed", "ignored", "expired"]


class Mark(Struct, frozen=True):
    """A change of a failed event, by its place in the log; not an item.

    ``status`` is its new one, None if it stays. ``is_attempt`` says that it was tried again.
    """

    seq: int
    status: FailedStatus | None
    is_attempt: bool = False


class Batch(Struct, frozen=True, omit_defaults=True):
    """What one request brought, as one row of the log; everything later is derived from these.

    ``received`` counts the items of the request; each ends in exactly one outcome of the ledger.
    ``dropped`` counts items of which, by rule, nothing else may be kept (by reason code). ``observed``
    counts, by code, what is not as planned of events that were kept all the same. ``marks`` go through
    the log like everything else, so that a store made again from it has them too. ``replayed`` are the
    places of the failed events that ``events``, and after them ``commands``, are made of.

    ``consents`` are records that prove consent; those of statements stand for an item each.
    What failed was judged by ``server``, a version of Tallymark, and ``plan_version`` of the tracking plan.
    """

    received_at: int
    source: str
    protocol: str
    received: int
    sent_at: int | None = None
    ip: str | None = None
    user_agent: str | None = None
    server_side: bool = False
    events: list[Event] = []
    commands: list[Command] = []
    failed: list[Failed] = []
    dropped: dict[str, int] = {}
    observed: dict[str, int] = {}
    marks: list[Mark] = []
    replayed: list[int] = []
    consents: list[ConsentRecord] = []
    server: str = ""
    plan_version: int = 0
