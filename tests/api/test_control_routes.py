"""Projects, keys and sites through the socket of the data folder, felt on the network at once."""

import sqlite3
import stat
import time
from typing import Any
from urllib.parse import quote

import pytest

from tallymark.core.errors import TallymarkError

from .harness import Harness

EVENT = b'{"name":"x"}'


def test_a_new_project_comes_with_keys_that_work(server: Harness) -> None:
    created = server.local("POST", "/tm/v1/projects", {"name": "Fresh", "timezone": "Asia/Tokyo"})
    (server.data / "projects" / "fresh").mkdir()
    secrets = {issued["key"]["kind"]: issued["secret"] for issued in created.json()["keys"]}

    sent = server.request("POST", "/tm/v1/events", EVENT, key=secrets["public"])
    asked = server.request("POST", "/tm/v1/ask/trends", b"{}", key=secrets["read"])

    assert created.status == 201
    assert created.json()["project"]["id"] == "fresh"
    assert sent.status == 202
    assert asked.json()["params"]["timezone"] == "Asia/Tokyo"


def test_keys_are_listed_without_their_secrets(server: Harness) -> None:
    listed = server.local("GET", "/tm/v1/projects/shop/keys")

    assert {key["kind"] for key in listed.json()["keys"]} == {"public", "secret", "read"}
    for kind, text in server.keys.items():
        # A public key stands in pages and is no secret.
        assert (text[12:44] in listed.body.decode()) == (kind == "public")


def test_a_public_key_is_shown_as_long_as_it_works(server: Harness) -> None:
    path = "/tm/v1/projects/other/public-key"
    none = server.local("GET", path).json()
    first = server.local("POST", "/tm/v1/projects/other/keys", {"kind": "public"}).json()
    server.local("POST", "/tm/v1/projects/other/keys", {"kind": "secret"})
    shown = server.local("GET", path).json()
    turned = server.local("POST", f"/tm/v1/keys/{first['key']['id']}/rotate", {}).json()
    then = server.local("GET", path).json()
    server.local("POST", f"/tm/v1/keys/{turned['key']['id']}/revoke")
    left = server.local("GET", path).json()

    assert none["key"] is None
    assert shown["key"]["text"] == first["secret"]
    assert then["key"]["text"] == turned["secret"]
    assert left["key"]["text"] == first["secret"]


def test_a_revoked_key_ends_at_once_though_it_was_just_used(server: Harness) -> None:
    issued = server.local("POST", "/tm/v1/projects/shop/keys", {"kind": "secret"}).json()
    before = server.request("POST", "/tm/v1/events", EVENT, key=issued["secret"]).status

    server.local("POST", f"/tm/v1/keys/{issued['key']['id']}/revoke")
    after = server.request("POST", "/tm/v1/events", EVENT, key=issued["secret"])

    assert before == 202
    assert (after.status, after.json()["code"]) == (401, "AUTH_INVALID")


def test_a_rotated_key_works_beside_its_successor_until_the_grace_ends(server: Harness) -> None:
    issued = server.local("POST", "/tm/v1/projects/shop/keys", {"kind": "public"}).json()
    path = f"/tm/v1/keys/{issued['key']['id']}/rotate"
    new = server.local("POST", path, {"grace_seconds": 1}).json()["secret"]
    both = [
        server.request("POST", "/tm/v1/events", EVENT, key=key).status
        for key in (issued["secret"], new)
    ]

    time.sleep(1.1)

    assert both == [202, 202]
    assert server.request("POST", "/tm/v1/events", EVENT, key=issued["secret"]).status == 401
    assert server.request("POST", "/tm/v1/events", EVENT, key=new).status == 202


def test_a_changed_policy_holds_for_the_next_event(server: Harness) -> None:
    before = server.catalog.project("shop").policy.ip

    server.local("PUT", "/tm/v1/projects/shop/policy", {"ip": "full"})
    known = server.local("GET", "/tm/v1/projects").json()["projects"]

    assert before == "drop"
    assert [one["policy"]["ip"] for one in known if one["id"] == "shop"] == ["full"]


