"""What people refuse is not kept, at a real server: not in its answers and not in any of its files."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.faults.answers import Answer, call
from tests.journey import kept
from tests.journey.browser import chromium, eventually, pages
from tests.journey.contents import contents
from tests.journey.sdks import Target
from tests.privacy.test_strings import tc

from tallymark.cli.main import main

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def send(server: Target, event: dict[str, Any], **headers: str) -> Answer:
    """Send one event as a browser does, with the public key."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named = {"User-Agent": AGENT, "Authorization": f"Bearer {server.keys['public']}", **named}
    answer = call(server.port, "POST", "/tm/v1/events", event, named)
    assert answer is not None
    return answer


def policy(server: Target, **choices: Any) -> None:
    assert server.own("PUT", "/tm/v1/projects/default/policy", choices).status == 200


def stored(server: Target, name: str) -> list[dict[str, Any]]:
    return server.events(series={"event": name})


def dropped(server: Target) -> dict[str, int]:
    server.wait_until_loaded()
    told = server.call("GET", "/tm/v1/ledger")
    assert told is not None
    found: Counter[str] = Counter()
    for one in told.json()["lines"]:
        if one["outcome"] == "dropped":
            found[one["reason"]] += one["items"]
    return dict(found)


def test_a_refusal_is_answered_like_an_acceptance_and_leaves_a_count_only(server: Target) -> None:
    policy(server)
    secret = "canary-7261"
    kept = send(server, {"name": "asked", "id": "a-1", "anonymous_id": "d-1"})
    for number, (consent, headers) in enumerate(
        [({"measurement": "denied"}, {}), ({}, {"Cookie": "tallymark_opt_out=1"})]
    ):
        event = {
            "name": "asked",
            "id": f"{secret}-{number}",
            "anonymous_id": secret,
            "consent": consent,
        }
        refused = send(server, event, **headers)
        assert (refused.status, refused.json()) == (kept.status, kept.json())

    assert [one["id"] for one in stored(server, "asked")] == ["a-1"]
    assert dropped(server) == {"CONSENT_DENIED": 1, "OPT_OUT": 1}
    assert secret.encode() not in everything(server)


def test_what_cannot_be_read_of_somebody_who_opted_out_is_not_kept_for_repair(
    server: Target,
) -> None:
    policy(server)
    before = dropped(server).get("OPT_OUT", 0)
    cookie = {"Cookie": "tallymark_opt_out=1"}
    for event in ({"nam": "canary-8213", "id": "canary-8213"}, {"name": "", "id": "canary-8213"}):
        assert send(server, event, **cookie).json()["accepted"] == 0
    headers = {"Authorization": f"Bearer {server.keys['public']}", **cookie}
    unreadable = call(server.port, "POST", "/tm/v1/events", b'{"canary-8213', headers)

    assert unreadable is not None
    assert unreadable.status == 400
    assert dropped(server)["OPT_OUT"] == before + 2
    assert b"canary-8213" not in everything(server)


def test_a_project_that_asks_first_keeps_nothing_before_a_yes(server: Target) -> None:
    policy(server, consent="opt_in")
    send(server, {"name": "first", "id": "f-1", "anonymous_id": "d-1"})
    send(server, {"name": "first", "id": "f-2", "anonymous_id": "d-1", "consent": {"measurement": "granted"}})  # fmt: skip
    policy(server)

    assert [one["id"] for one in stored(server, "first")] == ["f-2"]


def test_each_event_tells_on_what_basis_it_is_kept(server: Target) -> None:
    yes = {"consent": {"measurement": "granted"}}
    policy(server)
    send(server, {"name": "based", "id": "base-1", "anonymous_id": "d-9"})
    send(server, {"name": "based", "id": "base-2", "anonymous_id": "d-9", **yes})
    send(server, {"name": "based", "id": "base-3", "anonymous_id": "d-9", **yes}, DNT="1")
    policy(server, consent="cookieless")
    send(server, {"name": "based", "id": "base-4", "anonymous_id": "d-9"})
    send(server, {"name": "based", "id": "base-5", "anonymous_id": "d-9", **yes})
    policy(server, consent="contract")
    send(server, {"name": "based", "id": "base-6", "anonymous_id": "d-9", "account": "acme"})
    # What is decided later about a project changes nothing of what it has.
    policy(server)

    def kept_on(basis: str) -> set[str]:
        asked = {"field": "consent_basis", "op": "equals", "value": basis}
        return {one["id"] for one in server.events(series={"event": "based"}, filter=asked)}

    server.wait_until_loaded()
    assert kept_on("unasked") == {"base-1"}
    assert kept_on("consent") == {"base-2", "base-5"}
    assert kept_on("cookieless") == {"base-3", "base-4"}
    assert kept_on("contract") == {"base-6"}


