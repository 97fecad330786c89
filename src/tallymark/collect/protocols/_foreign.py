"""What the decoders of other tools' protocols share: forgiving of form, strict about meaning.

A decoder says what each item told as a ``Told``; ``event`` checks it and makes it an ``Event``.
Where the native protocol refuses, a foreign client could do nothing about the answer, so what can be
kept is kept and flagged: a placeholder is left out as an id, a name is shortened, a time that cannot
be is the time of receipt. What cannot be counted at all raises Refused, and ``take`` sets that one
item aside with its reason.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, Final, Literal

from msgspec import Struct, structs

from tallymark.collect.protocol import Decoded
from tallymark.core.errors import Refused
from tallymark.core.event import (
    Command,
    Context,
    Event,
    Failed,
    GroupMembership,
    IdentityLink,
    IdKind,
    Kind,
    Operation,
    ProfileOp,
    TimeRule,
)
from tallymark.core.ids import new_id
from tallymark.core.settings import Settings
from tallymark.identity.placeholders import PLACEHOLDERS

from ._checks import (
    Terms,
    believed_time,
    check_groups,
    check_id,
    check_properties,
    terms,
)
from ._names import named
from ._sdk import sdk_of
from ._values import as_json, mapping

NOWHERE: Final = Context()


class Told(Struct, frozen=True, gc=False):
    """One use as a client told it. ``time`` is in microseconds; ``id`` None lets one be made.

    ``is_repairable`` is False for a time that is no client's clock, such as a historical import's.
    """

    name: str | None
    namespace: str
    id: str | None = None
    time: int | None = None
    kind: Kind = "track"
    user_id: str | None = None
    anonymous_id: str | None = None
    session_id: str | None = None
    groups: dict[str, str] = {}
    properties: dict[str, Any] = {}
    context: Context = NOWHERE
    value: Decimal | None = None
    unit: str | None = None
    revenue: Decimal | None = None
    currency: str | None = None
    flags: tuple[str, ...] = ()
    consent: dict[str, str] = {}
    is_repairable: bool = True


class Source(Struct, frozen=True):
    """What the commands of one item share: where its id is from, the id, and when it holds.

    ``account_group`` is the group type that stands for the account, if one does; ``consent`` what the
    person said.
    """

    namespace: str
    id: str
    time: int
    account_group: str = ""
    consent: dict[str, str] = {}


def agreed(
    settings: Settings, *, received_at: int, sent_at: int | None = None, public: bool = True
) -> Terms:
    """Return the terms of one request; ``sent_at`` in microseconds, if its client told it."""
    return terms(settings, received_at=received_at, sent_at=sent_at, public=public)


def sent_at(agreed: Terms, instant_us: int | None) -> Terms:
    """Return the same terms for an item that says itself when it was sent."""
    if instant_us is None:
        return agreed
    own = terms(
        agreed.settings, received_at=agreed.received_at, sent_at=instant_us, public=agreed.public
    )
    return structs.replace(own, checked_keys=agreed.checked_keys)


def event(told: Told, agreed: Terms) -> Event:
    """Return what was told as an event, with flags for what had to be mended; raises Refused."""
    limits = agreed.settings
    name, flags = named(told.name, limits.max_name_bytes)
    if told.flags:
        flags = (*told.flags, *flags)
    user, anonymous, event_id, session = told.user_id, told.anonymous_id, told.id, told.session_id
    is_plain = are_plain(user, anonymous, event_id, session, limits.max_id_bytes)
    if not is_plain:
        mended: list[str] = []
        user, anonymous = person(user, limits, mended), person(anonymous, limits, mended)
        flags = (*flags, *mended)
    groups = told.groups
    if groups:
        groups, left_out = kept_groups(groups, limits)
        flags = (*flags, *left_out)
    if told.properties:
        check_properties(told.properties, "properties", agreed)
    if event_id is None:
        event_id = new_id(agreed.received_at)
        flags = (*flags, "no_id")
    if not is_plain:
        check_id(event_id, "id", limits.max_id_bytes)
        if session is not None:
            check_id(session, "session_id", limits.max_id_bytes)
    time, rule = believed(told.time, agreed, is_repairable=told.is_repairable)
    money, currency = told.revenue, None
    if money is not None:
        currency = told.currency or limits.default_currency or None
        if currency is None:
            money = None
            flags = (*flags, "no_currency")
    # By their places up to the ids: a call that names more than eleven more costs 1.2 µs, not 0.3,
    # because CPython then makes a dictionary of them first.
    return Event(
        name,
        event_id,
        time,
        rule,
        told.time,
        told.kind,
        told.namespace,
        user,
        anonymous_id=anonymous,
        groups=groups,
        session_id=session,
        properties=told.properties,
        context=told.context,
        # A public key could forge bills; the number stays among the properties.
        value=None if agreed.public else told.value,
        unit=None if agreed.public or told.value is None else told.unit,
        revenue=money,
        currency=currency,
        flags=tuple(dict.fromkeys(flags)) if flags else (),
        consent=told.consent,
    )


def source(agreed: Terms, namespace: str, given_id: str | None, time: int | None) -> Source:
    """Return what the commands of an item share; raises Refused for an id that cannot be kept."""
    found = given_id or new_id(agreed.received_at)
    check_id(found, "id", agreed.settings.max_id_bytes)
    return Source(namespace, found, believed(time, agreed)[0], agreed.settings.account_group)


def believed(
    time: int | None, agreed: Terms, *, is_repairable: bool = True
) -> tuple[int, TimeRule]:
    """Return when something happened that a client gave a time of, and by which rule."""
    if time is None:
        return agreed.received_at, "received"
    if 0 <= time <= agreed.received_at and not agreed.skew:
        return time, "client"
    try:
        return believed_time(time, agreed, is_metered=not is_repairable)
    except Refused:
        # Years ahead, or before 1970: that clock tells nothing, but the use took place.
        return agreed.received_at, "clamped"


def another(by: Source, suffix: str) -> Source:
    """Return the same under an id of its own, for an item that does one thing several times.

    Commands of one item are told apart by what they do, so two that do the same would be one.
    """
    return structs.replace(by, id=f"{by.id}/{suffix}")


def person(given: str | None, limits: Settings, flags: list[str]) -> str | None:
    """Return an id of a person, or None with a flag for a placeholder such as ``undefined``.

    Raises Refused for one that is too long or holds control characters.
    """
    if given is None:
        return None
    if is_placeholder(given):
        flags.append("illegal_id")
        return None
    check_id(given, "user_id", limits.max_id_bytes)
    return given


def is_placeholder(given: str) -> bool:
    """Return whether a text stands for nobody; to believe it would merge strangers."""
    return given.strip().lower() in PLACEHOLDERS


def link(
    by: Source,
    one: tuple[IdKind, str | None],
    other: tuple[IdKind, str | None],
    how: Literal["identify", "alias", "merge"] = "identify",
) -> list[Command]:
    """Return the claim that two ids are one person; nothing where there is nothing to link."""
    (one_kind, first), (other_kind, second) = one, other
    if first is None or second is None or is_placeholder(first) or is_placeholder(second):
        return []
    if (one_kind, first) == (other_kind, second):
        return []
    return [
        IdentityLink(
            one=first, other=second, id=by.id, time=by.time, one_kind=one_kind,
            other_kind=other_kind, how=how, namespace=by.namespace, consent=by.consent,
        )
    ]  # fmt: skip


def profile(
    by: Source,
    op: Operation,
    subject: tuple[str, str | None],
    properties: dict[str, Any],
    agreed: Terms,
) -> list[Command]:
    """Return the change of what is known of somebody; nothing for a placeholder or no change."""
    kind, who = subject
    if who is None or is_placeholder(who) or (not properties and op not in ("clear", "delete")):
        return []
    check_id(who, "subject", agreed.settings.max_id_bytes)
    check_properties(properties, "traits", agreed)
    kind = group_type(kind, by.account_group)
    return [ProfileOp(op, who, by.id, by.time, properties, kind, by.namespace, by.consent)]


def membership(
    by: Source, group: tuple[str, str | None], user: str | None, anonymous: str | None
) -> list[Command]:
    """Return that somebody belongs to a group; nothing where either is missing."""
    kind, name = group
    user = None if user is None or is_placeholder(user) else user
    anonymous = None if anonymous is None or is_placeholder(anonymous) else anonymous
    if name is None or (user is None and anonymous is None):
        return []
    kind = group_type(kind, by.account_group)
    return [GroupMembership(kind, name, by.id, by.time, user, anonymous, by.namespace, by.consent)]


def group_type(given: str, account_group: str) -> str:
    """Return ``account`` for the group type that the settings name as the account's, else the type."""
    return "account" if account_group and given == account_group else given


