"""The same moment asked twice: two questions, or one with two versions of the definitions."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tallymark.core.clock import Clock
from tallymark.core.errors import QuestionStopped, TallymarkError
from tallymark.core.registry import lookup
from tallymark.core.settings import Settings
from tallymark.store.engine import Engine

from .answering import compute, decode_question, insights, limits_of
from .scoping import Asking, scope_of

_encode = msgspec.json.Encoder(decimal_format="number").encode


class _Stopped:
    """A clock that stands still, so that both sides have the same now."""

    def __init__(self, clock: Clock) -> None:
        self._now = clock.now()
        self._clock = clock

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return self._clock.monotonic()


def answer_sides(
    engine: Engine, project: str, params: Mapping[str, Any], settings: Settings, clock: Clock
) -> bytes:
    """Return a list: for each side its table and its lines, or the error; null for a side that is none.

    All see the same commit. What one side takes is taken from the time of all.
    """
    common = {name: params[name] for name in ("timezone", "seconds") if name in params}
    sides = [
        None if side is None else msgspec.convert({**common, **side, "project": project}, Asking)
        for side in params["sides"]
    ]
    standing = _Stopped(clock)
    asked = [side for side in sides if side is not None]
    if not asked:
        return _encode([None for _ in sides])
    found: list[Any] = []
    with engine.reading(project, limits_of(asked[0], settings)) as reading:
        for side in sides:
            if side is None:
                found.append(None)
                continue
            try:
                insight = lookup(insights(), side.insight, "insight")
                question = decode_question(insight, side.question)
                scope = scope_of(reading, side, settings, standing).scope
                data = compute(insight, question, scope, reading).data
            except QuestionStopped:
                raise
            except TallymarkError as error:
                found.append({"error": error.message})
            else:
                found.append({"table": insight.table(data), "lines": _lines(data)})
    return _encode(found)


def _lines(data: Any) -> list[dict[str, Any]]:
    """Return label and total of each line that is not one of several groups."""
    lines = getattr(data, "lines", ())
    return [
        {"label": line.label, "total": line.total}
        for line in lines
        if hasattr(line, "total") and not getattr(line, "breakdown", None)
    ]
