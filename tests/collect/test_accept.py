"""From a request to the log: what is durable, what the client is told, what is never kept."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from tallymark.collect.accept import FLOOD_FROM, FLOOD_SAMPLE, Collector
from tallymark.collect.batch import prepare
from tallymark.collect.protocol import Caller, Reply, Request
from tallymark.collect.protocols.native import native
from tallymark.core.clock import SystemClock
from tallymark.core.errors import Refused, Unavailable
from tallymark.core.event import Batch
from tallymark.core.policy import Policy
from tallymark.core.settings import Settings
from tallymark.log.codec import decode_batch
from tallymark.log.sqlite import SqliteLog
from tallymark.log.writer import LogWriter

NOW = 1_790_000_000_000_000
MINUTE = 60_000_000
LIMITS = Settings(disk_reserve_bytes=1)
SERVER = Caller("p", "secret", "sk_1")
BROWSER = Caller("p", "public", "pk_1")
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def request(body: bytes, *, query: str = "", at: int = NOW, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("POST", "/tm/v1/events", query, named, body, "203.0.113.77", at)


class Place:
    """A collector with a real log, and what it told the live view."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "log.db"
        self.writer = LogWriter(lambda _: self.path, settings=LIMITS, clock=SystemClock())
        self.published: list[tuple[str, Batch]] = []
        self.collector = Collector(
            LIMITS,
            self.writer,
            clock=SystemClock(),
            publish=lambda project, batch: self.published.append((project, batch)),
        )

    async def send(self, sent: Request, caller: Caller = SERVER) -> Reply:
        return await self.collector.accept(native, sent, caller)

    async def refused(self, sent: Request, caller: Caller = SERVER) -> str:
        with pytest.raises(Refused) as caught:
            await self.send(sent, caller)
        return caught.value.code

    def batches(self) -> list[Batch]:
        with closing(SqliteLog(self.path)) as log:
            records = log.read(0, max_bytes=2**40, max_items=2**40)
        return [decode_batch(record) for record in records]


@asynccontextmanager
async def open_place(folder: Path) -> AsyncIterator[Place]:
    place = Place(folder)
    try:
        yield place
    finally:
        await place.writer.close()


async def test_an_answered_event_is_in_the_log(tmp_path: Path) -> None:
    async with open_place(tmp_path) as place:
        reply = await place.send(request(b'[{"name":"a","id":"1","properties":{"x":0.10}}]'))

        (batch,) = place.batches()
    assert (reply.status, json.loads(reply.body)) == (202, {"accepted": 1, "failed": []})
    assert [(event.id, str(event.properties["x"])) for event in batch.events] == [("1", "0.10")]
    assert (batch.received_at, batch.source, batch.protocol) == (NOW, "sk_1", "native")
    assert place.published == [("p", batch)]


async def test_failed_items_are_answered_and_kept(tmp_path: Path) -> None:
    async with open_place(tmp_path) as place:
        reply = await place.send(request(b'[{"name":"a"},{"name":"","id":"7"}]'))

        (batch,) = place.batches()
    told = json.loads(reply.body)
    assert (told["accepted"], [one["code"] for one in told["failed"]]) == (1, ["NAME_INVALID"])
    assert (batch.received, len(batch.events)) == (2, 1)
    (failed,) = batch.failed
    assert (failed.code, failed.id, failed.raw) == ("NAME_INVALID", "7", b'{"name":"","id":"7"}')


async def test_every_item_meets_one_outcome_also_where_it_became_two_commands(
    tmp_path: Path,
) -> None:
    body = b"""[{"name":"a"}, {"name":""},
        {"type":"identify","user_id":"u","anonymous_id":"d","traits":{"x":1}}]"""
    async with open_place(tmp_path) as place:
        reply = await place.send(request(body))

        (batch,) = place.batches()
    assert json.loads(reply.body)["accepted"] == 2
    assert batch.received == len(batch.events) + len(batch.commands) + len(batch.failed) == 4


