"""Log lines and metrics."""

import io
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.catalog.keys import Kind, new_key_text
from tallymark.core.telemetry import Level, Logger, LogHandler, Metrics

HAND = 1_790_000_000_000_000


class HandClock:
    """A clock that stands still."""

    def now(self) -> int:
        return HAND

    def monotonic(self) -> float:
        return 0.0


def logged(level: Level = "debug") -> tuple[io.StringIO, Logger]:
    stream = io.StringIO()
    return stream, Logger(stream, level=level, clock=HandClock())


def test_a_line_is_one_json_object() -> None:
    stream, logger = logged()

    logger.info("listening", port=8410, names=["a", "b"])

    assert json.loads(stream.getvalue()) == {
        "time": "2026-09-21T14:13:20Z", "level": "info", "part": "front", "message": "listening",
        "port": 8410, "names": ["a", "b"],
    }  # fmt: skip


@given(st.text(), st.text())
def test_whatever_is_logged_stays_on_one_plain_line(message: str, value: str) -> None:
    stream, logger = logged()

    logger.warning(message, value=value)

    line = stream.getvalue()
    assert line.endswith("\n")
    assert all(" " <= character < "\x7f" for character in line[:-1])


@pytest.mark.parametrize("kind", ["public", "secret", "read"])
def test_a_key_is_never_written(kind: Kind) -> None:
    stream, logger = logged()
    key = new_key_text(kind)

    logger.error(f"bad {key}", header=f"Bearer {key}", parts=[key])

    assert key[12:44] not in stream.getvalue()
    assert key[:2] in stream.getvalue()


def test_a_bug_is_written_with_its_places_but_not_its_words() -> None:
    stream, logger = logged()

    try:
        int("ana@example.com")
    except ValueError as error:
        logger.bug("unexpected", error, request_id="r1")

    line = json.loads(stream.getvalue())
    assert line["error"] == "ValueError"
    assert line["at"][0].startswith("test_telemetry.py:")
    assert "ana@" not in stream.getvalue()


def test_what_is_less_severe_than_asked_for_is_left_out() -> None:
    stream, logger = logged("warning")

    logger.info("quiet")
    logger.debug("quieter")
    logger.error("loud")

    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["loud"]


def test_metrics_read_as_prometheus_text() -> None:
    metrics = Metrics()
    metrics.counter("events_total", "Events.", ("outcome",)).add(3, "accepted")
    metrics.counter("events_total", "Events.", ("outcome",)).add(0.5, 'q"\\\n')
    metrics.gauge("open", "Open.").set(2)
    histogram = metrics.histogram("seconds", "Time.", "route")
    for amount in (0.001, 0.002, 99.0):
        histogram.observe(amount, "/a")

    text = metrics.render()

    assert text.startswith("# HELP events_total Events.\n# TYPE events_total counter\n")
    assert 'events_total{outcome="accepted"} 3\n' in text
    assert 'events_total{outcome="q\\"\\\\\\n"} 0.5\n' in text
    assert "# TYPE open gauge\nopen 2\n" in text
    assert 'seconds_bucket{route="/a",le="0.001"} 1\n' in text
    assert 'seconds_bucket{route="/a",le="0.0025"} 2\n' in text
    assert 'seconds_bucket{route="/a",le="10.0"} 2\n' in text
    assert 'seconds_bucket{route="/a",le="+Inf"} 3\n' in text
    assert 'seconds_sum{route="/a"} 99.003\n' in text
    assert 'seconds_count{route="/a"} 3\n' in text


def test_labels_that_nobody_bounded_are_bounded_here() -> None:
    metrics = Metrics()
    counter = metrics.counter("events_total", "Events.", ("name",))

    for number in range(5_000):
        counter.add(1, f"n{number}")

    assert metrics.render().count("\nevents_total{") <= 1_001
    assert counter.value("other") == 4_000


def test_a_counter_reaches_totals_counted_elsewhere_and_never_falls() -> None:
    counter = Metrics().counter("n_total", "N.", ("code",))

    for total in (2, 5, 4):
        counter.reach(total, "A")

    assert counter.render() == ['n_total{code="A"} 5']


def test_a_gauge_is_set_when_the_metrics_are_read() -> None:
    metrics = Metrics()
    gauge = metrics.gauge("lag", "Lag.")
    metrics.before_render(lambda: gauge.set(7))

    assert "lag 7\n" in metrics.render()


def test_one_name_is_one_kind_of_metric() -> None:
    metrics = Metrics()
    metrics.counter("x", "X.")

    with pytest.raises(TypeError):
        metrics.histogram("x", "X.", "route")


def test_what_other_modules_log_becomes_lines_too() -> None:
    stream, logger = logged()
    source = logging.getLogger("tallymark.test_telemetry")
    source.propagate = False
    source.setLevel(logging.DEBUG)
    source.addHandler(LogHandler(logger))

    source.error("project %s: %s", "shop", "the disk\nis full")
    source.debug("detail")
    try:
        int("ana@example.com")
    except ValueError:
        source.exception("it failed")

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["level"] for line in lines] == ["error", "debug", "error"]
    assert lines[0]["message"] == "project shop: the disk\nis full"
    assert lines[2]["error"] == "ValueError"
    assert "ana@" not in stream.getvalue()
