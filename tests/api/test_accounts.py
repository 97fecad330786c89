"""Signing in with a browser, and what each role may do."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tallymark.api.attempts import MOST, WITHIN_SECONDS, Attempts
from tallymark.api.sign_in import COOKIE
from tallymark.catalog.users import MemberRole
from tallymark.core.clock import MICROSECONDS
from tallymark.core.errors import TallymarkError

from .harness import Answer, Harness

GOOD = "correct horse battery staple"


class Browser:
    """Keeps a cookie and sends what pages of ours send."""

    def __init__(self, server: Harness) -> None:
        self.server = server
        self.cookie = ""
        self.csrf = ""

    def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        mine = {"Cookie": f"other=1; {COOKIE}={self.cookie}"} if self.cookie else {}
        if self.csrf:
            mine["X-CSRF-Token"] = self.csrf
        encoded = None if body is None else msgspec.json.encode(body)
        answer = self.server.request(method, path, encoded, headers={**mine, **(headers or {})})
        if "set-cookie" in answer.headers:
            self.cookie = answer.headers["set-cookie"].split(";")[0].removeprefix(f"{COOKIE}=")
            self.csrf = answer.json()["csrf"] or ""
        return answer

    def sign_in(self, email: str, password: str = GOOD) -> Answer:
        return self.send("POST", "/tm/v1/session", {"email": email, "password": password})


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


def test_a_new_server_is_taken_over_with_its_token_and_then_by_nobody(tmp_path: Path) -> None:
    with Harness(tmp_path) as server:
        guest = Browser(server)
        assert guest.send("GET", "/tm/v1/session").json()["needs_owner"] is True
        token = server.catalog.users.invite(None, now=server.clock.now())
        first = {"token": token, "email": "ana@example.org", "password": GOOD, "name": "Ana"}

        wrong = guest.send("POST", "/tm/v1/setup", {**first, "token": "guessed"})
        assert (wrong.status, wrong.json()["code"]) == (400, "INVITATION_INVALID")
        assert guest.send("POST", "/tm/v1/setup", first).status == 201
        mine = guest.send("GET", "/tm/v1/session").json()
        assert mine["user"]["email"] == "ana@example.org"
        assert [(one["id"], one["role"]) for one in mine["projects"]] == [
            ("other", "owner"), ("shop", "owner"),
        ]  # fmt: skip
        assert Browser(server).send("POST", "/tm/v1/setup", first).json()["code"] == "INVITATION_INVALID"  # fmt: skip


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(served: Harness) -> None:
    answer = Browser(served).sign_in("viewer@example.org")

    said = answer.headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=lax" in said
    assert "secure" not in said


def test_the_cookie_is_for_tls_only_where_a_trusted_proxy_says_that_there_is_tls(
    tmp_path: Path,
) -> None:
    with Harness(tmp_path, trusted_proxies=("127.0.0.1",)) as server:
        users, now = server.catalog.users, server.clock.now()
        users.begin(users.invite(None, now=now), "owner@example.org", "", GOOD, now=now)
        body = {"email": "owner@example.org", "password": GOOD}
        answer = Browser(server).send(
            "POST", "/tm/v1/session", body, {"X-Forwarded-Proto": "https"}
        )
        assert "secure" in answer.headers["set-cookie"].lower()


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(served: Harness) -> None:
    answers = [
        Browser(served).sign_in("viewer@example.org", "wrong wrong wrong"),
        Browser(served).sign_in("nobody@example.org"),
    ]

    said = [(one.status, one.json()["code"], one.json()["detail"]) for one in answers]
    assert said[0] == said[1]
    assert said[0][:2] == (401, "SIGN_IN_FAILED")
    assert all("set-cookie" not in one.headers for one in answers)


def test_signing_in_often_in_vain_has_to_wait(tmp_path: Path) -> None:
    with Harness(tmp_path) as server:
        users, now = server.catalog.users, server.clock.now()
        users.begin(users.invite(None, now=now), "owner@example.org", "", GOOD, now=now)
        for _ in range(MOST):
            assert Browser(server).sign_in("owner@example.org", "wrong wrong wrong").status == 401

        limited = Browser(server).sign_in("owner@example.org")

        assert (limited.status, limited.json()["code"]) == (429, "SIGN_IN_LIMITED")
        assert 0 < int(limited.headers["retry-after"]) <= WITHIN_SECONDS + 1


def test_attempts_are_forgotten_with_time_and_the_names_remembered_are_bounded() -> None:
    attempts = Attempts()
    for _ in range(MOST):
        attempts.take("ana", 0)
    with pytest.raises(TallymarkError):
        attempts.take("ana", WITHIN_SECONDS * MICROSECONDS - 1)
    attempts.take("bob", 1)
    attempts.take("ana", WITHIN_SECONDS * MICROSECONDS)
    for number in range(10_001):
        attempts.take(str(number), 1)
    for _ in range(MOST):
        attempts.take("ana", 1)


def test_who_signs_in_as_often_as_they_like_is_not_taken_for_one_who_guesses() -> None:
    attempts = Attempts()
    for now in range(5 * MOST):
        attempts.take("office", now)
        attempts.take("ana", now)
        attempts.give_back("office")
        attempts.forget("ana")


def test_many_guesses_at_once_are_no_more_than_one_after_the_other(tmp_path: Path) -> None:
    with Harness(tmp_path) as server, ThreadPoolExecutor(2 * MOST) as together:
        users, now = server.catalog.users, server.clock.now()
        users.begin(users.invite(None, now=now), "owner@example.org", "", GOOD, now=now)
        guesses = [f"wrong guess number {number}" for number in range(2 * MOST)]

        answers = list(
            together.map(lambda one: Browser(server).sign_in("owner@example.org", one), guesses)
        )

    assert sorted(one.status for one in answers) == [401] * MOST + [429] * MOST


def test_a_cookie_of_ours_is_found_beside_any_other(served: Harness) -> None:
    viewer = browser(served, "viewer")
    odd = f'a="x;y; b={{"c": [1,2]}}; {COOKIE}={viewer.cookie}; d'

    assert viewer.send("GET", "/tm/v1/session", headers={"Cookie": odd}).json()["user"] is not None


def test_signing_out_ends_the_session_for_everybody_who_has_the_cookie(served: Harness) -> None:
    mine = browser(served, "viewer")
    copied, token = mine.cookie, mine.csrf

    assert mine.send("DELETE", "/tm/v1/session").status == 200

    thief = Browser(served)
    thief.cookie, thief.csrf = copied, token
    refused = thief.send("GET", "/tm/v1/insights")
    assert (refused.status, refused.json()["code"]) == (401, "SIGNED_OUT")
    assert thief.send("GET", "/tm/v1/session").json()["user"] is None


QUESTION = {"series": [{"event": "signup"}]}


def test_a_viewer_asks_questions_and_a_call_without_the_token_of_the_session_is_refused(
    served: Harness,
) -> None:
    viewer = browser(served, "viewer")

    assert viewer.send("POST", "/tm/v1/ask/trends", QUESTION).status == 200
    viewer.csrf = "guessed"
    refused = viewer.send("POST", "/tm/v1/ask/trends", QUESTION)
    assert (refused.status, refused.json()["code"]) == (403, "CSRF_INVALID")


def test_a_page_of_another_site_can_do_nothing_with_the_cookie(served: Harness) -> None:
    viewer = browser(served, "viewer")
    foreign = {"Sec-Fetch-Site": "cross-site"}

    asked = viewer.send("POST", "/tm/v1/ask/trends", QUESTION, foreign)
    signed = viewer.send("POST", "/tm/v1/session", {"email": "a@b", "password": "x"}, foreign)

    assert asked.json()["code"] == signed.json()["code"] == "CSRF_INVALID"


ADMIN_ONLY = ("GET", "/tm/v1/projects/shop/keys", None)
ANALYST = ("POST", "/tm/v1/sql", {"sql": "SELECT 1"})
OWNER_ONLY = ("GET", "/tm/v1/users", None)
NOBODY: tuple[str, str, Any] = ("POST", "/tm/v1/verify", {})


@pytest.mark.parametrize(
    ("who", "may"),
    [
        ("viewer", set()),
        ("analyst", {ANALYST[1]}),
        ("admin", {ANALYST[1], ADMIN_ONLY[1]}),
        ("owner", {ANALYST[1], ADMIN_ONLY[1], OWNER_ONLY[1]}),
    ],
)
def test_each_role_may_what_it_may_and_no_more(served: Harness, who: str, may: set[str]) -> None:
    mine = browser(served, who)
    headers = {"Tallymark-Project": "shop"}

    for method, path, body in (ADMIN_ONLY, ANALYST, OWNER_ONLY, NOBODY):
        answer = mine.send(method, path, body, headers)
        assert (answer.status == 200) == (path in may), (path, answer.body)
        if path not in may:
            assert answer.json()["code"] == ("AUTH_WRONG_KIND" if path == NOBODY[1] else "ROLE_TOO_LOW")  # fmt: skip


def test_a_member_sees_their_own_projects_only(served: Harness) -> None:
    viewer = browser(served, "viewer")

    seen = viewer.send("GET", "/tm/v1/projects").json()["projects"]
    asked = viewer.send("POST", "/tm/v1/ask/trends", QUESTION, {"Tallymark-Project": "other"})
    followed = viewer.send("GET", "/tm/v1/status?project=other")

    assert [one["id"] for one in seen] == ["shop"]
    assert asked.json()["code"] == followed.json()["code"] == "ROLE_TOO_LOW"


def test_an_admin_cannot_end_a_key_of_another_project(served: Harness) -> None:
    key, _ = served.catalog.create_key("other", "read", now=served.clock.now())
    mine, _ = served.catalog.create_key("shop", "read", now=served.clock.now())
    admin = browser(served, "admin")

    refused = admin.send("POST", f"/tm/v1/keys/{key.id}/revoke", {})

    assert refused.json()["code"] == "ROLE_TOO_LOW"
    assert served.catalog.key(key.id).revoked_at is None
    assert admin.send("POST", f"/tm/v1/keys/{mine.id}/revoke", {}).status == 200


def test_an_owner_lets_somebody_in_who_sets_their_own_password(served: Harness) -> None:
    ona = browser(served, "owner")
    made = ona.send(
        "POST", "/tm/v1/users", {"email": "new@example.org", "projects": {"shop": "viewer"}}
    )
    assert made.status == 201
    guest = Browser(served)

    assert guest.send("POST", "/tm/v1/password", {"token": made.json()["token"], "password": GOOD}).status == 201  # fmt: skip
    assert guest.send("GET", "/tm/v1/session").json()["user"]["projects"] == {"shop": "viewer"}
    user_id = made.json()["user"]["id"]
    changed = {"is_owner": False, "projects": {}, "is_disabled": True}
    assert ona.send("PUT", f"/tm/v1/users/{user_id}", changed).status == 200
    assert guest.send("GET", "/tm/v1/insights").json()["code"] == "SIGNED_OUT"
    assert ona.send("POST", "/tm/v1/users/nobody/invitation", {}).status == 404


def test_a_key_is_worth_what_it_was_beside_a_cookie(served: Harness) -> None:
    viewer = browser(served, "viewer")
    public = {"Authorization": f"Bearer {served.keys['public']}"}

    assert viewer.send("GET", "/tm/v1/insights", headers=public).json()["code"] == "AUTH_WRONG_KIND"
    assert served.request("GET", "/tm/v1/users", key="secret").status == 403


def test_the_owner_of_the_folder_sees_to_users_without_being_one(served: Harness) -> None:
    said = served.local("GET", "/tm/v1/users").json()["users"]
    assert "owner@example.org" in {one["email"] for one in said}
