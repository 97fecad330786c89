"""``tallymark identity``: what became of claims that two ids are one person, and claims by hand."""

import argparse
from contextlib import suppress
from typing import Any

from tallymark.client import Client
from tallymark.core.errors import CODES, NotFound, Refused

from .connection import add_connection_flags, open_client
from .main import COMMANDS, Subparsers
from .render import aligned
from .who import link_lines

_KINDS = ("user", "anonymous")


def add_parser(subparsers: Subparsers) -> None:
    """Add the command with its actions."""
    parser = subparsers.add_parser(
        "identity",
        help=COMMANDS["identity"],
        description=COMMANDS["identity"]
        + " An id may be written user:ID or anonymous:ID where it is not plain which is meant.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    links = actions.add_parser("links", help="list claims, newest first, and count them by outcome")
    links.add_argument("--outcome", choices=("linked", "retracted", "refused", "ignored"), help="only these")  # fmt: skip
    links.add_argument("--limit", type=int, default=50, metavar="N", help="most lines (default: 50)")  # fmt: skip
    links.add_argument("--cursor", help="where to go on, from the page before")
    add_connection_flags(links)
    for action, says in (
        ("link", "say that two ids are one person, also if both are users"),
        ("unlink", "take back the link between two ids; seeing them together links them no more"),
    ):
        added = actions.add_parser(action, help=says)
        added.add_argument("one", metavar="ID", help="an id")
        added.add_argument("other", metavar="ID", help="the other id")
        add_connection_flags(added)


def run(args: argparse.Namespace) -> int:
    """Do the action and print its outcome."""
    with open_client(args, must_exist=True) as client:
        if args.action == "links":
            print("\n".join(_listed(client, args)))
            return 0
        return _claimed(client, "alias" if args.action == "link" else "unlink", args)


def _listed(client: Client, args: argparse.Namespace) -> list[str]:
    page = client.links(outcome=args.outcome, limit=args.limit, cursor=args.cursor)
    counts = aligned(("outcome", "claims"), list(page["counts"].items()))
    more = [f"The next page: --cursor {page['cursor']}"] if page["cursor"] else []
    return [*counts, "", *link_lines(page["links"]), *more]


def _claimed(client: Client, does: str, args: argparse.Namespace) -> int:
    client.wait()
    ends = [_known(client, args.one), _known(client, args.other)]
    (one_kind, one), (other_kind, other) = ends
    claim = {
        "type": does, "one": one, "one_kind": one_kind, "other": other, "other_kind": other_kind,
    }  # fmt: skip
    before = _newest(client, ends)
    sent = client.send(claim)
    if sent.failed:
        first = sent.failed[0]
        raise Refused(str(first["message"]), code=str(first["code"]))
    client.wait()
    newest = _newest(client, ends)
    if newest is not None and newest["reason"]:
        known = CODES[newest["reason"]]
        print(f"{newest['outcome'].capitalize()}: {known.meaning} {known.fix}")
        return 1
    if newest == before:
        print("Nothing to do: that is known already.")
        return 0
    is_one = _person(client, ends[0]) == _person(client, ends[1])
    print(f"{one} and {other} are {'one person' if is_one else 'two people'} now.")
    return 0


def _known(client: Client, text: str) -> tuple[str, str]:
    """Return the kind and the id that are meant; raises NotFound, and Refused if both kinds are."""
    kind, colon, name = text.partition(":")
    if colon and kind in _KINDS:
        return kind, name
    found = []
    for kind in _KINDS:
        with suppress(NotFound):
            client.person(text, kind=kind)
            found.append(kind)
    if len(found) > 1:
        raise Refused(
            f"{text!r} is a user id and an anonymous id.",
            hint=f"Write user:{text} or anonymous:{text}.",
        )
    if not found:
        raise NotFound(f"Nobody is known by the id {text!r}.")
    return found[0], text


def _newest(client: Client, ends: list[tuple[str, str]]) -> dict[str, Any] | None:
    """Return the newest claim on both ids."""
    try:
        links = client.person(ends[0][1], kind=ends[0][0])["links"]
    except NotFound:
        return None
    for link in links:
        if {(link[end]["kind"], link[end]["id"]) for end in ("one", "other")} == set(ends):
            return dict(link)
    return None


def _person(client: Client, end: tuple[str, str]) -> Any:
    return client.person(end[1], kind=end[0])["person"]
