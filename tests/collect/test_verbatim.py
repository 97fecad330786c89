"""The quick way of a batch, with properties as the text that was sent, gives what the careful way gives."""

import gzip
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tallymark.collect.batch import prepare
from tallymark.collect.protocol import Caller, Protocol, Request, content_of
from tallymark.collect.protocols.native import native
from tallymark.collect.protocols.segment import segment
from tallymark.core.clock import SystemClock
from tallymark.core.errors import Refused
from tallymark.core.event import Batch, Verbatim
from tallymark.core.policy import Policy
from tallymark.core.settings import Settings
from tallymark.log.codec import decode_batch, encode_batch
from tallymark.log.log import Record

NOW = 1_790_000_000_000_000
BROWSER = Caller("p", "public", "pk_1")
SERVER = Caller("p", "secret", "sk_1")
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
# More than enough to be looked at as a batch, and no part of it.
ROOM = b" " * 5_000

Outcome = tuple[int, bytes, Batch | None] | tuple[str, str | None]


def batch_request(messages: bytes, **headers: str) -> Request:
    """Return a request of Segment's, opened; raises Refused if it cannot be."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = Request("POST", "/v1/batch", "", named, messages + ROOM, "203.0.113.9", NOW)
    return structs.replace(sent, content=content_of(segment, sent, Settings()))


def opened(sent: Request) -> Request:
    """Return the same request of Segment's, opened as one at an address that others have too."""
    content = content_of(segment, sent, Settings(), is_shared=True)
    return structs.replace(sent, content=content)


def request(body: bytes, *, query: str = "", **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("POST", "/tm/v1/events", query, named, body + ROOM, "203.0.113.9", NOW)


def stored(batch: Batch) -> Batch:
    """Return a batch as it is read from the log, without the ids that were made at random."""
    entry = encode_batch(batch)
    record = Record(1, entry.received_at, entry.items, entry.codec, entry.digest, entry.payload)
    back = decode_batch(record)
    events = [structs.replace(e, id="made") if "no_id" in e.flags else e for e in back.events]
    return structs.replace(back, events=events)


def outcome(
    sent: Request, caller: Caller, *, may_stay_text: bool, protocol: Protocol = native
) -> Outcome:
    try:
        made = prepare(
            protocol, sent, caller, Settings(), clock=SystemClock(), may_stay_text=may_stay_text
        )
    except Refused as why:
        return why.code, why.path
    reply = protocol.reply(made.decoded, sent)
    return reply.status, reply.body, stored(made.batch)


def is_quick(sent: Request, caller: Caller = SERVER) -> bool:
    assert native.verbatim is not None
    return native.verbatim(sent, caller, Settings()) is not None


def assert_same(sent: Request, caller: Caller, protocol: Protocol = native) -> None:
    quick, careful = (
        outcome(sent, caller, may_stay_text=either, protocol=protocol) for either in (True, False)
    )
    assert quick == careful


def assert_opened_alike(sent: Request, caller: Caller) -> None:
    """See that a quick look at a body tells no more and no less than to open it."""
    assert segment.credential(sent) == segment.credential(opened(sent))
    quick, careful = (
        outcome(one, caller, may_stay_text=True, protocol=segment) for one in (sent, opened(sent))
    )
    assert quick == careful


def event(**fields: Any) -> dict[str, Any]:
    return {"name": "viewed", "id": "1", "user_id": "u", **fields}


ODD = (
    '"plain"', '"a b"', '""', '"\\u0041"', '"\\u0000"', '"\\ud83d\\ude00"', '"\\ud800"', '"é"', '"{"',
    '"["', '":"', '",\\"b\\":{"', '"},{"', '"ada@example.com"', '"+49 170 1234567"', '"a\\tb"',
    '"4111 1111 1111 1111"', '"utm_content_of_the_page"', '"' + "x" * 300 + '"', "0", "-0", "-0.0",
    "1.50", "0.1000000000000000055", "1e5", "1E400", "-1.5e-7", "123456789012345678901234567890",
    "0.00000000000000000000001", "999999999999999999", "true", "false", "null", "{}", "[]", '{"a":1}',
    "[1]", '[{"a":"b"}]', "01", "1.", "NaN", "nul", '"open', "", '{"a":{"a":{"a":{"a":{"a":1}}}}}',
)  # fmt: skip
KEYS = ('"a"', '"b c"', '"é"', '"a:"', '"\\u0061"', '"price_in_some_currency"', '""', '"' + "k" * 201 + '"')  # fmt: skip
odd = st.sampled_from(ODD)
plain = st.one_of(
    st.sampled_from(('"plain"', '"é"', "0", "1.50", "true", "null", '"a b"')),
    st.integers(-(10**17), 10**17).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=4).map(lambda d: f"{d:f}"),
    st.text(st.characters(codec="utf-8"), max_size=30).map(
        lambda text: msgspec.json.encode(text).decode()
    ),
)
spaces = st.sampled_from(("", "", "", " ", "\n", "\t "))


