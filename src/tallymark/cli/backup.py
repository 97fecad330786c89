"""``tallymark backup``, ``restore`` and ``verify``: copies of everything, and whether all is there."""

import argparse
from pathlib import Path
from typing import Any

from .connection import add_connection_flags, open_client
from .main import COMMANDS, Subparsers
from .render import aligned, shown


def add_parser(subparsers: Subparsers) -> None:
    """Add the three commands."""
    backup = subparsers.add_parser("backup", help=COMMANDS["backup"], description=COMMANDS["backup"])  # fmt: skip
    backup.add_argument("target", metavar="TARGET", help="new folder for the copy, on the server's machine")  # fmt: skip
    verify = subparsers.add_parser("verify", help=COMMANDS["verify"], description=COMMANDS["verify"])  # fmt: skip
    for parser in (backup, verify):
        add_connection_flags(parser)
    restore = subparsers.add_parser(
        "restore",
        help=COMMANDS["restore"],
        description=COMMANDS["restore"] + " Every file is checked against the manifest first.",
    )
    restore.add_argument("source", metavar="SOURCE", help="folder of the backup")
    restore.add_argument("--data", metavar="DIR", required=True, help="data folder to make")


def run(args: argparse.Namespace) -> int:
    """Do the command and print what it found; 1 if something is wrong."""
    if args.command == "restore":
        return _restore(args)
    with open_client(args, must_exist=True) as client:
        if args.command == "verify":
            return _verified(client.verify())
        manifest = client.backup(args.target)
    print(f"Backed up to {args.target}:")
    print("\n".join(_contents(manifest["projects"])))
    return 0


def _restore(args: argparse.Namespace) -> int:
    from tallymark.app.backup import restore

    manifest = restore(Path(args.source), Path(args.data))
    print(f"Restored to {args.data}, every file as in the manifest:")
    print("\n".join(_contents({name: _as_dict(one) for name, one in manifest.projects.items()})))
    print(f"Serve it with: tallymark serve --data {args.data}")
    return 0


def _contents(projects: dict[str, dict[str, Any]]) -> list[str]:
    return aligned(
        ("project", "events", "store position", "log position"),
        [
            (name, one["events"], one["store_position"], one["log_head"])
            for name, one in projects.items()
        ],
    )


def _as_dict(entry: Any) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in entry.__struct_fields__}


def _verified(report: dict[str, Any]) -> int:
    for name, found in report["projects"].items():
        store = found["store"]
        wrong = [*_wrong_log(found["log"]), *store["wrong"]]
        print(f"{'bad' if wrong else 'ok':4}  {shown(name)}: {store['events']:,} events stored")
        for problem in wrong:
            print(f"      → {shown(problem)}")
    print("Everything fits together." if report["ok"] else "Restore what is damaged from a backup.")
    return 0 if report["ok"] else 1


def _wrong_log(log: dict[str, Any]) -> list[str]:
    wrong = [f"the batch at log position {at} is damaged" for at in log.get("damaged", ())]
    if log.get("first_broken") is not None:
        wrong.append(f"the log's chain breaks at position {log['first_broken']}")
    return wrong
