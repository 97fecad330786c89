"""Made-up histories that no insight finds empty, and questions of every insight, by its own example."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace
from tests.insights.asking import Store
from tests.insights.cohort_oracle import World, members
from tests.strategies import AMOUNTS, LINKS, NOW, TELLS, TIMES, Link, Use, owners, person, uses

from tallymark.app.answering import compute, decode_question, insights
from tallymark.core.clock import DAY
from tallymark.core.errors import InvalidQuery
from tallymark.core.event import ProfileOp
from tallymark.insights.definitions import decode_definitions, in_force
from tallymark.insights.insight import Insight, Scope
from tallymark.store.engine import Limits

Given = list[Use | Link | ProfileOp]
Question = dict[str, Any]
LIMITS: Final = Limits(seconds=60, memory_bytes=256 * 1024 * 1024, rows=100_000)
# What our own scripts send: the insights of pages ask for these if nothing else is said.
SENT: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "page_view": ("page", {}),
    "page_ping": ("heartbeat", {"scroll_depth": 60, "engaged_ms": 1500}),
    "form_start": ("interaction", {"form_id": "join"}),
    "form_submit": ("interaction", {"form_id": "join"}),
    "rage_click": ("interaction", {"selector": "a#x"}),
    "dead_click": ("interaction", {"selector": "b"}),
    "heat_points": ("interaction", {"points": [[500, 150, 0], [20, 10, 1]], "selectors": ["a#x", "b"]}),
}  # fmt: skip
COHORTS: Final = st.sampled_from(
    [
        {"who": {"op": "ids", "ids": ["ana", "tv"]}},
        {"who": {"op": "not", "member": {"op": "ids", "ids": ["bo", "phone"]}}},
        {"who": {"op": "did", "event": "page_view", "at_least": 2}},
        {"who": {"op": "did", "at_most": 3, "range": "8d"}},
    ]
)
_NOTHING: Final = Scope("test", "UTC", NOW, 0, {}, {})
_encode = msgspec.json.Encoder(decimal_format="number").encode


def _told(value: Any, key: str) -> Iterator[Any]:
    """Yield what an example says under a key, at any depth."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            if name == key:
                yield from one if isinstance(one, list) else [one]
            else:
                yield from _told(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from _told(one, key)


def _properties(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.startswith("properties."):
        yield value.removeprefix("properties.")
    parts = (
        value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    )
    for one in parts:
        yield from _properties(one)


def _conditions(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the columns that an example filters by, with the text it wants there."""
    if isinstance(value, Mapping) and "field" in value and isinstance(value.get("value"), str):
        yield value["field"], value["value"]
    parts = (
        value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    )
    for one in parts:
        yield from _conditions(one)


class Looked(Struct, frozen=True):
    """What the example of an insight looks for: events, properties, pages, values of columns."""

    events: list[str]
    properties: list[str]
    paths: list[str]
    columns: list[dict[str, str]]


def _looked_for(*asked: Insight) -> Looked:
    examples = [dict(one.example) for one in asked]
    events = [*_told(examples, "event"), *_told(examples, "goals")]
    columns = [{name: text} for name, text in _conditions(examples) if "." not in name]
    return Looked(
        [*dict.fromkeys(events)] or ["open"],
        [*_properties(examples)],
        [*_told(examples, "page"), "/", "/a"],
        columns or [{}],
    )


def _made(use: Use, name: str, plan: str | None, looked: Looked) -> Use:
    kind, about = SENT.get(name, ("track", {}))
    known = {one: plan for one in ("plan", *looked.properties) if plan is not None}
    return replace(use, name=name, kind=kind, properties={**known, **about})


def core(*asked: Insight) -> Given:
    """Return a history in which insights find something: by people, a device and a robot."""
    looked = _looked_for(*asked)
    found: Given = [ProfileOp("set", "ana", "", NOW - 5 * DAY, {"plan": "pro"})]
    who: list[dict[str, Any]] = [
        {"user": "ana", "anonymous": "laptop", "session": "s1", "utm_source": "mail"},
        {"anonymous": "phone", "session": "s2"},
        {"user": "crawler", "session": "s3", "is_bot": True},
        {"user": "bo", "session": "s4"},
    ]
    for day, about in enumerate(who, start=1):
        for number, name in enumerate([*looked.events, *SENT]):
            use = Use(
                time=NOW - day * DAY + number * 10_000_000, path=looked.paths[0], account="acme",
                country="DE", value=Decimal(2), revenue=Decimal("0.5"), currency="EUR",
                also=looked.columns[day % len(looked.columns)], **about,
            )  # fmt: skip
            found.append(_made(use, name, "pro", looked))
    return found


def histories(*asked: Insight) -> st.SearchStrategy[Given]:
    """Return histories of the events that examples name, and of those of our scripts.

    In each the insights find something, and a device turns out at the end to be somebody's.
    """
    looked = _looked_for(*asked)
    # Most of it in the last week, which is what the shortest range asked for is about.
    near = st.integers(NOW - 6 * DAY, NOW - 1)
    base = st.builds(
        Use,
        time=st.one_of(near, near, near, TIMES),
        user=st.sampled_from([None, "ana", "ana", "bo", "cy"]),
        anonymous=st.sampled_from([None, "phone", "laptop", "tv"]),
        path=st.sampled_from(looked.paths),
        session=st.sampled_from([None, "s1", "s2", "s3", "s4"]),
        account=st.sampled_from([None, "acme", "initech"]),
        utm_source=st.sampled_from([None, "mail", "ads"]),
        country=st.sampled_from([None, "DE", "FR"]),
        is_bot=st.sampled_from([None, False, False, False, True]),
        value=st.none() | AMOUNTS,
        revenue=st.none() | AMOUNTS,
        currency=st.just("EUR"),
        also=st.sampled_from(looked.columns),
    )
    names = st.sampled_from([*looked.events, *looked.events, *SENT])
    plan = st.sampled_from([None, "free", "pro", "ü"])
    made = st.builds(_made, base, names, plan, st.just(looked))
    more = st.lists(st.one_of(*[made] * 5, LINKS, TELLS), min_size=4, max_size=12)
    return more.map(lambda some: [*core(*asked), *some, Link("phone", "ana")])


def questions(insight: Insight) -> list[Question]:
    """Return the example of an insight, and its question with nothing said that need not be.

    What has to be said may be a choice, such as of one person: then that of the example is made.
    """
    least = {
        one.encode_name: insight.example[one.encode_name]
        for one in msgspec.structs.fields(insight.question)
        if one.required
    }
    try:
        insight.to_sql(decode_question(insight, _encode(least)), _NOTHING)
    except InvalidQuery as refused:
        missing = refused.path or ""
        least[missing] = insight.example[missing]
    return [dict(insight.example), least]


def by_field(insight: Insight, name: str) -> Question:
    """Return what in a question of an insight breaks down by a field; nothing if nothing does."""
    ways = {"breakdown": [name], "group": {"by": [name], "values": [True]}}
    found: Question = {
        way: asked
        for way, asked in ways.items()
        if way in insight.question.__struct_encode_fields__
    }
    if "." in str(insight.example.get("by")):
        found["by"] = name
    return found


def answered(store: Store, insight: Insight, question: Question) -> Any:
    """Return the shaped data of a question."""
    with store.engine.reading("test", LIMITS) as reading:
        return compute(
            insight, decode_question(insight, _encode(question)), store.scope, reading
        ).data


def told(store: Store, insight: Insight, question: Question) -> str:
    """Return the data and the table of a question as they are sent."""
    data = answered(store, insight, question)
    return (_encode(data) + _encode(insight.table(data))).decode()


def counted(store: Store, insight: Insight, question: Question) -> Any:
    """Return the data and the table of a question but for what they say of the question itself.

    That is a cohort in words, and the cursor of the next page.
    """
    data = answered(store, insight, question)
    table = insight.table(data)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return _without_question(msgspec.json.decode(_encode([data, rows])))


def _without_question(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _without_question(one)
            for name, one in value.items()
            if name not in {"definition", "cursor"}
        }
    return [_without_question(one) for one in value] if isinstance(value, list) else value


def as_of(store: Store, history: Given, position: int) -> None:
    """Fill the store with a history, and ask of it as of a position, as ``app.scoping`` does."""
    store.replace(history[:position])
    then = store.scope
    store.replace(history)
    store.scope = replace(
        then,
        has_overrides=store.scope.has_overrides,
        identity_position=store.scope.identity_position,
    )


def define(store: Store, **kinds: Any) -> None:
    """Make definitions those that hold for what is asked of the store."""
    definitions = decode_definitions(_encode(kinds))
    store.scope = replace(store.scope, definitions=in_force(definitions))


def _plain(history: Given) -> list[Use | Link]:
    return [one for one in history if not isinstance(one, ProfileOp)]


def by_ids(history: Given, cohort: Question) -> Question:
    """Return the filter that finds the events of a cohort's members by their ids."""
    plain = _plain(history)
    found = members(cohort, World(plain))
    owner = owners(plain)
    users = sorted(name.removeprefix("user ") for name in found if name.startswith("user "))
    devices = sorted(
        {
            use.anonymous
            for use in uses(plain)
            if use.anonymous is not None and person(replace(use, user=None), owner) in found
        }
    )
    unnamed = [
        {"op": "not_exists", "field": "user_id"},
        {"op": "in", "field": "anonymous_id", "values": devices},
    ]
    of_users = {"op": "in", "field": "user_id", "values": users}
    return {"op": "or", "filters": [of_users, {"op": "and", "filters": unnamed}]}


def marked(history: Given, cohort: Question, name: str) -> Given:
    """Return the history with a property on each event that says whether it is by a member."""
    plain = _plain(history)
    found = members(cohort, World(plain))
    owner = owners(plain)
    return [
        replace(one, properties={**one.properties, name: person(one, owner) in found})
        if isinstance(one, Use)
        else one
        for one in history
    ]


def everything() -> dict[str, Insight]:
    """Return every insight there is."""
    return dict(insights())
