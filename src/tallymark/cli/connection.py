"""Which server a command talks to: flags, then TALLYMARK_* variables, then the data folder."""

import argparse
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tallymark.client import Client, connect
from tallymark.core.errors import NotAllowed, Unavailable
from tallymark.core.settings import load_settings

DEFAULT_PROJECT = "default"
DEMO_FOLDER = ".demo"
_LOOK_SECONDS = 0.5


def add_connection_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that choose server and project."""
    group = parser.add_argument_group("which server and project")
    group.add_argument(
        "--data", metavar="DIR", help="data folder of the server on this machine (default: data)"
    )
    group.add_argument(
        "--url", metavar="URL", help="address of another server, or TALLYMARK_URL; needs a key"
    )
    group.add_argument(
        "--key", help="key for --url; better in TALLYMARK_KEY, where ps cannot see it"
    )
    group.add_argument(
        "--project", metavar="NAME", help="project, or TALLYMARK_PROJECT; a key names its own"
    )


def open_client(args: argparse.Namespace, *, must_exist: bool = False) -> Client:
    """Return a client as the flags say; a folder nobody serves is served for as long as it is open.

    Without a project named, the only one of a folder is chosen, else ``default``. Raises
    Unavailable SERVER_AWAY if a folder that must exist does not, and NotAllowed AUTH_MISSING if
    there is no key for an address.
    """
    project = args.project or os.environ.get("TALLYMARK_PROJECT") or None
    url = url_of(args)
    if url is not None:
        return connect(url, key=_key(args, url), project=project)
    data = load_settings({"data": args.data}).data
    if must_exist and not Path(data).is_dir():
        raise Unavailable(
            f"There is no data folder {data!r} here.",
            code="SERVER_AWAY",
            hint=f"That of the demo lies here: add --data {DEMO_FOLDER}."
            if Path(DEMO_FOLDER).is_dir()
            else "Name it with --data, or make one with `tallymark serve` or `tallymark load`.",
        )
    if project is not None:
        return connect(data, project=project)
    client = connect(data)
    try:
        names = [one["id"] for one in client.projects()]
        client.project = names[0] if len(names) == 1 else DEFAULT_PROJECT
    except BaseException:
        client.close()
        raise
    return client


@contextmanager
def waiting_client(
    args: argparse.Namespace, stop: threading.Event, tell: Callable[[str], None]
) -> Iterator[Client | None]:
    """Give a client as ``open_client`` does, but start no server: wait until one answers.

    A server started for something that runs for long would keep the real one out of its folder.
    Gives None if ``stop`` was set first.
    """
    project = args.project or os.environ.get("TALLYMARK_PROJECT") or None
    url = url_of(args)
    if url is not None:
        with connect(url, key=_key(args, url), project=project) as client:
            yield client
        return
    data = Path(load_settings({"data": args.data}).data)
    with connect(data, project=project, starts=False) as client:
        is_told = False
        while not stop.is_set():
            try:
                names = [one["id"] for one in client.projects()]
            except Unavailable as away:
                if not is_told:
                    tell(f"{away.message} Waiting for `tallymark serve --data {data}`.")
                is_told = True
                stop.wait(_LOOK_SECONDS)
                continue
            client.project = project or (names[0] if len(names) == 1 else DEFAULT_PROJECT)
            yield client
            return
        yield None


def url_of(args: argparse.Namespace) -> str | None:
    """Return the address of a server elsewhere, None for that of a data folder."""
    return args.url or (None if args.data else os.environ.get("TALLYMARK_URL"))


def _key(args: argparse.Namespace, url: str) -> str:
    key: str | None = args.key or os.environ.get("TALLYMARK_KEY")
    if key is None:
        raise NotAllowed(
            f"There is no key for {url}.", code="AUTH_MISSING", hint="Set TALLYMARK_KEY."
        )
    return key
