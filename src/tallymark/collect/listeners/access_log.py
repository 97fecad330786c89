"""Access logs while a web server writes them; lines are read as ``tallymark load access-log`` does."""

import argparse
from pathlib import Path

from tallymark.collect.sources.access_log import access_log as source

from ._tail import Tail
from .listener import Listener, Surroundings


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the files and where to begin."""
    parser.add_argument("files", metavar="FILE", nargs="+", help="logs to follow; those that were rotated away while nobody followed are found beside them")  # fmt: skip
    parser.add_argument("--from-end", action="store_true", help="leave what a file holds when it is followed for the first time")  # fmt: skip


def identity(args: argparse.Namespace) -> str:
    """Return the first file, so that more can be added."""
    return str(Path(args.files[0]).absolute())


def follow(args: argparse.Namespace, around: Surroundings) -> Tail:
    """Open the logs."""
    paths = [Path(name).absolute() for name in dict.fromkeys(args.files)]
    return Tail(source, paths, around, from_end=args.from_end)


access_log = Listener(
    name="access-log",
    summary="Access logs of web servers, through rotation; each line one request.",
    add_flags=add_flags,
    identity=identity,
    open=follow,
    has_end=True,
)
