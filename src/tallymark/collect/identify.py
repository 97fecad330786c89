"""Gives the events of a load their keys: name, actor, person, account and session."""

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from msgspec import Struct

from tallymark.collect import linking, subjects
from tallymark.collect.linking import Numbered
from tallymark.collect.rows import Columns, Loading, columns_of
from tallymark.core.clock import MICROSECONDS
from tallymark.core.settings import Settings
from tallymark.core.sql import Sql, sql
from tallymark.identity.people import Keys, Link, People
from tallymark.identity.sessions import Sessions, Stored
from tallymark.identity.surrogates import Surrogates
from tallymark.store.engine import Engine, Rows
from tallymark.store.hash_index import HashIndex

_RESTORE_ROWS = 500_000
_COOKIELESS = "cookieless"


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
        self._groups = self._surrogates(
            folder, "other_group", "length(group_type) || ':' || group_type || id", "group_key"
        )
        self._sessions_given = self._surrogates(folder, "session", "id")
        self._people = People(settings.max_ids_per_person)
        linking.restore(self._people, self._fetch)
        self._noted = linking.Noted()
        self._links: list[Link] = []
        self._ways: dict[subjects.Way, int] = {
            (kind, name, made, op, is_long): int(seq)
            for kind, name, made, op, is_long, seq in self._rows(
                'SELECT subject_kind, name, "class", op, is_long, first_seq FROM profile_property'
            ).rows
        }
        self._new_ways: dict[subjects.Way, int] = {}
        self._sessions = Sessions(
            settings.session_gap_minutes * 60 * MICROSECONDS,
            settings.session_cap_hours * 3600 * MICROSECONDS,
            counters.get("next_computed_session", 1),
            self._history,
        )
        self._restore_sessions(counters.get("watermark_us", 0), settings)
        self._identity_position = counters.get("identity_position", 0)
        self._session_position = counters.get("session_position", 0)
        first_fleeting = counters.get("first_fleeting")
        self._first_fleeting = self._find_fleeting() if first_fleeting is None else first_fleeting

    def identify(self, loading: Sequence[Loading], commands: Numbered, now: int) -> Identified:
        """Return the keys of the events, which are in log order, and the rows that go with them."""
        users = [one.event.user_id and "u:" + one.event.user_id for one in loading]
        anons = [one.event.anonymous_id and "a:" + one.event.anonymous_id for one in loading]
        actors = self._actors.resolve(_in_order(loading, users, anons, commands))
        first_new_actor = self._actors.first_pending
        accounts, groups = self._group_keys(loading, commands)
        given = self._sessions_given.resolve(
            one.event.session_id for one in loading if one.event.session_id
        )
        user_keys, anon_keys = _keys(actors, users), _keys(actors, anons)
        claims = linking.claims_of(loading, (user_keys, anon_keys), commands, actors, self._people)
        self._people.claim(claims)
        self._links = self._noted.new(self._people.links, self._fetch)
        actor_keys = np.where(user_keys == 0, anon_keys, user_keys)
        columns: Columns = {
            "event_key": self._event_keys(loading),
            "actor_key": actor_keys,
            "anon_key": anon_keys,
            "person_key": self._people.persons(actor_keys),
            "account_key": [accounts.get(one.event.groups.get("account", "")) for one in loading],
        }
        self._assign_sessions(columns, loading, given, first_new_actor, now)
        values = subjects.values_of(commands)
        self._new_ways = subjects.new_ways(values, self._ways)

        first = loading[0].seq if loading else commands[0][0] if commands else 0

        def group_key(group: subjects.Group) -> int:
            kind, name = group
            is_account = kind == subjects.ACCOUNT
            return accounts[name] if is_account else groups[subjects.group_label(group)]

        return Identified(
            event_columns=columns if loading else {},
            tables={
                **self._named_tables(first),
                "identity_link": linking.link_columns(self._links),
                "person_override": linking.move_columns(
                    self._people.moves, loading, actor_keys, first_new_actor,
                    subjects.first_told(commands, actors),
                ),
                "profile": subjects.profile_columns(commands, actors, group_key),
                "profile_value": subjects.value_columns(values, actors, group_key, self._people),
                "profile_property": subjects.way_columns(self._new_ways),
                "membership": subjects.membership_columns(commands, actors, group_key),
            },
            statements=self._session_moves(first),
            counters=self._counters(first, loading),
        )  # fmt: skip

    def commit(self) -> None:
        """Keep what the last ``identify`` allotted: its commit is durable."""
        for surrogates in self._every_kind():
            surrogates.commit()
        self._noted.commit(self._links)
        self._people.commit()
        self._sessions.commit()
        self._new_names = {}
        self._ways |= self._new_ways

    def rollback(self) -> None:
        """Take back what the last ``identify`` allotted."""
        for surrogates in self._every_kind():
            surrogates.rollback()
        self._people.rollback()
        self._sessions.rollback()
        for name in self._new_names:
            del self._names[name]
        self._new_names = {}

    def maintain(self) -> None:
        """Fold recent keys into the indexes' files."""
        for surrogates in self._every_kind():
            surrogates.maintain()

    def close(self) -> None:
        """Release the indexes' files."""
        for surrogates in self._every_kind():
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

    def _every_kind(self) -> tuple[Surrogates, ...]:
        return self._actors, self._accounts, self._groups, self._sessions_given

    def _group_keys(
        self, loading: Sequence[Loading], commands: Numbered
    ) -> tuple[dict[str, int], dict[str, int]]:
        """Return the keys of the accounts by id, and of other groups by label."""
        named = [group for _, command, _ in commands if (group := subjects.group_of(command))]
        accounts = [name for kind, name in named if kind == subjects.ACCOUNT]
        others = [subjects.group_label(group) for group in named if group[0] != subjects.ACCOUNT]
        of_events = (
            account for one in loading if (account := one.event.groups.get(subjects.ACCOUNT))
        )
        return self._accounts.resolve(chain(of_events, accounts)), self._groups.resolve(others)

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

    def _named_tables(self, first: int) -> dict[str, Columns]:
        """Return the rows of what got its key in this load, which begins at seq ``first``."""
        return {
            "event_name": columns_of(
                ("event_key", "name"), [(key, name) for name, key in self._new_names.items()]
            ),
            "actor": columns_of(
                ("actor_key", "id_kind", "id", "first_seq"),
                [
                    (key, "user" if label[0] == "u" else "anonymous", label[2:], first)
                    for label, key in self._actors.pending.items()
                ],
            ),
            "account": columns_of(
                ("account_key", "id", "first_seq"),
                [(key, label, first) for label, key in self._accounts.pending.items()],
            ),
            "other_group": columns_of(
                ("group_key", "group_type", "id", "first_seq"),
                [
                    (key, *subjects.group_parts(label), first)
                    for label, key in self._groups.pending.items()
                ],
            ),
            "session": columns_of(
                ("session_key", "id", "first_seq"),
                [(2 * key, label, first) for label, key in self._sessions_given.pending.items()],
            ),
        }

    def _session_moves(self, first: int) -> tuple[Sql, ...]:
        if not self._sessions.moved:
            return ()
        moved = sql(
            "(SELECT unnest({seqs}::BIGINT[]) AS seq, unnest({keys}::BIGINT[]) AS session_key)",
            seqs=[seq for seq, _ in self._sessions.moved],
            keys=[2 * key + 1 for _, key in self._sessions.moved],
        )
        # What a question as of an earlier position finds is the session of before.
        kept = sql(
            "INSERT INTO session_move SELECT {first}, event.seq, event.session_key"
            " FROM event JOIN {moved} AS moved ON event.seq = moved.seq",
            first=first,
            moved=moved,
        )
        update = sql(
            "UPDATE event SET session_key = moved.session_key"
            " FROM {moved} AS moved WHERE event.seq = moved.seq",
            moved=moved,
        )
        return kept, update

    def _find_fleeting(self) -> int:
        """Return the seq of the first event without any lasting id, 0 if there is none."""
        rows = self._rows(
            f"SELECT coalesce(min(seq), 0) FROM event WHERE contains(flags, '{_COOKIELESS}')"  # noqa: S608
        ).rows
        return int(rows[0][0])

    def _counters(self, first: int, loading: Sequence[Loading]) -> dict[str, int]:
        if not self._first_fleeting:
            fleeting = (one.seq for one in loading if _COOKIELESS in one.event.flags)
            self._first_fleeting = next(fleeting, 0)
        if self._sessions.moved:
            self._session_position = first
        if self._links:
            self._identity_position = max(self._identity_position, self._links[-1].claim.seq)
        return {
            "next_actor": self._actors.next_key,
            "next_account": self._accounts.next_key,
            "next_group": self._groups.next_key,
            "next_session": self._sessions_given.next_key,
            "next_computed_session": self._sessions.next_key,
            "watermark_us": self._sessions.watermark,
            "identity_position": self._identity_position,
            "session_position": self._session_position,
            "first_fleeting": self._first_fleeting,
        }

    def _surrogates(
        self, folder: Path, table: str, label: str, key: str | None = None
    ) -> Surrogates:
        key = key or f"{table}_key"
        divisor = 2 if table == "session" else 1
        top = int(self._rows(f"SELECT coalesce(max({key}), 0) FROM {table}").rows[0][0]) // divisor  # noqa: S608
        index = HashIndex.open(folder / table, newest=top, flush_keys=self._flush_keys)
        surrogates = Surrogates(index, top + 1)
        while True:
            rows = self._fetch(
                sql(
                    f"SELECT {label}, {key} // {divisor} FROM {table}"  # noqa: S608
                    f" WHERE {key} // {divisor} > {{after}} ORDER BY {key} LIMIT {{most}}",
                    after=max(index.covered_or_recent, 0),
                    most=_RESTORE_ROWS,
                )
            ).rows
            if not rows:
                return surrogates
            labels, keys = zip(*rows, strict=True)
            surrogates.remember(labels, keys)

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

    def _rows(self, text: str) -> Rows:
        return self._fetch(Sql(text))

    def _fetch(self, statement: Sql) -> Rows:
        return self._engine.fetch(self._project, statement)


def _in_order(
    loading: Sequence[Loading],
    users: Sequence[str | None],
    anons: Sequence[str | None],
    commands: Numbered,
) -> Iterable[str]:
    """Return the labels of actors in the order of the log, so that keys do not depend on loads."""
    pairs = zip(users, anons, strict=True)
    if not commands:
        return (label for pair in pairs for label in pair if label)
    named = [(seq, subjects.labels_of(command)) for seq, command, _ in commands]
    named += [
        (one.seq, [label for label in pair if label])
        for one, pair in zip(loading, pairs, strict=True)
    ]
    named.sort(key=lambda entry: entry[0])
    return (label for _, labels in named for label in labels)


def _keys(actors: dict[str, int], labels: Sequence[str | None]) -> Keys:
    """Return the key of each label, 0 where there is none."""
    return np.array([actors[label] if label else 0 for label in labels], dtype=np.int64)
