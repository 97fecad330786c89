"""What came beside what the tracking plan says: events it has not, those that never came, and departures.

Of each event the newest are looked at, so that an old mistake that was mended is not told for ever.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from tallymark.api.plan_answers import Departure, PlannedTraffic, PlanTraffic
from tallymark.core.clock import DAY
from tallymark.core.sql import sql
from tallymark.insights.event_rows import properties_of
from tallymark.schema.enforce import Compiled, compiled, findings_of
from tallymark.schema.plan import VERSION_PROPERTY, Plan, decode_plan
from tallymark.schema.validate import Finding
from tallymark.store.engine import Fetch

_MOST_EVENTS: Final = 200
_LOOKED_AT: Final = 500

_Came = dict[str, tuple[int, list[dict[str, Any]]]]


def traffic_asked(fetch: Fetch, params: Mapping[str, Any], now: int) -> PlanTraffic:
    """Return what is asked for by the plan as JSON, its version, and how many days to look back."""
    text, version = params.get("plan"), params.get("version")
    plan = None if text is None else decode_plan(str(text))
    return traffic(fetch, plan, version, now - int(params["days"]) * DAY)


def traffic(fetch: Fetch, plan: Plan | None, version: int | None, since: int) -> PlanTraffic:
    """Return how the events since an instant differ from the plan; without one, that none is planned."""
    came, left_out = _came(fetch, since)
    held = Plan() if plan is None else plan
    ready = compiled(held)
    found = [_event(name, count, looked, ready) for name, (count, looked) in came.items()]
    # What is only drafted, or sent no more, is not missed.
    wanted = {one.event for one in held.events if one.status == "live"}
    found += [PlannedTraffic(name, True, 0, 0, [], []) for name in sorted(wanted - came.keys())]
    found.sort(key=_rank)
    return PlanTraffic(version, since, found, left_out)


def _came(fetch: Fetch, since: int) -> tuple[_Came, int]:
    """Return how many of each event came and the properties of the newest, and how many are left out."""
    counted = fetch(
        sql(
            "SELECT name, count(*) AS events FROM event JOIN event_name USING (event_key)\n"
            "WHERE time_us >= {since} GROUP BY name ORDER BY events DESC, name",
            since=since,
        )
    ).rows
    came: _Came = {name: (int(count), []) for name, count in counted[:_MOST_EVENTS]}
    rows = fetch(
        sql(
            """
            WITH newest AS (
              SELECT event_key, unnest(max(seq, {most})) AS seq FROM event
              WHERE time_us >= {since}
              GROUP BY event_key
            )
            SELECT name, CAST(CAST(prop_text AS JSON) AS VARCHAR),
              CAST(CAST(prop_number AS JSON) AS VARCHAR), CAST(CAST(prop_other AS JSON) AS VARCHAR)
            FROM newest JOIN event USING (seq, event_key) JOIN event_name USING (event_key)
            WHERE name IN (SELECT unnest({names}::VARCHAR[]))
            ORDER BY seq
            """,
            most=_LOOKED_AT,
            since=since,
            names=list(came),
        )
    ).rows
    for name, text, number, other in rows:
        came[name][1].append(properties_of(text, number, other))
    return came, len(counted) - len(came)


def _event(name: str, count: int, looked: list[dict[str, Any]], ready: Compiled) -> PlannedTraffic:
    versions = ready.events.get(name)
    times: Counter[tuple[str, str]] = Counter()
    newest: dict[tuple[str, str], Finding] = {}
    for properties in looked:
        for one in findings_of(name, properties, ready):
            times[one.code, one.path] += 1
            newest[one.code, one.path] = one
    departures = [
        Departure(code, path, one.message, one.expected, one.got, times[code, path])
        for (code, path), one in newest.items()
    ]
    departures.sort(key=lambda one: (-one.times, one.code, one.path))
    seen = {key for properties in looked for key in properties}
    planned = set() if versions is None else versions.default.checks.by_name.keys()
    dropped = {key for key, how in ready.treatments.get(name, {}).items() if how == "drop"}
    unseen = sorted(planned - seen - dropped - {VERSION_PROPERTY})
    return PlannedTraffic(name, versions is not None, count, len(looked), departures, unseen)


def _rank(one: PlannedTraffic) -> tuple[int, int, str]:
    if one.departures:
        return 0, -one.came, one.event
    return (1 if one.came == 0 else 2), -one.came, one.event
