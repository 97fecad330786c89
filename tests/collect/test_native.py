"""The native protocol: what each body becomes, and the code of everything that is refused."""

import json
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.collect.protocol import Caller, Decoded, Request
from tallymark.collect.protocols.native import native
from tallymark.collect.protocols.native import reply as native_reply
from tallymark.core.clock import DAY, MICROSECONDS
from tallymark.core.errors import Refused
from tallymark.core.event import GroupMembership, IdentityLink, ProfileOp
from tallymark.core.settings import Settings

NOW = 1_790_000_000_000_000  # 2026-09-21T14:13:20Z
SERVER = Caller("p", "secret", "sk_1")
BROWSER = Caller("p", "public", "pk_1")
LIMITS = Settings()
GOLDEN = Path(__file__).parent.parent / "golden" / "native"


def decode(
    body: Any,
    *,
    caller: Caller = SERVER,
    query: str = "",
    limits: Settings = LIMITS,
    **headers: str,
) -> Decoded:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request("POST", "/tm/v1/events", query, named, raw, "203.0.113.9", NOW)
    return native.decode(request, caller, limits)


def refused(body: Any, **options: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        decode(body, **options)
    return caught.value


def code_of(event: dict[str, Any], **options: Any) -> str:
    """Return the code of an event that is refused next to one that is not."""
    return code_of_raw(json.dumps(event).encode(), **options)


def code_of_raw(event: bytes, **options: Any) -> str:
    decoded = decode(b'[{"name":"good"},' + event + b"]", **options)
    (failed,) = decoded.failed
    assert [item.name for item in decoded.events] == ["good"]
    assert (failed.index, failed.raw, failed.raw_bytes) == (1, event, len(event))
    return failed.code


# Shapes of a body


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"name":"a"}', ["a"]),
        (b' \n{"name":"a"}\n', ["a"]),
        (b'[{"name":"a"},{"name":"b"}]', ["a", "b"]),
        (b"[]", []),
        (b'{"events":[{"name":"a"},{"name":"b"}]}', ["a", "b"]),
        (b'{"sent_at":null,"events":[]}', []),
        (b'{"name":"a","properties":{"events":[1]}}', ["a"]),
        (b'{"name":"a"}\n{"name":"b"}', ["a", "b"]),
        (b'{"name":"a"}\r\n\r\n{"name":"b"}\r\n', ["a", "b"]),
        (b'{\n  "name": "a"\n}\n', ["a"]),
        (b'{"type":"event","name":"a"}', ["a"]),
    ],
)
def test_every_shape_of_a_body_gives_its_events(body: bytes, names: list[str]) -> None:
    decoded = decode(body)

    assert [event.name for event in decoded.events] == names
    assert (decoded.received, decoded.failed) == (len(names), [])


def test_json_lines_by_content_type_fail_line_by_line() -> None:
    body = b'{"name":"a"}\n\n{"name":\n\xff\n{"name":"\\ud800"}\n{"name":"b"}\n'

    decoded = decode(body, content_type="application/x-ndjson")

    assert [event.name for event in decoded.events] == ["a", "b"]
    assert [(item.index, item.code) for item in decoded.failed] == [
        (1, "JSON_SYNTAX"),
        (2, "UTF8_INVALID"),
        (3, "SURROGATE"),
    ]


def test_every_field_arrives_where_it_belongs() -> None:
    request = json.loads((GOLDEN / "every_field.json").read_text())

    decoded = decode(request["body"])

    (event,) = decoded.events
    assert msgspec.to_builtins(event) == request["event"]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("reply_*.json")), ids=lambda path: path.stem)
def test_golden_requests_get_their_recorded_replies(path: Path) -> None:
    golden = json.loads(path.read_text())

    reply = native_reply(decode(golden["body"], query=golden.get("query", "")))

    assert (reply.status, json.loads(reply.body)) == (golden["status"], golden["reply"])


