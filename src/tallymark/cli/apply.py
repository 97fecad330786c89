"""``tallymark apply``: definitions as files, made to hold, after saying what they do to numbers."""

import argparse
from pathlib import Path
from typing import Any, Final

import msgspec

from tallymark.core.clock import SystemClock
from tallymark.insights.definitions import SINGULAR, encode_definitions

from .connection import add_connection_flags, open_client
from .definition_files import read_folder, write_folder
from .main import COMMANDS, Subparsers
from .render import shown

_FOLDER: Final = "definitions"


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "apply", help=COMMANDS["apply"], description=COMMANDS["apply"],
        epilog="How to write them: docs/how-to/define-things-as-code.md",
    )  # fmt: skip
    parser.add_argument("folder", nargs="?", type=Path, default=Path(_FOLDER), help=f"folder of the definitions (default: {_FOLDER})")  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="change nothing, and tell what would change")  # fmt: skip
    parser.add_argument("--pull", action="store_true", help="write the definitions that hold to the folder instead")  # fmt: skip
    parser.add_argument("--version", metavar="N", type=int, help="with --pull: which version (default: the newest)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print what changes as JSON")
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Check the files, push them and print what changed; 1 if a file says something that cannot be."""
    if args.pull:
        return _pull(args)
    found = read_folder(args.folder, SystemClock().now())
    for problem in found.problems:
        print(shown(str(problem)))
    if found.problems:
        return 1
    content = msgspec.Raw(encode_definitions(found.definitions))
    with open_client(args) as client:
        applied = client.push_definitions(content, dry_run=args.dry_run)
    if args.json:
        print(msgspec.json.Encoder(decimal_format="number").encode(applied).decode())
        return 0
    for line in _told(applied):
        print(shown(line))
    return 0


def _pull(args: argparse.Namespace) -> int:
    with open_client(args, must_exist=True) as client:
        pulled = client.definitions(args.version)
    for name in write_folder(pulled["definitions"], args.folder):
        print(args.folder / name)
    return 0


def _told(applied: Any) -> list[str]:
    lines = []
    for change in applied["changes"]:
        keys = f": {', '.join(change['keys'])}" if change["what"] == "changed" else ""
        lines.append(f"{change['what']:8}{SINGULAR[change['kind']]} {change['name']}{keys}")
    for effect in applied["effects"]:
        lines += ["", *_effect(effect)]
    if applied["left_out"]:
        lines += ["", f"{applied['left_out']} more metrics and questions depend on what changes."]
    lines += [""] if lines else []
    if not applied["changes"]:
        return [*lines, "Nothing is different."]
    if applied["is_dry_run"]:
        return [*lines, "Nothing was changed: this was a dry run."]
    return [*lines, f"Version {applied['version']} holds from now on."]


def _effect(effect: Any) -> list[str]:
    because = [
        f"{SINGULAR[kind]} {name}"
        for kind, name in effect["because_of"]
        if (kind, name) != (effect["kind"], effect["name"])
    ]
    why = f" (because of {', '.join(because)})" if because else ""
    name = f"{SINGULAR[effect['kind']]} {effect['name']}{why}"
    lines = [f"{name}: {effect['differing']} of {effect['numbers']} numbers differ"]
    for when, error in (("was", effect["before_error"]), ("would be", effect["after_error"])):
        lines += [f"  what it {when} cannot be asked: {error}"] if error else []
    for cell in effect["cells"]:
        row = " ".join(str(word) for word in cell["row"])
        lines.append(f"  {row}  {cell['column']}: {shown(cell['before'])} → {shown(cell['after'])}")
    if effect["differing"] > len(effect["cells"]):
        lines.append(f"  and {effect['differing'] - len(effect['cells'])} more")
    return lines