def test_a_site_sends_while_it_is_registered_and_ends_at_once(server: Harness) -> None:
    path, site = "/tm/v1/projects/shop/sites", {"protocol": "plausible", "name": "shop.example"}
    event = b'{"n":"pageview","u":"https://shop.example/","d":"shop.example"}'
    before = server.request("POST", "/api/event", event).status

    added = server.local("POST", path, site)
    listed = server.local("GET", path).json()["sites"]
    sent = server.request("POST", "/api/event", event).status
    left = server.local("DELETE", path, site)
    after = server.request("POST", "/api/event", event).status

    assert (before, sent, after) == (400, 202, 400)
    assert (added.status, added.json()["project"]) == (201, "shop")
    assert [(one["protocol"], one["name"]) for one in listed] == [("plausible", "shop.example")]
    assert (left.status, left.json()["sites"]) == (200, [])
    assert len(server.stored()) == 1


def test_a_site_of_one_protocol_is_none_of_another(server: Harness) -> None:
    site = {"protocol": "umami", "name": "shop.example"}
    server.local("POST", "/tm/v1/projects/shop/sites", site)
    event = b'{"n":"pageview","u":"https://shop.example/","d":"shop.example"}'

    assert server.request("POST", "/api/event", event).status == 400


def test_a_site_is_registered_once_and_only_its_project_can_remove_it(server: Harness) -> None:
    site = {"protocol": "matomo", "name": "1"}
    server.local("POST", "/tm/v1/projects/shop/sites", site)

    again = server.local("POST", "/tm/v1/projects/other/sites", site)
    foreign = server.local("DELETE", "/tm/v1/projects/other/sites", site)

    assert (again.status, again.json()["code"]) == (409, "SITE_EXISTS")
    assert (foreign.status, foreign.json()["code"]) == (404, "NOT_FOUND")


def test_a_site_of_a_protocol_there_is_not_is_refused_with_the_one_meant(server: Harness) -> None:
    site = {"protocol": "matommo", "name": "1"}
    answer = server.local("POST", "/tm/v1/projects/shop/sites", site)

    assert (answer.status, answer.json()["code"]) == (404, "NOT_FOUND")
    assert "Did you mean 'matomo'?" in answer.json()["hint"]


def test_nobody_on_the_network_can_look_after_sites(shared: Harness) -> None:
    for method in ("GET", "POST", "DELETE"):
        body = b'{"protocol":"matomo","name":"9"}'
        answer = shared.request(method, "/tm/v1/projects/shop/sites", body, key="secret")

        assert (answer.status, answer.json()["code"]) == (403, "AUTH_WRONG_KIND")


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/tm/v1/projects", {"name": "x", "bogus": 1}, "BAD_FIELD"),
        ("/tm/v1/projects", {}, "BAD_FIELD"),
        ("/tm/v1/projects", {"name": "shop"}, "PROJECT_EXISTS"),
        ("/tm/v1/projects", {"name": "x", "timezone": "Mars"}, "TIMEZONE_UNKNOWN"),
        ("/tm/v1/projects/shop/keys", {"kind": "admin"}, "BAD_FIELD"),
        ("/tm/v1/projects/nope/keys", {"kind": "read"}, "PROJECT_UNKNOWN"),
        ("/tm/v1/projects/nope/sites", {"protocol": "matomo", "name": "1"}, "PROJECT_UNKNOWN"),
        ("/tm/v1/projects/shop/sites", {"protocol": "matomo"}, "BAD_FIELD"),
        ("/tm/v1/projects/shop/sites", {"protocol": "matomo", "name": "a\nb"}, "BAD_FIELD"),
    ],
)
def test_a_wrong_order_is_refused_by_name(
    shared: Harness, path: str, body: object, code: str
) -> None:
    assert shared.local("POST", path, body).json()["code"] == code


def test_broken_json_is_told_as_such(shared: Harness) -> None:
    answer = shared.request("POST", "/tm/v1/projects", b"{", local=True)

    assert (answer.status, answer.json()["code"]) == (400, "JSON_SYNTAX")


