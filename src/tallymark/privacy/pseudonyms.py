"""What of a property may be kept: rules by its name, and a look for personal data nobody declared.

Runs before the log. A keyed hash (``hmac``) lets the same value still be counted and joined within a
project; nobody without the project's key can tell what it was.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from msgspec import Struct

from tallymark.core.policy import Policy, Treatment

HASH_PREFIX: Final = "h_"
_HASH_HEX: Final = 32
_HASHED: Final = re.compile(rf"{HASH_PREFIX}[0-9a-f]{{{_HASH_HEX}}}\Z")
# Where two rules name a property, the one that keeps less of it holds.
_STRICTNESS: Final[Mapping[Treatment | None, int]] = {None: 0, "truncate": 1, "hmac": 2, "drop": 3}
_TRUNCATED: Final = 3
# Longer text is prose; a look through megabytes of it would cost more than it finds.
_LONGEST: Final = 2_000
# Such as a@b.c: nothing that is looked for is shorter, and many a value is.
_SHORTEST: Final = 5
# Of an IBAN; what may be shorter has a sign that few texts have.
_SHORTEST_UNSIGNED: Final = 12

_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_JWT = re.compile(r"eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*")
_KEY = re.compile(r"\b(?:sk|rk|ghp|gho|xox[abp]|AKIA|AIza)[-_]?[0-9A-Za-z_-]{16,}")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[0-9A-Z]{4}){2,7}(?: ?[0-9A-Z]{1,3})?\b")
_CARD = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.])")
_PHONE = re.compile(
    r"(?<![\w.])\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}(?!\w)"
)

_CONTAINERS: Final = frozenset({dict, list})
_LOOKED_INTO: Final = _CONTAINERS | {str}

# What any of these must hold; most text holds none, and is looked at no further. Each pattern begins
# with one class of characters, which is looked for three times as quickly as one pattern for all.
_DIGITS = re.compile(r"\d[\d .()-]{6}")
_COUNTRY = re.compile(r"[A-Z]{2}\d\d")
_LONG_TAIL = re.compile(r"[-_](?<=[A-Za-z]{2}.)[0-9A-Za-z_-]{16}")


class Treated(Struct, frozen=True):
    """Properties after the rules, the flags of what was found, and whether to set the event aside."""

    properties: dict[str, Any]
    flags: tuple[str, ...] = ()
    is_blocked: bool = False


def treated(
    properties: dict[str, Any],
    policy: Policy,
    key: bytes,
    planned: Mapping[str, Treatment] | None = None,
    seen: dict[str, str | None] | None = None,
) -> Treated:
    """Return the properties that may be kept; ``key`` is the project's own, for ``hmac``.

    ``planned`` is what the tracking plan says of properties of this event. What was treated before,
    when an event is replayed, stays as it is. ``seen`` remembers what texts looked like, for all events
    of a batch: they share most of them.
    """
    seen = {} if seen is None else seen
    rules = policy.properties
    kept = properties
    if rules or planned:
        kept = {}
        for name, value in properties.items():
            rule = _rule(name, rules)
            if planned:
                rule = max(rule, planned.get(name), key=_STRICTNESS.__getitem__)
            if rule == "drop":
                continue
            kept[name] = value if rule is None or value is None else apply(rule, value, key)
    if policy.suspects == "off":
        return Treated(kept)
    found = {
        name: kind
        for name, value in kept.items()
        if type(value) in _LOOKED_INTO and (kind := _seen(value, seen)) is not None
    }
    if not found:
        return Treated(kept)
    flags = ("pii_suspect", *(f"pii_{kind}" for kind in sorted(set(found.values()))))
    match policy.suspects:
        case "tag":
            return Treated(kept, flags)
        case "quarantine":
            return Treated(kept, flags, is_blocked=True)
        case "drop":
            return Treated({k: v for k, v in kept.items() if k not in found}, flags)
        case _:
            hashed = {k: apply("hmac", v, key) if k in found else v for k, v in kept.items()}
            return Treated(hashed, flags)


def uses_key(policy: Policy) -> bool:
    """Return whether a policy needs the project's own key."""
    return policy.suspects == "hmac" or "hmac" in policy.properties.values()


def apply(treatment: Treatment, value: Any, key: bytes) -> Any:
    """Return what stands for a value: a keyed hash, its first letters, or nothing."""
    text = value if isinstance(value, str) else str(value)
    match treatment:
        case "hmac":
            if _HASHED.match(text):
                return text
            digest = hmac.new(key, text.strip().lower().encode("utf-8", "replace"), hashlib.sha256)
            return HASH_PREFIX + digest.hexdigest()[:_HASH_HEX]
        case "truncate":
            return text[:_TRUNCATED]
        case _:
            return None


def hints_at_people(values: Iterable[Any]) -> bool:
    """Return whether any of many values may be a suspect: one look at all of them together.

    Of values that many events share there is one look for all.
    """
    told = list(values)
    if not _CONTAINERS.isdisjoint(map(type, told)):
        return True
    texts = {value for value in told if type(value) is str}
    return _hints("\n".join([text for text in texts if not _is_too_short(text)]))


def suspect(value: Any, depth: int = 3) -> str | None:
    """Return what kind of personal data a value looks like, None if like none."""
    if isinstance(value, str):
        return _suspect(value[:_LONGEST])
    if depth and isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return next((kind for one in inner if (kind := suspect(one, depth - 1))), None)
    return None


def _seen(value: Any, seen: dict[str, str | None]) -> str | None:
    if type(value) is not str:
        return suspect(value)
    if value not in seen:
        seen[value] = suspect(value)
    return seen[value]


def _hints(text: str) -> bool:
    return (
        "@" in text
        or "eyJ" in text
        or "AKIA" in text
        or "AIza" in text
        or _DIGITS.search(text) is not None
        or _COUNTRY.search(text) is not None
        or _LONG_TAIL.search(text) is not None
    )


def _is_too_short(text: str) -> bool:
    """Return whether a text can be nothing that is looked for, be it written however it will."""
    size = len(text)
    return size < _SHORTEST or (size < _SHORTEST_UNSIGNED and "@" not in text and "+" not in text)


def _suspect(text: str) -> str | None:
    if _is_too_short(text) or not _hints(text):
        return None
    for kind, looks_like in KINDS:
        if looks_like(text):
            return kind
    return None


def _rule(name: str, rules: Mapping[str, Treatment]) -> Treatment | None:
    exact = rules.get(name)
    if exact is not None:
        return exact
    return next((rule for pattern, rule in rules.items() if fnmatchcase(name, pattern)), None)


def _passes_luhn(text: str) -> bool:
    digits = [int(char) for char in text if char.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    total = sum(doubled) + sum(digits[-1::-2])
    return total > 0 and total % 10 == 0


def _passes_mod_97(text: str) -> bool:
    plain = text.replace(" ", "")
    moved = plain[4:] + plain[:4]
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


KINDS: Final[tuple[tuple[str, Callable[[str], bool]], ...]] = (
    ("email", lambda text: "@" in text and _EMAIL.search(text) is not None),
    ("token", lambda text: "eyJ" in text and _JWT.search(text) is not None),
    ("secret", lambda text: _KEY.search(text) is not None),
    ("iban", lambda text: any(_passes_mod_97(found[0]) for found in _IBAN.finditer(text))),
    ("card", lambda text: any(_passes_luhn(found[0]) for found in _CARD.finditer(text))),
    ("phone", lambda text: "+" in text and _PHONE.search(text) is not None),
)
