"""How properties drift: counted by hand, and beside an oracle over the list of what was sent."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.app import drift_oracle as oracle
from tests.app.test_monitors import Stream, watched

from tallymark.api.drift_answers import Having, Moved, PropertyDrift
from tallymark.app import drift as drifting
from tallymark.app.drift import Figures, drift
from tallymark.app.monitors import drift_monitored
from tallymark.app.quality import quality
from tallymark.app.stability import differs, psi, psi_by_chance
from tallymark.cli.doctor import drifts
from tallymark.core.clock import DAY
from tallymark.core.errors import QuestionStopped
from tallymark.core.sql import Sql
from tallymark.store.engine import Rows

NOW = 1_790_000_000_000_000


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[Stream]:
    made = Stream(tmp_path)
    yield made
    made.close()


def figures(stream: Stream, now: int = NOW, watch: Mapping[str, Any] | None = None) -> Figures:
    with stream.loaded() as fetch:
        return drift(fetch, now, now - DAY, watch or {})


def one(stream: Stream, name: str = "a") -> PropertyDrift:
    (found,) = [told for told in figures(stream).properties if told.property == name]
    return found


def before(stream: Stream, *uses: dict[str, Any], **about: str) -> None:
    stream.receive(NOW - 2 * DAY, uses, **about)


def now(stream: Stream, *uses: dict[str, Any], **about: str) -> None:
    stream.receive(NOW - DAY // 2, uses, **about)


def test_the_index_by_hand() -> None:
    # Of 200 uses 100 were of each value; now of 200 it is 150 and 50. With half a use more of each,
    # p = 100.5/201 = 1/2 of both, q = 150.5/201 and 50.5/201, and
    # (q1 - p) ln(q1/p) + (q2 - p) ln(q2/p) = 0.24876 · 0.40382 + 0.24876 · 0.68817 = 0.27164.
    assert round(psi([100, 100], [150, 50]), 4) == Decimal("0.2716")
    assert psi([7], [9]) == 0
    assert psi([10, 0, 5], [10, 0, 5]) == 0


def test_chance_is_a_thousandth_of_chi_squared_by_its_tables() -> None:
    # 10.828, 27.877 and 85.351 are exceeded once in a thousand times with 1, 9 and 49 degrees.
    for values, table in ((2, 10.828), (10, 27.877), (50, 85.351)):
        assert float(psi_by_chance(values, 200, 200)) == pytest.approx(table / 100, rel=0.04)
    assert psi_by_chance(1, 200, 200) == 0


def test_shares_differ_by_so_many_points_and_not_by_chance() -> None:
    tenth = Fraction(1, 10)

    assert differs((100, 1000), (200, 1000), tenth)
    assert not differs((100, 1000), (199, 1000), tenth)
    assert not differs((1, 10), (3, 10), tenth)
    assert not differs((10, 10), (10, 10), Fraction(0))
    assert not differs((0, 0), (10, 10), tenth)


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=2, max_size=60))
def test_the_index_is_symmetric_and_0_only_without_a_difference(
    counts: list[tuple[int, int]],
) -> None:
    was, has = [one for one, _ in counts], [one for _, one in counts]

    found = psi(was, has)

    assert abs(found - psi(has, was)) < Decimal("1e-20")
    assert psi(was, was) == 0
    assert found >= 0
    assert float(found) == pytest.approx(oracle.index(dict(enumerate(counts))), abs=1e-9)


def test_a_property_is_compared_with_the_seven_days_before_by_source_and_event(
    stream: Stream,
) -> None:
    before(stream, *[{"a": "x"}] * 80, *[{"a": "y"}] * 40, *[{}] * 40)
    now(stream, *[{"a": "x"}] * 20, *[{"a": "y"}] * 100, *[{}] * 40)
    # What another source sends is compared with itself.
    before(stream, *[{"a": "y"}] * 200, source="pk_2")
    now(stream, *[{"a": "y"}] * 200, source="pk_2")
    stream.receive(NOW - 9 * DAY, [{"a": "y"}] * 500)

    found = figures(stream)

    shifted, same = found.properties
    # p = 80.5/121 and 40.5/121, q = 20.5/121 and 100.5/121: 0.49587 · (1.36784 + 0.90884).
    assert shifted == PropertyDrift(
        "sk_1", "native", "e", "a",
        Having(160, 120, 0, 0), Having(160, 120, 0, 0),
        psi=shifted.psi, psi_by_chance=shifted.psi_by_chance,
        moved=Moved("x", 80 / 120, 20 / 120), drifts=["values"],
    )  # fmt: skip
    assert shifted.psi == pytest.approx(1.12894, abs=1e-5)
    assert shifted.psi_by_chance == pytest.approx(10.828 / 60, rel=0.04)
    assert (same.source, same.psi, same.drifts) == ("pk_2", 0, [])
    told = found.told
    assert (told.streams, told.too_few, told.left_out, told.drifting) == (2, 0, 0, 1)
    assert (told.before_us, told.one_in_before, told.one_in_now) == (NOW - 8 * DAY, 1, 1)


def test_what_is_new_vanished_lacking_or_of_another_type_is_told_as_that(stream: Stream) -> None:
    was = {"gone": 1, "typed": 3, "kept": "x", "nulled": 1}
    has = {"fresh": True, "typed": "3", "kept": "x", "nulled": None}
    before(stream, *[was] * 150)
    now(stream, *[has] * 120, *[has | {"nulled": 1}] * 30)

    found = {told.property: told.drifts for told in figures(stream).properties}

    assert found == {
        "gone": ["vanished"], "fresh": ["new"], "kept": [], "nulled": ["lacking"], "typed": ["types"],
    }  # fmt: skip
    typed = one(stream, "typed")
    assert (typed.before.number, typed.now.number, typed.now.text) == (150, 0, 150)


def test_a_rare_property_that_may_well_be_away_has_not_vanished(stream: Stream) -> None:
    before(stream, *[{"a": "x"}] * 9, *[{}] * 91)
    now(stream, *[{}] * 100)
    told = one(stream)
    before(stream, *[{"a": "x"}])

    assert told.drifts == []
    assert one(stream).drifts == []
    now(stream, *[{}] * 2)
    assert one(stream).drifts == ["vanished"]


def test_of_few_uses_nothing_is_said(stream: Stream) -> None:
    before(stream, *[{"a": "x"}] * 500)
    now(stream, *[{"a": "y"}] * 99)

    found = figures(stream)

    assert (found.properties, found.told.too_few, found.told.streams) == ([], 1, 0)


def test_values_of_few_that_have_them_have_no_index(stream: Stream) -> None:
    before(stream, *[{"a": "x"}] * 99, *[{}] * 99)
    now(stream, *[{"a": "y"}] * 99, *[{}] * 99)

    assert (one(stream).psi, one(stream).psi_by_chance, one(stream).drifts) == (None, None, [])


def test_ids_that_are_never_the_same_do_not_drift(stream: Stream) -> None:
    before(stream, *[{"a": f"id-{number}"} for number in range(300)])
    now(stream, *[{"a": f"id-{number}"} for number in range(300, 450)])

    assert one(stream).drifts == []


def test_few_numbers_are_values_and_many_are_told_by_tenths_of_before(stream: Stream) -> None:
    before(stream, *[{"a": 200, "b": Decimal(number) / 2} for number in range(1, 201)])
    now(stream, *[{"a": 500, "b": Decimal(number) / 2 + 15} for number in range(1, 201)])

    few, many = one(stream, "a"), one(stream, "b")

    assert few.moved == Moved("200", 1, 0)
    # Below 10.5 lay a tenth before; now nothing does. Over 90 lay a tenth, now a quarter does.
    assert many.moved is not None
    assert many.moved.value in ("up to 10", "over 90")
    assert many.drifts == ["values"]


def test_more_events_than_are_looked_at_are_compared_by_every_so_many(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drifting, "_MOST_EVENTS", 400)
    before(stream, *[{"a": "x"}] * 1_000)
    now(stream, *[{"a": "y"}] * 300)

    found = figures(stream)

    # 1000 are two and a half times 400, so every third is looked at.
    assert (found.told.one_in_before, found.told.one_in_now) == (3, 1)
    assert found.properties[0].before.events in (333, 334)
    assert found.properties[0].now.events == 300
    assert found.properties[0].drifts == ["values"]


@pytest.mark.parametrize(("code", "is_told"), [("QUERY_STOPPED", True), ("QUERY_CANCELLED", False)])
def test_where_time_ends_what_was_compared_is_told(
    stream: Stream, monkeypatch: pytest.MonkeyPatch, code: str, is_told: bool
) -> None:
    monkeypatch.setattr(drifting, "_TOGETHER", 1)
    for part in (before, now):
        part(stream, *[{"a": "x"}] * 100, *[{"a": "x", "b": 1}] * 100)

    with stream.loaded() as fetch:

        def in_time(statement: Sql) -> Rows:
            if "b" in statement.params:
                raise QuestionStopped("The question was stopped.", code=code)
            return fetch(statement)

        if is_told:
            told = drift(in_time, NOW, NOW - DAY, {}).told
            assert [one.property for one in told.properties] == ["a"]
            assert (told.is_finished, told.left_out) == (False, 1)
        else:
            with pytest.raises(QuestionStopped):
                drift(in_time, NOW, NOW - DAY, {})


def test_what_is_watched_is_compared_before_others(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drifting, "_MOST_STREAMS", 1)
    monkeypatch.setattr(drifting, "_MOST_NAMES", 1)
    uses = [{"a": "x", "b": 1}] * 100
    for part in (before, now):
        part(stream, *uses)
        part(stream, *[{"a": "x"}] * 200, name="other")

    plain, watching = figures(stream), figures(stream, watch={"e": ["b"]})

    assert [(told.event, told.property) for told in plain.properties] == [("other", "a")]
    assert [(told.event, told.property) for told in watching.properties] == [("e", "b")]
    assert watching.told.left_out == 2


def test_the_plan_says_how_far_a_property_may_drift(stream: Stream) -> None:
    before(stream, *[{"a": "x", "b": 1}] * 120, *[{"a": "y", "b": 1}] * 80)
    now(stream, *[{"a": "x", "b": 1}] * 80, *[{"a": "y", "b": 1}] * 120)
    index = one(stream).psi
    assert index is not None
    assert 0.15 < index < 0.17

    def told(limits: str) -> list[tuple[str | None, float | None, bool | None]]:
        plan = {"e": watched(f"{{drift: {limits}}}")}
        with stream.loaded() as fetch:
            limits_of = {"e": plan["e"].drift}
            compared = drift(fetch, NOW, NOW - DAY, limits_of).properties
            found = drift_monitored(limits_of, compared)
        assert {each.what for each in found} == {"drift"}
        return [(each.property, each.found, each.is_met) for each in found]

    assert told("{a: 0.2, b: 0.1}") == [("a", index, True), ("b", 0, True)]
    assert told("{a: 0.14}") == [("a", index, False)]
    # Chance alone would reach 0.11.
    assert told("{a: 0.001, b: 0.001}")[1] == ("b", 0, True)


def test_the_doctor_tells_under_each_source_what_drifts(stream: Stream) -> None:
    was = {"gone": 1, "typed": 3, "plan": "pro", "nulled": 1}
    has = {"fresh": True, "typed": "3", "plan": "free", "nulled": None}
    before(stream, *[was] * 150)
    now(stream, *[has] * 120, *[has | {"nulled": 1}] * 30)

    compared = msgspec.to_builtins(figures(stream).told)["properties"]
    told = {(one.health, one.what) for one in drifts("native from sk_1", compared)}

    assert told == {
        ("warn", "  native from sk_1: e.gone is gone: 100.0% had it in the week before"),
        ("ok", "  native from sk_1: e.fresh is new: 100.0% of the events have it"),
        ("warn", "  native from sk_1: e.nulled is had by 20.0% of the events, and by 100.0% in the week before"),
        ("warn", "  native from sk_1: e.typed is 100% text; in the week before it was 100% a number"),
        ("warn", "  native from sk_1: e.plan has other values (PSI 11.34): 'free' is 100.0% of them, was 0.0% in the week before"),
    }  # fmt: skip
    assert [one.what for one in drifts("x", compared * 3)][-1] == "  x: 7 more drifts"


def test_the_answer_on_quality_holds_what_drifts_and_what_the_plan_says_of_it(
    stream: Stream,
) -> None:
    before(stream, *[{"a": "x"}] * 200)
    now(stream, *[{"a": "y"}] * 150)

    with stream.loaded() as fetch:
        told = quality(fetch, NOW, 24, {"e": watched("{freshness: 1d, drift: {a: 0.2}}")})

    assert [one.property for one in told.compared.properties] == ["a"]
    assert told.compared.is_finished
    assert [(one.what, one.is_met) for one in told.monitors] == [
        ("freshness", True), ("drift", False),
    ]  # fmt: skip


VALUES = (
    st.sampled_from(["x", "y", "", "é", "z" * 100])
    | st.sampled_from([0, 1, Decimal("1.5"), Decimal("-0.000000001"), 10**20])
    | st.sampled_from([True, False, [1], {"n": 1}, None, oracle.MISSING])
)
COUNTS = st.integers(0, 150)
SPREAD = st.tuples(st.sampled_from(["none", "texts", "numbers"]), st.integers(-40, 40))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(VALUES, COUNTS, COUNTS), max_size=5), SPREAD)
def test_every_figure_agrees_with_the_oracle(
    stream: Stream, told: list[tuple[Any, int, int]], spread: tuple[str, int]
) -> None:
    was = [value for value, count, _ in told for _ in range(count)]
    has = [value for value, _, count in told for _ in range(count)]
    kind, shift = spread
    if kind == "numbers":
        was += [Decimal(number % 83) / 4 for number in range(160)]
        has += [Decimal(number % 83 + shift) / 4 for number in range(130)]
    if kind == "texts":
        was += [f"t{number % 70}" for number in range(160)]
        has += [f"t{number % 70 + shift}" for number in range(130)]
    # Each example has weeks of its own.
    stream.at = getattr(stream, "at", NOW) + 30 * DAY  # type: ignore[attr-defined]
    moment: int = stream.at  # type: ignore[attr-defined]
    for at, values in ((moment - 2 * DAY, was), (moment - 1, has)):
        stream.receive(at, [{} if one is oracle.MISSING else {"a": one} for one in values])

    found = figures(stream, moment).properties

    is_told = min(len(was), len(has)) >= 100 and any(sum(oracle.having(one)) for one in (was, has))
    assert len(found) == is_told
    for each in found:
        for side, values in ((each.before, was), (each.now, has)):
            assert (side.events, side.text, side.number, side.other) == (
                len(values), *oracle.having(values),
            )  # fmt: skip
        counts = oracle.categories(was, has)
        if min(sum(oracle.having(was)), sum(oracle.having(has))) < 100:
            assert each.psi is None
        else:
            assert each.psi == pytest.approx(oracle.index(counts), abs=2e-6)
