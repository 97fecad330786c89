"""Records of other tools' exports, which the owner's own importers have read already.

An importer tells what a record holds in the form that the tool's protocol gives it, so that an event
that also came live is the same one. What it tells is checked here as if anybody had sent it.
"""

from msgspec import structs

from tallymark.collect.protocol import Caller
from tallymark.core.errors import Refused
from tallymark.core.event import (
    IMPORTED,
    Command,
    Event,
    GroupMembership,
    IdentityLink,
    ProfileOp,
)

from ._checks import (
    Terms,
    believed_time,
    check_currency,
    check_groups,
    check_id,
    check_person,
    check_properties,
    checked_name,
    quantity,
)
from ._wire import WireImported

# What stands for failed lines when they are told apart; nothing that is sent may pose as one.
_TAKEN = "failed"


def imported(
    wire: WireImported, caller: Caller, agreed: Terms
) -> tuple[list[Event], list[Command]]:
    """Return what a record tells; raises Refused unless the owner of the data folder sends it.

    From anybody else it could claim the ids of events that are still to come, which would then be
    taken for repetitions.
    """
    if caller.kind != "local":
        raise Refused("imported is for the owner's own loads.", code="RESERVED_KEY", path="type")
    return (
        [_event(one, agreed) for one in wire.events],
        [_command(one, agreed) for one in wire.commands],
    )


def _event(given: Event, agreed: Terms) -> Event:
    limits = agreed.settings
    _check_namespace(given.namespace, agreed)
    check_id(given.id, "id", limits.max_id_bytes)
    _check_people(given.user_id, given.anonymous_id, agreed)
    if given.session_id is not None:
        check_id(given.session_id, "session_id", limits.max_id_bytes)
    if given.groups:
        check_groups(given.groups, limits)
    check_properties(given.properties, "properties", agreed)
    believed_time(given.time, agreed, is_metered=True)
    if given.value is not None:
        quantity(given.value, "value")
    if given.unit is not None:
        check_id(given.unit, "unit", limits.max_key_bytes)
    if given.revenue is not None:
        quantity(given.revenue, "revenue")
        check_currency(given.currency)
    for flag in given.flags:
        check_id(flag, "flags", limits.max_key_bytes)
    return structs.replace(
        given,
        name=checked_name(given.name, limits.max_name_bytes),
        flags=tuple(dict.fromkeys((*given.flags, IMPORTED))),
    )


def _command(given: Command, agreed: Terms) -> Command:
    limits = agreed.settings
    _check_namespace(given.namespace, agreed)
    check_id(given.id, "id", limits.max_id_bytes)
    believed_time(given.time, agreed, is_metered=True)
    match given:
        case ProfileOp():
            check_person(given.subject, "subject", limits.max_id_bytes)
            check_id(given.subject_kind, "subject_kind", limits.max_key_bytes)
            check_properties(given.properties, "traits", agreed)
        case IdentityLink():
            check_person(given.one, "one", limits.max_id_bytes)
            check_person(given.other, "other", limits.max_id_bytes)
        case GroupMembership():
            check_groups({given.group_type: given.group_id}, limits)
            _check_people(given.user_id, given.anonymous_id, agreed)
    return given


def _check_namespace(given: str, agreed: Terms) -> None:
    check_id(given, "namespace", agreed.settings.max_id_bytes)
    if given == _TAKEN:
        raise Refused("This namespace is not for events.", code="RESERVED_KEY", path="namespace")


def _check_people(user: str | None, anonymous: str | None, agreed: Terms) -> None:
    if user is not None:
        check_person(user, "user_id", agreed.settings.max_id_bytes)
    if anonymous is not None:
        check_person(anonymous, "anonymous_id", agreed.settings.max_id_bytes)
