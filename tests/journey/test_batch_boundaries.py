"""Where one load ends and the next begins changes nothing: not people, sessions or properties."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from tests.identity.oracle import Known, Said

from tallymark.collect.load import FOLD, Loader
from tallymark.core.errors import Unavailable
from tallymark.core.event import Batch, Event, IdentityLink, IdKind
from tallymark.core.settings import Settings
from tallymark.core.sql import Sql, sql
from tallymark.insights import fields
from tallymark.insights.insight import Scope
from tallymark.log.codec import encode_batch
from tallymark.log.sqlite import SqliteLog
from tallymark.store.engine import Commit
from tallymark.store.engines.duckdb import DuckEngine

_MINUTE = 60_000_000
_NOW = 1_780_000_000_000_000
_GAP = 30 * _MINUTE
_CAP = 24 * 60 * _MINUTE
# Few places on the clock, many of them exactly a gap or a cap apart, some ahead of it.
_TIMES = st.one_of(
    st.integers(-8, 8).map(lambda n: _NOW + n * 15 * _MINUTE),
    st.integers(-2, 2).map(lambda n: _NOW - _CAP + n),
    st.integers(-100, 60).map(lambda n: _NOW + n * 29 * _MINUTE),
)


class _Use(Struct, frozen=True):
    """An event that is sent."""

    time: int
    user: str | None
    device: str | None
    session: str | None = None
    properties: dict[str, Any] = {}


_Said: TypeAlias = _Use | Said


_USERS = st.sampled_from([None, "ana", "bo"])
_DEVICES = st.sampled_from([None, "phone", "tv"])
_EVENTS = st.builds(
    _Use,
    time=_TIMES,
    user=_USERS,
    device=_DEVICES,
    session=st.sampled_from([None, None, None, "s1"]),
    properties=st.dictionaries(
        st.sampled_from(["a", "b"]), st.sampled_from(["x", 1, True, None]), max_size=2
    ),
)
_IDS = st.sampled_from(
    [("user", "ana"), ("user", "bo"), ("user", "cy"), ("anonymous", "phone"), ("anonymous", "tv"),
     ("anonymous", "undefined")]
)  # fmt: skip
_LINKS = st.builds(
    Said, _IDS, _IDS, st.sampled_from(["identify", "identify", "alias", "merge", "retract"])
)
_MOST_IDS = 4
_HISTORIES = st.lists(st.one_of(_EVENTS, _EVENTS, _LINKS), max_size=24)
# How many batches of the log go into each commit; 0 fails a commit and starts the process anew.
_CUTS = st.lists(st.integers(0, 5), max_size=24)


class _Clock:
    def now(self) -> int:
        return _NOW

    def monotonic(self) -> float:
        return 0.0


class _FailingEngine(DuckEngine):
    """An engine whose commits fail when told to."""

    fails = False

    def append(self, project: str, commit: Commit, *, keep: bool = True) -> None:
        if self.fails:
            raise Unavailable("the disk is full")
        super().append(project, commit, keep=keep)


@settings(max_examples=60)
@given(_HISTORIES, _CUTS)
def test_people_sessions_and_properties_do_not_depend_on_where_a_load_ends(
    history: list[_Said], cuts: list[int]
) -> None:
    with TemporaryDirectory() as folder:
        told = _loaded(Path(folder), history, cuts)

    assert told == _expected(history)


def _loaded(folder: Path, history: Sequence[_Said], cuts: Sequence[int]) -> dict[str, Any]:
    log = SqliteLog(folder / "log.db")
    engine = _FailingEngine(
        lambda _: folder / "store.duckdb", memory_bytes=128 * 1024 * 1024, threads=1
    )

    def build() -> Loader:
        some = Settings(max_ids_per_person=_MOST_IDS)
        return Loader("p", engine, log, folder / "index", some, _Clock())

    log.append([encode_batch(_batch(number, said)) for number, said in enumerate(history)])
    loader = build()
    try:
        for most in cuts:
            if most:
                loader.step(most)
                continue
            engine.fails = True
            with suppress(Unavailable):
                loader.step(3)
            engine.fails = False
            loader.step(1)
            loader.close()
            loader = build()
        while loader.step():
            pass
        told = _told(engine, _asked(history))
        _fold(engine, loader.position)
        assert _told(engine, _asked(history)) == told
        return told
    finally:
        loader.close()
        engine.close()
        log.close()


def _batch(number: int, said: _Said) -> Batch:
    if isinstance(said, Said):
        (one_kind, one), (other_kind, other) = said.one, said.other
        link = IdentityLink(
            one, other, f"c{number}", _NOW, _kind(one_kind), _kind(other_kind), said.how
        )
        return Batch(_NOW, "pk_1", "native", 1, commands=[link])
    event = Event(
        name="use", id=f"e{number}", time=said.time, user_id=said.user,
        anonymous_id=said.device, session_id=said.session, properties=said.properties,
    )  # fmt: skip
    return Batch(_NOW, "pk_1", "native", 1, events=[event])


def _asked(history: Sequence[_Said]) -> list[int]:
    """Return the positions that questions are asked about: some earlier ones, and the last."""
    return sorted({*range(2, len(history), 4), len(history)} - {0})


def _kind(text: str) -> IdKind:
    return "user" if text == "user" else "anonymous"


def _fold(engine: DuckEngine, position: int) -> None:
    """Write who is who into the events, as maintenance does once there are many changes."""
    engine.append("p", Commit(position, {}, FOLD))


def _told(engine: DuckEngine, positions: Sequence[int]) -> dict[str, Any]:
    def rows(text: str) -> list[tuple[Any, ...]]:
        return engine.fetch("p", Sql(text)).rows

    links = rows(
        "SELECT o.id_kind, o.id, t.id_kind, t.id, how, outcome, reason FROM identity_link"
        " JOIN actor AS o ON o.actor_key = one_key JOIN actor AS t ON t.actor_key = other_key"
        " ORDER BY seq"
    )
    sessions: dict[tuple[str, int], set[str]] = {}
    for event_id, rule, key in rows("SELECT event_id, session_rule, session_key FROM event"):
        if rule is not None:
            sessions.setdefault((rule, key), set()).add(event_id)
    return {
        "people": {position: _people(engine, position) for position in positions},
        "links": [
            (frozenset(((one_kind, one), (other_kind, other))), *became)
            for one_kind, one, other_kind, other, *became in links
        ],
        "sessions": {(rule, frozenset(ids)) for (rule, _), ids in sessions.items()},
        "properties": {
            (name, kind): events
            for name, kind, events in rows('SELECT name, "class", events FROM property')
        },
        "ledger": dict(rows("SELECT outcome, sum(items)::BIGINT FROM ledger GROUP BY 1")),
    }


def _people(engine: DuckEngine, position: int) -> dict[str, tuple[str | None, str | None]]:
    """Return the person of each event as a question sees it that is asked about a position."""
    counters = dict(engine.fetch("p", Sql("SELECT name, amount FROM progress")).rows)
    late = engine.fetch("p", Sql("SELECT count(*) FROM person_override WHERE NOT is_folded")).rows
    scope = Scope(
        "p", "UTC", _NOW, position, {}, {}, late[0][0] > 0, counters.get("identity_position", 0)
    )
    found = engine.fetch(
        "p",
        sql(
            "SELECT event_id, id_kind, id FROM event AS e{joins}"
            " LEFT JOIN actor ON actor.actor_key = {person} WHERE e.seq < {end}",
            joins=fields.joins([fields.field("person", scope)], scope),
            person=fields.person(scope),
            end=fields.end_of_log(scope),
        ),
    )
    return {event_id: (kind, name) for event_id, kind, name in found.rows}


# The oracle, in plain Python


def _expected(history: Sequence[_Said]) -> dict[str, Any]:
    events = [(f"e{n}", said) for n, said in enumerate(history) if isinstance(said, _Use)]
    properties: Counter[tuple[str, str]] = Counter()
    for _, said in events:
        for name, value in said.properties.items():
            kind = {str: "text", int: "number"}.get(type(value), "other")
            properties[(name, kind)] += 1
    items = len(history)
    known = Known(_MOST_IDS)
    people: dict[int, dict[str, tuple[str | None, str | None]]] = {}
    for position, one in enumerate(history, start=1):
        _learn(known, one)
        if position not in _asked(history):
            continue
        upto = [(event_id, use) for event_id, use in events if int(event_id[1:]) < position]
        people[position] = {event_id: _person(use, known) for event_id, use in upto}
    return {
        "people": people,
        "links": _noted_once(known),
        "sessions": _sessions(events),
        "properties": dict(properties),
        "ledger": {"received": items, "accepted": items} if items else {},
    }


def _learn(known: Known, said: _Said) -> None:
    if isinstance(said, Said):
        known.see(said.one, said.other)
        known.claim(said)
        return
    ids = [(kind, name) for kind, name in (("user", said.user), ("anonymous", said.device)) if name]
    known.see(*ids)
    if len(ids) == 2:
        known.claim(Said(ids[1], ids[0]))


def _noted_once(known: Known) -> list[tuple[Any, ...]]:
    """Return every claim that did something, and the first of each that was refused alike."""
    found: list[tuple[Any, ...]] = []
    noted: set[tuple[Any, ...]] = set()
    for said, outcome, reason in known.outcomes:
        pair = frozenset((said.one, said.other))
        if not reason or (pair, reason) not in noted:
            found.append((pair, said.how, outcome, reason))
        noted.add((pair, reason))
    return found


def _person(use: _Use, known: Known) -> tuple[str | None, str | None]:
    if use.user:
        return known.person(("user", use.user))
    return known.person(("anonymous", use.device)) if use.device else (None, None)


def _sessions(events: Sequence[tuple[str, _Use]]) -> set[tuple[str, frozenset[str]]]:
    given_ids: dict[str, set[str]] = {}
    by_actor: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
    for event_id, said in events:
        if said.session:
            given_ids.setdefault(said.session, set()).add(event_id)
        elif said.device or said.user:
            actor = ("device", said.device) if said.device else ("user", said.user or "")
            place = (said.time, int(event_id[1:]), event_id)
            by_actor.setdefault(actor, []).append(place)
    found = {("given", frozenset(ids)) for ids in given_ids.values()}
    for places in by_actor.values():
        running: list[tuple[int, str]] = []
        for time, _, event_id in sorted(places):
            if running and (time - running[-1][0] > _GAP or time - running[0][0] > _CAP):
                found.add(("computed", frozenset(one for _, one in running)))
                running = []
            running.append((time, event_id))
        found.add(("computed", frozenset(one for _, one in running)))
    return found
