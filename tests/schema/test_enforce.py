"""What becomes of an event by the modes of its plan, and which version judges it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.schema.plans import event, plan
from tests.schema.test_validate import VALUES, planned_properties

from tallymark.schema.enforce import Outcome, compiled, enforce
from tallymark.schema.plan import EventPlan, Mode, Modes, Plan, Property
from tallymark.schema.validate import checks_of, findings

A = "a: {type: integer, minimum: 1}, b: {type: string, required: true}"
GOOD = {"a": 1, "b": "x"}


def outcome(
    properties: dict[str, Any], *texts: str, name: str = "e", **files: str
) -> Outcome | None:
    return enforce(name, properties, compiled(plan(*texts, **files)))


def by(mode: str, **more: str) -> str:
    modes = {"unplanned_property": mode, "invalid": mode, "missing_required": mode} | more
    return event(A, on="{" + ", ".join(f"{key}: {value}" for key, value in modes.items()) + "}")


def test_what_is_planned_stays_as_it_is() -> None:
    for mode in ("observe", "tag", "quarantine", "reject"):
        assert outcome(GOOD, by(mode)) is None


def test_observe_only_counts() -> None:
    found = outcome({"a": 0, "c": 1}, by("observe"))

    assert found == Outcome(
        {"a": 0, "c": 1}, observed=("SCHEMA_RANGE", "UNPLANNED_PROP", "SCHEMA_REQUIRED")
    )


def test_tag_keeps_everything_and_flags_each_reason_once() -> None:
    found = outcome({"a": 0, "c": 1, "d": 1, "b": "x"}, by("tag"))

    assert found == Outcome({"a": 0, "c": 1, "d": 1, "b": "x"}, ("schema_range", "unplanned_prop"))


def test_strip_takes_out_what_is_unplanned_or_invalid() -> None:
    found = outcome({"a": 0, "c": 1, "b": "x"}, by("strip", missing_required="tag"))

    assert found == Outcome({"b": "x"}, ("schema_stripped",))


def test_what_is_required_and_stripped_is_missing() -> None:
    sent = {"b": 5}

    tagged = outcome(sent, by("strip", missing_required="tag"))
    aside = outcome(sent, by("strip", missing_required="quarantine"))

    assert tagged == Outcome({}, ("schema_required", "schema_stripped"))
    assert aside is not None
    assert aside.aside is not None
    # What is set aside is kept whole, for whoever repairs it.
    assert (aside.properties, aside.aside.code) == (sent, "SCHEMA_REQUIRED")


@pytest.mark.parametrize(("mode", "is_rejected"), [("quarantine", False), ("reject", True)])
def test_quarantine_and_reject_set_the_event_aside_with_all_of_it(
    mode: str, is_rejected: bool
) -> None:
    found = outcome({"a": 0, "c": 1}, by(mode))

    assert found is not None
    assert found.aside is not None
    assert (found.properties, found.is_rejected) == ({"a": 0, "c": 1}, is_rejected)
    assert found.aside.code == "SCHEMA_RANGE"
    assert found.aside.message == "a must be at least 1. (2 more)"


def test_the_strictest_mode_decides() -> None:
    found = outcome({"a": 0, "c": 1, "b": "x"}, by("tag", unplanned_property="reject"))

    assert found is not None
    assert found.aside is not None
    assert (found.aside.code, found.is_rejected) == ("UNPLANNED_PROP", True)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("observe", (("UNPLANNED_EVENT",), (), None)), ("tag", ((), ("unplanned_event",), None)),
     ("quarantine", ((), (), False)), ("reject", ((), (), True))],
)  # fmt: skip
def test_an_event_that_is_not_in_the_plan_is_treated_as_the_plan_says(
    mode: str, expected: Any
) -> None:
    found = outcome(GOOD, event(A), name="other", plan=f"on: {{unplanned_event: {mode}}}")

    assert found is not None
    aside = None if found.aside is None else found.is_rejected
    assert (found.observed, found.flags, aside) == expected


@pytest.mark.parametrize(
    ("version", "code"),
    [
        (None, None), ("1-0-0", None), ("1-2-0", None), ("1-2-1", "SCHEMA_MISSING"),
        ("2-0-0", "SCHEMA_MISSING"), ("0-1-0", "VERSION_RETIRED"), ("1.2", "SCHEMA_MISSING"),
        (7, "SCHEMA_MISSING"), ("", "SCHEMA_MISSING"),
    ],
)  # fmt: skip
def test_an_event_is_judged_by_the_version_it_names(version: Any, code: str | None) -> None:
    texts = [
        event("a: {type: integer}", version="1-2-0", on="{invalid: quarantine}"),
        event(version="0-3-0", status="retired", on="{invalid: quarantine}"),
    ]
    named = {} if version is None else {"schema_version": version}

    found = outcome({"a": 1, **named}, *texts)

    told = None if found is None or found.aside is None else found.aside.code
    assert told == code


def test_each_model_has_its_own_rules() -> None:
    texts = [event("a: {type: integer}"), event("a: {type: string}", version="2-0-0")]

    assert outcome({"a": "x"}, *texts) is None
    assert outcome({"a": 1, "schema_version": "1-0-0"}, *texts) is None
    assert outcome({"a": "x", "schema_version": "1-0-0"}, *texts) is not None


def test_a_plan_that_uses_the_name_itself_has_no_versions() -> None:
    text = event("schema_version: {type: integer}")

    assert outcome({"schema_version": 7}, text) is None


def test_a_draft_only_counts_and_a_deprecated_event_is_flagged() -> None:
    draft = event(A, status="draft", on="{invalid: reject, missing_required: reject}")
    deprecated = event(A, status="deprecated")

    assert outcome({"a": 0}, draft) == Outcome({"a": 0}, observed=("SCHEMA_RANGE", "SCHEMA_REQUIRED"))  # fmt: skip
    assert outcome(GOOD, deprecated) == Outcome(GOOD, ("deprecated_event",))


def test_a_draft_of_a_new_model_does_not_judge_what_names_none() -> None:
    texts = [event("a: {type: integer}"), event(version="2-0-0", status="draft")]

    assert outcome({"a": 1}, *texts) is None


def test_the_strictest_treatment_of_any_version_is_applied() -> None:
    made = compiled(
        plan(event("a: {type: string, treat: truncate}, b: {type: string}"), event("a: {type: string, treat: hmac}", version="2-0-0"))
    )  # fmt: skip

    assert made.treatments == {"e": {"a": "hmac"}}
    assert made.uses_key


MODES = st.sampled_from(["observe", "tag", "strip", "quarantine", "reject"])


@given(
    st.dictionaries(st.sampled_from("abcd"), planned_properties(), max_size=3),
    st.dictionaries(st.sampled_from("abcde"), VALUES, max_size=4),
    st.sampled_from(["observe", "tag", "quarantine"]),
)
def test_strip_never_leaves_anything_unplanned_or_invalid(
    planned: dict[str, Property], sent: dict[str, Any], missing: Mode
) -> None:
    one = EventPlan("e", "1-0-0", properties=planned, on=Modes("strip", "strip", missing))

    found = enforce("e", sent, compiled(Plan((one,))))

    kept = sent if found is None else found.properties
    if found is None or found.aside is None:
        left = [one.code for one in findings(kept, checks_of(one))]
        assert set(left) <= {"SCHEMA_REQUIRED"}
        assert not left or missing != "quarantine"
    assert all(sent[name] == value for name, value in kept.items())


@given(
    st.dictionaries(st.sampled_from("abcd"), planned_properties(), max_size=3),
    st.dictionaries(st.sampled_from("abcde"), VALUES, max_size=4),
    st.tuples(MODES, MODES, MODES.filter(lambda mode: mode != "strip")),
)
def test_every_finding_is_counted_flagged_stripped_or_set_aside(
    planned: dict[str, Property], sent: dict[str, Any], modes: tuple[Mode, Mode, Mode]
) -> None:
    one = EventPlan("e", "1-0-0", properties=planned, on=Modes(*modes))
    codes = [told.code for told in findings(sent, checks_of(one))]

    found = enforce("e", sent, compiled(Plan((one,))))

    assert (found is None) == (not codes)
    if found is not None and found.aside is None:
        stripped = set(sent) - set(found.properties)
        assert len(found.observed) + len(stripped) + sum(code.lower() in found.flags for code in codes) >= len(codes)  # fmt: skip
    if found is not None and found.aside is not None:
        assert {"quarantine", "reject", "strip"} & {*modes}
