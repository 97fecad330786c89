"""Sparkplug B: what edge nodes and their devices publish below ``spBv1.0/``, as events.

A birth tells the metrics of a node or device: name, alias, type and unit, and what each is now. Data
that follow may name them by alias alone, so births are remembered; a node's next birth ends what its
devices told before. A death says that a node or device is gone.

Source: Eclipse Sparkplug 3.0.0, chapters 4 (topics) and 6 (payloads).
"""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from tallymark.collect.sources.source import WireEvent
from tallymark.core.clock import MICROSECONDS
from tallymark.core.errors import Refused
from tallymark.store.decimals import Rounded, fitting

from ._sparkplug_payload import (
    Metric,
    Payload,
    Said,
    instant,
    read_metric,
    read_payload,
    said,
    type_name,
)
from .memory import Change, Memory

_NAMESPACE: Final = "spBv1.0"
# Where a broker that knows Sparkplug keeps the last births for whoever comes later.
_CERTIFICATES: Final = "$sparkplug/certificates/"
_KIND: Final = "sparkplug"
_BIRTHS: Final = {"NBIRTH": "node_birth", "DBIRTH": "device_birth"}
_DEATHS: Final = {"NDEATH": "node_death", "DDEATH": "device_death"}
_DATA: Final = ("NDATA", "DDATA")
_OF_DEVICES: Final = frozenset({"DBIRTH", "DDEATH", "DDATA"})
# Metrics by which a session is told and commands are taken; they measure nothing.
_SESSION: Final = "bdSeq"
_CONTROL: Final = ("Node Control/", "Device Control/")
_SESSIONS_BEFORE: Final = 128
# Beyond them births are not remembered: whoever may publish chooses how many there are.
_MOST_TOLD: Final = 250_000
_MOST_FOLLOWED: Final = 10_000
# A node may have thousands of metrics to tell, so it is not asked each time one is unknown.
_REBIRTH_US: Final = 60 * MICROSECONDS


class Origin(Struct, frozen=True):
    """Who published what kind of message."""

    group: str
    kind: str
    node: str
    device: str | None

    @property
    def edge(self) -> str:
        """The edge node, which tells it from those of other groups."""
        return f"{self.group}/{self.node}"

    @property
    def commands(self) -> str:
        """The topic on which the edge node takes commands."""
        return f"{_NAMESPACE}/{self.group}/NCMD/{self.node}"

    @property
    def is_birth(self) -> bool:
        """Whether it tells metrics."""
        return self.kind in _BIRTHS

    @property
    def key(self) -> str:
        """The device, or the node itself."""
        return self.edge if self.device is None else f"{self.edge}/{self.device}"


class Told(Struct, frozen=True, array_like=True):
    """What a birth tells of one metric."""

    name: str
    alias: int | None
    datatype: int
    unit: str


class Birth(Struct, frozen=True):
    """The metrics of a node or device, and the session of the node in which they were told."""

    session: str
    metrics: list[Told]


class Unread(Struct, frozen=True):
    """A metric that gave no event, and why."""

    refusal: Refused
    raw: bytes


class Parts(Struct, frozen=True):
    """What a message holds. An event without time happened when the message came.

    Without ``is_timed`` two messages with the same bytes may be two. ``is_missed`` says that a birth
    is wanted.
    """

    events: Sequence[WireEvent] = ()
    unread: Sequence[Unread] = ()
    changes: Sequence[Change] = ()
    is_timed: bool = False
    is_missed: bool = False


def is_sparkplug(topic: str) -> bool:
    """Return whether a topic belongs to Sparkplug B, whatever is said there."""
    return topic.removeprefix(_CERTIFICATES).startswith(f"{_NAMESPACE}/")


def origin_of(topic: str) -> Origin | None:
    """Return who published to a topic, None if it is no message of a node or device about itself."""
    levels = topic.removeprefix(_CERTIFICATES).split("/")
    if levels[0] != _NAMESPACE or len(levels) not in (4, 5) or not all(levels):
        return None
    _, group, kind, node, *device = levels
    if kind not in {*_BIRTHS, *_DEATHS, *_DATA} or (kind in _OF_DEVICES) != bool(device):
        return None
    return Origin(group, kind, node, device[0] if device else None)


