"""Names are chosen by whoever sends: however many there are, questions are answered."""

from collections.abc import Iterator

import pytest
from tests.faults.server import Server

_PROPERTIES = 12_000
_NAMES = 150


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("names") / "data", settings={"question_rows": 100})
    made.start()
    flood = [
        {
            "id": f"flood-{number}",
            "name": f"name-{number}",
            "properties": {f"p{number}-{place}": place for place in range(_PROPERTIES // _NAMES)},
        }
        for number in range(_NAMES)
    ]
    late = {"id": "late", "name": "late", "properties": {"plan": "pro", "p1-1": "text now"}}
    assert made.send(flood).status == 202
    assert made.send(late).status == 202
    made.wait_until_loaded()
    yield made
    made.end()


def test_more_event_names_than_rows_of_a_question_are_all_known(server: Server) -> None:
    answer = server.ask({"series": [{"event": f"name-{_NAMES - 1}"}, {"event": "late"}]})

    assert answer.status == 200, answer.body
    assert [line["total"] for line in answer.json()["data"]["lines"]] == [1, 1]
    assert not answer.json()["data"]["warnings"]


@pytest.mark.parametrize(
    ("field", "value", "events"),
    [("plan", "pro", 1), ("p1-1", "text now", 1), ("p1-1", 1, 1), ("p149-79", 79, 1), ("no", 1, 0)],
)
def test_a_property_is_found_however_many_others_came_before(
    server: Server, field: str, value: object, events: int
) -> None:
    wanted = {"op": "equals", "field": f"properties.{field}", "value": value}

    answer = server.ask({"filter": wanted, "range": "7d"})

    assert answer.status == 200, answer.body
    assert answer.json()["data"]["lines"][0]["total"] == events
