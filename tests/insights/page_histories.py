"""Made-up histories of pages: views, what is told of them later, and clicks and forms on them."""

from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import strategies as st
from tests.insights.oracle import satisfies
from tests.strategies import AMOUNTS, LINKS, NOW, SINCE, TIMES, UNTIL, History, Link, Use, uses

from tallymark.core.clock import DAY, rfc3339

RANGE = {"since": rfc3339(SINCE), "until": rfc3339(UNTIL)}
PATHS = ("/", "/a", "/ü")
VIEW_KINDS = ("page", "screen")
_IDS = st.sampled_from([None, None, "v1", "v2", "v3"])
# Some before the range and some after it, since what is told of a view may come late.
_TIMES = st.one_of(
    TIMES, TIMES, TIMES, st.sampled_from([SINCE - 1, SINCE - DAY, UNTIL, UNTIL + DAY, NOW])
)


def page_histories(
    kinds: dict[str, str], properties: dict[str, st.SearchStrategy[Any]], max_size: int = 30
) -> st.SearchStrategy[list[Use | Link]]:
    """Return histories of events of these names with their kinds, and these properties besides."""

    def made(name: str, use: Use, view: str | None, told: dict[str, Any]) -> Use:
        known = {**told, **({} if view is None else {"page_view_id": view})}
        return Use(
            name=name, kind=kinds[name], time=use.time, user=use.user, anonymous=use.anonymous,
            session=use.session, path=use.path, is_bot=use.is_bot, value=use.value,
            properties=known,
        )  # fmt: skip

    one = st.builds(
        made,
        st.sampled_from([*kinds]),
        st.builds(
            Use,
            time=_TIMES,
            user=st.sampled_from([None, "ana", "bo", "cy"]),
            anonymous=st.sampled_from([None, "phone", "laptop"]),
            session=st.sampled_from([None, "s1", "s2"]),
            path=st.sampled_from([None, *PATHS, *PATHS]),
            is_bot=st.sampled_from([None, False, False, True]),
            value=st.none() | AMOUNTS,
        ),
        _IDS,
        st.fixed_dictionaries({}, optional=properties),
    )
    return st.lists(st.one_of(one, one, one, one, LINKS), max_size=max_size)


FILTERS = st.sampled_from(
    [None, None, {"op": "exists", "field": "session"}, {"op": "not_equals", "field": "user_id", "value": "ana"}]
)  # fmt: skip


def within(history: History, wanted: Callable[[Use], bool], *, until: int = UNTIL) -> list[Use]:
    """Return the events by no robot from the start of the range until then, as they arrived."""
    return [
        use for use in uses(history)
        if SINCE <= use.time < until and use.is_bot is not True and wanted(use)
    ]  # fmt: skip


def holds(chosen: dict[str, Any] | None) -> Callable[[Use], bool]:
    """Return whether an event satisfies a filter."""
    return lambda use: satisfies(use, chosen)


def by_view(found: Iterable[tuple[int, Use]]) -> dict[tuple[Any, ...], list[Use]]:
    """Return events, which have numbers, by the view of a page they are of."""
    views: dict[tuple[Any, ...], list[Use]] = {}
    for number, use in found:
        known = use.properties.get("page_view_id")
        if known is not None:
            unit: tuple[Any, ...] = ("id", known)
        elif use.session is not None:
            unit = ("visit", use.session)
        else:
            unit = ("alone", number)
        views.setdefault((use.path, *unit), []).append(use)
    return views