def test_with_several_projects_the_owner_has_to_name_one(shared: Harness) -> None:
    answer = shared.local("GET", "/tm/v1/status", project="")

    assert (answer.status, answer.json()["code"]) == (404, "PROJECT_UNKNOWN")
    assert "Tallymark-Project" in answer.json()["hint"]


def test_only_the_owner_can_open_the_socket(shared: Harness) -> None:
    assert stat.S_IMODE(shared.socket_path.stat().st_mode) == 0o600


@pytest.mark.parametrize("fault", ["locked", "corrupt", "gone"])
def test_collection_goes_on_when_the_catalog_is_away(server: Harness, fault: str) -> None:
    assert server.request("POST", "/tm/v1/events", EVENT, key="public").status == 202
    # As if the last look-up were long ago, so that the next request asks the catalog again.
    server.age_keys(seconds=60)
    file = server.data / "catalog.db"
    holder = sqlite3.connect(file)
    match fault:
        case "locked":
            holder.execute("BEGIN EXCLUSIVE")
        case "corrupt":
            server.catalog.close()
            file.write_bytes(b"\xff" * 40_000)
        case "gone":
            server.catalog.close()
            for one in server.data.glob("catalog.db*"):
                one.unlink()

    known = server.request("POST", "/tm/v1/events", EVENT, key="public")
    created = server.local("POST", "/tm/v1/projects", {"name": "new"})
    holder.close()

    assert known.status == 202
    assert (created.status, created.json()["code"]) == (503, "CATALOG_AWAY")


def test_a_key_checked_too_long_ago_is_not_believed_while_the_catalog_is_away(
    server: Harness,
) -> None:
    assert server.request("POST", "/tm/v1/events", EVENT, key="public").status == 202
    server.age_keys(seconds=server.settings.key_cache_seconds + 60)
    server.catalog.close()
    (server.data / "catalog.db").write_bytes(b"\xff" * 40_000)

    answer = server.request("POST", "/tm/v1/events", EVENT, key="public")

    assert (answer.status, answer.json()["code"]) == (503, "CATALOG_AWAY")
    assert "retry-after" in answer.headers


def ids(*names: str) -> dict[str, Any]:
    return {"who": {"op": "ids", "ids": list(names)}}


def test_a_cohort_is_defined_beside_whatever_else_there_is(server: Harness) -> None:
    path = "/tm/v1/projects/other"
    asked = '"filter":{"op":"gt","field":"value","value":0.30000000000000001}'
    there = '{"questions":{"weekly":{"insight":"trends","question":{' + asked + "}}}}"
    server.catalog.definitions.push("other", there, now=server.clock.now())

    first = server.local("PUT", f"{path}/cohorts/one", ids("a"), "other")
    server.local("PUT", f"{path}/cohorts/two", ids("b"), "other")
    server.local("PUT", f"{path}/cohorts/one", ids("c"), "other")
    gone = server.local("DELETE", f"{path}/cohorts/two", None, "other")

    shown = server.local("GET", "/tm/v1/definitions", None, "other").json()
    assert (first.json()["version"], gone.json()["version"]) == (2, 5)
    assert shown["definitions"]["cohorts"] == {"one": ids("c")}
    # A page would have read it as 0.3.
    assert "0.30000000000000001" in server.catalog.definitions.at("other", 5).content
    assert server.local("DELETE", f"{path}/cohorts/two", None, "other").status == 404


@pytest.mark.parametrize(
    ("name", "cohort", "code"),
    [
        ("Not a name", ids("a"), "DEFINITION_INVALID"),
        ("held", {"who": {"op": "in_cohort", "cohort": "held"}}, "DEFINITION_INVALID"),
        ("other", {"who": {"op": "in_cohort", "cohort": "nowhere"}}, "DEFINITION_INVALID"),
        ("wrong", {"who": {"op": "did", "times": 3}}, "DEFINITION_INVALID"),
    ],
)
def test_a_cohort_that_cannot_be_is_refused_and_changes_nothing(
    server: Harness, name: str, cohort: dict[str, Any], code: str
) -> None:
    before = server.local("GET", "/tm/v1/definitions").json()["version"]
    refused = server.local("PUT", f"/tm/v1/projects/shop/cohorts/{quote(name)}", cohort)

    assert (refused.status, refused.json()["code"]) == (400, code)
    assert server.local("GET", "/tm/v1/definitions").json()["version"] == before