async def test_a_strict_request_with_a_fault_stores_its_failures_only(tmp_path: Path) -> None:
    async with open_place(tmp_path) as place:
        reply = await place.send(request(b'[{"name":"a"},{"name":""}]', query="strict=1"))

        (batch,) = place.batches()
    assert reply.status == 422
    assert (batch.received, batch.events) == (2, [])
    assert [item.code for item in batch.failed] == ["STRICT_BATCH", "NAME_INVALID"]


async def test_an_empty_batch_leaves_nothing_behind(tmp_path: Path) -> None:
    async with open_place(tmp_path) as place:
        reply = await place.send(request(b"[]"))

        assert not place.path.exists()
    assert json.loads(reply.body) == {"accepted": 0, "failed": []}


@pytest.mark.parametrize("events", [1, 5_000])
async def test_compressed_bodies_are_inflated_off_the_loop_or_on_it(
    tmp_path: Path, events: int
) -> None:
    body = gzip.compress(json.dumps([{"name": "a", "id": str(n)} for n in range(events)]).encode())
    async with open_place(tmp_path) as place:
        await place.send(request(body, content_encoding="gzip"))

        (batch,) = place.batches()
    assert [event.id for event in batch.events] == [str(n) for n in range(events)]


async def test_many_large_bodies_at_once_all_arrive(tmp_path: Path) -> None:
    bodies = [
        json.dumps([{"name": "a", "id": f"{sender}-{n}"} for n in range(3_000)]).encode()
        for sender in range(8)
    ]
    async with open_place(tmp_path) as place:
        await asyncio.gather(*(place.send(request(body)) for body in bodies))

        ids = {event.id for batch in place.batches() for event in batch.events}
    assert len(ids) == 24_000


async def test_a_refused_request_is_stored_before_it_is_answered(tmp_path: Path) -> None:
    async with open_place(tmp_path) as place:
        assert await place.refused(request(b'{"name":')) == "JSON_SYNTAX"

        (batch,) = place.batches()
    (failed,) = batch.failed
    assert (batch.received, failed.code, failed.stage) == (1, "JSON_SYNTAX", "decode")
    assert (failed.raw, failed.raw_bytes) == (b'{"name":', 8)
    assert place.published == [("p", batch)]


async def test_of_a_refused_body_no_more_than_the_limit_is_kept(tmp_path: Path) -> None:
    body = b'{"name":"' + b"x" * 300_000
    async with open_place(tmp_path) as place:
        await place.refused(request(body))

        (failed,) = place.batches()[0].failed
    assert (failed.raw, failed.raw_bytes) == (body[: LIMITS.max_failed_bytes], len(body))


@pytest.mark.parametrize(
    ("body", "encoding", "code"),
    [
        (gzip.compress(b"secret" * 50)[:-1], "gzip", "DECOMPRESS_CORRUPT"),
        (gzip.compress(b"secret" * 50)[:-1], "", "DECOMPRESS_CORRUPT"),
        (b"secret", "compress", "UNSUPPORTED_ENCODING"),
    ],
)
async def test_of_compressed_bytes_nothing_is_kept(
    tmp_path: Path, body: bytes, encoding: str, code: str
) -> None:
    async with open_place(tmp_path) as place:
        assert await place.refused(request(body, content_encoding=encoding)) == code

        (failed,) = place.batches()[0].failed
    assert (failed.code, failed.raw) == (code, b"")


async def test_what_the_policy_forbids_never_reaches_the_file(tmp_path: Path) -> None:
    place_of = {"ip": "198.51.100.23", "user_agent": FIREFOX}
    page = {"url": "https://x.example/p?mail=canary@example.com#canary"}
    good = {"name": "a", "context": {**place_of, "page": page}}
    bodies = [
        json.dumps([good, good | {"name": ""}]).encode(),
        json.dumps(good).encode()[:-1],
    ]
    async with open_place(tmp_path) as place:
        await place.send(request(bodies[0], user_agent=FIREFOX), BROWSER)
        await place.refused(request(bodies[1], user_agent=FIREFOX), BROWSER)

        batches = place.batches()
    kept = repr(batches)
    assert len(batches) == 2
    assert [word for word in ("198.51", "203.0.113", "Mozilla", "canary") if word in kept] == []
    assert batches[0].events[0].context.browser == "Firefox"


