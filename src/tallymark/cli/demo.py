"""``tallymark demo``: a sample history to look around in, its first answers, and a server for more."""

import argparse
import os
import shlex
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import Any, Final

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tallymark.client import Client
from tallymark.client.private import PrivateServer, ensure_served, front_socket
from tallymark.client.transport import Transport
from tallymark.core.clock import DAY, SystemClock, moment
from tallymark.core.errors import TallymarkError
from tallymark.core.settings import Settings
from tallymark.demo import DAYS, events

from .ask import parsed_question
from .connection import DEMO_FOLDER
from .main import COMMANDS, Subparsers
from .render import trend_summary
from .serve import add_serving_flags, address_of, prepare, settings_of

PROJECT: Final = "demo"
# What is asked first; each is the command that asks it again.
QUESTIONS: Final = (
    (
        "How many people came each week?",
        "trends --event page_view --measure unique_people --interval week",
    ),
    (
        "Where do those who sign up come from?",
        "trends --event signup --breakdown channel --interval week --top 6",
    ),
    (
        "At which step of signing up are most people lost?",
        "trends --event signup_viewed --event signup_started --event email_confirmed --event signup --event first_report --measure unique_people --interval week",
    ),
    (
        "What was earned each month?",
        "trends --measure sum:revenue --breakdown currency --interval month --filter 'revenue exists'",
    ),
    ("Which pages are read most?", "trends --event page_view --breakdown path --top 5"),
    (
        "How long does the API take for the slowest twentieth? (Something happened one afternoon.)",
        "trends --event api_request --measure p95:duration_ms",
    ),
    (
        "Which plan's summaries used most tokens?",
        "trends --event summary_written --measure sum:value --breakdown plan --interval week",
    ),
)
_LOAD_SECONDS: Final = 300
_STORY: Final = "demo.json"
_VISITOR: Final = "you@demo.example"


class Story(Struct, frozen=True):
    """What a demo folder holds: a history of that size and end, and whether all of it is there."""

    end: int
    scale: float = 1.0
    is_whole: bool = False


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "demo",
        help=COMMANDS["demo"],
        description="Make 90 days of a made-up company that sells reports and a few printed things,"
        " load them, print the first answers and serve them until Ctrl-C. The next time the same"
        f" history is used again; delete the folder ({DEMO_FOLDER}) for a new one.",
    )
    add_serving_flags(parser, DEMO_FOLDER)
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="size of the history; 1 has about 350 000 events")  # fmt: skip
    parser.add_argument("--no-serve", action="store_true", help="stop after the first answers")


def run(args: argparse.Namespace) -> int:
    """Make or find the history, print the first answers, then serve until Ctrl-C."""
    settings = settings_of(args, data=DEMO_FOLDER)
    data = Path(settings.data).absolute()
    keys = _prepare(settings)
    server = ensure_served(data, _flags(args, settings))
    transport = Transport(front_socket(data), headers={})
    with Client(transport, project=PROJECT, server=server) as client:
        keys = keys or _new_keys(client)
        story = _load(client, data / _STORY, args.scale)
        _print_answers(client, story, settings)
        if not args.no_serve:
            # Once the address is out, Ctrl-C is how the demo ends, and no failure.
            try:
                _print_next(settings, keys, _entrance(client))
                _wait(server)
            except KeyboardInterrupt:
                print("\nStopping.", file=sys.stderr)
    return 0


def _flags(args: argparse.Namespace, settings: Settings) -> tuple[str, ...]:
    if args.no_serve:
        return ("--no-tcp",)
    return ("--host", settings.host, "--port", str(settings.port), *(f"--set={one}" for one in args.set))  # fmt: skip


def _prepare(settings: Settings) -> dict[str, str]:
    """Return the keys of the demo project if the folder is new, none if it is not."""
    try:
        return prepare(settings, PROJECT, with_keys=True)
    except TallymarkError as error:
        if error.code != "DATA_DIR_IN_USE":
            raise
        return {}


def _new_keys(client: Client) -> dict[str, str]:
    """Return the keys of the demo project if it had to be made beside others, else none."""
    if PROJECT in [one["id"] for one in client.projects()]:
        return {}
    made = client.create_project(PROJECT)
    return {one["key"]["kind"]: one["secret"] for one in made["keys"]}


