"""Sends bodies over HTTP faster than a Python server can take them: ``wrk`` with a script.

wrk is in Debian and Ubuntu (``apt-get install wrk``) and Homebrew (``brew install wrk``).
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import msgspec
from benchmarks import workload
from msgspec import Struct

_SCRIPT = Path(__file__).with_name("sender.lua")
_PLACE = "@@@@@@@@"


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
    """Send so many events a request for a time; ``run`` (0–15) keeps ids of different calls apart.

    Raises RuntimeError unless wrk is there, and every request was answered with success.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise RuntimeError("wrk is not installed: apt-get install wrk, or brew install wrk")
    with tempfile.NamedTemporaryFile() as file:
        file.write(workload.body(0, events, prefix=_PLACE))
        file.flush()
        command = [
            wrk, "--threads", "1", "--connections", str(connections), "--duration", str(seconds),
            "--timeout", "20", "--script", str(_SCRIPT), url, "--", file.name, key, str(run),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"wrk failed: {done.stdout}{done.stderr}")
    sent = msgspec.json.decode(done.stdout.strip().rpartition("\n")[2], type=Sent)
    if sent.refused or sent.broken:
        raise RuntimeError(f"not everything was accepted: {sent}")
    return sent
