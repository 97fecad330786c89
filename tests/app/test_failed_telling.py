"""What is told of a failed event: everything that is known of it, to people and to programs."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.app.world import NOW, TO_INTEGER, World
from tests.schema.plans import event, plan

from tallymark import __version__
from tallymark.collect.protocol import Caller
from tallymark.collect.protocols.segment import segment
from tallymark.collect.replay import Where
from tallymark.core.event import Batch, Context, Event, Failed, Mark
from tallymark.core.policy import Policy
from tallymark.log.codec import encode_batch
from tallymark.schema.enforce import compiled

PLAN = event(
    "a: {type: integer, required: true}, b: {type: string, enum: [x, y]}, c: {type: number, minimum: 1}",
    on="{invalid: quarantine, unplanned_property: quarantine, missing_required: quarantine}",
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, PLAN)
    made.caller = Caller("p", "secret", "sk_1", Policy(), compiled(plan(PLAN), 7))
    yield made
    made.close()


def listed(world: World, **where: Any) -> list[dict[str, Any]]:
    """Return what a page tells, oldest first."""
    page = json.loads(world.service.call("failed", {"project": "p", "where": where}))
    found: list[dict[str, Any]] = page["failed"]
    return found[::-1]


def exported(world: World, after: int = -1, **where: Any) -> list[dict[str, Any]]:
    asked = {"project": "p", "where": where, "after": after}
    found: list[dict[str, Any]] = json.loads(world.service.call("failed_lines", asked))
    return found


def test_a_failed_event_tells_all_that_is_wrong_and_never_what_was_sent(world: World) -> None:
    sdk = Context(library_name="py", library_version="0.3")
    world.send(Event("e", "1", NOW - 5, properties={"b": "secret", "c": 0, "d": True}, context=sdk))
    world.load()

    (one,) = listed(world)

    assert [(e["path"], e["rule"], e["expected"], e["got"]) for e in one["errors"]] == [
        ("properties.b", "enum", "x, y", "string"),
        ("properties.c", "range", ">= 1", "integer"),
        ("properties.d", "unplanned", "", "boolean"),
        ("properties.a", "required", "a value", "nothing"),
    ]
    assert {e["schema"] for e in one["errors"]} == {"e/1-0-0"}
    assert "secret" not in json.dumps(one["errors"])
    assert (one["severity"], one["retryable"], one["attempts"], one["sampled"]) == ("quarantine", False, 1, 1)  # fmt: skip
    assert (one["sdk_name"], one["sdk_version"], one["event_time_us"]) == ("py", "0.3", NOW - 5)
    assert (one["server_version"], one["plan_version"]) == (__version__, 7)
    assert one["replay_of"] is None


def test_a_refused_item_tells_its_place_its_sdk_and_the_type_that_was_expected(
    world: World,
) -> None:
    good = {"name": "e", "properties": {"a": 1}}
    bad = {"name": "e", "id": "1", "user_id": 7, "context": {"library": {"name": "js", "version": "2"}}}  # fmt: skip
    world.send_wire(good, bad)
    world.send_wire({"type": "track", "messageId": "m", "context": {"library": {"name": "node"}}}, protocol=segment)  # fmt: skip
    world.load()

    first, second = listed(world)

    assert (first["code"], first["severity"], first["batch_index"]) == ("BAD_FIELD", "reject", 1)
    assert [(e["path"], e["rule"], e["expected"], e["got"]) for e in first["errors"]] == [
        ("user_id", "type", "str | null", "int")
    ]
    assert (first["sdk_name"], first["sdk_version"]) == ("js", "2")
    assert (second["code"], second["batch_index"], second["sdk_name"]) == ("MISSING_FIELD", 0, "node")  # fmt: skip


def test_each_try_of_a_replay_is_counted_also_one_that_fails_again(world: World) -> None:
    world.send(Event("e", "1", NOW, properties={"a": "x"}))
    world.send(Event("e", "2", NOW, properties={"a": "1"}))
    world.load()

    assert world.replay(TO_INTEGER, dry_run=True).fixed == 1
    assert world.replay(TO_INTEGER).still_failed == 1
    assert world.replay().still_failed == 1

    assert [(one["attempts"], one["status"]) for one in listed(world)] == [(3, "open"), (2, "fixed")]  # fmt: skip


def test_what_was_ignored_stays_so_when_it_is_tried_and_fails_again(world: World) -> None:
    world.send(Event("e", "1", NOW, properties={"a": "x"}))
    world.load()
    (seq,) = [one["seq"] for one in listed(world)]
    world.log.append([encode_batch(Batch(NOW, "local", "native", 0, marks=[Mark(seq, "ignored")]))])
    world.load()

    assert world.replay(TO_INTEGER, Where()).still_failed == 1

    assert [(one["attempts"], one["status"]) for one in listed(world)] == [(2, "ignored")]


def test_a_replay_in_conflict_names_the_failed_event_it_was_made_of(world: World) -> None:
    world.send(Event("e", "1", NOW, properties={"a": "1"}))
    world.load()
    # Its client sends another content under the same id while the replay is on its way.
    world.send(Event("e", "1", NOW, properties={"a": 2}))
    world.replay(TO_INTEGER)

    first, second = listed(world)

    assert (second["code"], second["severity"]) == ("DUPLICATE_CONFLICT", "quarantine")
    assert second["replay_of"] == first["seq"]
    told = exported(world)[1]
    assert told["replay_of"] == f"f_p_{first['seq']}"
    assert told["event_time"] == "2026-09-21T14:13:20Z"


def test_a_line_of_an_export_holds_what_was_sent_and_its_digest(world: World) -> None:
    failed = [
        Failed("BAD_ID", "envelope", "It is.", id="1", raw='{"n":"ü"}'.encode(), raw_bytes=10),
        Failed("UTF8_INVALID", "decode", "It is not.", raw=b"\xff\xfe", raw_bytes=2_000),
        Failed("STORAGE_PRESSURE", "transport", "Full."),
    ]
    world.log.append([encode_batch(Batch(NOW, "sk_1", "native", 3, failed=failed))])
    world.load()

    text, binary, nothing = exported(world)

    assert text["raw"] == {
        "enc": "utf8", "sha256": hashlib.sha256('{"n":"ü"}'.encode()).hexdigest(), "bytes": 10, "data": '{"n":"ü"}'
    }  # fmt: skip
    assert (binary["raw"]["enc"], base64.b64decode(binary["raw"]["data"])) == ("base64", b"\xff\xfe")  # fmt: skip
    assert binary["raw"]["bytes"] == 2_000
    assert (nothing["raw"]["sha256"], nothing["retryable"]) == (None, True)
    assert (text["v"], text["project"], text["source_key"], text["batch_id"]) == (1, "p", "sk_1", 1)
    assert text["received_at"] == "2026-09-21T14:13:20Z"
    assert [one["failed_id"] for one in exported(world, after=text["seq"])] == [
        binary["failed_id"], nothing["failed_id"],
    ]  # fmt: skip
    assert exported(world, code="BAD_ID") == [text]


def test_of_what_has_expired_the_reasons_are_told_and_no_digest(world: World) -> None:
    world.send(Event("e", "1", NOW, properties={"a": "x"}))
    world.load()
    (seq,) = [one["seq"] for one in listed(world)]
    world.log.append([encode_batch(Batch(NOW, "local", "native", 0, marks=[Mark(seq, "expired")]))])
    world.load()

    (one,) = exported(world)

    assert (one["status"], one["raw"]["data"], one["raw"]["sha256"]) == ("expired", "", None)
    assert [error["rule"] for error in one["errors"]] == ["type"]
