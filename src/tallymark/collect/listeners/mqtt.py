"""MQTT topics of sensors, with paho-mqtt (the ``mqtt`` extra).

The broker keeps a session for us and we acknowledge a message only once the server has its event, so
at QoS 1 nothing is lost while either is away. A message that the broker sends again, since it did not
get our word, gets the id it had: that of the device, if its payload has an id or a time, else the one
we wrote down under the packet's number before sending. Messages of Sparkplug B are known by their
topics.
"""

import argparse
import os
import queue
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from msgspec import Struct

from tallymark.collect.sources.source import MAX_RAW, Failure, WireEvent
from tallymark.core.clock import MICROSECONDS, rfc3339
from tallymark.core.errors import Refused, TallymarkError
from tallymark.core.ids import new_id, random_text

from ._sparkplug import Births, Parts, is_sparkplug, origin_of
from ._sparkplug_payload import rebirth_command
from ._topics import Template, find, read_message, read_template
from ._udp import digest
from .listener import Listener, Portion, Surroundings
from .memory import Change

if TYPE_CHECKING:
    from paho.mqtt.client import Client

_PORTION_MESSAGES: Final = 2_000
_PORTION_BYTES: Final = 4 * 1024 * 1024
_MOST_WAITING: Final = 10_000
# How long after our word was sent a broker may still ask for it again.
_LATE_US: Final = 600 * MICROSECONDS
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


class Message(Struct, frozen=True):
    """One message as it came; ``connection`` counts the connections, as numbers are per connection."""

    topic: str
    payload: bytes
    qos: int
    number: int
    is_again: bool
    is_retained: bool
    connection: int


class Written(Struct, frozen=True):
    """The id and time given to the message of a packet's number."""

    same: str
    id: str
    at: int
    done_at: int = 0


class _Taken(Struct, frozen=True):
    """What the messages of a portion gave; ``written`` is on disk before any of it is sent."""

    events: list[WireEvent] = []
    failures: list[Failure] = []
    written: list[Change] = []
    born: list[Change] = []


