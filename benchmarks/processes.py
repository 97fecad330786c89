"""Servers as child processes, and what the kernel knows of them."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 240
JSON = "application/json"


class Server:
    """A server that runs as a child process with children of its own."""

    def __init__(self, command: list[str], *, port: int, said: Path, ready: str) -> None:
        self.port = port
        self._said = said
        self._ready = ready
        # Only the outermost process is ours to stop; it stops its children.
        with said.open("ab") as out:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    @property
    def said(self) -> str:
        return self._said.read_text()

    def wait(self, seconds: float = _START_SECONDS) -> None:
        """Return once it is ready; raises RuntimeError if it ends or does not come up."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            if self.get(self._ready)[0] == 200:
                return
            time.sleep(0.01)
        raise RuntimeError(f"the server is not ready:\n{self.said[-2000:]}")

    def get(self, path: str, key: str = "") -> tuple[int, Any]:
        """Return status and decoded answer, status 0 if there is none."""
        return self.call("GET", path, None, key)

    def call(self, method: str, path: str, body: bytes | None, key: str = "") -> tuple[int, Any]:
        """Return status and decoded answer, status 0 if there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": JSON}
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"null")
        except (OSError, http.client.HTTPException, ValueError):
            return 0, None
        finally:
            connection.close()

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Return the status that a body sent with these headers is answered with."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request("POST", path, body=body, headers=dict(headers))
            return connection.getresponse().status
        finally:
            connection.close()

    def pids(self) -> list[int]:
        """Return the server's process and all below it."""
        return [self._process.pid, *_below(self._process.pid)]

    def children(self) -> list[int]:
        """Return the processes below the server's own."""
        return _below(self._process.pid)

    def stop(self) -> None:
        """Ask it to end and wait until it has."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(60)


class Tallymark(Server):
    """``tallymark serve`` on a data folder, with the keys of its first start."""

    def __init__(self, data: Path, *settings: str, keys: dict[str, str] | None = None) -> None:
        port = free_port()
        flags = [flag for setting in settings for flag in ("--set", setting)]
        command = [sys.executable, "-m", "tallymark", "serve", "--data", str(data)]
        super().__init__(
            [*command, "--port", str(port), *flags],
            port=port,
            said=data.with_suffix(".out"),
            ready="/readyz",
        )
        self._keys = keys

    @property
    def keys(self) -> dict[str, str]:
        """The keys by kind: public, secret, read."""
        if self._keys is None:
            found = re.findall(r"^  (public|secret|read)\s+(\w+)", self.said, re.MULTILINE)
            self._keys = dict(found)
        return self._keys

    def send(self, body: bytes) -> Any:
        """Return the answer to a batch; raises RuntimeError unless it was accepted."""
        status, answer = self.call("POST", "/tm/v1/events", body, self.keys["secret"])
        if status != 202:
            raise RuntimeError(f"a batch was answered with {status}: {answer}")
        return answer

    def ask(self, insight: str, question: dict[str, Any]) -> Any:
        """Return the answer to a question; raises RuntimeError if there is none."""
        body = json.dumps(question).encode()
        status, answer = self.call("POST", f"/tm/v1/ask/{insight}", body, self.keys["read"])
        if status != 200:
            raise RuntimeError(f"a question was answered with {status}: {answer}")
        return answer

    def status(self) -> dict[str, Any]:
        """Return how far log and store are."""
        answer: dict[str, Any] = self.get("/tm/v1/status", self.keys["read"])[1] or {}
        return answer

    def wait_until_loaded(self, seconds: float = 300) -> None:
        """Return once all that is in the log is in the store."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.status().get("behind") == 0:
                return
            time.sleep(0.02)
        raise RuntimeError(f"the store is behind: {self.status()}")


@contextmanager
def running(server: Server) -> Iterator[None]:
    """Wait until a server is ready; stop it in the end."""
    try:
        server.wait()
        yield
    finally:
        server.stop()


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the work the processes have done so far, user and system."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def memory_bytes(pids: Iterable[int]) -> int:
    """Return the memory of the processes, what they share counted once (PSS)."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:  # it has ended
            continue
        found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
        total += int(found[1]) * 1024 if found else 0
    return total


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _below(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        own = [int(one) for task in tasks for one in (task / "children").read_text().split()]
    except OSError:
        return []
    return [one for child in own for one in (child, *_below(child))]
