"""An answer can be had again, byte for byte, and what changed since is told cause by cause."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.collect.world import MINUTE, T0, World

from tallymark.app.answering import Answering
from tallymark.app.explaining import Pair, Told, explain
from tallymark.app.kept_answers import Kept, KeptAnswers, Wanted
from tallymark.app.scoping import Asking
from tallymark.core.clock import DAY, SystemClock, rfc3339
from tallymark.core.errors import InvalidQuery
from tallymark.core.event import Context, Event
from tallymark.store.engine import Limits
from tallymark.store.engines.duckdb import DuckEngine

LIMITS = Limits(seconds=20, memory_bytes=128 * 1024 * 1024, rows=10_000)
RANGE = {"since": rfc3339(T0 - DAY), "until": rfc3339(T0 + 2 * DAY)}
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("trends", {"range": "1d", "series": [{"measure": "unique_people"}], "interval": "hour"}),
    ("trends", {"range": RANGE, "series": [{"event": "buy"}], "breakdown": ["properties.plan"]}),
    ("trends", {"range": RANGE, "series": [{"measure": "sessions"}, {"measure": "unique_people"}]}),
    ("events", {"range": RANGE, "limit": 3}),
    ("people", {"range": RANGE}),
]
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class Hands(SystemClock):
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.time = T0

    def now(self) -> int:
        return self.time


class Past:
    """A world, the clock questions are asked by, and what was answered so far."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.clock = Hands()
        self.answering = Answering(self.world.engine, self.world.settings, self.clock)
        self.numbers = itertools.count()
        self.sent: list[Event] = []

    def arrive(self, *told: dict[str, Any]) -> None:
        events = [
            Event(id=f"e{next(self.numbers)}", time_client=one["time"], **one) for one in told
        ]
        self.sent += events
        self.world.send(*events)
        self.world.load()

    def ask(
        self, insight: str, question: dict[str, Any], as_of: str | None = None
    ) -> dict[str, Any]:
        asking = Asking("p", insight, msgspec.json.encode(question), as_of=as_of)
        answer: dict[str, Any] = _decode(self.answering.answer(asking))
        return answer

    def told(self, answer: dict[str, Any]) -> Told:
        source = answer["provenance"]
        return Told(
            source["insight"], source["as_of"], answer["question"], answer["table"],
            version=source["version"],
        )  # fmt: skip

    def make_store_again(self) -> None:
        """Throw the store away, and make it of what the log holds."""
        self.world.loader.close()
        self.world.engine.close()
        for kept in ("store.duckdb", "store.duckdb.wal"):
            (self.world.folder / kept).unlink(missing_ok=True)
        shutil.rmtree(self.world.folder / "index", ignore_errors=True)
        self.world.engine = DuckEngine(
            lambda _: self.world.folder / "store.duckdb",
            memory_bytes=LIMITS.memory_bytes,
            threads=1,
        )
        self.world.loader = self.world.build()
        self.answering = Answering(self.world.engine, self.world.settings, self.clock)
        self.world.load()

    def explained(
        self,
        before: dict[str, Any],
        after: dict[str, Any],
        askings: Sequence[Asking] = (),
        *,
        first: Told | None = None,
    ) -> Any:
        with self.world.engine.reading("p", LIMITS) as reading:
            return explain(
                Pair(first or self.told(before), self.told(after)), askings or [Asking("p", "", b"{}")] * 2,
                reading, self.world.settings, self.clock,
            )  # fmt: skip


@contextmanager
def past() -> Iterator[Past]:
    with tempfile.TemporaryDirectory() as folder:
        made = Past(Path(folder))
        try:
            yield made
        finally:
            made.world.close()


EVENTS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["open", "buy"]),
        "time": st.integers(-40, 120).map(lambda minutes: T0 + minutes * 7 * MINUTE),
    },
    optional={
        "user_id": st.sampled_from(["ana", "bo"]),
        "anonymous_id": st.sampled_from(["phone", "laptop"]),
        "properties": st.sampled_from([{"plan": "pro"}, {"plan": 1}, {"plan": True}, {}]),
    },
)
BATCHES = st.lists(st.lists(EVENTS, max_size=5), min_size=1, max_size=3)


@settings(max_examples=12, deadline=None)
@given(BATCHES)
def test_asked_again_as_of_a_moment_an_answer_has_the_same_bytes(batches: Any) -> None:
    with past() as told:
        answered = []
        for batch in batches:
            told.arrive(*batch)
            told.clock.time += 95 * MINUTE
            answered += [(name, asked, told.ask(name, asked)) for name, asked in QUESTIONS]
        told.clock.time += DAY

        for name, asked, answer in answered:
            told.answering.forget()
            again = told.ask(name, asked, answer["provenance"]["as_of"])
            for part in ("data", "table", "question"):
                assert msgspec.json.encode(again[part]) == msgspec.json.encode(answer[part])
            for source in ("definition", "log_position", "identity_position", "as_of"):
                assert again["provenance"][source] == answer["provenance"][source]


