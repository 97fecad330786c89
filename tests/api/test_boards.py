"""Saved questions, dashboards and annotations over HTTP: who may, of which project, and which version."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.catalog.users import MemberRole

from .harness import Answer, EchoStore, Harness
from .test_accounts import GOOD, Browser

TRENDS = {"series": [{"event": "signup"}], "range": "30d", "interval": "day"}
QUESTION = {"name": "Sign-ups", "insight": "trends", "question": TRENDS, "address": "v=1&e=signup"}
HOSTILE = "\"><img src=x onerror=alert(1)> '; DROP TABLE dashboard;-- ../../etc {{7*7}}"
SHOP = "/tm/v1/projects/shop"


class Store(EchoStore):
    """Answers also what a push of definitions asks: neither side has any numbers."""

    async def call(self, method: str, params: dict[str, object]) -> bytes:
        return b"[null,null]" if method == "ask_sides" else await super().call(method, params)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    harness = Harness(tmp_path_factory.mktemp("data"))
    harness.store = Store()
    with harness:
        users, now = harness.catalog.users, harness.clock.now()
        users.begin(users.invite(None, now=now), "owner@example.org", "Ona", GOOD, now=now)
        roles: tuple[MemberRole, ...] = ("viewer", "analyst", "admin")
        for role in roles:
            made = users.add(f"{role}@example.org", role, now=now, members={"shop": role})
            users.accept(users.invite(made.id, now=now), GOOD, now=now)
        other = users.add("other@example.org", "Oz", now=now, members={"other": "admin"})
        users.accept(users.invite(other.id, now=now), GOOD, now=now)
        yield harness


@pytest.fixture(scope="module")
def people(served: Harness) -> Mapping[str, Browser]:
    found = {}
    for who in ("viewer", "analyst", "admin", "owner", "other"):
        found[who] = Browser(served)
        assert found[who].sign_in(f"{who}@example.org").status == 201
    return found


def saved(mine: Browser, **changed: Any) -> Answer:
    return mine.send("POST", f"{SHOP}/saved", {**QUESTION, **changed})


def tile(tile_id: str = "a", **changed: Any) -> dict[str, Any]:
    content = {"insight": "trends", "question": TRENDS, "address": "v=1&e=signup"}
    return {"kind": "question", "id": tile_id, "x": 0, "y": 0, "w": 6, "h": 4, "question": content, **changed}  # fmt: skip


def board(mine: Browser, **changed: Any) -> Answer:
    return mine.send("POST", f"{SHOP}/dashboards", {"name": "Board", "tiles": [tile()], **changed})


def test_a_question_is_saved_by_an_analyst_and_asked_by_its_id(
    served: Harness, people: Mapping[str, Browser]
) -> None:
    made = saved(people["analyst"], name="Sign-ups per week").json()
    seen = people["viewer"].send("GET", f"/tm/v1/saved/{made['id']}").json()
    asked = served.request("POST", f"/tm/v1/ask/saved/{made['id']}", b'{"range":"7d"}', key="read")

    assert (made["id"], made["owner"], made["origin"]) == ("sign-ups-per-week", "analyst@example.org", "page")  # fmt: skip
    assert seen == made
    params = asked.json()["params"]
    assert (params["project"], params["insight"]) == ("shop", "trends")
    assert '"range":"7d"' in params["question"]
    assert '"signup"' in params["question"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("saved", QUESTION),
        ("dashboards", {"name": "Mine"}),
        ("annotations", {"at": "2026-11-22T10:00:00Z", "text": "release"}),
        ("shares", {"kind": "dashboard", "target": "none"}),
    ],
)
def test_a_viewer_reads_and_changes_nothing(
    people: Mapping[str, Browser], path: str, body: Any
) -> None:
    refused = people["viewer"].send("POST", f"{SHOP}/{path}", body)

    assert (refused.status, refused.json()["code"]) == (403, "ROLE_TOO_LOW")
    if path != "shares":
        assert people["viewer"].send("GET", f"/tm/v1/{path}").status == 200
    else:
        assert people["viewer"].send("GET", f"{SHOP}/shares").status == 403


@pytest.mark.parametrize("path", ["saved", "dashboards", "annotations", "shares"])
@pytest.mark.parametrize("key", ["secret", "read", "public"])
def test_no_key_changes_what_people_made(served: Harness, path: str, key: str) -> None:
    answer = served.request("POST", f"{SHOP}/{path}", b"{}", key=key)

    assert (answer.status, answer.json()["code"]) == (403, "AUTH_WRONG_KIND")


def test_what_is_of_one_project_is_not_there_for_another(people: Mapping[str, Browser]) -> None:
    question = saved(people["analyst"]).json()["id"]
    made = board(people["analyst"]).json()["id"]
    note = people["analyst"].send("POST", f"{SHOP}/annotations", {"at": "2026-11-22T10:00:00Z", "text": "x"}).json()["id"]  # fmt: skip
    stranger = people["other"]

    for path in (f"saved/{question}", f"dashboards/{made}"):
        assert stranger.send("GET", f"/tm/v1/{path}").status == 404
    for path, body in (
        (f"saved/{question}", {**QUESTION, "version": 1}),
        (f"dashboards/{made}", {"name": "Mine", "version": 1}),
        (f"annotations/{note}", {"at": "2026-11-22T10:00:00Z", "text": "mine"}),
    ):
        for method, content in (("PUT", body), ("DELETE", None)):
            elsewhere = stranger.send(method, f"/tm/v1/projects/other/{path}", content)
            assert (elsewhere.status, elsewhere.json()["code"]) == (404, "NOT_FOUND"), path
            refused = stranger.send(method, f"{SHOP}/{path}", content)
            assert (refused.status, refused.json()["code"]) == (403, "ROLE_TOO_LOW"), path
    assert stranger.send("GET", "/tm/v1/annotations").json() == {"annotations": []}
    assert stranger.send("GET", "/tm/v1/saved").json() == {"saved": []}
    refused = stranger.send("POST", "/tm/v1/tile", {"saved": question})
    assert refused.status == 404


def test_whoever_saves_what_somebody_else_saved_meanwhile_is_told_and_nothing_is_lost(
    people: Mapping[str, Browser],
) -> None:
    made = saved(people["analyst"], name="Shared").json()
    path = f"{SHOP}/saved/{made['id']}"

    theirs = people["admin"].send("PUT", path, {**QUESTION, "name": "Theirs", "version": 1})
    mine = people["analyst"].send("PUT", path, {**QUESTION, "name": "Mine", "version": 1})

    assert (theirs.status, theirs.json()["version"]) == (200, 2)
    assert (mine.status, mine.json()["code"]) == (409, "CHANGED_MEANWHILE")
    assert "admin@example.org saved version 2 of 'Theirs'" in mine.json()["detail"]
    assert people["viewer"].send("GET", f"/tm/v1/saved/{made['id']}").json()["name"] == "Theirs"


def test_one_deletes_what_is_their_own_and_an_admin_anybodys(people: Mapping[str, Browser]) -> None:
    analyst, admin, owner = people["analyst"], people["admin"], people["owner"]
    note = {"at": "2026-11-22T10:00:00+01:00", "text": "release"}
    for path, body in (("saved", QUESTION), ("dashboards", {"name": "B"}), ("annotations", note)):
        theirs = admin.send("POST", f"{SHOP}/{path}", body).json()["id"]
        mine = [analyst.send("POST", f"{SHOP}/{path}", body).json()["id"] for _ in range(2)]

        refused = analyst.send("DELETE", f"{SHOP}/{path}/{theirs}")
        assert (refused.status, refused.json()["code"]) == (403, "ROLE_TOO_LOW")
        assert analyst.send("DELETE", f"{SHOP}/{path}/{mine[0]}").json() == {"id": mine[0]}
        assert admin.send("DELETE", f"{SHOP}/{path}/{mine[1]}").status == 200
        assert owner.send("DELETE", f"{SHOP}/{path}/{theirs}").status == 200
        assert owner.send("DELETE", f"{SHOP}/{path}/{theirs}").status == 404


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"insight": "horoscopes"}, "insight"),
        ({"question": {"serie": []}}, "question"),
        ({"question": {"series": [{"event": "x", "measure": "vibes"}]}}, "question.series"),
        ({"question": {"filter": {"op": "in_cohort", "cohort": "gone"}}}, "question"),
    ],
)
def test_a_question_that_cannot_be_asked_is_not_saved(
    people: Mapping[str, Browser], changed: dict[str, Any], where: str
) -> None:
    refused = saved(people["analyst"], **changed)

    assert refused.status == 400
    assert refused.json()["path"].startswith(where), refused.json()


def test_a_name_is_kept_as_it_is_written_whatever_it_looks_like(
    people: Mapping[str, Browser],
) -> None:
    made = saved(people["analyst"], name=HOSTILE, description=HOSTILE).json()
    shown = board(people["analyst"], name=HOSTILE, tiles=[
        {"kind": "text", "id": "t", "x": 0, "y": 0, "w": 12, "h": 2, "text": f"# {HOSTILE}"},
    ]).json()  # fmt: skip

    assert made["name"] == made["description"] == shown["name"] == HOSTILE
    assert shown["tiles"][0]["text"] == f"# {HOSTILE}"
    assert people["viewer"].send("GET", f"/tm/v1/saved/{made['id']}").json() == made
    for method, path in (("GET", "/tm/v1/saved/..%2f..%2fetc"), ("GET", "/tm/v1/dashboards/%00")):
        assert people["viewer"].send(method, path).status == 404


def test_every_digit_of_a_number_in_a_question_is_kept(people: Mapping[str, Browser]) -> None:
    exact = "0.1234567890123456789"
    body = (
        '{"name": "exact", "insight": "trends", "question": {"series": [{"event": "paid"}],'
        f' "filter": {{"op": "gt", "field": "value", "value": {exact}}}}}}}'
    )
    mine = people["analyst"]
    headers = {"Cookie": f"tallymark_session={mine.cookie}", "X-CSRF-Token": mine.csrf}

    made = mine.server.request("POST", f"{SHOP}/saved", body.encode(), headers=headers)

    assert made.status == 201, made.body
    assert exact.encode() in made.body
    found = mine.server.request("GET", f"/tm/v1/saved/{made.json()['id']}", headers=headers)
    assert exact.encode() in found.body


def test_a_question_of_a_file_is_listed_beside_those_of_the_pages_and_their_names_differ(
    served: Harness, people: Mapping[str, Browser]
) -> None:
    taken = saved(people["analyst"], name="by page").json()["id"]
    definitions = {"questions": {"by_file": {"insight": "trends", "question": TRENDS, "description": "as code"}}}  # fmt: skip
    path = "/tm/v1/projects/shop/definitions"

    assert served.local("PUT", path, definitions).status == 200
    found = people["viewer"].send("GET", "/tm/v1/saved").json()["saved"]
    clash = served.local("PUT", path, {"questions": {**definitions["questions"], taken: {"insight": "trends"}}})  # fmt: skip
    second = saved(people["analyst"], name="By_File").json()["id"]

    (of_file,) = [one for one in found if one["origin"] == "file"]
    assert (of_file["id"], of_file["description"], of_file["owner"]) == ("by_file", "as code", "")
    assert taken in {one["id"] for one in found if one["origin"] == "page"}
    assert (clash.status, clash.json()["path"]) == (400, f"questions.{taken}")
    assert second == "by-file"
    assert people["admin"].send("DELETE", f"{SHOP}/saved/by_file").status == 404
    assert served.local("PUT", path, {}).status == 200


def test_a_push_of_definitions_leaves_what_was_saved_and_tells_what_it_does_to_it(
    served: Harness, people: Mapping[str, Browser]
) -> None:
    path = "/tm/v1/projects/shop/definitions"
    cohort = {"who": {"op": "did", "event": "signup"}}
    assert served.local("PUT", path, {"cohorts": {"here": cohort}}).status == 200
    question = {**TRENDS, "filter": {"op": "in_cohort", "cohort": "here"}}
    made = saved(people["analyst"], name="Of the cohort", question=question)
    assert made.status == 201, made.body

    changed = {"cohorts": {"here": {"who": {"op": "did", "event": "purchase"}}}}
    told = served.local("PUT", path, changed)

    assert told.status == 200, told.body
    assert [(one["kind"], one["name"]) for one in told.json()["effects"]] == [("questions", "of-the-cohort")]  # fmt: skip
    assert people["viewer"].send("GET", "/tm/v1/saved/of-the-cohort").status == 200


# Dashboards


def test_a_dashboard_is_asked_tile_by_tile_of_its_range_and_with_its_filters(
    people: Mapping[str, Browser],
) -> None:
    only = {"op": "equals", "field": "country", "value": "DE"}
    own = {"op": "equals", "field": "browser", "value": "Firefox"}
    kept = saved(people["analyst"], name="With a filter", question={**TRENDS, "filter": own}).json()

    def asked(**order: Any) -> dict[str, Any]:
        answer = people["viewer"].send("POST", "/tm/v1/tile", order)
        assert answer.status == 200, answer.body
        params = answer.json()["params"]
        assert params["project"] == "shop"
        found: dict[str, Any] = json.loads(params["question"])
        return found

    plain = asked(saved=kept["id"])
    narrow = asked(saved=kept["id"], range="12h", filters=[only])
    long = asked(saved=kept["id"], range="12mo")
    fixed = asked(question={"insight": "trends", "question": TRENDS, "address": "v=1&i=day"}, range="12mo")  # fmt: skip
    web = asked(question={"insight": "web", "question": {}}, filters=[only])

    assert (plain["filter"], plain["range"], plain["interval"]) == (own, "30d", "day")
    assert narrow["filter"] == {"op": "and", "filters": [own, only]}
    assert (narrow["range"], narrow["interval"]) == ("12h", "hour")
    assert long["interval"] == "week"
    assert fixed["interval"] == "day"
    assert web["also"] == [only]


@pytest.mark.parametrize(
    "tiles",
    [
        [tile("a"), tile("a", y=4)],
        [tile(x=7)],
        [tile(w=0)],
        [tile(h=41)],
        [tile(x=-1)],
        [tile("A b")],
        [tile(saved="both")],
        [tile(question=None)],
        [tile(question=None, saved="gone")],
        [tile(question={"insight": "trends", "question": {"nothing": 1}})],
        [{"kind": "frame", "id": "a", "x": 0, "y": 0, "w": 1, "h": 1}],
        [{"kind": "text", "id": "a", "x": 0, "y": 0, "w": 1, "h": 1, "text": "x" * 10_001}],
        [tile(f"t{number}", y=number) for number in range(101)],
    ],
    ids=range(13),
)
def test_a_dashboard_that_cannot_be_shown_is_refused(
    people: Mapping[str, Browser], tiles: list[Any]
) -> None:
    refused = board(people["analyst"], tiles=tiles)

    assert refused.status == 400, refused.body
    assert refused.json()["path"].startswith("tiles")


@pytest.mark.parametrize("changed", [{"range": "yesteryear"}, {"filters": [{"op": "is", "field": "x"}]}, {"range": {"since": "2026-02-01", "until": "2026-01-01"}}])  # fmt: skip
def test_a_range_or_filter_that_means_nothing_is_refused(
    people: Mapping[str, Browser], changed: dict[str, Any]
) -> None:
    assert board(people["analyst"], **changed).status == 400


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40)
_SHOWN = st.text("abc Ä<>&\"'`${}日本/\\", min_size=1, max_size=30).filter(str.strip)
_SCALAR = st.one_of(st.integers(-(2**53), 2**53), st.booleans(), _TEXT)


@st.composite
def _boards(draw: st.DrawFn) -> dict[str, Any]:
    tiles = []
    for number in range(draw(st.integers(0, 6))):
        x = draw(st.integers(0, 11))
        place = {
            "id": f"t{number}", "x": x, "y": draw(st.integers(0, 50)),
            "w": draw(st.integers(1, 12 - x)), "h": draw(st.integers(1, 40)),
            "title": draw(_SHOWN) if draw(st.booleans()) else "",
        }  # fmt: skip
        if draw(st.booleans()):
            tiles.append({"kind": "text", **place, "text": draw(_TEXT)})
        else:
            content = {"insight": "trends", "question": {**TRENDS, "series": [{"event": draw(_SHOWN)}]}, "address": draw(_TEXT)}  # fmt: skip
            tiles.append({"kind": "question", **place, "saved": None, "question": content})
    dates = {"since": "2026-01-01", "until": "2026-02-01", "last": None}
    filters = st.lists(st.builds(lambda value: {"op": "equals", "field": "plan", "value": value}, _SCALAR), max_size=3)  # fmt: skip
    return {
        "name": draw(_SHOWN).strip(), "description": draw(_SHOWN).strip(), "tiles": tiles,
        "range": draw(st.sampled_from([None, "30d", "this_month", dates])), "filters": draw(filters),
    }  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(told=_boards())
def test_a_dashboard_comes_back_as_it_was_saved(shared: Harness, told: dict[str, Any]) -> None:
    made = shared.local("POST", f"{SHOP}/dashboards", told)
    assert made.status == 201, made.body
    try:
        found = shared.request("GET", f"/tm/v1/dashboards/{made.json()['id']}", key="read").json()
        assert {name: found[name] for name in told} == told
        again = shared.local("PUT", f"{SHOP}/dashboards/{found['id']}", {**told, "version": 1})
        assert {name: again.json()[name] for name in told} == told
    finally:
        shared.local("DELETE", f"{SHOP}/dashboards/{made.json()['id']}")


# Annotations


def test_an_annotation_is_an_instant_in_utc_whatever_zone_it_was_written_in(
    people: Mapping[str, Browser],
) -> None:
    mine = people["analyst"]
    told = {"at": "2026-03-29T02:30:00+02:00", "text": " Release 3 ", "kind": "release"}

    made = mine.send("POST", f"{SHOP}/annotations", told).json()
    changed = mine.send("PUT", f"{SHOP}/annotations/{made['id']}", {**told, "text": HOSTILE}).json()

    assert (made["at"], made["text"], made["kind"]) == ("2026-03-29T00:30:00Z", "Release 3", "release")  # fmt: skip
    assert changed["text"] == HOSTILE
    assert changed in people["viewer"].send("GET", "/tm/v1/annotations").json()["annotations"]
    assert mine.send("DELETE", f"{SHOP}/annotations/{made['id']}").status == 200


@pytest.mark.parametrize("at", ["2026-03-29", "yesterday", "", "2026-13-01T00:00:00Z", "2026-03-29T02:30:00", 5])  # fmt: skip
def test_an_annotation_without_an_instant_is_refused(
    people: Mapping[str, Browser], at: Any
) -> None:
    refused = people["analyst"].send("POST", f"{SHOP}/annotations", {"at": at, "text": "x"})

    assert (refused.status, refused.json()["path"]) == (400, "at")