def test_a_cohort_that_another_one_uses_cannot_be_removed(server: Harness) -> None:
    path = "/tm/v1/projects/shop/cohorts"
    server.local("PUT", f"{path}/core", ids("a"))
    server.local("PUT", f"{path}/most", {"who": {"op": "not", "member": {"op": "in_cohort", "cohort": "core"}}})  # fmt: skip

    refused = server.local("DELETE", f"{path}/core")

    assert (refused.status, refused.json()["code"]) == (400, "DEFINITION_INVALID")
    assert "most" in refused.json()["detail"]


def test_definitions_that_somebody_else_changed_are_not_overwritten(server: Harness) -> None:
    kept, now = server.catalog.definitions, server.clock.now()
    server.catalog.create_project("raced", now=now)
    kept.push("raced", '{"cohorts":{}}', now=now, expected=0)

    with pytest.raises(TallymarkError) as caught:
        kept.push("raced", "{}", now=now, expected=0)

    assert caught.value.code == "DEFINITION_CHANGED"
    assert kept.push("raced", "{}", now=now, expected=1).version == 2


def test_versions_of_a_plan_are_listed_and_compared(server: Harness) -> None:
    path = "/tm/v1/projects/other/plan"
    plans = [
        {"events": [{"event": "signup", "version": "1-0-0", "properties": properties}]}
        for properties in ({"plan": {"type": "string"}}, {"plan": {"type": "string"}, "seats": {"type": "integer"}})
    ]  # fmt: skip
    for plan in plans:
        assert server.local("PUT", path, plan).status == 200

    listed = server.local("GET", f"{path}/versions").json()["versions"]
    from_nothing = server.local("GET", f"{path}/changes?before=0&after=1").json()["changes"]
    changes = server.local("GET", f"{path}/changes?before=1&after=2").json()["changes"]
    earlier = server.local("GET", f"{path}?version=1").json()

    assert [one["version"] for one in listed] == [2, 1]
    assert [(one["event"], one["what"]) for one in from_nothing] == [("signup", "it is new.")]
    assert ("properties.seats", "it is new.") in {(one["key"], one["what"]) for one in changes}
    assert list(earlier["plan"]["events"][0]["properties"]) == ["plan"]
    assert server.local("GET", f"{path}?version=9").status == 404
    assert server.local("GET", f"{path}/changes?before=1").json()["path"] == "after"


def test_traffic_is_held_against_the_plan_that_holds(server: Harness) -> None:
    asked = server.local("GET", "/tm/v1/projects/shop/plan/traffic?days=9999").json()

    assert asked["method"] == "plan_traffic"
    assert asked["params"]["days"] == 366


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://shop.example"}, 202),
        ({"Origin": "https://a.blog.example"}, 202),
        ({"Referer": "https://shop.example/cart"}, 202),
        ({"Origin": "https://other.example"}, 403),
        ({"Origin": "null", "Referer": "https://shop.example/"}, 403),
        ({}, 403),
    ],
)
def test_a_key_for_certain_sites_takes_events_of_their_pages_alone(
    server: Harness, headers: dict[str, str], status: int
) -> None:
    order = {"kind": "public", "origins": ["https://shop.example", "https://*.blog.example"]}
    key = server.local("POST", "/tm/v1/projects/shop/keys", order).json()["secret"]

    answer = server.request("POST", "/tm/v1/events", EVENT, key=key, headers=headers)

    assert answer.status == status
    if status == 403:
        assert answer.json()["code"] == "ORIGIN_REFUSED"
        # The page may read why, and the project is told.
        assert answer.headers.get("access-control-allow-origin") == headers.get("Origin")
        (seen,) = server.live._channel("shop").remembered[-1].seen.failed
        assert (seen.code, headers.get("Origin", "") in seen.message) == ("ORIGIN_REFUSED", True)
