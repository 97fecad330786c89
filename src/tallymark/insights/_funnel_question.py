"""What a funnel is asked with, and the rules that result from the options and a preset."""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from tallymark.core.clock import DAY
from tallymark.core.errors import InvalidQuery

from .durations import Duration, duration_of, seconds
from .insight import Scope, Unit
from .numbers import Number
from .ranges import MINUTE
from .selection import Frame, Question, Step, frame_of

Order: TypeAlias = Literal["ordered", "strict", "any"]
Attempt: TypeAlias = Literal["any", "first"]
Policy: TypeAlias = Literal["drop_off", "drop_actor"]
Count: TypeAlias = Literal["uniques", "totals"]
WindowFrom: TypeAlias = Literal["first_step", "previous_step"]
Attribution: TypeAlias = Literal["first_touch", "last_touch", "all_steps", "step"]
Semantics: TypeAlias = Literal["mixpanel", "amplitude", "posthog", "plausible", "umami"]

MAX_STEPS: Final = 20
MAX_EXCLUSIONS: Final = 10
LONGEST_WINDOW: Final = 366 * DAY
LONGEST_TIE: Final = MINUTE


class FunnelStep(Step, frozen=True, forbid_unknown_fields=True):
    """One step of a funnel: which events, and whether it may be left out."""

    optional: Annotated[
        bool, Meta(description="Whether a chain may go on without it; not the first or last step.")
    ] = False


class Exclusion(Step, frozen=True, forbid_unknown_fields=True):
    """What must not happen between two steps, by their numbers, counted from 1."""

    after: Annotated[int, Meta(description="The step after which it counts.", ge=1)] = 1
    before: Annotated[
        Annotated[int, Meta(ge=2)] | None,
        Meta(description="The step up to which it counts; the last if left out."),
    ] = None


StepGiven: TypeAlias = Annotated[
    FunnelStep | str, Meta(description="A step; the name of an event by itself will do.")
]


class FunnelQuestion(Question, frozen=True, kw_only=True):
    """A funnel: who did the first step in the range, and how far they came."""

    steps: Annotated[
        tuple[StepGiven, ...],
        Meta(description="What is done, in order.", min_length=2, max_length=MAX_STEPS),
    ]
    semantics: Annotated[
        Semantics | None,
        Meta(description="A tool whose documented rules are the defaults of the options below."),
    ] = None
    order: Annotated[
        Order,
        Meta(
            description=(
                "ordered: one after the other, whatever happens between; strict: nothing between;"
                " any: in any order."
            )
        ),
    ] = "ordered"
    window: Annotated[
        Duration | None,
        Meta(description="Longest time from the first step, included; 14d if left out."),
    ] = None
    window_from: Annotated[
        WindowFrom | None,
        Meta(description="Where the window of a step begins; first_step if left out."),
    ] = None
    attempt: Annotated[
        Attempt | None,
        Meta(
            description="Whether any try may lead to the end, or the first one only; any if left out."
        ),
    ] = None
    exclusions: Annotated[
        tuple[Exclusion, ...],
        Meta(description="What must not happen between steps.", max_length=MAX_EXCLUSIONS),
    ] = ()
    on_exclusion: Annotated[
        Policy | None,
        Meta(
            description=(
                "drop_off: the try ends there, and counts up to there; drop_actor: who did it is in"
                " no step at all; drop_off if left out."
            )
        ),
    ] = None
    tie_tolerance: Annotated[
        Duration | None,
        Meta(
            description=(
                "Steps at most this far apart count in either order, up to 1min; if left out, events"
                " of one instant are in the order of their arrival."
            )
        ),
    ] = None
    hold_constant: Annotated[
        tuple[str, ...],
        Meta(description="Fields that must have one value in all steps.", max_length=3),
    ] = ()
    per_value: Annotated[
        bool | None,
        Meta(description="Count somebody once for each value held constant, not once in all."),
    ] = None
    by: Annotated[
        Unit | None, Meta(description="Who goes through the funnel; person if left out.")
    ] = None
    count: Annotated[
        Count, Meta(description="uniques: each once, by the best try; totals: every try.")
    ] = "uniques"


class Rules(Struct, frozen=True):
    """The rules of one funnel: a question with its preset and defaults, lengths in microseconds.

    Steps are numbered from 0; ``exclusions`` are pairs of those between which something counts.
    """

    order: Order
    attempt: Attempt
    count: Count
    by: Unit
    window: int
    is_window_between: bool
    drops_actor: bool
    tie: int | None
    per_value: bool
    optional: tuple[bool, ...]
    exclusions: tuple[tuple[int, int], ...]
    since: int
    until: int

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self.optional)

    @property
    def horizon(self) -> int:
        """How long after its first step a chain may still get further."""
        return self.window * (self.steps - 1 if self.is_window_between else 1)


class AppliedRules(Struct, frozen=True):
    """The rules that the numbers follow: what was asked, a preset, and defaults."""

    semantics: Semantics | None
    order: Order
    attempt: Attempt
    window_seconds: Number
    window_from: WindowFrom
    on_exclusion: Policy
    tie_seconds: Number | None
    by: Unit
    count: Count
    per_value: bool
    attribution: Attribution


class _Preset(Struct, frozen=True):
    """What a tool does where the question says nothing."""

    window: str = "14d"
    window_from: WindowFrom = "first_step"
    attempt: Attempt = "any"
    on_exclusion: Policy = "drop_off"
    tie_tolerance: str | None = None
    per_value: bool = False
    by: Unit = "person"
    attribution: Attribution = "first_touch"
    most_steps: int = MAX_STEPS


