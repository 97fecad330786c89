"""Mappings: what is guessed, said or refused; how times and literals are read."""

from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.collect.sources.mapping import (
    Fields,
    explain,
    literal,
    read_fields,
    settle,
    time_text,
    to_event,
)
from tallymark.core.errors import Refused


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("12", 12),
        ("-7", -7),
        ("11.70", Decimal("11.70")),
        ("-0.05", Decimal("-0.05")),
        ("true", True),
        ("false", False),
        ("123456789012345678", 123456789012345678),
        # These print otherwise once they are numbers, or are codes.
        ("007", "007"),
        ("00.5", "00.5"),
        ("+1", "+1"),
        ("-0", "-0"),
        ("-0.0", "-0.0"),
        ("1e5", "1e5"),
        (".5", ".5"),
        ("5.", "5."),
        ("1,5", "1,5"),
        (" 1", " 1"),
        ("True", "True"),
        ("NaN", "NaN"),
        ("١٢", "١٢"),
        ("1234567890123456789", "1234567890123456789"),
        ("0.1234567890", "0.1234567890"),
        ("2024-01", "2024-01"),
    ],
)
def test_a_literal_is_typed_only_if_it_prints_the_same(text: str, value: Any) -> None:
    assert literal(text) == value
    assert type(literal(text)) is type(value)


@given(st.text(alphabet="0123456789+-.e", max_size=22) | st.text(max_size=8))
def test_every_literal_prints_as_it_was(text: str) -> None:
    value = literal(text)

    assert (
        {True: "true", False: "false"}.get(value, str(value)) == text
        if isinstance(value, bool)
        else str(value) == text
    )


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("2026-01-02T03:04:05Z", "Europe/Berlin", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.123456+02:00", "UTC", "2026-01-02T01:04:05.123456Z"),
        ("2026-01-02 03:04:05", "UTC", "2026-01-02T03:04:05Z"),
        ("2026-01-02 03:04:05", "Europe/Berlin", "2026-01-02T02:04:05Z"),
        ("2026-07-02", "Europe/Berlin", "2026-07-01T22:00:00Z"),
        ("20260702", "UTC", "2026-07-02T00:00:00Z"),
        # The hour of the 25th is there twice in Berlin; the first is taken.
        ("2026-10-25 02:30:00", "Europe/Berlin", "2026-10-25T00:30:00Z"),
        ("1767323045", "Europe/Berlin", "2026-01-02T03:04:05Z"),
        ("1767323045.25", "UTC", "2026-01-02T03:04:05.250000Z"),
        ("1767323045123", "UTC", "2026-01-02T03:04:05.123000Z"),
        ("1767323045123456", "UTC", "2026-01-02T03:04:05.123456Z"),
    ],
)
def test_a_time_is_read_in_its_zone(text: str, zone: str, moment: str) -> None:
    assert time_text(text, zone, None) == moment


def test_a_format_says_how_an_unusual_time_is_read() -> None:
    assert time_text("02/01/2026 03h04", "UTC", "%d/%m/%Y %Hh%M") == "2026-01-02T03:04:00Z"


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "01/02/2026", "0001-01-01", "12"])
def test_a_time_that_cannot_be_read_says_so(text: str) -> None:
    with pytest.raises(Refused) as caught:
        time_text(text, "Asia/Tokyo", None)

    assert caught.value.code == "TIME_UNPARSABLE"


@given(st.text(max_size=20) | st.text(alphabet="0123456789-:TZ+. W", max_size=24))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    with suppress(Refused):
        assert time_text(text, "UTC", None).endswith("Z")


def test_what_the_mapping_says_stands_above_the_guess() -> None:
    plan = settle(Fields(map={"time": "closed"}), ("timestamp", "closed", "event", "user"))

    assert dict(plan.fields) == {"time": "closed", "name": "event", "user_id": "user"}
    assert plan.properties == ("timestamp",)


def test_columns_are_guessed_in_any_letter_case_and_each_once() -> None:
    plan = settle(Fields(), ("Event", "Timestamp", "DATE", "Customer_ID"))

    assert dict(plan.fields) == {"name": "Event", "time": "Timestamp", "user_id": "Customer_ID"}
    assert plan.properties == ("DATE",)


def test_ignored_columns_are_not_kept_and_text_columns_stay_text() -> None:
    plan = settle(
        Fields(text=("zip",), ignore=("secret",)), ("time", "event", "zip", "secret", "n")
    )

    event = to_event(
        plan, {"time": "2026-01-02", "event": "a", "zip": "80331", "secret": "x", "n": "5"}
    )

    assert event["properties"] == {"zip": "80331", "n": 5}


def test_money_place_and_account_go_where_the_event_keeps_them() -> None:
    fields = Fields(
        map={"revenue": "paid", "url": "link", "utm_source": "src", "account": "org"},
        set={"name": "buy", "currency": "EUR"},
    )
    plan = settle(fields, ("time", "paid", "link", "src", "org"))

    event = to_event(
        plan,
        {
            "time": "2026-01-02",
            "paid": "9.90",
            "link": "https://a.example/b",
            "src": "ad",
            "org": "o1",
        },
    )

    assert event == {
        "time": "2026-01-02T00:00:00Z",
        "name": "buy",
        "revenue": Decimal("9.90"),
        "currency": "EUR",
        "account": "o1",
        "context": {"page": {"url": "https://a.example/b"}, "campaign": {"source": "ad"}},
    }


def test_money_that_is_no_number_fails() -> None:
    plan = settle(Fields(map={"revenue": "paid"}, set={"name": "buy"}), ("time", "paid"))

    with pytest.raises(Refused, match="'9,90' is not a number"):
        to_event(plan, {"time": "2026-01-02", "paid": "9,90"})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (Fields(map={"tme": "time"}), "no field 'tme'"),
        (Fields(map={"time": "tim"}), "no column 'tim'"),
        (Fields(timezone="Mars/Olympus"), "'Mars/Olympus' is no time zone"),
        (Fields(timezone="../../etc/passwd"), "is no time zone"),
    ],
)
def test_a_mapping_that_does_not_fit_says_what_does_not(fields: Fields, said: str) -> None:
    with pytest.raises(Refused, match=said):
        settle(fields, ("time", "event"))


def test_a_table_without_an_event_column_says_how_to_name_its_events() -> None:
    with pytest.raises(Refused) as caught:
        settle(Fields(), ("date", "customer_id"))

    assert caught.value.hint is not None
    assert "--set name=" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.yaml", "map: {time: at}\nset:\n  name: buy\ntimezone: Europe/Rome\n"),
        ("m.toml", 'timezone = "Europe/Rome"\nmap = {time = "at"}\nset = {name = "buy"}\n'),
    ],
)
def test_a_mapping_is_read_from_yaml_and_toml(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)

    assert read_fields(path) == Fields(
        map={"time": "at"}, set={"name": "buy"}, timezone="Europe/Rome"
    )


@pytest.mark.parametrize(
    "text", ["[1", "- a\n", "maps: {}\n", "map: [1]\n", "!!python/object:os.x {}"]
)
def test_a_mapping_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(text)

    with pytest.raises(Refused) as caught:
        read_fields(path)

    assert caught.value.code == "FILE_UNREADABLE"


def test_the_explanation_names_columns_zone_and_properties() -> None:
    plan = settle(Fields(timezone="Asia/Tokyo", set={"name": "buy"}), ("date", "n"))

    assert explain(plan) == [
        "fields: time = date, name = 'buy'",
        "properties: n",
        "times without an offset are read as Asia/Tokyo",
    ]
