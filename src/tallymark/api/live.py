"""What is being accepted and refused now, as a stream that a browser or terminal can follow.

Each project remembers its last thousand requests, so a follower that lost its connection goes on
where it was (Last-Event-ID). A follower that cannot keep up is let go rather than waited for.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct, structs

from tallymark.collect.accept import MOST_PUBLISHED, accepted_of
from tallymark.collect.enrich import page_parts
from tallymark.core.errors import CODES, TallymarkError, Unavailable
from tallymark.core.event import Batch, Event, Failed, Kind, TimeRule

HEARTBEAT_SECONDS = 15.0
_REMEMBERED = 1000
_MOST_FOLLOWERS = 100
_MOST_WAITING = 2000
_MOST_TEXT = 200
_LONGEST_URL = 500


class SeenEvent(Struct, frozen=True, omit_defaults=True):
    """An accepted event, as it passes by.

    ``bot`` says how it is known to be a robot's: by its user agent, or because its client declared it; then
    no number counts it unless it is asked to. ``time_rule`` is there where the client's time was not taken
    as it came.
    """

    name: str
    id: str
    time: int
    kind: str = "track"
    user_id: str | None = None
    anonymous_id: str | None = None
    account: str | None = None
    host: str | None = None
    path: str | None = None
    browser: str | None = None
    bot: Literal["user_agent", "declared"] | None = None
    time_rule: TimeRule = "client"
    flags: tuple[str, ...] = ()


class SeenFailure(Struct, frozen=True, omit_defaults=True):
    """A refused event or request, as it passes by, with what to do about it.

    ``is_quarantined`` says that its sender was told of a success, and that it waits for repair.
    """

    code: str
    message: str
    name: str | None = None
    id: str | None = None
    path: str | None = None
    fix: str = ""
    is_quarantined: bool = False


class SeenDrop(Struct, frozen=True, omit_defaults=True):
    """How many items came of which nothing may be kept but this count, and why."""

    code: str
    items: int
    message: str
    fix: str = ""


class Seen(Struct, frozen=True, omit_defaults=True):
    """What one request brought: how much in all, and the first fifty of each kind.

    ``number`` grows, also over a restart. ``stored`` is false for a request that there was no
    room to read; the log and the ledger know nothing of it, and its sender was told to come again.
    """

    number: int
    received_at: int
    protocol: str
    source: str
    counts: dict[str, int]
    accepted: list[SeenEvent] = []
    failed: list[SeenFailure] = []
    dropped: list[SeenDrop] = []
    stored: bool = True


class Live:
    """Passes what collection has seen to followers; lives in one event loop."""

    def __init__(self, *, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        self._channels: dict[str, _Channel] = {}
        self._heartbeat_seconds = heartbeat_seconds
        self._is_closed = False

    def publish(self, project: str, batch: Batch) -> None:
        """Tell of a batch that is durable now."""
        channel = self._channel(project)
        channel.add(_noted(channel.number(batch.received_at), batch))

    def refused(self, project: str, protocol: str, error: TallymarkError, received_at: int) -> None:
        """Tell of a request that there was no room to read."""
        channel = self._channel(project)
        seen = Seen(
            channel.number(received_at),
            received_at,
            protocol,
            source="",
            counts={"refused": 1},
            failed=[SeenFailure(error.code, error.message, fix=error.hint)],
            stored=False,
        )
        channel.add(_Noted(seen.number, seen))

    def follow(self, project: str, last_seen: int | None) -> AsyncIterator[bytes]:
        """Return the stream: what came after ``last_seen`` and is remembered, then what comes.

        Without ``last_seen`` it begins now. Its first frame has the number of the last entry before it, so
        that a follower who saw nothing yet misses nothing either when it comes again. Raises Unavailable
        when too many follow already.
        """
        channel = self._channel(project)
        if len(channel.followers) >= _MOST_FOLLOWERS:
            raise Unavailable("Too many follow this project already.", code="RATE_LIMITED")
        return self._stream(channel, last_seen)

    def followers(self, project: str) -> int:
        """Return how many follow a project."""
        channel = self._channels.get(project)
        return len(channel.followers) if channel else 0

    def close(self) -> None:
        """End every stream, so that the server can stop."""
        self._is_closed = True
        for channel in self._channels.values():
            for follower in channel.followers:
                follower.end()

    def _channel(self, project: str) -> "_Channel":
        channel = self._channels.get(project)
        if channel is None:
            channel = self._channels[project] = _Channel()
        return channel

    async def _stream(self, channel: "_Channel", last_seen: int | None) -> AsyncIterator[bytes]:
        follower = _Follower()
        if last_seen is not None:
            missed = [one for one in channel.remembered if one.number > last_seen]
            follower.frames.extend(_frame(_shown(one)) for one in missed)
        channel.followers.add(follower)
        try:
            yield b": following\nid: %d\n\n" % (channel.last if last_seen is None else last_seen)
            while not (follower.is_over or self._is_closed):
                if follower.frames:
                    frames = b"".join(follower.frames)
                    follower.frames.clear()
                    yield frames
                    continue
                follower.wake.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(follower.wake.wait(), self._heartbeat_seconds)
                    continue
                yield b": still here\n\n"
        finally:
            channel.followers.discard(follower)


class _Follower:
    def __init__(self) -> None:
        self.frames: deque[bytes] = deque()
        self.wake = asyncio.Event()
        self.is_over = False

    def push(self, frame: bytes) -> None:
        self.frames.append(frame)
        if len(self.frames) > _MOST_WAITING:
            self.end()
        self.wake.set()

    def end(self) -> None:
        self.is_over = True
        self.wake.set()


class _Channel:
    def __init__(self) -> None:
        self.last = 0
        self.remembered: deque[_Noted] = deque(maxlen=_REMEMBERED)
        self.followers: set[_Follower] = set()

    def number(self, received_at: int) -> int:
        # Taken from the clock, so that after a restart no number comes a second time.
        self.last = max(self.last + 1, received_at)
        return self.last

    def add(self, noted: "_Noted") -> None:
        self.remembered.append(noted)
        if self.followers:
            frame = _frame(_shown(noted))
            for follower in self.followers:
                follower.push(frame)


class _Passed(NamedTuple):
    """Of an event what ``SeenEvent`` is made of; ``url`` stands for the host and path that were not told."""

    name: str
    id: str
    time: int
    kind: Kind
    user_id: str | None
    anonymous_id: str | None
    account: str | None
    host: str | None
    path: str | None
    url: str | None
    browser: str | None
    device_type: str | None
    time_rule: TimeRule
    flags: tuple[str, ...]


class _Noted(Struct, frozen=True):
    """An entry, and the events that it is still to be completed with.

    Nobody follows, most of the time, and to complete it took a thirtieth of the time of a request. The
    events themselves are not kept: their properties may be as large as the whole request was.
    """

    number: int
    seen: Seen
    passed: Sequence[_Passed] = ()


def _noted(number: int, batch: Batch) -> _Noted:
    failed, dropped = batch.failed, batch.dropped
    seen = Seen(
        number,
        batch.received_at,
        batch.protocol,
        batch.source,
        {
            "accepted": accepted_of(batch),
            "failed": len(failed),
            "dropped": sum(dropped.values()),
        },
        failed=[_seen_failure(one) for one in failed[:MOST_PUBLISHED]] if failed else [],
        dropped=[
            SeenDrop(code, items, CODES[code].meaning, CODES[code].fix)
            for code, items in dropped.items()
        ]
        if dropped
        else [],
    )
    return _Noted(number, seen, [_passed(one) for one in batch.events[:MOST_PUBLISHED]])


def _shown(noted: _Noted) -> Seen:
    if not noted.passed:
        return noted.seen
    return structs.replace(noted.seen, accepted=[_seen_event(one) for one in noted.passed])


def _passed(event: Event) -> _Passed:
    where = event.context
    host, path, url = where.page_host, where.page_path, where.page_url
    if url is not None and len(url) > _LONGEST_URL:
        # What is long is not kept for its query.
        told = page_parts(url)
        host, path, url = host or told[0], path or told[1], None
    # By their places: a name costs as much as a value.
    return _Passed(
        event.name, event.id, event.time, event.kind, event.user_id, event.anonymous_id,
        event.groups.get("account"), host, path, url, where.browser, where.device_type,
        event.time_rule, event.flags,
    )  # fmt: skip


def _seen_event(passed: _Passed) -> SeenEvent:
    host, path = (None, None) if passed.url is None else page_parts(passed.url)
    bot: Literal["user_agent", "declared"] | None = None
    if "bot" in passed.flags:
        bot = "user_agent" if passed.device_type == "bot" else "declared"
    return SeenEvent(
        passed.name,
        passed.id,
        passed.time,
        passed.kind,
        passed.user_id,
        passed.anonymous_id,
        passed.account,
        host=passed.host or host,
        path=passed.path or path,
        browser=passed.browser,
        bot=bot,
        time_rule=passed.time_rule,
        flags=passed.flags,
    )


def _seen_failure(failed: Failed) -> SeenFailure:
    return SeenFailure(
        failed.code,
        failed.message[:_MOST_TEXT],
        failed.name,
        failed.id,
        failed.path,
        CODES[failed.code].fix if failed.code in CODES else "",
        failed.is_quarantined,
    )


def _frame(seen: Seen) -> bytes:
    return b"id: %d\nevent: seen\ndata: %s\n\n" % (seen.number, msgspec.json.encode(seen))