# Text that is no JSON


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "JSON_SYNTAX"),
        (b"  \n", "JSON_SYNTAX"),
        (b'{"name":"a"', "JSON_SYNTAX"),
        (b'[{"name":"a"},]', "JSON_SYNTAX"),
        (b'{"name":"a"} {"name":"b"}', "JSON_SYNTAX"),
        (b'{"name":"a","properties":{"x":01}}', "JSON_SYNTAX"),
        (b"[" * 100_000, "JSON_DEPTH"),
        (b'{"name":"a","properties":{"x":' + b"[" * 100_000, "JSON_DEPTH"),
        (b'{"name":"a","properties":{"x":' + b'{"a":' * 100_000, "JSON_DEPTH"),
        (b'{"name":"a","properties":{"x":NaN}}', "JSON_NUMBER"),
        (b'[{"name":"a","properties":{"x":-Infinity}}]', "JSON_NUMBER"),
        (b'{"name":"a","properties":{"x":1e999}}', "JSON_NUMBER"),
        (b'{"name":"a","properties":{"x":1e-999}}', "JSON_NUMBER"),
        (b'{"name":"a","properties":{"x":1e99999999999999999999}}', "JSON_NUMBER"),
        (b'{"name":"a","properties":{"x":' + b"9" * 5_000 + b"}}", "JSON_NUMBER"),
        (b'{"name":"a","properties":{"x":0.' + b"9" * 5_000 + b"}}", "JSON_NUMBER"),
        (b'{"name":"\\ud800"}', "SURROGATE"),
        (b'{"name":"a\\uDBFF and more text"}', "SURROGATE"),
        (b'{"name":"\\ud800\\u0041"}', "SURROGATE"),
        (b'[{"name":"\\ud800\\ud800"}]', "SURROGATE"),
        (b'{"name":"\\ud800', "JSON_SYNTAX"),
        (b'{"name":"\\uZZZZ"}', "JSON_SYNTAX"),
        (b'{"name":"a","value":-NaN}', "JSON_NUMBER"),
        (b'[{"name":"a","properties":{"\\udc00":1}}]', "SURROGATE"),
        (b'{"name":"\xff"}', "UTF8_INVALID"),
        (b'{"name":"\xc0\xaf"}', "UTF8_INVALID"),
        (b'{"name":"\xed\xa0\x80"}', "UTF8_INVALID"),
        (b'\xef\xbb\xbf{"name":"a"}', "UTF8_INVALID"),
        ('{"name":"a"}'.encode("utf-16"), "UTF8_INVALID"),
        ('{"name":"a"}'.encode("utf-16-le"), "UTF8_INVALID"),
        ('{"name":"a"}'.encode("utf-32-be"), "UTF8_INVALID"),
        (b'{"name":"a\\u0000"}', "NUL_CHAR"),
        (b"5", "BAD_FIELD"),
        (b'"signup"', "BAD_FIELD"),
        (b'{"events":[],"sentAt":1}', "BAD_FIELD"),
        (b'{"events":5}', "BAD_FIELD"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_whole(body: bytes, code: str) -> None:
    refusal = refused(body)

    assert (refusal.code, refusal.status) == (code, 400)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (b'{"name":"a","properties":{"x":1e999}}', "JSON_NUMBER"),
        (b'{"name":"a","properties":{"x":' + b"9" * 5_000 + b"}}", "JSON_NUMBER"),
        (b'{"name":"a","properties":{"\\u0000":1}}', "NUL_CHAR"),
        (b'{"name":"a","properties":{"x":"\\\\\\u0000"}}', "NUL_CHAR"),
        (b'{"name":"a","properties":{"x":[[[[[[[[[1]]]]]]]]]}}', "JSON_DEPTH"),
        (b'{"name":"a","properties":{"x":"' + b"y" * 2_000_000 + b'"}}', "EVENT_TOO_LARGE"),
    ],
)
def test_one_event_that_cannot_be_read_does_not_cost_the_others(event: bytes, code: str) -> None:
    decoded = decode(b'[{"name":"good"},' + event + b',{"name":"fine"}]')

    (failed,) = decoded.failed
    assert [item.name for item in decoded.events] == ["good", "fine"]
    assert (failed.index, failed.code, failed.name, failed.raw_bytes) == (1, code, "a", len(event))
    assert failed.raw == event[: LIMITS.max_failed_bytes]


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    (event,) = decode(b'{"name":"a","properties":{"x":"\\\\u0000"}}').events

    assert event.properties == {"x": "\\u0000"}