def test_nothing_is_kept_of_who_somebody_is_who_refused(server: Target) -> None:
    policy(server)
    before = dropped(server).get("CONSENT_DENIED", 0)
    traits = {"email": "canary-3391"}
    choice = {"consent": {"product": "denied"}}
    own = {"type": "identify", "user_id": "canary-3391", "anonymous_id": "d-3", "traits": traits}
    assert send(server, {**own, **choice}).json() == {"accepted": 1, "failed": []}
    managed = {"consent": {"categoryPreferences": {"Analytics": False}}}
    message = {"type": "identify", "userId": "canary-3391", "anonymousId": "d-3", "traits": traits}
    segment = {"writeKey": server.keys["public"], "batch": [{**message, "context": managed}]}
    answer = call(server.port, "POST", "/v1/batch", segment, {"User-Agent": AGENT})
    hit = f"/g/collect?v=2&tid={server.keys['public']}&cid=d-3&uid=canary-3391&gcs=G110&en=e&up.x=canary-3391"
    tag = call(server.port, "POST", hit, None, {"User-Agent": AGENT})

    assert answer is not None
    assert tag is not None
    assert (answer.status, tag.status) == (200, 204)
    # A link and a profile, twice; a use and a profile.
    assert dropped(server)["CONSENT_DENIED"] == before + 6
    assert b"canary-3391" not in everything(server)


def test_who_said_yes_is_known_also_in_a_project_that_asks_first(server: Target) -> None:
    policy(server, consent="opt_in")
    own = {"type": "identify", "user_id": "ida", "anonymous_id": "d-ida", "traits": {"plan": "pro"}}
    send(server, own)
    assert kept.changes(server, "ida") == []
    send(server, {**own, "consent": {"product": "granted"}})
    policy(server)

    assert kept.changes(server, "ida") == [("set", {"plan": "pro"})]
    assert kept.links(server, "ida") == {("d-ida", "ida", "identify")}


def test_a_cookieless_project_counts_visitors_of_a_day_and_knows_nobody(server: Target) -> None:
    policy(server, consent="cookieless")
    for number in range(3):
        send(server, {"name": "view", "id": f"v-{number}", "user_id": "canary-user", "anonymous_id": "canary-device", "context": {"page": {"url": "https://www.shop.example/a?email=canary@x.org"}}})  # fmt: skip
    send(server, {"name": "view", "id": "v-9"}, User_Agent="Other")
    link = {"type": "identify", "user_id": "canary-user", "anonymous_id": "canary-device"}
    assert send(server, link).status == 202
    policy(server)

    found = stored(server, "view")
    visitors = {one["anonymous_id"] for one in found}
    assert len(found) == 4
    assert len(visitors) == 2
    assert all(one.startswith("d_") for one in visitors)
    assert {one["user_id"] for one in found} == {None}
    assert all("cookieless" in one["flags"] for one in found)
    assert b"canary-user" not in everything(server)
    assert b"canary-device" not in everything(server)
    assert dropped(server)["IDENTIFY_IN_COOKIELESS"] == 1


def test_do_not_track_makes_a_visitor_nameless_and_gpc_stops_what_is_shared(
    server: Target,
) -> None:
    policy(server, purposes={"ad_*": "sharing"})
    send(server, {"name": "tracked", "id": "t-1", "user_id": "ana"}, DNT="1")
    send(server, {"name": "ad_seen", "id": "g-1"}, Sec_GPC="1")
    send(server, {"name": "tracked", "id": "t-2", "user_id": "ana"}, Sec_GPC="1")
    policy(server)

    assert {one["id"]: one["user_id"] for one in stored(server, "tracked")} == {
        "t-1": None,
        "t-2": "ana",
    }
    assert stored(server, "ad_seen") == []
    assert dropped(server)["GPC"] == 1


def test_declared_properties_are_hashed_or_dropped_before_they_reach_a_file(
    server: Target,
) -> None:
    policy(server, properties={"email": "hmac", "card": "drop"}, suspects="quarantine")
    sent = {"email": "canary.mail@x.org", "card": "canary-card", "plan": "pro"}
    send(server, {"name": "declared", "id": "p-1", "properties": sent})
    send(server, {"name": "declared", "id": "p-2", "properties": {"note": "call canary.two@x.org"}})
    policy(server)

    (event,) = stored(server, "declared")
    assert set(event["properties"]) == {"email", "plan"}
    assert event["properties"]["email"].startswith("h_")
    failed = server.call("GET", "/tm/v1/failed?code=PII_BLOCKED")
    assert failed is not None
    assert [one["event_id"] for one in failed.json()["failed"]] == ["p-2"]
    for canary in (b"canary.mail", b"canary-card", b"canary.two"):
        assert canary not in everything(server)


