import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.log.batches import batch, everything, ids

from tallymark.core.clock import SystemClock
from tallymark.core.errors import Unavailable
from tallymark.core.event import Event
from tallymark.core.settings import Settings
from tallymark.log.file import PAGE_BYTES
from tallymark.log.log import Entry
from tallymark.log.salvage import SalvageReport
from tallymark.log.sqlite import SqliteLog
from tallymark.log.writer import LogWriter, Opened, open_sqlite

SETTINGS = Settings(disk_reserve_bytes=1)


class SlowLog(SqliteLog):
    """A log on a disk that takes its time to sync."""

    seconds = 0.15

    def append(self, entries: Sequence[Entry]) -> int:
        time.sleep(self.seconds)
        return super().append(entries)


def open_slow(path: Path, at_least: int, deep: bool) -> Opened:
    return Opened(SlowLog(path))


@pytest.fixture
def path_of(tmp_path: Path) -> Callable[[str], Path]:
    return lambda project: tmp_path / "projects" / project / "log.db"


@asynccontextmanager
async def writing(
    path_of: Callable[[str], Path], settings: Settings = SETTINGS, **options: Any
) -> AsyncIterator[LogWriter]:
    writer = LogWriter(path_of, settings=settings, clock=SystemClock(), **options)
    try:
        yield writer
    finally:
        await writer.close()


def held(path: Path) -> list[str | None]:
    with closing(SqliteLog(path)) as log:
        assert log.verify().ok
        return ids(everything(log))


async def outcomes(*appends: Any) -> list[Any]:
    return await asyncio.gather(*appends, return_exceptions=True)


async def until(claim: Callable[[], bool], seconds: float = 10.0) -> None:
    for _ in range(int(seconds / 0.02)):
        if claim():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came true")


def test_many_clients_at_once_get_contiguous_positions_of_their_own(
    path_of: Callable[[str], Path],
) -> None:
    async def scenario() -> dict[int, int]:
        positions: dict[int, int] = {}

        async def client(start: int) -> None:
            for number in range(start, start + 20):
                positions[await writer.append("p", batch(number), size=300)] = number

        async with writing(path_of) as writer:
            await asyncio.gather(*(client(1000 * n) for n in range(64)))
            assert writer.heads() == {"p": 1280}
        return positions

    positions = asyncio.run(scenario())

    assert sorted(positions) == list(range(1, 1281))
    assert held(path_of("p")) == [f"e{positions[n]}" for n in range(1, 1281)]


def test_each_project_has_a_file_and_positions_of_its_own(path_of: Callable[[str], Path]) -> None:
    async def scenario() -> list[int]:
        async with writing(path_of) as writer:
            return await asyncio.gather(
                *(writer.append("ab"[n % 2], batch(n), size=300) for n in range(6))
            )

    assert asyncio.run(scenario()) == [1, 1, 2, 2, 3, 3]
    assert held(path_of("a")) == ["e0", "e2", "e4"]
    assert held(path_of("b")) == ["e1", "e3", "e5"]


def test_an_acknowledged_batch_can_be_read_at_once_by_another_connection(
    path_of: Callable[[str], Path],
) -> None:
    async def scenario() -> None:
        async with writing(path_of) as writer:
            await writer.append("p", batch(1), size=300)
            with closing(SqliteLog(path_of("p"), readonly=True)) as reader:
                for number in range(2, 30):
                    position = await writer.append("p", batch(number), size=300)
                    assert ids(reader.read(position - 1, max_bytes=10**6, max_items=9)) == [
                        f"e{number}"
                    ]

    asyncio.run(scenario())


def test_the_hook_hears_of_every_new_head(path_of: Callable[[str], Path]) -> None:
    heard: list[tuple[str, int]] = []

    async def scenario() -> None:
        async with writing(path_of, on_commit=lambda *told: heard.append(told)) as writer:
            for number in range(3):
                await writer.append("p", batch(number), size=300)

    asyncio.run(scenario())

    assert heard == [("p", 1), ("p", 2), ("p", 3)]


def test_what_comes_at_the_same_moment_is_committed_together(
    path_of: Callable[[str], Path],
) -> None:
    heard: list[tuple[str, int]] = []

    async def scenario() -> None:
        async with writing(path_of, on_commit=lambda *told: heard.append(told)) as writer:
            await asyncio.gather(*(writer.append("p", batch(n), size=300) for n in range(50)))

    asyncio.run(scenario())

    assert heard == [("p", 50)]


