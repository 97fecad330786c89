"""Fields of profiles, computed properties and cohorts in one question, against an oracle."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.insights.asking import Store, ask
from tests.insights.cohort_oracle import World, members
from tests.insights.oracle import chosen_uses, value_of
from tests.insights.test_cohorts import define, did
from tests.insights.test_trends import TWELVE_DAYS
from tests.insights.told import seen, shown
from tests.strategies import SINCE, UNTIL, ToldHistory, Use, told_histories

from tallymark.core.clock import DAY
from tallymark.core.event import ProfileOp

BUYERS = {"who": did("buy")}
PROPERTIES = {
    "large": {"type": "truth", "value": "coalesce(value, 0) > 1"},
    "tier": {"type": "text", "value": 'if(person.plan = "pro", "paying", "other")'},
}
FIELDS = ("person.plan@now", "person.plan", "computed.large", "computed.tier", "cohort.buyers")
CONDITIONS = st.one_of(
    st.builds(
        lambda field, op, value: {"op": op, "field": field, "value": value},
        st.sampled_from(["person.plan@now", "person.plan"]),
        st.sampled_from(["equals", "not_equals"]),
        st.sampled_from(["pro", "free"]),
    ),
    st.builds(
        lambda field, op: {"op": op, "field": field},
        st.sampled_from(["computed.large", "cohort.buyers"]),
        st.sampled_from(["is_true", "is_false"]),
    ),
    st.builds(
        lambda value: {"op": "equals", "field": "computed.tier", "value": value},
        st.sampled_from(["paying", "other"]),
    ),
    st.just({"op": "in_cohort", "cohort": "buyers"}),
)


def named(value: Any) -> Any:
    """Return a value so that 1 and true are two."""
    return (isinstance(value, bool), value)


def asked(store: Store, by: list[str], filters: list[Any]) -> dict[Any, tuple[int, int]]:
    """Return the events and the people of each group."""
    define(store, properties=PROPERTIES, cohorts={"buyers": BUYERS})
    chosen = {"op": "and", "filters": filters}
    series = [{"measure": "count"}, {"measure": "unique_people"}]
    lines = ask(store, "trends", range=TWELVE_DAYS, series=series, breakdown=by, filter=chosen, top=500).lines  # fmt: skip
    found: dict[Any, list[int]] = {}
    for line in lines:
        found.setdefault(tuple(map(named, line.breakdown)), []).append(line.total)
    return {values: (events, people) for values, (events, people) in found.items()}


def test_plans_of_now_sizes_of_events_and_buyers_cross_in_one_question(store: Store) -> None:
    store.replace(
        [
            ProfileOp("set", "ana", "", SINCE, {"plan": "free"}, "user"),
            Use(name="buy", user="ana", value=Decimal(5), time=SINCE + 1),
            Use(name="open", user="ana", time=SINCE + DAY),
            ProfileOp("set", "ana", "", SINCE + 2 * DAY, {"plan": "pro"}, "user"),
            Use(name="open", user="ana", value=Decimal(2), time=SINCE + 3 * DAY),
            Use(name="open", user="bo", value=Decimal(9), time=SINCE),
        ]
    )
    by = ["person.plan@now", "computed.large", "computed.tier"]

    found = asked(store, by, [{"op": "is_true", "field": "cohort.buyers"}])

    groups = [("pro", True, "other"), ("pro", False, "other"), ("pro", True, "paying")]
    assert found == {tuple(map(named, values)): (1, 1) for values in groups}


def known(history: ToldHistory) -> list[Use]:
    """Return the events with all of these fields as properties, and the person as their user."""
    events = seen(history, ["person.plan@now", "person.plan"])
    buyers = members(BUYERS, World(events))
    found = []
    for use in events:
        plan = use.properties.get("person.plan")
        made = {
            "computed.large": (use.value or 0) > 1,
            "computed.tier": "paying" if plan == "pro" else "other",
            "cohort.buyers": f"user {use.user}" in buyers,
        }
        found.append(replace(use, properties={**use.properties, **made}))
    return found


def on_properties(chosen: dict[str, Any]) -> dict[str, Any]:
    if chosen["op"] == "in_cohort":
        return {"op": "is_true", "field": "properties.cohort.buyers"}
    return {**chosen, "field": f"properties.{chosen['field']}"}


@settings(max_examples=150)
@given(
    told_histories(),
    st.lists(st.sampled_from(FIELDS), min_size=2, max_size=3, unique=True),
    st.lists(CONDITIONS, min_size=1, max_size=3),
)
def test_filters_and_breakdowns_by_all_of_them_agree_with_the_oracle(
    store: Store, history: Any, by: list[str], filters: list[Any]
) -> None:
    store.replace(history)

    found = asked(store, by, filters)

    expected: dict[Any, list[Use]] = {}
    wanted = tuple(map(on_properties, filters))
    for use in chosen_uses(known(history), SINCE, UNTIL, filters=wanted):
        values = tuple(value_of(use, f"properties.{name}") for name in by)
        expected.setdefault(tuple(named(shown(value)) for value in values), []).append(use)
    assert found == {
        values: (len(those), len({use.user for use in those} - {None}))
        for values, those in expected.items()
    }
