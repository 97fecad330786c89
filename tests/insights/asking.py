"""A store that can be refilled in milliseconds, and the way a question is asked of it."""

from pathlib import Path
from typing import Any

import msgspec
from tests.strategies import NOW, Link, ToldHistory, Use

from tallymark.app.answering import compute, insights, members_of
from tallymark.collect import subjects
from tallymark.collect.linking import link_columns
from tallymark.core.event import Batch, ProfileOp
from tallymark.core.sql import ident, sql
from tallymark.identity.people import Claim, Move, People
from tallymark.identity.people import Link as MadeLink
from tallymark.insights.insight import Scope, Unit, known_profiles
from tallymark.insights.pages import Behind
from tallymark.store.engine import Commit, Limits
from tallymark.store.engines.duckdb import DuckEngine
from tallymark.store.tables import SEQ_PER_BATCH
from tallymark.store.variant import PropertyEncoder

_LIMITS = Limits(seconds=60, memory_bytes=256 * 1024 * 1024, rows=100_000)
_FOLDED = 200
_NEW_ROWS = 2**54


class Store:
    """One project's store in a real engine; ``replace`` fills it as loading would."""

    def __init__(self, path: Path) -> None:
        self.engine = DuckEngine(
            lambda project: path / project / "store.duckdb",
            memory_bytes=512 * 1024 * 1024,
            # A dozen rows are no work to share; planning is, and it has one thread.
            threads=1,
        )
        self.engine.open("test")
        self._filled: list[str] = []
        self._times = 0
        self.scope = self._scope(_Filling(), 0)

    def replace(self, history: ToldHistory, *, first: int = 1) -> None:
        """Hold exactly this history, one batch an item, in order of arrival."""
        filling = _Filling()
        for position, item in enumerate(history, start=first):
            filling.take(position * SEQ_PER_BATCH, item)
        # Rows of this very commit have places far above those of rows that were there.
        clear = tuple(
            sql("DELETE FROM {table} WHERE rowid < {new}", table=ident(table), new=_NEW_ROWS)
            for table in self._filled
        )
        tables = {
            name: columns
            for name, columns in filling.tables().items()
            if any(map(len, columns.values()))
        }
        position = first + len(history) - 1
        self.engine.append("test", Commit(position, tables, clear))
        self._filled = [*tables]
        self._times += 1
        if self._times % _FOLDED == 0:
            # What was deleted is read over again and again until it is folded away.
            self.engine.checkpoint("test")
        self.scope = self._scope(filling, position)

    def tell(
        self, kind: str, name: str, properties: str, *, time: int = 0, op: str = "set"
    ) -> None:
        """Keep what was told of a user, an anonymous id or an account, as JSON."""
        table = "account" if kind == "account" else "actor"
        found = sql(
            "SELECT {key} FROM {table} WHERE id = {name}",
            key=ident(f"{table}_key"), table=ident(table), name=name,
        )  # fmt: skip
        (key,) = self.engine.fetch("test", found).rows[0]
        seq = self.engine.fetch("test", sql("SELECT count(*) + 1 FROM profile")).rows[0][0]
        told = {"seq": seq, "subject_kind": kind, "subject_key": key, "op": op, "time_us": time}
        columns = {name: [value] for name, value in {**told, "properties": properties}.items()}
        self.engine.append("test", Commit(self.scope.log_position, {"profile": columns}))
        self._filled.append("profile")

    def _scope(self, filling: "_Filling", position: int) -> Scope:
        profiles, cleared = known_profiles(list(filling.ways))
        return Scope(
            project="test",
            timezone="UTC",
            now=NOW,
            log_position=position,
            event_names=dict(filling.names),
            properties={name: frozenset(kinds) for name, kinds in filling.classes.items()},
            has_overrides=bool(filling.moves),
            identity_position=filling.moves[-1].seq if filling.moves else 0,
            profiles=profiles,
            cleared_profiles=cleared,
        )


