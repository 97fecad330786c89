"""What becomes of an event that is not as planned: counted, flagged, stripped, set aside or refused.

An event names the version it was written for in ``schema_version``; without, the newest that may be
sent holds. Any version of a MODEL is judged by the newest of it, because within a MODEL whatever was
valid stays valid.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct, structs

from tallymark.core.event import Fault
from tallymark.core.policy import Purpose, Treatment

from .plan import VERSION_PROPERTY, EventPlan, Mode, Modes, Monitors, Plan, Status, version_of
from .validate import Checks, Finding, checks_of, findings, missing

DEPRECATED: Final = "deprecated_event"
STRIPPED: Final = "schema_stripped"
_MOST_FAULTS: Final = 20
_OBSERVED: Final = Modes("observe", "observe", "observe")


class Version(Struct, frozen=True):
    """The newest version of one MODEL of an event, ready to be run."""

    version: tuple[int, int, int]
    status: Status
    on: Modes
    checks: Checks


class Versions(Struct, frozen=True):
    """Every MODEL of one event, and the one that holds where an event names none."""

    models: Mapping[int, Version]
    default: Version
    is_versioned: bool


class Compiled(Struct, frozen=True):
    """A plan ready to be run: made once when it is pushed, kept with each key.

    ``purposes``, ``treatments`` and ``monitors`` are by event, of those that have any. ``number`` counts the
    versions of the plan as a whole, 0 for one that is not stored.
    """

    events: Mapping[str, Versions]
    unplanned_event: Mode
    purposes: Mapping[str, Purpose]
    treatments: Mapping[str, Mapping[str, Treatment]]
    monitors: Mapping[str, Monitors] = {}
    number: int = 0

    @property
    def uses_key(self) -> bool:
        """Whether a property is hashed with the project's own key."""
        return any("hmac" in rules.values() for rules in self.treatments.values())


class Outcome(Struct, frozen=True):
    """What becomes of one event: what is kept of it, or why it is set aside.

    ``observed`` are the codes that are only counted; ``faults`` is all that was found of what is set
    aside.
    """

    properties: dict[str, Any]
    flags: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    aside: Finding | None = None
    is_rejected: bool = False
    faults: tuple[Fault, ...] = ()


def compiled(plan: Plan, number: int = 0) -> Compiled:
    """Return a plan ready to be run; it must be free of problems."""
    by_name: dict[str, list[EventPlan]] = {}
    for one in plan.events:
        by_name.setdefault(one.event, []).append(one)
    newest = {name: max(plans, key=_precedence) for name, plans in by_name.items()}
    return Compiled(
        events={name: _versions(plans, newest[name]) for name, plans in by_name.items()},
        unplanned_event=plan.on.unplanned_event,
        purposes={name: one.purpose for name, one in newest.items() if one.purpose is not None},
        treatments={
            name: rules for name, plans in by_name.items() if (rules := _treatments(plans))
        },
        monitors={
            name: one.monitors
            for name, one in newest.items()
            if one.monitors is not None and one.status in ("live", "deprecated")
        },
        number=number,
    )


def enforce(name: str, properties: dict[str, Any], plan: Compiled) -> Outcome | None:
    """Return what becomes of an event by that name; None if it is as planned, and stays as it is."""
    versions = plan.events.get(name)
    if versions is None:
        return _outcome(properties, [(_unplanned(name), plan.unplanned_event)])
    version = _named(properties, versions)
    if version is None:
        return _outcome(properties, [(_no_version(name), "quarantine")])
    if version.status == "retired":
        told = [(_retired(name), version.on.invalid)]
        return _outcome(properties, told, schema=_schema(name, version))
    found = findings(properties, version.checks)
    if not found and version.status == "live":
        return None
    modes = _OBSERVED if version.status == "draft" else version.on
    flags = (DEPRECATED,) if version.status == "deprecated" else ()
    judged = [(one, _mode(one, modes)) for one in found]
    return _outcome(properties, judged, modes, version, flags, schema=_schema(name, version))


def codes_of(name: str, properties: Mapping[str, Any], plan: Compiled) -> list[tuple[str, str]]:
    """Return everything that is not as planned about an event, as codes and paths, whatever its mode."""
    return [(one.code, one.path) for one in findings_of(name, properties, plan)]


def findings_of(name: str, properties: Mapping[str, Any], plan: Compiled) -> list[Finding]:
    """Return everything that is not as planned about an event, whatever its mode."""
    versions = plan.events.get(name)
    if versions is None:
        return [_unplanned(name)]
    version = _named(properties, versions)
    if version is None:
        return [_no_version(name)]
    if version.status == "retired":
        return [_retired(name)]
    return findings(properties, version.checks)