def test_more_events_than_allowed_are_refused_whole() -> None:
    events = [{"name": "a"}] * 4

    assert len(decode(events, limits=Settings(max_batch_events=4)).events) == 4
    refusal = refused(events, limits=Settings(max_batch_events=3))
    assert (refusal.code, refusal.status) == ("BATCH_TOO_LONG", 413)


# Numbers, keys and properties


@pytest.mark.parametrize("literal", ["9007199254740993", "18446744073709551616", "-7", "0"])
def test_whole_numbers_are_kept_exactly(literal: str) -> None:
    (event,) = decode(f'{{"name":"a","properties":{{"x":{literal}}}}}'.encode()).events

    assert event.properties["x"] == int(literal)
    assert isinstance(event.properties["x"], int)


@pytest.mark.parametrize(
    "literal", ["0.1", "1.50", "-0.0", "1E5", "123456789012345678901234567890.123456789012"]
)
def test_numbers_with_a_point_are_kept_digit_by_digit(literal: str) -> None:
    (event,) = decode(f'{{"name":"a","properties":{{"x":[{literal}]}}}}'.encode()).events

    assert str(event.properties["x"][0]) == str(Decimal(literal))


def test_of_a_field_sent_twice_the_last_one_holds() -> None:
    raw = b'{"id":"a","id":"b","name":"x","name":"y","properties":{"k":1,"k":2}}'
    (quick,) = decode(raw).events
    slow, _ = decode(b"[" + raw + b',{"name":"n","properties":{}},{"name":""}]').events

    assert (quick.id, quick.name, quick.properties) == ("b", "y", {"k": 2})
    assert (slow.id, slow.name, slow.properties) == ("b", "y", {"k": 2})


def test_prototype_names_are_plain_text() -> None:
    properties = {"__proto__": {"admin": True}, "constructor": "x", "hasOwnProperty": None}

    (event,) = decode({"name": "a", "properties": properties}).events

    assert event.properties == properties


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({f"k{number}": 1 for number in range(501)}, "TOO_MANY_PROPS"),
        ({"k" * 201: 1}, "KEY_TOO_LONG"),
        ({"é" * 101: 1}, "KEY_TOO_LONG"),
        ({"a": [{"k" * 201: 1}]}, "KEY_TOO_LONG"),
    ],
)
def test_properties_have_limits(properties: dict[str, Any], code: str) -> None:
    assert code_of({"name": "a", "properties": properties}) == code


def test_properties_at_their_limits_pass() -> None:
    properties = {f"{number:0200}": 1 for number in range(499)} | {"x": [[[[[[[[1]]]]]]]]}

    assert decode({"name": "a", "properties": properties}).events[0].properties == properties


# Names and fields


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "x" * 201,
        "é" * 101,
        "😀" * 200,
        "a\nb",
        "a\x7f",
        "\u202eevil",
        "a\u200bb",
        "\ufeff",
    ],
)
def test_names_that_are_empty_too_long_or_invisible_are_refused(name: str) -> None:
    # json.dumps escapes what is not ASCII, which changes the bytes but not the text.
    assert code_of({"name": name}) == "NAME_INVALID"


def test_names_are_stored_in_normal_form() -> None:
    (event,) = decode({"name": "cafe\u0301 ouvert"}).events

    assert event.name == "caf\u00e9 ouvert"


@pytest.mark.parametrize("name", ["x" * 200, "é" * 100, "<img src=x onerror=alert(1)>", "注文"])
def test_any_visible_name_within_the_limit_is_kept(name: str) -> None:
    assert decode({"name": name}).events[0].name == name


@pytest.mark.parametrize("name", ["a" * 10_000_000])
def test_a_name_of_ten_megabytes_is_refused(name: str) -> None:
    limits = Settings(max_inflated_bytes=20_000_000)

    assert refused({"name": name}, limits=limits).code == "EVENT_TOO_LARGE"


@pytest.mark.parametrize(
    "field", ["received_at", "project_id", "project", "is_bot", "person_id", "seq", "$ip"]
)
def test_fields_of_the_server_are_refused(field: str) -> None:
    assert code_of({"name": "a", field: 1}) == "RESERVED_KEY"


