"""What trackers of Snowplow say, and what becomes of it."""

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.collect.protocols.web import FIREFOX, NOW, SECOND, Taken, opened, take

from tallymark.collect.protocol import Request
from tallymark.collect.protocols.snowplow import refuse, snowplow
from tallymark.core.errors import NotAllowed, Refused, TallymarkError, Unavailable
from tallymark.core.policy import Policy
from tallymark.core.settings import Settings

TP2 = "/com.snowplowanalytics.snowplow/tp2"
WEB = {"aid": "shop", "p": "web", "duid": "d-1", "eid": "e-1"}
EXPORT = "iglu:com.acme/export/jsonschema/1-0-0"


def batch(*items: Any, **headers: str) -> Request:
    return opened(snowplow, TP2, {"schema": "iglu:x", "data": list(items)}, headers=headers)


def sent(*items: Any, **headers: str) -> Taken:
    return take(snowplow, batch(*items, **headers))


def described(schema: str, data: Any) -> dict[str, Any]:
    return {"schema": "iglu:x/unstruct_event/jsonschema/1-0-0", "data": {"schema": schema, "data": data}}  # fmt: skip


def contexts(**named: Any) -> str:
    data = [{"schema": f"iglu:com.acme/{n}/jsonschema/1-0-0", "data": d} for n, d in named.items()]
    return json.dumps({"schema": "iglu:x/contexts/jsonschema/1-0-0", "data": data})