async def test_address_and_user_agent_of_a_request_are_the_persons_only_from_a_public_key(
    tmp_path: Path,
) -> None:
    open_policy = Policy(ip="mask", keep_user_agent=True)
    browser = Caller("p", "public", "pk_1", open_policy)
    server = Caller("p", "secret", "sk_1", open_policy)
    async with open_place(tmp_path) as place:
        await place.send(request(b'{"name":"a"}', user_agent=FIREFOX), browser)
        await place.send(request(b'{"name":"a"}', user_agent="python"), server)

        person, machine = place.batches()
    assert (person.ip, person.user_agent, person.server_side) == ("203.0.113.0", FIREFOX, False)
    assert (machine.ip, machine.user_agent, machine.server_side) == (None, None, True)


async def test_when_the_log_takes_nothing_the_client_is_asked_to_come_back(tmp_path: Path) -> None:
    async with open_place(tmp_path) as place:
        await place.writer.close()

        for body in (b'{"name":"a"}', b"no json"):
            with pytest.raises(Unavailable) as caught:
                await place.send(request(body))
            assert caught.value.status == 503
    assert place.published == []


async def test_a_flood_of_refusals_is_counted_but_mostly_not_kept(tmp_path: Path) -> None:
    flood = FLOOD_FROM + 2 * FLOOD_SAMPLE + 30
    async with open_place(tmp_path) as place:
        for first in range(0, flood, 100):
            some = [place.refused(request(b"no json")) for _ in range(min(100, flood - first))]
            assert set(await asyncio.gather(*some)) == {"JSON_SYNTAX"}
        # Another code is not held back by the first one.
        assert await place.refused(request(b"\xff")) == "UTF8_INVALID"
        await place.collector.flush()

        batches = place.batches()
    assert sum(batch.received for batch in batches) == flood + 1
    assert sum(len(batch.failed) for batch in batches) == FLOOD_FROM + 2 + 1
    assert sum(batch.dropped.get("JSON_SYNTAX", 0) for batch in batches) == 2 * 99 + 30
    # Each that is kept says how many it stands for; those held back at the end stand alone.
    stands_for = [one.sampled for batch in batches for one in batch.failed]
    assert stands_for == [1] * FLOOD_FROM + [100, 100, 1]
    assert place.collector.counts()["failed.JSON_SYNTAX"] == FLOOD_FROM + 2


async def test_a_flood_ends_with_its_minute(tmp_path: Path) -> None:
    async with open_place(tmp_path) as place:
        for _ in range(FLOOD_FROM + 5):
            await place.refused(request(b"no json"))
        await place.refused(request(b"no json", at=NOW + MINUTE))

        batches = place.batches()
    assert batches[-1].received_at == NOW + MINUTE
    assert (len(batches[-1].failed), batches[-1].dropped) == (1, {"JSON_SYNTAX": 5})


async def test_counts_and_step_times_add_up(tmp_path: Path) -> None:
    async with open_place(tmp_path) as place:
        for _ in range(3):
            await place.send(request(b'[{"name":"a"},{"name":"b"},{"name":""}]'))

        counts, seconds = place.collector.counts(), place.collector.step_seconds()
    assert counts == {"requests": 3, "accepted": 6, "failed.NAME_INVALID": 3}
    assert set(seconds) == {"scrub_context"}
    assert all(taken >= 0 for taken in seconds.values())


def test_a_batch_can_be_prepared_without_a_server() -> None:
    prepared = prepare(native, request(b'{"name":"a"}'), SERVER, LIMITS, clock=SystemClock())

    assert [event.name for event in prepared.batch.events] == ["a"]
