"""What the asker should know of the fields a question uses: those that never came or are no numbers."""

from collections.abc import Iterable

from tallymark.core.registry import did_you_mean

from . import profiles
from .expression import field_names
from .fields import COMPUTED, PROPERTY
from .insight import PropertyClass, Scope
from .profiles import Asked, asked, is_profile


def unknown_properties(names: Iterable[str], scope: Scope) -> list[str]:
    """Return a warning for each custom property that no event has carried, no profile had."""
    warnings: list[str] = []
    underlying = (under for one in names for under in _computed_from(one, scope))
    for name in dict.fromkeys(underlying):
        if is_profile(name):
            warnings += _unknown_of_profiles(asked(name, scope, path="field"), scope)
            continue
        key = name.removeprefix(PROPERTY)
        is_known = scope.has_more_properties or key in scope.properties
        if name.startswith(PROPERTY) and not is_known:
            near = did_you_mean(key, scope.properties)
            warnings.append(f"No event has a property {key!r}.{f' {near}' if near else ''}")
    return list(dict.fromkeys(warnings))


def partly_numbers(names: Iterable[str], scope: Scope) -> list[str]:
    """Return a warning for each property that is not always a number."""
    warnings: list[str] = []
    for name in dict.fromkeys(names):
        whose, key, classes = "events have", name.removeprefix(PROPERTY), frozenset[PropertyClass]()
        if name.startswith(PROPERTY):
            classes = scope.properties.get(key, classes)
        elif is_profile(name):
            one = asked(name, scope, path="field")
            known = scope.profiles.get(one.kind, {}).get(one.name)
            whose, key = "profiles have", one.name
            classes = known.classes if known else classes
        if "text" in classes:
            warnings.append(
                f"Some {whose} {key!r} as text, or with more than 29 digits before the point; those"
                " are not measured or compared."
            )
    return list(dict.fromkeys(warnings))


def _computed_from(name: str, scope: Scope) -> Iterable[str]:
    """Yield the name, or those of the fields that it is computed from."""
    known = {} if scope.definitions is None else scope.definitions.properties
    defined = known.get(name.removeprefix(COMPUTED)) if name.startswith(COMPUTED) else None
    for one in field_names(defined.value) if defined else ():
        yield from _computed_from(one, scope)
    if defined is None:
        yield name


def _unknown_of_profiles(one: Asked, scope: Scope) -> list[str]:
    if profiles.known(one, scope) is not None:
        return []
    near = did_you_mean(one.name.partition("@")[0], scope.profiles.get(one.kind, {}))
    moment = "A moment is written @event, @now or @2026-01-31." if "@" in one.name else None
    told = (f"No {one.what} has a property {one.name!r}.", near, moment)
    return [" ".join(part for part in told if part)]