class Births:
    """Follows the sessions of edge nodes, so that data can be read; one thread calls it."""

    def __init__(self, memory: Memory, counts: Counter[str]) -> None:
        self._counts = counts
        self._births = {
            key: _Known(birth.session, birth.metrics)
            for key, birth in memory.all(_KIND, Birth).items()
        }
        self._told = sum(len(known.metrics) for known in self._births.values())
        self._last: OrderedDict[str, int] = OrderedDict()
        self._asked: dict[str, int] = {}

    def read(self, origin: Origin, body: bytes) -> Parts:
        """Return what a message holds; raises Refused for one that is not a payload."""
        payload = read_payload(body)
        self._follow(origin, payload)
        if origin.is_birth:
            return self._born(origin, payload)
        if origin.kind in _DEATHS:
            return self._died(origin, payload)
        known = self._known(origin)
        events, unread = _each(origin, payload, known, {})
        is_missed = any(one.refusal.code == "METRIC_UNKNOWN" for one in unread)
        return Parts(events, unread, is_timed=bool(payload.time_ms), is_missed=is_missed)

    def may_ask(self, origin: Origin, now: int) -> bool:
        """Return whether a node may be asked for its births now, and note that it was."""
        if now < self._asked.get(origin.edge, 0) + _REBIRTH_US:
            return False
        if len(self._asked) >= _MOST_FOLLOWED:
            self._asked.clear()
        self._asked[origin.edge] = now
        return True

    def _born(self, origin: Origin, payload: Payload) -> Parts:
        metrics: list[Metric] = []
        for raw in payload.metrics:
            try:
                metrics.append(read_metric(raw))
            except Refused:
                # Told below, among those that gave no event.
                continue
        told = [Told(one.name, one.alias, one.datatype, one.unit) for one in metrics if one.name]
        if origin.device is None:
            session = f"{_session(metrics)}:{payload.time_ms}"
        else:
            session = self._session_of(origin)
        known = _Known(session, told)
        change = self._remember(origin.key, known)
        events, unread = _each(origin, payload, known, {"is_birth": True})
        events.insert(0, _event(origin, _BIRTHS[origin.kind], payload.time_ms))
        return Parts(events, unread, change, is_timed=bool(payload.time_ms))

    def _died(self, origin: Origin, payload: Payload) -> Parts:
        if origin.device is not None:
            event = _event(origin, _DEATHS[origin.kind], payload.time_ms)
            return Parts([event], is_timed=bool(payload.time_ms))
        died = _session([read_metric(raw) for raw in payload.metrics])
        if died is not None and self._is_of_before(origin, died):
            # The will of a connection before this one, which the broker found out about late.
            self._counts["deaths of former sessions ignored"] += 1
            return Parts()
        # The node wrote it when it connected, so its time is none of a death.
        return Parts([_event(origin, _DEATHS[origin.kind], None)])

    def _is_of_before(self, origin: Origin, died: int) -> bool:
        """Whether a session that ended is one before the last that we saw begin.

        Numbers of sessions go from 0 to 255 and begin again. Clients exist that tell the next one.
        """
        known = self._births.get(origin.edge)
        born = "" if known is None else known.session.partition(":")[0]
        return born.isdecimal() and 0 < (int(born) - died) % 256 < _SESSIONS_BEFORE

    def _known(self, origin: Origin) -> "_Known | None":
        known = self._births.get(origin.key)
        if known is None or origin.device is None:
            return known
        return known if known.session == self._session_of(origin) else None

    def _session_of(self, origin: Origin) -> str:
        node = self._births.get(origin.edge)
        return "" if node is None else node.session

    def _remember(self, key: str, known: "_Known") -> list[Change]:
        before = self._births.get(key)
        more = len(known.metrics) - (0 if before is None else len(before.metrics))
        # One for the key itself, or devices without metrics would be remembered without end.
        if self._told + len(self._births) + max(more, 0) >= _MOST_TOLD:
            self._counts["births not remembered, too many"] += 1
            return []
        self._births[key] = known
        self._told += more
        return [Change(_KIND, key, Birth(known.session, known.metrics))]

    def _follow(self, origin: Origin, payload: Payload) -> None:
        """Count what the numbers of a node's messages, 0 to 255 and again, say was lost."""
        if payload.seq is None or origin.kind == "NDEATH":
            return
        last, seq = self._last.pop(origin.edge, None), payload.seq % 256
        # A message that the broker repeats has the number it had.
        if last is not None and origin.kind != "NBIRTH" and seq != last:
            self._counts["Sparkplug messages lost on the way"] += (seq - last - 1) % 256
        self._last[origin.edge] = seq
        if len(self._last) > _MOST_FOLLOWED:
            self._last.popitem(last=False)