def ms(micros: int) -> str:
    return str(micros // 1000)


def test_a_time_of_sending_cut_to_seconds_moves_no_event() -> None:
    made = NOW - 100_000
    cut = made - made % SECOND - SECOND

    event = sent({**WEB, "e": "pv", "dtm": ms(made), "stm": ms(cut)}).event

    assert (event.time, event.time_rule) == (made, "client")


def test_a_clock_an_hour_behind_is_repaired() -> None:
    behind = NOW - 3600 * SECOND

    event = sent({**WEB, "e": "pv", "dtm": ms(behind - 5 * SECOND), "stm": ms(behind)}).event

    assert (event.time, event.time_rule) == (NOW - 5 * SECOND, "repaired")
    assert event.time_client == behind - 5 * SECOND


def test_a_true_time_wins_and_is_never_repaired() -> None:
    true, behind = NOW - 7200 * SECOND, NOW - 3600 * SECOND
    item = {**WEB, "e": "pv", "ttm": ms(true), "dtm": ms(behind), "stm": ms(behind)}

    event = sent(item).event

    assert (event.time, event.time_rule) == (true, "client")


def test_base64_without_padding_and_plain_json_say_the_same() -> None:
    about = json.dumps(described(EXPORT, {"rows": 5, "name": "über"}))
    packed = base64.urlsafe_b64encode(about.encode()).decode().rstrip("=")
    around = contexts(account={"id": "acme"})
    packed_around = base64.urlsafe_b64encode(around.encode()).decode().rstrip("=")

    plain = sent({**WEB, "e": "ue", "ue_pr": about, "co": around}).event
    coded = sent({**WEB, "e": "ue", "ue_px": packed, "cx": packed_around}).event
    query = urlencode({**WEB, "e": "ue", "ue_px": packed, "cx": packed_around})
    got = take(snowplow, opened(snowplow, "/i", query=query)).event

    assert plain == coded == got
    assert plain.name == "export"
    assert plain.properties == {"schema": EXPORT, "rows": 5, "name": "über"}
    assert plain.groups == {"account": "acme"}


def test_contexts_of_ones_own_become_properties_under_their_names() -> None:
    around = contexts(cart={"items": 2}, web_page={"id": "v-1"}, browser_context={"tabId": "t"})

    event = sent({**WEB, "e": "pv", "co": around}).event

    assert event.properties == {"cart": {"items": 2}, "page_view_id": "v-1"}


def test_damaged_contexts_cost_no_event_but_a_damaged_event_is_set_aside() -> None:
    taken = sent(
        {**WEB, "e": "pv", "cx": "%%%"},
        {**WEB, "e": "ue", "ue_px": "%%%", "eid": "e-2"},
        {**WEB, "e": "ue", "ue_pr": "{}", "eid": "e-3"},
        {**WEB, "e": "zz"},
        "no object",
    )

    assert [event.flags for event in taken.decoded.events] == [("context_unreadable",)]
    assert taken.codes == ["JSON_SYNTAX", "MISSING_FIELD", "BAD_FIELD", "BAD_FIELD"]
    assert [item.id for item in taken.decoded.failed[:2]] == ["e-2", "e-3"]
    assert (taken.reply.status, taken.reply.body) == (200, b"ok")


def test_a_mobile_session_names_device_session_and_machine() -> None:
    around = contexts(
        client_session={"userId": "install-1", "sessionId": "s-1", "sessionIndex": 3},
        mobile_context={"osType": "ios", "osVersion": "19.1", "deviceManufacturer": "Apple"},
        application={"version": "2.4", "build": "7"},
    )

    event = sent({"aid": "shop", "p": "mob", "e": "pv", "eid": "e-1", "co": around}).event

    assert (event.anonymous_id, event.session_id) == ("install-1", "s-1")
    assert (event.context.os, event.context.device_brand) == ("ios", "Apple")
    assert event.context.app_version == "2.4"
    assert event.properties == {}


def test_an_id_that_stands_for_nobody_is_not_taken() -> None:
    nil = "00000000-0000-0000-0000-000000000000"

    event = sent(
        {"aid": "shop", "p": "mob", "e": "pv", "eid": "e", "co": contexts(client_session={"userId": nil})}
    ).event  # fmt: skip

    assert event.anonymous_id is None
    assert event.flags == ("cookieless",)


def test_a_screen_view_is_one_and_a_link_loses_the_query_of_its_target() -> None:
    screen = described("iglu:x/screen_view/jsonschema/1-0-0", {"name": "Home"})
    link = described("iglu:x/link_click/jsonschema/1-0-1", {"targetUrl": "https://x.example/a?t=1"})

    events = sent(
        {**WEB, "e": "ue", "ue_pr": json.dumps(screen)},
        {**WEB, "e": "ue", "ue_pr": json.dumps(link)},
    ).decoded.events

    assert [(event.name, event.kind) for event in events] == [
        ("screen_view", "screen"),
        ("link_click", "interaction"),
    ]
    assert events[1].properties["targetUrl"] == "https://x.example/a"


def test_a_sale_of_either_kind_is_money_once() -> None:
    action = described("iglu:x/snowplow_ecommerce_action/jsonschema/1-0-2", {"type": "transaction"})
    order = contexts(transaction={"transaction_id": "o-1", "revenue": 19.9, "currency": "EUR"})

    taken = sent(
        {**WEB, "e": "tr", "tr_id": "o-1", "tr_tt": "19.9", "tr_cu": "eur"},
        {**WEB, "e": "ti", "ti_id": "o-1", "ti_pr": "19.9", "ti_qu": "1", "ti_cu": "EUR"},
        {**WEB, "e": "ue", "ue_pr": json.dumps(action), "co": order},
    )

    money = [(str(event.revenue), event.currency) for event in taken.decoded.events]
    assert money == [("19.9", "EUR"), ("None", None), ("19.9", "EUR")]


def test_a_servers_own_address_and_agent_say_nothing_of_the_person() -> None:
    kept = Policy(ip="full", keep_user_agent=True)
    item = {"aid": "shop", "e": "pv", "uid": "ana"}

    on_server = take(snowplow, batch({**item, "p": "srv"}), policy=kept).batch
    in_browser = take(snowplow, batch({**item, "p": "web"}), policy=kept).batch

    assert (on_server.server_side, on_server.ip, on_server.user_agent) == (True, None, None)
    assert (in_browser.ip, in_browser.user_agent) == ("203.0.113.9", FIREFOX)


def test_an_anonymous_request_leaves_no_id_and_no_address() -> None:
    item = {**WEB, "e": "pv", "uid": "u", "nuid": "n", "ip": "198.51.100.7", "sid": "s-1"}
    request = batch(item, **{"sp-anonymous": "*"})

    taken = take(snowplow, request, policy=Policy(ip="full"))
    (event,) = taken.batch.events

    assert (event.user_id, event.anonymous_id, event.context.ip) == (None, None, None)
    assert taken.batch.ip is None
    assert (event.context.browser, event.flags) == ("Firefox", ())
    # Who is anonymous may still say what may be kept, and is no server that needs not ask.
    assert taken.batch.server_side is False
    assert taken.reply.headers == ()


def test_only_where_a_browser_names_nobody_an_id_for_the_day_is_asked_for() -> None:
    nobody = {"aid": "shop", "e": "pv", "eid": "e"}

    assert sent({**nobody, "p": "web"}).event.flags == ("cookieless",)
    assert sent({**nobody, "p": "srv"}).event.flags == ()
    assert sent({**nobody, "p": "web", "uid": "ana"}).event.flags == ()
    (named,) = sent({**nobody, "p": "web"}).batch.events
    (unnamed,) = sent({**nobody, "p": "srv"}).batch.events
    assert (named.anonymous_id, unnamed.anonymous_id) == ("d_203.0.113.9", None)


def test_what_is_of_another_site_than_the_first_is_set_aside() -> None:
    taken = sent({**WEB, "e": "pv"}, {**WEB, "e": "pv", "aid": "other"}, {"e": "pv", "p": "web"})

    assert snowplow.credential(taken.request) == "shop"
    assert [item.index for item in taken.decoded.failed] == [1]
    assert len(taken.decoded.events) == 2


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotAllowed("No.", code="AUTH_INVALID"), 401),
        (NotAllowed("No.", code="AUTH_WRONG_KIND"), 403),
        (Refused("Large.", code="BODY_TOO_LARGE"), 400),
        (Refused("Odd.", code="UNSUPPORTED_ENCODING"), 400),
        (Unavailable("Full.", code="STORAGE_PRESSURE"), 503),
        (Unavailable("Slow down.", code="RATE_LIMITED"), 429),
        (TallymarkError("Bug.", code="INTERNAL"), 503),
    ],
)
def test_trackers_stop_after_what_cannot_be_mended_and_come_back_after_the_rest(
    error: TallymarkError, status: int
) -> None:
    stops = {400, 401, 403, 410, 422}

    got = {refuse(error, Request(m, "/i", "", {}, b"", None, NOW)).status for m in ("GET", "POST")}

    assert got == {status}
    assert (status in stops) is (error.status < 500 and status != 429)


def test_a_redirect_is_not_followed_and_health_is_told() -> None:
    by_path = {endpoint.path: endpoint for endpoint in snowplow.endpoints}
    request = Request("GET", "/r/tp2", "u=https://evil.example", {}, b"", None, NOW)

    redirect = by_path["/r/tp2"].answer(request, Settings())
    health = by_path["/health"].answer(request, Settings())

    assert redirect.status == 400
    assert "evil" not in redirect.body.decode()
    assert redirect.headers == ()
    assert (health.status, health.body) == (200, b"ok")
