"""Sends bodies over HTTP faster than a Python server can take them: ``wrk`` with a script.

wrk is in Debian and Ubuntu (``apt-get install wrk``) and Homebrew (``brew install wrk``).
"""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
from benchmarks import workload
from msgspec import Struct

_SCRIPT = Path(__file__).with_name("sender.lua")
PLACE = "@@@@@@@@"


class Sent(Struct, frozen=True):
    """What wrk counted: requests answered, refused among them, broken ones, latencies in seconds."""

    requests: int
    seconds: float
    refused: int
    broken: int
    p50: float
    p99: float


def send(
    url: str, *, events: int, connections: int, seconds: int, run: int, key: str = "none"
) -> Sent:
    """Send so many events of ours a request for a time, as ``send_body`` does."""
    body = workload.body(0, events, prefix=PLACE)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    return send_body(url, body, headers, connections=connections, seconds=seconds, run=run)


def send_body(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    connections: int,
    seconds: int,
    run: int,
) -> Sent:
    """Send a body for a time; wherever ``PLACE`` stands in it, each request has letters of its own.

    ``run`` (0 to 15) keeps those of different calls apart. Raises RuntimeError unless wrk is there, and
    every request was answered with success.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise RuntimeError("wrk is not installed: apt-get install wrk, or brew install wrk")
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        command = [
            wrk, "--threads", "1", "--connections", str(connections), "--duration", str(seconds),
            "--timeout", "20", "--script", str(_SCRIPT), url, "--", file.name, str(run),
            *(word for pair in headers.items() for word in pair),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"wrk failed: {done.stdout}{done.stderr}")
    sent = msgspec.json.decode(done.stdout.strip().rpartition("\n")[2], type=Sent)
    if sent.refused or sent.broken:
        raise RuntimeError(f"not everything was accepted: {sent}")
    return sent