def take(
    items: Sequence[Any],
    read: Callable[[Any], Iterable[Event | Command]],
    settings: Settings,
    decoded: Decoded | None = None,
) -> Decoded:
    """Return what all items hold; whatever is wrong with one costs no other.

    An item that gives nothing is counted as NOT_KEPT. ``decoded`` has what the whole request says.
    Raises Refused BATCH_TOO_LONG.
    """
    if len(items) > settings.max_batch_events:
        raise Refused(
            f"The batch holds {len(items)} events, more than {settings.max_batch_events}.",
            code="BATCH_TOO_LONG",
        )
    events: list[Event] = []
    commands: list[Command] = []
    failed: list[Failed] = []
    empty = 0
    for index, item in enumerate(items):
        try:
            found = read(item)
            if type(found) is not list:
                # What is refused is refused whole.
                found = tuple(found)
        except Refused as why:
            failed.append(set_aside(index, item, why, settings))
            continue
        empty += not found
        for one in found:
            if isinstance(one, Event):
                events.append(one)
            else:
                commands.append(one)
    return structs.replace(
        decoded or Decoded(0),
        received=len(items), events=events, commands=commands, failed=failed,
        dropped={"NOT_KEPT": empty} if empty else {},
    )  # fmt: skip


def set_aside(index: int, item: Any, why: Refused, settings: Settings) -> Failed:
    """Return an item that cannot be taken, with the reason and as much of it as may be kept."""
    raw = as_json(item).encode()
    given = mapping(item)
    sdk = sdk_of(given)
    names = (given.get(key) for key in ("event", "name", "event_type", "type", "e", "n"))
    ids = (given.get(key) for key in ("messageId", "uuid", "insert_id", "id", "eid", "i"))
    return Failed(
        code=why.code,
        stage=why.stage,
        message=why.message,
        index=index,
        path=why.path,
        id=_cut(ids, settings.max_id_bytes),
        name=_cut(names, settings.max_name_bytes),
        raw=raw[: settings.max_failed_bytes],
        raw_bytes=len(raw),
        sdk_name=sdk[0],
        sdk_version=sdk[1],
    )


