"""What is wrong with a plan: every problem names the file, the key and how to mend it."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from tallymark.core.errors import Refused

from .pattern import Pattern
from .plan import EventPlan, Property, Type, duration_seconds, version_of
from .validate import Finding, checks_of, findings, kind_of

MOST_PROPERTIES: Final = 500
MOST_LISTED: Final = 1_000
DEEPEST: Final = 8
LONGEST_NAME: Final = 200
_NUMERIC: Final = frozenset({"number", "integer"})
_LISTABLE: Final = frozenset({"string", "number", "integer", "boolean"})


class Problem(Struct, frozen=True):
    """One thing wrong with a plan: in which file, at which key, what it is and how to mend it."""

    file: str
    key: str
    what: str
    fix: str

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.file}: {self.key}: {self.what} {self.fix}".replace(": :", ":")


def refusal(problems: list[Problem]) -> Refused:
    """Return the error that says all of them."""
    first = problems[0]
    more = f" ({len(problems) - 1} more; see `tallymark plan lint`.)" if problems[1:] else ""
    return Refused(
        f"{first.file}: {first.key}: {first.what}{more}",
        code="PLAN_INVALID", hint=first.fix, path=first.file,
    )  # fmt: skip


def lint(plans: Mapping[str, EventPlan]) -> list[Problem]:
    """Return every problem of the plans, by the file they stand in."""
    problems: list[Problem] = []
    for file, planned in plans.items():
        own = [Problem(file, *told) for told in _event(planned)]
        # Whether examples pass can only be told by a plan that can be run.
        problems += own or [Problem(file, *told) for told in _examples(planned)]
    return problems + list(_together(plans))


_Told = tuple[str, str, str]


def _event(planned: EventPlan) -> Iterator[_Told]:
    yield from _name("event", planned.event)
    try:
        version_of(planned.version)
    except ValueError:
        yield (
            "version",
            f"{planned.version[:40]!r} is no version.",
            "Write MODEL-REVISION-ADDITION, such as 1-0-0.",
        )
    if planned.on.missing_required == "strip":
        yield (
            "on.missing_required",
            "there is nothing to strip.",
            "Choose observe, tag, quarantine or reject.",
        )
    if len(planned.properties) > MOST_PROPERTIES:
        yield (
            "properties",
            f"there are {len(planned.properties)}.",
            f"Keep it to {MOST_PROPERTIES}.",
        )
    for name, one in planned.properties.items():
        key = f"properties.{name}"
        yield from _name(key, name)
        yield from _property(key, one, 1)
    yield from _monitors(planned)


def _name(key: str, name: str) -> Iterator[_Told]:
    if not name.strip() or not name.isprintable() or len(name.encode()) > LONGEST_NAME:
        yield (
            key,
            "the name is empty, too long or not all visible.",
            f"Use at most {LONGEST_NAME} bytes of plain text.",
        )


def _property(key: str, one: Property, depth: int) -> Iterator[_Told]:
    yield from _numbers(key, one)
    yield from _listed(key, one)
    if one.pattern is not None:
        yield from _pattern(key, one)
    if one.keep is not None:
        # Accepted, it would look as if something were deleted in time.
        yield (
            f"{key}.keep",
            "nothing ends the life of one property, so it would be kept on.",
            "Remove it; what may not stay is kept off the disk by `treat`.",
        )
    if one.treat is not None:
        yield from _treated(key, one, depth)
    if one.items is not None:
        yield from _items(key, one, one.items, depth)


def _numbers(key: str, one: Property) -> Iterator[_Told]:
    for name, bound in (("minimum", one.minimum), ("maximum", one.maximum)):
        if bound is None:
            continue
        if one.type not in _NUMERIC:
            yield (
                f"{key}.{name}",
                f"{one.type} has no {name}.",
                "Remove it, or make the type number.",
            )
        elif not _fits(bound, "number"):
            yield f"{key}.{name}", "it is no number.", "Write a number without quotes."
    if _fits(one.minimum, "number") and _fits(one.maximum, "number") and one.minimum > one.maximum:
        yield f"{key}.minimum", "it is above the maximum.", "Swap the two."


def _listed(key: str, one: Property) -> Iterator[_Told]:
    if not one.enum:
        return
    if one.type not in _LISTABLE:
        yield (
            f"{key}.enum",
            f"{one.type} cannot be listed.",
            "Remove it, or list what `items` may be.",
        )
    elif len(one.enum) > MOST_LISTED:
        yield (
            f"{key}.enum",
            f"it has {len(one.enum)} values.",
            f"List at most {MOST_LISTED}, or use a pattern.",
        )
    else:
        odd = [value for value in one.enum if not _fits(value, one.type)]
        if odd:
            yield (
                f"{key}.enum",
                f"{odd[0]!r} is no {one.type}.",
                "Quote text; leave numbers, true and false without quotes.",
            )
        elif len(set(one.enum)) < len(one.enum):
            yield f"{key}.enum", "a value stands twice.", "List each once."


def _pattern(key: str, one: Property) -> Iterator[_Told]:
    if one.type != "string":
        yield f"{key}.pattern", f"{one.type} has no pattern.", "Remove it, or make the type string."
        return
    try:
        Pattern(one.pattern or "")
    except Refused as why:
        yield f"{key}.pattern", why.message, why.hint


def _treated(key: str, one: Property, depth: int) -> Iterator[_Told]:
    if depth > 1:
        yield f"{key}.treat", "members of a list cannot be treated.", "Treat the whole property."
    if one.type != "string":
        yield f"{key}.treat", "a treatment leaves text.", "Make the type string."
    if one.enum or one.pattern is not None:
        yield (
            f"{key}.treat",
            "what was treated fits no list or pattern.",
            "Remove enum and pattern.",
        )
    if one.treat == "drop" and one.required:
        yield f"{key}.treat", "what is dropped cannot be required.", "Remove one of the two."


def _items(key: str, one: Property, items: Property, depth: int) -> Iterator[_Told]:
    if one.type != "array":
        yield f"{key}.items", f"{one.type} has no items.", "Make the type array."
    elif depth >= DEEPEST:
        yield f"{key}.items", "it is nested too deeply.", f"Nest at most {DEEPEST} lists."
    else:
        if items.required:
            yield f"{key}.items.required", "a member of a list is never missing.", "Remove it."
        yield from _property(f"{key}.items", items, depth + 1)


def _monitors(planned: EventPlan) -> Iterator[_Told]:
    if planned.monitors is None:
        return
    watched = planned.monitors
    if watched.freshness is not None:
        try:
            duration_seconds(watched.freshness)
        except ValueError:
            yield (
                "monitors.freshness",
                f"{watched.freshness[:40]!r} is no duration.",
                "Write for example 15m.",
            )
    if watched.volume is not None and not (
        _fits(watched.volume.mad, "number") and watched.volume.mad > 0
    ):
        yield "monitors.volume.mad", "it is no number above 0.", "Write for example 5."
    for word, limits in (("null_rate", watched.null_rate), ("drift", watched.drift)):
        for name in limits:
            if name not in planned.properties:
                yield (
                    f"monitors.{word}.{name}",
                    "there is no such property.",
                    "Name one of `properties`.",
                )
    for name, rate in watched.null_rate.items():
        if not (_fits(rate, "number") and 0 <= rate <= 1):
            yield f"monitors.null_rate.{name}", "it is no share.", "Write a number from 0 to 1."
    yield from _drift_limits(watched.drift)


def _drift_limits(limits: Mapping[str, Any]) -> Iterator[_Told]:
    for name, most in limits.items():
        if not (_fits(most, "number") and most > 0):
            yield f"monitors.drift.{name}", "it is no number above 0.", "Write for example 0.25."


def _examples(planned: EventPlan) -> Iterator[_Told]:
    checks = checks_of(planned)
    for place, example in enumerate(planned.examples):
        found = findings(example, checks)
        if found:
            yield f"examples[{place}]", _said(found), "Mend the example, or the plan."
    for place, example in enumerate(planned.counterexamples):
        if not findings(example, checks):
            yield (
                f"counterexamples[{place}]",
                "it is valid.",
                "Make the plan stricter, or move it to `examples`.",
            )


def _said(found: list[Finding]) -> str:
    return f"{found[0].message} ({found[0].code})"


def _together(plans: Mapping[str, EventPlan]) -> Iterator[Problem]:
    versions: dict[tuple[str, str], str] = {}
    models: dict[tuple[str, str], str] = {}
    for file, planned in plans.items():
        first = versions.setdefault((planned.event, planned.version), file)
        if first != file:
            yield Problem(
                file,
                "version",
                f"{first} is the same event and version.",
                "Give one of them another version.",
            )
            continue
        model = planned.version.partition("-")[0]
        same = models.setdefault((planned.event, model), file)
        if same != file:
            yield Problem(
                file,
                "version",
                f"{same} is the same event and MODEL.",
                "Keep only the newest of a MODEL: what was valid in it stays valid.",
            )


def _fits(value: Any, wanted: Type) -> bool:
    kind = kind_of(value)
    if isinstance(value, Decimal) and not value.is_finite():
        return False
    return kind == wanted or (wanted == "number" and kind == "integer")
