"""Plausible's daily totals: figures of days, and never events made up of them."""

from pathlib import Path

import pytest
from tests.collect.sources.exports import codes, events, options
from tests.collect.sources.shared import read

from tallymark.collect.sources.mapping import Fields
from tallymark.collect.sources.plausible_export import plausible_export
from tallymark.collect.sources.source import Options
from tallymark.core.errors import Refused

VISITORS = (
    "date,visitors,pageviews,bounces,visits,visit_duration\n"
    "2026-03-01,10,25,3,12,600\n"
    "2026-03-02,0,0,0,0,0\n"
)
PAGES = (
    "date,hostname,page,visits,visitors,pageviews\n"
    '"2026-03-01","shop.example","/a",5,5,9\n'
    '"2026-03-01","shop.example","/b",6,6,16\n'
)


def write(tmp_path: Path, content: str, name: str = "a.csv") -> Path:
    path = tmp_path / name
    path.write_text(content)
    return path


def given(site: str = "", timezone: str = "UTC") -> Options:
    fields = Fields(set={"site": site} if site else {}, timezone=timezone)
    return Options(fields=fields, around=options().around)


def test_a_day_is_a_metric_with_its_figures(tmp_path: Path) -> None:
    first, second = events(plausible_export, write(tmp_path, VISITORS), given("shop.example"))

    assert (first.name, first.kind, first.namespace) == ("plausible_daily", "metric", "plausible")
    assert first.time == first.time_client == 1_772_323_200_000_000
    assert first.properties == {
        "site": "shop.example", "visitors": 10, "pageviews": 25, "bounces": 3, "visits": 12,
        "visit_duration": 600,
    }  # fmt: skip
    assert (first.user_id, first.anonymous_id, first.session_id) == (None, None, None)
    assert second.properties["pageviews"] == 0


def test_a_table_that_tells_the_same_visits_apart_has_another_name(tmp_path: Path) -> None:
    first, second = events(plausible_export, write(tmp_path, PAGES))

    assert first.name == second.name == "plausible_daily_pages"
    assert (first.context.page_host, first.context.page_path) == ("shop.example", "/a")
    assert second.properties == {"visits": 6, "visitors": 6, "pageviews": 16}
    assert first.id != second.id


def test_a_day_begins_at_midnight_of_the_site(tmp_path: Path) -> None:
    path = write(tmp_path, VISITORS.replace("2026-03-01", "20260301"))

    first, _ = events(plausible_export, path, given(timezone="Europe/Berlin"))

    assert first.time == 1_772_319_600_000_000


def test_a_day_is_the_same_in_every_export_and_another_for_another_site(tmp_path: Path) -> None:
    later = VISITORS.replace("2026-03-01,10", "2026-03-01,11")

    def ids(content: str, site: str) -> list[str]:
        return [one.id for one in events(plausible_export, write(tmp_path, content), given(site))]

    assert ids(VISITORS, "a") == ids(later, "a")
    assert set(ids(VISITORS, "a")).isdisjoint(ids(VISITORS, "b"))


def test_how_it_is_read_says_that_there_are_no_events(tmp_path: Path) -> None:
    said = plausible_export.explain(write(tmp_path, VISITORS), given())

    assert said == [
        "daily totals and no events: each row is a metric 'plausible_daily'",
        "days begin at midnight in UTC",
        "name the site with --set site=NAME",
    ]


def test_odd_rows_fail_alone(tmp_path: Path) -> None:
    path = write(
        tmp_path, VISITORS + "never,1,1,1,1,1\n2026-13-01,1,1,1,1,1\n2026-03-03,many,1,1,1,1\n"
    )

    assert codes(plausible_export, path) == [
        "TIME_UNPARSABLE", "TIME_UNPARSABLE", "VALUE_NOT_NUMERIC",
    ]  # fmt: skip


@pytest.mark.parametrize("content", ["name,visitors\n/a,3\n", "date,n\n2026-01-01,3\n"])
def test_what_is_no_table_of_days_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(Refused, match="whose rows have a date"):
        read(plausible_export, write(tmp_path, content), given())
