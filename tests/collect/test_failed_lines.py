"""Lines of a file that gave no event: who may send them, what is kept of them, and how often."""

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tallymark.collect.batch import prepare
from tallymark.collect.load import Loader
from tallymark.collect.protocol import Caller, Decoded, Request
from tallymark.collect.protocols.native import native
from tallymark.collect.protocols.native import reply as native_reply
from tallymark.core.clock import SystemClock
from tallymark.core.errors import Refused
from tallymark.core.event import Batch
from tallymark.core.policy import Policy
from tallymark.core.settings import Settings
from tallymark.core.sql import Sql
from tallymark.log.codec import encode_batch
from tallymark.log.sqlite import SqliteLog
from tallymark.store.engines.duckdb import DuckEngine

NOW = 1_790_000_000_000_000
MIB = 1024 * 1024
OWNER = Caller("p", "local", "local")


def line(number: int = 3, **fields: Any) -> dict[str, Any]:
    raw = fields.pop("raw", b"not a line")
    return {
        "code": "LINE_UNREADABLE",
        "message": "The line is no access-log line.",
        "line": number,
        "id": f"abc:{number}",
        "raw": base64.b64encode(raw).decode(),
        "raw_bytes": len(raw),
        **fields,
    }


def body(*failed: dict[str, Any], events: tuple[dict[str, Any], ...] = ()) -> bytes:
    return json.dumps({"events": events, "failed": failed}).encode()


def request(sent: bytes, query: str = "") -> Request:
    return Request("POST", "/tm/v1/events", query, {}, sent, None, NOW)


def decode(
    sent: bytes, caller: Caller = OWNER, *, query: str = "", limits: Settings | None = None
) -> Decoded:
    return native.decode(request(sent, query), caller, limits or Settings())


def batch(*failed: dict[str, Any], policy: Policy | None = None) -> Batch:
    caller = Caller("p", "local", "local", policy or Policy())
    sent = request(body(*failed))
    return prepare(native, sent, caller, Settings(), clock=SystemClock()).batch


def test_a_line_is_kept_with_its_place_reason_and_text_and_counts_as_received() -> None:
    decoded = decode(body(line(), events=({"name": "a"},)))

    (failed,) = decoded.failed
    assert decoded.received == 2
    assert (failed.code, failed.stage, failed.line, failed.id) == (
        "LINE_UNREADABLE", "decode", 3, "abc:3",
    )  # fmt: skip
    assert (failed.raw, failed.raw_bytes) == (b"not a line", 10)
    reply = native_reply(decoded)
    assert (reply.status, json.loads(reply.body)) == (202, {"accepted": 1, "failed": []})


def test_lines_stand_beside_items_that_fail_here() -> None:
    decoded = decode(body(line(), events=({"name": "a"}, {"nam": "b"})))

    assert decoded.received == 3
    assert [(one.code, one.line) for one in decoded.failed] == [
        ("BAD_FIELD", 0),
        ("LINE_UNREADABLE", 3),
    ]
    (told,) = json.loads(native_reply(decoded).body)["failed"]
    assert told["index"] == 1


def test_a_strict_request_is_judged_by_its_events_alone() -> None:
    good = decode(body(line(), events=({"name": "a"},)), query="strict=1")
    bad = decode(body(line(), events=({"name": "a"}, {"name": ""})), query="strict=1")

    assert (native_reply(good).status, len(good.events)) == (202, 1)
    assert (native_reply(bad).status, bad.events, bad.received) == (422, [], 3)
    assert [one.line for one in bad.failed] == [0, 0, 3]


@pytest.mark.parametrize("kind", ["public", "secret"])
def test_nobody_but_the_owner_may_claim_that_lines_failed(kind: Any) -> None:
    for sent in (body(line()), body(), body(line(), events=({"nam": 1},))):
        with pytest.raises(Refused) as caught:
            decode(sent, Caller("p", kind, "k"))
        assert (caught.value.code, caught.value.path) == ("RESERVED_KEY", "failed")


