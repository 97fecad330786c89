"""What the native protocol says of people and groups: links and operations on what is known."""

from decimal import Decimal
from typing import Any, Final

from tallymark.core.consents import Statement
from tallymark.core.errors import Refused
from tallymark.core.event import IdentityLink, Operation

from ._checks import Terms, check_id, check_person, check_properties, client_time
from ._wire import WireAlias, WireConsent, WireGroup, WireIdentify, WireUnlink

# A profile names its subject by one of these, or by the type of a group.
_KINDS_OF_IDS: Final = frozenset({"user", "anonymous"})


def link_of(wire: WireAlias, event_id: str, time: int, agreed: Terms) -> IdentityLink:
    """Return the link that is claimed or taken back; raises Refused AUTH_WRONG_KIND for public keys.

    Anybody can read a public key, and two users it joined would be one in every number.
    """
    does = "unlink" if isinstance(wire, WireUnlink) else "alias"
    if agreed.public:
        raise Refused(f"A public key may not send {does}.", code="AUTH_WRONG_KIND", path="type")
    check_id(event_id, "id", agreed.settings.max_id_bytes)
    check_person(wire.one, "one", agreed.settings.max_id_bytes)
    check_person(wire.other, "other", agreed.settings.max_id_bytes)
    if (wire.one, wire.one_kind) == (wire.other, wire.other_kind):
        raise Refused("one and other are the same id.", code="MERGE_LOOP", path="other")
    return IdentityLink(
        wire.one, wire.other, event_id, time, wire.one_kind, wire.other_kind,
        "retract" if does == "unlink" else "alias",
    )  # fmt: skip


def statement_of(wire: WireConsent, place: int, agreed: Terms) -> Statement:
    """Return what a person chose; raises Refused if nobody is named.

    The client's time is not repaired: by another skew the same statement would be another one when it
    is sent again.
    """
    limit = agreed.settings.max_id_bytes
    for path in ("user_id", "anonymous_id"):
        if (given := getattr(wire, path)) is not None:
            check_person(given, path, limit)
    if wire.id is not None:
        check_id(wire.id, "id", limit)
    time = agreed.received_at
    if wire.time is not None:
        time = min(time, client_time(wire.time, "time"))
    if wire.user_id is not None:
        return Statement("user", wire.user_id, wire.consent, time, place)
    if wire.anonymous_id is None:
        raise Refused(
            "consent needs user_id or anonymous_id.", code="MISSING_FIELD", path="user_id"
        )
    return Statement("anonymous", wire.anonymous_id, wire.consent, time, place)


def operations_of(
    wire: WireIdentify | WireGroup, agreed: Terms, *, always: bool
) -> list[tuple[Operation, dict[str, Any]]]:
    """Return the operations of an item in order, traits first; at least one if ``always``."""
    check_properties(wire.traits, "traits", agreed)
    done: dict[Operation, dict[str, Any]] = {"set": wire.traits} if wire.traits else {}
    for op, properties in wire.operations.items():
        check_properties(properties, f"operations.{op}", agreed)
        if op == "add":
            _check_numbers(properties)
        done[op] = {**done.get(op, {}), **properties}
    if not done and always:
        done["set"] = {}
    return list(done.items())


def check_group_type(group_type: str) -> None:
    """Raise Refused for a type whose groups would pass for people."""
    if group_type in _KINDS_OF_IDS:
        raise Refused(
            f"{group_type!r} is a kind of id, not a type of group.",
            code="BAD_FIELD",
            path="group_type",
        )


def _check_numbers(properties: dict[str, Any]) -> None:
    for name, value in properties.items():
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise Refused(
                f"operations.add.{name[:100]} must be a number.",
                code="VALUE_NOT_NUMERIC",
                path=f"operations.add.{name[:100]}",
            )
