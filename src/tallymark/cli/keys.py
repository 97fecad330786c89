"""``tallymark keys``: the keys of a project, by the owner of the data folder."""

import argparse
from typing import Any

from tallymark.client import Client
from tallymark.core.clock import SystemClock, rfc3339
from tallymark.core.errors import Refused

from .connection import add_connection_flags, open_client
from .main import COMMANDS, Subparsers
from .render import aligned


def add_parser(subparsers: Subparsers) -> None:
    """Add the command with its actions."""
    parser = subparsers.add_parser(
        "keys",
        help=COMMANDS["keys"],
        description=COMMANDS["keys"] + " Only the owner of the data folder can.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list projects and the keys of one")
    create = actions.add_parser("create", help="make a key and show it this once")
    create.add_argument("kind", choices=("public", "secret", "read"), help="public only sends, read only asks, secret does both")  # fmt: skip
    create.add_argument("--label", default="", help="what it is for")
    create.add_argument("--origin", action="append", default=[], metavar="ORIGIN", help="a site whose pages alone may send with this public key, such as https://shop.example; may be repeated")  # fmt: skip
    create.add_argument("--new-project", action="store_true", help="make the project named by --project first")  # fmt: skip
    revoke = actions.add_parser("revoke", help="end a key at once")
    rotate = actions.add_parser("rotate", help="give a key a successor; both work for a while")
    rotate.add_argument("--grace-seconds", type=int, help="how long the old one goes on working (default: a day; 0: not at all)")  # fmt: skip
    for action in (revoke, rotate):
        action.add_argument("key", help="id of the key, see `tallymark keys list`")
    for action in (listing, create, revoke, rotate):
        add_connection_flags(action)


def run(args: argparse.Namespace) -> int:
    """Do the action and print its outcome."""
    if args.action == "create" and args.new_project and not args.project:
        raise Refused("--new-project needs --project NAME.", code="PROJECT_UNKNOWN")
    with open_client(args) as client:
        match args.action:
            case "list":
                lines = _listed(client)
            case "create":
                if args.new_project:
                    # Its id is made from the name: "My Shop" becomes my-shop.
                    made = client.create_project(args.project)
                    client.project = made["project"]["id"]
                lines = _issued(client.create_key(args.kind, label=args.label, origins=args.origin))
            case "revoke":
                lines = [f"The key {client.revoke(args.key)['id']} no longer works."]
            case _:
                lines = _issued(client.rotate(args.key, **_grace(args)))
    print("\n".join(lines))
    return 0


def _listed(client: Client) -> list[str]:
    projects = aligned(
        ("project", "name", "time zone", "created"),
        [(one["id"], one["name"], one["timezone"], _when(one["created_at"])) for one in client.projects()],
    )  # fmt: skip
    found = client.keys()
    keys = aligned(
        ("key", "kind", "label", "created", "state"),
        [
            (one["id"], one["kind"], one["label"], _when(one["created_at"]), _state(one))
            for one in found
        ],
    )
    return [*projects, "", f"Keys of {client.project}:", *keys]


def _state(key: dict[str, Any]) -> str:
    if key["revoked_at"] is not None:
        return f"revoked {_when(key['revoked_at'])}"
    if key["expires_at"] is None:
        return "works"
    word = "ended" if key["expires_at"] <= SystemClock().now() else "ends"
    return f"{word} {_when(key['expires_at'])}"


def _issued(made: dict[str, Any]) -> list[str]:
    key = made["key"]
    return [
        f"{key['kind']} key {key['id']} of {key['project']}, shown this once:",
        made["secret"],
    ]


def _grace(args: argparse.Namespace) -> dict[str, int]:
    return {} if args.grace_seconds is None else {"grace_seconds": args.grace_seconds}


def _when(instant_us: int) -> str:
    return rfc3339(instant_us - instant_us % 1_000_000)
