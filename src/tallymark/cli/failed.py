"""``tallymark failed``: what could not be counted, why, and how to count it after all."""

import argparse
import base64
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from tallymark.client import Client
from tallymark.core.clock import instant, rfc3339
from tallymark.core.errors import CODES, NotFound, Refused
from tallymark.schema.repair import read_repairs
from tallymark.schema.yaml_file import read_yaml

from .connection import add_connection_flags, open_client
from .main import COMMANDS, Subparsers
from .render import aligned, shown

_FILTERS: Final = ("code", "event", "source", "protocol", "status")
_HELP: Final = {
    "code": "only failures of this code", "event": "only of this event name",
    "source": "only sent with this key, by its public part", "protocol": "only of this protocol",
    "status": "only of this status: open, fixed, replayed, ignored or expired",
}  # fmt: skip
_to_json: Final = msgspec.json.Encoder(decimal_format="number").encode


def add_parser(subparsers: Subparsers) -> None:
    """Add the command with its actions."""
    parser = subparsers.add_parser(
        "failed", help=COMMANDS["failed"], description=COMMANDS["failed"],
        epilog="How to write repairs: docs/how-to/repair-failed-events.md",
    )  # fmt: skip
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list them, newest first")
    listing.add_argument("--limit", type=int, default=20, help="how many (default: 20)")
    show = actions.add_parser("show", help="show one with everything kept of it")
    show.add_argument("seq", type=int, help="its place in the log, see `tallymark failed list`")
    export = actions.add_parser("export", help="write them as JSON lines, oldest first")
    export.add_argument("--out", type=Path, help="file to write; the terminal if left out")
    fix = actions.add_parser("fix", help="repair those that are open by a file of steps, and replay them")  # fmt: skip
    fix.add_argument("file", type=Path, help="YAML file of steps")
    replay = actions.add_parser("replay", help="try those that are open again as they are, as after a push of a plan")  # fmt: skip
    ignore = actions.add_parser("ignore", help="say that they need no attention")
    for action in (fix, replay):
        action.add_argument("--dry-run", action="store_true", help="only say what would become of them")  # fmt: skip
        action.add_argument("--show", type=int, default=3, metavar="N", help="how many to show before and after (default: 3)")  # fmt: skip
    ignore.add_argument("--all", action="store_true", help="all that are open, where nothing else is named")  # fmt: skip
    for action in (listing, export, fix, replay, ignore):
        _add_filters(action, has_seqs=action in (fix, replay, ignore))
    for action in (listing, show, export, fix, replay, ignore):
        add_connection_flags(action)


def run(args: argparse.Namespace) -> int:
    """Do the action and print its outcome; 1 if some of what was tried again still fails."""
    where = {} if args.action == "show" else _where(args)
    if args.action == "ignore" and not where and not args.all:
        raise Refused("Nothing is named.", hint="Name events by --code or --event, or say --all.")
    steps = _steps(args.file) if args.action == "fix" else []
    lines: Iterable[str]
    with open_client(args, must_exist=True) as client:
        match args.action:
            case "list":
                lines = _listed(client, where, args.limit)
            case "show":
                lines = _shown(client, args.seq)
            case "export":
                lines = _exported(client, where, args.out)
            case "ignore":
                lines = [f"{client.mark_failed(where):,} are ignored."]
                client.wait()
            case _:
                report = client.replay(where=where, steps=steps, dry_run=args.dry_run, examples=args.show)  # fmt: skip
                client.wait()
                print("\n".join(_reported(report)))
                return 1 if report["still_failed"] else 0
        for line in lines:
            print(line)
    return 0


def _add_filters(parser: argparse.ArgumentParser, *, has_seqs: bool) -> None:
    group = parser.add_argument_group("which ones")
    for name in _FILTERS:
        group.add_argument(f"--{name}", help=_HELP[name])
    group.add_argument("--since", help="only received from this time on, such as 2026-11-01 or 2026-11-01T10:00Z")  # fmt: skip
    group.add_argument("--until", help="only received before this time")
    if has_seqs:
        group.add_argument("--seq", type=int, action="append", help="only the one at this place in the log; may be repeated")  # fmt: skip


