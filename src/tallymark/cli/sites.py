"""``tallymark sites``: the names by which clients of other tools call a project, where they send no key."""

import argparse
from typing import Any

from tallymark.client import Client
from tallymark.core.clock import rfc3339

from .connection import add_connection_flags, open_client
from .main import COMMANDS, Subparsers
from .render import aligned


def add_parser(subparsers: Subparsers) -> None:
    """Add the command with its actions."""
    parser = subparsers.add_parser(
        "sites",
        help=COMMANDS["sites"],
        description=COMMANDS["sites"] + " Only the owner of the data folder can.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list the sites of a project")
    add = actions.add_parser("add", help="let clients of a protocol call the project by a name")
    remove = actions.add_parser("remove", help="end a site at once; what it brought stays")
    for action in (add, remove):
        action.add_argument("protocol", help="wire protocol, such as matomo or plausible")
        action.add_argument(
            "name", help="what its clients send: a domain, a site's number, an app id"
        )
    for action in (listing, add, remove):
        add_connection_flags(action)


def run(args: argparse.Namespace) -> int:
    """Do the action and print its outcome."""
    with open_client(args) as client:
        match args.action:
            case "list":
                lines = _listed(client)
            case "add":
                site = client.add_site(args.protocol, args.name)
                lines = [
                    f"The {site['protocol']} site {site['name']} now sends to {site['project']}."
                ]
            case _:
                client.remove_site(args.protocol, args.name)
                lines = [f"The {args.protocol} site {args.name} no longer works."]
    print("\n".join(lines))
    return 0


def _listed(client: Client) -> list[str]:
    found = client.sites()
    if not found:
        return [f"{client.project} has no sites."]
    return aligned(("protocol", "name", "since"), [_row(one) for one in found])


def _row(site: dict[str, Any]) -> tuple[str, str, str]:
    since = site["created_at"]
    return site["protocol"], site["name"], rfc3339(since - since % 1_000_000)
