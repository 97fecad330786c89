"""What the front may ask of the store process, one method a function."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tallymark.api.answers import (
    CheckedStore,
    CountedEvent,
    EventFate,
    FailedBrief,
    Holdings,
    LedgerLine,
    LedgerPage,
    Repeat,
)
from tallymark.app import who
from tallymark.app.answering import Answering
from tallymark.app.consents import records_of
from tallymark.app.console import Console, decode_sql
from tallymark.app.explaining import decode_pair, explain
from tallymark.app.failed_telling import envelope
from tallymark.app.failures import aged, held, lines_after, page_before, rows_after
from tallymark.app.folders import Folders
from tallymark.app.names import names
from tallymark.app.planned import traffic_asked
from tallymark.app.quality import quality
from tallymark.app.scoping import Asking
from tallymark.app.sides import answer_sides
from tallymark.app.who import cursor_of
from tallymark.collect.dedupe import Keys
from tallymark.collect.ledger import OUTCOMES, balances
from tallymark.collect.replay import Where
from tallymark.core.clock import Clock
from tallymark.core.errors import NotFound
from tallymark.core.settings import Settings
from tallymark.core.sql import Sql, sql
from tallymark.schema.plan import Monitors
from tallymark.store.engine import Engine, Fetch, Limits, Rows

_encode = msgspec.json.Encoder(decimal_format="number").encode
_PAGE = 100
_MOST = 1000
_HOURS = 24
_MOST_HOURS = 24 * 366

_RECOUNT = """
SELECT (SELECT count(*) FROM event),
       (SELECT count(*) FROM dedupe_key),
       (SELECT count(*) FROM (SELECT DISTINCT key_hi, key_lo FROM dedupe_key)),
       (SELECT count(DISTINCT seq) FROM event),
       (SELECT count(*) FROM event SEMI JOIN dedupe_key USING (seq))
