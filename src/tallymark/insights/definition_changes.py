"""What a push of definitions changes: which ones, and which metrics and questions depend on them."""

from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from .definitions import KINDS, Definitions, KindName, Metric, SavedQuestion, encode_definitions
from .references import used

What: TypeAlias = Literal["added", "changed", "removed"]
# Over which a metric is shown, having no range of its own.
METRIC_RANGE = "30d"


class DefinitionChange(Struct, frozen=True):
    """One definition that is not as it was; ``keys`` are those of its parts that differ."""

    kind: KindName
    name: str
    what: What
    keys: list[str]


class Dependent(Struct, frozen=True):
    """A metric or saved question that a change is about, as it was and as it would be.

    ``changes`` are the changed definitions it depends on, as kind and name; it may be one itself.
    """

    kind: KindName
    name: str
    before: SavedQuestion | None
    after: SavedQuestion | None
    changes: list[tuple[KindName, str]]


def changes_of(old: Definitions, new: Definitions) -> list[DefinitionChange]:
    """Return what differs, by kind and name; words about it alone make a difference too."""
    found = []
    for kind in KINDS:
        before, after = getattr(old, kind), getattr(new, kind)
        for name in sorted({*before, *after}):
            keys = _differing(before.get(name), after.get(name))
            if name not in before:
                found.append(DefinitionChange(kind, name, "added", keys))
            elif name not in after:
                found.append(DefinitionChange(kind, name, "removed", keys))
            elif keys:
                found.append(DefinitionChange(kind, name, "changed", keys))
    return found


def dependents(
    old: Definitions, new: Definitions, changes: list[DefinitionChange]
) -> list[Dependent]:
    """Return each metric and saved question whose numbers the changes may move."""
    moved = {
        (one.kind, one.name) for one in changes if one.keys != ["description"]
    }  # fmt: skip
    found = []
    kinds: tuple[KindName, ...] = ("metrics", "questions")
    for kind in kinds:
        before, after = getattr(old, kind), getattr(new, kind)
        for name in sorted({*before, *after}):
            needs = {(kind, name)}
            for one, definitions in ((before.get(name), old), (after.get(name), new)):
                needs |= set() if one is None else set(used(one, definitions))
            if needs & moved:
                found.append(
                    Dependent(
                        kind,
                        name,
                        _asked(name, before.get(name)),
                        _asked(name, after.get(name)),
                        sorted(needs & moved),
                    )
                )
    return found


def _asked(name: str, one: Metric | SavedQuestion | None) -> SavedQuestion | None:
    if isinstance(one, Metric):
        return SavedQuestion("trends", {"metrics": [name], "range": METRIC_RANGE})
    return one


def _differing(before: Any, after: Any) -> list[str]:
    parts = [{} if one is None else _plain(one) for one in (before, after)]
    return sorted(key for key in {*parts[0], *parts[1]} if parts[0].get(key) != parts[1].get(key))


def _plain(one: Any) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.json.decode(encode_definitions(one))
    return plain
