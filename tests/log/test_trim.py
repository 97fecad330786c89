"""Trimming the log of a running writer: the oldest batches go, and nothing else notices."""

import asyncio
from contextlib import closing
from pathlib import Path

from tests.log.batches import batch, everything, ids

from tallymark.core.clock import SystemClock
from tallymark.core.settings import Settings
from tallymark.log.sqlite import SqliteLog
from tallymark.log.writer import LogWriter

SETTINGS = Settings(disk_reserve_bytes=1)


def test_trimming_while_others_append_takes_the_oldest_batches_only(tmp_path: Path) -> None:
    path = tmp_path / "log.db"

    async def run() -> tuple[int, list[int]]:
        writer = LogWriter(lambda _: path, settings=SETTINGS, clock=SystemClock())
        try:
            for number in range(250):
                await writer.append("p", batch(number, received_at=number), size=10)
            trimming = writer.trim("p", before_received_at=230, upto_position=220)
            appending = [
                writer.append("p", batch(number, received_at=number), size=10)
                for number in range(250, 300)
            ]
            deleted, *positions = await asyncio.gather(trimming, *appending)
            return deleted, positions
        finally:
            await writer.close()

    deleted, positions = asyncio.run(run())

    assert deleted == 220
    assert positions == list(range(251, 301))
    with closing(SqliteLog(path)) as log:
        assert (log.first(), log.head()) == (221, 300)
        assert log.verify().ok
        assert ids(everything(log)) == [f"e{number}" for number in range(220, 300)]


def test_trimming_a_project_without_a_log_makes_none(tmp_path: Path) -> None:
    path = tmp_path / "log.db"

    async def run() -> int:
        writer = LogWriter(lambda _: path, settings=SETTINGS, clock=SystemClock())
        try:
            return await writer.trim("p", before_received_at=1, upto_position=1)
        finally:
            await writer.close()

    assert asyncio.run(run()) == 0
    assert not path.exists()