class Topics:
    """A session with a broker; ``take`` gives the events of the messages that came."""

    def __init__(self, args: argparse.Namespace, around: Surroundings) -> None:
        self._around = around
        self._templates = [read_template(text) for text in args.topic]
        self._default_name: str = args.name
        self._keeps_retained = args.retained == "keep"
        self._births = Births(around.memory, around.counts)
        self._asks_for_births = args.rebirth == "ask"
        self._waiting: queue.Queue[Message] = queue.Queue(_MOST_WAITING)
        self._error: TallymarkError | None = None
        self._connection = 0
        self._is_finished = False
        self._qos: int = args.qos
        self._address = _address(args.broker)
        self._client = self._made(args)
        port = self._address.port or _PORTS[self._address.scheme]
        self._client.connect_async(self._address.hostname or "", port, keepalive=30)
        self._client.loop_start()

    def take(self, wait_seconds: float) -> Portion | None:
        """Return the events of what came; raises what the broker refused."""
        if self._error is not None:
            raise self._error
        messages = self._next(wait_seconds)
        if not messages:
            return None
        now = self._around.clock.now()
        taken = _Taken()
        for message in messages:
            try:
                self._take(message, now, taken)
            except Refused as refusal:
                taken.failures.append(_failure(message, refusal))
        # On disk before the server sees the ids, so that they are the same after a crash.
        self._around.memory.change([*taken.written, *taken.born])
        done = [_done(change, now) for change in taken.written]
        return Portion(taken.events, taken.failures, done, token=messages)

    def confirm(self, portion: Portion) -> None:
        """Give the broker our word for the messages of a portion."""
        for message in portion.token:
            # A number of an earlier connection may mean another message by now.
            if message.qos and message.connection == self._connection:
                self._client.ack(message.number, message.qos)

    def finish(self) -> None:
        """Take in no more; the broker keeps what comes."""
        self._is_finished = True

    def close(self) -> None:
        """End the connection; the session stays with the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    def _next(self, wait_seconds: float) -> list[Message]:
        found: list[Message] = []
        size = 0
        try:
            if wait_seconds:
                found.append(self._waiting.get(timeout=wait_seconds))
                size = len(found[0].payload)
            while len(found) < _PORTION_MESSAGES and size < _PORTION_BYTES:
                found.append(self._waiting.get_nowait())
                size += len(found[-1].payload)
        except queue.Empty:
            pass
        return found

    def _take(self, message: Message, now: int, taken: _Taken) -> None:
        """Add what a message gives; raises Refused if it gives nothing that can be read."""
        counts = self._around.counts
        matched = find(self._templates, message.topic)
        if matched is None or not message.payload:
            counts["empty or unasked messages ignored"] += 1
        elif is_sparkplug(message.topic):
            self._take_sparkplug(message, now, taken)
        elif self._is_of_before(message):
            counts["retained messages ignored"] += 1
        else:
            taken.events.append(self._event(message, matched, now, taken))

    def _is_of_before(self, message: Message) -> bool:
        """Whether it tells of before we came, and so comes again each time we do."""
        return message.is_retained and not self._keeps_retained

    def _event(
        self, message: Message, matched: tuple[Template, dict[str, str]], now: int, taken: _Taken
    ) -> WireEvent:
        template, names = matched
        read = read_message(
            message.topic, message.payload, template=template, names=names,
            default_name=self._default_name,
        )  # fmt: skip
        event, same = read.event, digest(message.topic, message.payload)
        if message.is_retained:
            event["properties"]["is_retained"] = True
            event["id"] = f"mqtt-{digest('retained', same)}"
        elif read.same:
            # Without a time of its own it happens when the server hears of it: one that the device
            # publishes again is the same then.
            is_named = read.same.startswith("id:")
            event["id"] = f"mqtt-{digest(message.topic, read.same) if is_named else same}"
        else:
            entry = self._entry(message, same, now, taken)
            event["id"] = entry.id
            event.setdefault("time", rfc3339(entry.at))
        return event

    def _take_sparkplug(self, message: Message, now: int, taken: _Taken) -> None:
        counts = self._around.counts
        origin = origin_of(message.topic)
        if origin is None:
            counts["Sparkplug commands and states ignored"] += 1
            return
        if self._is_of_before(message) and not origin.is_birth:
            counts["retained messages ignored"] += 1
            return
        parts = self._births.read(origin, message.payload)
        taken.born.extend(parts.changes)
        if self._is_of_before(message):
            counts["retained births only learnt from"] += 1
            return
        same = digest(message.topic, message.payload)
        self._give(message, parts, same, now, taken)
        for number, one in enumerate(parts.unread):
            taken.failures.append(_failure(message, one.refusal, f"{same}-{number}", one.raw))
        if parts.is_missed and self._asks_for_births and self._births.may_ask(origin, now):
            counts["births asked for"] += 1
            self._client.publish(origin.commands, rebirth_command(now // 1_000))

    def _give(self, message: Message, parts: Parts, same: str, now: int, taken: _Taken) -> None:
        """Give the events of a message their ids, and the time that they do not tell."""
        if not parts.events:
            return
        if message.is_retained:
            first, at = f"mqtt-{digest('retained', same)}", now
        elif parts.is_timed:
            first, at = f"mqtt-{same}", now
        else:
            entry = self._entry(message, same, now, taken)
            first, at = entry.id, entry.at
        for number, event in enumerate(parts.events):
            event["id"] = f"{first}-{number}"
            event.setdefault("time", rfc3339(at))
            if message.is_retained:
                event["properties"]["is_retained"] = True
            taken.events.append(event)

    def _entry(self, message: Message, same: str, now: int, taken: _Taken) -> Written:
        """Return the id and time of a message that has none of its own."""
        entry = self._before(message, same, now) or Written(same, new_id(now), now)
        if message.qos:
            taken.written.append(Change("written", str(message.number), entry))
        return entry

    def _before(self, message: Message, same: str, now: int) -> Written | None:
        before = None
        if message.is_again:
            before = self._around.memory.get("written", str(message.number), Written)
        if before is not None and before.same == same:
            # Numbers are used again, so word that was given long ago was of another message.
            is_over = before.done_at and now >= before.done_at + _LATE_US
            if not is_over:
                return before
        return None

    # The connection; these run in the thread of paho

    def _made(self, args: argparse.Namespace) -> "Client":
        try:
            from paho.mqtt import client as paho  # noqa: PLC0415 - an optional package
            from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415
        except ImportError as error:
            raise TallymarkError(
                "Following MQTT needs paho-mqtt.",
                code="EXTRA_MISSING",
                hint="Install it with: pip install 'tallymark[mqtt]'",
            ) from error
        made = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=args.client_id or self._own_name(),
            clean_session=False,
            manual_ack=True,
        )
        name = self._address.username or args.username
        password = self._address.password or os.environ.get("TALLYMARK_MQTT_PASSWORD")
        if name:
            made.username_pw_set(unquote(name), None if password is None else unquote(password))
        if self._address.scheme == "mqtts":
            made.tls_set(ca_certs=args.ca)
        made.reconnect_delay_set(1, 10)
        made.on_connect = self._connected
        made.on_connect_fail = self._failed
        made.on_disconnect = self._disconnected
        made.on_subscribe = self._subscribed
        made.on_message = self._came
        return made

    def _own_name(self) -> str:
        memory = self._around.memory
        name = memory.get("name", "", str)
        if name is None:
            name = f"tallymark-{random_text(12)}"
            memory.change([Change("name", "", name)])
        return name

    def _connected(
        self, client: "Client", _data: Any, _flags: Any, reason: Any, _props: Any
    ) -> None:
        if reason.is_failure:
            self._error = TallymarkError(
                f"The broker {self._address.hostname} refused us: {reason}.", code="CANNOT_LISTEN"
            )
            return
        self._connection += 1
        wanted = {template.subscription for template in self._templates}
        before = set(self._around.memory.get("subscribed", "", list[str]) or ())
        if before - wanted:
            client.unsubscribe(sorted(before - wanted))
        self._around.memory.change([Change("subscribed", "", sorted(wanted))])
        client.subscribe([(topic, self._qos) for topic in sorted(wanted)])

    def _subscribed(self, _client: Any, _data: Any, _mid: int, reasons: Any, _props: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            self._error = TallymarkError(
                f"The broker {self._address.hostname} does not let us subscribe.",
                code="CANNOT_LISTEN",
            )
        else:
            self._around.tell(f"subscribed at {self._address.hostname}")

    def _failed(self, _client: Any, _data: Any) -> None:
        self._around.counts["tries to reach the broker failed"] += 1

    def _disconnected(
        self, _client: Any, _data: Any, _flags: Any, reason: Any, _props: Any
    ) -> None:
        if reason.is_failure:
            self._around.tell(
                f"The broker {self._address.hostname} is gone: {reason}. Trying again."
            )

    def _came(self, _client: Any, _data: Any, message: Any) -> None:
        if self._is_finished:
            return
        one = Message(
            message.topic, message.payload, message.qos, message.mid, message.dup,
            message.retain, self._connection,
        )  # fmt: skip
        # While the server is away this waits, and with it the broker.
        while not self._is_finished:
            try:
                self._waiting.put(one, timeout=0.5)
            except queue.Full:
                continue
            return


def _done(change: Change, now: int) -> Change:
    entry: Written = change.value
    return Change("written", change.key, Written(entry.same, entry.id, entry.at, now))


def _failure(
    message: Message, refusal: Refused, same: str = "", raw: bytes | None = None
) -> Failure:
    same = same or digest(message.topic, message.payload)
    raw = message.payload if raw is None else raw
    text = f"{message.topic}: {refusal.message}"
    return Failure(1, 0, f"mqtt-{same}", refusal.code, text, raw[:MAX_RAW], len(raw))


def _address(text: str) -> SplitResult:
    found = urlsplit(text)
    try:
        is_sound = found.scheme in _PORTS and found.hostname and (found.port or 1)
    except ValueError:
        is_sound = False
    if not is_sound:
        raise TallymarkError(
            f"{text!r} is no broker.",
            code="SETTING_INVALID",
            hint="Write mqtt://HOST:1883 or mqtts://HOST:8883.",
        )
    return found


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the broker and the topics."""
    add = parser.add_argument
    add("broker", metavar="URL", help="mqtt://HOST:PORT, or mqtts:// with TLS")
    add("--topic", metavar="TEMPLATE", action="append", required=True, help="topic to subscribe to, such as 'site/{site}/{device}/{metric}': {metric} names the event, {device} is who, others become properties; + and # stand for any; may be repeated")  # fmt: skip
    add("--name", default="measurement", help="name of events whose topic and payload have none (default: measurement)")  # fmt: skip
    add("--qos", type=int, choices=(0, 1), default=1, help="1 loses nothing (default); 0 is faster")
    add("--retained", choices=("ignore", "keep"), default="ignore", help="what becomes of a message the broker kept from before we subscribed (default: ignore)")  # fmt: skip
    add("--rebirth", choices=("never", "ask"), default="never", help="whether a Sparkplug node whose births were missed is sent the command to publish them again (default: never)")  # fmt: skip
    add("--client-id", metavar="ID", help="name of our session at the broker (default: made up once and remembered)")  # fmt: skip
    add("--username", help="user at the broker; the password stands in TALLYMARK_MQTT_PASSWORD")
    add("--ca", metavar="FILE", help="certificates to trust, for mqtts:// (default: the system's)")


def identity(args: argparse.Namespace) -> str:
    """Return the broker and our name there."""
    found = _address(args.broker)
    return f"{found.hostname}:{found.port}\0{args.client_id or ''}"


def follow(args: argparse.Namespace, around: Surroundings) -> Topics:
    """Begin to connect; a broker that is away is waited for."""
    return Topics(args, around)


mqtt = Listener(
    name="mqtt",
    summary="MQTT topics, such as those of sensors (needs the mqtt extra).",
    add_flags=add_flags,
    identity=identity,
    open=follow,
)