@settings(max_examples=12, deadline=None)
@given(BATCHES, st.sampled_from(QUESTIONS[:3]), st.integers(0, 2))
def test_the_causes_of_a_change_add_up_and_late_events_are_those_that_came_late(
    batches: Any, asked: Any, cut: int
) -> None:
    name, question = asked
    with past() as told:
        for batch in batches[:cut]:
            told.arrive(*batch)
        before = told.ask(name, question)
        known, then = len(told.sent), told.clock.time
        told.clock.time += 95 * MINUTE
        for batch in batches[cut:]:
            told.arrive(*batch)
        after = told.ask(name, question)

        found = told.explained(before, after)

        for change in found.changes:
            assert sum(change.causes.values()) == (change.after or 0) - (change.before or 0)
            assert change.causes.keys() <= {"late_events", "new_events", "people"}
        if name == "trends" and question["series"] == [{"event": "buy"}]:
            late = [one for one in told.sent[known:] if one.name == "buy" and one.time < then]
            assert sum(change.causes.get("late_events", 0) for change in found.changes) == len(late)


def test_each_cause_of_a_change_is_told_apart() -> None:
    question = {"range": RANGE, "interval": "month", "series": [{"measure": "unique_people"}]}
    with past() as told:
        told.arrive(
            {"name": "open", "time": T0 - 9, "anonymous_id": "phone"},
            {"name": "open", "time": T0 - 8, "user_id": "ana"},
            {"name": "open", "time": T0 - 7, "user_id": "bot", "context": Context(user_agent="Googlebot/2.1 (+http://www.google.com/bot.html)")},
        )  # fmt: skip
        before = told.ask("trends", question)
        told.clock.time += 60 * MINUTE
        told.arrive(
            {"name": "open", "time": T0 - 6, "user_id": "late"},
            {"name": "open", "time": T0 + 6, "user_id": "new"},
            {"name": "open", "time": T0 + 7, "anonymous_id": "phone", "user_id": "ana"},
        )
        after = told.ask("trends", {**question, "include_bots": True})

        (change,) = told.explained(before, after).changes

    assert (change.before, change.after) == (2, 4)
    assert change.causes == {"late_events": 1, "new_events": 1, "people": -1, "bots": 1}


def test_what_cannot_be_had_again_is_told_as_such() -> None:
    with past() as told:
        told.arrive({"name": "open", "time": T0 - 9})
        answer = told.ask("trends", {"range": RANGE, "interval": "month"})
        answer["table"]["rows"][0][1] = 3

        (change,) = told.explained(
            answer, told.ask("trends", {"range": RANGE, "interval": "month"})
        ).changes

    assert change.causes == {"recomputed": -2}


def test_events_that_are_gone_from_the_log_are_told_as_no_longer_kept() -> None:
    question = {"range": RANGE, "interval": "month"}
    with past() as told:
        told.arrive({"name": "open", "time": T0 - 9}, {"name": "open", "time": T0 - 8})
        told.arrive({"name": "open", "time": T0 - 7})
        before = told.ask("trends", question)

        told.world.log.erase([1])
        told.make_store_again()
        told.arrive({"name": "open", "time": T0 - 6})
        after = told.ask("trends", question)
        then = told.ask("trends", question, before["provenance"]["as_of"])
        (change,) = told.explained(before, after).changes
        of_another_version = msgspec.structs.replace(told.told(before), version="0.0.1")
        (unsure,) = told.explained(before, after, first=of_another_version).changes

    assert (change.before, change.after) == (3, 2)
    assert change.causes == {"not_kept": -2, "late_events": 1}
    assert then["table"]["rows"][0][1] == 1
    assert unsure.causes == {"recomputed": -2, "late_events": 1}


def test_trimming_the_log_takes_nothing_out_of_an_answer() -> None:
    question = {"range": RANGE, "interval": "month"}
    with past() as told:
        told.arrive({"name": "open", "time": T0 - 9})
        told.arrive({"name": "open", "time": T0 - 7})
        before = told.ask("trends", question)

        trimmed = told.world.log.trim(before_received_at=T0 + DAY, upto_position=2)
        told.arrive({"name": "open", "time": T0 - 6})
        told.answering.forget()
        again = told.ask("trends", question, before["provenance"]["as_of"])
        (change,) = told.explained(before, told.ask("trends", question)).changes

    assert trimmed == 2
    assert again["data"] == before["data"]
    assert change.causes == {"late_events": 1}