def _cut(candidates: Iterable[Any], limit: int) -> str | None:
    return next((one[:limit] for one in candidates if isinstance(one, str) and one), None)


def are_plain(
    user: str | None,
    anonymous: str | None,
    event_id: str | None,
    session: str | None,
    max_bytes: int,
) -> bool:
    """Return whether no id of an event needs a closer look: one look at all of them together.

    False only means that each must be checked.
    """
    # What is missing reads None here, which is as plain as any.
    together = f"{user}{anonymous}{event_id}{session}"
    return (
        len(together) <= max_bytes
        and together.isascii()
        and together.isprintable()
        and " " not in together
        and event_id != ""
        and session != ""
        and (user is None or user.lower() not in PLACEHOLDERS)
        and (anonymous is None or anonymous.lower() not in PLACEHOLDERS)
    )


def kept_groups(told: dict[str, str], limits: Settings) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the groups as they may be kept, and flags for what was left out; raises Refused."""
    flags: tuple[str, ...] = ()
    account_group = limits.account_group
    groups = {kind: group for kind, group in told.items() if group}
    # Who names an account goes before who only belongs to a group that stands for one.
    if account_group in groups and "account" not in groups:
        groups["account"] = groups.pop(account_group)
    if is_placeholder(groups.get("account", "a customer")):
        del groups["account"]
        flags = ("illegal_id",)
    check_groups(groups, limits)
    return groups, flags
