"""A made-up history as clients would send it: requests in every shape, with what should become of it."""

import gzip
import random
import zlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
from backports import zstd
from msgspec import Struct

_encode = msgspec.json.Encoder(decimal_format="number").encode
# Clocks in Berlin change on the first and the last of these days, in New York on the middle ones.
_DAYS = (
    "2025-10-25", "2025-10-26", "2025-10-27", "2025-11-01", "2025-11-02", "2025-11-03", "2026-01-01",
    "2026-03-07", "2026-03-08", "2026-03-09", "2026-03-28", "2026-03-29", "2026-03-30",
)  # fmt: skip
_USERS = ("ana", "bo@example.org", "Źąbek", "u/4?x#y", "名前", "ANA")
_DEVICES = ("phone", "laptop", "tv", "a-1", "a-2")
_BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"
_NUMBERS: tuple[int | Decimal, ...] = (
    0, 1, -7, 2**63, 10**28, -(10**28), Decimal("0.1"), Decimal("0.000000001"), Decimal("-2.5"),
    Decimal("12345678901234567890.123456789"), Decimal("1E+5"), Decimal("0E+50"), Decimal("1E-3"),
)  # fmt: skip
_TOO_WIDE: tuple[int | Decimal, ...] = (Decimal("0.0000000001"), 10**30, Decimal("1E+300"))
_TEXTS = (
    "",
    "free",
    "pro",
    "1",
    "ü\u202f€",
    "a'b\"; DROP TABLE event --",
    "\U0001f600",
    "x" * 3000,
)
_OTHERS: tuple[Any, ...] = (
    True,
    False,
    None,
    [],
    {},
    [1, [Decimal("0.5"), None]],
    {"a": {"b": "c"}},
)

_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
}

Fields = dict[str, Any]


class Bad(Struct, frozen=True):
    """An item that cannot be taken, and the code that says why."""

    item: Fields
    code: str


class Request(Struct, frozen=True):
    """One request: its items, by which key it goes, and the bytes."""

    items: list[Fields]
    codes: dict[int, str]
    key: str
    headers: dict[str, str]
    body: bytes


def requests(seed: int, events: int) -> list[Request]:
    """Return requests with about so many events, some of which come again or clash."""
    rng = random.Random(seed)
    sent: list[Fields] = []
    made: list[Request] = []
    while len(sent) < events:
        key = rng.choice(["public", "secret"])
        items: list[Fields | Bad] = []
        for _ in range(rng.choice([1, 2, 7, 60])):
            items.append(_item(rng, key, sent, number=len(sent)))
            if not isinstance(items[-1], Bad) and "name" in items[-1]:
                sent.append(items[-1])
        made.append(_request(rng, key, items))
    return made


def _item(rng: random.Random, key: str, sent: list[Fields], number: int) -> Fields | Bad:
    # What carries a value may only come again with a secret key.
    known = [one for one in sent[-200:] if key == "secret" or "value" not in one]
    way = rng.random()
    if way < 0.10 and known:
        return _again(rng, rng.choice(known))
    if way < 0.15 and known:
        return {**rng.choice(known), "properties": {"other": number}}
    if way < 0.20:
        return _bad(rng, key, number)
    if way < 0.25:
        return _command(rng)
    return _event(rng, key, number)


def _again(rng: random.Random, event: Fields) -> Fields:
    """Return the same event as a retry sends it: from another address, by another program."""
    around = {**event.get("context", {}), "ip": f"203.0.113.{rng.randrange(200)}"}
    return {**event, "context": {**around, "library": {"name": "retry", "version": "2"}}}


def _event(rng: random.Random, key: str, number: int) -> Fields:
    event: Fields = {
        "name": rng.choice(["open", "buy", "Öffnen", "a b", "'; DROP TABLE event --"]),
        "id": rng.choice(["e-{}", "ü/{}?x=1#y", "{} %2F"]).format(number),
        "time": _time(rng),
    }
    if rng.random() < 0.6:
        event["user_id"] = rng.choice(_USERS)
    if rng.random() < 0.6:
        event["anonymous_id"] = rng.choice(_DEVICES)
    if rng.random() < 0.4:
        event["account"] = rng.choice(["acme", "Šum", "initech"])
    if rng.random() < 0.2:
        event["groups"] = {"team": rng.choice(["red", "blue"])}
    if rng.random() < 0.3:
        event["session_id"] = rng.choice(["s1", "s2", "ß"])
    if rng.random() < 0.2:
        event["kind"] = rng.choice(["page", "screen", "log"])
    if rng.random() < 0.8:
        event["properties"] = _properties(rng)
    if rng.random() < 0.6:
        event["context"] = _context(rng)
    event |= _amounts(rng, key)
    return event


