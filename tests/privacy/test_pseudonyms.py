"""What of a property is kept, and what looks like a person though nobody declared it."""

import re
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.core.policy import Policy
from tallymark.privacy.pseudonyms import KINDS, hints_at_people, suspect, treated

KEY = b"k" * 32


def kept(properties: dict[str, Any], policy: Policy) -> dict[str, Any]:
    return treated(properties, policy, KEY).properties


def test_each_treatment_does_what_it_says() -> None:
    policy = Policy(
        properties={"email": "hmac", "card_*": "drop", "zip": "truncate"}, suspects="off"
    )

    found = kept({"email": "Ana@x.org", "card_bin": "4111", "zip": 10115, "plan": "pro"}, policy)

    assert set(found) == {"email", "zip", "plan"}
    assert (found["zip"], found["plan"]) == ("101", "pro")
    assert found["email"].startswith("h_")
    assert "ana" not in found["email"]


def test_a_keyed_hash_joins_within_a_project_and_not_across() -> None:
    policy = Policy(properties={"email": "hmac"})

    same = kept({"email": "ana@x.org"}, policy)
    spelled = kept({"email": " ANA@x.org"}, policy)
    elsewhere = treated({"email": "ana@x.org"}, policy, b"o" * 32).properties

    assert same == spelled != elsewhere


def test_the_exact_name_goes_before_a_pattern() -> None:
    policy = Policy(properties={"*": "drop", "plan": "truncate"})

    assert kept({"plan": "enterprise", "x": 1}, policy) == {"plan": "ent"}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("write to ana.b+c@mail.example.org please", "email"),
        ("4111 1111 1111 1111", "card"),
        ("4111-1111-1111-1112", None),
        ("DE89 3704 0044 0532 0130 00", "iban"),
        ("DE89 3704 0044 0532 0130 01", None),
        ("+49 (30) 901820-12", "phone"),
        ("eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.SflKxwRJSMeKKF2QT4", "token"),
        ("sk_abcd1234_ABCDEFGHIJKLMNOPQRST", "secret"),
        ("2026-11-25T10:00:00Z", None),
        ("order 20261125-000123", None),
        ("018f5c1e-7b7a-7c33-9f0e-6f1f3a9d2b10", None),
        ("version 1.2.3", None),
        ("pro", None),
        ({"to": ["ana@x.org"]}, "email"),
        (1790000000000, None),
        (True, None),
        (None, None),
    ],
)
def test_what_looks_like_personal_data_is_found_and_little_else(
    value: Any, kind: str | None
) -> None:
    assert suspect(value) == kind


def test_what_was_found_is_tagged_dropped_hashed_or_set_aside_as_the_policy_says() -> None:
    given_properties = {"note": "ana@x.org", "plan": "pro"}

    tagged = treated(given_properties, Policy(), KEY)
    dropped = treated(given_properties, Policy(suspects="drop"), KEY)
    hashed = treated(given_properties, Policy(suspects="hmac"), KEY)
    blocked = treated(given_properties, Policy(suspects="quarantine"), KEY)

    assert (tagged.properties, tagged.flags) == (given_properties, ("pii_suspect", "pii_email"))
    assert dropped.properties == {"plan": "pro"}
    assert hashed.properties["note"].startswith("h_")
    assert blocked.is_blocked
    assert not treated(given_properties, Policy(suspects="off"), KEY).flags


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=60),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=6,
    )
)
def test_no_e_mail_address_survives_where_suspects_are_dropped(properties: dict[str, Any]) -> None:
    properties["planted"] = "before ana.lovelace@mail.example.org after"

    found = treated(properties, Policy(suspects="drop"), KEY)

    assert "lovelace" not in str(found.properties)


@pytest.mark.parametrize("text", ["a" * 2_000, "1" * 2_000, "1 " * 1_000, "a@" * 1_000, "+1" * 1_000, "DE89" * 500])  # fmt: skip
def test_hostile_text_is_looked_through_in_linear_time(text: str) -> None:
    began = time.perf_counter()
    for _ in range(20):
        suspect(text)

    assert time.perf_counter() - began < 2


def test_what_was_hashed_before_is_not_hashed_again() -> None:
    policy = Policy(properties={"email": "hmac"}, suspects="hmac")

    once = treated({"email": "ana@x.org", "note": "bo@x.org"}, policy, b"k").properties

    assert treated(once, policy, b"k").properties == once
    assert all(value.startswith("h_") for value in once.values())


ONE_PATTERN = re.compile(
    r"@|eyJ|\d[\d .()-]{6}|[A-Z]{2}\d\d|[A-Za-z]{2,4}[-_][0-9A-Za-z_-]{16}|AKIA|AIza"
)


@given(st.text(st.sampled_from("a1Z-_ .@(9\n\u0660é") | st.sampled_from("eyJAKIz"), max_size=40))
@settings(max_examples=300, deadline=None)
def test_several_quick_patterns_find_what_one_for_all_would(text: str) -> None:
    # Long enough to be looked at.
    long = text + "~" * 12

    assert hints_at_people([long]) == (ONE_PATTERN.search(long) is not None)


@given(
    st.text(st.sampled_from("aZ09.-_ ()eyJskAKIAxoxbDE"), max_size=11),
    st.sampled_from(("", " ", "DE89 3704", "eyJ.a.b", "sk_", "4111 1111", "0170 12345")),
)
@settings(max_examples=300, deadline=None)
def test_a_short_text_without_a_sign_is_nobodys_data(text: str, start: str) -> None:
    short = (start + text)[:11]

    assert not any(looks_like(short) for _, looks_like in KINDS)
    assert suspect(short) is None


@pytest.mark.parametrize("text", ["a@b.c", "+4 12 34", "+49 170 123", "a.b@c.de"])
def test_a_short_text_with_a_sign_is_still_looked_at(text: str) -> None:
    assert (suspect(text) is not None) == any(looks_like(text) for _, looks_like in KINDS)
    assert hints_at_people([text]) or suspect(text) is None
