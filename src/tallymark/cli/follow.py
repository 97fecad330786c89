"""``tallymark follow <listener> …``: send what comes, as it comes, until stopped."""

import argparse
import hashlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tallymark.client import Client
from tallymark.collect.listeners.listener import Listener, Listening, Surroundings
from tallymark.collect.listeners.memory import Memory
from tallymark.collect.sources.source import Options, Source
from tallymark.core.clock import SystemClock
from tallymark.core.errors import TallymarkError
from tallymark.core.registry import discover
from tallymark.core.settings import load_settings

from .connection import DEFAULT_PROJECT, add_connection_flags, url_of, waiting_client
from .follow_delivery import Delivery
from .follow_report import Teller
from .load import add_mapping_flags, fields_of
from .load_progress import Progress, file_key, progress_path, settled_progress, start_of
from .main import COMMANDS, Subparsers

_TAKE_SECONDS = 1.0
_EXAMPLES = """\
examples:
  tallymark follow access-log /var/log/nginx/access.log
  tallymark follow folder /srv/exports --format auto
  tallymark follow statsd --listen 127.0.0.1:8125
  tallymark follow mqtt mqtt://broker:1883 --topic 'site/{site}/{device}/{metric}'
  tallymark follow netflow --listen 127.0.0.1:2055

Ctrl-C or SIGTERM stops it; started again, it goes on where it was. It starts no server: while none
answers, it waits."""


def add_parser(subparsers: Subparsers) -> None:
    """Add the command, one sub-command a listener."""
    parser = subparsers.add_parser(
        "follow", help=COMMANDS["follow"], description=COMMANDS["follow"], epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    below = parser.add_subparsers(
        dest="listener", metavar="LISTENER", title="listeners", required=True
    )
    for name, listener in _listeners().items():
        one = below.add_parser(name, help=listener.summary, description=listener.summary)
        listener.add_flags(one)
        if listener.takes_mapping:
            add_mapping_flags(one)
        if listener.has_end:
            one.add_argument("--once", action="store_true", help="send what is there, then end")
        add_connection_flags(one)


def run(args: argparse.Namespace) -> int:
    """Follow until stopped; 0 then, because everything that was taken in is safe."""
    listener = _listeners()[args.listener]
    clock, stop = SystemClock(), threading.Event()
    teller = Teller(clock, listener.name)
    with _stopped_by_signals(stop), waiting_client(args, stop, teller.tell) as client:
        if client is None:
            return 0
        client.source = listener.name
        place = _progress_path(args, client)
        progress = settled_progress(place)
        memory = Memory(_memory_path(place, listener, args))
        try:
            options = _options(args, listener, progress)
            around = Surroundings(
                options, clock, memory, stop, Counter(), teller.tell,
                lambda source, path: _reached(progress, source, path, options),
            )  # fmt: skip
            listening = listener.open(args, around)
            try:
                delivery = Delivery(client, stop, teller, keeps_failures=url_of(args) is None)
                _follow(listening, around, delivery, is_once=getattr(args, "once", False))
            finally:
                listening.close()
            teller.end(around.counts, delivery)
        finally:
            memory.close()
    return 0


def _follow(
    listening: Listening, around: Surroundings, delivery: Delivery, *, is_once: bool
) -> None:
    """Send portion after portion; after the stop, what was taken in before it."""
    delivery.teller.start()
    is_finishing = False
    while True:
        if around.stop.is_set() and not is_finishing:
            is_finishing = True
            listening.finish()
        portion = listening.take(0 if is_finishing else _TAKE_SECONDS)
        if portion is None:
            if is_finishing:
                return
            if is_once:
                around.stop.set()
        elif delivery.deliver(portion):
            around.memory.change(portion.changes)
            listening.confirm(portion)
        else:
            # The server is away and we are to stop: what is left comes with the next start.
            return
        delivery.teller.now_and_then(around.counts, delivery)


def _listeners() -> dict[str, Listener]:
    return dict(discover("tallymark.collect.listeners", Listener))


def _options(args: argparse.Namespace, listener: Listener, progress: Progress) -> Options:
    if not listener.takes_mapping:
        return Options(salt=progress.salt)
    return Options(salt=progress.salt, fields=fields_of(args), delimiter=args.delimiter)


def _reached(progress: Progress, source: Source, path: Path, options: Options) -> int:
    try:
        key = file_key(source, path, options)
    except TallymarkError:
        return 0
    return start_of(source, path, progress.reached.get(key))


def _memory_path(progress: Path, listener: Listener, args: argparse.Namespace) -> Path:
    """Return where is remembered what was followed, beside the progress of loads."""
    followed = hashlib.blake2b(listener.identity(args).encode(), digest_size=8).hexdigest()
    stem = progress.name.removesuffix("loads.json")
    return progress.with_name(f"{stem}follow-{listener.name}-{followed}.db")


def _progress_path(args: argparse.Namespace, client: Client) -> Path:
    data = load_settings({"data": args.data}).data
    return progress_path(data, url_of(args), client.project or DEFAULT_PROJECT)


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM set ``stop``; the second one ends at once, which loses nothing."""

    def on_signal(number: int, _frame: object) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    before = {one: signal.signal(one, on_signal) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
