"""What clients of Matomo say, and what becomes of it."""

import json
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.collect.protocols.web import NOW, SECOND, Taken, opened, take

from tallymark.collect.protocol import KeyKind, Request
from tallymark.collect.protocols.matomo import matomo
from tallymark.core.errors import Refused
from tallymark.core.event import Event

HIT = {"idsite": "1", "rec": "1", "url": "https://shop.example/a", "_id": "0123456789abcdef"}
HOUR = 3600 * SECOND


def got(kind: KeyKind = "public", **given: Any) -> Taken:
    request = opened(matomo, "/matomo.php", query=urlencode({**HIT, **given}))
    return take(matomo, request, kind)


def bulk(*hits: Any, **beside: Any) -> Request:
    items = [f"?{urlencode({**HIT, **hit})}" if isinstance(hit, dict) else hit for hit in hits]
    return opened(matomo, "/matomo.php", {"requests": items, **beside})


def ids(request: Request, kind: KeyKind = "public") -> list[str]:
    return [event.id for event in take(matomo, request, kind).decoded.events]


def event_of(**given: Any) -> Event:
    return got(**given).event


def test_a_hit_that_does_not_ask_to_be_recorded_is_counted_as_not_kept() -> None:
    taken = got(rec="0")

    assert (taken.decoded.events, taken.decoded.dropped) == ([], {"NOT_KEPT": 1})
    assert taken.reply.status == 200


def test_variables_and_dimensions_are_properties() -> None:
    event = event_of(
        _cvar=json.dumps({"1": ["plan", "pro"], "2": ["odd"]}),
        cvar=json.dumps({"1": ["section", "news"]}),
        dimension3="blue",
        dimensional="no",
        pv_id="Ab12Cd",
    )

    assert event.properties == {
        "plan": "pro",
        "section": "news",
        "dimension3": "blue",
        "page_view_id": "Ab12Cd",
    }


def test_variables_that_are_no_json_cost_no_event() -> None:
    assert event_of(cvar="{oops").properties == {}


@pytest.mark.parametrize(
    ("given", "name", "kind", "properties"),
    [
        ({"link": "https://x.example/p?token=1"}, "outlink", "interaction", {"url": "https://x.example/p"}),
        ({"download": "https://x.example/f.pdf#a"}, "download", "interaction", {"url": "https://x.example/f.pdf"}),
        ({"search": "books", "search_cat": "all", "search_count": "0"}, "search", "track", {"search_term": "books", "search_category": "all", "search_count": 0}),
        ({"e_c": "video", "e_a": "play", "e_v": "a lot"}, "play", "track", {"category": "video", "value": "a lot"}),
        ({"c_n": "ad", "c_p": "red"}, "content_impression", "interaction", {"content_name": "ad", "content_piece": "red"}),
        ({"c_n": "ad", "c_i": "click"}, "content_interaction", "interaction", {"content_name": "ad", "content_interaction": "click"}),
        ({"cra": "x is undefined", "ca": "1"}, "crash", "exception", {"message": "x is undefined"}),
        ({"ma_id": "m", "ma_ti": "Trailer", "ma_st": "12", "ca": "1"}, "media", "track", {"title": "Trailer", "watched_seconds": 12}),
        ({"ping": "1", "e_c": "x"}, "page_ping", "heartbeat", {}),
        ({"_pks": "k1", "_pkp": "7.50"}, "page_view", "page", {"product_sku": "k1", "product_price": Decimal("7.5")}),
        ({"pf_srv": "80", "action_name": "A"}, "page_view", "page", {"server_ms": 80}),
    ],
)  # fmt: skip
def test_the_parameters_of_a_hit_say_what_was_done(
    given: dict[str, str], name: str, kind: str, properties: dict[str, Any]
) -> None:
    event = event_of(**given)

    assert (event.name, event.kind, event.properties) == (name, kind, properties)


