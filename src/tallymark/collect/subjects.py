"""From commands to rows of what is known of people and groups."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np

from tallymark.collect.linking import Numbered, label
from tallymark.collect.rows import Columns, columns_of
from tallymark.core.event import Command, GroupMembership, IdentityLink, ProfileOp
from tallymark.identity.people import People
from tallymark.store.profile_values import LISTS, Value, told_values
from tallymark.store.tables import MOST_PROPERTIES

Group: TypeAlias = tuple[str, str]
GroupKey: TypeAlias = Callable[[Group], int | None]
# One way in which a property was told: kind of subject, name, type class, operation, and whether the
# number is too long to be added up in the engine.
Way: TypeAlias = tuple[str, str | None, str, str, bool]

# The operations of a load, each with its seq and what it says of each property.
Values: TypeAlias = Sequence[tuple[int, ProfileOp, Sequence[tuple[str | None, Value]]]]

ACCOUNT = "account"
PERSON_KINDS = ("user", "anonymous")
_PROFILE = ("seq", "subject_kind", "subject_key", "op", "time_us", "properties")
_VALUE = (
    "seq", "subject_kind", "subject_key", "person_key", "time_us", "op", "name",
    "text", "number", "other", "is_long",
)  # fmt: skip
_WAY = ("subject_kind", "name", "class", "op", "is_long", "first_seq")
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
    return columns_of(
        _PROFILE,
        [
            (
                seq, said.subject_kind, _subject(said, actors, group_key), said.op, said.time,
                _encode(said.properties).decode(),
            )
            for seq, said, _ in commands
            if isinstance(said, ProfileOp)
        ],
    )  # fmt: skip


def values_of(commands: Numbered) -> Values:
    """Return what each operation of a load says of each property."""
    return [
        (seq, said, list(told_values(said.op, said.properties)))
        for seq, said, _ in commands
        if isinstance(said, ProfileOp)
    ]


def value_columns(
    values: Values, actors: Mapping[str, int], group_key: GroupKey, people: People
) -> Columns:
    """Return the rows of ``profile_value``: one an operation and property, with the person by now."""
    keys = [_subject(said, actors, group_key) for _, said, _ in values]
    actor_keys = [
        key if said.subject_kind in PERSON_KINDS else 0
        for key, (_, said, _) in zip(keys, values, strict=True)
    ]
    persons = people.persons(np.array(actor_keys, dtype=np.int64)).tolist()
    rows: list[tuple[Any, ...]] = []
    for key, person, (seq, said, told) in zip(keys, persons, values, strict=True):
        of = (seq, said.subject_kind, key, person or None, said.time, said.op)
        rows += [
            (*of, name, value.text, value.number, value.other, value.is_long)
            for name, value in told
        ]
    return columns_of(_VALUE, rows)


def first_told(commands: Numbered, actors: Mapping[str, int]) -> dict[int, int]:
    """Return where each actor was first told something of."""
    found: dict[int, int] = {}
    for seq, command, _ in commands:
        if isinstance(command, ProfileOp) and (labels := labels_of(command)):
            found.setdefault(actors[labels[0]], seq)
    return found


def new_ways(values: Values, known: Mapping[Way, int]) -> dict[Way, int]:
    """Return the ways in which properties were told for the first time, and where that was.

    Beyond ``MOST_PROPERTIES`` of them no more are noted.
    """
    found: dict[Way, int] = {}
    met: set[tuple[Any, ...]] = set()
    for seq, said, told in values:
        kind = PERSON_KINDS[0] if said.subject_kind in PERSON_KINDS else said.subject_kind
        for name, value in told:
            classes = ("other",) if said.op in LISTS else value.classes
            # Most of a load says the same kind of thing of the same few properties.
            if (it := (kind, name, classes, said.op, value.is_long)) in met:
                continue
            met.add(it)
            for made in classes:
                way = (kind, name, made, said.op, value.is_long)
                if way not in known and len(known) + len(found) < MOST_PROPERTIES:
                    found.setdefault(way, seq)
    return found


def way_columns(ways: Mapping[Way, int]) -> Columns:
    """Return the rows of ``profile_property``."""
    return columns_of(_WAY, [(*way, seq) for way, seq in ways.items()])


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


def _subject(said: ProfileOp, actors: Mapping[str, int], group_key: GroupKey) -> int | None:
    group = group_of(said)
    return group_key(group) if group else actors[label(said.subject_kind, said.subject)]
