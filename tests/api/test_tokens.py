"""Tokens of users over HTTP: what they may, what they never may, and who makes and ends them."""

import base64
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tallymark.catalog.users import MemberRole, Role

from .harness import Answer, Harness
from .test_accounts import ADMIN_ONLY, ANALYST, GOOD, NOBODY, OWNER_ONLY, QUESTION, Browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with Harness(tmp_path_factory.mktemp("data")) as harness:
        users, now = harness.catalog.users, harness.clock.now()
        users.begin(users.invite(None, now=now), "owner@example.org", "Ona", GOOD, now=now)
        roles: tuple[MemberRole, ...] = ("viewer", "analyst", "admin")
        for role in roles:
            made = users.add(f"{role}@example.org", role, now=now, members={"shop": role})
            users.accept(users.invite(made.id, now=now), GOOD, now=now)
        yield harness


def browser(served: Harness, who: str) -> Browser:
    made = Browser(served)
    assert made.sign_in(f"{who}@example.org").status == 201
    return made


def token(served: Harness, who: str, role: Role) -> dict[str, Any]:
    """Return a token just made by somebody, with its secret."""
    made = browser(served, who).send("POST", "/tm/v1/tokens", {"name": "nightly", "role": role})
    assert made.status == 201, made.body
    issued: dict[str, Any] = made.json()
    return issued


def call(served: Harness, secret: str, method: str, path: str, body: Any = None) -> Answer:
    headers = {"Authorization": f"Bearer {secret}", "Tallymark-Project": "shop"}
    encoded = None if body is None else served_json(body)
    return served.request(method, path, encoded, headers=headers)


def served_json(body: Any) -> bytes:
    return msgspec.json.encode(body)


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("viewer", set()),
        ("analyst", {ANALYST[1]}),
        ("admin", {ANALYST[1], ADMIN_ONLY[1]}),
        ("owner", {ANALYST[1], ADMIN_ONLY[1], OWNER_ONLY[1]}),
    ],
)
def test_a_token_of_an_owner_may_what_its_role_may_and_no_more(
    served: Harness, role: Role, may: set[str]
) -> None:
    secret = token(served, "owner", role)["secret"]

    assert call(served, secret, "POST", "/tm/v1/ask/trends", QUESTION).status == 200
    for method, path, body in (ADMIN_ONLY, ANALYST, OWNER_ONLY, NOBODY):
        answer = call(served, secret, method, path, body)
        assert (answer.status == 200) == (path in may), (path, answer.body)


def test_a_token_reaches_no_project_that_its_user_is_not_in(served: Harness) -> None:
    secret = token(served, "analyst", "analyst")["secret"]
    headers = {"Authorization": f"Bearer {secret}", "Tallymark-Project": "other"}

    refused = served.request("GET", "/tm/v1/status", headers=headers)

    assert (refused.status, refused.json()["code"]) == (403, "ROLE_TOO_LOW")


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/tm/v1/events", {"Authorization": "Bearer {}"}),
        ("POST", "/v1/track", {"Authorization": "Basic {basic}"}),
        ("GET", "/tm/v1/pixel.gif?name=seen", {"Authorization": "Bearer {}"}),
        ("POST", "/tm/v1/e", {}),
    ],
)
def test_a_token_never_sends_events(
    served: Harness, method: str, path: str, headers: dict[str, str]
) -> None:
    secret = token(served, "owner", "owner")["secret"]
    basic = base64.b64encode(f"{secret}:".encode()).decode()
    given = {name: text.format(secret, basic=basic) for name, text in headers.items()}
    body = {"name": "x", "event": "x", "userId": "u", "k": secret, "e": []}

    served.request(method, path, served_json(body) if method == "POST" else None, headers=given)

    status = served.live._channel("shop").remembered
    assert all(one.seen.counts.get("accepted", 0) == 0 for one in status)


def test_the_answer_to_a_token_that_sends_says_which_key_to_take(served: Harness) -> None:
    secret = token(served, "viewer", "viewer")["secret"]

    refused = call(served, secret, "POST", "/tm/v1/events", {"name": "signup"})

    assert (refused.status, refused.json()["code"]) == (403, "AUTH_WRONG_KIND")
    assert "pk_" in refused.json()["hint"]


