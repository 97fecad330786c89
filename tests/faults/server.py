"""A real server in a child process, to be hurt."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.faults.answers import Answer, call
from tests.faults.rounds import until

# The same days for the whole of a run, which may go on beyond midnight.
_TODAY = datetime.now(UTC).date()
_DAYS = {"since": f"{_TODAY - timedelta(days=6)}", "until": f"{_TODAY + timedelta(days=2)}"}
COUNT = {"series": [{"measure": "count"}], "range": _DAYS, "include_bots": True}
QUESTIONS: tuple[dict[str, Any], ...] = (
    COUNT,
    {"series": [{"measure": "unique_people"}, {"measure": "sessions"}], "range": _DAYS},
    {"series": [{"measure": "count"}], "breakdown": ["properties.place"], "range": _DAYS},
    {"series": [{"measure": "sum", "of": "properties.n"}], "range": _DAYS, "interval": "hour"},
)


class Server:
    """``tallymark serve`` on a data folder; started again and again on the same port."""

    def __init__(
        self,
        data: Path,
        *,
        settings: Mapping[str, int | str] | None = None,
        around: Sequence[str] = (),
        seen: Path | None = None,
        said: Path | None = None,
    ) -> None:
        """``around`` comes before the command; ``seen`` is where we see the folder it gets, and
        ``said`` the file of what it prints.
        """
        self.data = data
        self.seen = seen or data
        self.port = free_port()
        self.keys: dict[str, str] = {}
        self._around = around
        self._settings = settings or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._said = said or data.parent / f"{data.name}.out"

    @property
    def project(self) -> Path:
        return self.seen / "projects" / "default"

    @property
    def store(self) -> Path:
        return self.project / "store.duckdb"

    def launch(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start, without waiting."""
        flags = [f for name, value in self._settings.items() for f in ("--set", f"{name}={value}")]
        with self._said.open("ab") as said:
            self._process = subprocess.Popen(
                [
                    *self._around, sys.executable, "-m", "tallymark", "serve",
                    "--data", str(self.data), "--port", str(self.port), *flags,
                ],
                stdout=said,
                stderr=said,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environment},
            )  # fmt: skip
        return self._process

    def start(self, **environment: str) -> None:
        """Start and wait until events are taken and questions answered."""
        self.launch(**environment)
        self.wait_until_ready()
        # They are printed only once it serves.
        until(self._has_keys, "the server prints no keys")

    def _has_keys(self) -> bool:
        found = re.findall(r"^  (public|secret|read)\s+(\w+)", self.output(), re.MULTILINE)
        self.keys.update(found)
        return len(self.keys) == 3

    def output(self) -> str:
        return self._said.read_text()

    def wait_until_ready(self, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.get("/readyz")[0] == 200:
                return
            if self.has_ended():
                raise AssertionError(f"the server ended:\n{self.output()[-2000:]}")
            time.sleep(0.05)
        raise AssertionError(f"the server is not ready:\n{self.output()[-2000:]}")

    def has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    # Requests

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str = "read",
        timeout: float = 20,
    ) -> Answer | None:
        """Return the answer to a request with one of the keys; None if none came."""
        headers = {"Authorization": f"Bearer {self.keys[key]}"} if self.keys else {}
        return call(self.port, method, path, body, headers, timeout=timeout)

    def send(self, events: object, *, timeout: float = 20) -> Answer:
        """Send events with the secret key; fail if no answer comes."""
        answer = self.call("POST", "/tm/v1/events", events, key="secret", timeout=timeout)
        assert answer is not None, "no answer"
        return answer

    def ask(self, question: object = COUNT, *, timeout: float = 20) -> Answer:
        """Ask for trends with the read key; fail if no answer comes."""
        answer = self.call("POST", "/tm/v1/ask/trends", question, timeout=timeout)
        assert answer is not None, "no answer"
        return answer

    def own(self, method: str, path: str, body: object = None) -> Answer:
        """Ask as the owner of the data folder, through his socket."""
        answer = call(self.data / "front.sock", method, path, body)
        assert answer is not None, "no answer"
        return answer

    def get(self, path: str) -> tuple[int, Any]:
        answer = self.call("GET", path)
        return (0, None) if answer is None else (answer.status, answer.json())

    def answers(self) -> list[Any]:
        """Return what several questions give now, without what differs from ask to ask."""
        told = [self.ask(question) for question in QUESTIONS]
        assert [answer.status for answer in told] == [200] * len(QUESTIONS), told
        return [_lasting(answer.json()["data"]) for answer in told]

    def wait_until_loaded(self, seconds: float = 60) -> dict[str, Any]:
        """Wait until everything in the log is in the store; return the status."""
        deadline = time.monotonic() + seconds
        status: dict[str, Any] = {}
        while time.monotonic() < deadline:
            code, status = self.get("/tm/v1/status")
            if code == 200 and status["behind"] == 0:
                return status
            time.sleep(0.05)
        raise AssertionError(f"not loaded: {status}\n{self.output()[-2000:]}")

    # Processes

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def pid(self) -> int:
        return self.process.pid

    def store_pid(self) -> int | None:
        """Return the process id of the store process, if it is there."""
        children = Path(f"/proc/{self.pid()}/task/{self.pid()}/children")
        found = children.read_text().split() if children.exists() else []
        return int(found[0]) if found else None

    def kill(self) -> None:
        """Kill the front with SIGKILL, and wait until the store has noticed."""
        store = self.store_pid()
        self.process.kill()
        self.process.wait()
        self.release(store)

    def signal_store(self, number: int = signal.SIGKILL) -> None:
        """Send the store process a signal; if it ends, the front starts another."""
        until(lambda: self.store_pid() is not None, "there is no store process")
        os.kill(self.store_pid() or 0, number)

    def stop(self) -> int:
        """Stop with SIGTERM; return the exit code."""
        self.process.terminate()
        return self.process.wait(40)

    def end(self) -> None:
        """Make sure that nothing is left running."""
        if not self.has_ended():
            self.kill()

    @staticmethod
    def release(store: int | None) -> None:
        """Let a store process whose front has gone notice it, and wait until it has ended."""
        if store is None:
            return
        with suppress(ProcessLookupError):
            # It may have been stopped.
            os.kill(store, signal.SIGCONT)
        until(lambda: not Path(f"/proc/{store}").exists(), "the store process outlives its front")


def _lasting(data: dict[str, Any]) -> dict[str, Any]:
    """Leave out which buckets are not over yet: that changes by itself."""
    kept = [{**one, "is_incomplete": None} for one in data["buckets"]]
    return {**data, "buckets": kept}


def uses(prefix: str, count: int, **fields: object) -> list[dict[str, object]]:
    """Return that many different events."""
    return [
        {
            "id": f"{prefix}-{place}",
            "name": "use",
            "user_id": f"u{place % 97}",
            "properties": {"n": place, "place": place % 7},
            **fields,
        }
        for place in range(count)
    ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
