"""What a plan expects of the stream of an event: counted by hand, and beside a plain count."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import pytest
from tests.schema.plans import event, plan

from tallymark.api.answers import Monitored
from tallymark.app.folders import Folders
from tallymark.app.monitors import monitored
from tallymark.cli.doctor import monitors as told_by_doctor
from tallymark.cli.main import main
from tallymark.client import connect
from tallymark.collect.load import Loader
from tallymark.core.clock import DAY, SystemClock
from tallymark.core.event import Batch, Event
from tallymark.core.settings import Settings
from tallymark.log.codec import encode_batch
from tallymark.log.sqlite import SqliteLog
from tallymark.schema.enforce import compiled
from tallymark.schema.plan import Monitors
from tallymark.store.engine import Fetch, Limits
from tallymark.store.engines.duckdb import DuckEngine

NOW = 1_790_000_000_000_000
SECOND = 1_000_000
WEEKLY = "{volume: {vs: same_weekday, mad: 2}}"
DAILY = "{volume: {vs: yesterday, mad: 2}}"


def watched(text: str) -> Monitors:
    made = plan(event("a: {type: string}, b: {type: number}", monitors=text))
    return compiled(made).monitors["e"]


class Stream:
    """A store that is filled with uses of ``e`` at instants of receipt."""

    def __init__(self, folder: Path) -> None:
        folders = Folders(folder)
        folders.project("p").mkdir(parents=True)
        self._log = SqliteLog(folders.log("p"))
        self._engine = DuckEngine(folders.store, memory_bytes=2**27, threads=1)
        self._loader = Loader("p", self._engine, self._log, folders.index("p"), Settings(), SystemClock())  # fmt: skip
        self._sent = 0

    def close(self) -> None:
        self._loader.close()
        self._engine.close()
        self._log.close()

    def receive(
        self, at: int, properties: Sequence[dict[str, Any]], name: str = "e", source: str = "sk_1"
    ) -> None:
        uses = [
            Event(name, f"{self._sent}-{number}", at, properties=one)
            for number, one in enumerate(properties)
        ]
        self._sent += 1
        batch = Batch(at, source, "native", len(uses), events=uses)
        self._log.append([encode_batch(batch)])

    def days(self, counts: dict[int, int], name: str = "e") -> None:
        """Receive so many uses in the middle of the day that ended so many days ago."""
        for days_ago, count in sorted(counts.items(), reverse=True):
            self.receive(NOW - days_ago * DAY - DAY // 2, [{}] * count, name)

    @contextmanager
    def loaded(self) -> Iterator[Fetch]:
        """Give a way to read what was received."""
        while self._loader.step():
            pass
        with self._engine.reading("p", Limits(60, 2**27, 100_000)) as fetch:
            yield fetch

    def told(self, text: str, *, hours: int = 24) -> list[Monitored]:
        with self.loaded() as fetch:
            return monitored(fetch, NOW, NOW - hours * 3600 * SECOND, {"e": watched(text)})

    def one(self, text: str, *, hours: int = 24) -> Monitored:
        (found,) = self.told(text, hours=hours)
        return found


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[Stream]:
    made = Stream(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(("seconds", "is_met"), [(0, True), (899, True), (900, True), (901, False)])
def test_what_came_within_the_time_is_fresh(stream: Stream, seconds: int, is_met: bool) -> None:
    stream.receive(NOW - DAY, [{}])
    stream.receive(NOW - seconds * SECOND, [{}])
    stream.receive(NOW, [{}], "another")

    assert stream.one("{freshness: 15m}") == Monitored(
        "e", "freshness", None, float(seconds), None, 900, is_met
    )


def test_what_never_came_is_not_fresh_and_nothing_else_can_be_said(stream: Stream) -> None:
    stream.receive(NOW, [{}], "another")

    told = stream.told("{freshness: 2h, volume: {vs: yesterday, mad: 1}, null_rate: {a: 0.01}}")

    assert told == [
        Monitored("e", "freshness", None, None, None, 7200, False),
        Monitored("e", "volume", None, 0, None, None, None),
        Monitored("e", "null_rate", "a", None, None, 0.01, None),
    ]


@pytest.mark.parametrize(("today", "is_met"), [(5, False), (6, True), (14, True), (15, False)])
def test_volume_is_held_against_the_median_of_the_same_weekdays(
    stream: Stream, today: int, is_met: bool
) -> None:
    # Of 7, 9, 10, 11 and 12 the median is 10, and that of 3, 1, 0, 1 and 2 is 1; twice it is 2.
    weeks = {7: 12, 14: 9, 21: 10, 28: 11, 35: 7}
    stream.days({0: today, 1: 500, 8: 500, 36: 1, **weeks})

    told = stream.one("{volume: {vs: same_weekday, mad: 4}}")

    assert told == Monitored("e", "volume", None, today, 6, 14, is_met)


def test_volume_is_held_against_yesterday_by_how_days_differ(stream: Stream) -> None:
    # Of 20, 12, 10 and 14 the median is 13, and that of 7, 1, 3 and 1 is 2; twice it is 4.
    stream.days({0: 25, 1: 20, 2: 12, 3: 10, 4: 14, 5: 99})
    stream.days({6: 1}, "another")

    assert stream.one(DAILY) == Monitored("e", "volume", None, 25, 16, 24, False)


def test_days_that_never_differ_allow_for_one(stream: Stream) -> None:
    stream.days({0: 12, 7: 10, 14: 10, 21: 10, 22: 10})

    assert stream.one(WEEKLY) == Monitored("e", "volume", None, 12, 8, 12, True)


def test_days_before_the_first_are_no_days_without_any(stream: Stream) -> None:
    stream.days({0: 1, 7: 10, 14: 10, 21: 10})

    assert stream.one(WEEKLY) == Monitored("e", "volume", None, 1, None, None, None)


def test_days_without_any_after_the_first_count(stream: Stream) -> None:
    stream.days({0: 0, 28: 5})

    assert stream.one(WEEKLY) == Monitored("e", "volume", None, 0, 0, 2, True)


def test_a_property_is_lacking_where_it_is_missing_or_null(stream: Stream) -> None:
    stream.receive(NOW - 2 * DAY, [{}] * 50)
    stream.receive(NOW - 5, [{"a": "x", "b": 1}, {"a": None, "b": 0}, {"b": "1"}, {"a": "", "b": True}])  # fmt: skip

    told = stream.told("{null_rate: {a: 0.5, b: 0}}")

    assert told == [
        Monitored("e", "null_rate", "a", 0.5, None, 0.5, True),
        Monitored("e", "null_rate", "b", 0, None, 0, True),
    ]
    assert stream.told("{null_rate: {a: 0.49}}")[0].is_met is False
    assert stream.one("{null_rate: {a: 1}}", hours=72).found == 52 / 54


def test_a_property_that_no_event_has_is_always_lacking(stream: Stream) -> None:
    stream.receive(NOW - 5, [{"b": 1}] * 3)

    assert stream.one("{null_rate: {a: 0.999}}") == Monitored(
        "e", "null_rate", "a", 1, None, 0.999, False
    )


def test_volume_is_what_a_plain_count_of_the_receipts_gives(stream: Stream) -> None:
    random = Random(4)
    edges = [NOW - days * DAY + one for days in (0, 1, 7, 8, 14) for one in (-1, 0, 1)]
    receipts = [one for one in edges if one <= NOW]
    receipts += [NOW - random.randrange(70 * DAY) for _ in range(1_000)]
    for at in sorted(receipts):
        stream.receive(at, [{}])

    told = stream.one(WEEKLY)

    counts = [
        sum(NOW - (d + 1) * DAY < at <= NOW - d * DAY for at in receipts) for d in range(0, 57, 7)
    ]
    usual = median(counts[1:])
    reach = 2 * max(median(abs(one - usual) for one in counts[1:]), 1)
    assert told == Monitored(
        "e", "volume", None, counts[0], usual - reach, usual + reach,
        usual - reach <= counts[0] <= usual + reach,
    )  # fmt: skip


def test_only_what_is_live_is_watched_as_its_newest_version_says() -> None:
    def of(*texts: str) -> dict[str, str | None]:
        found = compiled(plan(*texts)).monitors
        return {name: one.freshness for name, one in found.items()}

    fresh = event(monitors="{freshness: 1h}")
    newer = event(version="2-0-0", monitors="{freshness: 2h}")

    assert of(fresh) == {"e": "1h"}
    assert of(fresh, newer) == {"e": "2h"}
    assert of(event(status="draft", monitors="{freshness: 1h}")) == {}
    assert of(event(status="retired", monitors="{freshness: 1h}")) == {}
    assert of(event()) == {}


def test_a_pushed_plan_is_watched_and_the_doctor_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "plan" / "events"
    folder.mkdir(parents=True)
    folder.joinpath("e.yaml").write_text(
        event("a: {type: string}", monitors="{freshness: 1h, volume: {vs: yesterday, mad: 3}, null_rate: {a: 0.01}}")
    )  # fmt: skip
    data = str(tmp_path / "data")
    with connect(data, project="default") as client:
        assert main(["plan", "push", str(folder.parent), "--data", data]) == 0
        client.send([{"name": "e", "id": "1", "properties": {"a": "x"}}, {"name": "e", "id": "2"}])
        client.wait()

        told = client.quality()["monitors"]
        capsys.readouterr()
        main(["doctor", "--data", data])

    assert [(one["what"], one["is_met"]) for one in told] == [
        ("freshness", True), ("volume", None), ("null_rate", False),
    ]  # fmt: skip
    printed = capsys.readouterr().out
    assert "warn  plan: 50.00% of e lack a; 1.00% may\n      → " in printed
    assert "plan: 1 of 3 expectations are met, 1 cannot be told yet" in printed


def test_the_doctor_says_of_each_what_came_and_what_is_expected() -> None:
    figures = [
        ("freshness", None, None, 900.0), ("freshness", 1000.4, None, 900.0),
        ("volume", 5.0, 6.0, 14.0),
    ]  # fmt: skip
    found = {
        "monitors": [
            {"event": "e", "what": what, "property": None, "found": is_so, "low": low, "high": high, "is_met": False}
            for what, is_so, low, high in figures
        ]
    }  # fmt: skip

    assert [one.what for one in told_by_doctor(found)] == [
        "plan: e has never come; one in 900 s is expected",
        "plan: e came last 1,000 s ago; one in 900 s is expected",
        "plan: e came 5 times in 24 hours; 6 to 14 are expected",
        "plan: 0 of 3 expectations are met",
    ]
    assert list(told_by_doctor({"monitors": []})) == []


def test_the_doctor_says_which_property_has_other_values_than_the_plan_allows() -> None:
    drifted = {"event": "e", "what": "drift", "property": "a", "found": 0.314, "low": None, "high": 0.25, "is_met": False}  # fmt: skip

    warned, _ = told_by_doctor({"monitors": [drifted]})

    assert warned.what == ("plan: e.a has other values than in the week before: PSI 0.31; 0.25 may")