def test_a_token_in_an_address_is_refused_before_it_is_looked_at(served: Harness) -> None:
    secret = token(served, "viewer", "viewer")["secret"]

    asked = served.request("GET", f"/tm/v1/status?key={secret}")
    sent = served.request("POST", f"/tm/v1/events?auth={secret}", b"{}", key="secret")

    assert asked.json()["code"] == sent.json()["code"] == "AUTH_IN_URL"


def test_a_token_can_neither_make_nor_end_nor_list_tokens(served: Harness) -> None:
    issued = token(served, "owner", "owner")
    made = ("POST", "/tm/v1/tokens", {"name": "another", "role": "owner"})
    ended: tuple[str, str, Any] = ("POST", f"/tm/v1/tokens/{issued['token']['id']}/revoke", {})

    for method, path, body in (made, ended, ("GET", "/tm/v1/tokens", None)):
        refused = call(served, issued["secret"], method, path, body)
        assert (refused.status, refused.json()["code"]) == (403, "AUTH_WRONG_KIND")


def test_a_token_needs_no_token_against_forgery_and_a_cookie_beside_it_counts_for_nothing(
    served: Harness,
) -> None:
    secret = token(served, "viewer", "viewer")["secret"]
    owner = browser(served, "owner")
    owner.csrf = ""

    asked = owner.send("POST", "/tm/v1/ask/trends", QUESTION, {"Authorization": f"Bearer {secret}"})
    raised = owner.send("GET", "/tm/v1/users", headers={"Authorization": f"Bearer {secret}"})

    assert asked.status == 200
    assert raised.json()["code"] == "ROLE_TOO_LOW"


def test_a_token_ends_at_once_and_is_listed_with_when_it_was_used(served: Harness) -> None:
    admin = browser(served, "admin")
    issued = admin.send("POST", "/tm/v1/tokens", {"name": "ci", "role": "viewer", "days": 7}).json()
    assert call(served, issued["secret"], "GET", "/tm/v1/status").status == 200
    token_id = issued["token"]["id"]

    (listed,) = admin.send("GET", "/tm/v1/tokens").json()["tokens"]
    ended = admin.send("POST", f"/tm/v1/tokens/{token_id}/revoke", {})

    assert listed["used_at"] is not None
    assert listed["expires_at"] - listed["created_at"] == 7 * 86_400 * 1_000_000
    assert "secret" not in listed
    assert ended.status == 200
    refused = call(served, issued["secret"], "GET", "/tm/v1/status")
    assert (refused.status, refused.json()["code"]) == (401, "AUTH_INVALID")


def test_everybody_sees_to_their_own_tokens_and_owners_to_all(served: Harness) -> None:
    mine = token(served, "viewer", "viewer")["token"]
    other, owner = browser(served, "analyst"), browser(served, "owner")
    end = f"/tm/v1/tokens/{mine['id']}/revoke"

    assert mine["id"] not in other.send("GET", "/tm/v1/tokens").body.decode()
    assert other.send("GET", "/tm/v1/tokens?everybody=1").json()["code"] == "ROLE_TOO_LOW"
    assert other.send("POST", end, {}).status == 404
    assert mine["id"] in owner.send("GET", "/tm/v1/tokens?everybody=1").body.decode()
    assert owner.send("POST", end, {}).status == 200


def test_a_token_above_its_user_is_refused(served: Harness) -> None:
    refused = browser(served, "analyst").send(
        "POST", "/tm/v1/tokens", {"name": "up", "role": "admin"}
    )

    assert (refused.status, refused.json()["code"]) == (403, "ROLE_TOO_LOW")


def test_the_owner_of_the_folder_has_no_tokens(served: Harness) -> None:
    assert served.local("GET", "/tm/v1/tokens").json()["code"] == "AUTH_WRONG_KIND"
    assert served.request("GET", "/tm/v1/tokens", key="secret").status == 403
