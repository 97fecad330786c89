"""What a link keeps back: numbers of fewer people than it allows, wherever they would be told."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from tallymark.catalog.tables import SHARE

from .harness import Answer, Harness

SHOP = "/tm/v1/projects/shop"
DAYS = [{"label": f"2026-11-0{day}", "since": "", "until": "", "is_incomplete": False} for day in (1, 2, 3)]  # fmt: skip
RANGE = {"since": "2026-11-01T00:00:00Z", "until": "2026-11-04T00:00:00Z"}
TRENDS = {"series": [{"event": "signup"}], "range": "30d", "interval": "day"}
OTHER = {"op": "equals", "field": "browser", "value": "Firefox"}


def line(letter: str, values: list[int], total: int) -> dict[str, Any]:
    return {"series": letter, "label": f"count: {letter}", "values": values, "total": total}


class TellingStore:
    """Plays the store: three days of sign-ups, and who made them if that is asked."""

    def __init__(self) -> None:
        self.series: list[Any] = []

    async def call(self, method: str, params: dict[str, Any]) -> bytes:
        asked = json.loads(params["question"])
        self.series = asked["series"]
        lines = [line("A", [50, 80, 91], 221), line("B", [1, 20, 30], 45)][: len(self.series)]
        data = {
            "range": RANGE, "interval": "day", "timezone": "UTC", "bots": "excluded",
            "buckets": DAYS, "breakdown": [], "group_count": None, "lines": lines,
            "compared": None, "warnings": ["one event of ada@example.org came late"],
        }  # fmt: skip
        rows = [
            [day["label"], *(one["values"][at] for one in lines)] for at, day in enumerate(DAYS)
        ]
        return json.dumps({
            "data": data, "view": "line", "table": {"columns": ["day", "n"], "rows": rows},
            "question": asked, "provenance": {"as_of": "7@1", "timezone": "UTC"},
        }).encode()  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    harness = Harness(tmp_path_factory.mktemp("data"))
    harness.store = TellingStore()  # type: ignore[assignment]
    with harness:
        saved(harness, "Sign-ups", "trends", TRENDS)
        yield harness


def saved(served: Harness, name: str, insight: str, question: dict[str, Any]) -> str:
    content = {"name": name, "insight": insight, "question": question}
    made = served.local("POST", f"{SHOP}/saved", content)
    assert made.status == 201, made.body
    return str(made.json()["id"])


def link(served: Harness, target: str = "sign-ups", **changed: Any) -> tuple[dict[str, Any], str]:
    order = {"kind": "question", "target": target, **changed}
    made = served.local("POST", f"{SHOP}/shares", order)
    assert made.status == 201, made.body
    return made.json()["share"], made.json()["token"]


def tile(served: Harness, token: str, name: str = "question") -> Answer:
    return served.request("POST", f"/tm/v1/shared/{token}/tiles/{name}")


def test_a_link_keeps_back_numbers_of_fewer_than_ten_unless_something_else_is_said(
    served: Harness,
) -> None:
    told, token = link(served)

    answer = tile(served, token)

    assert told["min_group"] == 10
    assert served.request("GET", f"/tm/v1/shared/{token}").json()["min_group"] == 10
    assert answer.status == 200, answer.body
    body = answer.json()
    (shown,) = body["data"]["lines"]
    assert (shown["values"], shown["total"]) == (["few", "few", 91], 221)
    assert body["table"]["rows"] == [["2026-11-01", "few"], ["2026-11-02", "few"], ["2026-11-03", 91]]  # fmt: skip
    assert (body["min_group"], body["is_whole"]) == (10, False)
    assert b"ada@example.org" not in answer.body
    store: Any = served.store
    assert store.series[1] == {"event": "signup", "measure": "unique_people"}


def test_a_link_that_tells_groups_of_any_size_asks_for_nobody_and_hides_nothing(
    served: Harness,
) -> None:
    told, token = link(served, min_group=0)

    body = tile(served, token).json()

    assert told["min_group"] == 0
    assert body["data"]["lines"][0]["values"] == [50, 80, 91]
    assert (body["min_group"], body["is_whole"]) == (0, True)
    store: Any = served.store
    assert len(store.series) == 1


@pytest.mark.parametrize(("least", "values"), [(2, ["few", "few", 91]), (1, [50, 80, 91]), (20, ["few", "few", 91]), (21, ["few", "few", "few"]), (31, ["few", "few", "few"])])  # fmt: skip
def test_how_small_is_said_by_the_link(served: Harness, least: int, values: list[Any]) -> None:
    _, token = link(served, min_group=least)

    assert tile(served, token).json()["data"]["lines"][0]["values"] == values


@pytest.mark.parametrize("least", [-1, 1_001, "10", None, 2.5])
def test_a_least_that_is_none_is_refused(served: Harness, least: Any) -> None:
    order = {"kind": "question", "target": "sign-ups", "min_group": least}

    assert served.local("POST", f"{SHOP}/shares", order).status == 400


def test_a_link_that_was_made_before_keeps_small_groups_back_too(served: Harness) -> None:
    told, token = link(served, min_group=0)

    with served.catalog._write() as connection:
        old: dict[str, Any] = {"range": None, "filters": [], "origins": []}
        connection.execute(sa.update(SHARE).values(content=json.dumps(old)).where(SHARE.c.id == told["id"]))  # fmt: skip

    assert tile(served, token).json()["data"]["lines"][0]["values"] == ["few", "few", 91]


@pytest.mark.parametrize(
    ("insight", "question"),
    [
        ("paths", {}),
        ("sessions", {}),
        ("features", {}),
        ("trends", {"series": [{"event": "a"}, {"event": "a", "filter": OTHER}]}),
        ("trends", {"series": [{"event": "a"}], "cumulative": True}),
    ],
)
def test_what_cannot_be_kept_back_is_shown_by_no_link_that_keeps_small_groups_back(
    served: Harness, insight: str, question: dict[str, Any]
) -> None:
    target = saved(served, "Fine", insight, question)
    tiles = [{"kind": "question", "id": "x", "x": 0, "y": 0, "w": 6, "h": 4, "saved": target}]
    board = served.local("POST", f"{SHOP}/dashboards", {"name": "b", "tiles": tiles}).json()["id"]

    refused = served.local("POST", f"{SHOP}/shares", {"kind": "question", "target": target})
    _, token = link(served, board, kind="dashboard")
    shown = tile(served, token, "x")

    for answer in (refused, shown):
        assert (answer.status, answer.json()["code"]) == (403, "SHARE_SMALL"), answer.body
        assert "any size" in answer.json()["hint"]
    assert link(served, target, min_group=0)[0]["min_group"] == 0


def test_nothing_that_a_request_says_makes_a_link_tell_more(served: Harness) -> None:
    _, token = link(served)

    body = json.dumps({"min_group": 0}).encode()
    path = f"/tm/v1/shared/{token}/tiles/question?min_group=0"
    answer = served.request("POST", path, body, headers={"Tallymark-Min-Group": "0"})

    assert answer.json()["data"]["lines"][0]["values"] == ["few", "few", 91]
