"""The time of failed events ends: what was sent goes, why it failed stays."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing, suppress
from io import StringIO
from pathlib import Path

import pytest
from tests.app.world import NOW, TO_INTEGER, World
from tests.faults.rounds import until
from tests.faults.server import Server

from tallymark.app.expiry import expire, keep_expired
from tallymark.app.replaying import mark
from tallymark.cli.main import main
from tallymark.collect.replay import Where
from tallymark.core.clock import DAY, SystemClock
from tallymark.core.event import Batch, Event, Failed
from tallymark.core.settings import Settings
from tallymark.core.telemetry import Logger
from tallymark.log.codec import encode_batch
from tallymark.log.sqlite import SqliteLog


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def use(event_id: str, a: object = "1") -> Event:
    return Event("e", event_id, NOW - 5, properties={"a": a})


def rows(world: World) -> list[tuple[object, ...]]:
    return world.rows(
        "SELECT event_id, status, octet_length(raw) > 0, raw_bytes > 0 FROM failed_event ORDER BY seq"
    )


def end_time(world: World, before: int) -> int:
    return asyncio.run(expire("p", before, world, world.call, NOW + DAY))


def test_what_was_sent_goes_and_what_became_of_it_stays(world: World) -> None:
    world.send(use("open", "x"), use("fixed"), use("ignored", "x"))
    world.load()
    ignored = world.rows("SELECT seq FROM failed_event WHERE event_id = 'ignored'")[0][0]
    asyncio.run(mark("p", Where(seqs=(ignored,)), "ignored", world.call, world, NOW))
    world.load()
    assert world.replay(TO_INTEGER).fixed == 1
    before = world.ledger()

    assert end_time(world, NOW) == 0
    assert end_time(world, NOW + 1) == 3
    world.load()

    assert rows(world) == [
        ("open", "expired", False, True), ("fixed", "fixed", False, True), ("ignored", "expired", False, True),
    ]  # fmt: skip
    assert world.ledger() == before
    assert world.rows("SELECT code FROM failed_event WHERE event_id = 'open'") == [("SCHEMA_TYPE",)]
    # Ended once is ended: nothing is written again.
    assert end_time(world, NOW + 1) == 0


def test_what_expired_cannot_be_replayed_and_says_so(world: World) -> None:
    world.send(use("1"))
    world.load()
    end_time(world, NOW + 1)
    world.load()

    assert world.replay(TO_INTEGER).taken == 0
    report = world.replay(TO_INTEGER, Where(status="expired"))

    assert (report.taken, report.still_failed) == (1, 1)
    assert report.examples[0].message.startswith("Only 0 of its ")


def test_a_repair_in_the_same_commit_is_not_called_expired(world: World) -> None:
    world.send(use("1"))
    world.load()
    world.replay(TO_INTEGER, load=False)
    end_time(world, NOW + 1)
    world.load()

    assert rows(world) == [("1", "fixed", False, True)]


class Leaping(SystemClock):
    """A clock that is a year ahead from its second reading on."""

    def __init__(self) -> None:
        self.readings = 0

    def now(self) -> int:
        self.readings += 1
        return super().now() + (365 * DAY if self.readings > 1 else 0)


@pytest.mark.parametrize("clock", [Leaping(), SystemClock()])
def test_a_clock_that_leaps_ends_nothing(world: World, clock: SystemClock) -> None:
    lately = SystemClock().now() - 29 * DAY
    failed = Failed("BAD_ID", "envelope", "It is.", id="1", raw=b"{}", raw_bytes=2)
    world.log.append([encode_batch(Batch(lately, "sk_1", "native", 1, failed=[failed]))])
    world.load()
    told = StringIO()

    async def run_a_while() -> None:
        logger = Logger(level="info", clock=SystemClock(), stream=told)
        settings = Settings(log_trim_seconds=1)
        with suppress(TimeoutError):
            async with asyncio.timeout(1.5):
                await keep_expired(
                    world.folders, settings, world, world.call, clock=clock, logger=logger
                )

    asyncio.run(run_a_while())
    world.load()

    assert world.statuses() == ["open"]
    assert ("the clock leapt" in told.getvalue()) is isinstance(clock, Leaping)


def test_a_server_ends_the_time_of_failed_events_and_a_store_made_again_has_it_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(tmp_path / "d", settings={"log_trim_seconds": 1})
    server.start()
    server.stop()
    with closing(SqliteLog(server.project / "log.db")) as log:
        for days in (31, 29):
            raw = json.dumps({"id": f"of-{days}"}).encode()
            failed = Failed("MISSING_FIELD", "envelope", "It is.", id=f"of-{days}", raw=raw, raw_bytes=len(raw))  # fmt: skip
            received = SystemClock().now() - days * DAY
            log.append([encode_batch(Batch(received, "sk_1", "native", 1, failed=[failed]))])

    def statuses() -> dict[str, int]:
        found: dict[str, int] = server.get("/tm/v1/failed")[1]["statuses"]
        return found

    try:
        server.start()
        until(lambda: statuses() == {"expired": 1, "open": 1}, "nothing expired", 30)
        server.stop()
        server.store.unlink()
        server.start()
        until(lambda: statuses() == {"expired": 1, "open": 1}, "it did not stay so", 30)
        found = {one["event_id"]: one["raw"] for one in server.get("/tm/v1/failed")[1]["failed"]}
        assert found["of-31"] == ""
        assert found["of-29"]
        assert server.get("/tm/v1/ledger")[1]["totals"]["rejected"] == 2
        main(["failed", "list", "--data", str(server.data)])
    finally:
        server.end()
    assert "Open in all: 1 × MISSING_FIELD. Of 1 the time ended" in capsys.readouterr().out