@pytest.mark.parametrize(
    ("event", "code", "path"),
    [
        ({}, "MISSING_FIELD", "name"),
        ({"name": None}, "BAD_FIELD", "name"),
        ({"name": 5}, "BAD_FIELD", "name"),
        ({"name": "a", "usr_id": "u"}, "BAD_FIELD", "usr_id"),
        ({"name": "a", "context": {"page": {"link": "x"}}}, "BAD_FIELD", "context.page.link"),
        ({"name": "a", "context": {"screen": {"width": -1}}}, "BAD_FIELD", "context.screen.width"),
        ({"name": "a", "kind": "nonsense"}, "BAD_FIELD", "kind"),
        ({"name": "a", "user_id": 7}, "BAD_FIELD", "user_id"),
        ({"name": "a", "properties": [1]}, "BAD_FIELD", "properties"),
        ({"type": "teapot", "name": "a"}, "BAD_FIELD", "type"),
        (7, "BAD_FIELD", None),
        (None, "BAD_FIELD", None),
    ],
)
def test_misfits_are_named_by_their_path(event: Any, code: str, path: str | None) -> None:
    (failed,) = decode([event]).failed

    assert (failed.code, failed.path) == (code, path)


def test_a_misspelt_field_is_answered_with_the_right_one() -> None:
    (failed,) = decode([{"name": "a", "usr_id": "u"}]).failed

    assert failed.message == "There is no field 'usr_id'. Did you mean 'user_id'?"


def test_a_field_that_only_events_have_is_not_advised_to_a_command() -> None:
    (failed,) = decode([{"type": "identify", "user_id": "ana", "name": "signup"}]).failed

    assert (failed.code, failed.message) == ("BAD_FIELD", "There is no field 'name'.")


# Ids


@pytest.mark.parametrize(
    "user_id",
    ["null", "undefined", "None", "nil", "0", "-1", "NaN", "[object Object]", "anonymous", "Guest",
     "true", "FALSE", "unknown", "", " null ", "00000000-0000-0000-0000-000000000000"],
)  # fmt: skip
@pytest.mark.parametrize("field", ["user_id", "anonymous_id"])
def test_placeholders_are_no_people(field: str, user_id: str) -> None:
    assert code_of({"name": "a", field: user_id}) == "ILLEGAL_ID"


@pytest.mark.parametrize("account", ["undefined", "null", " ", "0"])
def test_a_placeholder_is_no_account(account: str) -> None:
    assert code_of({"name": "a", "account": account}) == "ILLEGAL_ID"
    assert code_of({"name": "a", "groups": {"account": account}}) == "ILLEGAL_ID"


@pytest.mark.parametrize("field", ["id", "session_id", "account", "user_id", "anonymous_id"])
@pytest.mark.parametrize(
    ("given", "code"),
    [("  ", "BAD_ID"), ("a\x1bb", "BAD_ID"), ("a\u0085", "BAD_ID"), ("x" * 201, "ID_TOO_LONG"),
     ("é" * 101, "ID_TOO_LONG")],
)  # fmt: skip
def test_ids_are_short_plain_text(field: str, given: str, code: str) -> None:
    expected = (
        "ILLEGAL_ID" if field in ("user_id", "anonymous_id", "account") and given == "  " else code
    )

    assert code_of({"name": "a", field: given}) == expected


@pytest.mark.parametrize("given", ["x" * 200, "é" * 100, "naïve id", "<b>", "=1+1", "a b"])
def test_any_other_id_is_kept_as_sent(given: str) -> None:
    (event,) = decode({"name": "a", "id": given, "user_id": given, "account": given}).events

    assert (event.id, event.user_id, event.groups) == (given, given, {"account": given})


def test_an_event_without_an_id_gets_one_and_a_flag() -> None:
    first, second = decode([{"name": "a"}, {"name": "a"}]).events

    assert first.id != second.id
    assert (first.flags, second.flags) == (("no_id",), ("no_id",))


def test_bad_group_ids_are_refused() -> None:
    assert code_of({"name": "a", "groups": {"team": ""}}) == "BAD_ID"
    assert code_of({"name": "a", "groups": {"": "x"}}) == "BAD_ID"
    assert code_of({"name": "a", "groups": {"t" * 201: "x"}}) == "KEY_TOO_LONG"


# Value and revenue


