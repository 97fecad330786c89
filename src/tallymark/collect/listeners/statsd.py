"""StatsD over UDP: counters, gauges, timers, histograms, distributions and sets, with tags.

Each flush gives one event a series, which is a metric with its type and tags; ``value`` is what the
metric measured, ``metric_type`` says how to read it. A counter's value is scaled by its sample rate,
exactly. Timers, histograms and distributions give one event a sample, or one a series with
``--timers summary``. What was flushed is on disk until the server has it, so a crash loses at most
the interval that was going on, and nothing counts twice. What UDP loses nobody can know.
"""

import argparse
import re
from collections import Counter
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Literal, TypeAlias

from msgspec import Struct

from tallymark.collect.sources.source import WireEvent
from tallymark.core.clock import MICROSECONDS, rfc3339

from ._udp import Datagrams, add_udp_flags, udp_identity
from .listener import Listener, Surroundings
from .memory import Change, Memory

Type: TypeAlias = Literal["c", "g", "ms", "h", "d", "s"]
Series: TypeAlias = tuple[str, Type, tuple[tuple[str, str], ...]]

_TYPES: dict[str, str] = {
    "c": "counter", "g": "gauge", "ms": "timer", "h": "histogram", "d": "distribution", "s": "set",
}  # fmt: skip
_SAMPLED = frozenset({"ms", "h", "d"})
_NUMBER = re.compile(r"[+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,3})?")
_LONGEST_NAME = 200
_MOST_TAGS = 64
_LONGEST_TAGS = 2_000
_MOST_VALUES = 10_000
# Beyond that an interval is flushed early, so that nobody fills our memory.
_MOST_HELD = 20_000
_MOST_BYTES = 16 * 1024 * 1024
_MOST_GAUGES = 20_000
_LARGEST = Decimal(10) ** 29


class Sample(Struct, frozen=True):
    """One value of a series. A gauge's may be ``relative``; a set's is the text of ``member``."""

    series: Series
    number: Fraction = Fraction(0)
    rate: Fraction = Fraction(1)
    is_relative: bool = False
    member: str = ""


class Malformed(ValueError):
    """A line that is no metric; says why."""


def decode(datagram: bytes, counts: Counter[str]) -> list[Sample]:
    """Return the samples of a datagram; its lines that are none are counted.

    Events and service checks of DogStatsD are no measurements and are ignored.
    """
    found: list[Sample] = []
    for raw in datagram.split(b"\n"):
        line = raw.strip(b"\r\0 ")
        if not line:
            continue
        if line.startswith((b"_e{", b"_sc|")):
            counts["events and checks ignored"] += 1
            continue
        try:
            found += read_line(line.decode())
        except (Malformed, UnicodeDecodeError):
            counts["malformed lines"] += 1
    return found


def read_line(line: str) -> list[Sample]:
    """Return the samples of ``name:value[:value]|type[|@rate][|#tag:value,…]``; raises Malformed."""
    head, *parts = line.split("|")
    name, sign, given = head.partition(":")
    if not sign or not parts or not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise Malformed("no name, value and type")
    kind = parts[0]
    if kind not in _TYPES:
        raise Malformed("an unknown type")
    rate, tags = _rest(parts[1:])
    series: Series = (name, kind, tags)  # type: ignore[assignment]  # it is one of the types
    values = [given] if kind == "s" else given.split(":")
    if len(values) > _MOST_VALUES:
        raise Malformed("too many values")
    return [_sample(series, value, rate) for value in values]


def _sample(series: Series, value: str, rate: Fraction) -> Sample:
    if series[1] == "s":
        if not value or len(value) > _LONGEST_NAME:
            raise Malformed("no member of a set")
        return Sample(series, member=value)
    is_relative = series[1] == "g" and value.startswith(("+", "-"))
    return Sample(series, _number(value), rate, is_relative)


