"""A request held against a tracking plan: what is kept, what is set aside, and what its sender hears."""

import json
from decimal import Decimal
from typing import Any

import msgspec
from tests.schema.plans import CHECKOUT, event, plan

from tallymark.collect.batch import Prepared, Surroundings, prepare
from tallymark.collect.protocol import Caller, Protocol, Request
from tallymark.collect.protocols.native import native
from tallymark.collect.protocols.native import reply as native_reply
from tallymark.collect.protocols.segment import segment
from tallymark.core.clock import SystemClock
from tallymark.core.event import Event
from tallymark.core.policy import Policy
from tallymark.core.settings import Settings
from tallymark.schema.enforce import compiled

NOW = 1_790_000_000_000_000
GOOD = {"amount": 1, "currency": "EUR"}


def sent(
    *items: dict[str, Any],
    text: str = CHECKOUT,
    policy: Policy | None = None,
    protocol: Protocol = native,
    query: str = "",
    headers: dict[str, str] | None = None,
    kind: Any = "secret",
) -> Prepared:
    caller = Caller("p", kind, "k", policy or Policy(), compiled(plan(text)))
    body = json.dumps({"batch" if protocol is segment else "events": items}).encode()
    path = protocol.routes[0][1]
    request = Request("POST", path, query, headers or {}, body, None, NOW)
    if protocol.open is not None:
        content = protocol.open(request, Settings())
        request = msgspec.structs.replace(request, content=content)
    around = Surroundings(key=lambda _: b"k" * 32)
    return prepare(protocol, request, caller, Settings(), clock=SystemClock(), around=around)


def item(event_id: str, **properties: Any) -> dict[str, Any]:
    return {"name": "checkout_completed", "id": event_id, "properties": properties}


def rejecting(text: str = CHECKOUT) -> str:
    return text.replace("invalid: quarantine", "invalid: reject")


def test_what_is_set_aside_is_kept_whole_with_its_reason_and_told_as_accepted() -> None:
    found = sent(item("1", **GOOD), item("2", amount="9.5", currency="EUR", note="x"))

    (failed,) = found.batch.failed
    assert [one.id for one in found.batch.events] == ["1"]
    assert (failed.code, failed.stage, failed.path, failed.is_quarantined) == ("SCHEMA_TYPE", "schema", "properties.amount", True)  # fmt: skip
    assert failed.message == "amount must be a number, not text. (1 more)"
    kept = msgspec.json.decode(failed.raw, type=Event)
    assert kept.properties == {"amount": "9.5", "currency": "EUR", "note": "x"}
    assert json.loads(native_reply(found.decoded).body) == {"accepted": 2, "failed": []}
    assert found.batch.received == 2


def test_an_exact_number_stays_exact_in_what_is_set_aside() -> None:
    found = sent({"name": "checkout_completed", "id": "1", "value": 0.1, "unit": "x", "properties": {"amount": 12345678901234567890}})  # fmt: skip

    raw = found.batch.failed[0].raw
    assert b'"value":0.1' in raw
    assert msgspec.json.decode(raw, type=Event).value == Decimal("0.1")
    assert b"12345678901234567890" in raw


def test_a_rejected_item_fails_in_the_answer_under_its_own_index() -> None:
    link = {"type": "identify", "user_id": "u", "anonymous_id": "a"}
    items = [item("0", **GOOD), link, item("2", amount=-1, currency="EUR"), {"nam": 1}, item("4", **GOOD)]  # fmt: skip
    found = sent(*items, text=rejecting())

    answer = json.loads(native_reply(found.decoded).body)
    assert (answer["accepted"], [one["index"] for one in answer["failed"]]) == (3, [3, 2])
    assert answer["failed"][1] == {
        "index": 2, "id": "2", "code": "SCHEMA_RANGE", "path": "properties.amount",
        "message": "amount must be at least 0.",
    }  # fmt: skip
    assert [one.id for one in found.batch.events] == ["0", "4"]
    assert [one.is_quarantined for one in found.batch.failed] == [False, False]
    assert found.batch.received == 5