"""

Params = Mapping[str, Any]
T = TypeVar("T", bound=msgspec.Struct)


class StoreService:
    """Answers for every project of one data folder; safe to call from several threads."""

    def __init__(self, engine: Engine, folders: Folders, settings: Settings, clock: Clock) -> None:
        self._engine = engine
        self._folders = folders
        self._settings = settings
        self._clock = clock
        self._answering = Answering(engine, settings, clock)
        self._console = Console(engine, folders, settings, clock)
        self.methods: dict[str, Callable[[Params], bytes]] = {
            "ask": self.ask,
            "ask_sides": self.ask_sides,
            "explain": self.explain,
            "sql": self.sql,
            "questions": self.questions,
            "stop_question": self.stop_question,
            "status": self.status,
            "event": self.event,
            "failed": self.failed,
            "consents": self.consents,
            "failed_rows": self.failed_rows,
            "failed_lines": self.failed_lines,
            "aged_failed": self.aged_failed,
            "held": self.held,
            "ledger": self.ledger,
            "person": self._told(who.person),
            "group": self._told(who.group),
            "group_people": self._told(who.people_of),
            "links": self._told(who.links),
            "names": self.names,
            "plan_traffic": self.plan_traffic,
            "quality": self.quality,
            "snapshot": self.snapshot,
            "check": self.check,
        }

    def call(self, method: str, params: Params) -> bytes:
        """Return the JSON answer of a method; raises TallymarkError."""
        if method not in self.methods:
            raise NotFound(f"The store has no method {method!r}.")
        return self.methods[method](params)

    def ask(self, params: Params) -> bytes:
        """Answer a question: project, insight, question (JSON), timezone, seconds, as_of, id."""
        asking = msgspec.convert(dict(params), Asking)
        self._known(asking.project)
        return self._answering.answer(asking)

    def explain(self, params: Params) -> bytes:
        """Tell what makes two answers differ: project, timezone, pair and definitions of each (JSON)."""
        project = self._known(params["project"])
        zone = str(params.get("timezone") or "UTC")
        askings = [
            Asking(project, "", b"{}", zone, definitions=one)
            for one in params.get("definitions") or (None, None)
        ]
        pair = decode_pair(params["pair"])
        with self._engine.reading(project, self._limits()) as reading:
            return _encode(explain(pair, askings, reading, self._settings, self._clock))

    def sql(self, params: Params) -> bytes:
        """Answer a question in SQL: project, question (JSON)."""
        project = self._known(params["project"])
        return _encode(self._console.ask(project, decode_sql(params["question"])))

    def questions(self, params: Params) -> bytes:
        """List the questions of a project that are being answered, with how far each is."""
        return _encode({"questions": self._answering.questions.listed(str(params["project"]))})

    def stop_question(self, params: Params) -> bytes:
        """Stop a question by its id; say whether it was under way."""
        stopped = self._answering.questions.stop(
            str(params["id"]), str(params["project"]), is_expected=bool(params.get("is_expected"))
        )
        return _encode({"stopped": stopped})

    def forget_answers(self) -> None:
        """Let go of the answers that are kept, because a store is made anew."""
        self._answering.forget()

    def ask_sides(self, params: Params) -> bytes:
        """Answer questions of the same events at the same instant: project, sides, timezone, seconds."""
        project = self._known(params["project"])
        return answer_sides(self._engine, project, params, self._settings, self._clock)

    def status(self, params: Params) -> bytes:
        """Say how far a project is loaded and what it holds."""
        project = self._known(params["project"])
        with self._engine.reading(project, self._limits()) as fetch:
            return _encode(_holdings(fetch, project))

    def event(self, params: Params) -> bytes:
        """Tell what became of an event id: counted, sent again, in conflict, refused or unknown."""
        project = self._known(params["project"])
        event_id = str(params["id"])
        key = Keys(project).key(str(params.get("namespace") or "native"), event_id)
        held = self._fetch(
            project,
            sql(
                "SELECT seq FROM dedupe_key WHERE key_hi = {high}::UBIGINT AND key_lo = {low}::UBIGINT",
                high=int.from_bytes(key[:8], "big"), low=int.from_bytes(key[8:], "big"),
            ),
        ).rows  # fmt: skip
        if not held:
            # The ids of other tools' clients have namespaces of their own.
            held = self._fetch(
                project,
                sql(
                    "SELECT min(seq) FROM event WHERE event_id = {id} HAVING count(*) > 0",
                    id=event_id,
                ),
            ).rows
        failed = self._fetch(
            project,
            sql(
                "SELECT seq, received_us, stage, code, message, path FROM failed_event"
                " WHERE event_id = {id} ORDER BY seq LIMIT {most}",
                id=event_id, most=_PAGE,
            ),
        )  # fmt: skip
        if not held and not failed.rows:
            raise NotFound(
                f"The store holds no event with the id {event_id!r}.",
                hint="One that was accepted a moment ago may still be loading; ask again.",
            )
        refused = _all(FailedBrief, failed)
        if not held:
            return _encode(EventFate(event_id, "refused", refused))
        seq = int(held[0][0])
        counted = self._fetch(
            project,
            sql(
                "SELECT event.seq, name, time_us, time_client_us, received_us, source,"
                " protocol, flags FROM event JOIN event_name USING (event_key)"
                " WHERE event.seq = {seq}",
                seq=seq,
            ),
        )
        repeats = self._fetch(
            project,
            sql(
                "SELECT seq, received_us FROM duplicate WHERE first_seq = {seq}"
                " ORDER BY seq LIMIT {most}",
                seq=seq, most=_PAGE,
            ),
        )  # fmt: skip
        fate = EventFate(
            event_id, "counted", refused, seq, _all(CountedEvent, counted), _all(Repeat, repeats)
        )
        return _encode(fate)

    def failed(self, params: Params) -> bytes:
        """Page through failed events, newest first, with counts of the open ones by reason."""
        project = self._known(params["project"])
        most = min(int(params.get("limit") or _PAGE), _MOST)
        before = cursor_of(params.get("cursor"))
        where = msgspec.convert(params.get("where") or {}, Where)
        with self._engine.reading(project, self._limits()) as fetch:
            return _encode(page_before(fetch, where, before, most))

    def consents(self, params: Params) -> bytes:
        """Return the consent records of subjects, in the order in which they were said."""
        project = self._known(params["project"])
        return _encode(records_of(self._engine.fetch, project, params["subjects"]))

    def failed_rows(self, params: Params) -> bytes:
        """Return the failed events that are meant after a place in the log, in order, whole."""
        where = msgspec.convert(params["where"], Where)
        with self._engine.reading(self._known(params["project"]), self._limits()) as fetch:
            return _encode(rows_after(fetch, where, int(params["after"])))

    def failed_lines(self, params: Params) -> bytes:
        """Return the same as lines of an export."""
        project = self._known(params["project"])
        where = msgspec.convert(params["where"], Where)
        with self._engine.reading(project, self._limits()) as fetch:
            found = lines_after(fetch, where, int(params["after"]))
        return _encode([envelope(project, row) for row in found])

    def aged_failed(self, params: Params) -> bytes:
        """Return the places of failed events whose time has ended, after a place in the log."""
        with self._engine.reading(self._known(params["project"]), self._limits()) as fetch:
            return _encode(aged(fetch, int(params["before"]), int(params["after"])))

    def held(self, params: Params) -> bytes:
        """Return the content digests of the events that hold ids, by namespace and id."""
        project = self._known(params["project"])
        with self._engine.reading(project, self._limits()) as fetch:
            return _encode(held(fetch, project, params["ids"]))

    def ledger(self, params: Params) -> bytes:
        """Return the receipt ledger: totals, and lines by minute, source, outcome and reason."""
        project = self._known(params["project"])
        lines = self._fetch(
            project,
            sql(
                "SELECT minute_us, source, protocol, outcome, reason, sum(items)::BIGINT AS items"
                " FROM ledger WHERE minute_us >= {since} AND minute_us < {until} GROUP BY ALL"
                " ORDER BY minute_us, source, protocol, outcome, reason LIMIT {most}",
                since=int(params.get("since") or 0),
                until=int(params.get("until") or 2**62),
                most=self._settings.question_rows,
            ),
        )
        totals = _totals(lambda statement: self._fetch(project, statement))
        return _encode(LedgerPage(totals, balances(totals), _all(LedgerLine, lines)))

    def _told(self, tell: Callable[[Fetch, Params], object]) -> Callable[[Params], bytes]:
        """Return the method that answers with what a store tells."""

        def answer(params: Params) -> bytes:
            with self._engine.reading(self._known(params["project"]), self._limits()) as fetch:
                return _encode(tell(fetch, params))

        return answer

    def names(self, params: Params) -> bytes:
        """List the events, properties and fields there are to ask about."""
        with self._engine.reading(self._known(params["project"]), self._limits()) as fetch:
            return _encode(names(fetch, self._clock.now()))

    def plan_traffic(self, params: Params) -> bytes:
        """Tell how what came differs from a tracking plan: project, plan (JSON), version, days."""
        with self._engine.reading(self._known(params["project"]), self._limits()) as fetch:
            return _encode(traffic_asked(fetch, params, self._clock.now()))

    def quality(self, params: Params) -> bytes:
        """Return how good what arrived in the last hours is, by source."""
        project = self._known(params["project"])
        hours = min(int(params.get("hours") or _HOURS), _MOST_HOURS)
        watched = msgspec.convert(params.get("monitors") or {}, dict[str, Monitors])
        with self._engine.reading(project, self._limits()) as fetch:
            return _encode(quality(fetch, self._clock.now(), hours, watched))

    def snapshot(self, params: Params) -> bytes:
        """Copy a project's store to ``target`` at a commit; say what the copy holds."""
        project = self._known(params["project"])
        target = Path(params["target"])
        self._engine.snapshot(project, target)
        with self._engine.other(target) as copy:
            return _encode(_holdings(copy, project))

    def check(self, params: Params) -> bytes:
        """Recount a project's store against its own ledger and keys; list what does not agree."""
        project = self._known(params["project"])
        limits = self._limits()
        with self._engine.reading(project, limits) as fetch:
            counts = fetch(Sql(_RECOUNT)).rows[0]
            totals = _totals(fetch)
        events, keys, distinct_keys, distinct_seqs, joined = (int(count) for count in counts)
        wrong = []
        if not balances(totals):
            wrong.append(f"the ledger does not balance: {totals}")
        if keys != distinct_keys:
            wrong.append(f"{keys - distinct_keys} dedupe keys are held twice")
        if events != distinct_seqs:
            wrong.append(f"{events - distinct_seqs} events are stored twice")
        if joined != events:
            wrong.append(f"{events - joined} events have no dedupe key")
        return _encode(CheckedStore(project, events, totals, wrong))

    def _known(self, project: Any) -> str:
        name = str(project)
        if not self._folders.exists(name):
            raise NotFound(f"There is no project {name!r}.", code="PROJECT_UNKNOWN")
        return name

    def _fetch(self, project: str, statement: Sql) -> Rows:
        return self._engine.fetch(project, statement, self._limits())

    def _limits(self) -> Limits:
        return Limits(
            self._settings.question_seconds,
            self._settings.question_memory_bytes,
            self._settings.question_rows,
        )


