"""From the log to the store: dedupe, identify, enrich, and commit with the new position.

Exactly once by construction: rows, keys, counters and log position are one store commit. Whatever
happens before it is forgotten; whatever happens after it is done.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from msgspec import Struct

from tallymark.collect import dedupe
from tallymark.collect.identify import Identifier
from tallymark.collect.ledger import repeated_lines, replace_lines
from tallymark.collect.one_load import OneLoad, Properties
from tallymark.collect.rows import Columns
from tallymark.core.clock import Clock
from tallymark.core.errors import Broken, Unavailable
from tallymark.core.failpoint import reach
from tallymark.core.settings import Settings
from tallymark.core.sql import Sql, sql
from tallymark.log.log import Record
from tallymark.store.engine import Commit, Engine
from tallymark.store.hash_index import HashIndex
from tallymark.store.variant import PropertyEncoder

_READ_BYTES = 16 * 1024 * 1024
_TAIL_ROWS = 1_000_000
# From this many events in a load on, more are waiting, and preparing ahead is worth a thread.
_BACKLOG = 1_000
# Folding the journal stops loading for 70 ms and 9 ms more a MiB, so it is done often; but who is far
# behind is in a hurry, and does it seldom.
_JOURNAL_BYTES = 16 * 1024 * 1024
_JOURNAL_BYTES_BEHIND = 64 * 1024 * 1024
# Merging what folding leaves stops loading for seconds, so it rests so many times as long.
_MERGE_REST = 20
# Each load adds lines of its own to the ledger; a minute with so many to spare is summed up.
_SPARE_LINES = 20
# Each question joins them, so they are kept few.
_MOST_OVERRIDES = 2_000


# Writes who is who by now into the events, and into what was told, themselves. The changes stay: a question about an earlier
# position needs to know who was who then.
FOLD: Final = (
    Sql(
        """
        UPDATE event SET person_key = late.into_key
        FROM (SELECT actor_key, arg_max(into_key, seq) AS into_key
              FROM person_override WHERE NOT is_folded GROUP BY actor_key) AS late
        WHERE event.actor_key = late.actor_key
        """
    ),
    Sql(
        """
        UPDATE profile_value SET person_key = late.into_key
        FROM (SELECT actor_key, arg_max(into_key, seq) AS into_key
              FROM person_override WHERE NOT is_folded GROUP BY actor_key) AS late
        WHERE subject_kind IN ('user', 'anonymous') AND subject_key = late.actor_key
        """
    ),
    Sql("UPDATE person_override SET is_folded = true WHERE NOT is_folded"),
)


class LogReader(Protocol):
    """What loading needs of the log."""

    def read(self, after: int, *, max_bytes: int, max_items: int) -> list[Record]:
        """Return the records after a position, in order."""


class Loaded(Struct, frozen=True):
    """What one step did: the position reached, the items by outcome, and whether more waits."""

    position: int
    items: dict[str, int]


class Loader:
    """Loads one project; the only writer of its store."""

    def __init__(
        self,
        project: str,
        engine: Engine,
        log: LogReader,
        folder: Path,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._project = project
        self._engine = engine
        self._log = log
        self._settings = settings
        self._clock = clock
        self._keys = dedupe.Keys(project)
        self._encoder = PropertyEncoder()
        # Work that needs nothing of the store is done ahead, on a thread and encoder of its own.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self._encoder_ahead = PropertyEncoder()
        self._ahead: Future[OneLoad | None] | None = None
        # What folding left since the last merge; the loader before may have left some too.
        self._pieces = 1
        self._may_merge_at = 0.0
        engine.open(project)
        counters = self._counters()
        self.position = counters.get("log_position", 0)
        newest = engine.fetch(project, Sql("SELECT coalesce(max(seq), -1) FROM dedupe_key"))
        self._index = HashIndex.open(
            folder / "dedupe",
            newest=int(newest.rows[0][0]),
            flush_keys=settings.index_flush_keys,
        )
        self._fill_index()
        self._identifier = Identifier(project, engine, folder, settings, counters)
        self._properties = self._known_properties()

    def step(self, max_items: int | None = None, *, isolate: bool = False) -> Loaded | None:
        """Load what waits, up to a limit, in one commit; None if nothing waits.

        With ``isolate``, an event that cannot be turned to a row is set aside as failed, and if the
        store still refuses, every new event of the step is. Raises Unavailable if the store cannot
        take anything now.
        """
        if max_items is None and not isolate:
            load = self._next_load()
            return None if load is None else self._commit(load, lambda load: None)
        self._ahead = None
        most = max_items or self._settings.load_batch_events
        records = self._log.read(self.position, max_bytes=_READ_BYTES, max_items=most)
        if not records:
            return None
        if not isolate:
            return self._commit(self._taken(records), lambda load: None)
        try:
            return self._commit(self._taken(records), lambda load: load.isolate(self._try))
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001  whatever it is, the queue must move
            return self._commit(self._taken(records), OneLoad.condemn)

    def _next_load(self) -> OneLoad | None:
        """Return the next load, made ahead while the one before was committed if there was time."""
        ahead, self._ahead = self._ahead, None
        load = ahead.result() if ahead else None
        if load is None:
            load = self._thread.submit(self._prepared, self.position).result()
        if load is not None and load.size >= _BACKLOG:
            self._ahead = self._thread.submit(self._prepared, load.position, least=_BACKLOG)
        return load

    def _prepared(self, after: int, least: int = 0) -> OneLoad | None:
        """Return the load after a position; None if there is none, or it has too few items."""
        most = self._settings.load_batch_events
        records = self._log.read(after, max_bytes=_READ_BYTES, max_items=most)
        if not records or sum(record.items for record in records) < least:
            # By the time it can be committed more will have come, and one commit is for all.
            return None
        return self._taken(records, self._encoder_ahead)

    def _taken(self, records: Sequence[Record], encoder: PropertyEncoder | None = None) -> OneLoad:
        load = OneLoad(self._project, self._identifier, self._encoder)
        load.take(records)
        load.prepare(self._keys, encoder)
        return load

    def _commit(self, load: OneLoad, sift: Callable[[OneLoad], None]) -> Loaded:
        try:
            load.dedupe(self._index, self._contents)
            load.prove(lambda statement: self._engine.fetch(self._project, statement))
            sift(load)
            commit = load.commit(self._properties, self._clock.now())
            reach("load.before_commit")
            self._engine.append(self._project, commit)
            reach("load.after_commit")
        except BaseException:
            self._ahead = None
            self._identifier.rollback()
            self._encoder.take_counts()
            self._check_position()
            raise
        self.position = commit.log_position
        self._identifier.commit()
        self._properties.update(load.properties)
        new = load.claims.is_new
        made = load.claims.keyed
        self._index.add(made.high[new], made.low[new], load.seqs[new])
        self._fold_if_long(is_behind=load.size >= self._settings.load_batch_events)
        return Loaded(self.position, load.ledger.totals())

    def _check_position(self) -> None:
        """Raise Broken if a commit that failed is in the store all the same."""
        if self._engine.position(self._project) != self.position:
            raise Broken(
                f"The store of {self._project!r} moved under its loader.", code="STORE_MOVED"
            )

    @property
    def is_tidy(self) -> bool:
        """Whether there is nothing to maintain, unless more was loaded since."""
        return not self._pieces

    def maintain(self) -> None:
        """Fold journals and recent keys into files; safe to skip, safe to be killed in."""
        self._fold_overrides()
        self._fold_ledger()
        if self._pieces and self._clock.monotonic() >= self._may_merge_at:
            self._merge()
        if self._engine.journal_bytes(self._project):
            self._fold()
        self._index.maintain()
        self._identifier.maintain()

    def _fold_if_long(self, *, is_behind: bool) -> None:
        most = _JOURNAL_BYTES_BEHIND if is_behind else _JOURNAL_BYTES
        if self._engine.journal_bytes(self._project) > most:
            # What cannot be folded now stays in the journal, and is tried after the next commit.
            with suppress(Unavailable):
                self._fold()

    def _fold(self) -> None:
        self._engine.checkpoint(self._project)
        self._pieces += 1

    def _merge(self) -> None:
        began = self._clock.monotonic()
        # Without room on the disk to merge there may be enough to fold.
        with suppress(Unavailable):
            self._engine.checkpoint(self._project, merge=True)
            self._pieces -= 1
        ended = self._clock.monotonic()
        self._may_merge_at = ended + _MERGE_REST * (ended - began)

    def close(self) -> None:
        """Release files; nothing is lost by not calling it."""
        self._thread.shutdown(cancel_futures=True)
        self._index.close()
        self._identifier.close()

    def _fold_overrides(self) -> None:
        """Write late links into the events themselves once there are many to be looked up."""
        count = self._engine.fetch(
            self._project, Sql("SELECT count(*) FROM person_override WHERE NOT is_folded")
        )
        if count.rows[0][0] < _MOST_OVERRIDES:
            return
        self._engine.append(self._project, Commit(self.position, {}, FOLD))

    def _fold_ledger(self) -> None:
        """Make one of the lines that loads of the same minute added, once they are many."""
        lines = self._engine.fetch(self._project, repeated_lines(_SPARE_LINES)).rows
        if lines:
            self._engine.append(self._project, Commit(self.position, {}, replace_lines(lines)))

    def _try(self, columns: Columns) -> None:
        self._engine.append(self._project, Commit(0, {"event": columns}), keep=False)

    def _counters(self) -> dict[str, int]:
        rows = self._engine.fetch(self._project, Sql("SELECT name, amount FROM progress"))
        return {name: int(amount) for name, amount in rows.rows}

    def _known_properties(self) -> Properties:
        rows = self._engine.fetch(
            self._project, Sql('SELECT name, "class", events, first_seq FROM property')
        )
        return {
            (name, kind): (int(events), int(first_seq))
            for name, kind, events, first_seq in rows.rows
        }

    def _fill_index(self) -> None:
        """Bring the derived index up to the store, whose keys are the truth."""
        while True:
            rows = self._engine.fetch(
                self._project,
                sql(
                    "SELECT key_hi, key_lo, seq FROM dedupe_key WHERE seq > {after}"
                    " ORDER BY seq LIMIT {most}",
                    after=self._index.covered_or_recent,
                    most=_TAIL_ROWS,
                ),
            ).rows
            if not rows:
                return
            high, low, seqs = zip(*rows, strict=True)
            self._index.add(
                np.array(high, dtype=np.uint64),
                np.array(low, dtype=np.uint64),
                np.array(seqs, dtype=np.int64),
            )

    def _contents(self, seqs: Sequence[int]) -> dict[int, int]:
        rows = self._engine.fetch(
            self._project,
            sql(
                "SELECT seq, content FROM dedupe_key WHERE seq BETWEEN {first} AND {last}"
                " AND seq IN (SELECT unnest({seqs}::BIGINT[]))",
                first=min(seqs), last=max(seqs), seqs=list(seqs),
            ),
        )  # fmt: skip
        return {int(seq): int(content) for seq, content in rows.rows}
