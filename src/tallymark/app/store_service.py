"""What the front may ask of the store process, one method a function."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tallymark.app.answering import Asking, answer
from tallymark.app.folders import Folders
from tallymark.collect.dedupe import Keys
from tallymark.collect.ledger import OUTCOMES, balances
from tallymark.core.clock import Clock
from tallymark.core.errors import NotFound, Refused
from tallymark.core.settings import Settings
from tallymark.core.sql import Sql, sql
from tallymark.store.engine import Engine, Limits, Rows

_encode = msgspec.json.Encoder(decimal_format="number").encode
_PAGE = 100
_MOST = 1000

Params = Mapping[str, Any]


class StoreService:
    """Answers for every project of one data folder; safe to call from several threads."""

    def __init__(self, engine: Engine, folders: Folders, settings: Settings, clock: Clock) -> None:
        self._engine = engine
        self._folders = folders
        self._settings = settings
        self._clock = clock
        self.methods: dict[str, Callable[[Params], bytes]] = {
            "ask": self.ask,
            "status": self.status,
            "event": self.event,
            "failed": self.failed,
            "ledger": self.ledger,
            "snapshot": self.snapshot,
        }

    def call(self, method: str, params: Params) -> bytes:
        """Return the JSON answer of a method; raises TallymarkError."""
        if method not in self.methods:
            raise NotFound(f"The store has no method {method!r}.")
        return self.methods[method](params)

    def ask(self, params: Params) -> bytes:
        """Answer a question: project, insight, question (JSON), timezone, seconds."""
        asking = msgspec.convert(dict(params), Asking)
        self._known(asking.project)
        return answer(self._engine, asking, self._settings, self._clock)

    def status(self, params: Params) -> bytes:
        """Say how far a project is loaded and what it holds."""
        project = self._known(params["project"])
        counters = dict(self._fetch(project, Sql("SELECT name, amount FROM progress")).rows)
        totals = self._totals(project)
        held = self._fetch(
            project,
            Sql(
                "SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM actor),"
                " (SELECT count(*) FROM failed_event), (SELECT min(time_us) FROM event),"
                " (SELECT max(time_us) FROM event), (SELECT max(received_us) FROM event)"
            ),
        ).rows[0]
        return _encode(
            {
                "project": project,
                "log_position": counters.get("log_position", 0),
                "identity_position": counters.get("identity_position", 0),
                "events": held[0],
                "actors": held[1],
                "failed_events": held[2],
                "first_time_us": held[3],
                "last_time_us": held[4],
                "last_received_us": held[5],
                "ledger": totals,
                "balanced": balances(totals),
            }
        )

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
        failed = self._fetch(
            project,
            sql(
                "SELECT seq, received_us, stage, code, message, path FROM failed_event"
                " WHERE event_id = {id} ORDER BY seq LIMIT {most}",
                id=event_id, most=_PAGE,
            ),
        )  # fmt: skip
        if not held and not failed.rows:
            raise NotFound(f"No event with the id {event_id!r} was received.")
        found: dict[str, Any] = {"id": event_id, "outcome": "refused", "failed": _records(failed)}
        if held:
            seq = int(held[0][0])
            found["outcome"] = "counted"
            found["seq"] = seq
            found["event"] = _records(
                self._fetch(
                    project,
                    sql(
                        "SELECT event.seq, name, time_us, time_client_us, received_us, source,"
                        " protocol, flags FROM event JOIN event_name USING (event_key)"
                        " WHERE event.seq = {seq}",
                        seq=seq,
                    ),
                )
            )
            found["duplicates"] = _records(
                self._fetch(
                    project,
                    sql(
                        "SELECT seq, received_us FROM duplicate WHERE first_seq = {seq}"
                        " ORDER BY seq LIMIT {most}",
                        seq=seq, most=_PAGE,
                    ),
                )
            )  # fmt: skip
        return _encode(found)

    def failed(self, params: Params) -> bytes:
        """Page through failed events, newest first, with counts by reason."""
        project = self._known(params["project"])
        most = min(int(params.get("limit") or _PAGE), _MOST)
        code = params.get("code")
        before = _cursor(params.get("cursor"))
        where = sql("code = {code}", code=str(code)) if code else Sql("true")
        page = self._fetch(
            project,
            sql(
                "SELECT seq, received_us, source, protocol, stage, code, message, path, event_id,"
                " event_name, first_seq, raw, raw_bytes, status FROM failed_event"
                " WHERE seq < {before} AND {where} ORDER BY seq DESC LIMIT {most}",
                before=before, where=where, most=most,
            ),
        )  # fmt: skip
        counts = self._fetch(
            project,
            Sql("SELECT code, count(*) FROM failed_event GROUP BY code ORDER BY 2 DESC, 1"),
        )
        records = _records(page)
        return _encode(
            {
                "failed": records,
                "counts": dict(counts.rows),
                "cursor": str(records[-1]["seq"]) if len(records) == most else None,
            }
        )

    def ledger(self, params: Params) -> bytes:
        """Return the receipt ledger: totals, and lines by minute, source, outcome and reason."""
        project = self._known(params["project"])
        lines = self._fetch(
            project,
            sql(
                "SELECT minute_us, source, protocol, outcome, reason, items FROM ledger"
                " WHERE minute_us >= {since} AND minute_us < {until}"
                " ORDER BY minute_us, source, protocol, outcome, reason LIMIT {most}",
                since=int(params.get("since") or 0),
                until=int(params.get("until") or 2**62),
                most=self._settings.question_rows,
            ),
        )
        totals = self._totals(project)
        return _encode({"totals": totals, "balanced": balances(totals), "lines": _records(lines)})

    def snapshot(self, params: Params) -> bytes:
        """Copy a project's store to ``target`` at its last commit; say what it holds."""
        project = self._known(params["project"])
        self._engine.snapshot(project, Path(params["target"]))
        return b"{}"

    def _known(self, project: Any) -> str:
        name = str(project)
        if not self._folders.exists(name):
            raise NotFound(f"There is no project {name!r}.", code="PROJECT_UNKNOWN")
        return name

    def _totals(self, project: str) -> dict[str, int]:
        rows = self._fetch(
            project, Sql("SELECT outcome, sum(items)::BIGINT FROM ledger GROUP BY outcome")
        ).rows
        found = dict(rows)
        return {name: int(found.get(name, 0)) for name in ("received", *OUTCOMES)}

    def _fetch(self, project: str, statement: Sql) -> Rows:
        limits = Limits(
            self._settings.question_seconds,
            self._settings.question_memory_bytes,
            self._settings.question_rows,
        )
        return self._engine.fetch(project, statement, limits)


def _records(rows: Rows) -> list[dict[str, Any]]:
    return [dict(zip(rows.columns, row, strict=True)) for row in rows.rows]


def _cursor(text: Any) -> int:
    if text is None or text == "":
        return 2**62
    try:
        return int(str(text))
    except ValueError:
        raise Refused("The cursor is not one we gave out.", code="CURSOR_INVALID") from None
