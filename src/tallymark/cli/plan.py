"""``tallymark plan``: the tracking plan as files: checked, compared, tried, made from what arrives."""

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from tallymark.core.clock import MICROSECONDS, rfc3339
from tallymark.core.errors import NotFound
from tallymark.schema.compare import compare
from tallymark.schema.enforce import codes_of, compiled
from tallymark.schema.files import read_folder, read_plan, write_folder
from tallymark.schema.generate import LANGUAGES, generate
from tallymark.schema.infer import infer
from tallymark.schema.plan import Plan, decode_plan, encode_plan

from .connection import add_connection_flags, open_client
from .doctor import monitors
from .main import COMMANDS, Subparsers
from .plan_samples import samples
from .render import aligned, shown

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
    test = actions.add_parser("test", help="try it on events that came already; 1 if any is not as planned")  # fmt: skip
    _add_folder(test)
    infer = actions.add_parser("infer", help="write a first draft of it from events that came already")  # fmt: skip
    infer.add_argument("folder", type=Path, help="new folder for the files")
    for action in (test, infer):
        action.add_argument("--last", default="7d", metavar="RANGE", help="how far to look back, such as 24h or 30d (default: 7d)")  # fmt: skip
        action.add_argument("--event", action="append", help="only events of this name; may be repeated")  # fmt: skip
        action.add_argument("--most", type=int, default=10_000, help="look at so many events of each name (default: 10000)")  # fmt: skip
        add_connection_flags(action)
    push = actions.add_parser("push", help="make it the plan that holds for what arrives")
    push.add_argument("--breaking", action="store_true", help="even if it breaks what was sent until now")  # fmt: skip
    pull = actions.add_parser("pull", help="write the plan that holds to a folder")
    status = actions.add_parser("status", help="tell which plan holds, what is observed and what it expects")  # fmt: skip
    status.add_argument("--hours", type=int, default=24, help="how far to look back (default: 24)")
    for action in (push, pull):
        _add_folder(action)
    for action in (push, pull, status):
        add_connection_flags(action)


def run(args: argparse.Namespace) -> int:
    """Do the action and print its outcome."""
    return _ACTIONS[args.action](args)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", type=Path, default=Path(_FOLDER), help=f"folder of the plan (default: {_FOLDER})")  # fmt: skip


def _lint(args: argparse.Namespace) -> int:
    found = read_folder(args.folder)
    for problem in found.problems:
        print(shown(str(problem)))
    if not found.problems:
        print(f"{_counted(found.plan)}: nothing is wrong.")
    return 1 if found.problems else 0


def _diff(args: argparse.Namespace) -> int:
    is_breaking = False
    for change in compare(read_plan(args.old), read_plan(args.new)):
        is_breaking |= change.is_breaking
        word = "breaks" if change.is_breaking else "ok"
        version = f" {change.version}" if change.version else ""
        print(f"{word:6}  {shown(change.event)}{version}: {change.key}: {shown(change.what)}")
    if is_breaking:
        print("What breaks needs a new MODEL, the first number of the version.")
    return 1 if is_breaking else 0


def _gen(args: argparse.Namespace) -> int:
    print(generate(read_plan(args.folder), args.language), end="")
    return 0


def _test(args: argparse.Namespace) -> int:
    plan = read_plan(args.folder)
    ready = compiled(plan)
    looked, found = 0, Counter[tuple[str, str, str]]()
    with open_client(args, must_exist=True) as client:
        for sample in samples(client, args.last, args.most, args.event):
            looked += 1
            told = codes_of(sample.event, sample.properties, ready)
            found.update((sample.event, code, path) for code, path in told)
    for (event, code, path), times in sorted(found.items(), key=lambda one: (-one[1], one[0])):
        print(f"{times:>8,}  {shown(event)}: {code}: {shown(path)}")
    print(f"Looked at {looked:,} events: {'not all are' if found else 'all are'} as planned.")
    return 1 if found else 0


def _infer(args: argparse.Namespace) -> int:
    with open_client(args, must_exist=True) as client:
        inferred = infer(samples(client, args.last, args.most, args.event))
    if not inferred.plan.events:
        raise NotFound("No events came in that time.", hint="Look further back with --last 90d.")
    for name in write_folder(inferred.plan, args.folder):
        print(args.folder / name)
    for note in inferred.notes:
        print(f"note: {shown(note)}", file=sys.stderr)
    return 0


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


def _status(args: argparse.Namespace) -> int:
    with open_client(args, must_exist=True) as client:
        pulled = client.plan()
        quality = client.quality(hours=args.hours)
    since = pulled["created_at"] - pulled["created_at"] % MICROSECONDS
    plan = decode_plan(msgspec.json.Encoder(decimal_format="number").encode(pulled["plan"]))
    print(f"{_counted(plan)}: version {pulled['version']} holds since {rfc3339(since)}.")
    rows = [
        (f"{count:,}", code, one["protocol"], one["source"])
        for one in quality["sources"]
        for code, count in one["observed"].items()
    ]
    print(f"Observed within {args.hours} h, and counted all the same:")
    table = aligned(("times", "code", "protocol", "source"), rows) if rows else ["none"]
    print("\n".join(f"  {line}" for line in table))
    for finding in monitors(quality):
        print(f"{finding.health:4}  {shown(finding.what)}")
    return 0


def _counted(plan: Plan) -> str:
    count = len(plan.events)
    return "1 event" if count == 1 else f"{count} events"


_ACTIONS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "lint": _lint, "diff": _diff, "gen": _gen, "test": _test, "infer": _infer, "push": _push,
    "pull": _pull, "status": _status,
}  # fmt: skip
