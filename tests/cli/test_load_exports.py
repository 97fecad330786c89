"""Exports of other tools into a real server: once, whatever came live, and however often."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.collect.sources import (
    test_amplitude_export,
    test_ga4_export,
    test_matomo_export,
    test_mixpanel_export,
    test_plausible_export,
    test_umami_export,
)
from tests.collect.sources.test_posthog_export import PAGE
from tests.journey.sdks import Target, target

from tallymark.cli.main import main

OUTCOMES = ("accepted", "duplicate", "conflict", "rejected", "dropped")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with target(tmp_path_factory.mktemp("exports")) as running:
        yield running


def load(server: Target, source: str, *args: str | Path) -> int:
    data = ["--data", str(server.data), "--project", "default"]
    return main(["load", source, *map(str, args), *data])


class Gained:
    """What the ledger gained since it was asked last, outcomes without any left out."""

    def __init__(self, server: Target) -> None:
        self._server = server
        self._before = server.ledger()

    def __call__(self) -> dict[str, int]:
        now = self._server.ledger()
        found = {name: now[name] - self._before.get(name, 0) for name in OUTCOMES}
        self._before = now
        return {name: count for name, count in found.items() if count}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def posthog_row(number: int, **more: Any) -> dict[str, Any]:
    return {**PAGE, "uuid": f"{number:08d}-0000-7000-8000-000000000001", **more}


def live_posthog(server: Target, *rows: dict[str, Any]) -> None:
    batch = [
        {key: row[key] for key in ("uuid", "event", "distinct_id", "timestamp", "properties")}
        for row in rows
    ]
    body = {"api_key": server.keys["secret"], "batch": batch}
    answer = server.call("POST", "/batch", body)
    assert answer is not None
    assert answer.status == 200, answer.body


def test_posthog_what_came_live_and_is_exported_counts_once(
    server: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [posthog_row(number, person_properties={}) for number in range(20)]
    # What the tool adds when it takes an event does not make another event of it.
    added = [
        {**row, "properties": {**row["properties"], "$geoip_country_code": "DE", "$group_0": "a"}}
        for row in rows
    ]
    gained = Gained(server)

    live_posthog(server, *rows[:12])
    first = gained()
    assert load(server, "posthog-export", write(tmp_path / "a.jsonl", *added)) == 0
    second = gained()
    assert load(server, "posthog-export", write(tmp_path / "b.jsonl", *added[::-1])) == 0
    third = gained()
    live_posthog(server, *rows[:12])

    assert first == {"accepted": 12}
    assert second == {"accepted": 8, "duplicate": 12}
    assert third == {"duplicate": 20}
    assert gained() == {"duplicate": 12}
    said = capsys.readouterr().out
    assert "12    sent before, counted once" in said
    assert "20    team_id" in said


def test_what_is_exported_first_and_comes_live_later_counts_once(
    server: Target, tmp_path: Path
) -> None:
    row = posthog_row(500, person_properties={})
    added = {**row, "properties": {**row["properties"], "$geoip_country_code": "DE", "$x": 1}}
    gained = Gained(server)

    load(server, "posthog-export", write(tmp_path / "a.jsonl", added))
    live_posthog(server, row)

    # The live one tells less, so it is kept for whoever wants to compare, and not counted.
    assert gained() == {"accepted": 1, "conflict": 1}


def post(server: Target, path: str, body: object) -> None:
    answer = server.call("POST", path, body, key="secret")
    assert answer is not None
    assert answer.status == 200, answer.body


def test_mixpanel_what_came_live_and_is_exported_counts_once(
    server: Target, tmp_path: Path
) -> None:
    def row(number: int, **more: Any) -> dict[str, Any]:
        given = {"distinct_id": "$device:d-1", "$device_id": "d-1", "$insert_id": f"m-{number}"}
        return test_mixpanel_export.row("Viewed", **given, **more)

    def sent(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {**one, "properties": {**one["properties"], "token": server.keys["public"]}}
            for one in rows
        ]

    # The SDK sends fractions of a second, and the export tells whom Mixpanel has found since.
    live = [row(number, time=1_772_366_400.5 + number) for number in range(10)]
    found = {"$distinct_id_before_identity": "$device:d-1", "distinct_id": "ana"}
    exported = [
        {**one, "properties": {**one["properties"], "time": 1_772_366_400 + n, **found}}
        for n, one in enumerate(live)
    ]
    gained = Gained(server)

    post(server, "/track", sent(live[:6]))
    first = gained()
    load(server, "mixpanel-export", write(tmp_path / "a.jsonl", *exported))
    second = gained()
    post(server, "/track", sent(live[:6]))

    assert first == {"accepted": 6}
    # Four events and the link between the device and the person.
    assert second == {"accepted": 5, "duplicate": 6}
    assert gained() == {"duplicate": 6}


def test_amplitude_what_came_live_and_is_exported_counts_once(
    server: Target, tmp_path: Path
) -> None:
    exported = [
        test_amplitude_export.row("Viewed", **{"$insert_id": f"a-{n}"}, groups={})
        for n in range(10)
    ]
    live = [
        {
            "event_type": one["event_type"], "user_id": one["user_id"], "device_id": "d-1",
            "time": 1_772_366_400_123, "insert_id": one["$insert_id"],
            "event_properties": one["event_properties"],
        }
        for one in exported
    ]  # fmt: skip
    body = {"api_key": server.keys["public"], "events": live[:6]}
    gained = Gained(server)

    post(server, "/2/httpapi", body)
    first = gained()
    load(server, "amplitude-export", write(tmp_path / "a.json", *exported))
    second = gained()
    post(server, "/2/httpapi", body)

    assert first == {"accepted": 6}
    assert second == {"accepted": 4, "duplicate": 6}
    assert gained() == {"duplicate": 6}


def ga4_file(folder: Path) -> Path:
    return write(folder / "a.json", test_ga4_export.VIEW, test_ga4_export.PURCHASE)


def matomo_file(folder: Path) -> Path:
    path = folder / "a.json"
    path.write_text(json.dumps([test_matomo_export.VISIT]))
    return path


def umami_file(folder: Path) -> Path:
    return test_umami_export.table(
        folder, test_umami_export.VIEW, {**test_umami_export.VIEW, "event_id": "e-3"}
    )


def plausible_file(folder: Path) -> Path:
    path = folder / "a.csv"
    path.write_text(test_plausible_export.VISITORS)
    return path


@pytest.mark.parametrize(
    ("source", "make", "events", "accepted"),
    [
        # Two events, and what is known of one user.
        ("ga4-export", ga4_file, ["page_view", "purchase"], 3),
        ("matomo-export", matomo_file, ["play", "order", "goal"], 9),
        ("umami-export", umami_file, ["page_view"], 2),
        ("plausible-export", plausible_file, ["plausible_daily"], 2),
    ],
)
def test_an_export_counts_once_however_often_it_is_loaded(
    server: Target,
    tmp_path: Path,
    source: str,
    make: Callable[[Path], Path],
    events: list[str],
    accepted: int,
) -> None:
    path = make(tmp_path)
    gained = Gained(server)

    assert load(server, source, path) == 0
    first = gained()
    for flags in ([], ["--from-start"]):
        assert load(server, source, path, *flags) == 0

    assert first == {"accepted": accepted}
    assert set(gained()) == {"duplicate"}
    stored = {event["event"] for event in server.events()}
    assert stored.issuperset(events)


def test_an_imported_event_reads_back_as_the_live_one(server: Target, tmp_path: Path) -> None:
    live = posthog_row(100, event="read back")
    other = posthog_row(101, event="read back", person_properties={})
    live_posthog(server, live)

    load(server, "posthog-export", write(tmp_path / "a.jsonl", other))

    one, two = (event for event in server.events() if event["event"] == "read back")
    for event in (one, two):
        for own in ("id", "seq", "received_at", "position", "flags"):
            event.pop(own, None)
        for own in ("protocol", "source", "received_at"):
            event["context"].pop(own, None)
    assert one == two


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_load_of_an_export_that_was_ended_goes_on_and_counts_once(
    server: Target, tmp_path: Path, how: signal.Signals
) -> None:
    begin = 10_000 * int(how)
    rows = (posthog_row(begin + n, person_properties={}) for n in range(9_000))
    path = write(tmp_path / "a.jsonl", *rows)
    gained = Gained(server)
    head = server.wait_until_loaded()["log_head"]
    command = [sys.executable, "-m", "tallymark", "load", "posthog-export", str(path)]
    where = ["--data", str(server.data), "--project", "default"]
    child = subprocess.Popen(command + where, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while server.get("/tm/v1/status")[1]["log_head"] == head and child.poll() is None:
        time.sleep(0.01)
    os.kill(child.pid, how)
    child.communicate()
    before = gained()["accepted"]

    assert load(server, "posthog-export", path) == 0

    assert child.returncode == (130 if how == signal.SIGINT else -how)
    assert before < 9_000
    assert before + gained()["accepted"] == 9_000


def test_records_that_fail_are_kept_once_with_their_reason(server: Target, tmp_path: Path) -> None:
    rows = [posthog_row(200, timestamp="never"), posthog_row(201, person_properties={})]
    path = write(tmp_path / "a.jsonl", *rows)
    gained = Gained(server)

    load(server, "posthog-export", path)
    first = gained()
    load(server, "posthog-export", path, "--from-start")

    assert first == {"accepted": 1, "rejected": 1}
    assert gained() == {"duplicate": 2}
    (kept, *_) = server.own("GET", "/tm/v1/failed?project=default").json()["failed"]
    assert (kept["code"], kept["path"]) == ("TIME_UNPARSABLE", "line 1")


def test_a_range_leaves_what_came_live(
    server: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = [f"2026-04-{day:02d}T12:00:00Z" for day in range(1, 11)]
    rows = [
        posthog_row(300 + place, timestamp=day, person_properties={})
        for place, day in enumerate(days)
    ]
    path = write(tmp_path / "a.jsonl", *rows)
    gained = Gained(server)

    load(server, "posthog-export", path, "--since", "2026-04-03", "--until", "2026-04-05T12:00:00Z")
    first = gained()
    load(server, "posthog-export", path)

    assert first == {"accepted": 2}
    assert gained() == {"accepted": 8, "duplicate": 2}
    assert "8  outside of --since and --until" in capsys.readouterr().out


def test_a_folder_stands_for_its_files(server: Target, tmp_path: Path) -> None:
    folder = tmp_path / "export" / "deeper"
    folder.mkdir(parents=True)
    write(folder / "b.jsonl", posthog_row(401, person_properties={}))
    write(folder.parent / "a.jsonl", posthog_row(400, person_properties={}))
    write(folder.parent / ".hidden", "nothing")
    gained = Gained(server)

    assert load(server, "posthog-export", tmp_path / "export") == 0

    assert gained() == {"accepted": 2}


def test_a_dry_run_tells_what_is_in_an_export_and_sends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = posthog_row(3, event="b", distinct_id=None, properties={}, person_properties={})
    bad = posthog_row(4, timestamp="never")
    path = write(tmp_path / "a.jsonl", posthog_row(1), posthog_row(2, event="b"), nobody, bad)
    data = tmp_path / "data"

    status = main(["load", "posthog-export", str(path), "--dry-run", "--data", str(data)])

    said = capsys.readouterr().out
    assert status == 0
    assert not data.exists()
    for line in (
        "           3  would be sent",
        "           1    TIME_UNPARSABLE",
        "They hold 3 events, from 2026-03-01T12:00:00.123000Z to 2026-03-01T12:00:00.123000Z:",
        "           2    b",
        "           1    page_view",
        "           1  events name nobody",
        "           1  changes of people and groups",
        "           3    team_id",
    ):
        assert line in said


def test_nobody_but_the_owner_of_the_folder_brings_ids_of_others(server: Target) -> None:
    event = {"name": "a", "id": "x", "time": 1, "namespace": "posthog"}
    body = [{"type": "imported", "events": [event]}, {"name": "good"}]

    answer = server.send(body)

    assert answer.status == 202
    (failed,) = answer.json()["failed"]
    assert failed["code"] == "RESERVED_KEY"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["posthog-export", "a.jsonl", "--url", "http://127.0.0.1:9"], "Only the owner"),
        (
            ["posthog-export", "a.jsonl", "--set", "name=x"],
            "The fields of posthog-export are known",
        ),
        (["ndjson", "a.jsonl", "--until", "2026-01-01"], "are for exports only"),
        (["posthog-export", "empty"], "the folder holds 0 files"),
    ],
)
def test_what_an_export_cannot_be_loaded_with_is_said_before_anything_is_sent(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    args: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.jsonl", PAGE)
    (tmp_path / "empty").mkdir()

    assert main(["load", *args]) == 2

    assert said in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
