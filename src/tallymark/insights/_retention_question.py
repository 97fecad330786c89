"""What retention is asked with, and what results from its options and a preset."""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from tallymark.core.clock import DAY
from tallymark.core.errors import InvalidQuery

from . import fields
from ._retention_kernel import Criterion, Rules
from .fields import Field, field
from .insight import Scope
from .ranges import (
    HOUR,
    Buckets,
    Span,
    buckets,
    calendar_floor,
    calendar_step,
    day_start,
    local_date,
)
from .selection import Frame, Question, Step, StepOrName, frame_of, step_of

Cohort: TypeAlias = Literal["first_matching", "first_ever", "recurring"]
Clock: TypeAlias = Literal["calendar", "rolling", "rounded"]
Unit: TypeAlias = Literal["hour", "day", "week", "month"]
Measure: TypeAlias = Literal["people", "sum", "per_person", "per_returning"]
Overall: TypeAlias = Literal["weighted", "people"]
Same: TypeAlias = Literal["start", "both"]
BucketZero: TypeAlias = Literal["after_start", "everyone"]
Semantics: TypeAlias = Literal["mixpanel", "amplitude", "posthog"]

MAX_BUCKETS: Final = 400
_ROLLING: Final[dict[Unit, int]] = {
    "hour": HOUR, "day": DAY, "week": 7 * DAY, "month": 30 * DAY
}  # fmt: skip
# No stored instant is later.
_FOREVER: Final = 2**62


class RetentionQuestion(Question, frozen=True, kw_only=True):
    """Of those who did something in each interval of the range, how many came back, and when."""

    start: Annotated[
        StepOrName, Meta(description="What puts somebody into a cohort; any event if left out.")
    ] = Step()
    returning: Annotated[
        StepOrName | None,
        Meta(description="What counts as coming back; the same as the start if left out."),
    ] = None
    semantics: Annotated[
        Semantics | None,
        Meta(description="A tool whose documented rules are the defaults of the options below."),
    ] = None
    cohort: Annotated[
        Cohort | None,
        Meta(
            description=(
                "first_matching: by somebody's first start that satisfies the filters; first_ever: by"
                " the first event of that name, if it satisfies them; recurring: in every interval"
                " with a start. first_matching if left out."
            )
        ),
    ] = None
    interval: Annotated[Unit, Meta(description="Length of a cohort, and of a unit after it.")] = (
        "day"
    )
    buckets: Annotated[
        int, Meta(description="How many buckets are shown, from 0.", ge=1, le=MAX_BUCKETS)
    ] = 8
    brackets: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=MAX_BUCKETS)], ...],
        Meta(
            description="Widths of the buckets in intervals, such as [1, 6, 7]; else all are 1.",
            max_length=100,
        ),
    ] = ()
    clock: Annotated[
        Clock | None,
        Meta(
            description=(
                "calendar: the intervals of the time zone; rolling: of 1 h, 24 h, 7 d or 30 d from"
                " each start; rounded: the same from the full UTC hour, or for weeks and months the"
                " local day, of the start. calendar if left out."
            )
        ),
    ] = None
    criterion: Annotated[
        Criterion | None,
        Meta(
            description=(
                "on: came back in the bucket; on_or_after: in it or any later; on_or_before: in it or"
                " an earlier; streak: in it and all before. on if left out."
            )
        ),
    ] = None
    bucket_zero: Annotated[
        BucketZero | None,
        Meta(
            description=(
                "Whether bucket 0 holds who came back after_start, or everyone of the cohort;"
                " after_start if left out."
            )
        ),
    ] = None
    measure: Annotated[
        Measure,
        Meta(
            description=(
                "people; or of a number on the returns: its sum, the sum per_person of the cohort, or"
                " per_returning one."
            )
        ),
    ] = "people"
    of: Annotated[
        str | None, Meta(description="The number measured: value, revenue or properties.<name>.")
    ] = None
    breakdown: Annotated[
        tuple[str, ...], Meta(description="Up to three fields to break down by.", max_length=3)
    ] = ()
    breakdown_on: Annotated[
        Same | None,
        Meta(
            description=(
                "start: by the value at the start; both: only returns with the same value count."
                " start if left out."
            )
        ),
    ] = None
    top: Annotated[
        int, Meta(description="How many groups are shown; the rest is Other.", ge=1, le=1_000)
    ] = 10
    overall: Annotated[
        Overall | None,
        Meta(
            description=(
                "What the row of all cohorts counts: weighted by their sizes, so that somebody in two"
                " counts twice, or people once. weighted if left out."
            )
        ),
    ] = None
    include_cookieless: Annotated[
        bool,
        Meta(description="Also count visitors whose id lasts a day, who are left out otherwise."),
    ] = False


