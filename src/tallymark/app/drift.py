"""How the properties of events drift: what each source sends now beside what it sent before.

Compared is, for each event of each source, what came in the hours looked at with what came in the seven
days before them. A property drifts

    new         if none of the events before had it
    vanished    if none has it now, and at least ten should by how many had it before
    lacking     if the share that lack it, or have null, moved by at least 10 points
    types       if the share that are text, a number or something else moved by at least 10 points
    values      if its population stability index is at least 0.25, and its types are what they were

and never by what chance does once in a thousand times. Values are truths, lists and objects as one, the
50 most frequent texts and all others as one, and numbers: each its own while there are at most 50,
otherwise the tenths of what they were before. All is exact over the events looked at: every one up to
50 000 on either side, then every third, every fifth …, so that time and memory are bounded.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from typing import Final, TypeAlias

from msgspec import Struct

from tallymark.api.drift_answers import Compared, Having, Moved, PropertyDrift
from tallymark.core.clock import DAY
from tallymark.core.errors import QuestionStopped
from tallymark.core.sql import Sql, join, sql
from tallymark.store.engine import Fetch

from .stability import differs, parts, psi_by_chance

SHIFTED: Final = Decimal("0.25")
_BEFORE_US: Final = 7 * DAY
_POINTS: Final = Fraction(1, 10)
_MOST_EVENTS: Final = 50_000
_MOST_STREAMS: Final = 50
_MOST_NAMES: Final = 50
_MOST_ROWS: Final = 200
_ENOUGH: Final = 100
_EXPECTED: Final = 10
_MOST_VALUES: Final = 50
# One statement spells out so many properties; each of them may have as many values as there are events.
_TOGETHER: Final = 5
_WORDS: Final = {"r": "other values", "o": "a list or object"}

_Stream: TypeAlias = tuple[str, str, int]
# Counts before and now, by value; its first letter says what kind of value it is.
_Values: TypeAlias = Mapping[str, tuple[int, int]]


class Figures(Struct, frozen=True):
    """Every property that was compared, those that drift first, and what to tell of them."""

    properties: Sequence[PropertyDrift]
    told: Compared


class _Window(Struct, frozen=True):
    """What is looked at: from, the edge between before and now, until, and every how many events."""

    start: int
    edge: int
    end: int
    step_before: int = 1
    step_now: int = 1

    @property
    def chosen(self) -> Sql:
        return sql(
            "received_us >= {start} AND received_us < {end} AND seq % (CASE WHEN received_us < {edge}"
            " THEN {before} ELSE {now} END) = 0",
            start=self.start, end=self.end, edge=self.edge, before=self.step_before, now=self.step_now,
        )  # fmt: skip


def drift(fetch: Fetch, now: int, since: int, watched: Mapping[str, Collection[str]]) -> Figures:
    """Return how properties drift; of events ``watched`` the named ones are looked at before others."""
    window = _window(fetch, since - _BEFORE_US, since, now)
    counts = _counts(fetch, window)
    enough = [one for one, (before, has) in counts.items() if min(before, has) >= _ENOUGH]
    names_of = dict(fetch(Sql("SELECT event_key, name FROM event_name")).rows) if enough else {}
    enough.sort(key=lambda one: (names_of[one[2]] not in watched, -sum(counts[one]), one))
    streams = enough[:_MOST_STREAMS]
    wanted = sorted({name for names in watched.values() for name in names})
    classes = _classes(fetch, window, wanted) if streams else {}
    names = list(classes)[:_MOST_NAMES]
    found: list[PropertyDrift] = []
    looked_at = 0
    with suppress(_OutOfTime):
        for first in range(0, len(names), _TOGETHER):
            some = {one: classes[one] for one in names[first : first + _TOGETHER]}
            for (stream, name), values in _in_time(fetch, window, some, streams).items():
                if stream in streams:
                    source, protocol, key = stream
                    place = (source, protocol, names_of[key], name)
                    found.append(_compared(place, counts[stream], values, window))
            looked_at += len(some)
    found.sort(key=_importance)
    told = Compared(
        before_us=window.start,
        one_in_before=window.step_before,
        one_in_now=window.step_now,
        streams=len(streams),
        too_few=len(counts) - len(enough),
        left_out=len(enough) - len(streams) + len(classes) - looked_at,
        is_finished=looked_at == len(names),
        drifting=sum(bool(one.drifts) for one in found),
        properties=found[:_MOST_ROWS],
    )
    return Figures(found, told)


def _window(fetch: Fetch, start: int, edge: int, end: int) -> _Window:
    asked = sql(
        "SELECT count(*) FILTER (received_us < {edge}), count(*) FILTER (received_us >= {edge})"
        " FROM event WHERE received_us >= {start} AND received_us < {end}",
        start=start, edge=edge, end=end,
    )  # fmt: skip
    before, now = (_step(int(count)) for count in fetch(asked).rows[0])
    return _Window(start, edge, end, before, now)


def _step(count: int) -> int:
    # Odd, since the places of events in the log are multiples of a power of two.
    return -(-count // _MOST_EVENTS) | 1


def _counts(fetch: Fetch, window: _Window) -> dict[_Stream, tuple[int, int]]:
    asked = sql(
        "SELECT source, protocol, event_key, count(*) FILTER (received_us < {edge}),"
        " count(*) FILTER (received_us >= {edge}) FROM event WHERE {chosen} GROUP BY ALL",
        edge=window.edge, chosen=window.chosen,
    )  # fmt: skip
    return {
        (source, protocol, int(key)): (int(before), int(now))
        for source, protocol, key, before, now in fetch(asked).rows
    }


def _classes(fetch: Fetch, window: _Window, wanted: list[str]) -> dict[str, list[str]]:
    """Return the classes in which properties came, by name: what is wanted, then those with most."""
    asked = sql(
        """
        SELECT name, list("class") FROM property
        WHERE last_seq >= (SELECT min(seq) FROM event WHERE received_us >= {start})
        GROUP BY name
        ORDER BY list_contains({wanted}::VARCHAR[], name) DESC, sum(events) DESC, name
        """,
        start=window.start, wanted=wanted,
    )  # fmt: skip
    return {name: list(classes) for name, classes in fetch(asked).rows}


class _OutOfTime(Exception):
    """The time or memory of the question is over."""


def _in_time(
    fetch: Fetch, window: _Window, classes: Mapping[str, list[str]], streams: Sequence[_Stream]
) -> dict[tuple[_Stream, str], dict[str, tuple[int, int]]]:
    try:
        return _values(fetch, window, classes, streams)
    except QuestionStopped as stopped:
        # Cancelled is cancelled; but other figures are worth telling without the rest of these.
        if stopped.code == "QUERY_CANCELLED":
            raise
        raise _OutOfTime from stopped


def _values(
    fetch: Fetch, window: _Window, classes: Mapping[str, list[str]], streams: Sequence[_Stream]
) -> dict[tuple[_Stream, str], dict[str, tuple[int, int]]]:
    keys = sorted({key for _, _, key in streams})
    properties = join(", ", [_property(name, have) for name, have in classes.items()])
    asked = sql(
        """
        WITH sent AS (
          SELECT source, protocol, event_key, received_us >= {edge} AS is_now,
                 unnest([{properties}], recursive := true)
          FROM event
          WHERE {chosen} AND event_key IN (SELECT unnest({keys}::INTEGER[]))
        ), present AS (
          SELECT * FROM sent WHERE text IS NOT NULL OR number IS NOT NULL OR other IS NOT NULL
        ), usual AS (
          SELECT source, protocol, event_key, name, count(DISTINCT number) AS different,
                 list(number ORDER BY number) FILTER (NOT is_now AND number IS NOT NULL) AS sorted
          FROM present GROUP BY ALL
        ), edged AS (
          SELECT * EXCLUDE (sorted),
                 list_transform(range(1, 10), lambda i: sorted[(i * len(sorted) + 9) // 10]) AS edges
          FROM usual
        ), named AS (
          SELECT source, protocol, event_key, name, is_now,
                 CASE
                   WHEN length(text) > 100 THEN 't' || left(text, 80) || '… ' || md5(text)
                   WHEN text IS NOT NULL THEN 't' || text
                   WHEN number IS NULL THEN other
                   WHEN different <= {most} OR edges[1] IS NULL THEN 'n' || CAST(number AS VARCHAR)
                   ELSE 'q' || coalesce(CAST(edges[below] AS VARCHAR), '') || ' '
                     || coalesce(CAST(edges[below + 1] AS VARCHAR), '')
                 END AS value
          FROM (
            SELECT present.*, different, edges, len(list_filter(edges, lambda e: e < number)) AS below
            FROM present JOIN edged USING (source, protocol, event_key, name)
          )
        ), counted AS (
          SELECT source, protocol, event_key, name, value,
                 count(*) FILTER (NOT is_now) AS before, count(*) FILTER (is_now) AS now
          FROM named GROUP BY ALL
        ), ranked AS (
          SELECT *, row_number() OVER (
              PARTITION BY source, protocol, event_key, name, left(value, 1)
              ORDER BY before + now DESC, value
            ) AS place
          FROM counted
        )
        SELECT source, protocol, event_key, name,
               CASE WHEN value LIKE 't%' AND place > {most} THEN 'r' ELSE value END AS value,
               sum(before)::BIGINT, sum(now)::BIGINT
        FROM ranked GROUP BY ALL
        """,
        edge=window.edge, properties=properties, chosen=window.chosen, keys=keys, most=_MOST_VALUES,
    )  # fmt: skip
    found: dict[tuple[_Stream, str], dict[str, tuple[int, int]]] = {}
    for source, protocol, key, name, value, before, now in fetch(asked).rows:
        place = ((source, protocol, int(key)), name)
        found.setdefault(place, {})[value] = (int(before), int(now))
    return found


def _property(name: str, classes: Collection[str]) -> Sql:
    """Return a property as a value of its class; a key that is nowhere is the slowest to look for."""
    text = sql("CAST(prop_text[{name}] AS VARCHAR)", name=name)
    number = sql("CAST(prop_number[{name}] AS DECIMAL(38,9))", name=name)
    other = sql(
        "CASE variant_typeof(prop_other[{name}]) WHEN 'BOOL_TRUE' THEN 'btrue' WHEN 'BOOL_FALSE'"
        " THEN 'bfalse' ELSE CASE WHEN prop_other[{name}] IS NOT NULL THEN 'o' END END",
        name=name,
    )
    return sql(
        "struct_pack(name := {name}::VARCHAR, text := {text}, number := {number}, other := {other})",
        name=name,
        text=text if "text" in classes else Sql("NULL::VARCHAR"),
        number=number if "number" in classes else Sql("NULL::DECIMAL(38,9)"),
        other=other if "other" in classes else Sql("NULL::VARCHAR"),
    )


def _compared(
    place: tuple[str, str, str, str], events: tuple[int, int], values: _Values, window: _Window
) -> PropertyDrift:
    before, now = (_having(events[side], values, side) for side in (0, 1))
    have = (_have(before), _have(now))
    index = chance = moved = None
    if min(have) >= _ENOUGH:
        ordered = sorted(values)
        each = parts([values[one][0] for one in ordered], [values[one][1] for one in ordered])
        index, chance = sum(each, Decimal(0)), psi_by_chance(len(values), *have)
        most = ordered[each.index(max(each))]
        was, has = values[most]
        moved = Moved(_shown(most), was / have[0], has / have[1])
    drifts = list(_drifts(before, now, is_all=window.step_before == 1))
    is_shifted = index is not None and chance is not None and index >= SHIFTED and index > chance
    if is_shifted and "types" not in drifts:
        drifts.append("values")
    return PropertyDrift(
        *place, before, now, _rounded(index), _rounded(chance), moved, drifts  # type: ignore[arg-type]
    )  # fmt: skip


def _drifts(before: Having, now: Having, *, is_all: bool) -> Iterator[str]:
    had, has = (_have(before), before.events), (_have(now), now.events)
    if not had[0]:
        # Where not every event was looked at, some before may have had it all the same.
        if is_all or differs(had, has, Fraction(0)):
            yield "new"
        return
    if not has[0]:
        if had[0] * now.events >= _EXPECTED * before.events:
            yield "vanished"
        return
    if differs(had, has, _POINTS):
        yield "lacking"
    if any(
        differs((getattr(before, one), had[0]), (getattr(now, one), has[0]), _POINTS)
        for one in ("text", "number", "other")
    ):
        yield "types"


def _having(events: int, values: _Values, side: int) -> Having:
    counts = {"text": 0, "number": 0, "other": 0}
    for value, both in values.items():
        kind = "text" if value[0] in "tr" else "number" if value[0] in "nq" else "other"
        counts[kind] += both[side]
    return Having(events, **counts)


def _have(one: Having) -> int:
    return one.text + one.number + one.other


def _shown(value: str) -> str:
    kind, text = value[0], value[1:]
    if kind == "n":
        return _plain(text)
    if kind == "q":
        low, high = text.split(" ")
        if not low:
            return f"up to {_plain(high)}"
        return f"{_plain(low)} to {_plain(high)}" if high else f"over {_plain(low)}"
    return _WORDS.get(kind, text)


def _plain(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


def _rounded(number: Decimal | None) -> float | None:
    return None if number is None else float(round(number, 6))


def _importance(one: PropertyDrift) -> tuple[bool, float, tuple[str, ...]]:
    place = (one.source, one.protocol, one.event, one.property)
    return not one.drifts, -(one.psi or 0), place
