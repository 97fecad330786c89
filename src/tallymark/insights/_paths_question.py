"""What paths are asked with, and what results from their options and a preset."""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from tallymark.core.errors import InvalidQuery

from ._paths_kernel import Mode, Rules
from .fields import Field, field
from .insight import Scope
from .ranges import MINUTE
from .selection import EventNames, Frame, Question, Step, frame_of

Unit: TypeAlias = Literal["session", "person"]
Count: TypeAlias = Literal["uniques", "occurrences"]
Semantics: TypeAlias = Literal["mixpanel", "amplitude", "posthog", "plausible"]
Pattern: TypeAlias = Annotated[str, Meta(min_length=1, max_length=1_000)]
Anchor: TypeAlias = Annotated[
    Step | str, Meta(description="Something that happened, or the name of a node by itself.")
]

MAX_DEPTH: Final = 50
MAX_RULES: Final = 50


class Replacement(Struct, frozen=True, forbid_unknown_fields=True):
    """Every part of a name that matches a pattern becomes a text."""

    pattern: Annotated[
        str, Meta(description="RE2 regular expression.", min_length=1, max_length=1_000)
    ]
    by: Annotated[str, Meta(description="What stands in its place, as it is.", max_length=1_000)]


class PathsQuestion(Question, frozen=True, kw_only=True):
    """Which ways people take: from, to or between chosen steps, or from where they begin."""

    start: Annotated[
        Anchor | None,
        Meta(description="Where walks start; if left out, at the first event of each."),
    ] = None
    end: Annotated[
        Anchor | None,
        Meta(description=("Where walks end; without a start they are shown from there backwards.")),
    ] = None
    event: EventNames = None
    node: Annotated[
        str | None,
        Meta(description="The field whose values are the nodes; event if left out."),
    ] = None
    exclude: Annotated[
        tuple[Pattern, ...],
        Meta(
            description="Nodes that are passed over, as if never seen; * is any text.",
            max_length=MAX_RULES,
        ),
    ] = ()
    replace: Annotated[
        tuple[Replacement, ...],
        Meta(description="What is replaced in names, one after the other.", max_length=MAX_RULES),
    ] = ()
    wildcards: Annotated[
        tuple[Pattern, ...],
        Meta(
            description="Names that become one, such as /product/*; the first that fits counts.",
            max_length=MAX_RULES,
        ),
    ] = ()
    directories: Annotated[
        Annotated[int, Meta(ge=1, le=20)] | None,
        Meta(description="How many directories of a path are kept: with 1, /blog/a is /blog."),
    ] = None
    semantics: Annotated[
        Semantics | None,
        Meta(description="A tool whose documented rules are the defaults of the options."),
    ] = None
    unit: Annotated[
        Unit | None,
        Meta(
            description="Whose events are one way: those of a session, or of a person; session if left out."
        ),
    ] = None
    gap_minutes: Annotated[
        Annotated[int, Meta(ge=1, le=366 * 1440)] | None,
        Meta(description="A longer pause ends the way of a person; if left out, none does."),
    ] = None
    count: Annotated[
        Count | None,
        Meta(
            description=(
                "uniques: the first walk of each session or person; occurrences: every walk. uniques"
                " if left out."
            )
        ),
    ] = None
    collapse_repeats: Annotated[
        bool, Meta(description="Whether the same node several times in a row is one step.")
    ] = True
    depth: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_DEPTH)] | None,
        Meta(description="How many steps are shown; 5 if left out."),
    ] = None
    top: Annotated[
        Annotated[int, Meta(ge=1, le=100)] | None,
        Meta(description="How many nodes of a step are shown, the rest is Other; 5 if left out."),
    ] = None


class Options(Struct, frozen=True):
    """What holds where the question says nothing."""

    node: str = "event"
    unit: Unit = "session"
    gap_minutes: int | None = None
    count: Count = "uniques"
    depth: int = 5
    top: int = 5
    directories: int | None = None


PRESETS: Final[dict[Semantics | None, Options]] = {
    None: Options(),
    "mixpanel": Options(unit="person", top=3),
    "amplitude": Options(),
    "posthog": Options(unit="person", gap_minutes=30, count="occurrences"),
    "plausible": Options(unit="person", node="path", directories=1, top=10),
}


class Plan(Struct, frozen=True):
    """A question with its options, frame and fields resolved."""

    question: PathsQuestion
    frame: Frame
    options: Options
    rules: Rules
    node: Field
    start: Anchor | None
    end: Anchor | None

    @property
    def is_by_event(self) -> bool:
        """Whether nodes are events, which have numbers already."""
        return self.options.node == "event"

    @property
    def is_named(self) -> bool:
        """Whether the names of nodes are needed to tell them apart, or to tell where walks begin."""
        return not self.is_by_event or _is_cleaned(self.question, self.options)

    @property
    def steps(self) -> list[Step]:
        """The anchors that are events."""
        return [one for one in (self.start, self.end) if isinstance(one, Step)]


def plan_of(question: PathsQuestion, scope: Scope) -> Plan:
    """Return the question resolved; raises InvalidQuery for what cannot be asked."""
    preset = PRESETS[question.semantics]
    unit = question.unit or preset.unit
    gap = question.gap_minutes
    if unit == "session":
        if gap is not None:
            raise InvalidQuery(
                "A session ends with a pause already; gap_minutes is for persons.",
                path="gap_minutes",
            )
    elif gap is None:
        gap = preset.gap_minutes
    options = Options(
        node=question.node or preset.node,
        unit=unit,
        gap_minutes=gap,
        count=question.count or preset.count,
        depth=question.depth or preset.depth,
        top=question.top or preset.top,
        directories=question.directories or preset.directories,
    )
    mode = _mode(question)
    if mode == "between" and options.depth < 3:
        raise InvalidQuery("Between two steps, three are needed at least.", path="depth")
    rules = Rules(
        mode,
        options.depth,
        None if gap is None else gap * MINUTE,
        is_unique=options.count == "uniques",
        collapses=question.collapse_repeats,
    )
    node = field(options.node, scope, path="node")
    if node.time is not None:
        raise InvalidQuery(f"{options.node} is a time, and no node.", path="node")
    start, end = (_anchor(one, question, options) for one in (question.start, question.end))
    return Plan(question, frame_of(question, scope), options, rules, node, start, end)


def _anchor(anchor: Anchor | None, question: PathsQuestion, options: Options) -> Anchor | None:
    """Return an anchor; where nodes are events as they are, the name of one is that event."""
    is_event = options.node == "event" and not _is_cleaned(question, options)
    return Step(event=anchor) if isinstance(anchor, str) and is_event else anchor


def _is_cleaned(question: PathsQuestion, options: Options) -> bool:
    cleaning = (question.exclude, question.replace, question.wildcards, options.directories)
    return any(cleaning)


def _mode(question: PathsQuestion) -> Mode:
    if question.start is not None and question.end is not None:
        return "between"
    if question.start is not None:
        return "from"
    return "all" if question.end is None else "to"