class Options(Struct, frozen=True):
    """What holds where the question says nothing."""

    cohort: Cohort = "first_matching"
    clock: Clock = "calendar"
    criterion: Criterion = "on"
    bucket_zero: BucketZero = "after_start"
    breakdown_on: Same = "start"
    overall: Overall = "weighted"


PRESETS: Final[dict[Semantics | None, Options]] = {
    None: Options(),
    "mixpanel": Options(cohort="recurring", clock="rolling", criterion="on_or_after"),
    "amplitude": Options(
        cohort="recurring", clock="rounded", criterion="on_or_after", overall="people"
    ),
    "posthog": Options(bucket_zero="everyone", breakdown_on="both"),
}


class Plan(Struct, frozen=True):
    """A question with everything about time, fields and options resolved.

    ``cut`` are the cohorts. ``edges`` go on from theirs, as far as returns of any may lie, and
    ``days`` are the starts of the local days up to there, if the clock counts days.
    """

    question: RetentionQuestion
    frame: Frame
    options: Options
    start: Step
    returning: Step
    cut: Buckets
    edges: tuple[int, ...]
    days: tuple[int, ...]
    rules: Rules
    by: list[Field]
    number: Field | None

    @property
    def cohorts(self) -> int:
        """How many cohorts there are."""
        return len(self.cut.edges) - 1

    @property
    def is_both(self) -> bool:
        """Whether a return must have the value of the start."""
        return bool(self.by) and self.options.breakdown_on == "both"

    @property
    def needs_all_returns(self) -> bool:
        """Whether every return counts, not only the last of a bucket."""
        return self.options.clock != "calendar" and not self.needs_last_return

    @property
    def needs_last_return(self) -> bool:
        """Whether the last return of a person tells all."""
        return self.options.criterion == "on_or_after"

    @property
    def is_fused(self) -> bool:
        """Whether starts and returns are the same events, so that one look at them tells both."""
        return (
            self.rules.is_celled
            and self.number is None
            and self.options.cohort != "first_ever"
            and self.start == self.returning
            and not self.by
        )

    @property
    def until(self) -> int:
        """The first instant at which no return counts."""
        if self.options.criterion == "on_or_after":
            return _FOREVER
        return self._ends(self.cohorts - 1, self.rules.buckets - 1)

    def is_complete(self, cohort: int, bucket: int) -> bool:
        """Whether a bucket is over for all who may be in a cohort, and all of it was asked for."""
        now = self.frame.scope.now
        if self.cut.is_incomplete(cohort, now):
            return False
        return self._ends(cohort, bucket) <= now

    def has_begun(self, cohort: int, bucket: int) -> bool:
        """Whether anybody of a cohort may have come to a bucket."""
        offset, first = self.rules.edges[bucket], self.cut.edges[cohort]
        if self.options.clock == "calendar":
            return self.edges[cohort + offset] < self.frame.scope.now
        if self.days:
            return self._day(first, offset) < self.frame.scope.now
        return first + offset * self.rules.unit < self.frame.scope.now

    def _ends(self, cohort: int, bucket: int) -> int:
        """Return when a bucket ends for the last who may be in a cohort."""
        offset, last = self.rules.edges[bucket + 1], self.cut.edges[cohort + 1]
        if self.options.clock == "calendar":
            return self.edges[cohort + offset]
        if self.days:
            return self._day(last - 1, offset)
        return last + offset * self.rules.unit

    def _day(self, instant_us: int, units: int) -> int:
        """Return the start of the local day so many units after that of an instant."""
        zone = self.frame.zone
        first = local_date(instant_us, zone)
        return day_start(calendar_step(first, "day", units * self.rules.unit), zone)


