"""What is being accepted and refused now, as a stream that a browser or terminal can follow.

Each project remembers its last thousand requests, so a follower that lost its connection goes on
where it was (Last-Event-ID is a log position). A follower that cannot keep up is let go rather than
waited for.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec

from tallymark.collect.accept import Seen, SeenFailure
from tallymark.core.errors import TallymarkError, Unavailable

HEARTBEAT_SECONDS = 15.0
_REMEMBERED = 1000
_MOST_FOLLOWERS = 100
_MOST_WAITING = 2000


class Live:
    """Passes what collection has seen to followers; lives in one event loop."""

    def __init__(self, *, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        self._channels: dict[str, _Channel] = {}
        self._heartbeat_seconds = heartbeat_seconds
        self._is_closed = False

    def publish(self, project: str, seen: Seen) -> None:
        """Tell of a request that is durable now."""
        self._channel(project).add(seen)

    def refused(self, project: str, protocol: str, error: TallymarkError, received_at: int) -> None:
        """Tell of a request that was refused before it was read, and so is in no log."""
        failure = SeenFailure(error.code, error.message)
        channel = self._channel(project)
        channel.add(
            Seen(channel.position, received_at, "", protocol, [], [failure], {"refused": 1})
        )

    def follow(self, project: str, last_seen: int | None) -> AsyncIterator[bytes]:
        """Return the stream: what came after ``last_seen`` and is remembered, then what comes.

        Without ``last_seen`` it begins now. Raises Unavailable when too many follow already.
        """
        channel = self._channel(project)
        if len(channel.followers) >= _MOST_FOLLOWERS:
            raise Unavailable("Too many follow this project already.", code="RATE_LIMITED")
        return self._stream(channel, last_seen)

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
            follower.frames.extend(_frame(one) for one in channel.after(last_seen))
        channel.followers.add(follower)
        try:
            yield b": following\n\n"
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
        self.position = 0
        self.remembered: deque[Seen] = deque(maxlen=_REMEMBERED)
        self.followers: set[_Follower] = set()

    def add(self, seen: Seen) -> None:
        self.position = max(self.position, seen.position)
        self.remembered.append(seen)
        if self.followers:
            frame = _frame(seen)
            for follower in self.followers:
                follower.push(frame)

    def after(self, position: int) -> list[Seen]:
        """Return what was told after that position, in the order it was told."""
        remembered = list(self.remembered)
        for index in range(len(remembered) - 1, -1, -1):
            if remembered[index].position == position:
                return remembered[index + 1 :]
        return [one for one in remembered if one.position > position]


def _frame(seen: Seen) -> bytes:
    return b"id: %d\nevent: seen\ndata: %s\n\n" % (seen.position, msgspec.json.encode(seen))
