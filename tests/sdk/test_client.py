"""The Python SDK against a real server: exactly once, whatever the network does, and never in the way."""

import asyncio
import gzip
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.journey.browser import eventually
from tests.journey.flaky import Flaky, Trouble, flaky, statuses
from tests.journey.sdks import Target, target

from tallymark_client import Client

SDK = Path(__file__).parents[2] / "sdk" / "python" / "src"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with target(tmp_path_factory.mktemp("sdk")) as made:
        yield made


@pytest.fixture
def proxy(server: Target) -> Iterator[Flaky]:
    with flaky(server.port) as made:
        yield made


def stored(server: Target, name: str) -> list[dict[str, Any]]:
    return server.events(series={"event": name})


def client(server: Target | Flaky, keys: Target, **options: Any) -> Client:
    return Client(server.url, keys.keys["secret"], **{"seconds": 0.05, **options})


def test_what_is_tracked_is_stored_with_every_field_exactly(server: Target) -> None:
    moment = datetime(2026, 11, 20, 10, 0, 0, 123000, tzinfo=UTC)
    with client(server, server) as tally:
        tally.track(
            "ordered", id="o-1", user_id="ana", anonymous_id="d-1", account="acme", time=moment,
            session_id="s-1", groups={"team": "blue"}, revenue=Decimal("12.34"), currency="EUR",
            properties={"n": 0.1, "big": 2**53 + 1, "d": Decimal("1.10"), "bad": float("nan"), "at": moment},
        )  # fmt: skip
        tally.meter("tokens", 12.5, unit="token", account="acme")
        tally.page("https://shop.example/a", title="A", user_id="ana")

    (order,) = stored(server, "ordered")
    assert (order["id"], order["user_id"], order["anonymous_id"], order["account"]) == (
        "o-1", "ana", "d-1", "acme",
    )  # fmt: skip
    assert order["time"].startswith("2026-11-20T10:00:00.123")
    assert (order["session"], order["groups"]) == ("s-1", {"team": "blue"})
    assert (str(order["revenue"]), order["currency"]) == ("12.34", "EUR")
    assert order["properties"]["n"] == 0.1
    assert order["properties"]["big"] == 2**53 + 1
    assert order["properties"]["bad"] is None
    assert order["context"]["library_name"] == "tallymark-client"
    (tokens,) = stored(server, "tokens")
    assert (str(tokens["value"]), tokens["unit"]) == ("12.5", "token")
    (page,) = stored(server, "page_view")
    assert (page["kind"], page["context"]["page_url"]) == ("page", "https://shop.example/a")


def test_identified_people_are_one_person(server: Target) -> None:
    with client(server, server) as tally:
        tally.track("visited", anonymous_id="device-1")
        tally.identify("bo", {"name": "Bo"}, anonymous_id="device-1")
        tally.group("initech", {"seats": 5}, user_id="bo")
        tally.track("visited", user_id="bo")

    first, second = stored(server, "visited")
    assert first["person"] == second["person"] is not None


def test_a_choice_is_sent_when_it_is_made_and_proven(server: Target) -> None:
    with client(server, server) as tally, tally.bound(user_id="cho"):
        made = datetime(2026, 11, 20, tzinfo=UTC)
        tally.consent({"product": "granted", "policy_version": "7"}, time=made)
        tally.consent({"product": "withdrawn"})

    server.wait_until_loaded()
    told = server.call("GET", "/tm/v1/people/user/cho/consent")
    assert told is not None
    assert told.status == 200, told.json()
    records = [(one["state"], one["policy_version"]) for one in told.json()["records"]]
    assert records == [("granted", "7"), ("withdrawn", None)]


@pytest.mark.parametrize("trouble", [503, 429, 500, 502, "reset", "lost"])
def test_after_each_trouble_everything_is_there_once(
    server: Target, proxy: Flaky, trouble: Trouble
) -> None:
    name = f"survived {trouble}"
    proxy.plan(trouble, trouble)

    with client(proxy, server, close_seconds=20) as tally:
        for number in range(20):
            tally.track(name, properties={"n": number})

    assert sorted(one["properties"]["n"] for one in stored(server, name)) == list(range(20))
    assert tally.dropped == 0


