"""Gives the events of a load their keys: name, actor, person, account and session."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from tallymark.collect.rows import Columns, Loading, columns_of
from tallymark.core.clock import MICROSECONDS
from tallymark.core.event import Batch, Command, GroupMembership, IdentityLink, ProfileOp
from tallymark.core.settings import Settings
from tallymark.core.sql import Sql, join, sql
from tallymark.identity.people import Keys, People
from tallymark.identity.sessions import Sessions, Stored
from tallymark.identity.surrogates import Surrogates
from tallymark.store.engine import Engine
from tallymark.store.hash_index import HashIndex

_RESTORE_ROWS = 500_000
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Identified(Struct, frozen=True):
    """What identification adds to a commit."""

    event_columns: Columns
    tables: dict[str, Columns]
    statements: tuple[Sql, ...]
    counters: dict[str, int]


class Identifier:
    """The surrogates, people and sessions of one project, as of the last commit."""

    def __init__(
        self,
        project: str,
        engine: Engine,
        folder: Path,
        settings: Settings,
        counters: dict[str, int],
    ) -> None:
        self._project = project
        self._engine = engine
        self._flush_keys = settings.index_flush_keys
        self._names = {
            name: int(key)
            for name, key in self._rows("SELECT name, event_key FROM event_name").rows
        }
        self._new_names: dict[str, int] = {}
        self._actors = self._surrogates(folder, "actor", "substr(id_kind, 1, 1) || ':' || id")
        self._accounts = self._surrogates(folder, "account", "id")
        self._sessions_given = self._surrogates(folder, "session", "id")
        self._people = People()
        self._restore_people()
        self._sessions = Sessions(
            settings.session_gap_minutes * 60 * MICROSECONDS,
            settings.session_cap_hours * 3600 * MICROSECONDS,
            counters.get("next_computed_session", 1),
            self._history,
        )
        self._restore_sessions(counters.get("watermark_us", 0), settings)
        self._identity_position = counters.get("identity_position", 0)

    def identify(
        self, loading: Sequence[Loading], commands: Sequence[tuple[int, Command, Batch]], now: int
    ) -> Identified:
        """Return the keys of the events, which are in log order, and the rows that go with them."""
        users = [one.event.user_id and "u:" + one.event.user_id for one in loading]
        anons = [one.event.anonymous_id and "a:" + one.event.anonymous_id for one in loading]
        commanded = [label for _, command, _ in commands for label in _labels(command)]
        actors = self._actors.resolve(label for label in (*users, *anons, *commanded) if label)
        first_new_actor = self._actors.first_pending
        accounts = self._accounts.resolve(
            account for one in loading if (account := one.event.groups.get("account"))
        )
        given = self._sessions_given.resolve(
            one.event.session_id for one in loading if one.event.session_id
        )
        user_keys, anon_keys = _keys(actors, users), _keys(actors, anons)
        self._link(loading, user_keys, anon_keys, commands, actors)
        actor_keys = np.where(user_keys == 0, anon_keys, user_keys)
        columns: Columns = {
            "event_key": self._event_keys(loading),
            "actor_key": actor_keys,
            "anon_key": anon_keys,
            "person_key": self._people.persons(actor_keys),
            "account_key": [accounts.get(one.event.groups.get("account", "")) for one in loading],
        }
        self._assign_sessions(columns, loading, given, first_new_actor, now)
        return Identified(
            event_columns=columns if loading else {},
            tables=self._tables(loading, commands, actors),
            statements=self._statements(first_new_actor),
            counters=self._counters(),
        )

    def commit(self) -> None:
        """Keep what the last ``identify`` allotted: its commit is durable."""
        for surrogates in (self._actors, self._accounts, self._sessions_given):
            surrogates.commit()
        self._people.commit()
        self._sessions.commit()
        self._new_names = {}

    def rollback(self) -> None:
        """Take back what the last ``identify`` allotted."""
        for surrogates in (self._actors, self._accounts, self._sessions_given):
            surrogates.rollback()
        self._people.rollback()
        self._sessions.rollback()
        for name in self._new_names:
            del self._names[name]
        self._new_names = {}

    def maintain(self) -> None:
        """Fold recent keys into the indexes' files."""
        for surrogates in (self._actors, self._accounts, self._sessions_given):
            surrogates.maintain()

    def close(self) -> None:
        """Release the indexes' files."""
        for surrogates in (self._actors, self._accounts, self._sessions_given):
            surrogates.close()

    def _event_keys(self, loading: Sequence[Loading]) -> list[int]:
        keys: list[int] = []
        for one in loading:
            key = self._names.get(one.event.name)
            if key is None:
                key = self._names[one.event.name] = len(self._names) + 1
                self._new_names[one.event.name] = key
            keys.append(key)
        return keys

    def _link(
        self,
        loading: Sequence[Loading],
        user_keys: Keys,
        anon_keys: Keys,
        commands: Sequence[tuple[int, Command, Batch]],
        actors: dict[str, int],
    ) -> None:
        claims = [
            (loading[place].seq, int(anon_keys[place]), int(user_keys[place]))
            for place in self._people.unlinked(anon_keys, user_keys)
        ]
        for seq, command, _ in commands:
            if isinstance(command, IdentityLink) and command.one_kind != command.other_kind:
                one, other = sorted(_labels(command))
                claims.append((seq, actors[one], actors[other]))
        for seq, anon, user in sorted(claims):
            self._people.link(seq, anon, user)

    def _assign_sessions(
        self,
        columns: Columns,
        loading: Sequence[Loading],
        given: dict[str, int],
        first_new_actor: int,
        now: int,
    ) -> None:
        # The device goes on when its user logs in, so it is asked first.
        actor_keys: Keys = columns["actor_key"]
        anon_keys: Keys = columns["anon_key"]
        of = np.where(anon_keys == 0, actor_keys, anon_keys).tolist()
        uses = [
            (one.event.time, one.seq, actor)
            for one, actor in zip(loading, of, strict=True)
            if actor and not one.event.session_id
        ]
        computed = self._sessions.assign(uses, new_actors_from=first_new_actor, now=now)
        keys: list[int | None] = []
        rules: list[str | None] = []
        for one in loading:
            if one.event.session_id:
                # Given and computed keys are even and odd, so that they can never meet.
                keys.append(2 * given[one.event.session_id])
                rules.append("given")
            elif one.seq in computed:
                keys.append(2 * computed[one.seq] + 1)
                rules.append("computed")
            else:
                keys.append(None)
                rules.append(None)
        columns["session_key"], columns["session_rule"] = keys, rules

    def _tables(
        self,
        loading: Sequence[Loading],
        commands: Sequence[tuple[int, Command, Batch]],
        actors: dict[str, int],
    ) -> dict[str, Columns]:
        first = loading[0].seq if loading else (commands[0][0] if commands else 0)
        actor_rows = [
            (key, "user" if label[0] == "u" else "anonymous", label[2:], first)
            for label, key in self._actors.pending.items()
        ]
        links = self._people.pending
        return {
            "event_name": columns_of(
                ("event_key", "name"), [(key, name) for name, key in self._new_names.items()]
            ),
            "actor": columns_of(("actor_key", "id_kind", "id", "first_seq"), actor_rows),
            "account": columns_of(
                ("account_key", "id", "first_seq"),
                [(key, label, first) for label, key in self._accounts.pending.items()],
            ),
            "session": columns_of(
                ("session_key", "id", "first_seq"),
                [(2 * key, label, first) for label, key in self._sessions_given.pending.items()],
            ),
            "identity_link": columns_of(
                ("seq", "anon_key", "user_key", "outcome"),
                [(link.seq, link.anon_key, link.user_key, link.outcome) for link in links],
            ),
            "profile": columns_of(
                ("seq", "subject_kind", "subject_key", "op", "time_us", "properties"),
                [
                    row
                    for seq, command, _ in commands
                    if (row := self._profile(seq, command, actors))
                ],
            ),
        }

    def _profile(
        self, seq: int, command: Command, actors: dict[str, int]
    ) -> tuple[Any, ...] | None:
        match command:
            case ProfileOp():
                key = actors.get(f"{command.subject_kind[0]}:{command.subject}")
                properties = _encode(command.properties).decode()
                return (seq, command.subject_kind, key, command.op, command.time, properties)
            case GroupMembership():
                label = f"u:{command.user_id}" if command.user_id else f"a:{command.anonymous_id}"
                group = _encode({command.group_type: command.group_id}).decode()
                return (seq, "member", actors.get(label), "union", command.time, group)
            case IdentityLink():
                return None

    def _statements(self, first_new_actor: int) -> tuple[Sql, ...]:
        statements: list[Sql] = []
        moved = [
            link
            for link in self._people.pending
            # An anonymous id first seen in this load has no stored events to re-point.
            if link.outcome == "linked" and link.anon_key < first_new_actor
        ]
        if moved:
            lines = (
                sql("({anon}, {user}, {seq})", anon=link.anon_key, user=link.user_key, seq=link.seq)
                for link in moved
            )
            statements.append(Sql("INSERT INTO person_override VALUES ") + join(", ", lines))
        if self._sessions.moved:
            statements.append(
                sql(
                    """
                    UPDATE event SET session_key = moved.session_key
                    FROM (SELECT unnest({seqs}::BIGINT[]) AS seq,
                                 unnest({keys}::BIGINT[]) AS session_key) AS moved
                    WHERE event.seq = moved.seq
                    """,
                    seqs=[seq for seq, _ in self._sessions.moved],
                    keys=[2 * key + 1 for _, key in self._sessions.moved],
                )
            )
        return tuple(statements)

    def _counters(self) -> dict[str, int]:
        links = self._people.pending
        if links:
            self._identity_position = max(self._identity_position, links[-1].seq)
        return {
            "next_actor": self._actors.next_key,
            "next_account": self._accounts.next_key,
            "next_session": self._sessions_given.next_key,
            "next_computed_session": self._sessions.next_key,
            "watermark_us": self._sessions.watermark,
            "identity_position": self._identity_position,
        }

    def _surrogates(self, folder: Path, table: str, label: str) -> Surrogates:
        key = f"{table}_key"
        divisor = 2 if table == "session" else 1
        top = int(self._rows(f"SELECT coalesce(max({key}), 0) FROM {table}").rows[0][0]) // divisor  # noqa: S608
        index = HashIndex.open(folder / table, newest=top, flush_keys=self._flush_keys)
        surrogates = Surrogates(index, top + 1)
        while True:
            rows = self._engine.fetch(
                self._project,
                sql(
                    f"SELECT {label}, {key} // {divisor} FROM {table}"  # noqa: S608
                    f" WHERE {key} // {divisor} > {{after}} ORDER BY {key} LIMIT {{most}}",
                    after=max(index.covered_or_recent, 0),
                    most=_RESTORE_ROWS,
                ),
            ).rows
            if not rows:
                return surrogates
            labels, keys = zip(*rows, strict=True)
            surrogates.remember(labels, keys)

    def _restore_people(self) -> None:
        rows = self._rows(
            "SELECT anon_key, user_key FROM identity_link WHERE outcome = 'linked'"
        ).rows
        self._people.restore([anon for anon, _ in rows], [user for _, user in rows])

    def _restore_sessions(self, watermark: int, settings: Settings) -> None:
        if not watermark:
            return
        horizon = watermark - self._sessions.warm_up_span
        rows = self._engine.fetch(
            self._project,
            sql(
                """
                WITH running AS (
                  SELECT coalesce(anon_key, actor_key) AS actor, session_key // 2 AS session,
                         min(time_us) AS first_us, max(time_us) AS last_us
                  FROM event
                  WHERE session_rule = 'computed' AND time_us > {since}
                  GROUP BY ALL
                )
                SELECT actor, arg_max(session, last_us), arg_max(first_us, last_us), max(last_us)
                FROM running GROUP BY actor HAVING max(last_us) > {horizon}
                """,
                since=horizon - settings.session_cap_hours * 3600 * MICROSECONDS,
                horizon=horizon,
            ),
        ).rows
        self._sessions.restore(watermark, rows)

    def _history(self, actors: Sequence[int], since: int) -> Sequence[Stored]:
        rows = self._engine.fetch(
            self._project,
            sql(
                """
                SELECT coalesce(anon_key, actor_key) AS actor, time_us, seq, session_key // 2
                FROM event
                WHERE session_rule = 'computed' AND time_us >= {since}
                  AND coalesce(anon_key, actor_key) IN (SELECT unnest({actors}::BIGINT[]))
                """,
                since=since,
                actors=list(actors),
            ),
        ).rows
        return [Stored(*row) for row in rows]

    def _rows(self, text: str) -> Any:
        return self._engine.fetch(self._project, Sql(text))


def _keys(actors: dict[str, int], labels: Sequence[str | None]) -> Keys:
    """Return the key of each label, 0 where there is none."""
    return np.array([actors[label] if label else 0 for label in labels], dtype=np.int64)


def _labels(command: Command) -> list[str]:
    labels: list[str] = []
    if isinstance(command, ProfileOp):
        if command.subject_kind in ("user", "anonymous"):
            labels.append(f"{command.subject_kind[0]}:{command.subject}")
        return labels
    if isinstance(command, IdentityLink):
        ends = ((command.one_kind, command.one), (command.other_kind, command.other))
        return [f"{kind[0]}:{name}" for kind, name in ends]
    if command.user_id:
        labels.append(f"u:{command.user_id}")
    if command.anonymous_id:
        labels.append(f"a:{command.anonymous_id}")
    return labels
