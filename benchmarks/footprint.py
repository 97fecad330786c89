"""What Tallymark takes of a machine: memory, time to start, room on disk.

    python -m benchmarks.footprint [--size MB] [--events N] [--no-install]

Memory is PSS, what processes share counted once, of the front, the store process and, while a file
is loaded, the command that loads it. The start is timed from the start of the command to the first
answer about a store of so many events, whose derived index is there from before.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import store_fill, workload
from benchmarks.processes import Tallymark, memory_bytes, running
from benchmarks.report import Line, finish, note

from tallymark.core.settings import Settings

MB = 1_000_000
EVENTS = 2_000_000
FILE_BYTES = 100 * MB
IDLE_MB = 250
PEAK_MB = 1000
START_SECONDS = 2.0
INSTALL_MB = 300
HELP_SECONDS = 0.3
HEAVY = (
    {"series": [{"measure": "unique_people"}], "breakdown": ["path", "browser"]},
    {"series": [{"measure": "p99", "of": "value"}], "breakdown": ["path"]},
)
_ROOT = Path(__file__).parents[1]
_HELPS = 10
_SETTLE_SECONDS = 3.0
_CHUNK = 5_000


def memory(folder: Path, size: int) -> list[Line]:
    """Return the memory of an idle server, and its peak while a file is loaded."""
    data = folder / "data"
    file = folder / "events.ndjson"
    written = write_events(file, size)
    server = Tallymark(data)
    with running(server):
        server.send(workload.body(0, 500, prefix="idle"))
        server.wait_until_loaded()
        time.sleep(_SETTLE_SECONDS)
        idle = memory_bytes(server.pids())
        command = [
            sys.executable,
            "-m",
            "tallymark",
            "load",
            "ndjson",
            str(file),
            "--data",
            str(data),
        ]
        began = time.perf_counter()
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as load,
            watched(lambda: memory_bytes([load.pid, *server.pids()])) as peak,
        ):
            said, _ = load.communicate()
            server.wait_until_loaded()
        took = time.perf_counter() - began
        assert load.returncode == 0, said.decode()
        assert f"{written:,}".encode() in said or str(written).encode() in said, said.decode()
    note(f"  loaded {written:,} events from {size / MB:.0f} MB, {written / took:,.0f} events/s")
    return [
        _megabytes("idle memory, all processes", idle, IDLE_MB),
        _megabytes(f"peak memory, loading {size / MB:.0f} MB of NDJSON", peak[0], PEAK_MB),
    ]


def write_events(file: Path, size: int) -> int:
    """Write so many bytes of events as JSON lines; return how many events."""
    events = 0
    with file.open("wb") as out:
        while out.tell() < size:
            body = workload.lines(events, _CHUNK)
            out.write(body)
            events += _CHUNK
    return events


def start(folder: Path, events: int) -> list[Line]:
    """Return the time from starting the server to its first answer about so many events."""
    data = folder / "filled"
    keys = store_fill.serve_filled(data, events, memory_bytes=Settings().store_memory_bytes)
    before = Tallymark(data, keys=keys)
    with running(before):
        # The first load derives the index from the store, which is no part of a usual start.
        before.send(b'{"name": "first"}')
        before.wait_until_loaded()
        time.sleep(_SETTLE_SECONDS)
    question = {
        "range": {"since": "2020-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z"},
        "interval": "month",
    }
    began = time.perf_counter()
    server = Tallymark(data, keys=keys)
    try:
        while server.get("/healthz")[0] != 200:
            time.sleep(0.005)
        answer = server.ask("trends", question)
        took = time.perf_counter() - began
        with watched(lambda: memory_bytes(server.pids())) as peak:
            for heavy in HEAVY:
                server.ask("trends", {**question, **heavy})
    finally:
        server.stop()
    assert answer["data"]["lines"], answer
    size = f"{events / 1e6:g} M events"
    return [
        _seconds(f"start to first answer, {size}", took, START_SECONDS),
        _megabytes(f"peak memory, asking about {size}", peak[0], PEAK_MB),
    ]


def install(folder: Path) -> list[Line]:
    """Return the room of an installation without extras, and the time of its help."""
    venv = folder / "venv"
    python = venv / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    packages = next((venv / "lib").glob("python*/site-packages"))
    bare = _bytes_below(packages)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, ".", "-c", "constraints.txt"], capture_output=True, text=True, check=False, cwd=_ROOT
    )
    if done.returncode:
        raise RuntimeError(f"the installation failed, --no-install leaves it out:\n{done.stderr}")
    size = _bytes_below(packages) - bare
    helped = _median([str(venv / "bin" / "tallymark"), "--help"])
    nothing = _median([str(python), "-c", "pass"])
    return [
        _megabytes("installation, without pip", size, INSTALL_MB),
        Line(
            what="tallymark --help",
            measured=f"{helped * 1000:.0f} ms",
            baseline=f"python -c pass: {nothing * 1000:.0f} ms, × {helped / nothing:.1f}",
            number=helped,
            budget=HELP_SECONDS,
            sense="at most",
            unit="s",
        ),
    ]


def measure(*, size: int = FILE_BYTES, events: int = EVENTS, installs: bool = True) -> list[Line]:
    """Return the lines of this benchmark."""
    note("footprint: memory, start, room")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [*memory(folder, size), *start(folder, events)]
        return [*lines, *install(folder)] if installs else lines


@contextmanager
def watched(read: Callable[[], int]) -> Iterator[list[int]]:
    """Give a list of one number: the highest that was read meanwhile."""
    highest = [read()]
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            highest[0] = max(highest[0], read())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield highest
    finally:
        stop.set()
        thread.join()


def _median(command: list[str]) -> float:
    took: list[float] = []
    for _ in range(_HELPS):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _megabytes(what: str, size: int, budget: int) -> Line:
    return Line(what, f"{size / MB:,.0f} MB", size / MB, budget=budget, sense="at most", unit="MB")


def _seconds(what: str, seconds: float, budget: float) -> Line:
    return Line(what, f"{seconds:.2f} s", seconds, budget=budget, sense="at most", unit="s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=FILE_BYTES // MB, help="MB of the loaded file")
    parser.add_argument("--events", type=int, default=EVENTS, help="events stored at the start")
    parser.add_argument("--no-install", action="store_true", help="leave out what needs pip")
    given = parser.parse_args()
    found = measure(size=given.size * MB, events=given.events, installs=not given.no_install)
    sys.exit(finish(found))
