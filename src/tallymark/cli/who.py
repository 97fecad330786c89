"""``tallymark who``: the ids, links, profile and groups of one person, or what is known of a group."""

import argparse
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from tallymark.core.errors import Unavailable

from .connection import add_connection_flags, open_client
from .main import COMMANDS, Subparsers
from .render import aligned, shown

_FACTS: Final = ("person", "type", "id", "people", "events", "first_time", "last_time")
_WAIT_SECONDS: Final = 5
_encode = msgspec.json.Encoder(decimal_format="number").encode


def add_parser(subparsers: Subparsers) -> None:
    """Add the command and its flags."""
    parser = subparsers.add_parser("who", help=COMMANDS["who"], description=COMMANDS["who"])
    parser.add_argument("id", help="user id or anonymous id; with --group the id of a group")
    parser.add_argument("--kind", choices=("user", "anonymous"), help="what the id is (default: a user id if there is one)")  # fmt: skip
    parser.add_argument("--group", metavar="TYPE", help="tell of a group of this type, such as account")  # fmt: skip
    parser.add_argument("--at", metavar="TIME", help="profile, groups and counts as of then: 2026-11-22T10:00:00Z")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Look it up and print it."""
    with open_client(args, must_exist=True) as client:
        # Whoever asks has often just sent what they look for.
        with suppress(Unavailable):
            client.wait(timeout_seconds=_WAIT_SECONDS)
        found = (
            client.group(args.id, group_type=args.group, at=args.at)
            if args.group
            else client.person(args.id, kind=args.kind, at=args.at)
        )
    print(_encode(found).decode() if args.json else "\n".join(_lines(found)))
    return 0


def link_lines(links: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return claims as a table, one a line."""
    rows = [
        (
            f"{link['one']['kind']} {link['one']['id']}",
            f"{link['other']['kind']} {link['other']['id']}",
            link["how"],
            f"{link['outcome']} {link['reason']}".strip(),
            str(link["seq"]),
        )
        for link in links
    ]
    return aligned(("one", "other", "how", "outcome", "seq"), rows)


def _lines(found: Mapping[str, Any]) -> list[str]:
    lines = [f"{name:11} {shown(found[name])}" for name in _FACTS if name in found]
    if found["at"]:
        lines.append(f"{'at':11} {found['at']}")
    if "ids" in found:
        rows = [(one["kind"], one["id"]) for one in found["ids"]]
        lines += ["", *aligned(("kind", "id"), rows)]
    if found["profile"]:
        values = [(name, _value(value)) for name, value in found["profile"].items()]
        lines += ["", *aligned(("property", "value"), values)]
    if found.get("groups"):
        groups = [(kind, name) for kind, names in found["groups"].items() for name in names]
        lines += ["", *aligned(("group", "id"), groups)]
    if found.get("links"):
        lines += ["", *link_lines(found["links"])]
    return lines


def _value(value: Any) -> Any:
    return _encode(value).decode() if isinstance(value, list | dict) else value
