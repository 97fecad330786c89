"""What the processes say of themselves: log lines for machines, and counters for Prometheus.

Neither ever holds a key, an id of a person or an address: log fields are chosen by us, and label
values come from bounded sets.
"""

import json
import logging
import re
import sys
import threading
import traceback
from bisect import bisect_left
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TextIO, TypeAlias, TypeVar

from .clock import Clock, SystemClock, rfc3339

T = TypeVar("T")
Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Field: TypeAlias = str | int | float | bool | list[str] | None

LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error")
SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_MAX_TEXT = 2_000
_MAX_SERIES = 1_000
_OTHER = "other"
_KEY = re.compile(r"\b(pk|sk|rk)_[0-9A-Za-z]{8}_[0-9A-Za-z]+(?:_[0-9A-Za-z]+)?")


class Logger:
    """Writes one JSON object a line; control characters and all beyond ASCII are escaped."""

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        level: Level = "info",
        clock: Clock | None = None,
        part: str = "front",
    ) -> None:
        self._stream = stream or sys.stderr
        self._least = LEVELS.index(level)
        self._clock = clock or SystemClock()
        self._part = part

    def debug(self, message: str, **fields: Field) -> None:
        """Write what only somebody hunting a fault wants to know."""
        self._write("debug", message, fields)

    def info(self, message: str, **fields: Field) -> None:
        """Write what happened as it should."""
        self._write("info", message, fields)

    def warning(self, message: str, **fields: Field) -> None:
        """Write what somebody may have to look at."""
        self._write("warning", message, fields)

    def error(self, message: str, **fields: Field) -> None:
        """Write what somebody has to mend."""
        self._write("error", message, fields)

    def bug(self, message: str, error: BaseException, **fields: Field) -> None:
        """Write an unexpected failure with its type and where it arose, outermost call first."""
        # The text of a foreign exception often quotes the value that broke it, such as an e-mail
        # address, so only the kind and the places are kept.
        self._write("error", message, {**fields, "error": type(error).__name__, "at": _at(error)})

    def _write(self, level: Level, message: str, fields: Mapping[str, Field]) -> None:
        if LEVELS.index(level) < self._least:
            return
        line = {
            "time": rfc3339(self._clock.now()),
            "level": level,
            "part": self._part,
            "message": _safe(message),
            **{name: _safe(value) for name, value in fields.items()},
        }
        # DEL is the one control character that ASCII-only JSON leaves as it is.
        text = json.dumps(line, ensure_ascii=True).replace("\x7f", "\\u007f")
        self._stream.write(text + "\n")
        self._stream.flush()


