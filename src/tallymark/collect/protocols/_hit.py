"""What a hit of Matomo's clients is: a view of a page, or what its parameters make of it."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from tallymark.collect.loose import values
from tallymark.core.errors import Refused
from tallymark.core.event import Kind
from tallymark.core.policy import Policy
from tallymark.privacy.scrub import scrub_url

from ._values import amount, sequence, text
from ._visit import figure, figures, words

_EVENT: Final = {"e_c": "category", "e_n": "name"}
_SEARCH: Final = {"search": "search_term", "search_cat": "search_category"}
_ORDER_AMOUNTS: Final = {
    "revenue": "total", "ec_st": "subtotal", "ec_tx": "tax", "ec_sh": "shipping",
    "ec_dt": "discount",
}  # fmt: skip
_ITEM: Final = ("sku", "name", "category", "price", "quantity")
_CONTENT: Final = {"c_n": "content_name", "c_p": "content_piece", "c_i": "content_interaction"}
_PRODUCT: Final = {"_pks": "product_sku", "_pkn": "product_name", "_pkc": "product_category"}
_SPEED: Final = {
    "pf_net": "network_ms", "pf_srv": "server_ms", "pf_tfr": "transfer_ms",
    "pf_dm1": "dom_processing_ms", "pf_dm2": "dom_completion_ms", "pf_onl": "on_load_ms",
    "gt_ms": "server_ms",
}  # fmt: skip
_CRASH: Final = {
    "cra": "message", "cra_st": "stack", "cra_ct": "category", "cra_tp": "type",
    "cra_ru": "resource",
}  # fmt: skip
_MEDIA: Final = {"ma_ti": "title", "ma_mt": "type", "ma_pn": "player"}
_MEDIA_TIMES: Final = {
    "ma_st": "watched_seconds",
    "ma_le": "length_seconds",
    "ma_ps": "position_seconds",
}


class Use(Struct, frozen=True):
    """What a hit says was done; ``title`` is the page's, where the hit is a view of one."""

    name: str | None
    kind: Kind = "track"
    properties: dict[str, Any] = {}
    title: str | None = None
    revenue: Decimal | None = None


def use_of(given: Mapping[str, Any], policy: Policy) -> Use:
    """Return what a hit is: the first that fits, else a view of a page."""
    for read in _READERS:
        if (use := read(given, policy)) is not None:
            return use
    return _view(given)


def _ping(given: Mapping[str, Any], _policy: Policy) -> Use | None:
    is_ping = "ping" in given and text(given["ping"]) == "1"
    return Use("page_ping", "heartbeat") if is_ping else None


def _sale(given: Mapping[str, Any], _policy: Policy) -> Use | None:
    match text(given.get("idgoal")):
        case None:
            return None
        case "0":
            return _order(given)
        case goal:
            about: dict[str, Any] = {"goal": goal, **figures(given, {"revenue": "total"})}
            return Use("goal", "track", about, revenue=amount(given.get("revenue")))


def _link(given: Mapping[str, Any], policy: Policy) -> Use | None:
    for parameter, name in (("link", "outlink"), ("download", "download")):
        if parameter in given and (address := text(given[parameter])) is not None:
            return Use(name, "interaction", {"url": scrub_url(address, policy).url})
    return None


def _search(given: Mapping[str, Any], _policy: Policy) -> Use | None:
    if "search" not in given:
        return None
    count = figures(given, {"search_count": "search_count"})
    return Use("search", "track", {**words(given, _SEARCH), **count})


def _event(given: Mapping[str, Any], _policy: Policy) -> Use | None:
    if "e_c" not in given and "e_a" not in given:
        return None
    about = {**words(given, _EVENT), **figures(given, {"e_v": "value"})}
    return Use(text(given.get("e_a")) or text(given.get("e_c")), "track", about)


def _content(given: Mapping[str, Any], policy: Policy) -> Use | None:
    if "c_n" not in given:
        return None
    about = words(given, _CONTENT)
    if (target := text(given.get("c_t"))) is not None:
        about["content_target"] = scrub_url(target, policy).url
    is_used = "content_interaction" in about
    return Use("content_interaction" if is_used else "content_impression", "interaction", about)


def _crash(given: Mapping[str, Any], _policy: Policy) -> Use | None:
    return Use("crash", "exception", words(given, _CRASH)) if "cra" in given else None


def _other(given: Mapping[str, Any], _policy: Policy) -> Use | None:
    # Plugins for media and forms say so of what is no view of a page.
    if text(given.get("ca")) != "1":
        return None
    media = {**words(given, _MEDIA), **figures(given, _MEDIA_TIMES)}
    return Use("media", "track", media) if "ma_id" in given else Use("custom_action", "track")


def _view(given: Mapping[str, Any]) -> Use:
    about = {**words(given, _PRODUCT), **figures(given, _SPEED)}
    if (price := figure(given.get("_pkp"))) is not None:
        about["product_price"] = price
    return Use("page_view", "page", about, title=text(given.get("action_name")))


def _order(given: Mapping[str, Any]) -> Use:
    """Return a paid order, or the change of a cart, which is not money yet."""
    about: dict[str, Any] = figures(given, _ORDER_AMOUNTS)
    if items := _products(given.get("ec_items")):
        about["items"] = items
    order = text(given.get("ec_id"))
    if order is None:
        return Use("cart_update", "track", about)
    return Use(
        "order", "revenue", {"order_id": order, **about}, revenue=amount(given.get("revenue"))
    )


def _products(given: Any) -> list[dict[str, Any]]:
    """Return the products of an order, which come as ``[sku, name, category, price, quantity]``."""
    if isinstance(given, str):
        try:
            given = values(given.encode("utf-8", "replace"))
        except Refused:
            return []
    return [_product(sequence(one)) for one in sequence(given)]


def _product(given: list[Any]) -> dict[str, Any]:
    named: dict[str, Any] = dict(zip(_ITEM, given, strict=False))
    return {**named, **figures(named, {"price": "price", "quantity": "quantity"})}


_READERS: Final[tuple[Callable[[Mapping[str, Any], Policy], Use | None], ...]] = (
    _ping, _sale, _link, _search, _event, _content, _crash, _other,
)  # fmt: skip