def plan_of(question: RetentionQuestion, scope: Scope) -> Plan:
    """Return the question resolved; raises InvalidQuery for what cannot be asked."""
    frame, options = frame_of(question, scope), _options(question)
    start = step_of(question.start)
    returning = start if question.returning is None else step_of(question.returning)
    cut = buckets(frame.span, question.interval, frame.zone, question.week_start)
    offsets = _offsets(question)
    days = options.clock == "rounded" and question.interval in {"week", "month"}
    reach = offsets[-1] + offsets[-1] // 14 + 6
    edges = _beyond(question, frame, cut, reach)
    cohorts = len(cut.edges) - 1
    groups = question.top + 1 if question.breakdown else 1
    if cohorts * (len(offsets) - 1) * groups > scope.max_rows:
        raise InvalidQuery(
            f"The answer would have more than {scope.max_rows} numbers.",
            code="QUERY_TOO_LARGE",
            path="interval",
        )
    unit = 1 if options.clock == "calendar" else _ROLLING[question.interval]
    return Plan(
        question, frame, options, start, returning, cut, edges,
        days=_days(frame, edges) if days else (),
        rules=Rules(
            criterion=options.criterion,
            unit=unit // DAY if days else unit,
            edges=offsets,
            reach=len(edges) if options.criterion == "on_or_after" else reach,
            is_recurring=options.cohort == "recurring",
            is_celled=options.clock == "calendar" and options.criterion != "on_or_after",
            starts_streak=start == returning,
            counts_everyone=options.bucket_zero == "everyone",
        ),
        by=[field(name, scope, path="breakdown") for name in question.breakdown],
        number=_number(question, options, scope),
    )  # fmt: skip


def _options(question: RetentionQuestion) -> Options:
    preset = PRESETS[question.semantics]
    options = Options(
        cohort=question.cohort or preset.cohort,
        clock=question.clock or preset.clock,
        criterion=question.criterion or preset.criterion,
        bucket_zero=question.bucket_zero or preset.bucket_zero,
        breakdown_on=question.breakdown_on or preset.breakdown_on,
        overall=question.overall or preset.overall,
    )
    if options.bucket_zero == "everyone" and options.criterion == "on_or_before":
        raise InvalidQuery(
            "With everyone in bucket 0, everyone came back on or before every bucket.",
            hint="Leave out bucket_zero, or choose another criterion.",
            path="bucket_zero",
        )
    return options


def _offsets(question: RetentionQuestion) -> tuple[int, ...]:
    """Return where each bucket begins, in intervals after the start, and where the last one ends."""
    offsets = [0]
    for width in question.brackets or (1,) * question.buckets:
        offsets.append(offsets[-1] + width)
    if offsets[-1] > MAX_BUCKETS:
        raise InvalidQuery(
            f"The brackets may reach {MAX_BUCKETS} intervals after the start.", path="brackets"
        )
    return tuple(offsets)


def _beyond(question: RetentionQuestion, frame: Frame, cut: Buckets, reach: int) -> tuple[int, ...]:
    """Return the edges of the cohorts and of as many intervals after the last one."""
    last = cut.edges[-1]
    if question.interval == "hour":
        far = last + reach * HOUR
    else:
        first = calendar_floor(local_date(last, frame.zone), question.interval, question.week_start)
        # A date that the zone skipped is no interval, so one more than needed.
        far = day_start(calendar_step(first, question.interval, reach + 1), frame.zone)
    span = Span(cut.span.since, far)
    return buckets(span, question.interval, frame.zone, question.week_start).edges


def _days(frame: Frame, edges: tuple[int, ...]) -> tuple[int, ...]:
    return buckets(Span(edges[0], edges[-1]), "day", frame.zone).edges


def _number(question: RetentionQuestion, options: Options, scope: Scope) -> Field | None:
    if question.measure == "people":
        if question.of is not None:
            raise InvalidQuery("people measures no field.", path="of")
        return None
    if question.of is None:
        raise InvalidQuery(
            f"{question.measure} needs a number to measure.",
            hint="Name it in `of`: value, revenue or properties.<name>.",
            path="of",
        )
    if options.criterion == "streak":
        raise InvalidQuery("A streak counts people, not a number.", path="measure")
    found = fields.field(question.of, scope, path="of")
    if found.number is None and not found.is_property:
        raise InvalidQuery(f"{question.of} is not a number.", path="of")
    return found
