"""Every answer says what it depends on, and can be had again by it: for every insight there is."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import tzdata
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.app.test_as_of import Past, past
from tests.conformance.insight_world import Given, everything, histories, questions
from tests.strategies import NOW, Link, Use

import tallymark
from tallymark.app.scoping import Asking
from tallymark.core.clock import DAY
from tallymark.core.event import Event, IdentityLink, ProfileOp

ROBOT = "Googlebot/2.1 (+http://www.google.com/bot.html)"
# A little of what each insight looks for, in one history.
MIXED = histories(*everything().values())
DEFINED = [
    {"cohorts": {"some": {"who": {"op": "ids", "ids": ["ana", "tv"]}}}},
    {"cohorts": {"some": {"who": {"op": "ids", "ids": ["bo"]}}, "more": {"who": {"op": "did"}}}},
]
OF_SOME = {"filter": {"op": "in_cohort", "cohort": "some"}}


def sent(number: int, use: Use) -> Event:
    """Return an event as collection keeps it."""
    context = {
        "page_path": use.path, "page_host": "shop.test", "utm_source": use.utm_source, **use.also,
        "user_agent": ROBOT if use.is_bot else "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
    }  # fmt: skip
    told = {
        "name": use.name, "id": f"e{number}", "time": use.time, "time_client": use.time,
        "kind": use.kind, "user_id": use.user, "anonymous_id": use.anonymous,
        "session_id": use.session, "groups": {"account": use.account} if use.account else {},
        "properties": use.properties, "context": context, "value": use.value,
        "revenue": use.revenue, "currency": use.currency,
    }  # fmt: skip
    return msgspec.convert(told, Event)


def arrive(told: Past, history: Given, first: int) -> None:
    """Take a history in, in batches of a few, each loaded by itself."""
    for start in range(0, len(history), 25):
        events: list[Event] = []
        commands: list[ProfileOp | IdentityLink] = []
        for number, one in enumerate(history[start : start + 25], start=first + start):
            match one:
                case Use():
                    events.append(sent(number, one))
                case Link():
                    link = IdentityLink(one.anonymous, one.user, f"l{number}", NOW, how=one.how)
                    commands.append(link)
                case ProfileOp():
                    commands.append(msgspec.structs.replace(one, id=f"p{number}"))
        told.world.send(*events, commands=commands)
        told.world.load()


def asked(
    told: Past, insight: str, question: Any, version: int, as_of: str | None = None
) -> dict[str, Any]:
    """Return an answer, asked with a version of the definitions."""
    asking = Asking(
        "p", insight, msgspec.json.encode(question), timezone="Europe/Berlin", as_of=as_of,
        definitions=msgspec.json.encode(DEFINED[version - 1]).decode(), definitions_version=version,
    )  # fmt: skip
    answer: dict[str, Any] = msgspec.json.decode(told.answering.answer(asking))
    return answer


def every_question() -> Iterable[tuple[str, dict[str, Any]]]:
    for name, insight in everything().items():
        example, least = questions(insight)
        yield from ((name, example), (name, least), (name, {**example, **OF_SOME}))


def zone_data() -> str:
    """Return the version that the zone files themselves state."""
    first = (Path(tzdata.__file__).parent / "zoneinfo" / "tzdata.zi").read_text().split("\n")[0]
    return first.removeprefix("# version ")


def last_claim(told: Past) -> int:
    return int(told.world.rows("SELECT coalesce(max(seq), 0) FROM identity_link")[0][0])


@settings(max_examples=1, deadline=None, suppress_health_check=[*HealthCheck], phases=[Phase.generate])  # fmt: skip
@given(st.data())
def test_every_answer_says_what_it_is_of_and_is_had_again_by_it(data: Any) -> None:
    # Whose the phone is comes later, and that the laptop is not who it was taken for.
    history = data.draw(MIXED)[:-1]
    later = [*data.draw(MIXED), Link("laptop", "ana", how="retract")]
    with past() as told:
        told.clock.time = NOW
        arrive(told, history, 0)
        answers = []
        for name, question in every_question():
            told.answering.forget()
            began = time.monotonic()
            answer = asked(told, name, question, 1)
            check_source(told, answer["provenance"], (time.monotonic() - began) * 1000)
            assert answer["provenance"]["insight"] == name
            answers.append((name, question, answer))
        check_definitions(told, answers)

        arrive(told, later, 10_000)
        told.clock.time += DAY
        told.answering.forget()
        assert any(asked(told, name, asks, 1)["data"] != one["data"] for name, asks, one in answers)
        for name, question, answer in answers:
            again = asked(told, name, question, 1, answer["provenance"]["as_of"])
            for part in ("data", "table", "question"):
                assert msgspec.json.encode(again[part]) == msgspec.json.encode(answer[part]), name
            for part in ("definition", "log_position", "identity_position", "as_of"):
                assert again["provenance"][part] == answer["provenance"][part], name


def check_source(told: Past, source: dict[str, Any], took: float) -> None:
    """Hold what an answer says it is of to what it was of; it took at most so many milliseconds."""
    assert source["project"] == "p"
    assert source["log_position"] == told.world.engine.position("p")
    assert source["identity_position"] == last_claim(told) > 0
    assert source["timezone"] == "Europe/Berlin"
    assert source["timezone_data"] == zone_data()
    assert source["engine"] == f"duckdb {duckdb.__version__}"
    assert source["version"] == tallymark.__version__
    assert source["definitions_version"] == 1
    assert source["rows_read"] > 0, source["insight"]
    assert 0 < source["took_ms"] <= took + 0.1
    assert not source["is_kept"]


def check_definitions(told: Past, answers: list[tuple[str, Any, Any]]) -> None:
    """Hold hashes to what they stand for: one for what is one question, and for no other."""
    hashes: dict[str, str] = {}
    for name, _, answer in answers:
        whole = f"{name} {msgspec.json.encode(answer['question']).decode()}"
        assert hashes.setdefault(answer["provenance"]["definition"], whole) == whole
    for name, question, answer in answers[2::3]:
        told.answering.forget()
        # The question as the answer tells it, with all defaults, is the same question.
        same = asked(told, name, answer["question"], 1)
        other = asked(told, name, question, 2)
        assert same["provenance"]["definition"] == answer["provenance"]["definition"], name
        assert same["data"] == answer["data"], name
        assert other["provenance"]["definition"] != answer["provenance"]["definition"], name


def test_the_zone_of_an_answer_is_that_of_its_question() -> None:
    with past() as told:
        told.clock.time = NOW

        for name, insight in everything().items():
            answer = asked(told, name, {**insight.example, "timezone": "Asia/Kathmandu"}, 1)
            assert answer["provenance"]["timezone"] == "Asia/Kathmandu", name
            assert answer["provenance"]["log_position"] == 0