def _holdings(fetch: Fetch, project: str) -> Holdings:
    counters = dict(fetch(Sql("SELECT name, amount FROM progress")).rows)
    totals = _totals(fetch)
    held = fetch(
        Sql(
            """
            SELECT event.*, (SELECT count(*) FROM actor), (SELECT count(*) FROM failed_event)
            FROM (
              SELECT count(*), min(time_us), max(time_us), max(received_us) FROM event
            ) AS event
            """
        )
    ).rows[0]
    events, first_time, last_time, last_received, actors, failed = held
    return Holdings(
        project=project,
        log_position=counters.get("log_position", 0),
        identity_position=counters.get("identity_position", 0),
        events=events,
        first_time_us=first_time,
        last_time_us=last_time,
        last_received_us=last_received,
        actors=actors,
        failed_events=failed,
        ledger=totals,
        balanced=balances(totals),
    )


def _totals(fetch: Fetch) -> dict[str, int]:
    found = dict(fetch(Sql("SELECT outcome, sum(items)::BIGINT FROM ledger GROUP BY outcome")).rows)
    return {name: int(found.get(name, 0)) for name in ("received", *OUTCOMES)}


def _all(kind: type[T], rows: Rows) -> list[T]:
    """Return rows as structs whose fields are named as the columns."""
    return [kind(**dict(zip(rows.columns, row, strict=True))) for row in rows.rows]
