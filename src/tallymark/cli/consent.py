"""``tallymark consent``: what one person agreed to, when and how, and what of it holds."""

import argparse
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from tallymark.core.errors import Unavailable

from .connection import add_connection_flags, open_client
from .main import COMMANDS, Subparsers
from .render import aligned

_WAIT_SECONDS: Final = 5
_COLUMNS: Final = (
    "at", "purpose", "state", "source", "policy_version", "ui_version", "jurisdiction", "expires_at",
    "seq", "previous",
)  # fmt: skip


def add_parser(subparsers: Subparsers) -> None:
    """Add the command and its flags."""
    parser = subparsers.add_parser("consent", help=COMMANDS["consent"], description=COMMANDS["consent"])  # fmt: skip
    parser.add_argument("id", help="user id or anonymous id")
    parser.add_argument("--kind", choices=("user", "anonymous"), default="user", help="what the id is (default: user)")  # fmt: skip
    parser.add_argument("--at", metavar="TIME", help="what held then: 2026-11-22T10:00:00Z")
    parser.add_argument("--json", action="store_true", help="print it as JSON, with the consent strings")  # fmt: skip
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Look it up and print it."""
    with open_client(args, must_exist=True) as client:
        # Whoever asks has often just sent what they look for.
        with suppress(Unavailable):
            client.wait(timeout_seconds=_WAIT_SECONDS)
        found = client.consent(args.id, kind=args.kind, at=args.at)
    if args.json:
        print(msgspec.json.encode(found).decode())
    else:
        print("\n".join(_lines(found)))
    return 0


def _lines(found: Mapping[str, Any]) -> list[str]:
    if not found["records"]:
        return ["No yes is on record."]
    held = [
        (purpose, one["state"], one["since"], one["expires_at"] or "")
        for purpose, one in found["holds"].items()
    ]
    lines = [
        f"What holds at {found['at']}:",
        *aligned(("purpose", "state", "since", "until"), held),
    ]
    told = [tuple(str(one[name] or "") for name in _COLUMNS) for one in found["records"]]
    return [*lines, "", "What was said:", *aligned(_COLUMNS, told)]
