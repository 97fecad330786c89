"""What breaks fails without a new MODEL, what does not passes."""

from typing import Any

import pytest
from tests.schema.plans import CHECKOUT, event, plan

from tallymark.schema.compare import compare

A = "a: {type: string}"


def changes(old: str, new: str) -> list[tuple[str, str, bool]]:
    return [(one.key, one.what, one.is_breaking) for one in compare(plan(old), plan(new))]


def breaks(old: str, new: str, **keys: Any) -> bool:
    """Whether one property's change breaks; the version moves on within the MODEL."""
    told = changes(event(f"a: {{{old}}}"), event(f"a: {{{new}}}", version="1-1-0"))
    assert told
    return any(is_breaking for _, _, is_breaking in told)


def test_the_same_plan_has_no_changes() -> None:
    assert changes(CHECKOUT, CHECKOUT) == []


def test_a_removed_property_breaks() -> None:
    assert changes(event(A), event(version="1-0-1")) == [("properties.a", "it was removed.", True)]


def test_a_renamed_property_breaks_and_the_new_name_is_told() -> None:
    assert changes(event(A), event("b: {type: string}", version="1-0-1")) == [
        ("properties.a", "it was removed, or renamed to b.", True),
        ("properties.b", "it is new.", False),
    ]


def test_a_new_property_breaks_only_if_it_is_required() -> None:
    assert changes(event(), event(A, version="1-0-1")) == [("properties.a", "it is new.", False)]
    assert changes(event(), event("a: {type: string, required: true}", version="1-0-1")) == [
        ("properties.a", "it is new and required.", True)
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("type: string", "type: number", True),
        ("type: integer", "type: number", True),
        ("type: string", "type: string, required: true", True),
        ("type: string, required: true", "type: string", False),
        ("type: string, enum: [x, y]", "type: string, enum: [x]", True),
        ("type: string, enum: [x, y]", "type: string, enum: [x, z]", True),
        ("type: string", "type: string, enum: [x]", True),
        ("type: string, enum: [x]", "type: string, enum: [x, y]", False),
        ("type: string, enum: [x]", "type: string", False),
        ("type: number", "type: number, minimum: 0", True),
        ("type: number, minimum: 0", "type: number, minimum: 1", True),
        ("type: number, minimum: 1", "type: number, minimum: 0", False),
        ("type: number, minimum: 1", "type: number", False),
        ("type: number, maximum: 1", "type: number, maximum: 0.5", True),
        ("type: number, maximum: 1", "type: number, maximum: 2", False),
        ("type: string", "type: string, pattern: x", True),
        ("type: string, pattern: x", "type: string", False),
        ("type: number, unit: EUR", "type: number, unit: USD", True),
        ("type: number", "type: number, unit: EUR", False),
        ("type: array", "type: array, items: {type: string}", True),
        ("type: array, items: {type: string}", "type: array", False),
        ("type: array, items: {type: string}", "type: array, items: {type: number}", True),
        ("type: array, items: {type: string, enum: [x]}", "type: array, items: {type: string}", False),
        ("type: string", "type: string, pii: direct", True),
        ("type: string, pii: direct", "type: string, pii: sensitive", True),
        ("type: string, pii: direct", "type: string, pii: none", False),
        ("type: string, treat: hmac", "type: string", True),
        ("type: string, treat: hmac", "type: string, treat: drop", False),
    ],
)  # fmt: skip
def test_a_change_of_a_property_breaks_or_not(old: str, new: str, expected: bool) -> None:
    assert breaks(old, new) is expected


def test_a_wider_purpose_breaks_and_a_narrower_one_does_not() -> None:
    product, sharing = event(purpose="product"), event(version="1-0-1", purpose="sharing")

    assert changes(product, sharing) == [("purpose", "it is wider: product became sharing.", True)]
    assert changes(sharing, event(version="1-0-2", purpose="product")) == [
        ("purpose", "sharing became product.", False)
    ]


def test_a_new_model_may_break_beside_the_old_one_or_in_its_place() -> None:
    old, new = event(A), event("a: {type: number}", version="2-0-0")

    assert changes(old, new) == [("event", "it is gone.", False), ("event", "it is new.", False)]
    assert [one.is_breaking for one in compare(plan(old), plan(old, new))] == [False]


def test_an_event_that_is_gone_breaks_unless_nobody_could_send_it() -> None:
    other = event().replace("event: e", "event: other")

    assert [one.is_breaking for one in compare(plan(event(), other), plan(other))] == [True]
    for status in ("draft", "retired"):
        gone = plan(event(status=status), other)
        assert [one.is_breaking for one in compare(gone, plan(other))] == [False]


def test_retiring_a_version_breaks_and_deprecating_does_not() -> None:
    assert changes(event(), event(status="deprecated")) == [
        ("status", "live became deprecated.", False)
    ]
    assert changes(event(), event(status="retired")) == [("status", "live became retired.", True)]


def test_a_version_must_move_on_and_never_back() -> None:
    assert changes(event(), event(A)) == [
        ("version", "properties changed and it is still 1-0-0.", False),
        ("properties.a", "it is new.", False),
    ]
    assert changes(event(version="1-1-0"), event()) == [
        ("version", "it went back from 1-1-0.", True)
    ]


def test_what_becomes_of_other_events_is_a_change() -> None:
    old, new = plan(), plan(plan="on: {unplanned_event: reject}")

    assert [one.what for one in compare(old, new)] == ["observe became reject."]
