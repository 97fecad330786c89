"""What is not told of trends.

How many people are behind a number is asked beside it, as a series of its own, because fifty events
may be those of one person.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from tallymark.core.errors import NotAllowed

from ._small_parts import FEW, is_small
from .lines import Line
from .metrics import LETTERS
from .trends import TrendsData

Asked = Mapping[str, Any]
_PEOPLE: Final = "unique_people"
_UNITS: Final = ("unique_people", "unique_accounts", "sessions")
# How many times the least: so many are beyond such a percentile as lie beyond the smallest group.
_BEYOND: Final = {"median": 2, "p90": 10, "p95": 20, "p99": 100}
_SIDES: Final = (("values", "total"), ("compared_values", "compared_total"))


class _Side(Struct, frozen=True):
    """What is hidden of the numbers of a range: the places of buckets, and the total."""

    buckets: frozenset[int] = frozenset()
    is_total: bool = False


def check_trends(question: Asked, defined: frozenset[str]) -> None:
    """Raise NotAllowed for a question whose small numbers could be reckoned from the others.

    ``defined`` are the names of events that stand for others.
    """
    series = _series(question)
    for name, why in (
        ("cumulative", "running totals, whose steps are the numbers of single days"),
        ("moving_average", "means of several days, whose steps tell of single days"),
    ):
        if any(one.get(name) for one in (question, *series)):
            raise _refused(why)
    if question.get("metrics"):
        raise _refused("metrics, which may be of any events")
    if any(one.get("measure") in ("min", "max") for one in series):
        raise _refused("a least or a greatest, which is the number of one")
    if any(_overlap(one, other, defined) for one in series for other in series):
        raise _refused(
            "series of which one may be part of another, so what lies between them is told"
        )
    if len(_with_people(series)) > len(LETTERS):
        raise _refused("so many series that the people behind them cannot be counted beside them")


def with_people(question: Asked) -> dict[str, Any]:
    """Return the question that also asks how many people are behind each of its numbers."""
    return {**question, "series": _with_people(_series(question))}


def trends(data: TrendsData, question: Asked, least: int) -> TrendsData:
    """Tell the numbers of enough people, and the groups of enough; the series of people go again."""
    series = _series(question)
    kept = [line for lines in _by_group(data.lines) for line in _group(lines, series, least, data)]
    order = {id(line): place for place, line in enumerate(data.lines)}
    kept.sort(key=lambda pair: order[id(pair[0])])
    return replace(data, lines=[line for _, line in kept], warnings=[])


def asked_alone(data: TrendsData, question: Asked) -> TrendsData:
    """Return an answer without the series that count who is behind the others."""
    twins = LETTERS[len(_series(question)) :]
    return replace(data, lines=[one for one in data.lines if one.series not in twins], warnings=[])


def _group(
    lines: Mapping[str, Line], series: Sequence[Asked], least: int, data: TrendsData
) -> Iterator[tuple[Line, Line]]:
    """Yield each line of a group with what is told of it."""
    people = [lines[LETTERS[place]] for place in _people_of(series)]
    most = max(_count(one.total) for one in people)
    if data.breakdown and most < least and any(one.total for one in lines.values()):
        return
    hidden = [[_Side() for _ in _SIDES] for _ in series]
    for place in set(_people_of(series)):
        mine = [at for at, one in enumerate(_people_of(series)) if one == place]
        for side, names in enumerate(_SIDES):
            some = [(series[at].get("measure", "count"), lines[LETTERS[at]]) for at in mine]
            for at, found in zip(mine, _hidden(some, lines[LETTERS[place]], names, least), strict=True):  # fmt: skip
                hidden[at][side] = found
    for letter, line in lines.items():
        if letter in LETTERS[: len(series)]:
            yield line, _shown(line, hidden[LETTERS.index(letter)])
        elif len(letter) > 1:
            yield line, _shown(line, [_any([one[side] for one in hidden]) for side in range(len(_SIDES))])  # fmt: skip


def _hidden(
    some: Sequence[tuple[str, Line]], people: Line, names: tuple[str, str], least: int
) -> list[_Side]:
    """Return what is hidden of lines of the same people, in one range."""
    behind = getattr(people, names[0])
    if behind is None:
        return [_Side() for _ in some]
    counts = [_count(one) for one in behind]
    few = {
        place
        for measure, line in some
        for place, value in enumerate(getattr(line, names[0]))
        if _is_few(measure, value, counts[place], least)
    }
    if few and any(measure != _PEOPLE for measure, _ in some):
        known = [any(getattr(line, names[0])[at] for _, line in some) for at in range(len(counts))]
        _complete(few, [(n, at) for at, n in enumerate(counts) if known[at]], least)
    return [_side(measure, line, few, counts, people, names, least) for measure, line in some]


def _complete(few: set[int], behind: Sequence[tuple[int, int]], least: int) -> None:
    """Hide the next smallest beside the hidden ones, which are the rest of a total that is told.

    ``behind`` is how many people are behind each bucket of something.
    """
    for _, place in sorted(one for one in behind if one[1] not in few):
        if len(few) > 1 and any(n >= least for n, at in behind if at in few):
            return
        few.add(place)


def _side(
    measure: str, line: Line, few: set[int], counts: Sequence[int], people: Line,
    names: tuple[str, str], least: int,
) -> _Side:  # fmt: skip
    values, total = getattr(line, names[0]), getattr(line, names[1])
    behind = _count(getattr(people, names[1]))
    beyond = _BEYOND.get(measure, 1) * least
    places = frozenset(few | {at for at, n in enumerate(counts) if n and n < beyond})
    is_total = _is_few(measure, total, behind, least) or 0 < behind < beyond
    if measure in _UNITS and not is_total:
        # Who did not come in a bucket are people, too.
        told = [_count(one) for at, one in enumerate(values) if at not in places]
        is_total = any(is_small(_count(total) - one, least) for one in told)
    return _Side(places, is_total)


def _is_few(measure: str, value: Any, people: int, least: int) -> bool:
    if measure in _UNITS and is_small(_count(value), least):
        return True
    if people:
        return people < least
    # Events of nobody who is known may be those of one.
    return bool(value) and not (measure == "count" and value >= least)


def _shown(line: Line, sides: Sequence[_Side]) -> Line:
    changed: dict[str, Any] = {}
    for (values, total), side in zip(_SIDES, sides, strict=True):
        told = getattr(line, values)
        if told is not None and side.buckets:
            changed[values] = [
                FEW if at in side.buckets and one is not None else one
                for at, one in enumerate(told)
            ]
        if side.is_total and getattr(line, total) is not None:
            changed[total] = FEW
    return replace(line, **changed)


def _any(sides: Sequence[_Side]) -> _Side:
    places = frozenset(place for one in sides for place in one.buckets)
    return _Side(places, any(one.is_total for one in sides))


def _by_group(lines: Sequence[Line]) -> list[dict[str, Line]]:
    found: dict[tuple[Any, ...], dict[str, Line]] = {}
    for line in lines:
        # A word and a number that read the same are two groups.
        key = (line.is_other, *((type(one), one) for one in line.breakdown or ()))
        found.setdefault(key, {})[line.series] = line
    return list(found.values())


def _series(question: Asked) -> list[dict[str, Any]]:
    return list(question.get("series") or [{}])


def _with_people(series: Sequence[Asked]) -> list[Asked]:
    return [*series, *_twins(series)]


def _twins(series: Sequence[Asked]) -> list[Asked]:
    found: list[Asked] = []
    for one in series:
        if one.get("measure") != _PEOPLE and _twin(one) not in found:
            found.append(_twin(one))
    return found


def _twin(series: Asked) -> Asked:
    same = {name: series[name] for name in ("event", "filter", "window") if name in series}
    return {**same, "measure": _PEOPLE}


def _people_of(series: Sequence[Asked]) -> list[int]:
    """Return the place of the series that counts the people of each."""
    twins = _twins(series)
    return [
        at if one.get("measure") == _PEOPLE else len(series) + twins.index(_twin(one))
        for at, one in enumerate(series)
    ]


def _overlap(one: Asked, other: Asked, defined: frozenset[str]) -> bool:
    same = all(one.get(name) == other.get(name) for name in ("event", "filter", "window"))
    mine, theirs = _events(one, defined), _events(other, defined)
    return not same and (mine is None or theirs is None or bool(mine & theirs))


def _events(series: Asked, defined: frozenset[str]) -> frozenset[str] | None:
    """Return the events of a series, None for any."""
    told = series.get("event")
    names = frozenset([told] if isinstance(told, str) else told or ())
    return None if not names or names & defined else names


def _count(value: Any) -> int:
    return 0 if value is None else int(value)


def _refused(why: str) -> NotAllowed:
    return NotAllowed(f"The question has {why}.", code="SHARE_SMALL")