class LogHandler(logging.Handler):
    """Passes what is said through the standard library's logging to a ``Logger``."""

    def __init__(self, logger: Logger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; an exception is told by its type and places only."""
        told = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            self._logger.bug(told, error)
        elif record.levelno >= logging.ERROR:
            self._logger.error(told)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(told)
        elif record.levelno >= logging.INFO:
            self._logger.info(told)
        else:
            self._logger.debug(told)


def without_keys(text: str) -> str:
    """Return the text with every write, secret or read key cut to its kind."""
    return _KEY.sub(r"\1_…", text)


def _safe(value: Field) -> Field:
    if isinstance(value, str):
        return without_keys(value)[:_MAX_TEXT]
    if isinstance(value, list):
        return [without_keys(item)[:_MAX_TEXT] for item in value]
    return value


def _at(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


class Counter:
    """A number that only grows, one for each combination of label values."""

    kind = "counter"

    def __init__(self, name: str, help_text: str, labels: tuple[str, ...] = ()) -> None:
        self.name = name
        self.help_text = help_text
        self.labels = labels
        self._amounts: dict[tuple[str, ...], float] = {}
        self._lock = threading.Lock()

    def add(self, amount: float = 1, *values: str) -> None:
        """Add to the series of these label values; beyond a thousand series all go to "other"."""
        with self._lock:
            key = self._bounded(values)
            self._amounts[key] = self._amounts.get(key, 0) + amount

    def reach(self, amount: float, *values: str) -> None:
        """Bring the series of these label values to a total that is counted elsewhere."""
        with self._lock:
            key = self._bounded(values)
            self._amounts[key] = max(amount, self._amounts.get(key, 0))

    def value(self, *values: str) -> float:
        """Return the present amount of one series, 0 if it never moved."""
        return self._amounts.get(values, 0)

    def render(self) -> list[str]:
        """Return the lines of this metric in the Prometheus text format."""
        with self._lock:
            amounts = sorted(self._amounts.items())
        return [f"{self.name}{_braces(self.labels, key)} {_number(n)}" for key, n in amounts]

    def _bounded(self, values: tuple[str, ...]) -> tuple[str, ...]:
        if values in self._amounts or len(self._amounts) < _MAX_SERIES:
            return values
        return (_OTHER,) * len(self.labels)


class Gauge(Counter):
    """A number that goes up and down."""

    kind = "gauge"

    def set(self, amount: float, *values: str) -> None:
        """Set the series of these label values."""
        with self._lock:
            self._amounts[self._bounded(values)] = amount


class Histogram:
    """How often a measured value fell below each bound, one for each value of its label."""

    kind = "histogram"

    def __init__(
        self, name: str, help_text: str, label: str, bounds: tuple[float, ...] = SECONDS_BUCKETS
    ) -> None:
        self.name = name
        self.help_text = help_text
        self._label = label
        self._bounds = bounds
        self._series: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    def observe(self, amount: float, value: str) -> None:
        """Count one measurement in the series of the label value."""
        with self._lock:
            if value not in self._series and len(self._series) >= _MAX_SERIES:
                value = _OTHER
            # One slot a bucket, one for what exceeds all, then the sum.
            slots = self._series.setdefault(value, [0] * (len(self._bounds) + 2))
            slots[bisect_left(self._bounds, amount)] += 1
            slots[-1] += amount

    def render(self) -> list[str]:
        """Return the lines of this metric in the Prometheus text format."""
        with self._lock:
            series = sorted((value, list(slots)) for value, slots in self._series.items())
        lines = []
        for value, slots in series:
            total = 0.0
            for bound, slot in zip((*self._bounds, "+Inf"), slots, strict=False):
                total += slot
                key = (value, str(bound))
                lines.append(f"{self.name}_bucket{_braces((self._label, 'le'), key)} {total:.0f}")
            tail = _braces((self._label,), (value,))
            lines.append(f"{self.name}_sum{tail} {_number(slots[-1])}")
            lines.append(f"{self.name}_count{tail} {total:.0f}")
        return lines


class Metrics:
    """Every metric of one process, by name."""

    def __init__(self) -> None:
        self._metrics: dict[str, Counter | Histogram] = {}
        self._readers: list[Callable[[], None]] = []

    def counter(self, name: str, help_text: str, labels: tuple[str, ...] = ()) -> Counter:
        """Return the counter of that name, made at its first mention."""
        found = self._metrics.setdefault(name, Counter(name, help_text, labels))
        return _of_kind(found, Counter)

    def gauge(self, name: str, help_text: str, labels: tuple[str, ...] = ()) -> Gauge:
        """Return the gauge of that name, made at its first mention."""
        return _of_kind(self._metrics.setdefault(name, Gauge(name, help_text, labels)), Gauge)

    def histogram(self, name: str, help_text: str, label: str) -> Histogram:
        """Return the histogram of that name, made at its first mention."""
        found = self._metrics.setdefault(name, Histogram(name, help_text, label))
        return _of_kind(found, Histogram)

    def before_render(self, reader: Callable[[], None]) -> None:
        """Have a function set its gauges each time the metrics are read."""
        self._readers.append(reader)

    def render(self) -> str:
        """Return every metric in the Prometheus text format, version 0.0.4."""
        for reader in self._readers:
            reader()
        lines = []
        for metric in self._metrics.values():
            lines.append(f"# HELP {metric.name} {metric.help_text}")
            lines.append(f"# TYPE {metric.name} {metric.kind}")
            lines.extend(metric.render())
        return "\n".join(lines) + "\n"


def _of_kind(found: object, kind: type[T]) -> T:
    if not isinstance(found, kind):
        raise TypeError(f"The metric is a {type(found).__name__}, not a {kind.__name__}.")
    return found


def _braces(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    if not names:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(amount: float) -> str:
    return str(int(amount)) if amount == int(amount) else repr(amount)
