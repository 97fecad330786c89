"""JSON lines while a program writes them; lines are read as ``tallymark load ndjson`` does."""

import argparse
from pathlib import Path

from tallymark.collect.sources.ndjson import ndjson as source

from ._tail import Tail
from .access_log import add_flags, identity
from .listener import Listener, Surroundings


def follow(args: argparse.Namespace, around: Surroundings) -> Tail:
    """Open the files."""
    paths = [Path(name).absolute() for name in dict.fromkeys(args.files)]
    return Tail(source, paths, around, from_end=args.from_end)


ndjson = Listener(
    name="ndjson",
    summary="JSON lines that a program writes to a file, through rotation; events, or mapped objects.",
    add_flags=add_flags,
    identity=identity,
    open=follow,
    has_end=True,
    takes_mapping=True,
)
