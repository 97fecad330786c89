"""Sparkplug B against events written down by hand, a recorded session and an encoder of others."""

import json
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.collect.listeners.sparkplug import payload, read_back

from tallymark.collect.listeners import _sparkplug
from tallymark.collect.listeners._sparkplug import Births, Parts, is_sparkplug, origin_of
from tallymark.collect.listeners._sparkplug_payload import (
    read_metric,
    read_payload,
    rebirth_command,
    said,
)
from tallymark.collect.listeners.memory import Memory
from tallymark.core.errors import Refused

GOLDEN = Path(__file__).parents[2] / "golden" / "sparkplug" / "session.ndjson"
NODE, DEVICE = "spBv1.0/plant/{}/line1", "spBv1.0/plant/{}/line1/press7"
MINUTE = 60_000_000
AT = 1_789_000_000_000
TEMPERATURE = {"name": "Temp", "alias": 7, "datatype": 9, "properties": {"engUnit": "°C"}}
SESSION = {"name": "bdSeq", "datatype": 8, "long_value": 3}


class Plant:
    """One who follows a plant, with a memory on disk."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "followed.db"
        self.counts: Counter[str] = Counter()
        self.memory = Memory(self._path)
        self.births = Births(self.memory, self.counts)

    def hear(self, topic: str, body: bytes) -> Parts:
        origin = origin_of(topic)
        assert origin is not None
        parts = self.births.read(origin, body)
        self.memory.change(parts.changes)
        return parts

    def start_again(self) -> None:
        self.memory.close()
        self.memory = Memory(self._path)
        self.births = Births(self.memory, self.counts)


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    made = Plant(tmp_path)
    yield made
    made.memory.close()


def codes(parts: Parts) -> list[str]:
    return [one.refusal.code for one in parts.unread]


def test_a_session_of_a_real_client_gives_its_births_values_and_deaths(plant: Plant) -> None:
    told = [json.loads(line) for line in GOLDEN.read_text().splitlines()]

    heard = [plant.hear(topic, bytes.fromhex(body)) for topic, body in told]

    values = [
        (one["name"], one.get("value", one["properties"].get("payload")))
        for parts in heard for one in parts.events
    ]  # fmt: skip
    assert values == [
        ("node_birth", None), ("Line/Speed", Decimal("1.1")), ("Count", -5),
        ("device_birth", None), ("Temp", Decimal("21.5")), ("On", True), ("Mode", "auto"),
        ("Ticks", 2**63 + 1), ("Since", "2026-09-01T00:00:00Z"),
        ("Line/Speed", Decimal("0.1")), ("Count", 7),
        ("Temp", Decimal("21.399999619")), ("On", False), ("Mode", None),
        ("device_death", None), ("node_death", None),
    ]  # fmt: skip
    assert heard[3].events[0] == {
        "name": "Temp",
        "kind": "metric",
        "time": "2026-09-10T00:26:42Z",
        "anonymous_id": "plant/line1/press7",
        "value": Decimal("21.399999619"),
        "properties": {
            "group": "plant", "node": "line1", "device": "press7", "datatype": "double",
            "exact": Decimal("21.399999618530273"),
        },
    }  # fmt: skip
    assert heard[3].events[2]["properties"]["is_null"] is True
    assert not +plant.counts


def test_data_names_a_metric_by_the_alias_of_its_birth_also_after_a_restart(plant: Plant) -> None:
    plant.hear(DEVICE.format("DBIRTH"), payload(TEMPERATURE | {"float_value": 20}, timestamp=AT))
    plant.start_again()

    parts = plant.hear(
        DEVICE.format("DDATA"),
        payload({"alias": 7, "timestamp": AT + 500, "float_value": 21.4}, timestamp=AT + 900),
    )

    assert parts.events == [
        {
            "name": "Temp",
            "kind": "metric",
            "time": "2026-09-10T00:26:40.500000Z",
            "anonymous_id": "plant/line1/press7",
            "value": Decimal("21.4"),
            "unit": "°C",
            "properties": {
                "group": "plant", "node": "line1", "device": "press7", "datatype": "float"
            },
        }
    ]  # fmt: skip
    assert parts.is_timed


def test_values_of_a_birth_are_marked_and_what_steers_the_session_is_none(plant: Plant) -> None:
    control = {"name": "Node Control/Rebirth", "datatype": 11, "boolean_value": False}

    parts = plant.hear(
        NODE.format("NBIRTH"), payload(SESSION, control, TEMPERATURE | {"float_value": 20}, seq=0)
    )

    assert [one["name"] for one in parts.events] == ["node_birth", "Temp"]
    assert parts.events[1]["properties"]["is_birth"] is True
    assert not parts.is_timed


def test_an_alias_that_no_birth_told_is_set_aside_and_costs_the_others_nothing(
    plant: Plant,
) -> None:
    data = payload({"alias": 7, "int_value": 1}, {"name": "a", "int_value": 2}, {"alias": 8})
    before = plant.hear(NODE.format("NDATA"), data)
    plant.hear(NODE.format("NBIRTH"), payload(SESSION, {"name": "b", "alias": 8, "datatype": 7}))
    after = plant.hear(NODE.format("NDATA"), data)

    assert codes(before) == ["METRIC_UNKNOWN", "METRIC_UNKNOWN"]
    assert before.unread[0].refusal.message == "No metric has the alias 7: no birth was seen."
    assert [one["name"] for one in before.events] == ["a"]
    assert before.is_missed
    assert codes(after) == ["METRIC_UNKNOWN"]
    assert "the last birth does not tell it" in after.unread[0].refusal.message
    assert [one["name"] for one in after.events] == ["a", "b"]


def test_a_new_birth_of_the_node_ends_what_its_devices_told(plant: Plant) -> None:
    def born(number: int) -> bytes:
        return payload(SESSION | {"long_value": number}, timestamp=AT + number)

    device = payload(TEMPERATURE | {"float_value": 20})
    data = payload({"alias": 7, "float_value": 21})
    plant.hear(NODE.format("NBIRTH"), born(1))
    plant.hear(DEVICE.format("DBIRTH"), device)
    plant.hear(NODE.format("NBIRTH"), born(1))
    same = plant.hear(DEVICE.format("DDATA"), data)
    plant.hear(NODE.format("NBIRTH"), born(2))
    ended = plant.hear(DEVICE.format("DDATA"), data)
    plant.hear(DEVICE.format("DBIRTH"), device)
    again = plant.hear(DEVICE.format("DDATA"), data)

    assert [codes(one) for one in (same, ended, again)] == [[], ["METRIC_UNKNOWN"], []]


def test_a_node_is_asked_for_its_births_once_a_minute(plant: Plant) -> None:
    origin = origin_of(NODE.format("NDATA"))
    assert origin is not None

    asked = [plant.births.may_ask(origin, at) for at in (MINUTE, 2 * MINUTE - 1, 2 * MINUTE)]

    assert asked == [True, False, True]
    assert origin.commands == "spBv1.0/plant/NCMD/line1"
    (metric,) = read_back(rebirth_command(AT)).metrics
    assert (metric.name, metric.datatype, metric.boolean_value, metric.timestamp) == (
        "Node Control/Rebirth", 11, True, AT,
    )  # fmt: skip


@pytest.mark.parametrize(("number", "is_told"), [(3, True), (4, True), (2, False), (250, False)])
def test_the_death_of_a_former_session_is_none_of_this_one(
    plant: Plant, number: int, is_told: bool
) -> None:
    plant.hear(NODE.format("NBIRTH"), payload(SESSION, timestamp=AT, seq=0))

    died = plant.hear(
        NODE.format("NDEATH"), payload(SESSION | {"long_value": number}, timestamp=AT)
    )

    assert [one["name"] for one in died.events] == (["node_death"] if is_told else [])
    # It was written when the node connected.
    assert all("time" not in one for one in died.events)
    assert not died.is_timed


def test_what_was_lost_on_the_way_is_counted_by_the_numbers_of_a_node(plant: Plant) -> None:
    numbers = [(NODE, "NBIRTH", 0), (NODE, "NDATA", 1), (DEVICE, "DDATA", 2), (NODE, "NDATA", 2)]
    numbers += [(NODE, "NDATA", 5), (NODE, "NDATA", 255), (NODE, "NDATA", 0), (NODE, "NBIRTH", 0)]
    for topic, kind, seq in numbers:
        plant.hear(topic.format(kind), payload(seq=seq, timestamp=AT))

    # 3 and 4, and those from 6 to 254.
    assert plant.counts == {"Sparkplug messages lost on the way": 2 + 249}


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ({"datatype": 1, "int_value": 0xFF}, -1),
        ({"datatype": 1, "int_value": 0xFFFFFFFF}, -1),
        ({"datatype": 2, "int_value": 0x8000}, -32_768),
        ({"datatype": 3, "int_value": 0x7FFFFFFF}, 2**31 - 1),
        ({"datatype": 4, "long_value": 2**64 - 5}, -5),
        ({"datatype": 5, "int_value": 0xFF}, 255),
        ({"datatype": 8, "long_value": 2**64 - 1}, 2**64 - 1),
        ({"int_value": 2**32 - 1}, 2**32 - 1),
        ({"datatype": 9, "float_value": 0.1}, Decimal("0.1")),
        ({"datatype": 9, "float_value": 16_777_217}, Decimal(16_777_216)),
        ({"datatype": 10, "double_value": 0.1}, Decimal("0.1")),
        ({"datatype": 11, "boolean_value": False}, False),
        ({"datatype": 11, "int_value": 1}, True),
        ({"datatype": 12, "string_value": "on"}, "on"),
        ({"datatype": 13, "long_value": 1_500}, "1970-01-01T00:00:01.500000Z"),
        ({"datatype": 17, "bytes_value": b"\xff"}, None),
    ],
)
def test_a_value_is_what_its_type_says(metric: dict[str, Any], expected: Any) -> None:
    read = read_metric(read_payload(payload(metric)).metrics[0])

    found = said(read, read.datatype)

    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("metric", "code"),
    [
        ({"name": "a", "double_value": float("nan")}, "JSON_NUMBER"),
        ({"name": "a", "float_value": float("inf")}, "JSON_NUMBER"),
        ({"name": "a", "double_value": 1e300}, "VALUE_NONFINITE"),
        ({"name": "a", "int_value": 1, "timestamp": 2**63}, "TIME_UNPARSABLE"),
        ({"name": "a\0", "int_value": 1}, "NUL_CHAR"),
        ({"int_value": 1}, "MISSING_FIELD"),
    ],
)
def test_a_metric_that_cannot_be_kept_is_set_aside_alone(
    plant: Plant, metric: dict[str, Any], code: str
) -> None:
    parts = plant.hear(NODE.format("NDATA"), payload(metric, {"name": "b", "int_value": 1}))

    assert codes(parts) == [code]
    assert [one["name"] for one in parts.events] == ["b"]


def test_a_type_that_is_no_value_is_kept_with_its_size(plant: Plant) -> None:
    parts = plant.hear(
        NODE.format("NDATA"),
        payload({"name": "a", "datatype": 17, "bytes_value": b"\0\1", "properties": {"Quality": 192}}),
    )  # fmt: skip

    assert parts.events[0]["properties"] == {
        "group": "plant", "node": "line1", "datatype": "bytes", "quality": 192, "bytes": 2,
    }  # fmt: skip


def test_births_beyond_what_is_remembered_are_counted(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sparkplug, "_MOST_TOLD", 3)
    birth = payload({"name": "a", "alias": 1, "int_value": 1}, timestamp=AT)
    for name in ("one", "two", "one"):
        plant.hear(f"spBv1.0/plant/NBIRTH/{name}", birth)
    data = payload({"alias": 1, "int_value": 2})

    unread = [codes(plant.hear(f"spBv1.0/plant/NDATA/{name}", data)) for name in ("one", "two")]

    assert unread == [[], ["METRIC_UNKNOWN"]]
    assert plant.counts["births not remembered, too many"] == 1


def test_a_payload_with_too_many_metrics_is_refused_whole() -> None:
    with pytest.raises(Refused) as refused:
        read_payload(b"\x12\0" * 10_001)

    assert refused.value.code == "BATCH_TOO_LONG"


@pytest.mark.parametrize(
    "topic",
    [
        "spBv1.0/STATE/scada", "spBv1.0/plant/NCMD/line1", "spBv1.0/plant/DCMD/line1/press7",
        "spBv1.0/plant/NDATA/line1/press7", "spBv1.0/plant/DDATA/line1", "spBv1.0/plant/NDATA/",
    ],
)  # fmt: skip
def test_what_no_node_says_of_itself_is_no_message_to_read(topic: str) -> None:
    assert is_sparkplug(topic)
    assert origin_of(topic) is None


def test_births_that_a_broker_keeps_are_births() -> None:
    origin = origin_of("$sparkplug/certificates/spBv1.0/plant/NBIRTH/line1")

    assert origin is not None
    assert (origin.key, origin.is_birth) == ("plant/line1", True)
    assert not is_sparkplug("spBv1.0x/plant/NDATA/line1")


@given(st.integers(0, 2**32 - 1))
def test_a_float_is_the_shortest_decimal_that_is_that_float(bits: int) -> None:
    raw = bits.to_bytes(4, "little")
    (number,) = struct.unpack("<f", raw)
    metric = read_metric(b"\x65" + raw)

    if not isfinite(number):
        with pytest.raises(Refused):
            said(metric, 9)
        return
    found = said(metric, 9)

    assert isinstance(found, Decimal)
    assert struct.pack("<f", float(found)) == raw
    assert len(found.normalize().as_tuple().digits) <= 9


NAMES = st.sampled_from(["a", "b", "bdSeq", "Node Control/x", ""])
METRICS = st.fixed_dictionaries(
    {},
    optional={
        "name": NAMES, "alias": st.integers(0, 3), "timestamp": st.integers(0, 2**64 - 1),
        "datatype": st.integers(0, 40), "is_null": st.booleans(),
        "int_value": st.integers(0, 2**32 - 1), "double_value": st.floats(),
        "string_value": st.text(max_size=5), "bytes_value": st.binary(max_size=5),
    },
)  # fmt: skip
KINDS = st.sampled_from([NODE.format(kind) for kind in ("NBIRTH", "NDATA", "NDEATH")] + [DEVICE.format(kind) for kind in ("DBIRTH", "DDATA", "DDEATH")])  # fmt: skip
BODIES = st.binary(max_size=120) | st.lists(METRICS, max_size=4).map(lambda told: payload(*told))


@given(st.lists(st.tuples(KINDS, BODIES, st.binary(max_size=2)), max_size=6))
def test_whatever_is_published_every_metric_is_an_event_or_has_a_reason(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[str, bytes, bytes]]
) -> None:
    plant = Plant(tmp_path_factory.mktemp("plant"))
    try:
        for topic, body, tail in told:
            with suppress(Refused):
                parts = plant.hear(topic, body + tail)
                metrics = len(read_payload(body + tail).metrics)
                heard = [one for one in parts.events if one.get("kind") == "metric"]
                assert len(heard) + len(parts.unread) <= metrics
                json.dumps(parts.events, default=str)
    finally:
        plant.memory.close()


@given(st.lists(METRICS, max_size=4), st.integers(0, 2**64 - 1))
def test_what_an_encoder_of_others_writes_is_read_back(
    told: list[dict[str, Any]], seq: int
) -> None:
    body = payload(*told, seq=seq)

    read = read_payload(body)

    assert read.seq == seq
    for one, raw in zip(told, read.metrics, strict=True):
        metric = read_metric(raw) if "\0" not in one.get("string_value", "") else None
        if metric is None:
            continue
        assert metric.name == one.get("name", "")
        assert metric.alias == one.get("alias")
        assert metric.time_ms == one.get("timestamp")
        assert metric.datatype == one.get("datatype", 0)
