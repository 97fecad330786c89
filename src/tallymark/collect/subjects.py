"""From commands to rows of what is known of people and groups."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from tallymark.collect.linking import Numbered, label
from tallymark.collect.rows import Columns, columns_of
from tallymark.core.event import Command, GroupMembership, IdentityLink, ProfileOp

Group: TypeAlias = tuple[str, str]
GroupKey: TypeAlias = Callable[[Group], int | None]

ACCOUNT = "account"
PERSON_KINDS = ("user", "anonymous")
_PROFILE = ("seq", "subject_kind", "subject_key", "op", "time_us", "properties")
_MEMBERSHIP = ("seq", "actor_key", "group_type", "group_key", "time_us")
_encode = msgspec.json.Encoder(decimal_format="number").encode


def labels_of(command: Command) -> list[str]:
    """Return the labels of the actors a command names."""
    match command:
        case ProfileOp():
            is_person = command.subject_kind in PERSON_KINDS
            return [label(command.subject_kind, command.subject)] if is_person else []
        case IdentityLink():
            return [label(command.one_kind, command.one), label(command.other_kind, command.other)]
        case GroupMembership():
            named = (("user", command.user_id), ("anonymous", command.anonymous_id))
            return [label(kind, name) for kind, name in named if name]


def group_of(command: Command) -> Group | None:
    """Return the type and id of the group a command is about, None if it is about none."""
    if isinstance(command, GroupMembership):
        return command.group_type, command.group_id
    if isinstance(command, ProfileOp) and command.subject_kind not in PERSON_KINDS:
        return command.subject_kind, command.subject
    return None


def group_label(group: Group) -> str:
    """Return what tells groups of all types apart; the store spells it the same way."""
    kind, name = group
    return f"{len(kind)}:{kind}{name}"


def group_parts(made: str) -> Group:
    """Return the group of a label."""
    size, _, rest = made.partition(":")
    return rest[: int(size)], rest[int(size) :]


def profile_columns(commands: Numbered, actors: Mapping[str, int], group_key: GroupKey) -> Columns:
    """Return the rows of ``profile``: one an operation, about an actor or a group."""
    rows: list[tuple[Any, ...]] = []
    for seq, command, _ in commands:
        if isinstance(command, ProfileOp):
            group = group_of(command)
            key = (
                group_key(group) if group else actors[label(command.subject_kind, command.subject)]
            )
            properties = _encode(command.properties).decode()
            rows.append((seq, command.subject_kind, key, command.op, command.time, properties))
    return columns_of(_PROFILE, rows)


def membership_columns(
    commands: Numbered, actors: Mapping[str, int], group_key: GroupKey
) -> Columns:
    """Return the rows of ``membership``; somebody with both ids is named by the user id."""
    rows: list[Sequence[Any]] = []
    for seq, command, _ in commands:
        if isinstance(command, GroupMembership) and (labels := labels_of(command)):
            group = (command.group_type, command.group_id)
            rows.append(
                (seq, actors[labels[0]], command.group_type, group_key(group), command.time)
            )
    return columns_of(_MEMBERSHIP, [tuple(row) for row in rows])
