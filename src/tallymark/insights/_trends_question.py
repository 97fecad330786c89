"""What trends may be asked: the lines, how far their numbers reach, and which number is meant."""

from typing import Annotated

from msgspec import Meta, Struct, structs

from tallymark.core.errors import InvalidQuery

from .comparison import Compare
from .lines import Formula
from .metrics import LETTERS
from .ranges import Interval
from .selection import Group, Question
from .windows import MAX_DAYS, ReachingSeries, Tool, checked, is_named


class TrendsQuestion(Question, frozen=True, kw_only=True):
    """Numbers over time."""

    series: Annotated[
        tuple[ReachingSeries, ...],
        Meta(description="The lines A, B, C … in order.", min_length=1, max_length=10),
    ] = (ReachingSeries(),)
    interval: Annotated[Interval, Meta(description="Length of a bucket.")] = "day"
    breakdown: Annotated[
        tuple[str, ...], Meta(description="Up to three fields to break down by.", max_length=3)
    ] = ()
    top: Annotated[
        int, Meta(description="How many groups are shown; the rest is Other.", ge=1, le=1_000)
    ] = 10
    top_by: Annotated[
        str, Meta(description="Letter of the series whose totals choose the groups.")
    ] = "A"
    compare: Annotated[Compare | None, Meta(description="An earlier range to hold against.")] = None
    formulas: Annotated[
        tuple[Formula | str, ...],
        Meta(description="Lines calculated from the series.", max_length=10),
    ] = ()
    metrics: Annotated[
        tuple[str, ...], Meta(description="Named metrics, as further lines.", max_length=10)
    ] = ()
    window: Annotated[
        str | None,
        Meta(
            description=(
                "The window of series that say nothing of how far they reach: dau, wau, mau, 28d or"
                " any number of days, week, month, quarter, year."
            )
        ),
    ] = None
    cumulative: Annotated[
        bool, Meta(description="Whether series that say nothing of it are running totals.")
    ] = False
    moving_average: Annotated[
        Annotated[int, Meta(ge=2, le=MAX_DAYS)] | None,
        Meta(description="Of how many buckets series that say nothing of it are the mean."),
    ] = None
    semantics: Annotated[
        Tool | None,
        Meta(description="The tool whose days dau, wau and mau have; see the rules."),
    ] = None


class TrendsPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """One number of people: a series, and of it one bucket and one group, or all of them."""

    series: Annotated[str, Meta(description="Letter of the series.")] = "A"
    bucket: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Place of the bucket, counted from 0; all if left out."),
    ] = None
    group: Annotated[Group | None, Meta(description="One group of the breakdown.")] = None


def series_of(question: TrendsQuestion) -> tuple[ReachingSeries, ...]:
    """Return the series, each with how far it reaches; raises InvalidQuery if it cannot.

    What a series says of it goes before what the question says for all of them.
    """
    told = tuple(
        checked(_with_common(one, question), f"series[{number}]")
        for number, one in enumerate(question.series)
    )
    if question.semantics is not None and not any(is_named(one.window) for one in told):
        raise InvalidQuery(
            f"semantics {question.semantics!r} says how long dau, wau and mau are, and no series has"
            " such a window.",
            hint="Give a series the window wau or mau.",
            path="semantics",
        )
    return told


def place_of(question: TrendsQuestion, letter: str, path: str) -> int:
    """Return the place of the series of a letter; raises InvalidQuery if there is none."""
    if len(letter) != 1 or letter not in LETTERS[: len(question.series)]:
        raise InvalidQuery(f"There is no series {letter!r}.", path=path)
    return LETTERS.index(letter)


def _with_common(series: ReachingSeries, question: TrendsQuestion) -> ReachingSeries:
    if series.window is not None or series.cumulative or series.moving_average is not None:
        return series
    return structs.replace(
        series,
        window=question.window,
        cumulative=question.cumulative,
        moving_average=question.moving_average,
    )