def _amounts(rng: random.Random, key: str) -> Fields:
    event: Fields = {}
    if rng.random() < 0.3:
        event["revenue"] = rng.choice([5, Decimal("19.99"), Decimal("-0.000000001"), 10**20])
        event["currency"] = rng.choice(["EUR", "USD"])
    if key == "secret" and rng.random() < 0.3:
        event["value"] = rng.choice([1, Decimal("0.25"), 10**25])
        event["unit"] = "token"
    return event


def _time(rng: random.Random) -> str | int:
    day = datetime.fromisoformat(rng.choice(_DAYS)).replace(tzinfo=UTC)
    # Halves of hours, so that sessions end and begin exactly at the gap.
    moment = day + timedelta(minutes=15 * rng.randrange(96), microseconds=rng.choice([0, 0, 1000]))
    if rng.random() < 0.4:
        return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    zone = timezone(timedelta(minutes=rng.choice([0, 60, -300, 345])))
    return moment.astimezone(zone).isoformat()


def _properties(rng: random.Random) -> Fields:
    found: Fields = {"amount": rng.choice(_NUMBERS)} if rng.random() < 0.7 else {}
    for name in rng.sample(["plan", "mixed", "a.b", "x'y\"z", "名", " "], rng.randrange(4)):
        found[name] = rng.choice([*_TEXTS, *_NUMBERS, *_TOO_WIDE, *_OTHERS])
    return found


def _context(rng: random.Random) -> Fields:
    context: Fields = {
        "page": {"url": "https://shop.example/a/b?utm_source=news&secret=1", "title": "Ā\tB"},
        "device": {"type": "mobile"},
        "os": {"name": "iOS", "version": "18"},
        "app": {"name": "Shop", "version": "1.2"},
        "screen": {"width": 390, "height": 2**31 - 1},
        "location": {"country": "CH", "city": "Zürich"},
        "locale": "de-CH",
        "ip": "198.51.100.7",
        "user_agent": rng.choice([_BOT, _BROWSER, _BROWSER]),
    }
    return {name: context[name] for name in rng.sample(list(context), rng.randrange(len(context)))}


def _command(rng: random.Random) -> Fields:
    user, device = rng.choice(_USERS), rng.choice(_DEVICES)
    return rng.choice(
        [
            {"type": "identify", "user_id": user, "anonymous_id": device},
            {"type": "identify", "user_id": user, "anonymous_id": device, "traits": {"n": 1}},
            {"type": "identify", "anonymous_id": device, "traits": {"n": Decimal("0.10")}},
            {"type": "group", "group_id": "acme", "user_id": user, "traits": {"seats": 5}},
        ]
    )


def _bad(rng: random.Random, key: str, number: int) -> Bad:
    good = {"name": "open", "id": f"bad-{number}"}
    choices = [
        Bad({"id": f"bad-{number}"}, "MISSING_FIELD"),
        Bad({**good, "name": " "}, "NAME_INVALID"),
        Bad({**good, "name": "a\u202eb"}, "NAME_INVALID"),
        Bad({**good, "user_id": "undefined"}, "ILLEGAL_ID"),
        Bad({**good, "anonymous_id": "a\nb"}, "BAD_ID"),
        Bad({**good, "time": 1_700_000_000}, "TIME_UNPARSABLE"),
        Bad({**good, "time": "9999-12-31T23:59:59Z"}, "TIME_FUTURE"),
        Bad({**good, "time": -1}, "TIME_TOO_OLD"),
        Bad({**good, "revenue": 1}, "CURRENCY_INVALID"),
        Bad({**good, "revenue": Decimal("0.0000000001"), "currency": "EUR"}, "VALUE_NONFINITE"),
        Bad({**good, "properties": {"k" * 201: 1}}, "KEY_TOO_LONG"),
        Bad({**good, "surprise": 1}, "BAD_FIELD"),
    ]
    if key == "public":
        choices.append(Bad({**good, "value": 1}, "METER_KEY_KIND"))
    return rng.choice(choices)


def _request(rng: random.Random, key: str, items: list[Fields | Bad]) -> Request:
    wire = [one.item if isinstance(one, Bad) else one for one in items]
    codes = {place: one.code for place, one in enumerate(items) if isinstance(one, Bad)}
    headers, body = _shaped(rng, wire)
    encoding = rng.choice([*_PACKERS, ""])
    if encoding:
        headers["Content-Encoding"] = encoding
        body = _PACKERS[encoding](body)
    return Request(wire, codes, key, headers, body)


def _shaped(rng: random.Random, wire: Iterable[Fields]) -> tuple[dict[str, str], bytes]:
    items = list(wire)
    shape = rng.choice(["array", "object", "lines", "one"])
    if shape == "lines":
        return {"Content-Type": "application/x-ndjson"}, b"\n".join(map(_encode, items)) + b"\n"
    if shape == "one" and len(items) == 1:
        return {"Content-Type": "application/json"}, _encode(items[0])
    if shape == "object":
        return {"Content-Type": "text/plain"}, _encode({"events": items})
    return {"Content-Type": "application/json"}, _encode(items)
