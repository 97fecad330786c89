"""Every question about more than a day of people says so if some of them have ids that last a day."""

from typing import Any

import msgspec
import pytest
from tests.insights.asking import Store, ask
from tests.strategies import NOW, Use

from tallymark.core.clock import DAY
from tallymark.insights.ephemeral import DAILY, KEPT, PERHAPS

WEEK = {"since": "2025-10-28", "until": "2025-11-04"}
ONE_DAY = {"since": "2025-11-03", "until": "2025-11-04"}
STEPS = [{"event": "signup"}, {"event": "purchase"}]
PEOPLE = [{"measure": "unique_people"}]


def did(event: str) -> dict[str, Any]:
    return {"who": {"op": "did", "event": event}}


# What is asked, and what is said if a cookieless visitor signed up in the range.
FLAGGED = [
    ("lifecycle", {"step": "signup"}, KEPT),
    ("stickiness", {"step": "signup"}, KEPT),
    ("stickiness", {"step": "signup", "measure": "ratio"}, KEPT),
    ("trends", {"series": PEOPLE}, DAILY),
    ("trends", {"series": [{"measure": "per_person"}], "interval": "hour"}, DAILY),
    ("trends", {"series": PEOPLE, "interval": "week", "window": "wau"}, DAILY),
    ("trends", {"series": PEOPLE, "range": ONE_DAY, "window": "wau"}, DAILY),
    ("trends", {"series": PEOPLE, "range": ONE_DAY, "moving_average": 3}, DAILY),
    ("trends", {"series": PEOPLE, "cumulative": True}, DAILY),
    ("features", {}, DAILY),
    ("features", {"features": ["purchase"]}, DAILY),
    ("frequency", {"step": "signup"}, DAILY),
    ("frequency", {"step": "purchase", "with_zero": True}, DAILY),
    ("distribution", {"step": "signup"}, DAILY),
    ("distribution", {"step": "purchase", "with_zero": True}, DAILY),
    ("web", {}, DAILY),
    ("web", {"filter": {"op": "equals", "field": "country", "value": "EG"}}, DAILY),
    ("web", {"entry": {"op": "exists", "field": "path"}}, PERHAPS),
    ("funnels", {"steps": STEPS, "window": "25h"}, KEPT),
    ("funnels", {"steps": STEPS[::-1], "order": "any"}, KEPT),
    ("funnels", {"steps": STEPS, "window": "13h", "window_from": "previous_step", "range": ONE_DAY}, None),
    ("funnels", {"steps": [*STEPS, "left"], "window": "13h", "window_from": "previous_step"}, KEPT),
    ("correlation", {"steps": STEPS}, KEPT),
    ("property_lifecycle", {"of": "country"}, KEPT),
    ("cohorts", {"cohorts": [did("signup")]}, PERHAPS),
    ("cohorts", {"cohorts": [{"who": {"op": "not", "member": did("purchase")["who"]}}]}, PERHAPS),
    ("cohorts", {"cohorts": [{"who": {"op": "and", "members": []}}]}, PERHAPS),
]  # fmt: skip

# Of the same people, but of nothing that lasts longer than their ids, or of none of them.
PLAIN = [
    ("lifecycle", {"step": "purchase"}),
    ("lifecycle", {"filter": {"op": "equals", "field": "country", "value": "DE"}}),
    ("stickiness", {"step": "purchase"}),
    ("trends", {}),
    ("trends", {"series": [{"measure": "sessions"}, {"measure": "unique_accounts"}]}),
    ("trends", {"series": PEOPLE, "range": ONE_DAY, "interval": "hour"}),
    ("trends", {"series": [{"event": "purchase", "measure": "unique_people"}]}),
    ("features", {"range": ONE_DAY}),
    ("frequency", {"step": "signup", "range": ONE_DAY}),
    ("frequency", {"step": "signup", "per": "session"}),
    ("frequency", {"step": "purchase"}),
    ("distribution", {"step": "signup", "range": ONE_DAY}),
    ("distribution", {"step": "signup", "per": "account"}),
    ("distribution", {"step": "purchase"}),
    ("web", {"range": ONE_DAY}),
    ("web", {"filter": {"op": "equals", "field": "country", "value": "DE"}}),
    ("funnels", {"steps": STEPS, "window": "24h"}),
    ("funnels", {"steps": STEPS, "by": "account"}),
    ("funnels", {"steps": STEPS[::-1]}),
    ("correlation", {"steps": STEPS, "window": "1d"}),
    ("property_lifecycle", {"of": "properties.plan"}),
    ("property_lifecycle", {"of": "country", "per": "account"}),
    ("cohorts", {"cohorts": [did("purchase")]}),
    ("cohorts", {"cohorts": [{**did("signup"), "of": "accounts"}]}),
    ("cohorts", {"cohorts": [{"who": {"op": "ids", "ids": ["ana"]}}]}),
]  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("ephemeral"))


VISIT = Use(
    name="signup", anonymous="d_1", account="acme", session="s1", country="EG", path="/",
    time=NOW - DAY // 2, is_cookieless=True,
)  # fmt: skip
BOUGHT = Use(
    name="purchase",
    user="ana",
    session="s2",
    country="DE",
    time=NOW - DAY,
    properties={"plan": "x"},
)


def warned(store: Store, name: str, question: dict[str, Any]) -> list[str]:
    found: list[str] = ask(store, name, **{"range": WEEK, **question}).warnings
    return [one for one in found if "ookieless" in one]


@pytest.mark.parametrize(("name", "question", "warning"), FLAGGED)
def test_a_question_over_days_says_that_cookieless_visitors_are_counted(
    store: Store, name: str, question: dict[str, Any], warning: str | None
) -> None:
    store.replace([VISIT, BOUGHT])

    assert warned(store, name, question) == ([warning] if warning else [])


@pytest.mark.parametrize(("name", "question"), [one[:2] for one in FLAGGED])
def test_it_says_nothing_where_everybody_has_an_id_that_lasts(
    store: Store, name: str, question: dict[str, Any]
) -> None:
    known = msgspec.structs.replace(VISIT, user="bob")
    robot = msgspec.structs.replace(VISIT, anonymous="d_2", is_bot=True)
    store.replace([known, robot, BOUGHT])

    assert warned(store, name, question) == []


@pytest.mark.parametrize(("name", "question"), PLAIN)
def test_it_says_nothing_where_their_ids_last_long_enough_or_they_do_not_count(
    store: Store, name: str, question: dict[str, Any]
) -> None:
    store.replace([VISIT, BOUGHT])

    assert warned(store, name, question) == []


def test_a_day_is_one_of_the_zone_of_the_question(store: Store) -> None:
    store.replace([VISIT])
    night = {"since": "2025-11-02T23:00:00Z", "until": "2025-11-03T23:00:00Z"}

    assert warned(store, "features", {"range": night}) == [DAILY]
    assert warned(store, "features", {"range": night, "timezone": "Europe/Berlin"}) == []


def test_an_earlier_range_that_is_compared_counts_too(store: Store) -> None:
    store.replace([VISIT])
    later = {"since": "2025-11-04", "until": "2025-11-11"}
    asked = {"series": PEOPLE, "range": later}

    assert warned(store, "trends", asked) == []
    assert warned(store, "trends", {**asked, "compare": "previous_period"}) == [DAILY]


def test_what_a_store_never_had_is_not_looked_for(store: Store) -> None:
    store.replace([VISIT])
    store.scope = msgspec.structs.replace(store.scope, has_fleeting=False)

    assert warned(store, "features", {}) == []
