"""What Mixpanel's ``/engage`` and ``/groups`` say: changes of what is known of people and groups."""

from collections.abc import Iterable
from typing import Any, Final

from tallymark.core.errors import Refused
from tallymark.core.event import Command, Event, Operation
from tallymark.core.policy import Policy

from ._checks import check_groups
from ._context_fields import without_query
from ._foreign import Source, Told, another, event, membership, profile, source
from ._mixpanel_events import (
    NAMESPACE,
    Reading,
    check_token,
    groups,
    insert_namespace,
    who,
)
from ._values import amount, content_id, currency, mapping, text, when, without

_OPERATIONS: Final[dict[str, Operation]] = {
    "$set": "set",
    "$set_once": "set_once",
    "$add": "add",
    "$append": "append",
    "$union": "union",
    "$remove": "remove",
    "$unset": "unset",
    "$delete": "delete",
}
_CHARGES: Final = "$transactions"
# Kinds of subjects that are no groups; a group of that type would be taken for a person.
_PEOPLE: Final = frozenset({"user", "anonymous"})


def read_person(item: Any, by: Reading) -> Iterable[Event | Command]:
    """Return the changes of a person's profile, memberships and charges; raises Refused."""
    given = _checked(item, by)
    user, device = who(given.get("$distinct_id"), given.get("$device_id"), given.get("$user_id"))
    if user is None and device is None:
        raise Refused("$distinct_id is missing.", code="MISSING_FIELD", path="$distinct_id")
    subject = ("anonymous", device) if user is None else ("user", user)
    shared = _shared(given, by, text(given.get("$distinct_id")))
    found: list[Event | Command] = []
    for op, properties in _operations(given, by.policy):
        found += profile(shared, op, subject, properties, by.terms)
        if op in ("set", "union"):
            found += _memberships(shared, op, properties, by, (user, device))
    if isinstance(mapping(given.get("$append")).get(_CHARGES), dict):
        found.append(_charge(given, by, (user, device)))
    return found


def read_group(item: Any, by: Reading) -> Iterable[Event | Command]:
    """Return the changes of a group's profile; raises Refused."""
    given = _checked(item, by)
    kind, name = text(given.get("$group_key")), text(given.get("$group_id"))
    if kind is None or name is None:
        raise Refused(
            "A group needs $group_key and $group_id.", code="MISSING_FIELD", path="$group_key"
        )
    if kind in _PEOPLE:
        raise Refused(f"A group cannot be of the type {kind!a}.", path="$group_key")
    check_groups({kind: name}, by.terms.settings)
    shared = _shared(given, by, f"{kind}/{name}")
    found: list[Event | Command] = []
    for op, properties in _operations(given, by.policy):
        found += profile(shared, op, (kind, name), properties, by.terms)
    return found


def _checked(item: Any, by: Reading) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise Refused("The update is no object.", path="$set")
    check_token(item.get("$token"), by)
    return item


def _operations(given: dict[str, Any], policy: Policy) -> list[tuple[Operation, dict[str, Any]]]:
    """Return the operations of an item with their values; raises Refused if it has none."""
    found = [
        (op, _values(name, given[name], policy))
        for name, op in _OPERATIONS.items()
        if name in given
    ]
    if not found:
        raise Refused("The update holds no operation.", code="MISSING_FIELD", path="$set")
    return found


def _values(name: str, given: Any, policy: Policy) -> dict[str, Any]:
    match name:
        case "$delete":
            return {}
        case "$unset":
            names = given if isinstance(given, list) else [given]
            return {key: None for one in names if (key := text(one))}
        case _ if not isinstance(given, dict):
            raise Refused(f"{name} is no object.", path=name)
        case "$add":
            return {key: _number(value, f"$add.{key[:100]}") for key, value in given.items()}
        case "$union":
            return {
                key: value if isinstance(value, list) else [value] for key, value in given.items()
            }
        case _:
            # What the SDK collects by itself may hold addresses; what the customer sets stays.
            return {
                key: without_query(value, policy) if key.startswith("$") else value
                for key, value in given.items()
                if key != "$ip"
            }


def own_id(given: dict[str, Any]) -> tuple[str, str | None]:
    """Return the namespace and the id of an update; the id is None where nothing tells it."""
    if "$group_key" in given:
        group = f"{text(given['$group_key'])}/{text(given.get('$group_id'))}"
        return _update_id(given, group)
    return _update_id(given, text(given.get("$distinct_id")))


def _number(value: Any, path: str) -> Any:
    if amount(value) is None or isinstance(value, str):
        raise Refused(f"{path} is no number.", code="VALUE_NOT_NUMERIC", path=path)
    return value


def _shared(given: dict[str, Any], by: Reading, subject: str | None) -> Source:
    """Return what the commands of an item share."""
    namespace, found = _update_id(given, subject)
    return source(by.terms, namespace, found, when(given.get("$time")))


def _update_id(given: dict[str, Any], subject: str | None) -> tuple[str, str | None]:
    """Return the namespace and id of an update; the id is None where nothing tells it.

    Few SDKs send one. Where the time is exact, the same content at the same time is the same update
    sent again; else nothing tells two equal updates from one sent twice, and a second ``$add`` must
    not be lost.
    """
    insert = text(given.get("$insert_id"))
    if insert is not None:
        return insert_namespace("profile", subject), insert
    time = when(given.get("$time"))
    is_exact = time is not None and time % 1_000_000
    return NAMESPACE, content_id(
        "profile", without(given, "$token", "$ip", "ip")
    ) if is_exact else None


def _memberships(
    shared: Source,
    op: Operation,
    properties: dict[str, Any],
    by: Reading,
    person: tuple[str | None, str | None],
) -> list[Command]:
    """Return the groups that somebody belongs to by a property that is a group key."""
    user, device = person
    found: list[Command] = []
    for key, names in groups(properties, by).items():
        for place, name in enumerate(names):
            check_groups({key: name}, by.terms.settings)
            each = another(shared, f"{op}/{place}")
            found += membership(each, (key, name), user, None if user else device)
    return found


def _charge(given: dict[str, Any], by: Reading, person: tuple[str | None, str | None]) -> Event:
    """Return money that somebody paid, which Mixpanel keeps on the profile, as an event too."""
    charge = given["$append"][_CHARGES]
    user, device = person
    namespace, update = _update_id(given, text(given.get("$distinct_id")))
    paid = when(charge.get("$time"))
    told = Told(
        name="charge",
        kind="revenue",
        namespace=namespace,
        id=update and f"{update}/charge",
        time=when(given.get("$time")) if paid is None else paid,
        user_id=user,
        anonymous_id=device,
        properties=without(charge, "$time"),
        revenue=amount(charge.get("$amount")),
        currency=currency(charge.get("$currency")) or currency(charge.get("currency")),
    )
    return event(told, by.terms)