def _rest(parts: list[str]) -> tuple[Fraction, tuple[tuple[str, str], ...]]:
    rate = Fraction(1)
    tags: dict[str, str] = {}
    for part in parts:
        if part.startswith("@"):
            rate = _number(part[1:])
            if not 0 < rate <= 1:
                raise Malformed("a sample rate outside 0 to 1")
        elif part.startswith("#"):
            if len(part) > _LONGEST_TAGS:
                raise Malformed("tags that are too long")
            for tag in part[1:].split(",")[: _MOST_TAGS + 1]:
                name, _, value = tag.partition(":")
                if name:
                    tags[name[:_LONGEST_NAME]] = value[:_LONGEST_NAME]
        # Others, such as c:<container> and T<timestamp>, say nothing that we keep.
    if len(tags) > _MOST_TAGS:
        raise Malformed("too many tags")
    return rate, tuple(sorted(tags.items()))


def _number(text: str) -> Fraction:
    if not _NUMBER.fullmatch(text):
        raise Malformed("no number")
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise Malformed("no number") from error
    # Not even made into a fraction, which would have a thousand digits.
    if abs(number) >= _LARGEST or (number and number.adjusted() < -30):
        raise Malformed("a number out of range")
    return Fraction(number)


def exactly(number: Fraction) -> Decimal:
    """Return a number with at most nine digits after the point, rounded half away from zero."""
    scaled = abs(number) * 10**9
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    exponent = -9
    while exponent < 0 and whole % 10 == 0:
        whole, exponent = whole // 10, exponent + 1
    # Made of its digits, because arithmetic of decimals rounds to 28 of them.
    return Decimal((int(number < 0), tuple(map(int, str(whole))), exponent))


class Aggregate:
    """What came in one interval. ``gauges`` are kept from interval to interval."""

    def __init__(self, gauges: dict[Series, Fraction], *, is_summary: bool) -> None:
        self.gauges = gauges
        self._is_summary = is_summary
        self._sums: dict[Series, Fraction] = {}
        self._samples: dict[Series, list[Sample]] = {}
        self._counts: Counter[Series] = Counter()
        self._members: dict[Series, set[str]] = {}
        self.held = 0

    def add(self, sample: Sample) -> None:
        """Take one sample in."""
        series = sample.series
        self._counts[series] += 1
        self.held += 1
        match series[1]:
            case "c":
                before = self._sums.get(series, Fraction(0))
                self._sums[series] = before + sample.number / sample.rate
            case "g":
                before = self.gauges.get(series, Fraction(0)) if sample.is_relative else Fraction(0)
                if series in self.gauges or len(self.gauges) < _MOST_GAUGES:
                    self.gauges[series] = before + sample.number
                self._sums[series] = before + sample.number
            case "s":
                self._members.setdefault(series, set()).add(sample.member)
            case _:
                self._samples.setdefault(series, []).append(sample)

    def events(self, id_prefix: str, time: int) -> list[WireEvent]:
        """Return the events of the interval that began at ``time``; ids are ``prefix-n``."""
        found: list[WireEvent] = []
        for series, total in self._sums.items():
            found.append(self._event(series, time, exactly(total)))
        for series, members in self._members.items():
            found.append(self._event(series, time, Decimal(len(members))))
        for series, samples in self._samples.items():
            if self._is_summary:
                found.append(self._summary(series, samples, time))
            else:
                found += [_one(sample, time) for sample in samples]
        for place, event in enumerate(found):
            event["id"] = f"{id_prefix}-{place}"
        return found

    def changed_gauges(self) -> list[Change]:
        """Return what is to be remembered for gauges that are sent as differences."""
        return [
            Change("gauge", repr(series), [series[0], list(map(list, series[2])), str(self.gauges[series])])
            for series in self._sums
            if series[1] == "g" and series in self.gauges
        ]  # fmt: skip

    def _event(self, series: Series, time: int, value: Decimal) -> WireEvent:
        event = _event(series, time)
        event["value"] = value
        event["properties"]["samples"] = self._counts[series]
        return event

    def _summary(self, series: Series, samples: list[Sample], time: int) -> WireEvent:
        numbers = sorted(sample.number for sample in samples)
        uses = sum((1 / sample.rate for sample in samples), Fraction(0))
        total = sum((sample.number / sample.rate for sample in samples), Fraction(0))
        event = self._event(series, time, exactly(total))
        event["properties"] |= {
            "uses": exactly(uses),
            "min": exactly(numbers[0]),
            "max": exactly(numbers[-1]),
            "p50": exactly(_rank(numbers, 50)),
            "p95": exactly(_rank(numbers, 95)),
            "p99": exactly(_rank(numbers, 99)),
        }
        if series[1] == "ms":
            event["unit"] = "ms"
        return event


