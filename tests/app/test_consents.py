"""Proofs of consent from a request to an answer: what makes a record, what does not, and what holds."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.app.world import NOW, World
from tests.privacy.test_strings import NEW_YEAR, packed, tc, us

from tallymark.app.consents import proof
from tallymark.collect.batch import Origin, batch_of
from tallymark.collect.protocol import Decoded, Request
from tallymark.collect.protocols.native import native
from tallymark.collect.protocols.segment import segment
from tallymark.core.clock import DAY, SystemClock, rfc3339
from tallymark.core.event import Command, Event, GroupMembership, IdentityLink
from tallymark.core.policy import Policy
from tallymark.log.codec import encode_batch

GRANTED = {"measurement": "granted"}
SAID = NEW_YEAR * 100_000
REQUEST = Request("POST", "/tm/v1/events", "strict=1", {}, b"", None, NOW)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, None)
    yield made
    made.close()


def view(event_id: str, consent: dict[str, str], time: int = NOW, user: str | None = None) -> Event:
    return Event("view", event_id, time, user_id=user, anonymous_id="d-1", consent=consent)


def proven(world: World, name: str = "d-1", kind: str = "anonymous", at: int = NOW) -> Any:
    key = world.surroundings.key("p")
    asked: dict[str, object] = {"project": "p", "kind": kind, "id": name, "at": at}
    return asyncio.run(proof(asked, world.call, key, NOW))


def states(world: World) -> list[tuple[Any, ...]]:
    return world.rows("SELECT purpose, state, at_us, source FROM consent_record ORDER BY seq")


def say(world: World, consent: dict[str, str], **fields: Any) -> None:
    """Send a statement with the public key, as a browser does."""
    item = {"type": "consent", "anonymous_id": "d-1", "consent": consent, **fields}
    world.send_wire(item, kind="public", source="pk_1")
    world.load()


def test_what_an_app_says_with_every_event_is_one_record_until_it_says_else(world: World) -> None:
    for number in range(3):
        world.send(view(str(number), GRANTED, NOW + number), source="sk_1")
    world.load()
    for number in range(3, 5):
        world.send(view(str(number), {"measurement": "withdrawn"}, NOW + number))
        world.load()
    world.send(view("5", GRANTED, NOW + 5))
    world.load()

    found = proven(world, at=NOW + 10)

    assert [(one.state, one.at, one.source) for one in found.records] == [
        ("granted", rfc3339(NOW), "api"), ("withdrawn", rfc3339(NOW + 3), "api"), ("granted", rfc3339(NOW + 5), "api"),
    ]  # fmt: skip
    first, second, third = found.records
    assert (first.previous, second.previous, third.previous) == (None, first.seq, second.seq)
    assert found.holds["measurement"].seq == third.seq
    # A withdrawal ends the counting and leaves the record only.
    assert world.ledger() == {"received": 6, "accepted": 4, "dropped": 2}


def test_of_a_no_or_of_nothing_said_there_is_no_record(world: World) -> None:
    world.send(view("1", {"measurement": "denied"}), view("2", {"measurement": "unknown"}))
    world.send(view("3", {"measurement": "perhaps"}), view("4", {}), view("5", {"tcf": "nonsense"}))
    world.load()
    say(world, {"measurement": "denied", "sharing": "no"}, anonymous_id="canary")
    say(world, {"tcf": "nonsense"}, anonymous_id="canary")
    say(world, {"measurement": "unknown"}, anonymous_id="canary")

    assert states(world) == []
    assert world.rows(
        "SELECT reason, sum(items)::BIGINT FROM ledger WHERE outcome = 'dropped' GROUP BY ALL ORDER BY ALL"
    ) == [("CONSENT_DENIED", 3), ("CONSENT_UNPARSABLE", 2), ("NOT_KEPT", 1)]
    assert b"canary" not in (world.folders.log("p")).read_bytes()


def test_neither_log_nor_store_holds_the_id_of_whoever_took_a_yes_back(world: World) -> None:
    say(world, {"measurement": "withdrawn"}, anonymous_id="canary-1", user_id="canary-2")

    assert [row[1] for row in states(world)] == ["withdrawn"]
    assert world.rows("SELECT count(*) FROM actor") == [(0,)]
    assert b"canary" not in world.folders.log("p").read_bytes()
    found = proven(world, "canary-2", "user")
    assert [one.state for one in found.records] == ["withdrawn"]


def test_a_statement_keeps_how_it_was_made(world: World) -> None:
    yes = {
        "measurement": "granted", "product": "granted", "policy_version": "2026-01", "ui_version": "banner b", "jurisdiction": "DE",
        "at": "2026-01-02T00:00:00Z", "expires_at": "2026-07-01T00:00:00Z",
    }  # fmt: skip
    say(world, yes)

    found = proven(world, at=SAID + 10 * DAY)

    assert [one.purpose for one in found.records] == ["measurement", "product"]
    (one, _) = found.records
    assert (one.policy_version, one.ui_version, one.jurisdiction) == ("2026-01", "banner b", "DE")
    assert (one.at, one.expires_at, one.source, one.raw) == ("2026-01-02T00:00:00Z", "2026-07-01T00:00:00Z", "sdk", None)  # fmt: skip
    assert one.received_at == rfc3339(NOW)
    assert {name: held.state for name, held in found.holds.items()} == {"measurement": "granted", "product": "granted"}  # fmt: skip


def test_an_event_that_says_less_of_the_same_yes_adds_nothing_and_one_that_says_more_does(
    world: World,
) -> None:
    say(world, {**GRANTED, "policy_version": "1", "jurisdiction": "DE"}, time=rfc3339(NOW - 3))
    for number, more in enumerate([{}, {"policy_version": "1"}, {"policy_version": "2"}, {"jurisdiction": "FR"}]):  # fmt: skip
        world.send(view(str(number), {**GRANTED, **more}, NOW + number))
        world.load()

    told = world.rows("SELECT policy_version, jurisdiction FROM consent_record ORDER BY seq")
    assert told == [("1", "DE"), ("2", None), (None, "FR")]


def test_a_consent_string_is_kept_as_it_came(world: World) -> None:
    string = tc(1, 8, 9, country="FR")
    world.send(view("1", {"tcf": string}, SAID + DAY))
    gpp = packed("000011 000001 000000000010 0 011 0 00011") + f"~{tc(1, 8, 9, 10)}~{us(sale=1)}"
    world.send(view("2", {"gpp": gpp}, SAID + DAY, user="ana"))
    world.load()

    found = proven(world, at=SAID + 2 * DAY)
    of_ana = proven(world, "ana", "user", at=SAID + 2 * DAY)

    (one,) = [one for one in found.records if one.source == "tcf"]
    assert (one.purpose, one.raw, one.jurisdiction) == ("measurement", string, "FR")
    assert (one.at, one.expires_at) == (rfc3339(SAID), rfc3339(SAID + 395 * DAY))
    # Sharing was refused, and of that nothing is kept.
    told = [(one.purpose, one.raw) for one in of_ana.records if one.source == "gpp"]
    assert told == [("measurement", gpp), ("product", gpp)]


def test_segments_sdks_may_send_a_consent_string_in_their_context(world: World) -> None:
    string = tc(1, 8, 9, 10)
    for number, said in enumerate([{"tcf": string}, {"tcf": "nonsense"}]):
        message = {"type": "track", "event": "e", "messageId": str(number), "userId": "ana", "context": {"consent": said}}  # fmt: skip
        world.send_wire(message, protocol=segment, kind="public", source="pk_1")
    world.load()

    assert world.rows("SELECT event_id FROM event") == [("0",)]
    assert [(one.purpose, one.raw) for one in proven(world, "ana", "user", at=SAID + DAY).records] == [
        ("measurement", string), ("product", string),
    ]  # fmt: skip
    assert world.rows("SELECT reason FROM ledger WHERE outcome = 'dropped'") == [("CONSENT_UNPARSABLE",)]  # fmt: skip


def test_a_yes_that_has_run_out_is_unknown_and_is_recorded_anew_when_given_again(
    world: World,
) -> None:
    world.caller = structs.replace(world.caller, policy=Policy(consent_days=30))
    for days in (90, 61, 59):
        world.send(view(str(days), GRANTED, NOW - days * DAY))
    world.load()

    assert [row[2] for row in states(world)] == [NOW - 90 * DAY, NOW - 59 * DAY]
    held = [proven(world, at=NOW - days * DAY).holds["measurement"].state for days in (61, 60, 59, 30, 29)]  # fmt: skip
    assert held == ["granted", "unknown", "granted", "granted", "unknown"]
    assert proven(world, at=NOW - 91 * DAY).holds == {}


def test_a_statement_sent_twice_is_a_duplicate_and_a_new_one_is_a_new_yes(world: World) -> None:
    for _ in range(2):
        say(world, GRANTED, time=rfc3339(NOW - DAY))
    say(world, GRANTED, time=rfc3339(NOW))

    assert [row[2] for row in states(world)] == [NOW - DAY, NOW]
    assert world.ledger() == {"received": 3, "accepted": 2, "duplicate": 1}


def test_what_was_said_earlier_and_comes_later_finds_its_place(world: World) -> None:
    say(world, {"measurement": "withdrawn"}, time=rfc3339(NOW - DAY))
    say(world, GRANTED, time=rfc3339(NOW - 2 * DAY))

    found = proven(world)

    assert [one.state for one in found.records] == ["granted", "withdrawn"]
    assert [one.previous for one in found.records] == [None, None]
    assert found.holds["measurement"].state == "withdrawn"
    assert proven(world, at=NOW - DAY - 1).holds["measurement"].state == "granted"


def test_one_person_is_asked_about_by_any_of_their_ids(world: World) -> None:
    say(world, GRANTED)
    world.send_wire({"type": "identify", "user_id": "ana", "anonymous_id": "d-1", "id": "i"})
    world.send(view("1", {"product": "granted"}, user="ana"))
    world.load()

    by_user = proven(world, "ana", "user")

    assert {one.purpose for one in by_user.records} == {"measurement", "product"}
    assert proven(world).records == by_user.records


def test_commands_speak_for_whom_they_are_about(world: World) -> None:
    yes = {"product": "granted"}
    made: list[Command] = [
        IdentityLink("d-1", "ana", "1", NOW, consent=yes),
        GroupMembership("team", "t", "2", NOW, user_id="bo", consent=yes),
    ]

    batch = batch_of(
        Decoded(2, commands=made), world.caller, Origin("native", NOW), clock=SystemClock(), around=world.surroundings
    ).batch  # fmt: skip
    world.log.append([encode_batch(batch)])
    world.load()

    assert [one.purpose for one in proven(world, "ana", "user").records] == ["product"]
    assert [one.purpose for one in proven(world, "bo", "user").records] == ["product"]


def test_who_opted_out_leaves_the_proof_of_what_they_took_back_only(world: World) -> None:
    world.send(
        view("1", GRANTED), view("2", {"measurement": "withdrawn"}),
        source="sk_1", cookie="tallymark_opt_out=1",
    )  # fmt: skip
    world.load()

    assert [row[1] for row in states(world)] == ["withdrawn"]
    assert world.ledger() == {"received": 2, "dropped": 2}


def test_of_a_yes_that_a_signal_contradicts_there_is_no_record(world: World) -> None:
    us_with_gpc = packed("000011 000001 000000000001 0 01011") + "~" + us(gpc=1)
    yes = {"sharing": "granted", "measurement": "granted"}
    world.send(view("1", {**yes, "gpp": us_with_gpc}))
    item = {"type": "consent", "user_id": "bo", "consent": {"sharing": "granted", "gpp": us_with_gpc}}  # fmt: skip
    world.send_wire(item)
    world.load()

    assert [row[0] for row in states(world)] == ["measurement"]
    assert world.rows("SELECT items, reason FROM ledger WHERE outcome = 'dropped'") == [(1, "GPC")]


def test_where_only_a_contract_counts_nobody_is_on_record(tmp_path: Path) -> None:
    world = World(tmp_path, None, Policy(consent="contract"))
    world.send(view("1", GRANTED))
    say(world, GRANTED)

    assert states(world) == []
    world.close()


def test_a_store_made_again_from_the_log_has_every_record(tmp_path: Path) -> None:
    world = World(tmp_path, None)
    world.send(view("1", GRANTED), view("2", {"measurement": "withdrawn"}, NOW + 1))
    world.load()
    say(world, {"product": "granted"}, time=rfc3339(NOW))
    before = world.rows("SELECT * FROM consent_record ORDER BY ALL")
    world.close()
    world.folders.store("p").unlink()
    rmtree(world.folders.index("p"))

    world.open()
    world.load()

    assert len(before) == 3
    assert world.rows("SELECT * FROM consent_record ORDER BY ALL") == before
    world.close()


def test_a_statement_without_anybody_is_refused_and_can_be_repaired(world: World) -> None:
    world.send_wire({"type": "consent", "consent": GRANTED, "id": "1", "time": NOW // 1000 - 5})
    world.load()
    assert world.rows("SELECT code, path FROM failed_event") == [("MISSING_FIELD", "user_id")]

    report = world.replay("steps: [{set: {path: user_id, value: ana}}]")

    assert report.fixed == 1
    assert [one.state for one in proven(world, "ana", "user").records] == ["granted"]
    assert world.ledger() == {"received": 2, "rejected": 1, "accepted": 1}


def test_a_strict_request_that_fails_proves_nothing(world: World) -> None:
    made = world.send_wire({"type": "consent", "user_id": "ana", "consent": GRANTED}, {"name": ""}, query="strict=1")  # fmt: skip
    world.load()

    assert (native.reply(made.decoded, REQUEST).status, states(world)) == (422, [])
    assert world.ledger() == {"received": 2, "rejected": 2}


SAYINGS = st.lists(
    st.tuples(
        st.sampled_from(["measurement", "product"]),
        st.sampled_from(["granted", "withdrawn", "denied"]),
        st.integers(0, 12),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(SAYINGS, st.integers(0, 12), st.integers(1, 4))
def test_what_holds_at_any_moment_is_what_was_said_last(
    sayings: list[tuple[str, str, int]], asked: int, a_load: int
) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder), None, Policy(consent_days=3))
        for place, (purpose, word, day) in enumerate(sayings):
            item = {"type": "consent", "user_id": "ana", "consent": {purpose: word}, "time": rfc3339(NOW - 20 * DAY + day * DAY)}  # fmt: skip
            world.send_wire(item)
            if place % a_load == 0:
                world.load()
        world.send(Event("e", "1", NOW, user_id="ana"))
        world.load()

        held = proven(world, "ana", "user", at=NOW - 20 * DAY + asked * DAY).holds

        expected = {}
        for purpose in ("measurement", "product"):
            told = [(day, place, word) for place, (of, word, day) in enumerate(sayings) if of == purpose and word != "denied" and day <= asked]  # fmt: skip
            if told:
                day, _, word = max(told)
                expected[purpose] = "unknown" if word == "granted" and day + 3 <= asked else word
        assert {purpose: one.state for purpose, one in held.items()} == expected
        totals = world.ledger()
        assert totals.pop("received") == sum(totals.values())
        world.close()
