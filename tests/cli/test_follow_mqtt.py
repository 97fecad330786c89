"""Sensors that publish to a real broker: each message once, whoever is killed on the way."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.broker import Broker, broker
from tests.cli.following import balances, follower, kill_while_it_sends, ledger, until_accepted
from tests.collect.listeners.sparkplug import payload
from tests.faults.rounds import until
from tests.journey.sdks import Target, target

TOPIC = "site/{site}/{device}/{metric}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Target]:
    with target(tmp_path) as one:
        yield one


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Broker]:
    with broker(tmp_path / "broker") as one:
        yield one


def test_what_sensors_publish_is_stored_as_they_meant_it(server: Target, mosquitto: Broker) -> None:
    with follower(server, "mqtt", mosquitto.url, "--topic", TOPIC) as one:
        until(lambda: "subscribed" in one.output(), "it does not subscribe")
        mosquitto.publish(
            ("site/north/7/temperature", "21.5"),
            ("site/north/7/power", '{"value": 3, "unit": "kWh", "ts": "2026-05-17T10:00:00Z"}'),
            ("site/south/door/state", "open"),
            ("site/south/door/picture", b"\xff\xd8"),
            ("elsewhere/7", "1"),
        )
        until_accepted(server, 3)
        assert one.stop() == 0
        assert "3 events accepted and durable, 1 unreadable" in one.output()

    events = {event["event"]: event for event in server.events()}
    assert events["temperature"]["value"] == 21.5
    assert events["temperature"]["anonymous_id"] == "site/north/7"
    assert events["temperature"]["properties"] == {"device": "7", "site": "north"}
    assert (events["power"]["value"], events["power"]["unit"]) == (3, "kWh")
    assert events["power"]["time"] == "2026-05-17T10:00:00Z"
    assert events["state"]["properties"]["payload"] == "open"
    assert ledger(server) == {"received": 4, "accepted": 3, "rejected": 1}


def test_equal_messages_all_count_and_one_published_twice_with_its_time_once(
    server: Target, mosquitto: Broker
) -> None:
    with follower(server, "mqtt", mosquitto.url, "--topic", TOPIC) as one:
        until(lambda: "subscribed" in one.output(), "it does not subscribe")
        mosquitto.publish(*[("site/a/b/c", "1")] * 5)
        mosquitto.publish(*[("site/a/b/c", '{"value": 1, "ts": 1789000000}')] * 3)
        until(lambda: ledger(server).get("received") == 8, "not everything came")

    assert ledger(server) == {"received": 8, "accepted": 6, "duplicate": 2}


def test_messages_wait_for_us_while_we_are_away(server: Target, mosquitto: Broker) -> None:
    listen = ("mqtt", mosquitto.url, "--topic", TOPIC)
    with follower(server, *listen) as one:
        until(lambda: "subscribed" in one.output(), "it does not subscribe")
        assert one.stop() == 0
        mosquitto.publish(*((f"site/a/b/m{n}", "1") for n in range(50)))
        one.start()
        until_accepted(server, 50)

    assert ledger(server) == {"received": 50, "accepted": 50}


def test_each_message_counts_once_whoever_is_killed_and_started_again(
    server: Target, mosquitto: Broker
) -> None:
    with follower(server, "mqtt", mosquitto.url, "--topic", TOPIC) as one:
        until(lambda: "subscribed" in one.output(), "it does not subscribe")
        one.kill()
        for number in range(3):
            # Equal ones: only their packets tell them apart.
            mosquitto.publish(*[("site/a/b/c", str(number))] * 400)
            kill_while_it_sends(one, server)
        server.kill()
        one.start(waits=False)
        mosquitto.publish(*[("site/a/b/c", "9")] * 100)
        server.start()
        until_accepted(server, 1_300)
        mosquitto.stop()
        mosquitto.start()
        mosquitto.publish(*[("site/a/b/c", "10")] * 100)
        until_accepted(server, 1_400)
        assert one.stop() == 0

    totals = ledger(server)
    assert totals["accepted"] == 1_400
    assert balances(totals)
    assert set(totals) <= {"received", "accepted", "duplicate"}


def test_retained_messages_are_of_before_and_ignored_or_kept_once(
    server: Target, mosquitto: Broker
) -> None:
    mosquitto.publish(("site/a/b/c", "5"), retain=True)
    listen = ("mqtt", mosquitto.url, "--topic", TOPIC)
    with follower(server, *listen) as one:
        until(lambda: "subscribed" in one.output(), "it does not subscribe")
        mosquitto.publish(("site/a/b/c", "6"))
        until_accepted(server, 1)
        one.stop()
        assert "1 retained messages ignored" in one.output()
    for _ in range(2):
        with follower(server, *listen, "--retained", "keep", "--client-id", "other") as one:
            until(lambda: "subscribed" in one.output(), "it does not subscribe")
            until_accepted(server, 2)
            one.stop()

    assert ledger(server)["accepted"] == 2
    assert sorted(event["value"] for event in server.events()) == [5, 6]


def test_a_broker_that_is_away_is_waited_for(server: Target, mosquitto: Broker) -> None:
    mosquitto.stop()
    with follower(server, "mqtt", mosquitto.url, "--topic", TOPIC) as one:
        mosquitto.start()
        until(lambda: "subscribed" in one.output(), "it does not subscribe")
        mosquitto.publish(("site/a/b/c", "6"))
        until_accepted(server, 1)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["http://x", "--topic", "a"], "is no broker"),
        (["mqtt://127.0.0.1:1", "--topic", "a/#/b"], "is no topic"),
    ],
)
def test_what_cannot_be_followed_is_said_in_one_line(
    server: Target, args: list[str], said: str
) -> None:
    with follower(server, "mqtt", *args, starts=False) as one:
        one.start(waits=False)
        until(lambda: one.status() is not None, "it does not end")

        assert one.status() == 2
        assert said in one.output()


def test_what_a_sparkplug_node_publishes_is_stored_by_the_names_of_its_birth(
    server: Target, mosquitto: Broker
) -> None:
    def node(kind: str) -> str:
        return f"spBv1.0/plant/{kind}/line1"

    told = [{"name": "Speed", "alias": 4, "datatype": 9, "float_value": 1.5, "properties": {"engUnit": "m/s"}}]  # fmt: skip
    session = {"name": "bdSeq", "datatype": 8, "long_value": 1}
    with follower(server, "mqtt", mosquitto.url, "--topic", "spBv1.0/#", "--rebirth", "ask") as one:
        until(lambda: "subscribed" in one.output(), "it does not subscribe")
        data = payload({"alias": 4, "float_value": 2.25}, timestamp=1_789_000_001_000, seq=1)
        mosquitto.publish((node("NDATA"), data), (node("NDATA"), b"\xff"))
        until(lambda: ledger(server).get("rejected") == 2, "what cannot be read is not kept")
        birth = payload(session, *told, timestamp=1_789_000_000_000, seq=0)
        mosquitto.publish((node("NBIRTH"), birth))
        until_accepted(server, 2)
        # The birth is remembered.
        one.kill()
        one.start()
        mosquitto.publish(*[(node("NDATA"), data)] * 2, ("spBv1.0/STATE/scada", "{}"))
        mosquitto.publish((node("NDEATH"), payload(session)))
        until_accepted(server, 4)
        assert one.stop() == 0
        said = one.output()

    assert ledger(server) == {"received": 7, "accepted": 4, "duplicate": 1, "rejected": 2}
    assert {event["event"]: event["value"] for event in server.events()} == {
        "node_birth": None, "Speed": 2.25, "node_death": None,
    }  # fmt: skip
    speed = server.named("Speed")
    assert [(one["value"], one["unit"], one["anonymous_id"], one["time"]) for one in speed] == [
        (1.5, "m/s", "plant/line1", "2026-09-10T00:26:40Z"),
        (2.25, "m/s", "plant/line1", "2026-09-10T00:26:41Z"),
    ]
    assert "METRIC_UNKNOWN: spBv1.0/plant/NDATA/line1: No metric has the alias 4" in said
    assert "PROTO_SYNTAX: spBv1.0/plant/NDATA/line1: The payload is no protobuf message" in said
    failed = server.get("/tm/v1/failed")[1]["counts"]
    assert failed == {"METRIC_UNKNOWN": 1, "PROTO_SYNTAX": 1}
    (source,) = server.get("/tm/v1/quality")[1]["sources"]
    assert (source["source"], source["failed"]) == ("local/mqtt", failed)


def test_a_sparkplug_node_whose_birth_was_missed_is_asked_for_it(
    server: Target, mosquitto: Broker
) -> None:
    data = payload({"alias": 4, "float_value": 2.25}, timestamp=1_789_000_001_000)
    listen = ("mqtt", mosquitto.url, "--topic", "spBv1.0/#")
    with follower(server, *listen, "--rebirth", "ask") as one:
        until(lambda: "subscribed" in one.output(), "it does not subscribe")
        mosquitto.publish(("spBv1.0/plant/NDATA/line1", data), ("spBv1.0/plant/NDATA/line1", data))
        # Its own command comes back to it, since it is subscribed to all.
        until(lambda: ledger(server).get("received", 0) >= 2, "nothing comes")
        assert one.stop() == 0
        assert "1 births asked for" in one.output()
