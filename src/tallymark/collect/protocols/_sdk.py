"""Which SDK sent an item that could not be taken, wherever its protocol says so."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

Sdk: TypeAlias = tuple[str | None, str | None]
"""Its name and version, None where they are not told."""

_NOBODY: Final[Sdk] = (None, None)
_LONGEST: Final = 100


def sdk_of(item: Mapping[str, Any]) -> Sdk:
    """Return what an item says of the SDK that made it.

    Segment and Tallymark have it in ``context.library``, PostHog and Mixpanel among the properties,
    Amplitude in ``library`` as ``name/version``, Snowplow in ``tv`` as ``name-version``.
    """
    context, properties = item.get("context"), item.get("properties")
    library = context.get("library") if isinstance(context, dict) else None
    if isinstance(library, dict):
        return _short(library.get("name")), _short(library.get("version"))
    if isinstance(properties, dict) and ("$lib" in properties or "mp_lib" in properties):
        name = properties.get("$lib") or properties.get("mp_lib")
        return _short(name), _short(properties.get("$lib_version"))
    for key, between in (("library", "/"), ("tv", "-")):
        told = item.get(key)
        if isinstance(told, str) and told:
            name, _, version = told.partition(between)
            return _short(name), _short(version)
    return _NOBODY


def _short(value: Any) -> str | None:
    return value[:_LONGEST] if isinstance(value, str) and value else None