def test_all_or_nothing_counts_what_the_plan_rejects() -> None:
    link = {"type": "identify", "user_id": "u", "anonymous_id": "a", "traits": {"x": 1}}
    refused = {"name": "checkout_completed", "id": "3", "consent": {"product": "denied"}}
    items = [item("0", **GOOD), link, item("2", amount=-1, currency="EUR"), refused]

    found = sent(*items, text=rejecting(), query="strict=1")

    reply = native_reply(found.decoded)
    told = json.loads(reply.body)["failed"]
    assert reply.status == 422
    assert [(one["index"], one["code"]) for one in told] == [
        (0, "STRICT_BATCH"), (1, "STRICT_BATCH"), (2, "SCHEMA_RANGE"), (3, "STRICT_BATCH"),
    ]  # fmt: skip
    batch = found.batch
    assert (batch.events, batch.commands, batch.dropped) == ([], [], {"CONSENT_DENIED": 1})
    assert batch.received == len(batch.failed) + 1
    assert json.loads(native_reply(sent(*items, text=CHECKOUT, query="strict=1").decoded).body)["failed"] == []  # fmt: skip


def test_a_client_that_could_do_nothing_about_it_hears_of_a_success() -> None:
    message = {"type": "track", "event": "checkout_completed", "messageId": "m", "userId": "u", "properties": {"amount": -1, "currency": "EUR"}}  # fmt: skip
    found = sent(message, text=rejecting(), protocol=segment, kind="public")

    (failed,) = found.batch.failed
    assert (failed.code, failed.id, failed.is_quarantined) == ("SCHEMA_RANGE", "m", True)
    assert found.decoded.failed == []


def test_what_is_only_observed_is_counted_beside_the_batch() -> None:
    text = event("a: {type: integer}", on="{invalid: observe, unplanned_property: observe}")
    items = [{"name": "e", "id": str(n), "properties": {"a": "x", "b": n}} for n in range(3)]

    found = sent(*items, {"name": "other", "id": "9"}, text=text)

    assert found.batch.observed == {"SCHEMA_TYPE": 3, "UNPLANNED_PROP": 3, "UNPLANNED_EVENT": 1}
    assert [one.flags for one in found.batch.events] == [()] * 4


def test_a_planned_treatment_comes_before_anything_is_kept() -> None:
    text = event("email: {type: string, treat: hmac}, card: {type: string, treat: drop}", on="{unplanned_property: quarantine}")  # fmt: skip
    properties = {"email": "Ana@x.org", "card": "4111"}

    kept = sent({"name": "e", "id": "1", "properties": properties}, text=text)
    aside = sent({"name": "e", "id": "1", "properties": {**properties, "c": 1}}, text=text)

    (event_kept,) = kept.batch.events
    assert set(event_kept.properties) == {"email"}
    assert event_kept.properties["email"].startswith("h_")
    raw = aside.batch.failed[0].raw
    assert b"Ana" not in raw
    assert b"4111" not in raw
    assert event_kept.properties["email"].encode() in raw


def test_the_stricter_of_policy_and_plan_holds() -> None:
    text = event("email: {type: string, treat: hmac}, name: {type: string, treat: truncate}")
    properties = {"email": "Ana@x.org", "name": "Anastasia"}
    policy = Policy(properties={"email": "drop", "n*": "hmac"})

    found = sent({"name": "e", "id": "1", "properties": properties}, text=text, policy=policy)

    (kept,) = found.batch.events
    assert set(kept.properties) == {"name"}
    assert kept.properties["name"].startswith("h_")


def test_the_purpose_of_the_plan_is_the_one_consent_is_asked_for() -> None:
    text = event(purpose="sharing")
    items = [{"name": name, "id": name, "consent": {"sharing": "denied", "measurement": "granted"}} for name in ("e", "other")]  # fmt: skip

    found = sent(*items, text=text)

    assert ([one.name for one in found.batch.events], found.batch.dropped) == (["other"], {"CONSENT_DENIED": 1})  # fmt: skip


def test_without_a_plan_nothing_is_looked_at() -> None:
    caller = Caller("p", "secret", "k")
    body = json.dumps(item("1", amount="x")).encode()
    request = Request("POST", "/tm/v1/events", "", {}, body, None, NOW)

    found = prepare(native, request, caller, Settings(), clock=SystemClock())

    assert "validate_schema" not in found.seconds
    assert [one.flags for one in found.batch.events] == [()]