def _load(client: Client, note: Path, scale: float) -> Story:
    """Return the story the folder holds, loading what of it is not there yet."""
    clock = SystemClock()
    story = Story(clock.now() // DAY * DAY, scale)
    if note.exists():
        story = msgspec.json.decode(note.read_bytes(), type=Story)
    if story.is_whole:
        return story
    print(f"Making {DAYS} days of a made-up company, and loading them.", flush=True)
    # Written first: if this is broken off, the next run sends the same events, which count once.
    note.write_bytes(msgspec.json.encode(story))
    began = clock.monotonic()
    before = client.status()["ledger"]["duplicate"]
    sent = client.send(_watched(story))
    with Console(stderr=True).status("Counting them …"):
        client.wait(timeout_seconds=_LOAD_SECONDS)
    took = clock.monotonic() - began
    status = client.status()
    again = status["ledger"]["duplicate"] - before
    print(
        f"Sent {sent.accepted:,} events of {DAYS} days in {took:.0f} s. Of these {again:,} had been"
        " sent before, as by a client that got no answer and tries again; each counts once, so"
        f" {status['events']:,} count.",
        flush=True,
    )
    story = msgspec.structs.replace(story, is_whole=True)
    note.write_bytes(msgspec.json.encode(story))
    return story


def _watched(story: Story) -> Iterator[dict[str, Any]]:
    """Yield the events of the history and show how far it has come."""
    columns = (
        TextColumn("Making a history"), BarColumn(), TextColumn("{task.fields[events]:,} events"),
        TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("history", total=DAYS * DAY, events=0)
        for number, event in enumerate(events(end=story.end, scale=story.scale)):
            if number % 1_000 == 0:
                done = event["time"] * 1_000 - (story.end - DAYS * DAY)
                progress.update(task, completed=done, events=number)
            yield event


def _print_answers(client: Client, story: Story, settings: Settings) -> None:
    dates = ["--since", _date(story.end - DAYS * DAY), "--until", _date(story.end)]
    people, accounts = (
        client.ask("trends", **parsed_question(["trends", *dates, "--measure", rest])[1]).data[
            "lines"
        ]
        for rest in ("unique_people", "unique_accounts")
    )
    status = client.status()
    print(
        f"\nLumen, a made-up company, over {DAYS} days: {status['events']:,} events of"
        f" {people[0]['total']:,} people and {accounts[0]['total']:,} accounts."
    )
    for title, command in QUESTIONS:
        insight, question = parsed_question([*shlex.split(command), *dates])
        answer = client.ask(insight, **question)
        print(f"\n{title}")
        print("\n".join(f"  {line}" for line in trend_summary(answer.data)))
        print(f"  $ tallymark ask {command} {' '.join(dates)} --data {shlex.quote(settings.data)}")
    print(flush=True)


def _entrance(client: Client) -> str:
    """Return the token of a link that signs in whoever made the demo, without a password."""
    made = next((one for one in client.users() if one["email"] == _VISITOR), None)
    if made is None:
        return str(client.add_user(_VISITOR, name="You", is_owner=True)["token"])
    return str(client.invite_user(made["id"])["token"])


def _print_next(settings: Settings, keys: dict[str, str], token: str) -> None:
    address = address_of(settings)
    print(f"Look around, with a link that works once: {address}/enter#{token}")
    print(f"Serving on {address} until Ctrl-C; its API is described at {address}/tm/v1/docs")
    if keys:
        print("Keys of the project 'demo', shown this once:")
        print("\n".join(f"  {kind:7} {text}" for kind, text in keys.items()))
    else:
        print(f"Make another key with: tallymark keys create read --data {settings.data}")
    print("Try in another terminal, in this folder:")
    if which("tallymark") is None:
        # `make demo` calls it by its path, so a new shell would not find it.
        print(f"  . {shlex.quote(os.path.relpath(Path(sys.prefix, 'bin', 'activate')))}")
    for command in (
        "ask events --event order_completed --last 90d --limit 5",
        "ask trends --event feature_used --breakdown feature --measure unique_people --last 90d",
        "doctor",
    ):
        print(f"  tallymark {command} --data {settings.data}")
    sys.stdout.flush()


def _wait(server: PrivateServer | None) -> None:
    if server is None:
        print("It is served by a process that was running already.")
        return
    while not server.has_ended():
        threading.Event().wait(0.5)


def _date(instant_us: int) -> str:
    return moment(instant_us).date().isoformat()
