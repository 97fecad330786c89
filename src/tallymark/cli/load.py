"""``tallymark load <format> FILE…``: read files, send their events, and account for every line."""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from tallymark.client import Client
from tallymark.collect.sources.mapping import Fields, read_fields
from tallymark.collect.sources.source import Failure, Item, Options, Record, Source
from tallymark.core.clock import MICROSECONDS, Clock, SystemClock
from tallymark.core.errors import Refused, TallymarkError
from tallymark.core.registry import discover, lookup
from tallymark.core.settings import load_settings

from .connection import DEFAULT_PROJECT, add_connection_flags, open_client, url_of
from .load_exports import add_range_flags, check_owner, files_of, options_of, with_policy
from .load_progress import (
    Progress,
    Reached,
    file_key,
    progress_path,
    settled_progress,
    start_of,
    write_progress,
)
from .load_report import Report, Teller, print_dry_report, print_report
from .load_sender import Sender
from .main import COMMANDS, Subparsers

_FORMATS = "access-log, csv, ndjson or parquet, or an export: amplitude-export, ga4-export, matomo-export, mixpanel-export, plausible-export, posthog-export, umami-export"
_SHOWN_EVENTS = 3
# A last line without an end, of a file that nobody has written to for so long, is whole.
_WRITTEN_SECONDS = 60
_EXAMPLES = """\
examples:
  tallymark load access-log /var/log/nginx/access.log*
  tallymark load csv events.csv.gz
  tallymark load csv cdnow.txt --set name=purchase --map revenue=dollar_value --set currency=USD

Loading a file again adds nothing; loading a file that has grown adds its new lines."""


