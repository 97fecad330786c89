"""``tallymark serve``: run the server on a data folder, making a first project where there is none."""

import argparse
import errno
import os
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import structs

from tallymark.app.folders import Folders, locked
from tallymark.catalog.catalog import Catalog
from tallymark.catalog.keys import Kind
from tallymark.core.clock import SystemClock
from tallymark.core.errors import TallymarkError
from tallymark.core.registry import did_you_mean
from tallymark.core.settings import Settings, load_settings

from .connection import DEFAULT_PROJECT
from .main import COMMANDS, Subparsers

_CANNOT_LISTEN = {errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES}
_KINDS = {"public": "only sends", "secret": "sends and asks", "read": "only asks"}


def add_parser(subparsers: Subparsers) -> None:
    """Add the command, its flags and help."""
    parser = subparsers.add_parser(
        "serve", help=COMMANDS["serve"], description=COMMANDS["serve"] + " Ctrl-C stops it."
    )
    add_serving_flags(parser)
    parser.add_argument(
        "--no-tcp", action="store_true", help="answer only on the socket in the data folder"
    )
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="stop when the standard input closes, so that no server outlives who started it",
    )


def add_serving_flags(parser: argparse.ArgumentParser, folder: str = "data") -> None:
    """Add the flags that say where to serve."""
    parser.add_argument("--data", metavar="DIR", help=f"data folder (default: {folder})")
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on; 0 takes a free one")
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="any setting, such as max_batch_events=500; may be repeated",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until stopped; a new data folder gets a project, and its keys are shown this once."""
    from tallymark.app import front

    settings = settings_of(args)
    is_private = args.until_stdin_closes
    keys = prepare(settings, with_keys=not is_private)
    owner = None if is_private else owner_token(settings)

    def ready() -> None:
        if keys:
            print(first_steps(address_of(settings), DEFAULT_PROJECT, keys))
        where = f"the socket in {settings.data}" if args.no_tcp else address_of(settings)
        if owner is not None and not args.no_tcp:
            print(f"Nobody can sign in yet. To take this server over, open {address_of(settings)}/setup#{owner}")  # fmt: skip
        print(f"Serving {settings.data} on {where} (Ctrl-C stops it).", flush=True)

    try:
        front.run(settings, tcp=not args.no_tcp, until_stdin_closes=is_private, ready=ready)
    except OSError as error:
        if error.errno not in _CANNOT_LISTEN and not isinstance(error, socket.gaierror):
            raise
        raise TallymarkError(
            f"Cannot listen on {address_of(settings)}: {error.strerror or error}.",
            code="SETTING_INVALID",
            hint="Stop what listens there, or choose another with --port.",
        ) from error
    return 0


def settings_of(args: argparse.Namespace, **defaults: Any) -> Settings:
    """Return the settings with the flags above everything else; raises SETTING_INVALID."""
    flags = {"data": args.data, "host": args.host, "port": args.port}
    given = {name: value for name, value in flags.items() if value is not None}
    settings = load_settings({**defaults, **dict(map(_setting, args.set)), **given})
    if settings.port == 0:
        settings = structs.replace(settings, port=_free_port(settings.host))
    return settings


def prepare(
    settings: Settings, project: str = DEFAULT_PROJECT, *, with_keys: bool
) -> dict[str, str]:
    """Create the project if the data folder has none; return the texts of its first keys by kind.

    Raises TallymarkError DATA_DIR_IN_USE while the folder is served.
    """
    # Events are nobody else's business on this machine: every file is its owner's alone.
    os.umask(0o077)
    data = Path(settings.data).absolute()
    now = SystemClock().now()
    # Two that start at once must not both make the catalog.
    with locked(Folders(data)), closing(Catalog.in_folder(data)) as catalog:
        if catalog.projects():
            return {}
        catalog.create_project(project, now=now)
        if not with_keys:
            return {}
        kinds: tuple[Kind, ...] = ("public", "secret", "read")
        return {kind: catalog.create_key(project, kind, "first", now=now)[1] for kind in kinds}


def owner_token(settings: Settings) -> str | None:
    """Return a token with which somebody takes the server over, None where it has users.

    Raises TallymarkError DATA_DIR_IN_USE while the folder is served.
    """
    data = Path(settings.data).absolute()
    with locked(Folders(data)), closing(Catalog.in_folder(data)) as catalog:
        users = catalog.users
        return users.invite(None, now=SystemClock().now()) if users.is_empty() else None


def first_steps(address: str, project: str, keys: dict[str, str]) -> str:
    """Return what somebody who has just created a project wants to know."""
    lines = [f"Created the project {project!r}. Its keys, shown this once:"]
    lines += [f"  {kind:7}{keys[kind]}  ({use})" for kind, use in _KINDS.items()]
    return "\n".join(
        (
            *lines,
            "Send an event:",
            f"  curl {address}/tm/v1/events -H 'Authorization: Bearer {keys['secret']}' \\",
            """    -H 'Content-Type: application/json' -d '{"name": "signup", "user_id": "ana"}'""",
            "Ask a question:",
            f"  TALLYMARK_KEY={keys['read']} \\",
            f"    tallymark ask trends --url {address} --event signup --last 7d",
        )
    )


def address_of(settings: Settings) -> str:
    """Return the address at which a server with these settings answers."""
    return f"http://{settings.host}:{settings.port}"


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _setting(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or name not in Settings.__struct_fields__:
        raise TallymarkError(
            f"--set {text!r} names no setting.",
            code="SETTING_INVALID",
            hint=did_you_mean(name, Settings.__struct_fields__) or "Write NAME=VALUE.",
        )
    return name, value