class _Filling:
    """Rows of the tables, keyed and resolved as the loader keys and resolves them."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self.classes: dict[str, set[Any]] = {}
        self.moves: list[Move] = []
        self._links: list[MadeLink] = []
        self._actors: dict[tuple[str, str], int] = {}
        self._accounts: dict[str, int] = {}
        self._teams: dict[str, int] = {}
        self.ways: dict[subjects.Way, int] = {}
        self._told: dict[str, list[Any]] = {}
        self._sessions: dict[str, int] = {}
        self._people = People(1000)
        self._uses: list[tuple[int, Use, int | None, int | None, int | None]] = []

    def take(self, seq: int, item: Use | Link | ProfileOp) -> None:
        if isinstance(item, ProfileOp):
            self._tell(seq, item)
            return
        user = self._actor("user", item.user)
        anonymous = self._actor("anonymous", item.anonymous)
        if user is not None and anonymous is not None:
            how = item.how if isinstance(item, Link) else "identify"
            self._people.claim([Claim(seq, anonymous, user, how=how)])
            self.moves += self._people.moves
            self._links += self._people.links
            self._people.commit()
        if isinstance(item, Use):
            actor = anonymous if user is None else user
            person = None if actor is None else self._people.person(actor)
            self._uses.append((seq, item, actor, anonymous, person))
            self.names.setdefault(item.name, len(self.names) + 1)

    def _tell(self, seq: int, said: ProfileOp) -> None:
        commands = [(seq, said, Batch(0, "", "", 1))]
        if said.subject_kind in subjects.PERSON_KINDS:
            self._actor(said.subject_kind, said.subject)
        values = subjects.values_of(commands)
        self.ways |= subjects.new_ways(values, self.ways)
        actors = {f"{kind[0]}:{name}": key for (kind, name), key in self._actors.items()}
        columns = subjects.value_columns(values, actors, self._group, self._people)
        for name, values in columns.items():
            self._told.setdefault(name, []).extend(values)

    def _group(self, group: subjects.Group) -> int | None:
        kind, name = group
        return _key(self._accounts if kind == subjects.ACCOUNT else self._teams, name)

    def tables(self) -> dict[str, Any]:
        uses = [use for _, use, *_ in self._uses]
        encoder = PropertyEncoder()
        text, number, other, _ = encoder.encode_many([use.properties for use in uses])
        for name, kind in encoder.take_counts():
            self.classes.setdefault(name, set()).add(kind)
        columns: dict[str, list[Any]] = {
            "seq": [seq for seq, *_ in self._uses],
            "event_id": [f"id-{seq}" for seq, *_ in self._uses],
            "event_key": [self.names[use.name] for use in uses],
            "kind": [use.kind for use in uses],
            "time_us": [use.time for use in uses],
            "received_us": [use.time for use in uses],
            "time_rule": ["client" for _ in uses],
            "actor_key": [actor for _, _, actor, _, _ in self._uses],
            "anon_key": [anonymous for _, _, _, anonymous, _ in self._uses],
            "person_key": [person for *_, person in self._uses],
            "account_key": [_key(self._accounts, use.account) for use in uses],
            "groups": [
                use.team and msgspec.json.encode({"team": use.team}).decode() for use in uses
            ],
            "session_key": [_key(self._sessions, use.session) for use in uses],
            "path": [use.path for use in uses],
            "utm_source": [use.utm_source for use in uses],
            "country": [use.country for use in uses],
            "is_bot": [use.is_bot for use in uses],
            "value": [use.value for use in uses],
            "revenue": [use.revenue for use in uses],
            "flags": ["cookieless" if use.is_cookieless else None for use in uses],
            "currency": [use.currency for use in uses],
            "prop_text": text,
            "prop_number": number,
            "prop_other": other,
        }
        for name in sorted({name for use in uses for name in use.also}):
            columns[name] = [use.also.get(name) for use in uses]
        for use in uses:
            _key(self._teams, use.team)
        return {
            "profile_value": self._told,
            "other_group": {
                "group_key": [*self._teams.values()],
                "group_type": ["team" for _ in self._teams],
                "id": [*self._teams],
            },
            "event": {name: _texts(name, values) for name, values in columns.items()},
            "event_name": {"event_key": [*self.names.values()], "name": [*self.names]},
            "actor": {
                "actor_key": [*self._actors.values()],
                "id_kind": [kind for kind, _ in self._actors],
                "id": [name for _, name in self._actors],
                "first_seq": [1 for _ in self._actors],
            },
            "account": {
                "account_key": [*self._accounts.values()],
                "id": [*self._accounts],
                "first_seq": [1 for _ in self._accounts],
            },
            "session": {"session_key": [*self._sessions.values()], "id": [*self._sessions]},
            "identity_link": link_columns(self._links),
            "person_override": {
                "seq": [move.seq for move in self.moves],
                "actor_key": [move.actor for move in self.moves],
                "was_key": [move.was for move in self.moves],
                "into_key": [move.into for move in self.moves],
                "is_folded": [False for _ in self.moves],
            },
        }

    def _actor(self, kind: str, name: str | None) -> int | None:
        return (
            None if name is None else self._actors.setdefault((kind, name), len(self._actors) + 1)
        )


def _key(keys: dict[str, int], name: str | None) -> int | None:
    return None if name is None else keys.setdefault(name, len(keys) + 1)


def _texts(name: str, values: list[Any]) -> list[Any]:
    # The engine takes decimals as text, so that none is ever a float.
    if name in {"value", "revenue"}:
        return [None if value is None else str(value) for value in values]
    return values


def ask(store: Store, name: str, **question: Any) -> Any:
    """Return the shaped data of a question, decoded and answered as the store process does it."""
    insight = insights()[name]
    asked = msgspec.json.decode(msgspec.json.encode(question), type=insight.question)
    with store.engine.reading("test", _LIMITS) as reading:
        return compute(insight, asked, store.scope, reading).data


def behind(
    store: Store, name: str, question: dict[str, Any], place: dict[str, Any], unit: Unit = "person"
) -> int:
    """Return how many are behind a number of an insight; none is listed twice."""
    with store.engine.reading("test", _LIMITS) as reading:
        keys = members_of(Behind(name, question, place), store.scope, reading, unit=unit)
    assert len(set(keys.tolist())) == len(keys)
    return len(keys)