class _Known:
    """A birth with its metrics by alias and by name."""

    __slots__ = ("by_alias", "by_name", "metrics", "session")

    def __init__(self, session: str, metrics: list[Told]) -> None:
        self.session = session
        self.metrics = metrics
        self.by_alias = {one.alias: one for one in metrics if one.alias is not None}
        self.by_name = {one.name: one for one in metrics}


def _each(
    origin: Origin, payload: Payload, known: _Known | None, about: dict[str, Any]
) -> tuple[list[WireEvent], list[Unread]]:
    """Return the events of the metrics of a payload, and those that gave none."""
    events: list[WireEvent] = []
    unread: list[Unread] = []
    for raw in payload.metrics:
        try:
            metric = read_metric(raw)
            told = _told(metric, known)
            if told.name == _SESSION or told.name.startswith(_CONTROL):
                continue
            events.append(_measured(origin, metric, told, metric.time_ms or payload.time_ms))
        except Refused as refusal:
            unread.append(Unread(refusal, raw))
        else:
            events[-1]["properties"] |= about
    return events, unread


def _told(metric: Metric, known: _Known | None) -> Told:
    """Return what is known of a metric, by itself and by its birth."""
    if metric.name:
        told = None if known is None else known.by_name.get(metric.name)
    elif metric.alias is None:
        raise Refused("A metric has neither name nor alias.", code="MISSING_FIELD")
    else:
        told = None if known is None else known.by_alias.get(metric.alias)
        if told is None:
            why = "no birth was seen" if known is None else "the last birth does not tell it"
            raise Refused(f"No metric has the alias {metric.alias}: {why}.", code="METRIC_UNKNOWN")
    if told is None:
        return Told(metric.name, metric.alias, metric.datatype, metric.unit)
    return Told(told.name, told.alias, metric.datatype or told.datatype, metric.unit or told.unit)


def _measured(origin: Origin, metric: Metric, told: Told, time_ms: int | None) -> WireEvent:
    event = _event(origin, told.name, time_ms)
    event["kind"] = "metric"
    properties = event["properties"]
    if told.datatype:
        properties["datatype"] = type_name(told.datatype)
    if metric.is_historical:
        properties["is_historical"] = True
    if metric.quality is not None:
        properties["quality"] = metric.quality
    if metric.is_null or not metric.member:
        properties["is_null"] = True
        return event
    value = said(metric, told.datatype)
    if value is None:
        properties["bytes"] = len(metric.content)
    elif isinstance(value, bool | str):
        properties["payload"] = value
    else:
        _take_value(event, value, told.unit)
    return event


def _take_value(event: WireEvent, value: Said, unit: str) -> None:
    """Put a number in its place, at nine digits after the point, and beside it what was said."""
    near = fitting(value)
    if isinstance(near, str):
        raise Refused("The value has more than 29 digits before the point.", code="VALUE_NONFINITE")
    if isinstance(near, Rounded):
        event["properties"]["exact"] = value
    event["value"] = near
    if unit:
        event["unit"] = unit


def _event(origin: Origin, name: str, time_ms: int | None) -> WireEvent:
    properties: dict[str, Any] = {"group": origin.group, "node": origin.node}
    if origin.device is not None:
        properties["device"] = origin.device
    event: WireEvent = {"name": name, "anonymous_id": origin.key, "properties": properties}
    if time_ms:
        event["time"] = instant(time_ms)
    return event


def _session(metrics: Sequence[Metric]) -> int | None:
    """Return the number of a node's connection, which its birth and its death both tell."""
    return next((one.number for one in metrics if one.name == _SESSION), None)
