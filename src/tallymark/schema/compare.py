"""What changed between two plans, and what of it breaks senders or questions.

Within a MODEL everything that was valid stays valid and nothing more is learnt about people: whatever
does not hold to that needs a new MODEL.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from .plan import EventPlan, Pii, Plan, Property, version_of

_PII: Final[Mapping[Pii, int]] = {"none": 0, "indirect": 1, "direct": 2, "sensitive": 3}
# How far what is collected goes beyond the service itself; unstated is measurement, as in the policy.
_PURPOSES: Final = (
    "essential", "measurement", "product", "performance", "personalization", "sharing",
)  # fmt: skip
_TREATMENTS: Final[Mapping[str | None, int]] = {None: 0, "truncate": 1, "hmac": 2, "drop": 3}


class Change(Struct, frozen=True):
    """One difference between two plans of an event, and whether it breaks."""

    event: str
    version: str
    key: str
    what: str
    is_breaking: bool


def compare(old: Plan, new: Plan) -> list[Change]:
    """Return every change, by event and version; breaking ones only where MODEL stayed the same."""
    before = {(one.event, _model(one)): one for one in old.events}
    after = {(one.event, _model(one)): one for one in new.events}
    newest: dict[str, int] = {}
    for name, model in after:
        newest[name] = max(model, newest.get(name, 0))
    found: list[Change] = []
    for name, model in sorted({*before, *after}):
        was, now = before.get((name, model)), after.get((name, model))
        if now is None and was is not None:
            is_gone = newest.get(name, -1) < model and was.status in ("live", "deprecated")
            what = "it is gone without a new MODEL." if is_gone else "it is gone."
            found.append(Change(name, was.version, "event", what, is_gone))
        elif was is None and now is not None:
            found.append(Change(name, now.version, "event", "it is new.", is_breaking=False))
        elif was is not None and now is not None and was != now:
            found += [Change(name, now.version, *told) for told in _changed(was, now)]
    if old.on != new.on:
        what = f"{old.on.unplanned_event} became {new.on.unplanned_event}."
        found.append(Change("plan.yaml", "", "on.unplanned_event", what, is_breaking=False))
    return found


_Told = tuple[str, str, bool]


def _changed(was: EventPlan, now: EventPlan) -> Iterator[_Told]:
    yield from _versions(was, now)
    yield from _properties(was.properties, now.properties)
    if _rank(now.purpose) > _rank(was.purpose):
        yield "purpose", f"it is wider: {was.purpose} became {now.purpose}.", True
    elif was.purpose != now.purpose:
        yield "purpose", f"{was.purpose} became {now.purpose}.", False
    if was.status != now.status:
        is_end = now.status == "retired" and was.status != "draft"
        yield "status", f"{was.status} became {now.status}.", is_end
    for name in ("owner", "basis", "on", "monitors", "examples", "counterexamples"):
        if getattr(was, name) != getattr(now, name):
            yield name, "it changed.", False


def _versions(was: EventPlan, now: EventPlan) -> Iterator[_Told]:
    if version_of(now.version) < version_of(was.version):
        yield "version", f"it went back from {was.version}.", True
    elif now.version == was.version and now.properties != was.properties:
        yield "version", f"properties changed and it is still {was.version}.", False


def _properties(was: Mapping[str, Property], now: Mapping[str, Property]) -> Iterator[_Told]:
    new = [name for name in now if name not in was]
    for name, one in was.items():
        key = f"properties.{name}"
        if name in now:
            yield from _property(key, one, now[name])
        else:
            same = [other for other in new if now[other] == one]
            what = f"it was removed, or renamed to {same[0]}." if same else "it was removed."
            yield key, what, True
    for name in new:
        what = "it is new and required." if now[name].required else "it is new."
        yield f"properties.{name}", what, now[name].required


def _property(key: str, was: Property, now: Property) -> Iterator[_Told]:
    if was == now:
        return
    if was.type != now.type:
        yield f"{key}.type", f"{was.type} became {now.type}.", True
    if was.unit != now.unit:
        yield f"{key}.unit", f"{was.unit} became {now.unit}.", was.unit is not None
    if was.required != now.required:
        what = "it became required." if now.required else "it is no longer required."
        yield f"{key}.required", what, now.required
    yield from _values(key, was, now)
    yield from _privacy(key, was, now)
    if was.items != now.items:
        if was.items is None or now.items is None:
            yield f"{key}.items", "it changed.", was.items is None
        else:
            yield from _property(f"{key}.items", was.items, now.items)


def _values(key: str, was: Property, now: Property) -> Iterator[_Told]:
    if set(was.enum) != set(now.enum):
        lost = [value for value in was.enum if value not in now.enum] if now.enum else []
        is_narrower = bool(lost) or (not was.enum and bool(now.enum))
        what = f"{', '.join(map(str, lost))} left it." if lost else "it changed."
        yield f"{key}.enum", what, is_narrower
    for name, sign in (("minimum", 1), ("maximum", -1)):
        old, new = getattr(was, name), getattr(now, name)
        if old != new:
            yield f"{key}.{name}", f"{_said(old)} became {_said(new)}.", _is_tighter(old, new, sign)
    if was.pattern != now.pattern:
        yield f"{key}.pattern", "it changed.", now.pattern is not None


def _privacy(key: str, was: Property, now: Property) -> Iterator[_Told]:
    if was.pii != now.pii:
        is_wider = _PII[now.pii] > _PII[was.pii]
        what = "it is wider: " if is_wider else ""
        yield f"{key}.pii", f"{what}{was.pii} became {now.pii}.", is_wider
    if was.treat != now.treat:
        is_weaker = _TREATMENTS[now.treat] < _TREATMENTS[was.treat]
        yield f"{key}.treat", f"{was.treat} became {now.treat}.", is_weaker


def _is_tighter(old: Any, new: Any, sign: int) -> bool:
    if new is None:
        return False
    return old is None or bool((new - old) * sign > 0)


def _rank(purpose: str | None) -> int:
    return _PURPOSES.index(purpose or "measurement")


def _said(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _model(planned: EventPlan) -> int:
    return version_of(planned.version)[0]