def test_an_order_and_a_goal_are_money_and_a_cart_is_not() -> None:
    order = event_of(idgoal="0", ec_id="o-1", revenue="19.90", currency="EUR")
    goal = event_of(idgoal="3", revenue="5", currency="EUR")
    cart = event_of(idgoal="0", revenue="12", currency="EUR", ec_items='[["k1","Book"]]')

    assert (order.name, order.kind, order.revenue) == ("order", "revenue", Decimal("19.90"))
    assert (goal.name, goal.revenue) == ("goal", Decimal(5))
    assert goal.properties == {"goal": "3", "total": 5}
    assert (cart.name, cart.revenue) == ("cart_update", None)
    assert cart.properties == {"total": 12, "items": [{"sku": "k1", "name": "Book"}]}


def test_money_of_no_known_currency_stays_a_property() -> None:
    event = event_of(idgoal="0", ec_id="o-1", revenue="19.90")

    assert (event.revenue, event.properties["total"]) == (None, Decimal("19.90"))
    assert "no_currency" in event.flags


def test_a_hit_sent_again_has_its_id_again_and_another_hit_another() -> None:
    clock = {"h": "15", "m": "33", "s": "9"}

    first = event_of(r="482915", **clock).id

    assert event_of(r="482915", cdo="40", send_image="0", **clock).id == first
    assert event_of(r="482916", **clock).id != first
    assert event_of(r="482915", h="15", m="33", s="10").id != first


def test_hits_that_nothing_tells_apart_are_all_counted() -> None:
    events = [event_of(), event_of(), event_of(rand="7"), event_of(rand="7")]

    assert len({event.id for event in events}) == 4
    assert all("no_id" in event.flags for event in events)


def test_a_bulk_of_dated_hits_sent_again_counts_once_with_its_equal_lines_apart() -> None:
    line = {"cdt": "2026-09-21 12:00:00"}
    once = bulk(line, line)

    assert len(set(ids(once))) == 2
    assert ids(once) == ids(bulk(line, line))
    assert set(ids(once)).isdisjoint(ids(bulk(line, line, {})))


def test_a_hit_kept_while_offline_took_place_when_it_says() -> None:
    event = event_of(cdo="90")

    assert (event.time, event.time_rule) == (NOW - 90 * SECOND, "client")


