"""Links to share: whoever has one sees its own answers, and can ask nothing else of anybody."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from tallymark.api.attempts import MOST
from tallymark.api.share_routes import origin_of
from tallymark.api.shared_answers import PASS_SECONDS, is_pass, new_pass
from tallymark.catalog.shares import Locked, Share
from tallymark.catalog.tables import SHARE
from tallymark.core.clock import MICROSECONDS
from tallymark.core.errors import Refused

from .harness import Answer, Harness

SHOP = "/tm/v1/projects/shop"
HTML = {"Accept": "text/html,*/*;q=0.8"}
PASSWORD = "correct horse battery"
TRENDS = {"series": [{"event": "signup"}], "range": "30d", "interval": "day"}
OWN = {"op": "equals", "field": "browser", "value": "Firefox"}
LOCKED = {"op": "equals", "field": "account", "value": "acme"}


class AnsweringStore:
    """Plays the store: an answer that tells what was asked, as its data."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    async def call(self, method: str, params: dict[str, object]) -> bytes:
        asked = {**params, "question": json.loads(params.get("question") or b"{}")}  # type: ignore[arg-type]
        self.asked.append({"method": method, **asked})
        provenance = {"as_of": "7@1", "timezone": "UTC", "definition": "secret-definition", "project": "shop"}  # fmt: skip
        return json.dumps({
            "data": {"total": 5}, "view": "line", "table": {"columns": ["n"], "rows": [[5]]},
            "question": asked["question"], "provenance": provenance,
        }).encode()  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    harness = Harness(tmp_path_factory.mktemp("data"))
    harness.store = AnsweringStore()  # type: ignore[assignment]
    with harness:
        content = {"insight": "trends", "question": {**TRENDS, "filter": OWN}, "address": "v=1&e=signup"}  # fmt: skip
        made = harness.local("POST", f"{SHOP}/saved", {"name": "Sign-ups", **content})
        assert made.status == 201, made.body
        tiles = [
            {"kind": "question", "id": "a", "x": 0, "y": 0, "w": 6, "h": 4, "saved": "sign-ups"},
            {"kind": "text", "id": "t", "x": 6, "y": 0, "w": 6, "h": 4, "text": "**hello**"},
            {"kind": "question", "id": "p", "x": 0, "y": 4, "w": 6, "h": 4, "question": {"insight": "people", "question": {}}},
        ]  # fmt: skip
        board = {"name": "Board", "tiles": tiles, "range": "7d", "filters": [OWN]}
        assert harness.local("POST", f"{SHOP}/dashboards", board).status == 201
        yield harness


def asked(served: Harness) -> list[dict[str, Any]]:
    store: Any = served.store
    found: list[dict[str, Any]] = store.asked
    return found


def share(served: Harness, **changed: Any) -> tuple[str, str]:
    """Make a link and return its id and token; of groups of any size, if nothing else is said."""
    order = {"kind": "question", "target": "sign-ups", "min_group": 0, **changed}
    made = served.local("POST", f"{SHOP}/shares", order)
    assert made.status == 201, made.body
    return made.json()["share"]["id"], made.json()["token"]


def tile(
    served: Harness, token: str, name: str = "question", body: Any = None, query: str = "",
    headers: Mapping[str, str] | None = None,
) -> Answer:  # fmt: skip
    path = f"/tm/v1/shared/{token}/tiles/{name}{query}"
    content = None if body is None else json.dumps(body).encode()
    return served.request("POST", path, content, headers=headers)


def test_a_link_shows_its_question_with_what_it_locks_and_tells_nothing_of_how(
    served: Harness,
) -> None:
    _, token = share(served, range="90d", filters=[LOCKED])

    view = served.request("GET", f"/tm/v1/shared/{token}")
    answer = tile(served, token)

    assert view.status == 200, view.body
    assert [one["id"] for one in view.json()["tiles"]] == ["question"]
    assert view.json()["name"] == "Sign-ups"
    assert answer.json() == {
        "data": {"total": 5}, "view": "line", "table": {"columns": ["n"], "rows": [[5]]},
        "as_of": "7@1", "timezone": "UTC", "min_group": 0, "is_whole": True,
    }  # fmt: skip
    sent = asked(served)[-1]
    assert (sent["method"], sent["project"], sent["insight"]) == ("ask", "shop", "trends")
    assert sent["question"]["range"] == "90d"
    assert sent["question"]["filter"] == {"op": "and", "filters": [OWN, LOCKED]}
    for told in (view, answer):
        assert b"acme" not in told.body
        assert b"secret-definition" not in told.body
        assert told.headers["x-robots-tag"] == "noindex, nofollow"
        assert told.headers["cache-control"] == "no-store"
        assert "set-cookie" not in told.headers


