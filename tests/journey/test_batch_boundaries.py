"""Where one load ends and the next begins changes nothing: not people, sessions or properties."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from tallymark.collect.load import Loader
from tallymark.core.errors import Unavailable
from tallymark.core.event import Batch, Event, IdentityLink
from tallymark.core.settings import Settings
from tallymark.core.sql import Sql
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


class _Said(Struct, frozen=True):
    """What is sent: an event, or a link if it has no time."""

    time: int | None
    user: str | None
    device: str | None
    session: str | None = None
    properties: dict[str, Any] = {}


_USERS = st.sampled_from([None, "ana", "bo"])
_DEVICES = st.sampled_from([None, "phone", "tv"])
_EVENTS = st.builds(
    _Said,
    time=_TIMES,
    user=_USERS,
    device=_DEVICES,
    session=st.sampled_from([None, None, None, "s1"]),
    properties=st.dictionaries(
        st.sampled_from(["a", "b"]), st.sampled_from(["x", 1, True, None]), max_size=2
    ),
)
_LINKS = st.builds(
    _Said,
    time=st.none(),
    user=st.sampled_from(["ana", "bo"]),
    device=st.sampled_from(["phone", "tv"]),
)
_HISTORIES = st.lists(st.one_of(_EVENTS, _EVENTS, _EVENTS, _LINKS), max_size=24)
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
        return Loader("p", engine, log, folder / "index", Settings(), _Clock())

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
        return _told(engine)
    finally:
        loader.close()
        engine.close()
        log.close()


def _batch(number: int, said: _Said) -> Batch:
    if said.time is None:
        link = IdentityLink(said.device or "", said.user or "", f"c{number}", _NOW)
        return Batch(_NOW, "pk_1", "native", 1, commands=[link])
    event = Event(
        name="use", id=f"e{number}", time=said.time, user_id=said.user,
        anonymous_id=said.device, session_id=said.session, properties=said.properties,
    )  # fmt: skip
    return Batch(_NOW, "pk_1", "native", 1, events=[event])


def _told(engine: DuckEngine) -> dict[str, Any]:
    def rows(text: str) -> list[tuple[Any, ...]]:
        return engine.fetch("p", Sql(text)).rows

    people = rows(
        "SELECT event_id, actor.id_kind, actor.id FROM event"
        " LEFT JOIN person_override USING (person_key)"
        " LEFT JOIN actor ON actor.actor_key = coalesce(into_key, event.person_key)"
    )
    sessions: dict[tuple[str, int], set[str]] = {}
    for event_id, rule, key in rows("SELECT event_id, session_rule, session_key FROM event"):
        if rule is not None:
            sessions.setdefault((rule, key), set()).add(event_id)
    return {
        "people": {event_id: (kind, name) for event_id, kind, name in people},
        "sessions": {(rule, frozenset(ids)) for (rule, _), ids in sessions.items()},
        "properties": {
            (name, kind): events
            for name, kind, events in rows('SELECT name, "class", events FROM property')
        },
        "ledger": dict(rows("SELECT outcome, sum(items)::BIGINT FROM ledger GROUP BY 1")),
    }


# The oracle, in plain Python


def _expected(history: Sequence[_Said]) -> dict[str, Any]:
    events = [(f"e{n}", said) for n, said in enumerate(history) if said.time is not None]
    owners: dict[str, str] = {}
    for said in history:
        if said.device and said.user:
            owners.setdefault(said.device, said.user)
    properties: Counter[tuple[str, str]] = Counter()
    for _, said in events:
        for name, value in said.properties.items():
            kind = {str: "text", int: "number"}.get(type(value), "other")
            properties[(name, kind)] += 1
    items = len(history)
    return {
        "people": {event_id: _person(said, owners) for event_id, said in events},
        "sessions": _sessions(events),
        "properties": dict(properties),
        "ledger": {"received": items, "accepted": items} if items else {},
    }


def _person(said: _Said, owners: dict[str, str]) -> tuple[str | None, str | None]:
    if said.user:
        return "user", said.user
    if said.device:
        owner = owners.get(said.device)
        return ("user", owner) if owner else ("anonymous", said.device)
    return None, None


def _sessions(events: Sequence[tuple[str, _Said]]) -> set[tuple[str, frozenset[str]]]:
    given_ids: dict[str, set[str]] = {}
    by_actor: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
    for event_id, said in events:
        if said.session:
            given_ids.setdefault(said.session, set()).add(event_id)
        elif said.device or said.user:
            actor = ("device", said.device) if said.device else ("user", said.user or "")
            place = (said.time or 0, int(event_id[1:]), event_id)
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
