"""``tallymark sql``: one SELECT over the documented views."""

import argparse
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from .connection import add_connection_flags, open_client
from .main import COMMANDS, Subparsers
from .render import aligned, csv_text

_encode = msgspec.json.Encoder(decimal_format="number").encode


def add_parser(subparsers: Subparsers) -> None:
    """Add the command and its flags."""
    parser = subparsers.add_parser(
        "sql", help=COMMANDS["sql"], description=COMMANDS["sql"],
        epilog="example: tallymark sql 'SELECT event, count(*) FROM events GROUP BY event'",
    )  # fmt: skip
    parser.add_argument("statement", metavar="SELECT", help="the statement, or - for stdin")
    parser.add_argument("--limit", type=int, default=1_000, metavar="N", help="most rows (default: 1000)")  # fmt: skip
    parser.add_argument("--max-age", type=int, default=60, metavar="SECONDS", help="how old the copy may be that is read (default: 60)")  # fmt: skip
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print the whole answer as JSON")
    output.add_argument("--csv", action="store_true", help="print the rows as CSV")
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Ask and print the rows."""
    statement = sys.stdin.read() if args.statement == "-" else args.statement
    with open_client(args, must_exist=True) as client:
        found = client.sql(statement, limit=args.limit, max_age_seconds=args.max_age)
    if args.json:
        print(_encode(found).decode())
    elif args.csv:
        print(csv_text(found["columns"], found["rows"]), end="")
    else:
        print("\n".join([*aligned(found["columns"], found["rows"]), "", _source(found)]))
    return 0


def _source(found: Mapping[str, Any]) -> str:
    count = len(found["rows"])
    cut = "; there are more, see --limit" if found["is_cut"] else ""
    return (
        f"{count:,} {'row' if count == 1 else 'rows'}{cut} · log position {found['log_position']},"
        f" copied {found['age_seconds']} s ago · {found['took_ms']:.0f} ms"
        f" · Tallymark {found['version']}"
    )