def test_nothing_that_a_request_says_changes_what_a_link_asks(served: Harness) -> None:
    _, token = share(served, range="90d", filters=[LOCKED])
    body: dict[str, Any] = {
        "range": "10y", "filters": [], "filter": None, "insight": "people", "saved": "other",
        "question": {"series": [{"event": "secret"}]}, "project": "other", "as_of": "1",
    }  # fmt: skip
    query = "?as_of=1&definitions_at=0&range=10y&project=other&tile=p&filter=x&since=0"
    headers = {
        "Tallymark-Project": "other", "Tallymark-Question": "mine", "Tallymark-Share": "x",
        "X-HTTP-Method-Override": "DELETE", "Cookie": "tallymark_session=x",
    }  # fmt: skip
    plain = tile(served, token)
    before = asked(served)[-1]

    odd = tile(served, token, body=body, query=query, headers=headers)

    after = asked(served)[-1]
    assert odd.json() == plain.json()
    assert after["id"] != "mine"
    assert {**after, "id": before["id"]} == before
    assert after["as_of"] is None


@pytest.mark.parametrize("name", ["a", "p", "t", "question/../a", "", "%2e%2e", "sign-ups", "*", "question%00", "Question"])  # fmt: skip
def test_a_link_to_a_question_has_no_other_tile(served: Harness, name: str) -> None:
    _, token = share(served)
    count = len(asked(served))

    assert tile(served, token, name).status == 404
    assert len(asked(served)) == count


def test_a_link_to_a_dashboard_shows_its_tiles_and_names_no_person(served: Harness) -> None:
    _, token = share(served, kind="dashboard", target="board", filters=[LOCKED])

    view = served.request("GET", f"/tm/v1/shared/{token}").json()
    shown = tile(served, token, "a")
    people = tile(served, token, "p")

    assert [(one["id"], one["text"], one["insight"]) for one in view["tiles"]] == [
        ("a", None, "trends"),
        ("t", "**hello**", None),
        ("p", None, "people"),
    ]
    assert [one["title"] for one in view["tiles"]] == ["Sign-ups", "", ""]  # fmt: skip
    assert shown.status == 200
    assert asked(served)[-1]["question"]["range"] == "7d"
    assert asked(served)[-1]["question"]["filter"]["filters"] == [OWN, OWN, LOCKED]
    assert (people.status, people.json()["code"]) == (403, "SHARE_PERSONAL")
    assert tile(served, token, "t").status == 404
    assert tile(served, token, "question").status == 404


PERSONAL: list[tuple[str, dict[str, Any]]] = [
    ("people", {}),
    ("events", {}),
    ("timeline", {"user_id": "u1"}),
    ("accounts", {}),
    ("correlation", {"steps": ["a", "b"]}),
    ("trends", {"breakdown": ["user_id"]}),
    ("trends", {"breakdown": ["country", "anonymous_id"]}),
    ("trends", {"breakdown": ["ip"]}),
    ("trends", {"breakdown": ["session"]}),
    ("trends", {"breakdown": ["properties.email"]}),
    ("trends", {"breakdown": ["person.name@now"]}),
    ("trends", {"breakdown": ["person.Email"]}),
    ("trends", {"breakdown": ["computed.who"]}),
    ("funnels", {"steps": ["a", "b"], "breakdown": ["user_id"]}),
    ("retention", {"breakdown": ["user_id"]}),
    ("paths", {"node": "user_id"}),
    ("features", {"by": "user_id"}),
]