def objects(keys: Sequence[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(st.sampled_from(keys), spaces, spaces, values)
    texts = pairs.map(lambda one: f"{one[0]}{one[1]}:{one[2]}{one[3]}")
    return st.lists(texts, max_size=4).map(lambda all_: "{" + ",".join(all_) + "}")


FIELDS = st.one_of(
    st.tuples(st.just("name"), st.sampled_from(('"viewed"', '"e\\u0301"', '" "', "1", '"\u202e"'))),
    st.tuples(
        st.just("time"),
        st.sampled_from(
            (
                "1789999999000", "1790000000", "1", "0", "-5", "99999999999", "1790000900000",
                "1990000000000", '"2026-09-21T14:00:00Z"', '"2026-09-21T14:00:00"', "1.5", "null",
            )
        ),
    ),
    st.tuples(
        st.sampled_from(("user_id", "anonymous_id", "session_id", "id", "account")),
        st.sampled_from(('"u1"', '"undefined"', '""', '"a b"', '"\u00fc"', "null", "7")),
    ),
    st.tuples(
        st.just("context"),
        st.sampled_from(
            (
                "null", "{}", '{"page":null}', '{"ip":"203.0.113.77","user_agent":""}',
                '{"page":{"url":"https://ada:pw@a.example/u/0123456789abcdef0123456789abcdef?x=1#f"}}',
                '{"page":{"url":"https://a.example/?utm_source=x&utm_term=%41&q=ada@b.example"}}',
                '{"page":{"url":"/p?utm_source=&a=1","referrer":"mailto:ada@b.example","path":"/p?x"}}',
                f'{{"page":{{"title":"T"}},"user_agent":"{FIREFOX}"}}',
                f'{{"page":{{"url":"?"}},"user_agent":"{GOOGLEBOT}","locale":"de"}}',
                f'{{"user_agent":"{FIREFOX}","browser":{{"name":"Mine"}},"os":{{"name":""}}}}',
                '{"campaign":{"source":"mine"},"page":{"url":"https://a.example/?utm_source=x"}}',
                '{"page":{"more":1}}',
            )
        ),
    ),
    st.tuples(st.sampled_from(("value", "revenue")), st.sampled_from(("1", "1.5", "null", '"1"', "1e40"))),
    st.tuples(st.sampled_from(("unit", "currency")), st.sampled_from(('"EUR"', '"eur"', "null"))),
    st.tuples(st.just("groups"), st.sampled_from(('{"team":"t"}', '{"account":"null"}', "{}", '{"a":1}'))),
    st.tuples(st.just("consent"), st.sampled_from(('{"product":"denied"}', "{}", "null"))),
    st.tuples(st.just("kind"), st.sampled_from(('"page"', '"odd"'))),
    st.tuples(st.just("type"), st.sampled_from(('"event"', '"identify"'))),
    st.tuples(st.just("unknown"), st.just("1")),
    st.tuples(st.just("properties"), st.one_of(objects(KEYS, odd), odd)),
)  # fmt: skip


@st.composite
def items(draw: st.DrawFn, oddities: int) -> str:
    """Return an event as text: some fields may be odd, sent twice or missing."""
    fields = [("name", '"viewed"'), ("id", '"i"'), ("user_id", '"u"')]
    fields.append(("properties", draw(objects(('"a"', '"plan"', '"b c"'), plain))))
    fields += draw(st.lists(FIELDS, max_size=oddities))
    return "{" + ",".join(f'"{name}":{draw(spaces)}{value}' for name, value in fields) + "}"


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    several = draw(st.lists(items(draw(st.integers(0, 2))), min_size=1, max_size=4))
    shape = draw(st.sampled_from(("[%s]", '{"events":[%s]}', '{"sent_at":1790000009000,"events":[%s]}')))  # fmt: skip
    body = (shape % ",".join(several)).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.sampled_from((b"\xff", b"\x00", b'"', b"\\", b"{", b""))) + body[at + 1 :]  # fmt: skip
    return body


@given(bodies(), st.sampled_from((BROWSER, SERVER)), st.sampled_from(("", FIREFOX, GOOGLEBOT)))
@settings(max_examples=600, deadline=None)
def test_any_body_gives_the_same_either_way(body: bytes, caller: Caller, agent: str) -> None:
    sent = request(body, user_agent=agent) if agent else request(body)

    assert_same(sent, caller)


def test_an_ordinary_batch_goes_the_quick_way_with_its_properties_as_they_were_sent() -> None:
    given = (
        b'[{"name":"a","id":"1","properties":{"n": 1.50, "m":-0,"t":"x"}},{"name":"a","id":"2"}]'
    )

    made = prepare(native, request(given), SERVER, Settings(), clock=SystemClock(), may_stay_text=True)  # fmt: skip

    texts = [bytes(e.properties) for e in made.batch.events if isinstance(e, Verbatim)]
    assert texts == [b'{"n": 1.50, "m":-0,"t":"x"}', b""]
    (first, second) = stored(made.batch).events
    assert [(name, str(value)) for name, value in first.properties.items()] == [
        ("n", "1.50"), ("m", "0"), ("t", "x"),
    ]  # fmt: skip
    assert second.properties == {}


@pytest.mark.parametrize(
    "properties",
    [
        '{"a":{"b":1}}', '{"a":[1]}', '{"a":1e5}', '{"a":1E5}', '{"a":1234567890123456789}',
        '{"a":"\\u0040"}', '{"a":"ada@example.com"}', '{"a":"+49 170 1234567"}', "null",
        '{"' + "k" * 201 + '":1}', '{"a":1},"properties":{"b":1}', '5,"\\u0070roperties":{}',
        '{' + ",".join(f'"k{n}":{n}' for n in range(501)) + '}',
    ],
)  # fmt: skip
def test_what_needs_a_closer_look_gets_one(properties: str) -> None:
    sent = request(f'[{{"name":"a","id":"1","properties":{properties}}}]'.encode())

    assert not is_quick(sent)
    assert_same(sent, SERVER)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""}, {"id": "a\u0000"}, {"user_id": "undefined"}, {"consent": {"product": "denied"}},
        {"value": None}, {"time": 1_790_000_000}, {"type": "identify"}, {"unknown": 1},
    ],
)  # fmt: skip
def test_a_field_out_of_the_ordinary_gets_a_closer_look(fields: dict[str, Any]) -> None:
    sent = request(msgspec.json.encode([event(**fields)]))

    assert not is_quick(sent)
    assert_same(sent, SERVER)


