"""The numbers of one series or formula over the buckets of a range."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct, structs

from tallymark.store.engine import Rows

from . import formula
from .formula import Expression
from .measures import Amount, Series, adds_up, number_of
from .numbers import Number
from .ranges import Buckets, Span
from .windows import ReachingSeries, WindowPart, Windows, averages, carried

Value: TypeAlias = str | int | float | bool | None
# What a statement found: by place of the group (None for Other), then by bucket (None for all).
Found: TypeAlias = Mapping[int | None, tuple[Amount, int]]
Numbers: TypeAlias = dict[int | None, dict[int | None, tuple[Amount, int]]]


class Formula(Struct, frozen=True, forbid_unknown_fields=True):
    """A line calculated from others."""

    formula: Annotated[
        str, Meta(description="Such as A / B * 100, where A is the first series.", max_length=200)
    ]
    label: Annotated[str | None, Meta(description="Name of the line.")] = None


class Line(Struct, frozen=True):
    """The numbers of one series or formula, of one group if broken down.

    ``values`` go with the buckets. ``total`` is of the whole range, in which a person counts once,
    so it is no sum of the buckets; a moving average has none. ``breakdown`` holds the group's value
    of each field, null where it is missing; the Other line has none. ``windows`` are what each value
    covers, of a series with a window. Where ``sums_to_total``, the lines of all groups, Other too, add up
    to the line of all: counts and sums do, and what counts somebody once, or is a mean, does not.
    """

    series: str
    label: str
    values: list[Number | None]
    total: Number | None
    breakdown: list[Value] | None = None
    is_other: bool = False
    compared_values: list[Number | None] | None = None
    compared_total: Number | None = None
    windows: list[WindowPart] | None = None
    sums_to_total: bool = False


class Reach(Struct, frozen=True):
    """How far the numbers of a series reach in one range, and so how its rows are read.

    ``read`` are the buckets its rows tell of: those of the range, with those before them that a mean
    of ``width`` buckets needs.
    """

    read: Buckets
    now: int
    windows: Windows | None = None
    width: int | None = None
    is_running: bool = False

    @property
    def buckets(self) -> int:
        """How many buckets the rows tell of."""
        return len(self.read.edges) - 1

    @property
    def span(self) -> Span:
        """The instants of the events that any number counts."""
        return self.read.span if self.windows is None else self.windows.pieces.span


def numbers_in(rows: Rows) -> Numbers:
    """Return the numbers of a statement by place of the group and by bucket."""
    found: Numbers = {}
    for place, bucket, amount, n, *_ in rows.rows:
        found.setdefault(place, {})[bucket] = (amount, n)
    return found


def series_line(
    letter: str,
    series: ReachingSeries,
    found: Found,
    reach: Reach,
    earlier: tuple[Found, Reach, Sequence[int | None]] | None,
) -> Line:
    """Return the line of a series; ``earlier`` has each bucket's counterpart, if compared."""
    line = Line(
        series=letter,
        label=series.label or label_of(series) + _reaching(series),
        values=_values(series, found, reach),
        total=_total(series, found),
        windows=list(reach.windows.parts) if reach.windows else None,
        # A mean of several buckets is rounded, and so is no exact sum.
        sums_to_total=adds_up(series.measure) and series.moving_average is None,
    )
    if earlier is None:
        return line
    before, before_reach, counterparts = earlier
    values = _values(series, before, before_reach)
    return structs.replace(
        line,
        compared_values=[None if bucket is None else values[bucket] for bucket in counterparts],
        compared_total=_total(series, before),
    )


def formula_line(
    name: str, asked: Formula, expression: Expression, lines: Mapping[str, Line]
) -> Line:
    """Return the line a formula makes of the lines of the series, by letter."""

    def calculated(numbers: Iterable[Number | None]) -> Number | None:
        return formula.evaluate(expression, dict(zip(lines, numbers, strict=True)))

    used = lines.values()
    earlier = [line.compared_values for line in used if line.compared_values is not None]
    return Line(
        series=name,
        label=asked.label or asked.formula,
        values=[calculated(some) for some in zip(*(line.values for line in used), strict=True)],
        total=calculated(line.total for line in used),
        compared_values=[calculated(some) for some in zip(*earlier, strict=True)]
        if earlier
        else None,
        compared_total=calculated(line.compared_total for line in used) if earlier else None,
    )


def _values(series: ReachingSeries, found: Found, reach: Reach) -> list[Number | None]:
    measure, count = series.measure, reach.buckets
    if reach.is_running:
        known = {at: number_of(measure, one) for at, one in found.items() if at is not None}
        return carried(known, count, number_of(measure, None))
    values = [number_of(measure, found.get(bucket)) for bucket in range(count)]
    return values if reach.width is None else averages(values, reach.read, reach.width, reach.now)


def _total(series: ReachingSeries, found: Found) -> Number | None:
    # Its rows are also of buckets before the range, and a mean of means would say nothing.
    return None if series.moving_average else number_of(series.measure, found.get(None))


def label_of(series: Series) -> str:
    """Return the name of a series that was given none."""
    named = [series.event] if isinstance(series.event, str) else series.event or ["any event"]
    measure = series.measure.replace("_", " ")
    what = measure if series.of is None else f"{measure} {series.of}"
    return f"{what}: {', '.join(named)}"


def _reaching(series: ReachingSeries) -> str:
    if series.window is not None:
        return f" ({series.window})"
    if series.cumulative:
        return " (cumulative)"
    return f" (mean of {series.moving_average})" if series.moving_average else ""
