"""Paths, followed one session or person at a time in plain Python."""

import re
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.insights.oracle import satisfies, value_of
from tests.strategies import History, Use, owners, person

from tallymark.core.clock import instant

MINUTE = 60_000_000
GONE, SKIPPED = "Drop-off", "…"


class PathsOracle:
    """The walks of a paths question as lists of names, with whose they are."""

    def __init__(self, history: History, question: dict[str, Any], since: int, until: int) -> None:
        self.question = question
        self.depth = question["depth"]
        owner = owners(history)
        ways: dict[str, list[tuple[int, int, Use, str]]] = {}
        for place, use in enumerate(history):
            if not isinstance(use, Use) or use.is_bot or not since <= use.time < until:
                continue
            named = question.get("event")
            if named is not None and use.name not in ([named] if isinstance(named, str) else named):
                continue
            unit = use.session if question["unit"] == "session" else person(use, owner)
            name = self.name(use)
            if unit is None or name is None or not satisfies(use, question["filter"]):
                continue
            ways.setdefault(unit, []).append((use.time, place, use, name))
        self.walks: list[tuple[str, list[str]]] = []
        for unit, events in ways.items():
            found = [walk for part in self.parts(sorted(events, key=lambda one: one[:2])) for walk in self.walk(part)]  # fmt: skip
            first = found[:1] if question["count"] == "uniques" else found
            self.walks += [(unit, walk) for walk in first]

    def name(self, use: Use) -> str | None:
        """Return the node of an event, None if it is none."""
        value = value_of(use, self.question["node"])
        if value is None:
            return None
        name = value if isinstance(value, str) else _text(value)
        for one in self.question.get("replace", []):
            name = re.sub(one["pattern"], lambda _, by=one["by"]: by, name)  # type: ignore[misc]
        if (kept := self.question.get("directories")) and name.startswith("/"):
            name = "/" + "/".join(name[1:].split("/")[:kept])
        for one in self.question.get("wildcards", []):
            if _fits(name, one):
                name = one
                break
        return None if any(_fits(name, one) for one in self.question.get("exclude", [])) else name

    def parts(self, events: list[tuple[int, int, Use, str]]) -> list[list[tuple[str, bool, bool]]]:
        """Return the sequences between long pauses, each a list of (name, may start, may end)."""
        gap, last, before = self.question.get("gap_minutes"), None, None
        found: list[Any] = []
        for time, _, use, name in events:
            is_new = last is None or (gap is not None and time - last > gap * MINUTE)
            if is_new:
                found.append([])
            mark = (name, self.anchors(use, name, "start"), self.anchors(use, name, "end"))
            if not is_new and name == before and self.question["collapse_repeats"]:
                was = found[-1][-1]
                found[-1][-1] = (name, was[1] or mark[1], was[2] or mark[2])
            else:
                found[-1].append(mark)
            last, before = time, name
        return found

    def anchors(self, use: Use, name: str, which: str) -> bool:
        anchor = self.question.get(which)
        if isinstance(anchor, str):
            return name == anchor
        if anchor is None:
            return False
        named = anchor.get("event")
        return (named is None or use.name == named) and satisfies(use, anchor.get("filter"))

    def walk(self, part: list[tuple[str, bool, bool]]) -> list[list[str]]:
        names = [name for name, _, _ in part]
        starts, ends = self.question.get("start"), self.question.get("end")
        if starts is None and ends is None:
            return [names]
        if ends is None:
            return [names[at:] for at, (_, is_start, _) in enumerate(part) if is_start]
        if starts is None:
            return [names[at::-1] for at, (_, _, is_end) in enumerate(part) if is_end]
        found, opened = [], None
        for at, (_, is_start, is_end) in enumerate(part):
            if opened is not None and is_end:
                found.append(names[opened : at + 1])
                opened = None
            elif opened is None and is_start:
                opened = at
        return [self.shortened(walk) for walk in found]

    def shortened(self, walk: list[str]) -> list[str]:
        return walk if len(walk) <= self.depth else [*walk[: self.depth - 2], SKIPPED, walk[-1]]

    def columns(self, top: int) -> tuple[list[list[str]], list[list[str]]]:
        """Return the names shown in each step, and each walk as what it shows, up to its end."""
        shown = []
        for step in range(self.depth):
            counts = Counter(walk[step] for _, walk in self.walks if len(walk) > step and walk[step] != SKIPPED)  # fmt: skip
            shown.append(sorted(counts, key=lambda name: (-counts[name], name))[:top])
        told = []
        for _, walk in self.walks:
            names = [
                name if name in shown[step] or name == SKIPPED else "Other"
                for step, name in enumerate(walk[: self.depth])
            ]
            told.append([*names, GONE] if len(names) < self.depth else names)
        return shown, told


def _fits(name: str, wildcard: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, wildcard.split("*"))), name, re.DOTALL) is not None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return (
        f"{Decimal(value):f}".rstrip("0").rstrip(".") if isinstance(value, Decimal) else str(value)
    )


def span(question: dict[str, Any]) -> tuple[int, int]:
    """Return the instants of the range, which is of UTC days."""
    since, until = (
        datetime.fromisoformat(question["range"][key]).replace(tzinfo=UTC)
        for key in ("since", "until")
    )
    return instant(since), instant(until)