@pytest.mark.parametrize(
    ("literal", "code"),
    [
        (b'"10"', "VALUE_NOT_NUMERIC"),
        (b'"0x10"', "VALUE_NOT_NUMERIC"),
        (b"true", "VALUE_NOT_NUMERIC"),
        (b"null", "VALUE_NOT_NUMERIC"),
        (b"[1]", "VALUE_NOT_NUMERIC"),
        (b"1e308", "VALUE_NONFINITE"),
        (b"100000000000000000000000000000", "VALUE_NONFINITE"),
        (b"-100000000000000000000000000000", "VALUE_NONFINITE"),
        (b"0.0000000001", "VALUE_NONFINITE"),
        (b"1e999", "JSON_NUMBER"),
    ],
)
@pytest.mark.parametrize("field", [b"value", b"revenue"])
def test_quantities_are_never_coerced_or_rounded(field: bytes, literal: bytes, code: str) -> None:
    event = b'{"name":"a","currency":"EUR","' + field + b'":' + literal + b"}"
    if field == b"value":
        event = event.replace(b'"currency":"EUR",', b"")

    assert code_of_raw(event) == code


@pytest.mark.parametrize(
    "literal", ["0", "-5", "0.1", "0.123456789", "99999999999999999999999999999.999999999", "1E+3",
     "0.1000000000000"],
)  # fmt: skip
def test_quantities_that_fit_are_exact(literal: str) -> None:
    (event,) = decode(f'{{"name":"a","value":{literal},"unit":"GB"}}'.encode()).events

    assert event.value == Decimal(literal)
    assert event.unit == "GB"


def test_a_public_key_may_not_meter() -> None:
    assert code_of({"name": "a", "value": 1}, caller=BROWSER) == "METER_KEY_KIND"
    assert code_of({"name": "a", "unit": "GB"}, caller=BROWSER) == "METER_KEY_KIND"


def test_a_unit_needs_a_value_and_a_currency_a_revenue() -> None:
    assert code_of({"name": "a", "unit": "GB"}) == "MISSING_FIELD"
    assert code_of({"name": "a", "currency": "EUR"}) == "MISSING_FIELD"


@pytest.mark.parametrize("currency", [None, "", "eur", "EURO", "E\u00dcR", "EUR\n"])
def test_revenue_needs_a_currency_of_three_capitals(currency: str | None) -> None:
    assert code_of({"name": "a", "revenue": 5, "currency": currency}) == "CURRENCY_INVALID"


# Time


@pytest.mark.parametrize(
    ("given", "time"),
    [
        ("2026-09-21T14:13:20Z", NOW),
        ("2026-09-21T16:13:20.000001+02:00", NOW + 1),
        (1_790_000_000_000, NOW),
        (0, 0),
        ("1970-01-01T00:00:00Z", 0),
        ("2026-09-22T14:13:20Z", NOW + DAY),
    ],
)
def test_times_are_rfc3339_or_milliseconds(given: Any, time: int) -> None:
    (event,) = decode({"name": "a", "time": given}).events

    assert (event.time, event.time_client, event.time_rule) == (time, time, "client")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("2026-02-30T00:00:00Z", "TIME_UNPARSABLE"),
        ("2026-09-21T14:13:20", "TIME_UNPARSABLE"),
        ("2026-09-21T14:13:20+25:00", "TIME_UNPARSABLE"),
        ("2026-09-21", "TIME_UNPARSABLE"),
        ("yesterday", "TIME_UNPARSABLE"),
        ("+292277-01-01T00:00:00Z", "TIME_UNPARSABLE"),
        (1_790_000_000, "TIME_UNPARSABLE"),
        (1_790_000_000_000_000, "TIME_UNPARSABLE"),
        (10**30, "TIME_UNPARSABLE"),
        (1.5, "TIME_UNPARSABLE"),
        (True, "TIME_UNPARSABLE"),
        ("1969-12-31T23:59:59Z", "TIME_TOO_OLD"),
        ("0001-01-01T00:00:00+05:00", "TIME_TOO_OLD"),
        (-1, "TIME_TOO_OLD"),
        (-(10**30), "TIME_TOO_OLD"),
        ("2026-09-22T14:13:20.000001Z", "TIME_FUTURE"),
        ("9999-12-31T23:59:59Z", "TIME_FUTURE"),
    ],
)
def test_times_that_cannot_be_are_refused(given: Any, code: str) -> None:
    assert code_of({"name": "a", "time": given}) == code


