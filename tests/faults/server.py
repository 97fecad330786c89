"""A real server in a child process, to be killed."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


class Server:
    """``tallymark serve`` on a data folder; started again and again on the same port."""

    def __init__(self, data: Path, *, settings: dict[str, int] | None = None) -> None:
        self.data = data
        self.port = free_port()
        self.keys: dict[str, str] = {}
        self._settings = settings or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._said = data.parent / f"{data.name}.out"

    @property
    def store(self) -> Path:
        return self.data / "projects" / "default" / "store.duckdb"

    def start(self, **environment: str) -> None:
        """Start and wait until events are taken and questions answered."""
        flags = [f for name, value in self._settings.items() for f in ("--set", f"{name}={value}")]
        with self._said.open("ab") as said:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-m", "tallymark", "serve",
                    "--data", str(self.data), "--port", str(self.port), *flags,
                ],
                stdout=said,
                stderr=said,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environment},
            )  # fmt: skip
        self.wait_until_ready()
        for kind, key in re.findall(
            r"^  (public|secret|read)\s+(\w+)", self.output(), re.MULTILINE
        ):
            self.keys[kind] = key

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

    def get(self, path: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            headers = {"Authorization": f"Bearer {self.keys['read']}"} if self.keys else {}
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"null")
        except (OSError, http.client.HTTPException, ValueError):
            return 0, None
        finally:
            connection.close()

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

    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def store_pid(self) -> int | None:
        """Return the process id of the store process, if it is there."""
        children = Path(f"/proc/{self.pid()}/task/{self.pid()}/children")
        found = children.read_text().split() if children.exists() else []
        return int(found[0]) if found else None

    def kill(self) -> None:
        """Kill the front with SIGKILL, and wait until the store has noticed."""
        assert self._process is not None
        store = self.store_pid()
        self._process.kill()
        self._process.wait()
        self._wait_gone(store)

    def kill_store(self) -> None:
        """Kill the store process with SIGKILL; the front starts another."""
        pid = self.store_pid()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    def stop(self) -> int:
        """Stop with SIGTERM; return the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(40)

    def end(self) -> None:
        """Make sure that nothing is left running."""
        if not self.has_ended():
            self.kill()

    @staticmethod
    def _wait_gone(pid: int | None, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while pid is not None and Path(f"/proc/{pid}").exists():
            if time.monotonic() > deadline:
                raise AssertionError("the store process outlives its front")
            time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