@pytest.mark.parametrize(("insight", "question"), PERSONAL)
def test_what_tells_people_apart_is_shared_by_no_link(
    served: Harness, insight: str, question: dict[str, Any]
) -> None:
    computed = {"who": {"type": "text", "value": "lower(user_id)"}}
    assert served.local("PUT", f"{SHOP}/definitions", {"properties": computed}).status == 200
    made = served.local("POST", f"{SHOP}/saved", {"name": "p", "insight": insight, "question": question})  # fmt: skip
    assert made.status == 201, made.body
    target = made.json()["id"]

    refused = served.local("POST", f"{SHOP}/shares", {"kind": "question", "target": target})
    tiles = [{"kind": "question", "id": "x", "x": 0, "y": 0, "w": 6, "h": 4, "saved": target}]
    board = served.local("POST", f"{SHOP}/dashboards", {"name": "p", "tiles": tiles}).json()["id"]
    _, token = share(served, kind="dashboard", target=board)
    count = len(asked(served))
    shown = tile(served, token, "x")

    assert (refused.status, refused.json()["code"]) == (403, "SHARE_PERSONAL")
    assert (shown.status, shown.json()["code"]) == (403, "SHARE_PERSONAL")
    assert len(asked(served)) == count


@pytest.mark.parametrize(
    ("insight", "question"),
    [
        ("trends", {"breakdown": ["country", "properties.plan"]}),
        ("trends", {"breakdown": ["properties.name"], "series": [{"measure": "unique_people"}]}),
        ("funnels", {"steps": ["a", "b"], "by": "session", "breakdown": ["person.plan"]}),
        ("retention", {}),
        ("paths", {"node": "path", "unit": "session"}),
        ("lifecycle", {}),
        ("stickiness", {}),
        ("web", {}),
        ("distribution", {"per": "session"}),
    ],
)
def test_what_counts_people_is_shared(
    served: Harness, insight: str, question: dict[str, Any]
) -> None:
    made = served.local("POST", f"{SHOP}/saved", {"name": "c", "insight": insight, "question": question})  # fmt: skip
    _, token = share(served, target=made.json()["id"])

    assert tile(served, token).status == 200


def test_a_saved_question_that_was_changed_to_name_people_is_shown_no_more(served: Harness) -> None:
    made = served.local("POST", f"{SHOP}/saved", {"name": "Turn", "insight": "trends", "question": TRENDS}).json()  # fmt: skip
    _, token = share(served, target=made["id"])
    assert tile(served, token).status == 200

    changed = {"name": "Turn", "insight": "people", "question": {}, "version": 1}
    assert served.local("PUT", f"{SHOP}/saved/{made['id']}", changed).status == 200

    assert tile(served, token).json()["code"] == "SHARE_PERSONAL"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/tm/v1/saved"), ("GET", "/tm/v1/saved/sign-ups"), ("GET", "/tm/v1/dashboards"),
        ("POST", "/tm/v1/ask/trends"), ("POST", "/tm/v1/ask/people"), ("POST", "/tm/v1/sql"),
        ("POST", "/tm/v1/tile"), ("GET", "/tm/v1/names"), ("GET", "/tm/v1/live"),
        ("GET", "/tm/v1/people/user/u1"), ("GET", "/tm/v1/annotations"), ("GET", "/tm/v1/failed"),
        ("POST", "/tm/v1/projects/shop/saved"), ("DELETE", "/tm/v1/projects/shop/saved/sign-ups"),
        ("GET", "/tm/v1/projects/shop/shares"), ("POST", "/tm/v1/projects/shop/keys"),
        ("POST", "/tm/v1/events"), ("GET", "/tm/v1/ledger"), ("GET", "/tm/v1/status"),
    ],
)  # fmt: skip
def test_a_token_opens_no_other_address(served: Harness, method: str, path: str) -> None:
    _, token = share(served)
    ways: list[tuple[str, dict[str, str]]] = [
        ("", {"Authorization": f"Bearer {token}"}),
        ("", {"Cookie": f"tallymark_session={token}", "X-CSRF-Token": token}),
        ("", {"Tallymark-Share": token, "Tallymark-Pass": token}),
        (f"?key={token}", {}),
    ]

    for query, headers in ways:
        answer = served.request(method, path + query, b"{}", headers=headers)
        assert answer.status in (401, 403), (query, headers, answer.body)