def test_without_a_time_the_receipt_counts() -> None:
    (event,) = decode({"name": "a"}).events

    assert (event.time, event.time_client, event.time_rule) == (NOW, None, "received")


def batch_sent(offset: int, event_offset: int, **event: Any) -> Decoded:
    """Decode one event of a client whose clock is ``offset`` ahead of ours."""
    events = [{"name": "a", "time": (NOW + event_offset) // 1000, **event}]
    return decode({"sent_at": (NOW + offset) // 1000, "events": events})


@pytest.mark.parametrize(
    ("offset", "happened", "time", "rule"),
    [
        (0, -DAY, -DAY, "client"),
        (999_000, -DAY, -DAY, "client"),
        (MICROSECONDS, -DAY, -DAY - MICROSECONDS, "repaired"),
        (-3600 * MICROSECONDS, -DAY, -DAY + 3600 * MICROSECONDS, "repaired"),
        (30 * DAY, 29 * DAY, -DAY, "repaired"),
        (-30 * DAY, -31 * DAY, -DAY, "repaired"),
        # Stamped after it was sent: it cannot have happened after we received it.
        (3600 * MICROSECONDS, 3601 * MICROSECONDS, 0, "clamped"),
        (31 * DAY, 31 * DAY - 1_000_000, 0, "clamped"),
        (31 * DAY, -DAY, -DAY, "client"),
        (-31 * DAY, -32 * DAY, -32 * DAY, "client"),
    ],
)
def test_a_wrong_clock_is_repaired_within_limits(
    offset: int, happened: int, time: int, rule: str
) -> None:
    decoded = batch_sent(offset, happened)

    (event,) = decoded.events
    assert (event.time - NOW, event.time_rule) == (time, rule)
    assert (event.time_client, decoded.sent_at) == (NOW + happened, NOW + offset)


def test_a_repaired_time_too_far_ahead_or_before_1970_is_refused() -> None:
    assert batch_sent(3600 * MICROSECONDS, 3 * DAY).failed[0].code == "TIME_FUTURE"
    assert batch_sent(3600 * MICROSECONDS, -NOW).failed[0].code == "TIME_TOO_OLD"


def test_metered_time_of_a_server_is_never_repaired() -> None:
    (event,) = batch_sent(3600 * MICROSECONDS, -DAY, value=1).events

    assert (event.time - NOW, event.time_rule) == (-DAY, "client")


def test_sent_at_may_come_as_a_header() -> None:
    body = {"name": "a", "time": "2026-09-21T13:00:00Z"}

    by_text = decode(body, tallymark_sent_at="2026-09-21T14:13:10Z").events[0]
    by_number = decode(body, tallymark_sent_at="1789999990000").events[0]

    assert by_text == msgspec.structs.replace(by_number, id=by_text.id)
    assert (by_text.time_rule, by_text.time - (by_text.time_client or 0)) == (
        "repaired",
        10_000_000,
    )


@pytest.mark.parametrize("header", ["soon", "", "2026-09-21T14:13:10", "9" * 5_000, "²"])
def test_an_unreadable_sent_at_is_refused(header: str) -> None:
    assert refused({"name": "a"}, tallymark_sent_at=header).code == "TIME_UNPARSABLE"


def test_an_unreadable_sent_at_in_the_body_is_refused() -> None:
    assert refused({"events": [{"name": "a"}], "sent_at": "soon"}).code == "TIME_UNPARSABLE"


# Commands


def test_identify_links_the_ids_and_sets_the_traits() -> None:
    who = {"user_id": "ana", "anonymous_id": "d1", "id": "c1", "time": NOW // 1000}

    decoded = decode([{"name": "a"}, {"type": "identify", "traits": {"plan": "pro"}, **who}])

    assert decoded.commands == [
        IdentityLink("d1", "ana", "c1", NOW),
        ProfileOp("set", "ana", "c1", NOW, {"plan": "pro"}),
    ]
    assert (decoded.received, len(decoded.events)) == (2, 1)
    assert json.loads(native_reply(decoded).body) == {"accepted": 2, "failed": []}


def test_group_joins_the_person_and_sets_the_traits() -> None:
    decoded = decode(
        {"type": "group", "group_id": "acme", "user_id": "ana", "id": "c1", "traits": {"seats": 5}}
    )

    assert decoded.commands == [
        GroupMembership("account", "acme", "c1", NOW, "ana"),
        ProfileOp("set", "acme", "c1", NOW, {"seats": 5}, "account"),
    ]


def test_operations_come_after_the_traits_in_the_order_they_are_written() -> None:
    operations = {"add": {"logins": 1}, "unset": {"plan": None}, "set": {"seats": 2}}

    decoded = decode(
        {"type": "identify", "user_id": "ana", "id": "c1", "traits": {"plan": "pro"}, "operations": operations}
    )  # fmt: skip

    assert decoded.commands == [
        ProfileOp("set", "ana", "c1", NOW, {"plan": "pro", "seats": 2}),
        ProfileOp("add", "ana", "c1", NOW, {"logins": 1}),
        ProfileOp("unset", "ana", "c1", NOW, {"plan": None}),
    ]


@pytest.mark.parametrize(("kind", "how"), [("alias", "alias"), ("unlink", "retract")])
def test_two_ids_may_be_linked_and_parted_explicitly(kind: str, how: str) -> None:
    decoded = decode({"type": kind, "one": "a1", "one_kind": "anonymous", "other": "ana", "id": "c1"})  # fmt: skip

    (link,) = decoded.commands
    assert isinstance(link, IdentityLink)
    assert (link.one, link.one_kind, link.other, link.other_kind) == ("a1", "anonymous", "ana", "user")  # fmt: skip
    assert (link.how, link.id, link.time) == (how, "c1", NOW)


@pytest.mark.parametrize("kind", ["alias", "unlink"])
def test_a_public_key_may_not_join_or_part_people(kind: str) -> None:
    assert code_of({"type": kind, "one": "a", "other": "b"}, caller=BROWSER) == "AUTH_WRONG_KIND"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ({"type": "identify"}, "MISSING_FIELD"),
        ({"type": "identify", "user_id": "null"}, "ILLEGAL_ID"),
        ({"type": "identify", "user_id": "a", "name": "x"}, "BAD_FIELD"),
        ({"type": "identify", "user_id": "a", "traits": {"k" * 201: 1}}, "KEY_TOO_LONG"),
        ({"type": "group"}, "MISSING_FIELD"),
        ({"type": "group", "group_id": ""}, "ILLEGAL_ID"),
        ({"type": "group", "group_id": "a", "group_type": "user"}, "BAD_FIELD"),
        ({"type": "identify", "user_id": "a", "operations": {"grow": {}}}, "BAD_FIELD"),
        ({"type": "identify", "user_id": "a", "operations": {"add": {"n": "1"}}}, "VALUE_NOT_NUMERIC"),
        ({"type": "identify", "user_id": "a", "operations": {"add": {"n": True}}}, "VALUE_NOT_NUMERIC"),
        ({"type": "identify", "user_id": "a", "operations": {"set": {"k" * 201: 1}}}, "KEY_TOO_LONG"),
        ({"type": "alias", "one": "a"}, "MISSING_FIELD"),
        ({"type": "alias", "one": "a", "other": "a"}, "MERGE_LOOP"),
        ({"type": "alias", "one": "a", "other": "undefined"}, "ILLEGAL_ID"),
        ({"type": "unlink", "one": "a", "other": "\u0007"}, "BAD_ID"),
        ({"type": "unlink", "one": "a", "other": "b", "other_kind": "group"}, "BAD_FIELD"),
        ({"type": "merge", "one": "a", "other": "b"}, "BAD_FIELD"),
    ],
)  # fmt: skip
def test_commands_are_checked_like_events(command: dict[str, Any], code: str) -> None:
    assert code_of(command) == code


# All or nothing


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b'{"name":"b","properties":{"cut":"\\ud83d"}}', "SURROGATE"),
        (b'{"name":"b\xff"}', "UTF8_INVALID"),
        (b'{"name":"b","properties":{"x":NaN}}', "JSON_NUMBER"),
        (b'{"name":"b","properties":{"x":-Infinity}}', "JSON_NUMBER"),
    ],
)
@pytest.mark.parametrize(
    "body", [b'[{"name":"\xc3\xa9"},%s, {"name":"c"}]', b'{"events":[{"name":"\xc3\xa9"},%s, {"name":"c"}]}']
)  # fmt: skip
def test_an_item_that_no_decoder_takes_does_not_cost_the_others(
    body: bytes, bad: bytes, code: str
) -> None:
    decoded = decode(body % bad)

    assert [event.name for event in decoded.events] == ["é", "c"]
    assert [(item.index, item.code, item.raw) for item in decoded.failed] == [(1, code, bad)]


