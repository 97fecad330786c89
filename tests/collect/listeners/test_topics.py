"""Topics and payloads of sensors against events written down by hand."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.collect.listeners._topics import Reading, find, read_message, read_template
from tallymark.core.errors import Refused, TallymarkError

TEMPLATE = read_template("site/{site}/{device}/{metric}")


def read(payload: bytes | str, topic: str = "site/north/7/temperature") -> Reading:
    found = find([TEMPLATE], topic)
    assert found is not None
    return read_message(
        topic, payload.encode() if isinstance(payload, str) else payload,
        template=found[0], names=found[1], default_name="measurement",
    )  # fmt: skip


def properties(payload: str) -> dict[str, Any]:
    event: dict[str, Any] = read(payload).event["properties"]
    return {name: event[name] for name in event if name not in ("site", "device")}


def test_a_bare_number_is_the_value_of_the_metric_of_a_device() -> None:
    assert read("21.50").event == {
        "name": "temperature",
        "kind": "metric",
        "value": Decimal("21.50"),
        "anonymous_id": "site/north/7",
        "properties": {"site": "north", "device": "7"},
    }


def test_an_object_gives_value_unit_time_and_properties() -> None:
    reading = read('{"value": 3, "unit": "kWh", "ts": 1789000000, "phase": 2, "site": "other"}')

    assert reading.same == "time"
    assert (reading.event["value"], reading.event["unit"]) == (3, "kWh")
    assert reading.event["time"] == "2026-09-10T00:26:40Z"
    assert reading.event["properties"] == {"site": "north", "device": "7", "phase": 2}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("ON", {"payload": "ON"}),
        ("true", {"payload": True}),
        ("[1, 2.5]", {"payload": [1, Decimal("2.5")]}),
        ('{"value": "high"}', {"value": "high"}),
        ('{"broken"', {"payload": '{"broken"'}),
    ],
)
def test_what_is_no_number_is_kept_as_a_property(payload: str, expected: dict[str, Any]) -> None:
    assert properties(payload) == expected


def test_an_id_of_the_device_tells_messages_apart() -> None:
    assert read('{"id": "m-1", "value": 1}').same == "id:m-1"
    assert read('{"value": 1}').same == ""


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"\xff\xfe", "UTF8_INVALID"), (b"a\0", "NUL_CHAR"), (b'{"time": "soon"}', "TIME_UNPARSABLE")],
)
def test_what_cannot_be_read_is_refused_with_its_reason(payload: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        read(payload)

    assert refused.value.code == code


@pytest.mark.parametrize(
    ("template", "topic", "names"),
    [
        ("a/+/{x}", "a/b/c", {"x": "c"}),
        ("a/#", "a/b/c", {}),
        ("a/#", "a", {}),
        ("{all}/#", "a/b", {"all": "a"}),
        ("a/{x}", "a/b/c", None),
        ("a/{x}", "b/c", None),
        ("a/{x}", "a", None),
        ("/a/{x}", "/a/", {"x": ""}),
    ],
)
def test_a_template_is_like_the_topics_a_broker_sends_for_it(
    template: str, topic: str, names: dict[str, str] | None
) -> None:
    assert read_template(template).names(topic) == names


def test_a_template_asks_the_broker_for_its_open_levels() -> None:
    assert TEMPLATE.subscription == "site/+/+/+"
    assert read_template("a/{x}/#").subscription == "a/+/#"


@pytest.mark.parametrize("text", ["", "a/{x", "a/x+", "#/a", "a/{x}/{x}", "a/{1}", "a#"])
def test_a_template_no_broker_would_take_is_refused(text: str) -> None:
    with pytest.raises(TallymarkError, match="is no topic"):
        read_template(text)


@given(
    st.binary(max_size=200)
    | st.text('{}[]":,.0123456789eE-truefalsn ', max_size=80).map(str.encode)
)
def test_whatever_a_payload_holds_it_is_an_event_or_refused(payload: bytes) -> None:
    with suppress(Refused):
        assert read(payload).event["name"] == "temperature"