@pytest.mark.parametrize(
    "fields",
    [
        {"value": 1.5, "unit": "GB", "time": 1_789_999_999_000}, {"revenue": 5, "currency": "EUR"},
        {"account": "acme", "groups": {"team": "t"}}, {"user_id": None}, {"time": "2026-09-21T14:00:00Z"},
        {"context": {"user_agent": GOOGLEBOT}}, {"context": {"page": {"url": "https://a.example/?utm_source=x&q=1"}}},
        {"properties": {"text": "x" * 900, "utm_content_of_the_page": True}}, {"context": {"ip": "203.0.113.5"}},
    ],
)  # fmt: skip
def test_what_many_send_goes_the_quick_way(fields: dict[str, Any]) -> None:
    sent = request(msgspec.json.encode([event(**fields), event(id="2")]), tallymark_sent_at="1790000009000")  # fmt: skip

    assert is_quick(sent)
    assert_same(sent, SERVER)


@pytest.mark.parametrize(
    "policy",
    [
        Policy(ip="mask"), Policy(ip="full", redact_paths=False), Policy(url_parameters=("q",)),
        Policy(suspects="off"), Policy(suspects="drop"), Policy(properties={"a*": "drop"}),
        Policy(keep_user_agent=True), Policy(consent="cookieless"), Policy(consent="contract"),
    ],
)  # fmt: skip
@given(body=bodies())
@settings(max_examples=40, deadline=None)
def test_every_policy_holds_either_way(policy: Policy, body: bytes) -> None:
    assert_same(request(body, user_agent=FIREFOX), Caller("p", "public", "pk_1", policy))