def test_closing_writes_what_is_queued_then_refuses(path_of: Callable[[str], Path]) -> None:
    async def scenario() -> list[Any]:
        async with writing(path_of, opener=open_slow) as writer:
            appends = [
                asyncio.create_task(writer.append("p", batch(n), size=300)) for n in range(500)
            ]
            await asyncio.sleep(0)
            await writer.close()
            positions = await asyncio.gather(*appends)
            with pytest.raises(Unavailable, match="closing"):
                await writer.append("p", batch(501), size=300)
            assert not writer.healthy()
        return positions

    assert asyncio.run(scenario()) == list(range(1, 501))
    assert len(held(path_of("p"))) == 500


def test_a_queue_over_its_bytes_is_refused_and_goes_on_when_drained(
    path_of: Callable[[str], Path],
) -> None:
    settings = replace(SETTINGS, log_queue_bytes=100_000, retry_after_seconds=7)

    async def scenario() -> tuple[list[Any], int]:
        async with writing(path_of, settings, opener=open_slow) as writer:
            answers = await outcomes(
                *(writer.append("p", batch(n), size=10_000) for n in range(50))
            )
            assert writer.queued_bytes() == 0
            return answers, await writer.append("p", batch(99), size=10_000)

    answers, later = asyncio.run(scenario())
    refused = [answer for answer in answers if not isinstance(answer, int)]

    assert len(refused) == 40
    assert {(e.code, e.status, e.retry_after_seconds) for e in refused} == {
        ("STORAGE_PRESSURE", 503, 7)
    }
    assert later == 11
    assert len(held(path_of("p"))) == 11


def test_a_single_body_larger_than_the_queue_is_taken_when_nothing_waits(
    path_of: Callable[[str], Path],
) -> None:
    async def scenario() -> int:
        async with writing(path_of, replace(SETTINGS, log_queue_bytes=1)) as writer:
            return await writer.append("p", batch(1), size=10_000)

    assert asyncio.run(scenario()) == 1


