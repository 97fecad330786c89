"""A program that appends to a log and says what was acknowledged; run by the fault tests.

Prints one line an answer, unbuffered: ``ok <position> <id>`` or ``no <id> <code>``.
"""

import asyncio
import itertools
import os
import resource
import signal
import sys
import time
from pathlib import Path

from tests.log.batches import batch

from tallymark.core.clock import SystemClock
from tallymark.core.errors import Unavailable
from tallymark.core.settings import Settings
from tallymark.log.writer import LogWriter


def say(text: str) -> None:
    # One write a line: a killed process leaves no half line of an acknowledged batch unsaid.
    os.write(1, f"{text}\n".encode())


async def append(writer: LogWriter, number: int, size: int) -> bool:
    try:
        position = await writer.append("p", batch(number, size), size=max(size, 300))
    except Unavailable as refused:
        say(f"no e{number} {refused.code}")
        return False
    say(f"ok {position} e{number}")
    return True


async def flood(writer: LogWriter, start: int) -> None:
    """Append from eight clients until killed."""
    numbers = itertools.count(start)

    async def client(size: int) -> None:
        while True:
            await append(writer, next(numbers), size)

    await asyncio.gather(*(client(size) for size in (0, 0, 0, 0, 0, 3_000, 20_000, 60_000)))


async def steady(writer: LogWriter, start: int, count: int) -> None:
    """Append one after another, waiting a little after each refusal."""
    for number in range(start, start + count):
        if not await append(writer, number, 6_000):
            await asyncio.sleep(0.3)


async def until_refused(writer: LogWriter, start: int) -> int:
    """Append until the disk has no room; return the next number."""
    for number in itertools.count(start):
        if not await append(writer, number, 50_000):
            return number + 1
    raise AssertionError


async def until_healed(writer: LogWriter, start: int) -> None:
    """Wait until the writer says so, with no traffic that could wake it; append a little more."""
    deadline = time.monotonic() + 20
    while not writer.healthy() and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    say("healthy" if writer.healthy() else "ill")
    await steady(writer, start, 5)


async def limited(writer: LogWriter) -> None:
    """Append until files may not grow, then let them."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
    number = await until_refused(writer, 1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await until_healed(writer, number)


async def full(writer: LogWriter, folder: Path) -> None:
    """Append until a small disk is full, then make room."""
    filler = folder / "filler"
    filler.write_bytes(bytes(2_000_000))
    number = await until_refused(writer, 1)
    filler.unlink()
    await until_healed(writer, number)


async def main(folder: Path, what: str, start: int) -> None:
    settings = Settings(disk_reserve_bytes=500_000 if what == "reserve" else 1)
    writer = LogWriter(lambda project: folder / "log.db", settings=settings, clock=SystemClock())
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    say("ready")
    match what:
        case "flood":
            work = asyncio.create_task(flood(writer, start))
            await stopped.wait()
            work.cancel()
        case "steady":
            await steady(writer, start, 40)
        case "open":
            say(f"ok {await writer.open('p')} opened")
        case "limited":
            await limited(writer)
        case _:
            await full(writer, folder)
    await writer.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