@pytest.mark.parametrize(
    "fields", [{"code": "NO_SUCH"}, {"line": 0}, {"id": ""}, {"raw_bytes": -1}, {"what": 1}]
)
def test_a_line_in_another_shape_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        decode(body(line(**fields)))


def test_events_and_lines_count_together_towards_the_longest_batch() -> None:
    limits = Settings(max_batch_events=2)

    decode(body(line(1), events=({"name": "a"},)), limits=limits)
    for events in (({"name": "a"},), ({"nam": "a"},)):
        with pytest.raises(Refused) as caught:
            decode(body(line(1), line(2), events=events), limits=limits)
        assert caught.value.code == "BATCH_TOO_LONG"


def test_of_a_long_line_no_more_is_kept_than_of_anything_refused() -> None:
    decoded = decode(body(line(raw=b"x" * 100)), limits=Settings(max_failed_bytes=10))

    assert (decoded.failed[0].raw, decoded.failed[0].raw_bytes) == (b"x" * 10, 100)


def test_no_address_of_a_line_reaches_the_log_unless_the_policy_keeps_it() -> None:
    sent = line(
        raw=b'{"ip":"203.0.113.77" 203.0.113.77 c@nary.example',
        message="The time 'c@nary.example' of 203.0.113.77 cannot be read.",
    )

    (kept,), (full,) = batch(sent).failed, batch(sent, policy=Policy(ip="full")).failed

    assert b"nary" not in kept.raw + kept.message.encode()
    assert b"203.0" not in kept.raw + kept.message.encode()
    assert b"203.0.113.77 c@nary" in full.raw


class World:
    """A log and the store it is loaded to."""

    def __init__(self, folder: Path) -> None:
        self.log = SqliteLog(folder / "log.db")
        self.engine = DuckEngine(
            lambda _: folder / "store.duckdb", memory_bytes=128 * MIB, threads=1
        )
        self.folder = folder

    def load(self, *batches: Batch) -> None:
        for one in batches:
            self.log.append([encode_batch(one)])
        index = self.folder / "index"
        loader = Loader("p", self.engine, self.log, index, Settings(), SystemClock())
        with closing(loader):
            while loader.step():
                pass
            loader.maintain()

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        return self.engine.fetch("p", Sql(text)).rows

    def ledger(self) -> dict[str, int]:
        rows = self.rows("SELECT outcome, sum(items)::BIGINT FROM ledger GROUP BY outcome")
        return {outcome: int(items) for outcome, items in rows}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.engine.close()
    made.log.close()


def test_a_failed_line_is_kept_once_however_often_it_is_sent(world: World) -> None:
    world.load(batch(line(1), line(2)), batch(line(2), line(3)))
    world.load(batch(line(1), line(1), line(4)))

    assert world.ledger() == {"received": 7, "rejected": 4, "duplicate": 3}
    kept = world.rows(
        "SELECT event_id, path, code, message, raw, raw_bytes FROM failed_event ORDER BY event_id"
    )
    assert [(row[0], row[1]) for row in kept] == [(f"abc:{n}", f"line {n}") for n in range(1, 5)]
    assert kept[0][2:] == ("LINE_UNREADABLE", "The line is no access-log line.", b"not a line", 10)
    assert world.rows("SELECT count(*) FROM duplicate") == [(3,)]


def test_a_line_that_fails_otherwise_than_before_is_kept_again(world: World) -> None:
    world.load(batch(line(1), line(1, raw=b"not a line but longer"), line(1, code="NUL_CHAR")))

    assert world.ledger() == {"received": 3, "rejected": 3}


def test_a_line_that_can_be_read_after_all_counts(world: World) -> None:
    repaired = body(events=({"id": "abc:1", "name": "request"},))
    prepared = prepare(native, request(repaired), OWNER, Settings(), clock=SystemClock())

    world.load(batch(line(1)), prepared.batch, prepared.batch)

    assert world.ledger() == {"received": 3, "rejected": 1, "accepted": 1, "duplicate": 1}