def test_whether_an_event_is_of_a_robot_is_decided_once() -> None:
    robot = Context(user_agent="Googlebot/2.1 (+http://www.google.com/bot.html)")
    decided = "SELECT event_id, is_bot FROM event WHERE event_id IN ('e0', 'e1') ORDER BY event_id"
    with past() as told:
        told.arrive(
            {"name": "open", "time": T0, "anonymous_id": "phone", "context": robot},
            {"name": "open", "time": T0 + 1, "anonymous_id": "laptop"},
        )
        first = told.world.rows(decided)

        told.arrive(
            {"name": "open", "time": T0 - 1, "anonymous_id": "laptop", "context": robot},
            {"name": "open", "time": T0 - 2, "anonymous_id": "phone", "user_id": "ana"},
            {"name": "open", "time": T0 - 3, "anonymous_id": "laptop", "user_id": "ana"},
        )
        told.world.restart()
        told.world.load()

        assert first == told.world.rows(decided) == [("e0", True), ("e1", False)]


def test_a_moment_that_has_not_come_or_is_none_is_refused() -> None:
    with past() as told:
        told.arrive({"name": "open", "time": T0})

        with pytest.raises(InvalidQuery, match="not loaded yet"):
            told.ask("trends", {}, as_of="2")
        for text in ("", "now", "1@", "1@2026", "-1", "1@2026-11-26T00:00:00"):
            with pytest.raises(InvalidQuery, match="names no moment"):
                told.ask("trends", {}, as_of=text)


def test_as_of_a_position_now_is_when_its_last_event_was_received() -> None:
    with past() as told:
        told.arrive({"name": "open", "time": T0, "user_id": "ana"})
        told.clock.time += 40 * DAY

        answer = told.ask("trends", {"range": "1d"}, as_of="1")

    assert answer["data"]["range"]["since"] == rfc3339(T0 // DAY * DAY)


def test_the_same_question_about_the_same_events_is_computed_once_in_ten_seconds() -> None:
    with past() as told:
        told.arrive({"name": "open", "time": T0})
        first = told.ask("trends", {"range": "7d"})
        told.clock.time += 9_000_000
        second = told.ask("trends", {"range": "7d", "interval": "day"})
        told.clock.time += 2_000_000
        third = told.ask("trends", {"range": "7d"})
        told.arrive({"name": "open", "time": T0})
        fourth = told.ask("trends", {"range": "7d"})

    kept = [one["provenance"]["is_kept"] for one in (first, second, third, fourth)]
    assert kept == [False, True, False, False]
    assert second["provenance"]["as_of"] == first["provenance"]["as_of"]
    assert second["data"] == first["data"]
    assert [one["data"]["lines"][0]["total"] for one in (third, fourth)] == [1, 2]


def test_answers_that_are_kept_take_no_more_room_than_they_may() -> None:
    kept = KeptAnswers(8_000)
    for number in range(50):
        wanted = Wanted(str(number), "p", "UTC", 1)
        kept.keep(wanted, Kept(0, b"x" * 1_000, b"", 1))

    found = [kept.find(Wanted(str(number), "p", "UTC", 1), 0) is not None for number in range(50)]

    assert sum(found) == 5
    assert all(found[45:])
    kept.keep(Wanted("large", "p", "UTC", 1), Kept(0, b"x" * 7_000, b"", 1))
    assert kept.find(Wanted("large", "p", "UTC", 1), 0) is None


def test_an_answer_is_kept_for_the_definitions_it_was_asked_with_alone() -> None:
    def counted(version: int, sent: str) -> tuple[Any, ...]:
        defined = {"events": {"bought": {"events": [{"event": sent}]}}}
        question = {"range": RANGE, "series": [{"event": "bought"}]}
        asking = Asking(
            "p",
            "trends",
            msgspec.json.encode(question),
            definitions=msgspec.json.encode(defined).decode(),
            definitions_version=version,
        )
        answer = msgspec.json.decode(made.answering.answer(asking))
        source = answer["provenance"]
        line = answer["data"]["lines"][0]
        return line["total"], source["definitions_version"], source["is_kept"]

    with past() as made:
        made.arrive({"name": "buy", "user_id": "ana", "time": T0})

        found = [counted(1, "buy"), counted(2, "buy"), counted(3, "sell")]

    assert found == [(1, 1, False), (1, 2, True), (0, 3, False)]


def test_what_a_definition_changed_is_told_apart_from_events_that_came() -> None:
    def asking(sent: str) -> Asking:
        defined = {"events": {"bought": {"events": [{"event": sent}]}}}
        question = {"range": RANGE, "series": [{"event": "bought"}]}
        return Asking(
            "p",
            "trends",
            msgspec.json.encode(question),
            definitions=msgspec.json.encode(defined).decode(),
        )

    with past() as made:
        made.arrive({"name": "buy", "user_id": "ana", "time": T0})
        before = msgspec.json.decode(made.answering.answer(asking("buy")))
        made.arrive(
            {"name": "buy", "user_id": "bo", "time": T0},
            {"name": "sell", "user_id": "bo", "time": T0},
        )
        after = msgspec.json.decode(made.answering.answer(asking("sell")))

        found = made.explained(before, after, [asking("buy"), asking("sell")])

    assert [one.causes for one in found.changes] == [{"new_events": 1, "definition": -1}]
