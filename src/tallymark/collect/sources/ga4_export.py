"""Google Analytics 4's events as BigQuery exports them: JSON, an object a line or an array.

A row is one of the ``events_…`` tables: parameters are a list of keys with one typed value each, and
whole numbers stand as text, since BigQuery writes them so. A row has no id. It is known by the stream,
whose it is, its microsecond, name and parameters, and its place in the batch; a purchase by its
transaction, as a live one is. The stream's number in an export is not the measurement id of its hits,
so what also came live cannot be told: load what happened before that.
"""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tallymark.collect.loose import number
from tallymark.collect.protocols._foreign import event
from tallymark.collect.protocols._ga4_hits import Hit, profiles, told
from tallymark.collect.protocols._values import content_id, mapping, sequence, text, when

from ._export import Found, Importing, digest, is_news, left, read_export
from .source import Item, Options, Source

_READ: Final = frozenset(
    {
        "event_timestamp", "event_name", "event_params", "user_id", "user_pseudo_id",
        "user_properties", "stream_id", "items", "privacy_info", "device", "geo", "app_info",
        "collected_traffic_source", "event_bundle_sequence_id", "batch_event_index",
        "batch_page_id", "batch_ordering_id", "ecommerce",
    }
)  # fmt: skip
_PLACE_IN_BATCH: Final = (
    "event_bundle_sequence_id", "batch_page_id", "batch_ordering_id", "batch_event_index",
)  # fmt: skip
# Fields of the context, by where they stand.
_PLACES: Final[dict[str, dict[str, str]]] = {
    "device": {
        "category": "device_type", "mobile_brand_name": "device_brand",
        "mobile_model_name": "device_model", "operating_system": "os",
        "operating_system_version": "os_version", "language": "locale", "browser": "browser",
        "browser_version": "browser_version",
    },
    "geo": {"country": "country", "region": "region", "city": "city"},
    "app_info": {"id": "app_name", "version": "app_version"},
    "collected_traffic_source": {
        "manual_source": "utm_source", "manual_medium": "utm_medium",
        "manual_campaign_name": "utm_campaign", "manual_term": "utm_term",
        "manual_content": "utm_content", "gclid": "click_id",
    },
}  # fmt: skip
_WEB: Final = {"browser": "browser", "browser_version": "browser_version", "hostname": "page_host"}
_CONSENT: Final = {"yes": "granted", "no": "denied"}
_VALUES: Final = ("string_value", "int_value", "double_value", "float_value")
# They change with every session, and are no property of anybody.
_OF_SESSIONS: Final = frozenset({"ga_session_id", "ga_session_number"})
_NUMBERS: Final = frozenset({"quantity", "price", "index", "discount"})
_NOTHING: Final = (None, "", "(not set)")


def read(path: Path, options: Options, position: int) -> Iterator[Item]:
    """Give what every row of an export tells, or the reason why it tells nothing."""
    return read_export(path, options, position, _found)


def explain(path: Path, options: Options) -> list[str]:
    """Say how the export is read."""
    del path, options
    return [
        "each object is a row of an events_ table of BigQuery",
        "what also came live is not recognised: say --until the time that began",
    ]


def _found(row: dict[str, Any], by: Importing) -> Found:
    params = _params(row)
    hit = Hit(
        name=text(row.get("event_name")),
        stream=text(row.get("stream_id")) or "",
        params=params,
        id=_id(row, params),
        client_id=text(row.get("user_pseudo_id")),
        user_id=text(row.get("user_id")),
        time=when(row.get("event_timestamp")),
        place=_place(row),
        consent=_consent(row),
    )
    use = event(told(hit), by.terms)
    return Found([use, *_changes(row, hit, by)], _left(row))


def _changes(row: dict[str, Any], hit: Hit, by: Importing) -> list[Any]:
    subject = ("user", hit.user_id) if hit.user_id else ("anonymous", hit.client_id)
    given = {
        key: {"value": _value(value), "timestamp_micros": value.get("set_timestamp_micros")}
        for key, value in _pairs(row.get("user_properties"))
        if key not in _OF_SESSIONS
    }
    return profiles(hit, given, by.terms) if is_news(subject, given, by) else []


def _id(row: dict[str, Any], params: dict[str, Any]) -> str:
    place = [text(row.get(name)) for name in _PLACE_IN_BATCH]
    who = [text(row.get(name)) for name in ("stream_id", "user_pseudo_id", "user_id")]
    what = [text(row.get("event_timestamp")), text(row.get("event_name")), params]
    return content_id("bigquery", [who, what, place])


def _params(row: dict[str, Any]) -> dict[str, Any]:
    found = {key: _value(value) for key, value in _pairs(row.get("event_params"))}
    if "ga_session_id" in found:
        found["session_id"] = found.pop("ga_session_id")
    items = [_item(mapping(one)) for one in sequence(row.get("items"))]
    if items:
        found["items"] = items
    order = text(mapping(row.get("ecommerce")).get("transaction_id"))
    if order not in _NOTHING:
        found.setdefault("transaction_id", order)
    return found


def _pairs(given: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for one in sequence(given):
        pair = mapping(one)
        key = text(pair.get("key"))
        if key is not None:
            yield key, mapping(pair.get("value"))


def _value(given: dict[str, Any]) -> Any:
    """Return the one value that a key has; text of a number is one where it stands as a number."""
    for name in _VALUES:
        value = given.get(name)
        if value is not None:
            return value if name == "string_value" else _figure(value)
    return None


def _figure(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.removeprefix("-").isdecimal() and len(value) < 25:
        return int(value)
    exact: Decimal | None = number(value)
    return value if exact is None else exact


def _item(given: dict[str, Any]) -> dict[str, Any]:
    found = {
        name: _figure(value) if name in _NUMBERS else value
        for name, value in given.items()
        if name != "item_params" and value not in _NOTHING
    }
    return found | {key: _value(value) for key, value in _pairs(given.get("item_params"))}


def _place(row: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part, fields in _PLACES.items():
        given = mapping(row.get(part))
        found |= {field: said for name, field in fields.items() if (said := _said(given, name))}
    web = mapping(mapping(row.get("device")).get("web_info"))
    return found | {field: said for name, field in _WEB.items() if (said := _said(web, name))}


def _said(given: dict[str, Any], name: str) -> str | None:
    found = text(given.get(name))
    return None if found in _NOTHING else found


def _consent(row: dict[str, Any]) -> dict[str, str]:
    """Return what was said of advertising. Of who forbade analytics the export names nobody."""
    said = text(mapping(row.get("privacy_info")).get("ads_storage")) or ""
    answer = _CONSENT.get(said.lower())
    return {} if answer is None else {"sharing": answer, "personalization": answer}


def _left(row: dict[str, Any]) -> tuple[str, ...]:
    found = list(left(row, _READ))
    for part, fields in _PLACES.items():
        known = frozenset({*fields, "web_info"})
        found += [f"{part}.{name}" for name in left(mapping(row.get(part)), known)]
    return tuple(found)


ga4_export = Source(
    name="ga4-export",
    summary="Google Analytics 4's events as BigQuery exports them, in JSON.",
    read=read,
    explain=explain,
    digest=digest,
    is_export=True,
)
