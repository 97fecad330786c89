import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from tallymark.app.folders import Folders, locked
from tallymark.cli.demo import QUESTIONS, Story
from tallymark.cli.main import main
from tallymark.client.transport import Request, Transport
from tallymark.core.errors import Unavailable
from tallymark.demo import LARGEST_LOSS, SIGNUP_FUNNEL, events


def test_the_demo_answers_what_a_plain_count_of_its_events_gives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["demo", "--data", str(tmp_path), "--no-serve", "--scale", "0.1"]

    assert main(command) == 0
    printed = capsys.readouterr().out
    assert main(command) == 0
    again = capsys.readouterr().out

    story = msgspec.json.decode((tmp_path / "demo.json").read_bytes(), type=Story)
    count, people, accounts = _counted(story)
    sent = sum(1 for _ in events(end=story.end, scale=story.scale))
    assert f"Sent {sent:,} events" in printed
    assert f"{sent - count:,} had been sent before" in printed
    assert f"so {count:,} count." in printed
    assert sent > count
    assert f"{count:,} events of {people:,} people and {accounts:,} accounts" in printed
    assert all(title in printed for title, _ in QUESTIONS)
    assert _step_that_loses_most(printed) == LARGEST_LOSS
    assert "Sent" not in again
    assert again in printed


def _step_that_loses_most(printed: str) -> str:
    steps = [name for name, _ in SIGNUP_FUNNEL]
    totals = [
        int(line.split()[-1].replace(",", ""))
        for name in steps
        for line in printed.splitlines()
        if line.strip().startswith(f"unique people: {name} ")
    ]
    kept = [after / before for before, after in pairwise(totals)]
    return steps[1 + kept.index(min(kept))]


def _counted(story: Story) -> tuple[int, int, int]:
    """Count events, people and accounts of the same history in plain Python."""
    seen = {
        event["id"]: event for event in events(end=story.end, scale=story.scale)
    }.values()  # fmt: skip
    user_of = {
        event["anonymous_id"]: event["user_id"]
        for event in seen
        if "anonymous_id" in event and "user_id" in event
    }
    people = {
        event.get("user_id") or user_of.get(event["anonymous_id"], event["anonymous_id"])
        for event in seen
        if "user_id" in event or "anonymous_id" in event
    }
    return len(seen), len(people), len({event["account"] for event in seen if "account" in event})


def test_ctrl_c_stops_the_demo_and_everything_it_started(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "tallymark", "demo", "--scale", "0.02", "--port", "0", "--data", str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert demo.stdout is not None
    address = next(line.split()[2] for line in demo.stdout if line.startswith("Serving"))
    assert _answers(address)

    os.killpg(demo.pid, signal.SIGINT)
    _, errors = demo.communicate(timeout=120)

    assert demo.returncode == 0
    assert "Traceback" not in errors
    assert not _answers(address)
    with locked(Folders(tmp_path)):
        pass


def _answers(address: str) -> bool:
    with Transport(address, headers={}) as transport:
        try:
            return transport.answer(Request("GET", "/healthz", patience_seconds=0)).status == 200
        except Unavailable:
            return False