def test_no_address_of_a_visitor_is_in_any_file(server: Target) -> None:
    policy(server)
    send(server, {"name": "addressed", "id": "i-1", "context": {"ip": "198.51.100.77"}})

    (event,) = stored(server, "addressed")
    assert event["anonymous_id"].startswith("d_")
    assert "ip" not in event["context"]
    assert b"198.51.100.77" not in everything(server)


def test_a_server_that_names_nobody_is_believed(server: Target) -> None:
    policy(server)
    person = {"ip": "198.51.100.78", "user_agent": AGENT}
    server.send({"name": "nobody", "id": "n-1", "context": person})

    (event,) = stored(server, "nobody")
    assert (event["anonymous_id"], event["flags"]) == (None, [])


def test_somebody_who_opts_out_in_a_browser_is_not_counted_any_more(server: Target) -> None:
    page = f"""<script>
      const url = "{server.url}";
      const post = (path, body) => fetch(url + path, {{method: "POST", body, credentials: "include",
        headers: {{"Content-Type": "text/plain"}}}});
      const track = id => post("/tm/v1/events?key={server.keys["public"]}",
        JSON.stringify({{name: "browsed", id}}));
    </script>"""
    policy(server)
    with pages({"/": page}) as site, chromium() as browser:
        tab = browser.new_page()
        # The same site, so that a cookie without TLS comes along.
        tab.goto(site.replace("localhost", "127.0.0.1"))
        tab.evaluate("track('b-1')")
        eventually(lambda: len(stored(server, "browsed")) == 1, "nothing was counted")
        tab.evaluate("post('/tm/v1/opt-out')")
        tab.evaluate("track('b-2')")
        tab.evaluate("post('/tm/v1/opt-in')")
        tab.evaluate("track('b-3')")
        eventually(lambda: len(stored(server, "browsed")) == 2, "nothing was counted again")

    assert [one["id"] for one in stored(server, "browsed")] == ["b-1", "b-3"]


def test_the_server_says_that_it_honours_gpc(server: Target) -> None:
    answer = call(server.port, "GET", "/.well-known/gpc.json")

    assert answer is not None
    assert answer.json()["gpc"] is True


def test_what_somebody_agreed_to_is_proven_by_any_of_their_ids(
    server: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    policy(server, consent="opt_in")
    string = tc(1, 8, 9)
    send(server, {"type": "consent", "anonymous_id": "p-d", "time": "2026-01-03T00:00:00Z", "consent": {"tcf": string}})  # fmt: skip
    yes = {"measurement": "granted", "product": "granted", "policy_version": "7", "at": "2026-11-01T00:00:00Z"}  # fmt: skip
    send(server, {"type": "identify", "user_id": "p-ana", "anonymous_id": "p-d", "consent": yes})
    send(server, {"type": "consent", "user_id": "p-ana", "consent": {"product": "withdrawn"}})
    unread = send(server, {"name": "asked", "id": "p-1", "anonymous_id": "p-d", "consent": {"tcf": "C"}})  # fmt: skip
    refused = send(server, {"type": "consent", "anonymous_id": "canary-5120", "consent": {"sharing": "denied"}})  # fmt: skip

    server.wait_until_loaded()
    answer = server.call("GET", "/tm/v1/people/user/p-ana/consent?at=2026-11-02T00:00:00Z")
    assert main(["consent", "p-d", "--kind", "anonymous", "--data", str(server.data)]) == 0
    said = capsys.readouterr().out
    unknown = server.call("GET", "/tm/v1/people/user/canary-5120/consent")
    nowhere = server.call("GET", "/tm/v1/people/team/t/consent")

    assert answer is not None
    found = answer.json()
    assert {name: one["state"] for name, one in found["holds"].items()} == {"measurement": "granted", "product": "granted"}  # fmt: skip
    told = [(one["purpose"], one["state"], one["source"], one["policy_version"]) for one in found["records"]]  # fmt: skip
    assert told == [
        ("measurement", "granted", "tcf", None), ("measurement", "granted", "sdk", "7"),
        ("product", "granted", "sdk", "7"), ("product", "withdrawn", "sdk", None),
    ]  # fmt: skip
    assert found["records"][0]["raw"] == string
    # What was said under one id; the first was said under another.
    assert [one["previous"] for one in found["records"]] == [None, None, None, found["records"][2]["seq"]]  # fmt: skip
    assert "product      withdrawn" in said
    assert (unread.status, refused.status) == (202, 202)
    assert dropped(server)["CONSENT_UNPARSABLE"] == 1
    assert unknown is not None
    assert nowhere is not None
    assert (unknown.status, nowhere.status) == (404, 404)
    assert b"canary-5120" not in everything(server)


def everything(server: Target) -> bytes:
    """Return what is in the files of the server that hold what was sent, its log inflated."""
    server.wait_until_loaded()
    return contents(Path(server.seen))
