"""Failed events replayed from a real log into a real store: each counts once, as itself."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.app.world import NOW, STRICT, TO_INTEGER, World
from tests.schema.plans import event, plan

from tallymark.app.replaying import mark
from tallymark.collect.batch import Origin, batch_of
from tallymark.collect.protocol import Caller, Decoded
from tallymark.collect.protocols.segment import segment
from tallymark.collect.replay import Where
from tallymark.core.clock import SystemClock
from tallymark.core.event import Batch, Event, Failed
from tallymark.core.policy import Policy
from tallymark.log.codec import encode_batch
from tallymark.schema.enforce import compiled


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def use(event_id: str = "1", a: Any = "1", **fields: Any) -> Event:
    return Event("e", event_id, fields.pop("time", NOW - 5), properties={"a": a}, **fields)


def test_what_is_observed_of_a_replayed_event_is_counted(world: World) -> None:
    observing = event("a: {type: integer}", on="{invalid: observe}")
    world.send(use())
    world.load()
    world.caller = Caller("p", "secret", "sk_1", Policy(), compiled(plan(observing)))

    assert world.replay().fixed == 1
    assert world.replay(where=Where(status="replayed")).duplicate == 1

    assert world.rows("SELECT reason, sum(items)::BIGINT FROM ledger WHERE outcome = 'observed' GROUP BY ALL") == [("SCHEMA_TYPE", 1)]  # fmt: skip


def test_a_repaired_event_is_counted_as_itself(world: World) -> None:
    sent = use(time_rule="repaired", time_client=NOW - 9, namespace="elsewhere", user_id="ana", session_id="s", groups={"account": "acme"})  # fmt: skip
    world.send(sent)
    world.load()

    report = world.replay(TO_INTEGER)

    assert (report.taken, report.fixed) == (1, 1)
    (row,) = world.rows(
        "SELECT event_id, time_us, time_client_us, time_rule, received_us, source, protocol, flags,"
        " CAST(CAST(prop_number AS JSON) AS VARCHAR), actor_key, account_key, session_key FROM event"
    )
    assert row[:8] == ("1", NOW - 5, NOW - 9, "repaired", NOW, "sk_1", "native", "replayed")
    assert json.loads(row[8]) == {"a": 1}
    assert None not in row[9:]
    assert world.statuses() == ["fixed"]
    assert world.ledger() == {"received": 2, "quarantined": 1, "accepted": 1}


def test_the_same_failed_event_replayed_again_and_again_counts_once(world: World) -> None:
    world.send(use(), use("2"))
    world.load()

    first = world.replay(TO_INTEGER, load=False)
    # As when somebody is quicker than the store.
    second = world.replay(TO_INTEGER)
    third = world.replay(TO_INTEGER)
    fourth = world.replay(TO_INTEGER, Where())

    assert (first.fixed, second.fixed, third.taken) == (2, 2, 0)
    assert (fourth.taken, fourth.duplicate) == (2, 2)
    assert world.rows("SELECT count(*) FROM event") == [(2,)]
    assert world.ledger()["duplicate"] == 2


def test_a_dry_run_tells_and_changes_nothing(world: World) -> None:
    world.send(use(), use("2", "x"))
    world.load()
    head = world.log.head()

    report = world.replay(TO_INTEGER, dry_run=True)

    assert (report.fixed, report.still_failed, report.reasons) == (1, 1, {"SCHEMA_TYPE": 1})
    assert [
        (one.outcome, one.before["properties"], one.after["properties"]) for one in report.examples
    ] == [
        ("fixed", {"a": "1"}, {"a": 1}),
        ("still_failed", {"a": "x"}, {"a": "x"}),
    ]
    assert (world.log.head(), world.statuses()) == (head, ["open", "open"])


def test_a_store_made_again_from_the_log_has_every_status(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.send(use(), use("2", "x"), use("3", "y"))
    world.load()
    world.replay(TO_INTEGER)
    asyncio.run(mark("p", Where(seqs=_seqs(world)[1:2]), "ignored", world.call, world, NOW))
    world.load()
    before = (world.statuses(), world.rows("SELECT event_id, seq FROM event"))
    world.close()
    world.folders.store("p").unlink()
    rmtree(world.folders.index("p"))

    world.open()
    world.load()

    assert before[0] == ["fixed", "ignored", "open"]
    assert (world.statuses(), world.rows("SELECT event_id, seq FROM event")) == before
    world.close()


def _seqs(world: World) -> tuple[int, ...]:
    return tuple(row[0] for row in world.rows("SELECT seq FROM failed_event ORDER BY seq"))


def test_a_plan_that_was_mended_needs_no_repairs(world: World) -> None:
    world.send(use())
    world.load()
    assert world.replay().still_failed == 1

    text = STRICT.replace("integer", "string")
    world.caller = Caller("p", "secret", "sk_1", Policy(), compiled(plan(text)))
    report = world.replay()

    assert (report.fixed, world.statuses()) == (1, ["replayed"])


def test_two_failures_of_one_id_count_once_and_another_content_clashes(world: World) -> None:
    world.send(use(), use(), use(a="2"))
    world.load()

    report = world.replay(TO_INTEGER)

    assert (report.fixed, report.duplicate, report.still_failed) == (1, 1, 1)
    assert report.reasons == {"DUPLICATE_CONFLICT": 1}
    assert world.statuses() == ["fixed", "replayed", "open"]


def test_a_conflict_stays_one_until_it_has_an_id_of_its_own(world: World) -> None:
    world.send(use(a=1))
    world.send(use(a=2))
    world.load()
    assert world.replay().reasons == {"DUPLICATE_CONFLICT": 1}

    report = world.replay("steps: [{regex_sub: {path: id, pattern: '$', with: x}}, {set: {path: id, value: 1-amended}}]")  # fmt: skip

    assert report.fixed == 1
    assert world.rows("SELECT event_id FROM event ORDER BY seq") == [("1",), ("1-amended",)]


def test_what_could_not_be_read_is_repaired_as_it_came(world: World) -> None:
    world.send_wire({"nam": "e", "id": "1", "time": NOW // 1000 - 60_000, "properties": {"a": 1}}, {"name": "e", "properties": {"a": "5"}, "user": "x"})  # fmt: skip
    world.load()

    report = world.replay(
        "steps: [{rename: {from: nam, to: name}}, {rename: {from: user, to: user_id}}, {cast: {path: properties.a, to: integer}}]"
    )

    assert report.fixed == 2
    rows = world.rows("SELECT event_id, time_us, received_us, flags FROM event ORDER BY event_id")
    assert rows[0] == ("1", NOW - 60_000_000, NOW, "replayed")
    # It had no id, so each replay gives it the same.
    assert rows[1][0].startswith("failed:")
    assert world.replay(None, Where()).still_failed == 2
    assert world.rows("SELECT count(*) FROM event") == [(2,)]


def test_an_item_of_another_tool_keeps_its_id_among_those_of_that_tool(world: World) -> None:
    message = {"type": "track", "messageId": "m-1", "userId": "u", "properties": {"a": 1}}
    world.send_wire(message, protocol=segment, kind="public", source="pk_1")
    world.load()
    steps = "steps: [{set: {path: name, value: e}}, {rename: {from: messageId, to: id}}, {rename: {from: userId, to: user_id}}, {drop: type}]"

    report = world.replay(steps)
    world.send_wire({**message, "event": "e"}, protocol=segment, kind="public", source="pk_1")
    world.load()

    assert report.fixed == 1
    assert world.rows("SELECT event_id, protocol, source FROM event") == [("m-1", "segment", "pk_1")]  # fmt: skip
    assert world.ledger()["accepted"] == 1


def test_a_public_key_cannot_send_a_metered_value_by_failing_first(world: World) -> None:
    world.send_wire({"name": "e", "id": "1", "value": 1}, kind="public", source="pk_1")
    world.load()

    assert world.replay().reasons == {"METER_KEY_KIND": 1}
    assert world.replay("steps: [{drop: value}]").fixed == 1
    assert world.rows('SELECT "value" FROM event') == [(None,)]


def test_a_metered_value_is_replayed_exactly(world: World) -> None:
    world.send_wire({"name": "e", "id": "1", "value": 12345678901234567890, "unit": "b", "properties": {"a": "1"}})  # fmt: skip
    world.load()

    assert world.replay(TO_INTEGER).fixed == 1
    assert world.rows('SELECT "value"::VARCHAR, unit FROM event') == [("12345678901234567890.000000000", "b")]  # fmt: skip


def test_a_person_who_said_no_meanwhile_is_not_kept(world: World) -> None:
    world.send(use(consent={"measurement": "granted"}), use("2"), source="pk_1")
    world.load()
    world.caller = Caller("p", "public", "pk_1", Policy(consent="opt_in"), None)

    report = world.replay()

    assert (report.fixed, report.suppressed, report.reasons) == (1, 1, {"CONSENT_UNKNOWN": 1})
    assert world.statuses() == ["replayed", "ignored"]


def test_a_visitor_without_a_name_stays_the_one_of_that_day(tmp_path: Path) -> None:
    world = World(tmp_path, policy=Policy(consent="cookieless"))
    agent = {"user-agent": "Firefox"}
    caller = Caller("p", "public", "pk_1", world.caller.policy, world.caller.plan)
    made = batch_of(
        Decoded(1, [use(user_id="ana", anonymous_id="device")]), caller,
        Origin("native", NOW, peer="203.0.113.7", headers=agent), clock=SystemClock(), around=world.surroundings,
    )  # fmt: skip
    world.log.append([encode_batch(made.batch)])
    world.load()

    assert world.replay(TO_INTEGER).fixed == 1
    assert world.rows("SELECT id_kind, id FROM actor") == [("anonymous", "d_1")]
    assert world.rows("SELECT flags FROM event") == [("cookieless,replayed",)]
    world.close()


def test_what_was_hashed_when_it_came_is_not_hashed_again(tmp_path: Path) -> None:
    text = event("a: {type: integer}, email: {type: string, treat: hmac}", on="{invalid: quarantine}")  # fmt: skip
    world = World(tmp_path, text)
    for number, a in enumerate([1, "1"]):
        world.send(Event("e", str(number), NOW, properties={"a": a, "email": "Ana@x.org"}))
    world.load()

    assert world.replay(TO_INTEGER).fixed == 1
    hashes = world.rows("SELECT DISTINCT prop_text.email::VARCHAR FROM event")
    assert len(hashes) == 1
    assert hashes[0][0].startswith("h_")
    world.close()


@pytest.mark.parametrize(
    ("failed", "message"),
    [
        (Failed("JSON_SYNTAX", "decode", "x", raw=b"{", raw_bytes=1), "no JSON of an event"),
        (Failed("JSON_SYNTAX", "decode", "x", raw=b"[1]", raw_bytes=3), "no JSON object"),
        (Failed("JSON_DEPTH", "decode", "x", raw=b'{"a":' * 9_000, raw_bytes=45_000), ""),
        (Failed("BAD_ID", "envelope", "x", raw=b'{"na', raw_bytes=9_999), "Only 4 of its 9,999 bytes"),
        (Failed("SCHEMA_TYPE", "schema", "x", raw=b'{"type":"link"}', raw_bytes=15), "no JSON of an event"),
        (Failed("LOG_DAMAGED", "store", "x"), "no JSON of an event"),
        (Failed("BAD_FIELD", "envelope", "x", raw=b'{"name":"e","id":7}', raw_bytes=19), "id"),
    ],
)  # fmt: skip
def test_what_cannot_be_repaired_says_why(world: World, failed: Failed, message: str) -> None:
    world.log.append([encode_batch(Batch(NOW, "sk_1", "native", 1, failed=[failed]))])
    world.load()

    report = world.replay()

    assert report.still_failed == 1
    assert message in report.examples[0].message


def test_a_command_that_failed_is_done_once_it_can_be(world: World) -> None:
    world.send_wire({"type": "identify", "user_id": "ana", "anonymous_id": "a\nb"})
    world.load()
    steps = "steps: [{set: {path: anonymous_id, value: ab}}]"

    assert world.replay(steps).fixed == 1
    assert world.replay(steps, Where()).duplicate == 1
    assert world.rows("SELECT id FROM actor ORDER BY id") == [("ab",), ("ana",)]


def test_the_failed_events_that_are_meant_are_those_for_which_everything_holds(
    world: World,
) -> None:
    world.send(use(), use("2"))
    world.send_wire({"nam": "e"})
    world.load()

    def ids(**where: Any) -> int:
        return world.replay(None, Where(**where), dry_run=True).taken

    assert [ids(), ids(code="SCHEMA_TYPE"), ids(code="SCHEMA_TYPE", event="other")] == [3, 2, 0]
    assert [ids(event="e"), ids(source="sk_1"), ids(protocol="segment")] == [2, 3, 0]
    assert [ids(since=NOW), ids(since=NOW + 1), ids(until=NOW), ids(until=NOW + 1)] == [3, 0, 0, 3]
    assert [ids(seqs=_seqs(world)[:1]), ids(seqs=()), ids(status="fixed")] == [1, 0, 0]


USES = st.lists(st.tuples(st.sampled_from("123"), st.sampled_from(["1", "2", "x"])), max_size=6)


@settings(max_examples=12, deadline=None)
@given(st.lists(USES, min_size=1, max_size=3), st.lists(st.booleans(), min_size=1, max_size=3))
def test_whatever_failed_counts_once_however_it_is_replayed(
    batches: Sequence[Sequence[tuple[str, str]]], loads: Sequence[bool]
) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        for batch in batches:
            world.send(*(use(event_id, a) for event_id, a in batch))
        world.load()

        for load in loads:
            world.replay(TO_INTEGER, load=load)
        world.replay(TO_INTEGER, Where())
        world.load()

        everything = [one for batch in batches for one in batch]
        first: dict[str, str] = {}
        for event_id, a in everything:
            if a != "x":
                first.setdefault(event_id, a)
        told = world.rows(
            "SELECT event_id, CAST(prop_number.a AS DECIMAL(38,9))::INTEGER FROM event"
        )
        assert dict(told) == {event_id: int(a) for event_id, a in first.items()}
        assert len(told) == len(first)
        totals = world.ledger()
        received = totals.pop("received", 0)
        assert received == sum(totals.values())
        still = [a for event_id, a in everything if a == "x" or first[event_id] != a]
        assert world.statuses().count("open") == len(still)
        world.close()
