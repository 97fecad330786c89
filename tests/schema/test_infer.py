"""A draft made from events takes every event it was made from, and is a plan without problems."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.schema.test_validate import VALUES

from tallymark.schema.enforce import codes_of, compiled
from tallymark.schema.files import files_of, read_texts
from tallymark.schema.infer import Sample, infer
from tallymark.schema.plan import Property


def drafted(*properties: dict[str, Any]) -> dict[str, Property]:
    (one,) = infer(Sample("e", each) for each in properties).plan.events
    assert (one.event, one.version, one.status) == ("e", "1-0-0", "draft")
    return dict(one.properties)


def test_types_are_what_all_events_had() -> None:
    found = drafted(
        {"n": 1, "x": 1, "t": "a", "b": True, "l": [1, Decimal("0.5")], "o": {"a": 1}, "m": 1},
        {"n": 2, "x": Decimal("0.5"), "l": [], "m": "1", "n2": None, "schema_version": "1-0-0"},
    )

    assert {name: one.type for name, one in found.items()} == {
        "n": "integer", "x": "number", "t": "string", "b": "boolean", "l": "array", "o": "object",
    }  # fmt: skip
    assert found["l"].items == Property("number")


def test_what_was_always_there_in_many_events_is_required_and_few_values_are_listed() -> None:
    many = [{"plan": "pro" if n % 2 else "free", "id": f"u{n}"} for n in range(60)]
    few = drafted(*many[:10])
    found = drafted(*many, {"plan": "pro", "id": None})

    assert not any(one.required or one.enum for one in few.values())
    assert found == {
        "plan": Property("string", required=True, enum=("free", "pro")),
        "id": Property("string"),
    }


def test_what_cannot_be_said_is_told() -> None:
    samples = [Sample("e", {"m": 1, "a\x00": 1}), Sample("e", {"m": "x"}), Sample("a\nb", {})]

    assert infer(samples).notes == [
        "'a\\nb' cannot stand in a plan; left out.",
        "'a\\x00' cannot stand in a plan; left out.",
        "e: m came as integer and as string; left out.",
    ]


@given(
    st.lists(
        st.tuples(st.sampled_from("ef"), st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)),
        max_size=80,
    )
)  # fmt: skip
def test_a_draft_takes_every_event_it_was_made_from(events: list[tuple[str, Any]]) -> None:
    samples = [Sample(name, properties) for name, properties in events]

    inferred = infer(samples)
    found = read_texts({name: text.encode() for name, text in files_of(inferred.plan).items()})

    assert [str(one) for one in found.problems] == []
    assert found.plan == inferred.plan
    assert infer(reversed(samples)).plan == inferred.plan
    ready = compiled(found.plan)
    told = {code for name, properties in events for code, _ in codes_of(name, properties, ready)}
    # Only what came as several types is left out of a draft.
    assert told <= {"UNPLANNED_PROP"}
    assert ("UNPLANNED_PROP" in told) == any("left out" in note for note in inferred.notes)