@pytest.mark.parametrize("said", ["true", "yes", "", "2"])
def test_a_strict_that_is_neither_1_nor_0_is_refused_and_not_taken_for_no(said: str) -> None:
    with pytest.raises(Refused, match="strict is 1 or 0") as refused:
        decode([{"name": "a"}], query=f"strict={said}")

    assert refused.value.path == "strict"


def test_one_failed_item_of_a_strict_request_fails_all() -> None:
    decoded = decode([{"name": "a", "id": "1"}, {"name": ""}, {"name": "b"}], query="strict=1")

    assert (decoded.events, decoded.commands, decoded.received) == ([], [], 3)
    assert [(item.index, item.code, item.id) for item in decoded.failed] == [
        (0, "STRICT_BATCH", "1"),
        (1, "NAME_INVALID", None),
        (2, "STRICT_BATCH", None),
    ]
    assert native_reply(decoded).status == 422


def test_a_strict_request_without_fault_is_accepted() -> None:
    decoded = decode([{"name": "a"}], query="strict=1")

    assert native_reply(decoded).status == 202


# Anything at all

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)
_fields = st.sampled_from(
    ["name", "id", "time", "user_id", "properties", "context", "value", "revenue", "currency",
     "groups", "type", "traits", "events", "sent_at", "kind", "group_id",
     "one", "other", "operations"]
)  # fmt: skip
_bodies = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100).map(str.encode),
    st.dictionaries(_fields, _json, max_size=6).map(lambda body: json.dumps(body).encode()),
    st.lists(st.dictionaries(_fields, _json, max_size=6), max_size=4).map(
        lambda body: json.dumps(body).encode("utf-8", "surrogatepass")
    ),
    st.lists(st.sampled_from([b'{"name":"a"}', b"[", b"]", b"{", b"}", b'"', b"\\", b"\\u0000", b",",
     b":", b"\n", b"1e9", b"\xff", b'"events"', b"NaN", b"\\ud800"]), max_size=20).map(b"".join),
)  # fmt: skip


