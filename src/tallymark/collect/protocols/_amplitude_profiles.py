"""What Amplitude says of people and groups: operations on their properties, and who belongs where."""

from collections.abc import Callable
from typing import Any, Final

from tallymark.core.errors import Refused
from tallymark.core.event import Command, Operation

from ._checks import Terms, check_groups
from ._foreign import Source, another, membership, profile
from ._values import amount, mapping, text

_OPERATIONS: Final[dict[str, Operation]] = {
    "$set": "set",
    "$setOnce": "set_once",
    "$add": "add",
    "$append": "append",
    "$prepend": "prepend",
    "$unset": "unset",
    # Both add a value only where it is not there yet.
    "$preInsert": "union",
    "$postInsert": "union",
    "$remove": "remove",
    "$clearAll": "clear",
}
# Kinds of subjects that are no groups; a group of that type would be taken for a person.
_PEOPLE: Final = frozenset({"user", "anonymous"})
_ATTRIBUTION: Final = ("initial_", "utm_", "gclid", "fbclid", "referr")


def groups_of(item: dict[str, Any]) -> dict[str, list[str]]:
    """Return the groups that an item names: of each type one or several."""
    found: dict[str, list[str]] = {}
    for kind, value in mapping(item.get("groups")).items():
        given = value if isinstance(value, list) else [value]
        names = [name for one in given if (name := text(one))]
        if names and kind not in _PEOPLE:
            found[kind] = names
    return found


def identified(item: dict[str, Any], name: str, by: Source, terms: Terms) -> list[Command]:
    """Return the changes of an identify event: of the person, of groups, and who belongs to them.

    Raises Refused for one that is of nobody.
    """
    belongs = groups_of(item)
    user, device = text(item.get("user_id")), text(item.get("device_id"))
    if name == "$groupidentify":
        if not belongs:
            raise Refused("$groupidentify names no group.", code="MISSING_FIELD", path="groups")
        return _group_changes(item, belongs, by, terms)
    if user is None and device is None:
        raise Refused("$identify names nobody.", code="MISSING_FIELD", path="user_id")
    found = person_changes(item, by, terms)
    # A user has the memberships; a device only while nobody is known.
    for kind, names in belongs.items():
        for place, group in enumerate(names):
            check_groups({kind: group}, terms.settings)
            each = by if place == 0 else another(by, str(place))
            found += membership(each, (kind, group), user, None if user else device)
    return found + _group_changes(item, belongs, by, terms)


def profile_changes(item: dict[str, Any], by: Callable[[], Source], terms: Terms) -> list[Command]:
    """Return the changes that an ordinary event brings along."""
    is_quiet = item.get("$skip_user_properties_sync") is True
    has_user = bool(item.get("user_properties")) and not is_quiet
    has_group = bool(item.get("group_properties"))
    if not has_user and not has_group:
        return []
    shared = by()
    found = person_changes(item, shared, terms) if has_user else []
    return found + (_group_changes(item, groups_of(item), shared, terms) if has_group else [])


def person_changes(item: dict[str, Any], by: Source, terms: Terms) -> list[Command]:
    """Return the changes of a person's properties."""
    user, device = text(item.get("user_id")), text(item.get("device_id"))
    subject = ("anonymous", device) if user is None else ("user", user)
    return _changes(item.get("user_properties"), subject, by, terms)


def group_changes(
    group: tuple[str, str], properties: Any, by: Source, terms: Terms
) -> list[Command]:
    """Return the changes of a group's properties; raises Refused for a type that is no group's."""
    kind, name = group
    if kind in _PEOPLE:
        raise Refused(f"A group cannot be of the type {kind!a}.", path="group_type")
    check_groups({kind: name}, terms.settings)
    return _changes(properties, group, by, terms)


def _group_changes(
    item: dict[str, Any], belongs: dict[str, list[str]], by: Source, terms: Terms
) -> list[Command]:
    found: list[Command] = []
    for kind, names in belongs.items():
        for place, name in enumerate(names):
            each = by if place == 0 else another(by, str(place))
            found += group_changes((kind, name), item.get("group_properties"), each, terms)
    return found


def _changes(
    given: Any, subject: tuple[str, str | None], by: Source, terms: Terms
) -> list[Command]:
    """Return the operations on some properties; those without an operation are set."""
    properties = mapping(given)
    plain = {key: value for key, value in properties.items() if key not in _OPERATIONS}
    asked: list[tuple[str, Any]] = [
        (name, properties[name]) for name in _OPERATIONS if name in properties
    ]
    if plain:
        asked.append(("", plain))
    found: list[Command] = []
    done: set[Operation] = set()
    for name, values in asked:
        op = _OPERATIONS.get(name, "set")
        each = another(by, name or "plain") if op in done else by
        done.add(op)
        found += profile(each, op, subject, _values(op, values), terms)
    return found


def _values(op: Operation, given: Any) -> dict[str, Any]:
    if op == "clear":
        return {}
    if not isinstance(given, dict):
        raise Refused(f"What to {op} is no object.", path=f"user_properties.{op}")
    match op:
        case "unset":
            return dict.fromkeys(given)
        case "add":
            for key, value in given.items():
                if amount(value) is None:
                    raise Refused(
                        f"{key[:100]!a} is no number to add.", code="VALUE_NOT_NUMERIC", path="$add"
                    )
            return given
        case "union":
            return {
                key: value if isinstance(value, list) else [value] for key, value in given.items()
            }
        case _:
            return {key: _told(key, value) for key, value in given.items()}


def _told(key: str, value: Any) -> Any:
    """Return a value; the browser's SDK says ``EMPTY`` for a campaign that there was not."""
    return None if value == "EMPTY" and key.startswith(_ATTRIBUTION) else value