def _outcome(
    properties: dict[str, Any],
    found: list[tuple[Finding, Mode]],
    modes: Modes = _OBSERVED,
    version: Version | None = None,
    flags: tuple[str, ...] = (),
    *,
    schema: str = "",
) -> Outcome:
    stripped = {one.name for one, mode in found if mode == "strip" and one.name}
    if version is not None and modes.missing_required != "strip":
        # What is required and was stripped is missing by then.
        lost = [name for name in version.checks.required if name in stripped]
        found = [*found, *((missing(name), modes.missing_required) for name in lost)]
    for one, mode in found:
        # Where there is nothing to strip, the event cannot be mended by it.
        if mode in ("quarantine", "reject") or (mode == "strip" and not one.name):
            worst = next((told for told, m in found if m == "reject"), one)
            is_rejected = any(m == "reject" for _, m in found)
            return Outcome(
                properties,
                aside=_all_told(worst, len(found)),
                is_rejected=is_rejected,
                faults=_faults(found, schema),
            )
    tagged = [one.code.lower() for one, mode in found if mode == "tag"]
    kept = {key: value for key, value in properties.items() if key not in stripped}
    return Outcome(
        kept if stripped else properties,
        tuple(dict.fromkeys((*flags, *tagged, *((STRIPPED,) if stripped else ())))),
        tuple(one.code for one, mode in found if mode == "observe"),
    )


def _unplanned(name: str) -> Finding:
    return Finding("", "UNPLANNED_EVENT", "name", f"{_shown(name)} is not in the plan.")


def _no_version(name: str) -> Finding:
    where = f"properties.{VERSION_PROPERTY}"
    what = f"{_shown(name)} has no such version in the plan."
    return Finding(VERSION_PROPERTY, "SCHEMA_MISSING", where, what)


def _retired(name: str) -> Finding:
    return Finding("", "VERSION_RETIRED", "name", f"This version of {_shown(name)} is retired.")


def _all_told(finding: Finding, count: int) -> Finding:
    if count == 1:
        return finding
    more = f"{finding.message} ({count - 1} more)"
    return structs.replace(finding, message=more)


def _faults(found: list[tuple[Finding, Mode]], schema: str) -> tuple[Fault, ...]:
    """Return the findings as they are kept, the first of them: a hostile event has thousands."""
    return tuple(
        Fault(one.code, one.path, one.expected, one.got, schema, one.message)
        for one, _ in found[:_MOST_FAULTS]
    )


def _schema(name: str, version: Version) -> str:
    return f"{_shown(name)}/{'-'.join(map(str, version.version))}"


def _mode(finding: Finding, modes: Modes) -> Mode:
    match finding.code:
        case "UNPLANNED_PROP":
            return modes.unplanned_property
        case "SCHEMA_REQUIRED":
            return modes.missing_required
        case _:
            return modes.invalid


def _named(properties: Mapping[str, Any], versions: Versions) -> Version | None:
    """Return the version that judges an event; None if it names one that is not in the plan."""
    given = properties.get(VERSION_PROPERTY) if versions.is_versioned else None
    if given is None:
        return versions.default
    try:
        wanted = version_of(given) if isinstance(given, str) else None
    except ValueError:
        return None
    found = None if wanted is None else versions.models.get(wanted[0])
    return found if found is not None and wanted is not None and wanted <= found.version else None


def _versions(plans: list[EventPlan], newest: EventPlan) -> Versions:
    models = {
        version_of(one.version)[0]: Version(
            version_of(one.version), one.status, one.on, checks_of(one)
        )
        for one in plans
    }
    # A plan that has the property for something else leaves no way to name a version.
    is_versioned = not any(VERSION_PROPERTY in one.properties for one in plans)
    return Versions(models, models[version_of(newest.version)[0]], is_versioned)


def _precedence(one: EventPlan) -> tuple[int, tuple[int, int, int]]:
    rank = {"retired": 0, "draft": 1, "deprecated": 2, "live": 2}[one.status]
    return rank, version_of(one.version)


def _treatments(plans: list[EventPlan]) -> dict[str, Treatment]:
    """Return the strictest treatment of each property in any version: it comes before the choice."""
    strictness: tuple[Treatment, ...] = ("truncate", "hmac", "drop")
    found: dict[str, Treatment] = {}
    for one in plans:
        for name, planned in one.properties.items():
            if planned.treat is not None:
                there = found.get(name, planned.treat)
                found[name] = max(there, planned.treat, key=strictness.index)
    return found


def _shown(name: str) -> str:
    return name if len(name) <= 80 else name[:79] + "…"
