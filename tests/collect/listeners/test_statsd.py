"""StatsD lines against hand-counted events: exact sums, deltas of gauges, and no line that hurts."""

import threading
from collections import Counter
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.collect.listeners.listener import Surroundings
from tallymark.collect.listeners.memory import Memory
from tallymark.collect.listeners.statsd import (
    Aggregate,
    Malformed,
    Metrics,
    Sample,
    Series,
    decode,
    exactly,
    read_line,
)
from tallymark.collect.sources.source import Options
from tallymark.core.clock import SystemClock

START = 1_789_000_000_000_000


def gathered(*datagrams: bytes, is_summary: bool = False, **gauges: int) -> list[tuple[str, Any]]:
    """Return the names and values of the events of some datagrams."""
    known: dict[Series, Fraction] = {
        (name, "g", ()): Fraction(value) for name, value in gauges.items()
    }
    held = Aggregate(known, is_summary=is_summary)
    for datagram in datagrams:
        for sample in decode(datagram, Counter()):
            held.add(sample)
    return [(event["name"], event["value"]) for event in held.events("id", START)]


def test_counters_of_a_series_are_summed_and_scaled_exactly() -> None:
    assert gathered(b"hits:1|c\nhits:2|c|@0.1", b"hits:3|c|@0.3\nother:1|c|#a:b", b"other:1|c") == [
        ("hits", Decimal(31)),
        ("other", Decimal(1)),
        ("other", Decimal(1)),
    ]


def test_a_rate_that_does_not_divide_is_rounded_once_and_not_for_each_sample() -> None:
    assert gathered(*[b"hits:1|c|@0.3"] * 3) == [("hits", Decimal(10))]
    assert gathered(b"hits:1|c|@0.3") == [("hits", Decimal("3.333333333"))]


def test_a_gauge_is_what_was_said_last_and_moves_by_what_has_a_sign() -> None:
    assert gathered(b"g:5|g\ng:7.5|g") == [("g", Decimal("7.5"))]
    assert gathered(b"g:+4|g\ng:-10|g", g=3) == [("g", Decimal(-3))]
    assert gathered(b"g:-1|g") == [("g", Decimal(-1))]


def test_gauges_that_nobody_mentioned_give_no_event_but_are_remembered() -> None:
    assert gathered(b"other:1|g", g=3) == [("other", Decimal(1))]


def test_a_set_counts_its_different_members() -> None:
    assert gathered(b"u:ana|s\nu:bo|s\nu:ana|s\nu:a:b|s") == [("u", Decimal(3))]


def test_each_sample_of_a_timer_is_an_event_with_its_duration() -> None:
    held = Aggregate({}, is_summary=False)
    for sample in decode(b"t:320:20.5|ms|@0.1|#route:/a", Counter()):
        held.add(sample)

    assert held.events("x-1", START) == [
        {
            "name": "t", "time": "2026-09-10T00:26:40Z", "kind": "metric", "value": value,
            "unit": "ms", "id": f"x-1-{place}",
            "properties": {
                "route": "/a", "metric_type": "timer", "duration_ms": value,
                "sample_rate": Decimal("0.1"),
            },
        }
        for place, value in enumerate((Decimal(320), Decimal("20.5")))
    ]  # fmt: skip


def test_a_summary_of_a_timer_has_its_sum_extremes_and_percentiles() -> None:
    held = Aggregate({}, is_summary=True)
    for number in range(1, 101):
        for sample in decode(b"t:%d|ms" % number, Counter()):
            held.add(sample)

    (event,) = held.events("x", START)

    assert event["value"] == 5050
    assert event["properties"] == {
        "metric_type": "timer", "samples": 100, "uses": 100, "min": 1, "max": 100, "p50": 50,
        "p95": 95, "p99": 99,
    }  # fmt: skip


def test_events_and_checks_are_ignored_and_malformed_lines_counted_without_harm_to_others() -> None:
    counts: Counter[str] = Counter()
    lines = [
        b"_e{5,4}:title|text", b"_sc|db|0", b"hits:1|c", b"nothing", b"hits:|c", b"hits:1",
        b"hits:1|x", b":1|c", b"hits:nan|c", b"hits:1|c|@0", b"hits:1|c|@2", b"hits:1e999|c",
        b"hits:\xff|c", b"hits:1e-400|c", b"", b"\r",
    ]  # fmt: skip

    found = decode(b"\n".join(lines), counts)

    assert [sample.series[0] for sample in found] == ["hits"]
    assert counts == {"events and checks ignored": 2, "malformed lines": 11}


def test_fields_of_datadog_that_we_do_not_keep_cost_nothing() -> None:
    (sample,) = read_line("hits:1|c|#env:prod,beta,a:|c:ci-1|T1656581400")

    assert sample == Sample(("hits", "c", (("a", ""), ("beta", ""), ("env", "prod"))), Fraction(1))


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (Fraction(1, 3), "0.333333333"),
        (Fraction(2, 3), "0.666666667"),
        (Fraction(-1, 2_000_000_000), "-1E-9"),
        (Fraction(1200), "1200"),
        (Fraction(10**28), "1" + "0" * 28),
    ],
)
def test_numbers_have_nine_digits_after_the_point(number: Fraction, said: str) -> None:
    assert str(exactly(number)) == said


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 1000)), min_size=1, max_size=50))
def test_the_sum_of_a_counter_is_that_of_plain_fractions(samples: list[tuple[int, int]]) -> None:
    lines = [b"n:%d|c|@%s" % (value, str(Decimal(rate) / 1000).encode()) for value, rate in samples]

    ((_, total),) = gathered(*lines)

    expected = sum(Fraction(value * 1000, rate) for value, rate in samples)
    assert abs(Fraction(total) - expected) <= Fraction(1, 2 * 10**9)


@given(
    st.binary(max_size=400) | st.text(":|@#,.+-_cgmshde0123456789\n", max_size=200).map(str.encode)
)
def test_whatever_arrives_is_events_or_counted(datagram: bytes) -> None:
    counts: Counter[str] = Counter()
    held = Aggregate({}, is_summary=False)

    for sample in decode(datagram, counts):
        held.add(sample)

    assert all(abs(event["value"]) < 10**38 for event in held.events("x", START))


@given(st.text(max_size=100))
def test_a_line_is_read_or_malformed(line: str) -> None:
    with suppress(Malformed):
        assert read_line(line)


def test_an_interval_is_flushed_early_before_it_fills_the_memory(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "follow.db")
    around = Surroundings(
        Options(), SystemClock(), memory, threading.Event(), Counter(), lambda _said: None
    )
    metrics = Metrics(around, 3600, is_summary=False)

    for number in range(20_001):
        metrics.take(b"t%d:1|ms" % number, "", START)
        if number == 10_000:
            assert not metrics.is_due(START)
    is_due_by_count = metrics.is_due(START)
    memory.close()
    events, _ = metrics.flush("x")
    for _ in range(300):
        metrics.take(b"\n" * 60_000, "", START)

    assert is_due_by_count
    assert len(events) == 20_001
    assert metrics.is_due(START)


def test_gauges_are_remembered_within_bounds() -> None:
    held = Aggregate({}, is_summary=False)
    for number in range(21_000):
        for sample in decode(b"g%d:1|g" % number, Counter()):
            held.add(sample)

    assert len(held.gauges) == 20_000
    assert len(held.events("x", START)) == 21_000