def test_what_was_taken_is_never_sent_again(server: Target, proxy: Flaky) -> None:
    with client(proxy, server) as tally:
        tally.track("sent once")
        assert tally.flush(10)
        time.sleep(0.3)

    assert statuses(proxy.seen) == 1
    assert len(stored(server, "sent once")) == 1


def test_a_refused_event_is_told_and_costs_no_other(server: Target) -> None:
    told: list[str] = []
    with client(server, server, on_trouble=told.append) as tally:
        tally.track("good")
        tally.track("")
        tally.track("good")

    assert len(stored(server, "good")) == 2
    assert len(told) == 1
    assert "NAME_INVALID" in told[0]


def test_a_wrong_key_is_told_and_not_tried_for_ever(server: Target, proxy: Flaky) -> None:
    told: list[str] = []
    with Client(proxy.url, "sk_nobody", seconds=0.05, on_trouble=told.append) as tally:
        tally.track("lost")
        assert tally.flush(10)

    assert statuses(proxy.seen) == 1
    assert tally.dropped == 1
    assert "not a key" in told[0]


def test_a_batch_that_is_too_large_is_sent_in_halves(server: Target, proxy: Flaky) -> None:
    proxy.plan(413)

    with client(proxy, server, batch=8, seconds=5) as tally:
        for number in range(8):
            tally.track("halved", properties={"n": number})

    assert len(stored(server, "halved")) == 8
    assert statuses(proxy.seen) == 3


def test_events_wait_on_disk_while_the_server_is_away_and_come_with_the_next_start(
    server: Target, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    away = Client(
        "http://127.0.0.1:9", server.keys["secret"], seconds=0.01, spool=spool, close_seconds=0.2
    )
    for number in range(50):
        away.track("spooled", properties={"n": number})
    away.close()
    kept = list(spool.iterdir())
    modes = {oct(path.stat().st_mode & 0o777) for path in kept}

    with client(server, server, spool=spool):
        eventually(lambda: not list(spool.iterdir()), "the spool was not emptied")

    assert kept
    assert modes == {"0o600"}
    assert away.dropped == 0
    assert sorted(one["properties"]["n"] for one in stored(server, "spooled")) == list(range(50))


def test_two_processes_with_one_spool_send_nothing_twice(server: Target, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    for place in range(10):
        away = Client("http://127.0.0.1:9", "sk_x", seconds=9, spool=spool, close_seconds=0)
        away.track("shared", id=f"shared-{place}")
        away.close()
    before = server.ledger().get("duplicate", 0)

    with client(server, server, spool=spool), client(server, server, spool=spool):
        eventually(lambda: not list(spool.iterdir()), "the spool was not emptied")

    assert len(stored(server, "shared")) == 10
    assert server.ledger().get("duplicate", 0) == before


def test_a_full_queue_drops_and_counts_and_never_blocks() -> None:
    told: list[str] = []
    tally = Client("http://127.0.0.1:9", "sk_x", seconds=60, batch=10_000, most_queued=100, close_seconds=0, on_trouble=told.append)  # fmt: skip

    began = time.perf_counter()
    for _ in range(150):
        tally.track("many")
    took = time.perf_counter() - began
    dropped = tally.dropped
    tally.close()

    assert dropped == 50
    assert tally.dropped == 150
    assert took < 2
    assert "wait already" in told[0]


def test_a_spool_that_is_full_drops_instead_of_filling_the_disk(tmp_path: Path) -> None:
    told: list[str] = []
    tally = Client("http://127.0.0.1:9", "sk_x", seconds=60, most_queued=5, spool=tmp_path / "s", spool_bytes=2_000, close_seconds=0, on_trouble=told.append)  # fmt: skip
    for _ in range(100):
        tally.track("many", properties={"text": "x" * 50})
    tally.close()

    held = sum(path.stat().st_size for path in (tmp_path / "s").iterdir())
    assert 0 < held <= 2_000
    assert tally.dropped > 0


def test_many_threads_lose_nothing(server: Target) -> None:
    with client(server, server) as tally, ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: tally.track("threaded", properties={"n": n}), range(800)))

    assert sorted(one["properties"]["n"] for one in stored(server, "threaded")) == list(range(800))


def _run(program: str, server: Target, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ, "PYTHONPATH": str(SDK), "TALLYMARK_URL": server.url,
        "TALLYMARK_KEY": server.keys["secret"],
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, capture_output=True,
        text=True, timeout=60, check=True,
    )  # fmt: skip