def add_parser(subparsers: Subparsers) -> None:
    """Add the command, its flags and help."""
    parser = subparsers.add_parser(
        "load", help=COMMANDS["load"], description=COMMANDS["load"], epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("source", metavar="FORMAT", help=_FORMATS)
    add("files", metavar="FILE", nargs="+", help="files to load, also compressed with gzip; a folder stands for its files")  # fmt: skip
    add_mapping_flags(parser)
    add_range_flags(parser)
    add("--last-line", action="store_true", help="load also the last line of a file that has just been written to and has no line end yet")  # fmt: skip
    add("--dry-run", action="store_true", help="read everything and send nothing")
    add("--limit", metavar="N", type=_count, help="stop after so many lines of each file")
    add("--from-start", action="store_true", help="read also the lines known to be loaded")
    add("--failed", metavar="FILE", help="write the lines that cannot be read to this new file")
    add_connection_flags(parser)


def add_mapping_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say which column of a file is which field."""
    add = parser.add_argument
    add("--map", metavar="FIELD=COLUMN", action="append", default=[], help="which column is which field of the event, as in time=created_at; may be repeated")  # fmt: skip
    add("--set", metavar="FIELD=VALUE", action="append", default=[], help="the same value for every event, as in name=purchase; may be repeated")  # fmt: skip
    add("--text", metavar="COLUMN", action="append", default=[], help="column whose numbers are codes and stay text")  # fmt: skip
    add("--ignore", metavar="COLUMN", action="append", default=[], help="column that is not kept")
    add("--mapping", metavar="FILE", help="YAML or TOML file with map, set, text, ignore, timezone and time_format")  # fmt: skip
    add("--timezone", metavar="ZONE", help="zone of times without an offset (default: UTC)")
    add("--time-format", metavar="FORMAT", help="how times are written, as in strptime")
    add("--delimiter", metavar="MARK", default="auto", help="one character, tab or whitespace (default: seen from the header)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Load the files and print what became of every line; 1 if not one could be loaded."""
    source = lookup(discover("tallymark.collect.sources", Source), args.source, "file format")
    clock = SystemClock()
    files = files_of(args.files)
    options = options_of(args, source, fields_of(args), clock.now())
    if source.is_export:
        check_owner(url_of(args))
    for file in files:
        # All files are looked at before the first event is sent.
        _check_readable(file)
        print(f"{file}: " + "; ".join(source.explain(file, options)), flush=True)
    with ExitStack() as stack:
        rejects = stack.enter_context(Path(args.failed).open("xb")) if args.failed else None
        job = _Job(
            source, files, options, clock, args.limit, args.from_start, rejects,
            is_local=url_of(args) is None, is_last_taken=args.last_line,
        )  # fmt: skip
        if args.dry_run:
            return _dry_run(job)
        client = stack.enter_context(open_client(args))
        where = _progress_path(args, client)
        # The secret must be on disk before the first id made with it is.
        return _load(job, client, settled_progress(where), where)


def _check_readable(file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as error:
        raise TallymarkError(f"{file}: {error.strerror}.", code="FILE_UNREADABLE") from None


def fields_of(args: argparse.Namespace) -> Fields:
    """Return the mapping of the flags, above that of ``--mapping``."""
    given = read_fields(Path(args.mapping)) if args.mapping else Fields()
    return msgspec.structs.replace(
        given,
        map={**given.map, **_pairs("--map", args.map)},
        set={**given.set, **_pairs("--set", args.set)},
        text=(*given.text, *args.text),
        ignore=(*given.ignore, *args.ignore),
        timezone=args.timezone or given.timezone,
        time_format=args.time_format or given.time_format,
    )


class _Job(Struct, frozen=True):
    """What is to be read, and how."""

    source: Source
    files: Sequence[Path]
    options: Options
    clock: Clock
    limit: int | None
    is_from_start: bool
    rejects: BinaryIO | None
    is_local: bool
    is_last_taken: bool


def _load(job: _Job, client: Client, progress: Progress, where: Path) -> int:
    options = msgspec.structs.replace(job.options, salt=progress.salt)
    if job.source.is_export:
        options = with_policy(options, client)
    before = _settled(client)
    report = Report(job.clock.monotonic())
    teller = Teller(job.clock, job.files)
    try:
        with teller:
            for file in job.files:
                _load_file(job, file, options, client, progress, report, teller)
                write_progress(where, progress)
    except KeyboardInterrupt:
        report.is_stopped = True
    finally:
        write_progress(where, progress)
    report.seconds = job.clock.monotonic() - report.started
    after = _settled(client) if before is not None else None
    print_report(report, before, after)
    if report.is_stopped:
        return 130
    return 1 if report.failed and not (report.accepted or report.skipped) else 0


def _load_file(
    job: _Job,
    file: Path,
    options: Options,
    client: Client,
    progress: Progress,
    report: Report,
    teller: Teller,
) -> None:
    key = file_key(job.source, file, job.options)
    reached = None if job.is_from_start else progress.reached.get(key)
    # Without a count of what is skipped the file is read whole; nothing is counted twice by that.
    known = None if reached is None else reached.before
    start = 0 if known is None else start_of(job.source, file, reached)
    before = (known or 0) if start else 0
    sender = Sender(client, str(file), report, keeps_failures=job.is_local)
    items = _bounded(_whole(job, file, options, start, report), job.limit)
    try:
        with sender:
            for number, item in enumerate(items, before):
                if number == before:
                    report.skipped += before
                _take(item, number, str(file), report, sender, job.rejects)
                teller.tell(file, item.offset, report)
    finally:
        if sender.durable is not None:
            offset, read = sender.durable.offset, sender.durable.before
            digest = job.source.digest(file, offset)
            progress.reached[key] = Reached(offset, digest, str(file), read)


def _take(
    item: Item,
    before: int,
    file: str,
    report: Report,
    sender: Sender,
    rejects: BinaryIO | None,
) -> None:
    report.read += 1
    if isinstance(item, Record):
        report.seen.add(item)
        if item.event:
            sender.add(item, before)
        return
    sender.add_failure(item, before)
    _reject(item, file, report, rejects)


def _reject(item: Failure, file: str, report: Report, rejects: BinaryIO | None) -> None:
    report.fail(item.code, f"{file}:{item.line}: {item.message}", item.raw)
    if rejects is not None:
        rejects.write(item.raw + b"\n")


def _dry_run(job: _Job) -> int:
    report = Report(job.clock.monotonic())
    encoder = msgspec.json.Encoder(decimal_format="number")
    for file in job.files:
        shown = 0
        for item in _bounded(_whole(job, file, job.options, 0, report), job.limit):
            report.read += 1
            if isinstance(item, Failure):
                _reject(item, str(file), report, job.rejects)
                continue
            report.seen.add(item)
            if item.event and shown < _SHOWN_EVENTS:
                shown += 1
                print(encoder.encode(item.event).decode())
    print_dry_report(report)
    return 1 if report.failed == report.read > 0 else 0


def _whole(job: _Job, file: Path, options: Options, start: int, report: Report) -> Iterator[Item]:
    """Give the items of a file, without a last line that is still being written."""
    ended = None if job.is_last_taken or job.source.ended is None else job.source.ended(file)
    idle = job.clock.now() - file.stat().st_mtime_ns // 1000
    is_written = ended is not None and idle < _WRITTEN_SECONDS * MICROSECONDS
    for item in job.source.read(file, options, start):
        # Half a line would be loaded under the id of the whole one, which would then be a conflict.
        if is_written and ended is not None and item.offset >= ended:
            report.left.append(str(file))
            return
        yield item


def _bounded(items: Iterator[Item], limit: int | None) -> Iterable[Item]:
    return items if limit is None else islice(items, limit)


def _settled(client: Client) -> dict[str, int] | None:
    """Return the ledger's totals once all that was sent is loaded; None if the key may not read."""
    try:
        client.wait(timeout_seconds=3600)
        totals = client.status()["ledger"]
    except TallymarkError as error:
        if error.code != "AUTH_WRONG_KIND":
            raise
        return None
    return {name: int(items) for name, items in totals.items()}


def _progress_path(args: argparse.Namespace, client: Client) -> Path:
    data = load_settings({"data": args.data}).data
    return progress_path(data, url_of(args), client.project or DEFAULT_PROJECT)


def _pairs(flag: str, given: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not (name and sign and value):
            raise Refused(f"{flag} {text!r} is not NAME=VALUE.", code="FILE_UNREADABLE")
        found[name] = value
    return found


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
