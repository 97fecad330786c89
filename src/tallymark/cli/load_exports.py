"""What `tallymark load` needs for the exports of other tools: their files, range and policy."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tallymark.client import Client
from tallymark.collect.protocols._values import when
from tallymark.collect.sources.mapping import Fields
from tallymark.collect.sources.source import Around, Options, Source
from tallymark.core.errors import NotAllowed, Refused, TallymarkError
from tallymark.core.policy import Policy
from tallymark.core.settings import load_settings

from .connection import DEFAULT_PROJECT

_MOST_FILES = 100_000


def add_range_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that choose a range of an export."""
    add = parser.add_argument
    add("--since", metavar="TIME", type=_instant, help="of an export: what happened at this time or later")  # fmt: skip
    add("--until", metavar="TIME", type=_instant, help="of an export: what happened before this time, such as the one at which live events began")  # fmt: skip


def files_of(names: Sequence[str]) -> list[Path]:
    """Return the files that are named, of a folder all in it and below, by name.

    Hidden ones and links out of it are left; raises FILE_UNREADABLE for a folder without any.
    """
    found: list[Path] = []
    for name in names:
        place = Path(name)
        if not place.is_dir():
            found.append(place)
            continue
        within = sorted(
            file
            for file in place.rglob("*")
            if file.is_file() and not file.is_symlink() and not file.name.startswith(".")
        )
        if not 0 < len(within) <= _MOST_FILES:
            raise TallymarkError(
                f"{place}: the folder holds {len(within)} files.", code="FILE_UNREADABLE"
            )
        found += within
    return found


def check_owner(url: str | None) -> None:
    """Raise AUTH_WRONG_KIND if an export would go to a server elsewhere."""
    if url is not None:
        raise NotAllowed(
            "Only the owner of the data folder loads an export.",
            code="AUTH_WRONG_KIND",
            hint="Its events bring the ids of the tool's own clients. Load it on the server, with --data.",
        )


def options_of(args: argparse.Namespace, source: Source, fields: Fields, now: int) -> Options:
    """Return how the files are read; raises Refused for flags that another format has."""
    if not source.is_export:
        if args.since is not None or args.until is not None:
            raise Refused("--since and --until are for exports only.", code="FILE_UNREADABLE")
        return Options(fields=fields, delimiter=args.delimiter)
    own = {name: text for name, text in fields.set.items() if name in source.settable}
    if fields != Fields(set=own, timezone=fields.timezone):
        raise Refused(f"The fields of {source.name} are known.", code="FILE_UNREADABLE")
    around = Around(load_settings({"data": args.data}), now=now)
    return Options(
        fields=fields, delimiter=args.delimiter, around=around,
        since=args.since, until=args.until,
    )  # fmt: skip


def with_policy(options: Options, client: Client) -> Options:
    """Return the same with the privacy policy of the client's project."""
    name = client.project or DEFAULT_PROJECT
    found = next((one for one in client.projects() if one["id"] == name), {})
    policy = msgspec.convert(found.get("policy", {}), Policy)
    around = msgspec.structs.replace(options.around, policy=policy)
    return msgspec.structs.replace(options, around=around)


def _instant(text: str) -> int:
    found = when(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; say it as in 2026-10-20T12:00:00Z")
    return found
