"""``tallymark plan``: the tracking plan as files: checked, compared, tried, made from what arrives."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from tallymark.schema.compare import Change, compare
from tallymark.schema.files import read_folder, read_plan, write_folder
from tallymark.schema.generate import LANGUAGES, generate
from tallymark.schema.plan import Plan, decode_plan, encode_plan

from .connection import add_connection_flags, open_client
from .main import COMMANDS, Subparsers
from .render import shown

_FOLDER: Final = "plan"


def add_parser(subparsers: Subparsers) -> None:
    """Add the command with its actions."""
    parser = subparsers.add_parser(
        "plan", help=COMMANDS["plan"], description=COMMANDS["plan"],
        epilog="How to write one: docs/how-to/tracking-plan.md",
    )  # fmt: skip
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    lint = actions.add_parser("lint", help="find what is wrong with the files; 1 if anything is")
    _add_folder(lint)
    diff = actions.add_parser("diff", help="compare two folders; 1 if a change breaks senders or questions")  # fmt: skip
    diff.add_argument("old", type=Path, help="folder of the plan as it was")
    diff.add_argument("new", type=Path, help="folder of the plan as it shall be")
    gen = actions.add_parser("gen", help="print typed code for the events")
    gen.add_argument("language", choices=tuple(LANGUAGES), help="what the code is for")
    _add_folder(gen)
    push = actions.add_parser("push", help="make it the plan that holds for what arrives")
    push.add_argument("--breaking", action="store_true", help="even if it breaks what was sent until now")  # fmt: skip
    pull = actions.add_parser("pull", help="write the plan that holds to a folder")
    for action in (push, pull):
        _add_folder(action)
        add_connection_flags(action)


def run(args: argparse.Namespace) -> int:
    """Do the action and print its outcome."""
    match args.action:
        case "lint":
            return _lint(args.folder)
        case "diff":
            return _diff(compare(read_plan(args.old), read_plan(args.new)))
        case "push":
            return _push(args)
        case "pull":
            return _pull(args)
        case _:
            print(generate(read_plan(args.folder), args.language), end="")
            return 0


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", type=Path, default=Path(_FOLDER), help=f"folder of the plan (default: {_FOLDER})")  # fmt: skip


def _lint(folder: Path) -> int:
    found = read_folder(folder)
    for problem in found.problems:
        print(shown(str(problem)))
    if not found.problems:
        print(f"{_counted(found.plan)}: nothing is wrong.")
    return 1 if found.problems else 0


def _diff(changes: Iterable[Change]) -> int:
    is_breaking = False
    for change in changes:
        is_breaking |= change.is_breaking
        word = "breaks" if change.is_breaking else "ok"
        version = f" {change.version}" if change.version else ""
        print(f"{word:6}  {shown(change.event)}{version}: {change.key}: {shown(change.what)}")
    if is_breaking:
        print("What breaks needs a new MODEL, the first number of the version.")
    return 1 if is_breaking else 0


def _push(args: argparse.Namespace) -> int:
    plan = read_plan(args.folder)
    with open_client(args) as client:
        pushed = client.push_plan(msgspec.Raw(encode_plan(plan)), breaking=args.breaking)
    print(f"{_counted(plan)}: version {pushed['version']} holds from now on.")
    return 0


def _pull(args: argparse.Namespace) -> int:
    with open_client(args, must_exist=True) as client:
        pulled = client.plan()
    plan = decode_plan(msgspec.json.Encoder(decimal_format="number").encode(pulled["plan"]))
    for name in write_folder(plan, args.folder):
        print(args.folder / name)
    return 0


def _counted(plan: Plan) -> str:
    count = len(plan.events)
    return "1 event" if count == 1 else f"{count} events"
