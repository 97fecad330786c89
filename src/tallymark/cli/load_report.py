"""What a load tells while it runs and at its end."""

import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tallymark.core.clock import Clock
from tallymark.core.errors import CODES

from .load_seen import Seen, print_seen
from .render import shown

_EXAMPLES_OF_A_CODE: Final = 3
_SHOWN_OF_A_LINE: Final = 100
_TELL_EVERY_LINES: Final = 1_000
_PLAIN_SECONDS: Final = 5.0


class Report:
    """The counts of one load; the sending thread adds to them too.

    ``read`` lines are ``accepted``, or ``unreadable`` here, or ``refused`` by the server. Of the
    unreadable ones the server has ``kept`` so many. ``left`` are the files whose last line is still
    being written.
    """

    def __init__(self, started: float) -> None:
        self.started = started
        self.seconds = 0.0
        self.read = 0
        self.skipped = 0
        self.accepted = 0
        self.unreadable = 0
        self.kept = 0
        self.refused = 0
        self.is_stopped = False
        self.left: list[str] = []
        self.seen = Seen()
        self.codes: dict[str, int] = {}
        self.examples: dict[str, list[str]] = {}
        self._lock = threading.Lock()

    @property
    def failed(self) -> int:
        """How many lines gave no event that counts."""
        return self.unreadable + self.refused

    def fail(self, code: str, message: str, raw: bytes | None) -> None:
        """Count a line that failed and keep the first of each reason; ``raw`` if it failed here."""
        with self._lock:
            if raw is None:
                self.refused += 1
            else:
                self.unreadable += 1
            self.codes[code] = self.codes.get(code, 0) + 1
            examples = self.examples.setdefault(code, [])
            if len(examples) < _EXAMPLES_OF_A_CODE:
                text = (raw or b"")[:_SHOWN_OF_A_LINE].decode("utf-8", "backslashreplace")
                examples.append(shown(f"{message} {text}".rstrip()))


class Teller:
    """Shows progress on standard error: a bar on a terminal, else a line every few seconds."""

    def __init__(self, clock: Clock, files: Sequence[Path]) -> None:
        self._clock = clock
        self._next = clock.monotonic() + _PLAIN_SECONDS
        self._sizes = {file: _size(file) for file in files}
        self._bar: Progress | None = None
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[said]}", markup=False),
                TimeRemainingColumn(), console=Console(stderr=True), transient=True,
            )  # fmt: skip
        self._task = None if self._bar is None else self._bar.add_task("", said="", total=None)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def tell(self, file: Path, offset: int, report: Report) -> None:
        """Show how far a file is; costs nothing for most lines."""
        if report.read % _TELL_EVERY_LINES:
            return
        now = self._clock.monotonic()
        pace = report.read / max(now - report.started, 0.001)
        said = f"{report.read:,} lines, {pace:,.0f} a second"
        if report.failed:
            said += f", {report.failed:,} failed"
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task, description=shown(file.name), said=said,
                completed=offset, total=self._sizes[file],
            )  # fmt: skip
        elif now >= self._next:
            self._next = now + _PLAIN_SECONDS
            print(f"{shown(file.name)}: {said}", file=sys.stderr, flush=True)


def print_report(
    report: Report, before: Mapping[str, int] | None, after: Mapping[str, int] | None
) -> None:
    """Print what became of every line; the ledger's totals before and after tell of duplicates."""
    pace = report.read / max(report.seconds, 0.001)
    print(f"Read {_lines(report.read)} in {report.seconds:.1f} s, {pace:,.0f} a second.")
    if report.skipped:
        print(f"  {report.skipped:>12,}  skipped, known to be loaded before")
    print(f"  {report.accepted:>12,}  accepted and durable")
    if before is not None and after is not None:
        _print_fate(report, {name: after[name] - before.get(name, 0) for name in after})
    _print_failed(report)
    print_seen(report.seen, is_dry=False)
    if report.refused or report.kept:
        print("What failed is kept with its line and reason: GET /tm/v1/failed shows it.")
    if report.unreadable > report.kept:
        print("Lines that cannot be read stay in their file; --failed FILE writes them to another.")
    _print_left(report)
    if report.is_stopped:
        print("Stopped. What was accepted is safe; run the same command again to go on.")


def print_dry_report(report: Report) -> None:
    """Print what would become of every line; nothing was sent."""
    print(f"Read {_lines(report.read)}, sent none.")
    print(f"  {report.read - report.failed - report.seen.outside:>12,}  would be sent")
    _print_failed(report)
    print_seen(report.seen, is_dry=True)
    _print_left(report)


def _print_left(report: Report) -> None:
    for file in report.left:
        print(
            f"The last line of {shown(file)} has no end yet, so it was left: load the file again once"
            " it is written, or say --last-line."
        )


def _print_failed(report: Report) -> None:
    print(f"  {report.failed:>12,}  failed")
    for code, count in sorted(report.codes.items(), key=lambda item: -item[1]):
        print(f"  {count:>12,}    {code}: {CODES[code].meaning} {CODES[code].fix}")
        for example in report.examples[code]:
            print(f"{'':18}{example}")


def _print_fate(report: Report, gained: Mapping[str, int]) -> None:
    print(f"  {gained['accepted']:>12,}    new, now part of every answer")
    print(f"  {gained['duplicate']:>12,}    sent before, counted once")
    if gained["conflict"]:
        print(
            f"  {gained['conflict']:>12,}    in conflict: this id came with other content before;"
        )
        print(f"{'':18}kept, not counted. Was the mapping changed, or the file edited?")
    if gained["received"] != report.accepted + report.refused + report.kept:
        print(f"{'':18}(these three include what others sent meanwhile)")


def _lines(count: int) -> str:
    return f"{count:,} line" + ("" if count == 1 else "s")


def _size(file: Path) -> int | None:
    """Return how many bytes are going to be read; None for a compressed file."""
    with file.open("rb") as stream:
        return None if stream.read(2) in (b"\x1f\x8b", b"PK") else file.stat().st_size