def test_a_program_that_just_ends_delivers_what_it_queued(server: Target) -> None:
    _run("from tallymark_client import Client\nClient(seconds=60).track('at exit')", server)

    assert len(stored(server, "at exit")) == 1


def test_a_child_of_a_fork_sends_its_own_events_and_not_its_parents(server: Target) -> None:
    program = """
import os
from tallymark_client import Client
tally = Client(seconds=60)
tally.track("forked", properties={"who": "parent"})
child = os.fork()
if child == 0:
    tally.track("forked", properties={"who": "child"})
    tally.close()
    os._exit(0)
os.waitpid(child, 0)
tally.close()
"""
    _run(program, server)

    assert sorted(one["properties"]["who"] for one in stored(server, "forked")) == [
        "child",
        "parent",
    ]


def test_nothing_waits_for_a_server_that_hangs() -> None:
    with socket_that_hangs() as port:
        tally = Client(f"http://127.0.0.1:{port}", "sk_x", seconds=0, timeout=30, close_seconds=0.2, on_trouble=lambda _: None)  # fmt: skip
        began = time.perf_counter()
        tally.track("hung")
        queued = time.perf_counter() - began
        tally.close()
        closed = time.perf_counter() - began

    assert queued < 0.2
    assert closed < 5


@contextmanager
def socket_that_hangs() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_use_is_timed_and_its_error_is_told_and_raised(server: Target) -> None:
    with client(server, server) as tally, tally.bound(user_id="ana", properties={"plan": "pro"}):
        with tally.timed("exported", properties={"format": "csv"}) as use:
            use.add(rows=12)
        with pytest.raises(ZeroDivisionError), tally.timed("broke"):
            _ = 1 / 0

    (export,) = stored(server, "exported")
    assert export["user_id"] == "ana"
    assert export["properties"].items() >= {"format": "csv", "rows": 12, "ok": True, "plan": "pro"}.items()  # fmt: skip
    assert export["properties"]["duration_ms"] >= 0
    (broke,) = stored(server, "broke")
    assert (broke["properties"]["ok"], broke["properties"]["error"]) == (False, "ZeroDivisionError")


def test_each_use_of_a_function_is_counted_also_an_async_one(server: Target) -> None:
    with client(server, server) as tally:

        @tally.counts("rendered", account="acme")
        def render(text: str) -> str:
            """Render."""
            return text.upper()

        @tally.counts()
        async def fetch() -> int:
            await asyncio.sleep(0)
            return 7

        assert (render("a"), render("b"), render.__doc__) == ("A", "B", "Render.")
        assert asyncio.run(fetch()) == 7

    assert [one["account"] for one in stored(server, "rendered")] == ["acme", "acme"]
    names = {one["event"] for one in server.events()}
    assert any(name.endswith("fetch") for name in names)


def test_the_time_of_sending_is_that_of_each_attempt(server: Target, proxy: Flaky) -> None:
    proxy.plan(503)

    with client(proxy, server, close_seconds=20) as tally:
        tally.track("stamped")

    sent = [
        json.loads(gzip.decompress(one.body) if one.body[:2] == b"\x1f\x8b" else one.body)[
            "sent_at"
        ]
        for one in proxy.seen
    ]
    assert len(sent) == 2
    assert sent[0] < sent[1]


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda tally: tally.track("a", time=datetime(2026, 1, 1)), "time zone"),  # noqa: DTZ001
        (lambda tally: tally.meter("a", "12"), "not a number"),
        (lambda tally: tally.meter("a", float("inf")), "not finite"),
        (lambda tally: tally.meter("a", True), "not a number"),
    ],
)
def test_a_mistake_of_the_program_is_told_where_it_is_made(call: Any, why: str) -> None:
    tally = Client(enabled=False)

    with pytest.raises(ValueError, match=why):
        call(tally)


def test_a_client_that_is_switched_off_needs_no_address_and_sends_nothing() -> None:
    tally = Client(enabled=False)

    assert tally.track("a")
    assert tally.flush()
    assert threading.active_count() < 50


def test_a_client_without_address_or_key_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TALLYMARK_URL", raising=False)
    monkeypatch.delenv("TALLYMARK_KEY", raising=False)

    with pytest.raises(ValueError, match="TALLYMARK_URL"):
        Client()
    with pytest.raises(ValueError, match="not an address"):
        Client("tallymark.example.com", "sk_x")
