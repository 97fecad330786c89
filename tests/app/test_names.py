"""The names there are to ask about, counted by hand through the real server."""

import time
from collections.abc import Iterator

import pytest

from tallymark.client import Client, connect
from tallymark.core.clock import DAY, MICROSECONDS


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with connect(tmp_path_factory.mktemp("names"), project="default") as found:
        just_now = time.time_ns() // 1_000_000 - 10_000
        long_ago = just_now - 60 * DAY // 1_000
        found.send(
            [
                {"name": "buy", "id": "1", "time": just_now, "properties": {"plan": "pro"}},
                {"name": "buy", "id": "2", "time": just_now - 5, "properties": {"plan": 7}},
                {"name": "see", "id": "3", "time": just_now, "properties": {"page": "a"}},
                {"name": "see", "id": "4", "time": just_now, "context": {"user_agent": "Googlebot/2.1"}},
                {"name": "old", "id": "5", "time": long_ago},
                {"type": "identify", "user_id": "u-1", "traits": {"tier": "gold"}},
            ]
        )  # fmt: skip
        found.wait()
        yield found


def test_events_are_listed_by_how_often_people_did_them_lately(client: Client) -> None:
    events = client.names()["events"]

    assert [(one["name"], one["events"]) for one in events if one["name"][0] != "$"] == [
        ("buy", 2),
        ("see", 1),
        ("old", 0),
    ]
    ago = [round(time.time() - one["last_us"] / MICROSECONDS) for one in events]
    assert ago[0] < 600
    assert ago[-1] > 59 * DAY // MICROSECONDS


def test_properties_are_listed_with_the_classes_they_come_in(client: Client) -> None:
    properties = {one["name"]: one for one in client.names()["properties"]}

    assert properties["plan"] == {"name": "plan", "classes": ["number", "text"], "events": 2}
    assert properties["page"]["classes"] == ["text"]


def test_profiles_and_fields_are_named_as_a_question_writes_them(client: Client) -> None:
    names = client.names()

    assert "person.tier" in names["profiles"]
    assert {"country", "path", "revenue"} <= set(names["fields"])
