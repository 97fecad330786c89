"""Loading: what the log holds is counted exactly once, whatever comes twice, late or broken."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.collect.world import MINUTE, T0, World

from tallymark.core.errors import Unavailable
from tallymark.core.event import Context, Event, Failed, IdentityLink
from tallymark.core.sql import Sql
from tallymark.store.engine import Commit, Limits

LIMITS = Limits(seconds=20, memory_bytes=128 * 1024 * 1024, rows=1000)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def event(number: int = 1, **fields: Any) -> Event:
    fields.setdefault("name", "open")
    fields.setdefault("time", T0 + number * MINUTE)
    fields.setdefault("time_client", fields["time"])
    return Event(id=f"e{number}", **fields)


def test_given_an_event_then_it_is_stored_as_it_was_sent(world: World) -> None:
    world.send(
        event(
            user_id="ana",
            properties={"plan": "pro", "seats": 3, "price": Decimal("0.10"), "trial": True},
            context=Context(page_url="https://x.org/pricing", utm_source="news"),
            value=Decimal("12345678901234567890.123456789"),
            unit="token",
        )
    )

    world.load()

    assert world.rows(
        "SELECT name, event_id, time_us, host, path, utm_source, value, unit,"
        " prop_text['plan']::VARCHAR, prop_number['price']::DECIMAL(38,9),"
        " prop_other['trial']::BOOLEAN FROM event JOIN event_name USING (event_key)"
    ) == [
        (
            "open", "e1", T0 + MINUTE, "x.org", "/pricing", "news",
            Decimal("12345678901234567890.123456789"), "token", "pro", Decimal("0.1"), True,
        )
    ]  # fmt: skip


def test_given_the_same_event_twice_then_it_counts_once(world: World) -> None:
    world.send(event(1), event(1))
    world.send(event(1))

    world.load()

    assert world.rows("SELECT count(*) FROM event") == [(1,)]
    assert world.ledger() == {"received": 3, "accepted": 1, "duplicate": 2}


def test_given_the_same_id_with_other_content_then_it_is_kept_and_not_counted(world: World) -> None:
    world.send(event(1, properties={"amount": 1}))
    world.load()

    world.send(event(1, properties={"amount": 2}))
    world.load()

    assert world.rows("SELECT count(*) FROM event") == [(1,)]
    assert world.rows("SELECT code, event_id, first_seq FROM failed_event") == [
        ("DUPLICATE_CONFLICT", "e1", 65536)
    ]
    assert world.ledger() == {"received": 2, "accepted": 1, "conflict": 1}


def test_given_a_retry_on_the_next_day_of_a_visitor_without_id_then_it_is_a_duplicate(
    world: World,
) -> None:
    world.send(event(1, anonymous_id="d_today", flags=("cookieless",)))

    world.send(event(1, anonymous_id="d_tomorrow", flags=("cookieless",)))
    world.load()

    assert world.ledger() == {"received": 2, "accepted": 1, "duplicate": 1}


def test_the_first_visitor_without_a_lasting_id_is_noted(world: World) -> None:
    noted = "SELECT amount FROM progress WHERE name = 'first_fleeting'"
    world.send(event(1))
    world.load()
    assert world.rows(noted) == [(0,)]

    world.send(event(2), event(3, anonymous_id="d_today", flags=("cookieless",)))
    world.send(event(4, anonymous_id="d_today", flags=("cookieless",)))
    world.load()
    (first,) = world.rows("SELECT min(seq) FROM event WHERE flags IS NOT NULL")
    assert world.rows(noted) == [first]

    # So does a store that was loaded before it was noted.
    world.engine.append(
        "p", Commit(3, {}, (Sql("DELETE FROM progress WHERE name = 'first_fleeting'"),))
    )
    world.restart()
    world.send(event(5))
    world.load()
    assert world.rows(noted) == [first]


def test_given_a_retry_with_other_transport_fields_then_it_is_a_duplicate(world: World) -> None:
    world.send(event(1), sent_at=T0)

    world.send(event(1, time=T0 + 7, time_client=T0 + MINUTE, time_rule="repaired"), sent_at=T0 + 9)
    world.load()

    assert world.ledger() == {"received": 2, "accepted": 1, "duplicate": 1}


def test_given_the_same_id_in_two_namespaces_then_both_count(world: World) -> None:
    world.send(event(1), event(1, namespace="file"))

    world.load()

    assert world.ledger() == {"received": 2, "accepted": 2}


def test_given_refused_items_then_they_are_kept_with_their_reason(world: World) -> None:
    failed = Failed(
        "NAME_INVALID", "envelope", "Empty name.", index=1, raw=b'{"name":""}', raw_bytes=11
    )

    world.send(event(1), failed=[failed], dropped={})
    world.load()

    assert world.rows("SELECT stage, code, raw, status FROM failed_event") == [
        ("envelope", "NAME_INVALID", b'{"name":""}', "open")
    ]
    assert world.ledger() == {"received": 2, "accepted": 1, "rejected": 1}


def test_given_a_visit_before_sign_up_when_both_ids_are_seen_then_it_is_one_person(
    world: World,
) -> None:
    world.send(event(1, anonymous_id="a1"))
    world.load()

    world.send(event(2, anonymous_id="a1", user_id="ana"), event(3, user_id="ana"))
    world.load()

    assert world.rows(
        "SELECT count(DISTINCT coalesce(into_key, event.person_key))"
        " FROM event LEFT JOIN person_override USING (actor_key)"
    ) == [(1,)]


def test_given_many_late_links_when_folded_then_the_events_themselves_name_the_user(
    world: World,
) -> None:
    world.send(*(event(n, anonymous_id=f"a{n}") for n in range(2_100)))
    world.load()
    links = [IdentityLink(f"a{n}", f"u{n % 700}", f"c{n}", T0) for n in range(2_100)]
    world.send(commands=links)
    world.load()
    people = (
        "SELECT count(DISTINCT coalesce(into_key, event.person_key))"
        " FROM event LEFT JOIN person_override USING (actor_key)"
    )
    assert world.rows(people) == [(700,)]

    world.loader.maintain()

    assert world.rows("SELECT count(*) FROM person_override WHERE NOT is_folded") == [(0,)]
    assert world.rows("SELECT count(DISTINCT person_key) FROM event") == [(700,)]


def test_given_a_shared_device_then_two_users_stay_two_people(world: World) -> None:
    world.send(
        event(1, anonymous_id="a1", user_id="ana"), event(2, anonymous_id="a1", user_id="bo")
    )

    world.load()

    assert world.rows("SELECT count(DISTINCT person_key) FROM event") == [(2,)]
    assert world.rows("SELECT outcome FROM identity_link ORDER BY seq") == [
        ("linked",),
        ("refused",),
    ]


def test_given_a_link_command_then_stored_visits_belong_to_the_user(world: World) -> None:
    world.send(event(1, anonymous_id="a1"))
    world.load()

    world.send(commands=[IdentityLink("a1", "ana", "c1", T0)])
    world.load()

    assert world.rows(
        "SELECT id FROM person_override JOIN actor ON into_key = actor.actor_key"
    ) == [("ana",)]


def test_given_sessions_then_given_ids_win_and_pauses_split_the_rest(world: World) -> None:
    world.send(
        event(1, user_id="ana"),
        event(20, user_id="ana"),
        event(60, user_id="ana"),
        event(61, user_id="ana", session_id="s9"),
    )

    world.load()

    assert world.rows(
        "SELECT session_rule, count(DISTINCT session_key) FROM event GROUP BY 1 ORDER BY 1"
    ) == [("computed", 2), ("given", 1)]


def test_given_a_late_event_between_two_sessions_then_they_become_one(world: World) -> None:
    world.send(event(1, user_id="ana"), event(50, user_id="ana"))
    world.load()
    assert world.rows("SELECT count(DISTINCT session_key) FROM event") == [(2,)]

    world.send(event(25, user_id="ana"))
    world.load()

    assert world.rows("SELECT count(DISTINCT session_key) FROM event") == [(1,)]


def test_given_an_event_the_store_cannot_hold_when_isolated_then_the_others_count(
    world: World,
) -> None:
    world.send(event(1), event(2, value=Decimal("1e40")), event(3))

    with pytest.raises(Exception):  # noqa: B017, PT011  whatever the engine says
        world.loader.step()
    world.loader.step(1, isolate=True)
    world.send(event(4), event(2, value=Decimal(7)))
    world.load()

    assert world.rows("SELECT event_id FROM event ORDER BY 1") == [
        ("e1",), ("e2",), ("e3",), ("e4",)
    ]  # fmt: skip
    assert world.rows("SELECT code, event_id FROM failed_event") == [("STORE_REJECTED", "e2")]
    assert world.ledger() == {"received": 5, "accepted": 4, "quarantined": 1}


ids = st.integers(1, 8)
sent = st.tuples(ids, st.sampled_from(["x", "y"]), st.sampled_from([None, "ana", "bo"]))
histories = st.lists(st.lists(sent, max_size=5), max_size=8)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories, st.integers(1, 4), st.integers(0, 8))
def test_agrees_with_the_oracle_whatever_repeats_and_wherever_it_restarts(
    tmp_path_factory: pytest.TempPathFactory,
    history: list[list[tuple[int, str, str | None]]],
    most: int,
    restart: int,
) -> None:
    world = World(tmp_path_factory.mktemp("world"))
    try:
        first: dict[int, tuple[str, str | None]] = {}
        outcomes: Counter[str] = Counter()
        for number, batch in enumerate(history):
            events = [event(n, user_id=user, properties={"plan": plan}) for n, plan, user in batch]
            world.send(*events)
            for n, plan, user in batch:
                outcomes["received"] += 1
                if n not in first:
                    outcomes["accepted"] += 1
                else:
                    outcomes["duplicate" if first[n] == (plan, user) else "conflict"] += 1
                first.setdefault(n, (plan, user))
            if number == restart:
                world.restart()
            if number % 2:
                world.load(most)
        world.load(most)

        assert world.ledger() == outcomes
        assert world.rows("SELECT event_id FROM event ORDER BY 1") == [
            (f"e{n}",) for n in sorted(first)
        ]
        assert world.rows("SELECT count(DISTINCT person_key) FROM event") == [
            (len({user for _, user in first.values() if user}),)
        ]
    finally:
        world.close()


def test_given_a_long_journal_when_a_load_ends_then_it_is_folded_even_while_a_question_reads(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallymark.collect.load._JOURNAL_BYTES", 1)
    world.send(event(1, properties={"plan": "pro"}))
    world.load()

    with world.engine.reading("p", LIMITS) as fetch:
        before = fetch(Sql("SELECT count(*) FROM event")).rows
        for number in range(2, 5):
            world.send(event(number, properties={"plan": "pro"}))
            world.load()
        journal = world.engine.journal_bytes("p")
        after = fetch(Sql("SELECT count(*) FROM event")).rows

    assert (journal, before, after) == (0, [(1,)], [(1,)])
    assert world.rows("SELECT name, events FROM property") == [("plan", 4)]
    assert world.rows("SELECT count(*) FROM event") == [(4,)]


def test_when_the_loader_is_maintained_then_lines_of_one_minute_become_one(world: World) -> None:
    for number in range(30):
        world.send(event(number))
        world.load()
    before = world.ledger()

    world.loader.maintain()

    assert world.rows("SELECT outcome, items FROM ledger ORDER BY outcome") == [
        ("accepted", 30),
        ("received", 30),
    ]
    assert world.ledger() == before


def test_given_a_disk_too_full_to_fold_when_a_load_ends_then_it_is_loaded_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise Unavailable("No space left on device")

    monkeypatch.setattr("tallymark.collect.load._JOURNAL_BYTES", 1)
    monkeypatch.setattr(world.engine, "checkpoint", full)
    world.send(event(1))

    world.load()

    assert world.loader.position == 1
    assert world.ledger() == {"received": 1, "accepted": 1}
