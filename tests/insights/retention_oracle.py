"""Retention, counted one start at a time in plain Python."""

from bisect import bisect_right
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tests.insights.oracle import satisfies, value_of
from tests.strategies import NOW, History, Use, owners, person

from tallymark.core.clock import DAY, instant, moment
from tallymark.insights.ranges import Span, buckets, day_start

HOUR = DAY // 24


UNITS = {"hour": HOUR, "day": DAY, "week": 7 * DAY, "month": 30 * DAY}
OPTIONS = {
    None: ("first_matching", "calendar", "on", "after_start", "start", "weighted"),
    "mixpanel": ("recurring", "rolling", "on_or_after", "after_start", "start", "weighted"),
    "amplitude": ("recurring", "rounded", "on_or_after", "after_start", "start", "people"),
    "posthog": ("first_matching", "calendar", "on", "everyone", "both", "weighted"),
}
NAMES = ("cohort", "clock", "criterion", "bucket_zero", "breakdown_on", "overall")


class Oracle:
    """Every number of a retention question, one start at a time."""

    def __init__(self, history: History, question: dict[str, Any]) -> None:
        self.question = question
        preset = dict(zip(NAMES, OPTIONS[question.get("semantics")], strict=True))
        self.options = {name: question.get(name) or preset[name] for name in NAMES}
        self.zone = ZoneInfo(question["timezone"])
        self.interval = question["interval"]
        since, until = question["range"]["since"], question["range"]["until"]
        self.since, self.until = (instant(datetime.fromisoformat(text)) for text in (since, until))
        span = Span(self.since, self.until)
        week = question.get("week_start", "monday")
        self.cohorts = len(buckets(span, self.interval, self.zone, week).edges) - 1
        far = Span(self.since, self.until + 40 * UNITS[self.interval])
        self.edges = buckets(far, self.interval, self.zone, week).edges
        widths = question.get("brackets") or [1] * question["buckets"]
        self.bounds = [(sum(widths[:n]), sum(widths[: n + 1])) for n in range(len(widths))]
        owner = owners(history)
        self.events = sorted(
            (
                (use.time, place, person(use, owner), use)
                for place, use in enumerate(history)
                if isinstance(use, Use) and not use.is_bot
                and not (use.is_cookieless and use.user is None)
                and person(use, owner) is not None
            ),
            key=lambda one: one[:2],
        )  # fmt: skip
        self.starts = list(self._starts())

    def matches(self, use: Use, step: dict[str, Any], *, filtered: bool = True) -> bool:
        named = step.get("event")
        return (named is None or use.name in ([named] if isinstance(named, str) else named)) and (
            not filtered
            or (satisfies(use, step.get("filter")) and satisfies(use, self.question["filter"]))
        )

    def value(self, use: Use) -> tuple[Any, ...]:
        return tuple(value_of(use, name) for name in self.question.get("breakdown", []))

    def _starts(self) -> Any:
        """Give (cohort, person, time, place, value) of every start in the range."""
        step, had = self.question["start"], set()
        is_ever = self.options["cohort"] == "first_ever"
        for time, place, who, use in self.events:
            if not self.matches(use, step, filtered=not is_ever):
                continue
            cohort = bisect_right(self.edges, time) - 1
            is_in = self.since <= time < self.until
            key = (who, cohort) if self.options["cohort"] == "recurring" else who
            if self.options["cohort"] == "recurring" and not is_in:
                continue
            if key in had:
                continue
            had.add(key)
            if is_in and self.matches(use, step):
                yield cohort, who, time, place, self.value(use)

    def unit(self, time: int, cohort: int, later: int) -> int:
        clock = self.options["clock"]
        if clock == "calendar":
            return bisect_right(self.edges, later) - 1 - cohort
        if clock == "rolling":
            return (later - time) // UNITS[self.interval]
        if self.interval in {"hour", "day"}:
            return (later - time // HOUR * HOUR) // UNITS[self.interval]
        days: int = (self.local(later) - self.local(time)).days
        return days // (7 if self.interval == "week" else 30)

    def local(self, time: int) -> Any:
        return moment(time).astimezone(self.zone).date()

    def units(self, start: tuple[Any, ...]) -> list[tuple[int, Use]]:
        """Return the returns of a start, and how many units after it they lie."""
        cohort, who, time, _, value = start
        step = self.question.get("returning") or self.question["start"]
        return [
            (self.unit(time, cohort, later), use)
            for later, _, somebody, use in self.events
            if somebody == who and later > time and self.matches(use, step)
            and (self.options["breakdown_on"] == "start" or self.value(use) == value)
        ]  # fmt: skip

    def counts(self, unit: int, bucket: int) -> bool:
        """Whether a return so many units later counts for a bucket."""
        low, high = self.bounds[bucket]
        match self.options["criterion"]:
            case "on_or_after":
                return bool(unit >= low)
            case "on_or_before":
                return bool(unit < high)
            case _:
                return bool(low <= unit < high)

    def is_retained(self, start: tuple[Any, ...], bucket: int) -> bool:
        everyone = self.options["bucket_zero"] == "everyone"
        found = [unit for unit, _ in self.units(start)]
        if self.options["criterion"] != "streak":
            return any(self.counts(unit, bucket) for unit in found) or (everyone and bucket == 0)
        start_step = self.question["start"]
        is_given = everyone or self.question.get("returning") in (None, start_step)
        return all(
            (is_given and n == 0) or any(self.counts(unit, n) for unit in found)
            for n in range(bucket + 1)
        )

    def amount(self, start: tuple[Any, ...], bucket: int) -> Fraction:
        numbers = [
            value_of(use, self.question["of"])
            for unit, use in self.units(start)
            if self.counts(unit, bucket)
        ]
        return sum((Fraction(one) for one in numbers if isinstance(one, int | Decimal) and not isinstance(one, bool)), Fraction(0))  # fmt: skip

    def is_complete(self, cohort: int, bucket: int) -> bool:
        first, last = self.edges[cohort], self.edges[cohort + 1]
        if last > NOW or first < self.since or last > self.until:
            return False
        return self.ends(last, cohort, self.bounds[bucket][1]) <= NOW

    def has_begun(self, cohort: int, bucket: int) -> bool:
        first, low = self.edges[cohort], self.bounds[bucket][0]
        if self.options["clock"] != "rounded" or self.interval in {"hour", "day"}:
            begins = self.edges[cohort + low] if self.options["clock"] == "calendar" else first + low * UNITS[self.interval]  # fmt: skip
            return bool(begins < NOW)
        return self.midnight(first, low) < NOW

    def ends(self, last: int, cohort: int, high: int) -> int:
        if self.options["clock"] == "calendar":
            return self.edges[cohort + high]
        if self.options["clock"] == "rolling" or self.interval in {"hour", "day"}:
            return last + high * UNITS[self.interval]
        return self.midnight(last - 1, high)

    def midnight(self, time: int, units: int) -> int:
        day = self.local(time) + timedelta(days=units * (7 if self.interval == "week" else 30))
        return day_start(day, self.zone)

    def shown(self) -> list[tuple[Any, ...]]:
        """Return the values of the groups, those with most starts first."""
        totals: dict[tuple[Any, ...], int] = {}
        for *_, value in self.starts:
            totals[value] = totals.get(value, 0) + 1
        return sorted(
            totals, key=lambda one: (-totals[one], [(part is None, part) for part in one])
        )


def in_nine_places(exact: Fraction) -> Fraction:
    """Return a number rounded half away from zero."""
    nano = abs(exact) * 10**9
    away = Fraction(int(nano + Fraction(1, 2)), 10**9)
    return away if exact > 0 else -away


def assert_cell(oracle: Oracle, cell: Any, starts: list[Any], bucket: int) -> None:
    back = sum(oracle.is_retained(start, bucket) for start in starts)
    assert (cell.returned, cell.people) == (back, len(starts))
    assert_value(oracle, cell, starts, bucket, (len(starts), back))


def assert_value(
    oracle: Oracle, cell: Any, starts: list[Any], bucket: int, counts: tuple[int, int]
) -> None:
    measure = oracle.question.get("measure", "people")
    if measure == "people":
        assert cell.value is None
        return
    amount = sum((oracle.amount(start, bucket) for start in starts), Fraction(0))
    if measure == "sum":
        assert Fraction(cell.value) == amount
        return
    divisor = counts[0] if measure == "per_person" else counts[1]
    if divisor == 0:
        assert cell.value is None
        return
    assert Fraction(cell.value) == in_nine_places(amount / divisor)


def assert_group(oracle: Oracle, group: Any, starts: list[Any]) -> None:
    for cohort, row in enumerate(group.cohorts):
        mine = [start for start in starts if start[0] == cohort]
        assert row.people == len(mine)
        for bucket, cell in enumerate(row.cells):
            assert cell.is_complete == oracle.is_complete(cohort, bucket)
            if oracle.has_begun(cohort, bucket):
                assert_cell(oracle, cell, mine, bucket)
            else:
                assert (cell.returned, cell.rate, cell.value) == (None, None, None)
    for bucket, cell in enumerate(group.overall):
        those = [start for start in starts if oracle.is_complete(start[0], bucket)]
        if not any(oracle.is_complete(cohort, bucket) for cohort in range(oracle.cohorts)):
            assert (cell.people, cell.returned, cell.is_complete) == (0, None, False)
        elif oracle.options["overall"] == "weighted":
            assert_cell(oracle, cell, those, bucket)
        else:
            back = {start[1] for start in those if oracle.is_retained(start, bucket)}
            people = len({start[1] for start in those})
            assert (cell.returned, cell.people) == (len(back), people)
            assert_value(oracle, cell, those, bucket, (people, len(back)))