@settings(max_examples=400)
@given(
    body=_bodies,
    caller=st.sampled_from([SERVER, BROWSER]),
    query=st.sampled_from(["", "strict=1"]),
    content_type=st.sampled_from(["", "application/x-ndjson"]),
)
def test_any_body_gives_one_outcome_an_item_or_a_refusal(
    body: bytes, caller: Caller, query: str, content_type: str
) -> None:
    with suppress(Refused):
        decoded = decode(body, caller=caller, query=query, content_type=content_type)
        told = json.loads(native_reply(decoded).body)

        assert told["accepted"] + len(told["failed"]) == decoded.received
        assert len({item.index for item in decoded.failed}) == len(decoded.failed)
        assert (
            len({command.id for command in decoded.commands}) + len(decoded.events)
            == told["accepted"]
        )


@settings(max_examples=100)
@given(st.lists(st.sampled_from([
    {"name": "a", "id": "1", "user_id": "u"}, {"name": "", "id": "2"}, {"name": "b", "time": 5.5},
    {"name": "c", "properties": {"x": [1]}}, {"type": "identify", "user_id": "v", "id": "3"}, 7,
]), min_size=1, max_size=8))  # fmt: skip
def test_each_item_meets_the_same_outcome_alone_and_among_others(items: list[Any]) -> None:
    together = decode(items)
    alone = [decode([item]) for item in items]

    assert [event.name for event in together.events] == [
        event.name for one in alone for event in one.events
    ]
    assert [item.code for item in together.failed] == [
        item.code for one in alone for item in one.failed
    ]
