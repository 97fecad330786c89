"""SDKs as a customer runs them: programs of their own, and pages in a real browser.

A Python SDK runs in an environment of its own, a Node SDK under Node, a browser SDK in Chromium on a
page of another origin. What each sent is read back from the store of the server it was pointed at.
"""

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.faults.server import Server

CLIENTS = Path(__file__).parent / "clients"
DOCS = Path(__file__).parents[2] / "docs" / "how-to"
PYTHON = Path(sys.prefix) / "clients" / "bin" / "python"
_SECONDS = 90


class Target(Server):
    """A server that SDKs are pointed at, with what it stored."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def events(self, **wanted: Any) -> list[dict[str, Any]]:
        """Return the stored events, oldest first, as the ``events`` insight tells them."""
        self.wait_until_loaded()
        always = {"since": "1971-01-01", "until": "2100-01-01"}
        question = {"range": always, "limit": 1000, "include_bots": True, **wanted}
        answer = self.call("POST", "/tm/v1/ask/events", question)
        assert answer is not None
        assert answer.status == 200, answer.body
        found: list[dict[str, Any]] = answer.json()["data"]["events"]
        return found[::-1]

    def named(self, *names: str) -> list[dict[str, Any]]:
        """Return the stored events of these names, oldest first."""
        return [event for event in self.events() if event["event"] in names]

    def of(self, *users: str) -> list[dict[str, Any]]:
        """Return the stored events of these users, oldest first."""
        return [event for event in self.events() if event["user_id"] in users]

    def ledger(self) -> dict[str, int]:
        """Return the items by outcome, over everything received."""
        self.wait_until_loaded()
        status = self.call("GET", "/tm/v1/status")
        assert status is not None
        totals: dict[str, int] = status.json()["ledger"]
        return totals


def run_python(program: str, *arguments: str, stdin: Any = None) -> str:
    """Run a program with the Python SDKs; return what it printed. It must end well.

    It gets ``stdin`` as JSON on its standard input.
    """
    command = [str(PYTHON), "-W", "ignore", "-c", textwrap.dedent(program), *arguments]
    return _run(command, json.dumps(stdin))


def run_node(program: str, *arguments: str) -> str:
    """Run a program with the Node SDKs; return what it printed. It must end well."""
    return _run(["node", "-e", textwrap.dedent(program), *arguments])


def _run(command: list[str], stdin: str = "") -> str:
    done = subprocess.run(
        command, cwd=CLIENTS, capture_output=True, text=True, timeout=_SECONDS, check=False,
        input=stdin,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def as_json(printed: str) -> Any:
    """Return the last line that a program printed, which is JSON."""
    return json.loads(printed.strip().splitlines()[-1])


@contextmanager
def target(folder: Path, **settings: int | str) -> Iterator[Target]:
    """Give a running server with an empty project."""
    server = Target(folder / "data", settings=settings)
    server.start()
    try:
        yield server
    finally:
        server.end()


def snippet(page: str, language: str, target: Target, place: int = 0) -> str:
    """Return a code block of a how-to page, with the server and keys of a test in place of yours.

    So what a page tells a newcomer to write is what a test runs.
    """
    text = (DOCS / page).read_text("utf-8")
    blocks = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    code: str = blocks[place]
    return (
        code.replace("https://tallymark.example.com", target.url)
        .replace("tallymark.example.com", f"127.0.0.1:{target.port}")
        .replace("pk_YOUR_PUBLIC_KEY", target.keys["public"])
        .replace("sk_YOUR_SECRET_KEY", target.keys["secret"])
    )