def test_lines_go_the_quick_way_too() -> None:
    sent = request(b'{"name":"a","id":"1"}\n{"name":"b","id":"2"}\n', content_type="application/x-ndjson")  # fmt: skip

    assert is_quick(sent)
    assert_same(sent, SERVER)


def test_somebody_without_an_id_gets_a_closer_look_unless_a_server_sent_it() -> None:
    sent = request(b'[{"name":"a","id":"1"}]')

    assert (is_quick(sent, BROWSER), is_quick(sent, SERVER)) == (False, True)


@pytest.mark.parametrize("header", ["sec_gpc", "dnt"])
def test_a_signal_gets_a_closer_look(header: str) -> None:
    assert not is_quick(request(b'[{"name":"a","id":"1"}]', **{header: "1"}))


MESSAGE_FIELDS = st.one_of(
    st.tuples(st.just("type"), st.sampled_from(('"track"', '"Track"', '"page"', '"identify"', "1", "null"))),
    st.tuples(st.just("event"), st.sampled_from(('"viewed"', '" a "', '""', '"e\u0301"', '"\u202e"', "7", '"' + "n" * 600 + '"'))),
    st.tuples(
        st.sampled_from(("userId", "anonymousId", "messageId")),
        st.sampled_from(('"u1"', '"undefined"', '""', '"a b"', "7", "null", '"' + "i" * 90 + '"')),
    ),
    st.tuples(
        st.sampled_from(("timestamp", "originalTimestamp", "sentAt")),
        st.sampled_from(
            (
                '"2026-09-21T14:00:00.123Z"', '"2026-09-21T14:00:00Z"', '"2026-09-21T14:00:00.1234567Z"',
                '"2026-09-21T14:00:00.123"', '"2036-09-21T14:00:00.123Z"', '"1960-01-01T00:00:00.000Z"',
                '" 2026-09-21T14:00:00.123Z"', '"20260921T140000.12.345Z"', '"2026-09-21T14:00+01.123Z"',
                '"1789999999.123"', "1789999999000", '"soon"', '""', "null", '"9999-12-31T23:59:59.999Z"',
                '"2026-09-21T14:00:00.\u0661\u0662\u0663Z"', '"2026-09-21T24:00:00.123Z"',
            )
        ),
    ),
    st.tuples(
        st.just("context"),
        st.sampled_from(
            (
                "null", "{}", '{"page":null}', '{"library":{"name":" analytics-python","version":2}}',
                '{"library":{"name":"analytics.js","version":"1"},"locale":"de","timezone":" "}',
                '{"page":{"url":"https://ada:pw@a.example/?utm_source=x&q=1#f","referrer":"$direct"}}',
                '{"page":{"url":" https://a.example/ ","path":"/p?x","title":"","search":"?utm_source=y"}}',
                f'{{"userAgent":"{GOOGLEBOT}","page":{{"title":"T"}}}}', '{"userAgent":" "}',
                '{"ip":"203.0.113.5"}', '{"app":{"name":"a"}}', '{"sessionId":1789999999}', '{"groupId":"acme"}',
                '{"consent":{"categoryPreferences":{"analytics":false}}}', '{"more":[1]}', "7",
            )
        ),
    ),
    st.tuples(st.just("properties"), st.one_of(objects((*KEYS, '"revenue"', '"value"'), odd), odd)),
    st.tuples(st.sampled_from(("groupId", "integrations", "channel", "writeKey", "name")), st.sampled_from(('"server"', "{}", "null"))),
)  # fmt: skip


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    def one() -> str:
        fields = [
            ("type", '"track"'),
            ("event", '"viewed"'),
            ("messageId", '"m"'),
            ("userId", '"u"'),
        ]
        fields.append(("timestamp", '"2026-09-21T14:00:01.250Z"'))
        fields.append(("properties", draw(objects(('"a"', '"plan"', '"b c"'), plain))))
        fields += draw(st.lists(MESSAGE_FIELDS, max_size=draw(st.integers(0, 2))))
        return "{" + ",".join(f'"{name}":{draw(spaces)}{value}' for name, value in fields) + "}"

    shape = draw(
        st.sampled_from(
            (
                '{"batch":[%s]}', '{"batch":[%s],"sentAt":"2026-09-21T14:00:05.000Z","writeKey":"k"}',
                '{"batch":[%s],"context":{"locale":"de"}}', "[%s]",
            )
        )
    )  # fmt: skip
    several = ",".join(one() for _ in range(draw(st.integers(1, 4))))
    return str(shape % several).encode("utf-8", "surrogatepass")