def test_a_public_site_may_date_a_hit_back_a_day_and_a_secret_key_further() -> None:
    an_hour_ago, last_year = str((NOW - HOUR) // SECOND), "2025-09-21 12:00:00"

    recent = got(cdt=an_hour_ago)
    old = got(cdt=last_year)
    trusted = got("secret", cdt=last_year)

    assert recent.event.time == NOW - HOUR
    assert (old.codes, old.decoded.events) == (["AUTH_WRONG_KIND"], [])
    assert trusted.event.time == 1_758_456_000_000_000


def test_only_a_secret_key_may_say_where_somebody_else_is() -> None:
    place = {"cip": "198.51.100.7", "country": "ch", "city": "Bern", "ua": "Other/1"}

    public, trusted = event_of(**place).context, got("secret", **place).event.context

    assert (public.ip, public.country, public.city) == (None, None, None)
    assert (trusted.ip, trusted.country, trusted.city) == ("198.51.100.7", "ch", "Bern")
    assert public.user_agent == trusted.user_agent == "Other/1"


def test_a_secret_key_stands_in_the_body_and_never_in_what_is_kept() -> None:
    form = opened(matomo, "/matomo.php", urlencode({**HIT, "token_auth": "sk_a"}).encode())
    beside = bulk({}, token_auth="sk_b")
    inside = bulk({"token_auth": "sk_c"}, {"cdt": "1", "token_auth": "sk_c"}, 7)

    taken = take(matomo, inside, "public")

    assert [matomo.credential(one) for one in (form, beside, inside)] == ["sk_a", "sk_b", "sk_c"]
    assert len(taken.decoded.failed) == 2
    assert b"sk_c" not in b"".join(item.raw for item in taken.decoded.failed)


def test_a_token_of_matomo_itself_gives_no_rights_and_does_no_harm() -> None:
    request = bulk({"cip": "198.51.100.7"}, token_auth="0123456789abcdef0123456789abcdef")

    assert matomo.credential(request) == "1"
    assert take(matomo, request).event.context.ip is None


def test_one_key_brings_hits_of_many_sites_and_without_it_one_site_is_meant() -> None:
    request = bulk({"idsite": "1"}, {"idsite": "2"}, token_auth="sk_a")
    open_one = bulk({"idsite": "1"}, {"idsite": "2"})

    trusted = take(matomo, request, "secret").decoded
    public = take(matomo, open_one)

    assert [event.properties["idsite"] for event in trusted.events] == ["1", "2"]
    assert [item.index for item in public.decoded.failed] == [1]
    assert json.loads(public.reply.body) == {
        "status": "success", "tracked": 1, "invalid": 1, "invalid_indices": [1],
    }  # fmt: skip


def test_a_key_that_names_the_site_is_no_property() -> None:
    assert "idsite" not in got("secret", idsite="sk_12345678_x").event.properties


def test_objects_do_as_well_as_queries_in_a_bulk() -> None:
    assert take(matomo, bulk(json.loads(json.dumps(HIT)))).event.anonymous_id == HIT["_id"]
    assert (
        take(matomo, opened(matomo, "/matomo.php", [{**HIT, "rec": 1}])).event.name == "page_view"
    )


@pytest.mark.parametrize(
    ("page", "campaign", "term"),
    [
        ("https://shop.example/?mtm_campaign=spring&mtm_kwd=shoes", "spring", "shoes"),
        ("https://shop.example/?pk_campaign=spring%20sale", "spring sale", None),
        ("https://shop.example/?utm_campaign=x", None, None),
        ("https://shop.example/", "before", "kept"),
    ],
)
def test_a_campaign_is_found_under_each_of_its_names(
    page: str, campaign: str | None, term: str | None
) -> None:
    context = event_of(url=page, _rcn="before", _rck="kept").context

    assert (context.utm_campaign, context.utm_term) == (campaign, term)


def test_the_forced_visitor_wins_and_who_logged_in_is_named_beside() -> None:
    event = event_of(cid="fedcba9876543210", uid="ana")

    assert (event.anonymous_id, event.user_id) == ("fedcba9876543210", "ana")


def test_a_visitor_without_an_id_asks_for_one_that_lasts_a_day() -> None:
    nobody = {"_id": "", "r": "1", "h": "1", "m": "1", "s": "1"}

    assert event_of(**nobody).flags == ("cookieless",)
    # A server's own address would make one visitor of all.
    assert got("secret", **nobody).event.flags == ()
    assert got("secret", cip="198.51.100.7", **nobody).event.flags == ("cookieless",)


def test_a_picture_comes_unless_none_is_wanted() -> None:
    assert got().reply.content_type == "image/gif"
    assert (got(send_image="0").reply.status, got(send_image="0").reply.body) == (204, b"")


def test_a_page_that_is_not_named_is_the_one_that_asked() -> None:
    query = urlencode({"idsite": "1", "rec": "1", "action_name": "A"})
    request = opened(matomo, "/matomo.php", query=query, headers={"referer": "https://a.example/x"})

    assert take(matomo, request).event.context.page_url == "https://a.example/x"


def test_a_hit_with_more_parameters_than_any_has_costs_no_other() -> None:
    taken = take(matomo, bulk("&".join(f"a{n}=1" for n in range(6000)), {}))

    assert taken.codes == ["BAD_FIELD"]
    assert len(taken.decoded.events) == 1


def test_trouble_is_told_in_the_form_that_was_asked_for() -> None:
    assert matomo.refuse is not None
    error = Refused("No such site.", code="AUTH_INVALID")

    single, many = matomo.refuse(error, got().request), matomo.refuse(error, bulk({}))

    assert (single.status, single.content_type) == (401, "image/gif")
    assert json.loads(many.body)["status"] == "error"
