"""Open sets as packages: each public module of a package defines one constant of a given type.

Third parties add members through an entry-point group of the package's name.
"""

import difflib
import importlib
import importlib.metadata
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any, TypeVar

from .errors import NotFound

T = TypeVar("T")


@cache
def discover(package: str, kind: type[T]) -> Mapping[str, T]:
    """Return every constant of ``kind`` in the public modules of a package, by its ``name``."""
    found: dict[str, T] = {}
    root = importlib.import_module(package)
    for module in pkgutil.iter_modules(root.__path__):
        if not module.name.startswith("_"):
            _collect(importlib.import_module(f"{package}.{module.name}"), kind, found)
    for point in importlib.metadata.entry_points(group=package):
        member = point.load()
        if isinstance(member, kind):
            found[_name(member)] = member
    return dict(sorted(found.items()))


def lookup(members: Mapping[str, T], name: str, what: str) -> T:
    """Return the member of that name; NotFound says which name may have been meant."""
    if name in members:
        return members[name]
    near = did_you_mean(name, members)
    raise NotFound(
        f"There is no {what} named {name!r}.",
        hint=near or f"Known: {', '.join(members)}.",
    )


def did_you_mean(name: str, known: Any) -> str | None:
    """Return 'Did you mean …?' for the nearest known name, or None if none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"Did you mean {near[0]!r}?" if near else None


def _collect(module: ModuleType, kind: type[T], found: dict[str, T]) -> None:
    for value in vars(module).values():
        if isinstance(value, kind):
            found[_name(value)] = value


def _name(member: Any) -> str:
    return str(member.name)