_OURS: Final = _Preset()
PRESETS: Final[dict[Semantics, _Preset]] = {
    "mixpanel": _Preset(window="7d", attempt="first", tie_tolerance="2s"),
    "amplitude": _Preset(tie_tolerance="1s", per_value=True, attribution="step"),
    "posthog": _Preset(tie_tolerance="0s", on_exclusion="drop_actor"),
    "plausible": _Preset(window="1d", by="session", most_steps=8),
    "umami": _Preset(window="60min", window_from="previous_step"),
}


def steps_of(question: FunnelQuestion) -> list[FunnelStep]:
    """Return the steps, of which a question may give no more than a name."""
    return [FunnelStep(event=one) if isinstance(one, str) else one for one in question.steps]


def preset_of(question: FunnelQuestion) -> _Preset:
    """Return what holds where the question says nothing."""
    return PRESETS[question.semantics] if question.semantics else _OURS


def rules_of(question: FunnelQuestion, scope: Scope) -> tuple[Rules, Frame]:
    """Return the rules of a funnel and its frame; raises InvalidQuery for what does not go together."""
    preset, frame = preset_of(question), frame_of(question, scope)
    tie = question.tie_tolerance if question.tie_tolerance is not None else preset.tie_tolerance
    steps = steps_of(question)
    last = len(steps) - 1
    rules = Rules(
        order=question.order,
        attempt=question.attempt or preset.attempt,
        count=question.count,
        by=question.by or preset.by,
        window=duration_of(question.window or preset.window, longest=LONGEST_WINDOW, path="window"),
        is_window_between=(question.window_from or preset.window_from) == "previous_step",
        drops_actor=bool(question.exclusions)
        and (question.on_exclusion or preset.on_exclusion) == "drop_actor",
        tie=None if tie is None else duration_of(tie, longest=LONGEST_TIE, path="tie_tolerance"),
        per_value=bool(question.hold_constant)
        and (preset.per_value if question.per_value is None else question.per_value),
        optional=tuple(step.optional for step in steps),
        exclusions=tuple(
            (one.after - 1, last if one.before is None else one.before - 1)
            for one in question.exclusions
        ),
        since=frame.span.since,
        until=frame.span.until,
    )
    _check_steps(question, rules, preset.most_steps)
    _check_exclusions(question, rules)
    _check_together(question, rules)
    return rules, frame


def applied(question: FunnelQuestion, rules: Rules, attribution: Attribution) -> AppliedRules:
    """Return the rules as an answer states them."""
    return AppliedRules(
        semantics=question.semantics,
        order=rules.order,
        attempt=rules.attempt,
        window_seconds=seconds(rules.window),
        window_from="previous_step" if rules.is_window_between else "first_step",
        on_exclusion="drop_actor" if rules.drops_actor else "drop_off",
        tie_seconds=None if rules.tie is None else seconds(rules.tie),
        by=rules.by,
        count=rules.count,
        per_value=rules.per_value and bool(question.hold_constant),
        attribution=attribution,
    )


def widened(frame: Frame, rules: Rules) -> Frame:
    """Return the frame of all events that may be part of a chain that begins in the range."""
    span = msgspec.structs.replace(
        frame.span,
        since=frame.span.since - (rules.tie or 0),
        until=frame.span.until + rules.horizon,
    )
    return msgspec.structs.replace(frame, span=span)


def _check_steps(question: FunnelQuestion, rules: Rules, most: int) -> None:
    if rules.steps > most:
        raise InvalidQuery(f"{question.semantics} has at most {most} steps.", path="steps")
    if rules.optional[0] or rules.optional[-1]:
        raise InvalidQuery(
            "The first and the last step cannot be optional.",
            hint="Leave the step out, or put one that is needed after it.",
            path="steps",
        )


def _check_exclusions(question: FunnelQuestion, rules: Rules) -> None:
    for after, before in rules.exclusions:
        if not 0 <= after < before < rules.steps:
            raise InvalidQuery(
                f"An exclusion after step {after + 1} and before step {before + 1} has no place"
                f" among {rules.steps} steps.",
                path="exclusions",
            )
        if rules.optional[after] or rules.optional[before]:
            raise InvalidQuery("An exclusion lies between steps that are not optional.", path="exclusions")  # fmt: skip
        if rules.order == "any" and (after, before) != (0, rules.steps - 1):
            raise InvalidQuery(
                "In any order, an exclusion lies between the first thing done and the last.",
                hint="Leave out after and before.",
                path="exclusions",
            )
    if rules.drops_actor and rules.count == "totals":
        raise InvalidQuery(
            "drop_actor is about who, not about tries; totals count tries.",
            hint='Ask with on_exclusion "drop_off", or count "uniques".',
            path="on_exclusion",
        )


def _check_together(question: FunnelQuestion, rules: Rules) -> None:
    if rules.order == "any" and any(rules.optional):
        raise InvalidQuery("In any order, no step can be optional.", path="steps")
    if question.per_value and not question.hold_constant:
        raise InvalidQuery("per_value needs fields to hold constant.", path="per_value")
    plain = (
        rules.order == "ordered"
        and rules.count == "uniques"
        and rules.attempt == "any"
        and rules.tie is None
        and not rules.exclusions
        and not any(rules.optional)
    )
    if rules.is_window_between and not plain:
        raise InvalidQuery(
            "A window from the previous step goes with ordered steps, all needed, uniques and any"
            " attempt, without exclusions and tie tolerance only.",
            hint='Ask with window_from "first_step".',
            path="window_from",
        )