def _where(args: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {name: value for name in _FILTERS if (value := getattr(args, name))}
    found |= {name: _time(value) for name in ("since", "until") if (value := getattr(args, name))}
    if getattr(args, "seq", None):
        found["seqs"] = args.seq
    return found


def _time(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(f"{text!r} is no time.", hint="Write for example 2026-11-01T10:00Z.") from None  # fmt: skip
    return instant(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _steps(path: Path) -> list[Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.", code="FILE_UNREADABLE") from None
    read_repairs(content, path.name)
    steps: list[Any] = read_yaml(content, path.name)["steps"]
    return steps


def _listed(client: Client, where: dict[str, Any], limit: int) -> list[str]:
    page = client.failed(**where, limit=limit)
    rows = [
        (str(one["seq"]), _when(one), one["code"], one["event_name"], one["event_id"], one["status"], one["message"])
        for one in page["failed"]
    ]  # fmt: skip
    if not rows:
        return ["None."]
    lines = aligned(("seq", "received", "code", "event", "id", "status", "message"), rows)
    counts = ", ".join(f"{count:,} × {code}" for code, count in page["counts"].items())
    expired = page["statuses"].get("expired", 0)
    gone = f" Of {expired:,} the time ended; what was sent is gone." if expired else ""
    return [*lines, f"Open in all: {counts or 'none'}.{gone}"]


def _shown(client: Client, seq: int) -> list[str]:
    found = client.failed(seq=seq)["failed"]
    if not found:
        raise NotFound(f"No failed event is at {seq}.", hint="See: tallymark failed list")
    (one,) = found
    told = {name: value for name, value in one.items() if name not in ("raw", "errors") and value is not None}  # fmt: skip
    lines = [f"{name:14}  {shown(str(value))}" for name, value in told.items()]
    lines += [f"{'wrong':14}  {shown(_wrong(error))}" for error in one["errors"]]
    fix = CODES[one["code"]].fix if one["code"] in CODES else ""
    raw = base64.b64decode(one["raw"] or "")
    if not raw and one["raw_bytes"]:
        return [*lines, f"{'advice':14}  {fix}", "", "What was sent is kept no longer; see the setting failed_keep_days."]  # fmt: skip
    return [*lines, f"{'advice':14}  {fix}", "", *_pretty(raw)]


def _wrong(error: dict[str, Any]) -> str:
    expected = f", expected {error['expected']}" if error["expected"] else ""
    got = f", got {error['got']}" if error["got"] else ""
    by = f" ({error['schema']})" if error["schema"] else ""
    return f"{error['path'] or 'all of it'}: {error['rule']}{expected}{got}{by}"


def _exported(client: Client, where: dict[str, Any], out: Path | None) -> Iterable[str]:
    """Return the lines, or how many went to the file."""
    found = client.failed_lines(**where)
    if out is None:
        # Other than in a list, nothing may be replaced: a line is for programs, and has no control in it.
        return (line.decode() for line in found)
    count = 0
    try:
        with out.open("wb") as file:
            for line in found:
                file.write(line + b"\n")
                count += 1
    except OSError as error:
        raise Refused(
            f"{out} cannot be written: {error.strerror}.", code="FILE_UNREADABLE"
        ) from None
    return [f"{count:,} were written to {out}."]


def _pretty(raw: bytes) -> list[str]:
    try:
        # Numbers as they stand: reading and writing them again might change them.
        text = msgspec.json.format(raw, indent=2)
    except (msgspec.MsgspecError, RecursionError):
        text = raw
    return [shown(line) for line in text.decode("utf-8", "replace").splitlines()]


def _reported(report: dict[str, Any]) -> Iterable[str]:
    for one in report["examples"]:
        why = f": {one['code']}: {one['message']}" if one["code"] else ""
        yield shown(f"{one['seq']} {one['outcome']}{why}")
        for sign, word in (("-", "before"), ("+", "after")):
            if one[word] is not None and (word == "before" or one["before"] != one["after"]):
                yield shown(f"  {sign} {_to_json(one[word]).decode()}")
    did = "would be" if report["dry_run"] else "were"
    yield (
        f"Of {report['in']:,}, {report['fixed']:,} {did} counted, {report['still_failed']:,} still"
        f" fail, {report['suppressed']:,} may not be kept, {report['duplicate']:,} count already."
    )
    for code, count in report["reasons"].items():
        yield f"  {count:,} × {code}"


def _when(one: dict[str, Any]) -> str:
    return rfc3339(one["received_us"] - one["received_us"] % 1_000_000)