@pytest.mark.parametrize("token", ["x", "A" * 32, "", ":key", "%3Akey", "..%2fadmin", "%252f", "\\", "%00", "'--"])  # fmt: skip
def test_a_guessed_token_opens_nothing(served: Harness, token: str) -> None:
    assert served.request("GET", f"/tm/v1/shared/{token}").status == 404
    assert tile(served, token).status == 404
    page = served.request("GET", f"/share/{token}", headers=HTML)
    assert page.status in (200, 404)
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


def test_a_revoked_link_ends_at_once_for_everything_behind_it(served: Harness) -> None:
    share_id, token = share(served, password=PASSWORD)
    opener = {"Tallymark-Pass": unlocked(served, token)}
    assert tile(served, token, headers=opener).status == 200

    ended = served.local("DELETE", f"{SHOP}/shares/{share_id}").json()

    assert ended["revoked_at"] is not None
    assert ended["is_over"] is True
    view = served.request("GET", f"/tm/v1/shared/{token}", headers=opener)
    for answer in (view, tile(served, token, headers=opener)):
        assert (answer.status, answer.json()["code"]) == (410, "SHARE_ENDED")
    page = served.request("GET", f"/share/{token}", headers=HTML)
    assert (page.status, page.headers["content-type"]) == (410, "text/html; charset=utf-8")
    again = served.request("POST", f"/tm/v1/shared/{token}/unlock", b'{"password": "x"}')
    assert again.json()["code"] == "SHARE_ENDED"


def test_an_expired_link_is_over(served: Harness) -> None:
    now = served.clock.now()
    _, token = share(served, days=1)
    assert tile(served, token).status == 200
    kept = served.catalog.shares
    assert kept.by_token(token, now=now).expires_at is not None

    with served.catalog._write() as connection:
        connection.execute(sa.update(SHARE).values(expires_at=now - 1).where(SHARE.c.expires_at > now + 3600))  # fmt: skip

    assert tile(served, token).json()["code"] == "SHARE_ENDED"


def test_a_link_whose_question_was_deleted_is_over(served: Harness) -> None:
    made = served.local("POST", f"{SHOP}/saved", {"name": "Brief", "insight": "trends", "question": TRENDS}).json()  # fmt: skip
    _, token = share(served, target=made["id"])
    assert tile(served, token).status == 200

    served.local("DELETE", f"{SHOP}/saved/{made['id']}")

    assert (tile(served, token).status, tile(served, token).json()["code"]) == (410, "SHARE_ENDED")
    assert served.local("POST", f"{SHOP}/shares", {"kind": "question", "target": made["id"]}).status == 404  # fmt: skip


def unlocked(served: Harness, token: str) -> str:
    body = json.dumps({"password": PASSWORD}).encode()
    answer = served.request("POST", f"/tm/v1/shared/{token}/unlock", body)
    assert answer.status == 200, answer.body
    return str(answer.json()["passing"])


def test_a_password_opens_its_own_link_and_no_other(served: Harness) -> None:
    _, token = share(served, password=PASSWORD)
    _, twin = share(served, password=PASSWORD)

    for headers in ({}, {"Tallymark-Pass": ""}, {"Tallymark-Pass": "9" * 15 + ".00"}, {"Tallymark-Pass": PASSWORD}):  # fmt: skip
        for answer in (
            served.request("GET", f"/tm/v1/shared/{token}", headers=headers),
            tile(served, token, headers=headers),
        ):
            assert (answer.status, answer.json()["code"]) == (401, "SHARE_LOCKED")
    opener = {"Tallymark-Pass": unlocked(served, token)}

    assert served.request("GET", f"/tm/v1/shared/{token}", headers=opener).status == 200
    assert tile(served, token, headers=opener).status == 200
    assert tile(served, twin, headers=opener).json()["code"] == "SHARE_LOCKED"
    weak = served.local("POST", f"{SHOP}/shares", {"kind": "question", "target": "sign-ups", "password": "short"})  # fmt: skip
    assert weak.json()["code"] == "PASSWORD_WEAK"