@given(messages(), st.sampled_from((BROWSER, SERVER)), st.sampled_from(("", FIREFOX, GOOGLEBOT)))
@settings(max_examples=600, deadline=None)
def test_any_batch_of_segments_gives_the_same_either_way(
    body: bytes, caller: Caller, agent: str
) -> None:
    try:
        sent = batch_request(body, **({"user_agent": agent} if agent else {}))
    except Refused:
        return

    assert_same(sent, caller, segment)
    assert_opened_alike(sent, caller)


def test_an_ordinary_batch_of_segments_goes_the_quick_way() -> None:
    body = b"""{"batch":[{"type":"track","event":"a","messageId":"1","userId":"u","anonymousId":null,
        "timestamp":"2026-09-21T14:00:01.250Z","properties":{"n":1.50},"integrations":{},
        "context":{"library":{"name":"analytics-python","version":"2"},"page":{"url":"https://a.example/"}}}]}"""
    sent = batch_request(body)

    made = prepare(segment, sent, SERVER, Settings(), clock=SystemClock(), may_stay_text=True)

    (event,) = made.batch.events
    assert isinstance(event, Verbatim)
    assert bytes(event.properties) == b'{"n":1.50}'
    assert_same(sent, SERVER, segment)
    assert_opened_alike(sent, SERVER)


def test_a_packed_batch_of_segments_goes_the_quick_way_too() -> None:
    body = b'{"batch":[{"type":"track","event":"a","messageId":"1","userId":"u","properties":{"n":1.50}}]}'
    sent = Request(
        "POST", "/v1/batch", "", {"content-encoding": "gzip"}, gzip.compress(body + ROOM), None, NOW
    )
    sent = structs.replace(sent, content=content_of(segment, sent, Settings()))

    made = prepare(segment, sent, SERVER, Settings(), clock=SystemClock(), may_stay_text=True)

    assert [type(one) for one in made.batch.events] == [Verbatim]
    assert_same(sent, SERVER, segment)
    assert_opened_alike(sent, SERVER)


@pytest.mark.parametrize(
    ("around", "query", "key"),
    [
        (b'"writeKey":" k "', "", "k"),
        (b'"writeKey":"k"', "writeKey=other", "k"),
        (b'"writeKey":""', "writeKey=other", "other"),
        (b'"writeKey":null', "", "in the message"),
        (b'"writeKey":7', "", "7"),
    ],
)
def test_a_batch_of_segments_names_its_key_however_it_is_read(
    around: bytes, query: str, key: str
) -> None:
    message = b'{"type":"track","event":"a","messageId":"1","userId":"u"%s}'
    own = b',"writeKey":"in the message"' if key == "in the message" else b""
    body = b'{"batch":[%s],%s}' % (message % own, around)
    sent = Request("POST", "/v1/batch", query, {}, body + ROOM, None, NOW)
    sent = structs.replace(sent, content=content_of(segment, sent, Settings()))

    assert segment.credential(sent) == segment.credential(opened(sent)) == key
