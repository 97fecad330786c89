"""Which ways people take: the nodes of each step, the links between steps, and the tree of walks."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from tallymark.core.errors import InvalidQuery
from tallymark.store.engine import Arrays

from . import _paths_flow as flow
from . import _paths_sql as statements
from . import ephemeral
from ._paths_flow import MOST_BRANCHES, Column, Kind, Prefix
from ._paths_kernel import Events, Mode, Walks, walks
from ._paths_question import Anchor, Count, PathsQuestion, Plan, Unit, plan_of
from ._paths_rules import RULES
from .filters import compared
from .insight import Insight, Members, Scope, Statement, Table
from .numbers import Number, ratio
from .selection import Period, field_names, label_of, period, warnings_of
from .units import PLURALS

_LABELS: Final[dict[Kind, str]] = {
    "other": "Other", "drop_off": "Drop-off", "skipped": "…", "rest": "… more",
}  # fmt: skip


class PathsPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """One number of people: a node of a step, or a link from it to one of the next."""

    step: Annotated[int, Meta(description="Place of the step, counted from 0.", ge=0)] = 0
    kind: Annotated[
        Literal["node", "other", "drop_off", "skipped"], Meta(description="What the node is.")
    ] = "node"
    name: Annotated[str | None, Meta(description="Its name, if it is a node.")] = None
    to_kind: Annotated[
        Literal["node", "other", "drop_off", "skipped"] | None,
        Meta(description="What the node of the next step is, for a link."),
    ] = None
    to_name: Annotated[str | None, Meta(description="Its name, if it is a node.")] = None


class Node(Struct, frozen=True):
    """One node of a step; ``share`` is of all walks. A drop-off left after the step before."""

    name: str
    kind: Kind
    count: int
    share: Number | None


class Link(Struct, frozen=True):
    """How many went from a node of a step to one of the next; both by their place in the step."""

    source: int
    target: int
    count: int


class PathStep(Struct, frozen=True):
    """One step: its nodes add up to ``walks``, which are those of the step before that went on.

    ``links`` lead here from the nodes of the step before; there are none to the first.
    """

    walks: int
    nodes: list[Node]
    links: list[Link]


class Branch(Struct, frozen=True):
    """One line of the tree of walks: the branches right below add up to it, if there are any.

    ``level`` counts the steps before it; ``rest`` are those not listed.
    """

    level: int
    name: str
    kind: Kind
    count: int


class PathsData(Struct, frozen=True):
    """The answer of a paths question; a walk to an end is told from there backwards."""

    range: Period
    timezone: str
    bots: Literal["excluded", "included"]
    mode: Mode
    start: str | None
    end: str | None
    node: str
    unit: Unit
    gap_minutes: int | None
    count: Count
    walks: int
    steps: list[PathStep]
    tree: list[Branch]
    warnings: list[str]


class _Found(Struct, frozen=True):
    """The walks of a question and the columns they make, with the names of nodes."""

    walks: Walks
    columns: list[Column]
    names: dict[int, str]


def to_sql(question: PathsQuestion, scope: Scope) -> tuple[Statement, ...]:
    """Return the statements of the events, of the cookieless, and of the names if they are needed."""
    plan = plan_of(question, scope)
    found: list[Statement] = [statements.events_of(plan), statements.cookieless_of(plan)]
    return (*found, statements.names_of(plan)) if plan.is_named else tuple(found)


def shape(question: PathsQuestion, scope: Scope, results: Sequence[Any]) -> PathsData:
    """Return the answer from the results of the statements."""
    plan = plan_of(question, scope)
    found = _found(plan, results[0], results[2].rows if plan.is_named else None)
    total = len(found.walks.unit)
    return PathsData(
        range=period(plan.frame.span),
        timezone=plan.frame.zone.key,
        bots="included" if question.include_bots else "excluded",
        mode=plan.rules.mode,
        start=_label(plan.start),
        end=_label(plan.end),
        node=plan.options.node,
        unit=plan.options.unit,
        gap_minutes=plan.options.gap_minutes,
        count=plan.options.count,
        walks=total,
        steps=[_step(found, number, total) for number in range(len(found.columns))],
        tree=_tree(found),
        warnings=_warnings(plan, found, int(results[1].rows[0][0])),
    )


def members(question: PathsQuestion, place: PathsPlace, scope: Scope) -> Members:
    """Return whose walk is at a node of a step, or takes a link from there."""
    plan = plan_of(question, scope)
    if plan.options.count != "uniques":
        raise InvalidQuery(
            f"This number counts walks, not {PLURALS[plan.options.unit]}.",
            hint="Ask with count = uniques.",
            path="behind.question.count",
        )
    found: list[Statement] = [statements.events_of(plan)]
    if plan.is_named:
        found.append(statements.names_of(plan))

    def keys(results: Sequence[Any]) -> NDArray[np.int64]:
        return _behind(_found(plan, results[0], results[1].rows if plan.is_named else None), place)

    return Members(tuple(found), keys, unit=plan.options.unit)


def table(data: PathsData) -> Table:
    """Return one row a link: from a node of a step to one of the next; the first step has no source."""
    rows: list[tuple[Any, ...]] = []
    for number, step in enumerate(data.steps):
        if number == 0:
            rows += [(1, None, node.name, node.count) for node in step.nodes]
            continue
        before = data.steps[number - 1].nodes
        rows += [
            (number + 1, before[link.source].name, step.nodes[link.target].name, link.count)
            for link in step.links
        ]
    return Table(("step", "from", "to", data.count), rows, keys=(0, 1, 2))


def _found(plan: Plan, rows: Arrays, named: Sequence[tuple[Any, ...]] | None) -> _Found:
    events = Events(
        rows["unit"],
        rows["time_us"],
        rows["seq"],
        rows["node"].astype(np.int64, copy=False),
        rows["is_start"].astype(np.bool_, copy=False),
        rows["is_end"].astype(np.bool_, copy=False),
    )
    if named is None:
        names = {key: name for name, key in plan.frame.scope.event_names.items()}
    else:
        names = dict(named)
    taken = walks(events, plan.rules)
    return _Found(taken, flow.columns(taken, plan.options.top, names.get), names)


def _step(found: _Found, number: int, total: int) -> PathStep:
    column = found.columns[number]
    counts = column.counts
    # Only places that anybody is in are nodes of the answer.
    present = [place for place, count in enumerate(counts) if count]
    nodes = [
        Node(
            _name(found, number, place),
            column.kind(place),
            counts[place],
            ratio(counts[place], total),
        )
        for place in present
    ]
    links: list[Link] = []
    if number:
        before = found.columns[number - 1]
        sources = {place: at for at, place in enumerate(_present(before))}
        targets = {place: at for at, place in enumerate(present)}
        links = [
            Link(sources[source], targets[target], count)
            for source, target, count in flow.links(before, column)
        ]
    return PathStep(len(column.places), nodes, links)


def _present(column: Column) -> list[int]:
    return [place for place, count in enumerate(column.counts) if count]


def _name(found: _Found, number: int, place: int) -> str:
    column = found.columns[number]
    kind = column.kind(place)
    return found.names[column.shown[place]] if kind == "node" else _LABELS[kind]


def _tree(found: _Found) -> list[Branch]:
    """Return the most frequent branches, each before those below it, with what is not listed."""
    every = flow.prefixes(found.columns)
    order = sorted(range(len(every)), key=lambda at: (-every[at].count, every[at].column, at))
    below: dict[int, list[int]] = {}
    for at in order[:MOST_BRANCHES]:
        below.setdefault(every[at].parent, []).append(at)
    branches: list[Branch] = []

    def add(parent: int, level: int, count: int) -> None:
        parts = below.get(parent, [])
        for at in parts:
            branches.append(_branch(found, every[at]))
            add(at, level + 1, every[at].count)
        rest = count - sum(every[at].count for at in parts)
        if parts and rest:
            branches.append(Branch(level, _LABELS["rest"], "rest", rest))

    add(-1, 0, len(found.walks.unit))
    return branches


def _branch(found: _Found, prefix: Prefix) -> Branch:
    kind = found.columns[prefix.column].kind(prefix.place)
    return Branch(prefix.column, _name(found, prefix.column, prefix.place), kind, prefix.count)


def _behind(found: _Found, place: PathsPlace) -> NDArray[np.int64]:
    here = _place(found, place.step, place.kind, place.name)
    column = found.columns[place.step]
    those = column.alive[column.places == here]
    if place.to_kind is not None:
        target = _place(found, place.step + 1, place.to_kind, place.to_name)
        after = found.columns[place.step + 1]
        those = np.intersect1d(those, after.alive[after.places == target])
    return np.unique(found.walks.unit[those])


def _place(found: _Found, step: int, kind: Kind, name: str | None) -> int:
    if step >= len(found.columns):
        raise InvalidQuery("There is no such step.", path="behind.place.step")
    column = found.columns[step]
    for place in range(column.width):
        is_kind = column.kind(place) == kind
        if is_kind and (kind != "node" or _name(found, step, place) == name):
            return place
    raise InvalidQuery(f"No node of this step is named {name!r}.", path="behind.place.name")


def _label(anchor: Anchor | None) -> str | None:
    if anchor is None:
        return None
    return anchor if isinstance(anchor, str) else label_of(anchor)


def _warnings(plan: Plan, found: _Found, cookieless: int) -> list[str]:
    question, scope = plan.question, plan.frame.scope
    wanted = [question.filter, *(step.filter for step in plan.steps)]
    names = [*field_names(wanted), plan.options.node]
    sized = [name for one in wanted for name in compared(one)]
    warnings = warnings_of(question.event, names, scope, measured=sized)
    for step in plan.steps:
        warnings += warnings_of(step.event, (), scope)
    if plan.is_named and len(found.names) == statements.MOST_NAMES:
        warnings.append(
            f"There are more than {statements.MOST_NAMES:,} names; the rarer ones are only in Other."
        )
    if cookieless and plan.options.unit == "person":
        warnings.append(ephemeral.DAILY)
    return list(dict.fromkeys(warnings))


paths = Insight(
    name="paths",
    summary="Which ways people take, from, to or between chosen steps.",
    question=PathsQuestion,
    to_sql=to_sql,
    shape=shape,
    table=table,
    data=PathsData,
    place=PathsPlace,
    members=members,
    view="flow",
    rules=RULES,
    example={
        "start": {"event": "signup"},
        "unit": "session",
        "depth": 4,
        "top": 5,
        "range": "30d",
    },
)
