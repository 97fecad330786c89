"""``tallymark users``: who may sign in to the dashboard, by the owner of the data folder."""

import argparse
from typing import Any

from tallymark.client import Client
from tallymark.core.clock import rfc3339
from tallymark.core.errors import NotFound

from .connection import add_connection_flags, open_client
from .main import COMMANDS, Subparsers
from .render import aligned

_ROLES = ("viewer", "analyst", "admin", "owner")


def add_parser(subparsers: Subparsers) -> None:
    """Add the command with its actions."""
    parser = subparsers.add_parser(
        "users",
        help=COMMANDS["users"],
        description=COMMANDS["users"] + " Only the owner of the data folder can.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list everybody who may sign in")
    add = actions.add_parser("add", help="let somebody in; prints their link")
    role = actions.add_parser("role", help="change what somebody may do in the project")
    link = actions.add_parser("link", help="make a new link with which to set a password")
    disable = actions.add_parser("disable", help="sign somebody out and keep them out")
    for action in (add, role, disable):
        action.add_argument("email", help="e-mail address of the user")
    link.add_argument("email", nargs="?", help="e-mail address of the user (default: the first owner of a new server)")  # fmt: skip
    for action in (add, role):
        action.add_argument("--role", choices=_ROLES, default="viewer", help="viewer asks, analyst also defines and repairs, admin also sees to keys, owner may everything everywhere (default: viewer)")  # fmt: skip
    add.add_argument("--name", default="", help="how they are called")
    for action in (listing, add, role, link, disable):
        add_connection_flags(action)


def run(args: argparse.Namespace) -> int:
    """Do the action and print its outcome."""
    with open_client(args) as client:
        match args.action:
            case "list":
                lines = _listed(client)
            case "add":
                rights = _rights(client, args.role)
                lines = _invited(client.add_user(args.email, name=args.name, **rights))
            case "link" if args.email is None:
                lines = ["Open this path of the server to take it over:", f"/setup#{client.owner_link()}"]  # fmt: skip
            case "link":
                lines = _invited(client.invite_user(_user(client, args.email)["id"]))
            case "role":
                lines = [_told(_change(client, args.email, role=args.role))]
            case _:
                made = _change(client, args.email, is_disabled=True)
                lines = [f"{made['email']} cannot sign in any more."]
    print("\n".join(lines))
    return 0


def _rights(client: Client, role: str, projects: dict[str, str] | None = None) -> dict[str, Any]:
    if role == "owner":
        return {"is_owner": True, "projects": projects or {}}
    project = client.project or client.projects()[0]["id"]
    return {"is_owner": False, "projects": {**(projects or {}), project: role}}


def _change(
    client: Client, email: str, *, role: str | None = None, is_disabled: bool = False
) -> dict[str, Any]:
    user = _user(client, email)
    rights = {name: user[name] for name in ("is_owner", "projects")}
    if role is not None:
        rights = _rights(client, role, user["projects"])
    changed: dict[str, Any] = client.change_user(user["id"], is_disabled=is_disabled, **rights)
    return changed


def _user(client: Client, email: str) -> dict[str, Any]:
    plain = email.strip().lower()
    found = [one for one in client.users() if one["email"] == plain]
    if not found:
        raise NotFound(f"There is no user {email[:80]!r}.", hint="See `tallymark users list`.")
    return found[0]


def _invited(made: dict[str, Any]) -> list[str]:
    return [
        f"{_told(made['user'])} The path of their link to set a password, shown this once:",
        f"/welcome#{made['token']}",
    ]


def _told(user: dict[str, Any]) -> str:
    return f"{user['email']} is {_roles(user)}."


def _roles(user: dict[str, Any]) -> str:
    if user["is_owner"]:
        return "owner"
    said = ", ".join(f"{role} of {project}" for project, role in user["projects"].items())
    return said or "in no project"


def _listed(client: Client) -> list[str]:
    found = client.users()
    if not found:
        return ["There are no users yet."]
    return aligned(("user", "name", "role", "since", "state"), [_row(one) for one in found])


def _row(user: dict[str, Any]) -> tuple[str, ...]:
    since = user["created_at"]
    state = "works" if user["has_password"] else "invited"
    if user["disabled_at"] is not None:
        state = "disabled"
    return (
        user["email"], user["name"], _roles(user), rfc3339(since - since % 1_000_000), state,
    )  # fmt: skip
