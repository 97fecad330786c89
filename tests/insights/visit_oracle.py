"""Sessions put together one event at a time in plain Python, and histories that have some."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace
from tests.insights.calendar_oracle import unit_of
from tests.insights.oracle import satisfies
from tests.strategies import USES, History, Use, owners, person, uses

VIEWS = ("page", "screen")
ACTIONS = ("track", "revenue", "interaction")
SECOND = 10**6


class Visit(Struct):
    """One session: its events in order of time, and of arrival among those of one instant."""

    events: list[Use]
    who: str | None

    @property
    def start(self) -> int:
        return self.events[0].time

    @property
    def length(self) -> int:
        return self.events[-1].time - self.events[0].time

    @property
    def views(self) -> list[Use]:
        return [use for use in self.events if use.kind in VIEWS]

    @property
    def entry(self) -> Use:
        return (self.views or self.events)[0]

    @property
    def exit(self) -> Use:
        return (self.views or self.events)[-1]

    def is_engaged(self, key: Callable[[Use], bool] = lambda _: False) -> bool:
        return self.length > 10 * SECOND or len(self.views) > 1 or any(map(key, self.events))

    def is_bounce(self, rule: str, key: Callable[[Use], bool] = lambda _: False) -> bool:
        did = [use for use in self.events if use.kind in ACTIONS]
        actions = [use for use in did if use.properties.get("interactive") is not False]
        touched = [use for use in did if use.kind == "interaction"]
        views = len(self.views)
        return {
            "plausible": views < 2 and not actions,
            "ga4": not self.is_engaged(key),
            "posthog": views == 1 and not touched and self.length < 10 * SECOND,
            "umami": views == 1,
            "matomo": views + len(did) == 1,
        }[rule]


def visits_of(
    history: History,
    since: int,
    until: int,
    *,
    chosen: Any = None,
    midnight: str | None = None,
    include_bots: bool = False,
) -> list[Visit]:
    """Return the sessions that start in a range and have an event that satisfies a filter.

    ``midnight`` is the zone in which one ends a session.
    """
    owner = owners(history)
    parts: dict[Any, list[Use]] = {}
    for use in uses(history):
        if use.session is not None and (include_bots or not use.is_bot):
            day = unit_of(use.time, "day", midnight) if midnight else None
            parts.setdefault((use.session, day), []).append(use)
    found = []
    for some in parts.values():
        events = sorted(some, key=lambda use: use.time)
        known = [who for use in events if (who := person(use, owner)) is not None]
        visit = Visit(events, known[0] if known else None)
        if since <= visit.start < until and any(satisfies(use, chosen) for use in events):
            found.append(visit)
    return found


def people_in(visits: list[Visit]) -> int:
    """Return how many different people the sessions are of."""
    return len({visit.who for visit in visits} - {None})


def _in_session(use: Use, extra: tuple[str, str, int, Any, str | None, str | None]) -> Use:
    session, kind, seconds, interactive, source, country = extra
    # Close together, so that sessions of a few seconds are common, and some are days long.
    near = (
        use.time
        if seconds < 0
        else use.time // (10**6 * 43_200) * (10**6 * 43_200) + seconds * SECOND
    )
    about = {**use.properties, **({} if interactive is None else {"interactive": interactive})}
    return replace(
        use, session=session, kind=kind, time=near, properties=about, utm_source=source, country=country
    )  # fmt: skip


VISITED = st.lists(
    st.builds(
        _in_session,
        USES,
        st.tuples(
            st.sampled_from(["s1", "s2", "s3", "s4", "s5", "s6"]),
            st.sampled_from(["page", "page", "page", "screen", "track", "interaction", "heartbeat"]),
            st.sampled_from([-1, 0, 1, 2, 9, 10, 11, 30]),
            st.sampled_from([None, None, False, True]),
            st.sampled_from([None, "mail", "ads"]),
            st.sampled_from([None, "DE", "FR"]),
        ),
    ),
    max_size=25,
)  # fmt: skip
