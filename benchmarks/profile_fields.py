"""How much slower a question is by a property of the person than by the same one of the event.

    python -m benchmarks.profile_fields [events]

A third of 300,000 people have a profile: a plan that is set and, for a third of them, changed once; a
channel that is set once; a counter that was added to three times. Prints the best of several runs.
"""

import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
import msgspec
from benchmarks.store_fill import PROJECT, fill

from tallymark.app.answering import Answering
from tallymark.app.scoping import Asking
from tallymark.core.clock import SystemClock
from tallymark.core.settings import Settings
from tallymark.store.engines.duckdb import DuckEngine

MEMORY = 2 * 1024**3
ROUNDS = 5
FIELDS = (
    "properties.plan", "person.plan", "person.plan@now", "person.plan@2026-01-01",
    "person.channel", "person.channel@now", "person.count", "person.count@now",
)  # fmt: skip
QUESTIONS: dict[str, dict[str, Any]] = {
    "count": {},
    "people": {"series": [{"measure": "unique_people"}]},
    "filtered": {"series": [{"event": "old event 3"}]},
}


def tell(path: Path) -> tuple[int, int]:
    """Write the profiles into a filled store; return the first instant and the last."""
    with duckdb.connect(str(path)) as connection:
        since, until = connection.execute("SELECT min(time_us), max(time_us) FROM event").fetchone() or (0, 0)  # fmt: skip
        insert = """
            INSERT INTO profile_value
            SELECT row_number() OVER () , 'user', person, person,
                   $since + (hash(person * 31 + turn) % ($length // 3))::BIGINT + turn * $length // 3,
                   {op}, {name}, {text}, {number}, NULL, false
            FROM range(3, 300001, 3) AS people (person), range({turns}) AS turns (turn)
            WHERE turn = 0 OR {again}
        """
        numbers = {"since": since, "length": until - since}
        for op, name, text, number, turns, again in (
            ("set", "plan", "'plan ' || (hash(person * 7 + turn) % 4)", "NULL", 2, "person % 9 = 0"),
            ("set_once", "channel", "'channel ' || (hash(person) % 9)", "NULL", 1, "false"),
            ("add", "count", "NULL", "1", 3, "true"),
        ):  # fmt: skip
            connection.execute(
                insert.format(op=f"'{op}'", name=f"'{name}'", text=text, number=number, turns=turns, again=again),
                numbers,
            )  # fmt: skip
            kind = "text" if number == "NULL" else "number"
            connection.execute(
                "INSERT INTO profile_property VALUES ('user', ?, ?, ?, false, 0)", [name, kind, op]
            )
    return since, until


def best(engine: DuckEngine, question: dict[str, Any]) -> float:
    """Return the seconds of the fastest of several runs."""
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        # None is given an answer of the round before.
        Answering(engine, Settings(), SystemClock()).answer(Asking(PROJECT, "trends", question))
        taken.append(time.perf_counter() - started)
    return min(taken)


def main(events: int) -> int:
    """Run the benchmark."""
    print(f"{events} events, {platform.platform()}, {os.cpu_count()} cores, {duckdb.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.duckdb"
        fill(path, events, memory_bytes=MEMORY)
        since, until = tell(path)
        engine = DuckEngine(lambda _: path, memory_bytes=MEMORY)
        span = {
            "since": time.strftime("%Y-%m-%d", time.gmtime(since // 10**6)),
            "until": time.strftime("%Y-%m-%d", time.gmtime(until // 10**6 + 86400)),
        }
        for name, asked in QUESTIONS.items():
            base = 0.0
            for field in FIELDS:
                question = {"range": span, "breakdown": [field], **asked}
                seconds = best(engine, msgspec.to_builtins(question))
                base = base or seconds
                print(f"{name:9} {field:24} {seconds * 1000:7.0f} ms  ×{seconds / base:.2f}", flush=True)  # fmt: skip
        engine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000))