def test_passwords_of_a_link_are_not_guessed_for_long(served: Harness) -> None:
    _, token = share(served, password=PASSWORD)
    path = f"/tm/v1/shared/{token}/unlock"
    for number in range(MOST):
        body = json.dumps({"password": f"guess number {number}"}).encode()
        assert served.request("POST", path, body).json()["code"] == "SHARE_LOCKED"

    right = served.request("POST", path, json.dumps({"password": PASSWORD}).encode())

    assert (right.status, right.json()["code"]) == (429, "SIGN_IN_LIMITED")
    assert int(right.headers["retry-after"]) > 0


def test_a_link_without_a_password_cannot_be_unlocked(served: Harness) -> None:
    _, token = share(served)

    answer = served.request("POST", f"/tm/v1/shared/{token}/unlock", b'{"password": ""}')

    assert (answer.status, answer.json()["code"]) == (401, "SHARE_LOCKED")


def test_a_pass_holds_for_hours_and_for_one_password() -> None:
    link = Share("s1", "shop", "question", "q", "", "hash", Locked(), "", 0, None, None, 0, None)
    other = Share("s1", "shop", "question", "q", "", "hash2", Locked(), "", 0, None, None, 0, None)
    made = new_pass(link, 1_000)
    ends = 1_000 + PASS_SECONDS * MICROSECONDS

    assert is_pass(made, link, ends - 1)
    assert not is_pass(made, link, ends)
    assert not is_pass(made, other, 1_000)
    later = made.replace(str(ends), str(ends + 1))
    assert not is_pass(later, link, 1_000)
    for text in ("", ".", "x.y", "1", "-1.a", "٣.a", "9" * 400 + ".a"):
        assert not is_pass(text, link, 0)


def test_only_the_pages_of_a_link_may_stand_in_a_frame_and_only_of_its_origins(
    served: Harness,
) -> None:
    _, token = share(served, origins=["https://Wiki.example.org/", "http://localhost:8080"])
    _, closed = share(served)

    page = served.request("GET", f"/share/{token}", headers=HTML)
    shut = served.request("GET", f"/share/{closed}", headers=HTML)
    other = served.request("GET", "/explore", headers=HTML)

    policy = page.headers["content-security-policy"]
    assert "frame-ancestors https://wiki.example.org http://localhost:8080" in policy
    assert policy.count("frame-ancestors") == 1
    for answer in (shut, other):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert (page.status, page.headers["x-robots-tag"]) == (200, "noindex, nofollow")
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in page.headers
    assert b'name="robots" content="noindex"' in page.body
    assert token.encode() not in page.body


def test_the_page_of_a_link_is_one_of_its_own_below_whatever_path_it_is_served(
    served: Harness,
) -> None:
    _, token = share(served)

    page = served.request("GET", f"/share/{token}", headers=HTML)
    application = served.request("GET", "/explore", headers=HTML)

    text = page.body.decode()
    (entry,) = re.findall(r'src="\./assets/([^"]+\.js)"', text)
    assert entry.startswith("shared-")
    assert entry not in application.body.decode()
    assert served.request("GET", f"/assets/{entry}").status == 200
    assert '<base href="/">' in text
    assert "rail" not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    (inline,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}';" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    "text",
    ["*", "https://*", "https://a.b; script-src *", "https://a b", "javascript://a", "https://a/b", "a.example", "https://", "https://a:99999", "https://u@a", "https://a\n", "'self'", "https://a,https://b", "data:", ""],
)  # fmt: skip
def test_an_origin_that_is_none_is_refused(text: str) -> None:
    if text == "https://a\n":
        assert origin_of(text) == "https://a"
        return
    with pytest.raises(Refused):
        origin_of(text)


def test_opening_a_link_is_counted_and_asking_its_tiles_is_not(served: Harness) -> None:
    share_id, token = share(served, label="For the board")
    for _ in range(2):
        served.request("GET", f"/tm/v1/shared/{token}")
    tile(served, token)
    served.request("GET", f"/share/{token}", headers=HTML)

    (told,) = [one for one in served.local("GET", f"{SHOP}/shares").json()["shares"] if one["id"] == share_id]  # fmt: skip

    assert (told["views"], told["label"], told["has_password"]) == (2, "For the board", False)
    assert told["viewed_at"] is not None
    assert token not in json.dumps(told)