def test_a_slow_disk_holds_up_neither_the_loop_nor_memory(path_of: Callable[[str], Path]) -> None:
    settings = replace(SETTINGS, log_queue_bytes=200_000, log_group_bytes=50_000)
    gaps: list[float] = []
    waiting: list[int] = []

    async def scenario() -> list[Any]:
        async def heartbeat() -> None:
            while True:
                before = time.monotonic()
                await asyncio.sleep(0.005)
                gaps.append(time.monotonic() - before)
                waiting.append(writer.queued_bytes())

        async with writing(path_of, settings, opener=open_slow) as writer:
            beat = asyncio.create_task(heartbeat())
            await asyncio.sleep(0.05)
            answers = await outcomes(*(writer.append("p", batch(n), size=5_000) for n in range(80)))
            beat.cancel()
            return answers

    answers = asyncio.run(scenario())

    # One slow commit takes 150 ms; the loop must not feel it.
    assert sorted(gaps)[len(gaps) * 9 // 10] < 0.05
    assert max(waiting) <= 200_000
    assert sum(isinstance(answer, int) for answer in answers) == 40


def test_a_project_that_cannot_be_written_does_not_fail_the_others(
    path_of: Callable[[str], Path],
) -> None:
    path_of("bad").parent.mkdir(parents=True)
    path_of("bad").mkdir()

    async def scenario() -> list[Any]:
        async with writing(path_of) as writer:
            answers = await outcomes(
                *(writer.append(name, batch(1), size=300) for name in ("good", "bad", "fine"))
            )
            assert not writer.healthy()
            assert writer.last_error()
            assert str(path_of("bad").parent) not in str(writer.last_error())

            path_of("bad").rmdir()
            await until(writer.healthy)
            answers.append(await writer.append("bad", batch(1), size=300))
        return answers

    good, bad, fine, healed = asyncio.run(scenario())

    assert (good, fine, healed) == (1, 1, 1)
    assert isinstance(bad, Unavailable)
    assert bad.retry_after_seconds == 5


def test_a_batch_that_cannot_be_encoded_fails_alone(path_of: Callable[[str], Path]) -> None:
    poison = replace(batch(2), events=[Event("\ud800", "1", 0)])

    async def scenario() -> list[Any]:
        async with writing(path_of) as writer:
            return await outcomes(
                *(writer.append("p", one, size=300) for one in (batch(1), poison, batch(3)))
            )

    first, second, third = asyncio.run(scenario())

    assert (first, third) == (1, 2)
    assert isinstance(second, UnicodeEncodeError)
    assert held(path_of("p")) == ["e1", "e3"]


def test_little_free_space_refuses_before_the_disk_is_full(path_of: Callable[[str], Path]) -> None:
    async def scenario() -> Any:
        async with writing(path_of, replace(SETTINGS, disk_reserve_bytes=2**62)) as writer:
            (answer,) = await outcomes(writer.append("p", batch(1), size=300))
            return answer

    answer = asyncio.run(scenario())

    assert isinstance(answer, Unavailable)
    assert "less free space than its reserve" in answer.message
    assert not path_of("p").exists()


def test_a_client_that_goes_away_disturbs_nobody(path_of: Callable[[str], Path]) -> None:
    async def scenario() -> int:
        async with writing(path_of, opener=open_slow) as writer:
            gone = asyncio.create_task(writer.append("p", batch(1), size=300))
            await asyncio.sleep(0.02)
            gone.cancel()
            return await writer.append("p", batch(2), size=300)

    assert asyncio.run(scenario()) == 2
    assert held(path_of("p")) == ["e1", "e2"]


def test_a_log_that_breaks_while_it_is_written_is_salvaged_and_the_append_succeeds(
    path_of: Callable[[str], Path],
) -> None:
    reports: list[tuple[str, SalvageReport]] = []
    path = path_of("p")

    async def scenario() -> int:
        async with writing(path_of, on_salvage=lambda *told: reports.append(told)) as writer:
            for number in range(1, 40):
                await writer.append("p", batch(number, size=20_000), size=20_000)
            with closing(SqliteLog(path)) as other:
                other._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            with path.open("r+b") as file:
                file.write(bytes(2 * PAGE_BYTES))
                file.write(bytes(PAGE_BYTES))
            return await writer.append("p", batch(40), size=300)

    assert asyncio.run(scenario()) == 40
    assert held(path) == [f"e{n}" for n in range(1, 41)]
    assert [(project, report.lost) for project, report in reports] == [("p", ())]


def test_opening_salvages_a_damaged_log_before_anything_is_appended(
    path_of: Callable[[str], Path],
) -> None:
    reports: list[tuple[str, SalvageReport]] = []

    async def scenario() -> tuple[int, dict[str, int]]:
        async with writing(path_of) as writer:
            for number in range(1, 40):
                await writer.append("p", batch(number), size=300)
        with path_of("p").open("r+b") as file:
            file.write(bytes(PAGE_BYTES))
        async with writing(path_of, on_salvage=lambda *told: reports.append(told)) as writer:
            return await writer.open("p"), writer.heads()

    assert asyncio.run(scenario()) == (39, {"p": 39})
    assert [(project, report.saved) for project, report in reports] == [("p", 39)]


def test_opening_an_open_log_looks_at_its_file_again(path_of: Callable[[str], Path]) -> None:
    async def scenario() -> list[int]:
        async with writing(path_of) as writer:
            first = await writer.open("p")
            await writer.append("p", batch(1), size=300)
            path_of("p").unlink()
            return [first, await writer.open("p"), await writer.append("p", batch(2), size=300)]

    # The lost batch keeps its position: nobody gets it a second time.
    assert asyncio.run(scenario()) == [0, 1, 2]


def test_a_head_known_from_elsewhere_is_never_given_out_again(
    path_of: Callable[[str], Path],
) -> None:
    async def scenario() -> int:
        async with writing(path_of, known_head=lambda project: 41) as writer:
            return await writer.append("p", batch(1), size=300)

    assert asyncio.run(scenario()) == 42


def test_more_projects_than_open_files_are_served(
    path_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallymark.log.writer.OPEN_LOGS", 3)
    opened: list[Path] = []

    def open_counted(path: Path, at_least: int, deep: bool) -> Opened:
        opened.append(path)
        return open_sqlite(path, at_least, deep)

    async def scenario() -> list[int]:
        async with writing(path_of, opener=open_counted) as writer:
            return [await writer.append(f"p{n % 5}", batch(n), size=300) for n in range(20)]

    assert asyncio.run(scenario()) == [1 + n // 5 for n in range(20)]
    assert len(opened) == 20


def test_clients_of_several_event_loops_are_each_answered_on_their_own(
    path_of: Callable[[str], Path],
) -> None:
    positions: list[int] = []

    async def client(writer: LogWriter, start: int) -> None:
        for number in range(start, start + 20):
            position = await writer.append("p", batch(number), size=300)
            positions.append(position)

    async def scenario() -> None:
        async with writing(path_of) as writer:
            other = threading.Thread(target=lambda: asyncio.run(client(writer, 100)))
            other.start()
            await client(writer, 0)
            await asyncio.to_thread(other.join)

    asyncio.run(scenario())

    assert sorted(positions) == list(range(1, 41))