def _rank(numbers: list[Fraction], percent: int) -> Fraction:
    """Return the smallest number that so many percent are no greater than (nearest rank)."""
    return numbers[max(0, -(-len(numbers) * percent // 100) - 1)]


def _one(sample: Sample, time: int) -> WireEvent:
    event = _event(sample.series, time)
    event["value"] = exactly(sample.number)
    if sample.series[1] == "ms":
        event["unit"] = "ms"
        event["properties"]["duration_ms"] = event["value"]
    if sample.rate != 1:
        event["properties"]["sample_rate"] = exactly(sample.rate)
    return event


def _event(series: Series, time: int) -> WireEvent:
    name, kind, tags = series
    properties: dict[str, object] = dict(tags)
    properties["metric_type"] = _TYPES[kind]
    return {"name": name, "time": rfc3339(time), "kind": "metric", "properties": properties}


class Metrics:
    """Turns datagrams into portions of events, an interval each."""

    def __init__(self, around: Surroundings, interval_seconds: int, *, is_summary: bool) -> None:
        self._around = around
        self._interval = interval_seconds * MICROSECONDS
        self._is_summary = is_summary
        self._gauges = _known_gauges(around.memory)
        self._open: Aggregate | None = None
        self._began = self._bytes = 0

    def take(self, datagram: bytes, _sender: str, now: int) -> None:
        """Take a datagram in."""
        if self._open is None:
            self._open = Aggregate(self._gauges, is_summary=self._is_summary)
            self._began, self._bytes = now - now % self._interval, 0
        self._bytes += len(datagram)
        for sample in decode(datagram, self._around.counts):
            self._open.add(sample)

    def is_due(self, now: int) -> bool:
        """Whether the interval is over, or holds as much as it may."""
        if self._open is None:
            return False
        is_full = self._open.held >= _MOST_HELD or self._bytes >= _MOST_BYTES
        # A clock that is set back must not make an interval of an hour.
        return is_full or not self._began <= now < self._began + self._interval

    def flush(self, id_prefix: str) -> tuple[list[WireEvent], list[Change]]:
        """Return the events of the interval, and what is to be remembered with them."""
        if self._open is None:
            return [], []
        done, self._open = self._open, None
        return done.events(id_prefix, self._began), done.changed_gauges()


def _known_gauges(memory: Memory) -> dict[Series, Fraction]:
    found: dict[Series, Fraction] = {}
    for name, tags, value in memory.all("gauge", tuple[str, list[tuple[str, str]], str]).values():
        found[(name, "g", tuple(tags))] = Fraction(value)
    return found


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add where to listen and how to sum up."""
    add_udp_flags(parser, "127.0.0.1:8125")
    parser.add_argument("--interval", type=_seconds, default=10, metavar="SECONDS", help="how long is summed up into one event a series (default: 10)")  # fmt: skip
    parser.add_argument("--timers", choices=("each", "summary"), default="each", help="one event a sample, so that percentiles are exact (default), or one a series and interval")  # fmt: skip


def follow(args: argparse.Namespace, around: Surroundings) -> Datagrams:
    """Begin to listen."""
    made = Metrics(around, args.interval, is_summary=args.timers == "summary")
    return Datagrams(args.listen, made, around)


def _seconds(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 3600:
        raise argparse.ArgumentTypeError("must be from 1 to 3600")
    return number


statsd = Listener(
    name="statsd",
    summary="StatsD and DogStatsD metrics over UDP, summed up by interval.",
    add_flags=add_flags,
    identity=udp_identity,
    open=follow,
)
