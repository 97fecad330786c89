"""``tallymark explain``: why a number is not what it was."""

import argparse
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from tallymark.client.answer import Answer, decode_answer
from tallymark.core.errors import TallymarkError

from .connection import add_connection_flags, open_client
from .main import COMMANDS, Subparsers
from .render import aligned, shown

# What each cause is called, in the order in which they are told.
_CAUSES: Final = {
    "recomputed": "not to be had again",
    "not_kept": "no longer kept",
    "late_events": "late events",
    "new_events": "new events",
    "people": "ids joined or parted",
    "bots": "robots",
    "definition": "the question",
}
_encode = msgspec.json.Encoder(decimal_format="number").encode


def add_parser(subparsers: Subparsers) -> None:
    """Add the command and its flags."""
    parser = subparsers.add_parser(
        "explain", help=COMMANDS["explain"], description=COMMANDS["explain"],
        epilog="An answer is what `tallymark ask … --json` printed. Several causes add up exactly.",
    )  # fmt: skip
    parser.add_argument("before", metavar="BEFORE", type=Path, help="file with the earlier answer")
    parser.add_argument("after", metavar="AFTER", type=Path, nargs="?", help="file with the later answer (default: the same question, asked now)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Ask for the causes and print them."""
    before = _read(args.before)
    with open_client(args, must_exist=True) as client:
        after = (
            client.ask(before.provenance.insight, **before.question)
            if args.after is None
            else _read(args.after)
        )
        found = client.explain(before, after)
    print(_encode(found).decode() if args.json else "\n".join(lines(found)))
    return 0


def lines(found: Mapping[str, Any]) -> list[str]:
    """Return the changes as a table, one number a line, with a column for each cause there is."""
    changes: Sequence[Mapping[str, Any]] = found["changes"]
    source = f"{found['insight']} as of {found['before']} and of {found['after']}"
    if not changes and not found["unchanged"]:
        return ["There are no numbers in it that could change.", source]
    if not changes:
        return [f"All {found['unchanged']:,} numbers are the same.", source]
    causes = [name for name in _CAUSES if any(name in change["causes"] for change in changes)]
    columns = [
        " · ".join([*found["keys"], "number"]),
        "before",
        "after",
        "change",
        *(_CAUSES[name] for name in causes),
    ]
    rows = [
        (
            _named(change),
            change["before"],
            change["after"],
            _signed((change["after"] or 0) - (change["before"] or 0)),
            *(_signed(change["causes"].get(name, 0)) for name in causes),
        )
        for change in changes
    ]
    rest = f"{found['unchanged']:,} numbers are the same."
    return [*aligned(columns, rows), "", rest, source]


def _named(change: Mapping[str, Any]) -> str:
    """Return what names a number: its row, which of those named so if not the first, its column."""
    cells = [shown(cell) for cell in change["row"]]
    if change["nth"] > 1:
        cells.append(f"({change['nth']})")
    return " · ".join([*cells, shown(change["column"])])


def _signed(number: int | Decimal) -> str:
    return f"{number:+,}" if number else "0"


def _read(path: Path) -> Answer:
    try:
        answer = decode_answer(path.read_bytes())
    except OSError as error:
        raise TallymarkError(
            f"{path} cannot be read: {error.strerror}.", code="FILE_UNREADABLE"
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise TallymarkError(
            f"{path} holds no answer: {error}.",
            code="FILE_UNREADABLE",
            hint="Give a file with what `tallymark ask … --json` printed.",
        ) from error
    if answer.question is None:
        raise TallymarkError(
            f"{path} does not say what was asked.",
            code="FILE_UNREADABLE",
            hint="It is an answer of an older version; ask again, and explain from there on.",
        )
    return answer
