"""What the records of a load held, told at its end: names, times, who, and what found no place."""

from collections import Counter
from typing import Any, Final

from tallymark.collect.protocols._values import when
from tallymark.collect.sources.source import Record
from tallymark.core.clock import rfc3339
from tallymark.core.event import IMPORTED, Event

from .render import shown

_MOST_NAMES: Final = 10_000
_SHOWN_NAMES: Final = 10
_OTHERS: Final = "(others)"


class Seen:
    """Counts what a load holds, within memory that does not grow with it.

    ``outside`` counts records outside of the range that was asked for, ``left`` how often a field of
    an export has no place in an event.
    """

    def __init__(self) -> None:
        self.names: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
        self.changes = 0
        self.nobody = 0
        self.outside = 0
        self.first: int | None = None
        self.last: int | None = None
        self.is_export = False

    def add(self, record: Record) -> None:
        """Count what a record holds."""
        told = record.event
        if not told:
            self.outside += 1
            return
        for name in record.left:
            _count(self.left, name)
        if told.get("type") != IMPORTED:
            who = told.get("user_id") or told.get("anonymous_id")
            self._use(str(told.get("name", "")), told.get("time"), is_nobody=not who)
            return
        self.is_export = True
        self.changes += len(told["commands"])
        for use in told["events"]:
            self._export_use(use)

    def _export_use(self, use: Event) -> None:
        self._use(use.name, use.time, is_nobody=not (use.user_id or use.anonymous_id))

    def _use(self, name: str, time: Any, *, is_nobody: bool) -> None:
        _count(self.names, name)
        self.nobody += is_nobody
        instant = time if isinstance(time, int) else when(time)
        if instant is not None:
            self.first = instant if self.first is None else min(self.first, instant)
            self.last = instant if self.last is None else max(self.last, instant)


def print_seen(seen: Seen, *, is_dry: bool) -> None:
    """Print what was seen: of a dry run always, else only what an export left."""
    if seen.outside:
        print(f"  {seen.outside:>12,}  outside of --since and --until, not sent")
    if is_dry and seen.names:
        _print_names(seen)
    if seen.left:
        print("Fields of the export that an event has no place for:")
        for name, count in seen.left.most_common():
            print(f"  {count:>12,}    {shown(name)}")


def _print_names(seen: Seen) -> None:
    total = seen.names.total()
    span = ""
    if seen.first is not None and seen.last is not None:
        span = f", from {rfc3339(seen.first)} to {rfc3339(seen.last)}"
    print(f"They hold {total:,} events{span}:")
    top = seen.names.most_common(_SHOWN_NAMES)
    for name, count in top:
        print(f"  {count:>12,}    {shown(name)}")
    if len(seen.names) > len(top):
        rest = total - sum(count for _, count in top)
        print(f"  {rest:>12,}    of {len(seen.names) - len(top):,} other names")
    if seen.nobody:
        print(f"  {seen.nobody:>12,}  events name nobody")
    if seen.changes:
        print(f"  {seen.changes:>12,}  changes of people and groups")


def _count(counts: Counter[str], name: str) -> None:
    counts[name if name in counts or len(counts) < _MOST_NAMES else _OTHERS] += 1
