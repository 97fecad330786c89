"""What a client knows: which events it sent, and which of them the server said it has.

The oracle sees nothing but the answers. After the faults it is held against the store's file.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
from tests.faults.answers import call
from tests.faults.rounds import until


@dataclass
class Oracle:
    """Answers by event id: a status, or None where none came; how often each code came, and when."""

    answers: dict[str, list[int | None]] = field(default_factory=dict)
    codes: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, ids: list[str], status: int | None) -> None:
        with self.lock:
            for event_id in ids:
                self.answers.setdefault(event_id, []).append(status)

    @property
    def acknowledged(self) -> set[str]:
        with self.lock:
            return {i for i, said in self.answers.items() if 202 in said}

    def wait_for(self, events: int, *, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Wait until so many events are acknowledged in all."""

        def enough() -> bool:
            meanwhile()
            return len(self.acknowledged) >= events

        until(enough, "too few events were acknowledged")


@dataclass
class Sender:
    """A client that sends batches from several threads until told to stop, whatever happens.

    An event without an answer is sent again with the same id in every third case, as a retrying
    SDK does; otherwise its fate stays unknown.
    """

    port: int
    key: str
    oracle: Oracle
    prefix: str
    threads: int = 4
    batch: int = 25
    pause: float = 0.01

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._workers = [
            threading.Thread(target=self._work, args=(number,), daemon=True)
            for number in range(self.threads)
        ]

    def start(self) -> None:
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        self._stop.set()
        for worker in self._workers:
            worker.join()

    def _work(self, worker: int) -> None:
        number = 0
        again: list[dict[str, object]] | None = None
        while not self._stop.is_set():
            number += 1
            events = again or [
                {
                    "id": f"{self.prefix}-{worker}-{number}-{place}",
                    "name": "use",
                    "user_id": f"u{(number * place) % 97}",
                    "anonymous_id": f"a{(number + place) % 89}",
                    "properties": {"n": number, "place": place},
                }
                for place in range(self.batch)
            ]
            status = self._send(events)
            self.oracle.note([str(event["id"]) for event in events], status)
            again = events if status is None and number % 3 == 0 else None
            # Paced, so that a round is about faults and not about how much a disk can take.
            time.sleep(self.pause if status == 202 else 2 * self.pause)

    def _send(self, events: list[dict[str, object]]) -> int | None:
        began = time.monotonic()
        answer = call(
            self.port, "POST", "/tm/v1/events", events, {"Authorization": f"Bearer {self.key}"}
        )
        if answer is None:
            return None
        with self.oracle.lock:
            self.oracle.codes[answer.code] += 1
            self.oracle.seconds.append(time.monotonic() - began)
        return answer.status


def check(oracle: Oracle, store: Path) -> None:
    """Hold the store's file against the oracle: nothing lost, nothing twice, the ledger balances."""
    with duckdb.connect(str(store), read_only=True) as connection:
        stored = Counter(
            row[0] for row in connection.execute("SELECT event_id FROM event").fetchall()
        )
        ledger = dict(
            connection.execute(
                "SELECT outcome, sum(items)::BIGINT FROM ledger GROUP BY outcome"
            ).fetchall()
        )
    lost = oracle.acknowledged - stored.keys()
    twice = {event_id for event_id, times in stored.items() if times > 1}
    foreign = stored.keys() - oracle.answers.keys()
    assert not lost, f"{len(lost)} acknowledged events are missing, such as {sorted(lost)[:3]}"
    assert not twice, f"{len(twice)} events count twice, such as {sorted(twice)[:3]}"
    assert not foreign, f"events nobody sent: {sorted(foreign)[:3]}"
    assert ledger.pop("received") == sum(ledger.values()), ledger
    assert ledger["accepted"] == sum(stored.values())
    assert not ledger.keys() & {"quarantined", "conflict", "rejected"}, ledger
