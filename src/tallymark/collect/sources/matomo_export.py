"""Matomo's visits as its API gives them: JSON of ``Live.getLastVisitsDetails``, a visit an object.

Each action of a visit is told as the hit that it came of: a view, an event, a search, a link, a
content, a goal, an order or a cart. An action has an id, ``pageId``, that no client ever sees, so what
also came live is not recognised; the same visit exported again, and longer, is. Where somebody came
from is told of a visit, so it stands at its first action.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tallymark.collect.protocols._foreign import Told, event
from tallymark.collect.protocols._hit import use_of
from tallymark.collect.protocols._values import content_id, currency, mapping, sequence, text, when
from tallymark.collect.protocols._visit import language, screen
from tallymark.core.errors import Refused
from tallymark.core.event import Command, Context, Event

from ._export import Found, Importing, digest, left, read_export
from .source import Item, Options, Source

# A visit may hold thousands of actions.
_LONGEST: Final = 16 * 1024 * 1024
_READ: Final = frozenset(
    {
        "idSite", "idVisit", "visitorId", "userId", "visitIp", "actionDetails", "siteCurrency",
        "referrerUrl", "referrerType", "referrerName", "referrerKeyword", "deviceType",
        "deviceBrand", "deviceModel", "operatingSystemName", "operatingSystemVersion",
        "browserName", "browserVersion", "resolution", "countryCode", "region", "city",
        "languageCode", "customVariables",
    }
)  # fmt: skip
# Made for people to look at, or for counting, of what is told already.
_MADE: Final = (
    "Pretty", "Icon", "IconSVG", "Flag", "Code", "icon", "iconSVG", "title", "subtitle", "Goal",
)  # fmt: skip
_DEVICES: Final = {
    "desktop": "desktop", "smartphone": "mobile", "phablet": "mobile", "feature phone": "mobile",
    "tablet": "tablet", "tv": "tv",
}  # fmt: skip
_EVENT: Final = {
    "eventCategory": "e_c",
    "eventAction": "e_a",
    "eventName": "e_n",
    "eventValue": "e_v",
}
_SEARCH: Final = {
    "siteSearchKeyword": "search", "siteSearchCategory": "search_cat",
    "siteSearchCount": "search_count",
}  # fmt: skip
_CONTENT: Final = {
    "contentName": "c_n", "contentPiece": "c_p", "contentTarget": "c_t",
    "contentInteraction": "c_i",
}  # fmt: skip
_ORDER: Final = {
    "orderId": "ec_id", "revenue": "revenue", "revenueSubTotal": "ec_st", "revenueTax": "ec_tx",
    "revenueShipping": "ec_sh", "revenueDiscount": "ec_dt",
}  # fmt: skip
_GOAL: Final = {"goalId": "idgoal", "revenue": "revenue"}
_PRODUCT: Final = ("itemSKU", "itemName", "itemCategory", "price", "quantity")
# What tells one action from another where it has no id.
_TELLING: Final = (
    "url",
    "timestamp",
    "pageTitle",
    "goalId",
    "orderId",
    *_EVENT,
    *_SEARCH,
    *_CONTENT,
)


def read(path: Path, options: Options, position: int) -> Iterator[Item]:
    """Give what every visit tells, or the reason why it tells nothing."""
    return read_export(path, options, position, _found, longest=_LONGEST)


def explain(path: Path, options: Options) -> list[str]:
    """Say how the export is read."""
    del path, options
    return [
        "each object is a visit of Matomo, each of its actions an event",
        "what also came live is not recognised: say --until the time that began",
    ]


def _found(row: dict[str, Any], by: Importing) -> Found:
    if not isinstance(row.get("actionDetails"), list):
        raise Refused("A visit has actionDetails.", code="MISSING_FIELD", path="actionDetails")
    actions = [mapping(one) for one in row["actionDetails"]]
    equal: Counter[str] = Counter()
    around = _context(row)
    uses: list[Event | Command] = []
    refused: dict[int, Refused] = {}
    for place, action in enumerate(actions):
        origin = _origin(row) if place == 0 else {}
        try:
            uses.append(event(_told(row, action, (around | origin, equal), by), by.terms))
        except Refused as why:
            refused[place] = why
    missing = left(row, _READ)
    return Found(uses, tuple(name for name in missing if not _is_made(name)), refused)


def _told(
    row: dict[str, Any], action: dict[str, Any], around: tuple[dict[str, Any], Counter[str]],
    by: Importing,
) -> Told:  # fmt: skip
    fields, equal = around
    site, visit = text(row.get("idSite")), text(row.get("idVisit"))
    use = use_of(_hit(action), by.policy)
    page = text(action.get("url"))
    properties = {
        **({"idsite": site} if site is not None else {}),
        **_custom(row),
        **_custom(action),
        **use.properties,
        **({"action_type": text(action.get("type"))} if use.name == "custom_action" else {}),
    }
    return Told(
        name=use.name,
        namespace="matomo",
        id=_id((site, visit), action, equal),
        time=when(action.get("timestamp")),
        kind=use.kind,
        user_id=text(row.get("userId")),
        anonymous_id=text(row.get("visitorId")),
        session_id=f"{site}.{visit}" if visit is not None else None,
        properties=properties,
        context=Context(page_url=page, page_title=use.title, **fields),
        revenue=use.revenue,
        currency=currency(row.get("siteCurrency")),
    )


def _hit(action: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of the hit that an action came of."""
    # Of a plugin's own action nothing is known but what it is called.
    return _HITS.get(text(action.get("type")) or "action", _other)(action)


def _other(_action: dict[str, Any]) -> dict[str, Any]:
    return {"ca": "1"}


def _view(action: dict[str, Any]) -> dict[str, Any]:
    return {"action_name": action.get("pageTitle")}


def _renamed(names: Mapping[str, str], **more: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda action: {
        **more,
        **{key: action[name] for name, key in names.items() if action.get(name) is not None},
    }


def _link(parameter: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda action: {parameter: action.get("url")}


def _order(action: dict[str, Any]) -> dict[str, Any]:
    items = [mapping(one) for one in sequence(action.get("itemDetails"))]
    found = {"idgoal": "0", "ec_items": [[one.get(name) for name in _PRODUCT] for one in items]}
    return found | _renamed(_ORDER)(action)


_HITS: Final[Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "action": _view,
    "event": _renamed(_EVENT),
    "search": _renamed(_SEARCH, search=""),
    "outlink": _link("link"),
    "download": _link("download"),
    "content": _renamed(_CONTENT, c_n=""),
    "goal": _renamed(_GOAL),
    "ecommerceOrder": _order,
    "ecommerceAbandonedCart": _order,
}


def _id(visit: tuple[str | None, str | None], action: dict[str, Any], equal: Counter[str]) -> str:
    kind, own = text(action.get("type")), text(action.get("pageId"))
    what = [own] if own is not None else [text(action.get(name)) for name in _TELLING]
    found = content_id("matomo visit", [visit, kind, what])
    # Two that are told alike are two, and are so again in the next export.
    equal[found] += 1
    return found if equal[found] == 1 else content_id(found, str(equal[found]))


def _custom(given: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for slot, pair in mapping(given.get("customVariables")).items():
        name = text(mapping(pair).get(f"customVariableName{slot}"))
        if name is not None:
            found[name] = mapping(pair).get(f"customVariableValue{slot}")
    found |= {
        name: value
        for name, value in given.items()
        if name.startswith("dimension") and name[9:].isdecimal() and value is not None
    }
    view = text(given.get("idpageview"))
    return {**found, "page_view_id": view} if view is not None else found


def _context(row: dict[str, Any]) -> dict[str, Any]:
    device, country = text(row.get("deviceType")), text(row.get("countryCode"))
    version = text(row.get("browserVersion"))
    return {
        "browser": text(row.get("browserName")),
        "browser_version": version and version.partition(".")[0],
        "os": text(row.get("operatingSystemName")),
        "os_version": text(row.get("operatingSystemVersion")),
        "device_type": _DEVICES.get(device.lower(), "other") if device else None,
        "device_brand": text(row.get("deviceBrand")),
        "device_model": text(row.get("deviceModel")),
        "locale": language(row.get("languageCode")),
        "country": country and country.upper(),
        "region": text(row.get("region")),
        "city": text(row.get("city")),
        "ip": text(row.get("visitIp")),
        **screen(row.get("resolution")),
    }


def _origin(row: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"referrer": text(row.get("referrerUrl"))}
    if row.get("referrerType") == "campaign":
        found["utm_campaign"] = text(row.get("referrerName"))
        found["utm_term"] = text(row.get("referrerKeyword"))
    return found


def _is_made(name: str) -> bool:
    return name.endswith(_MADE) or (name.startswith("dimension") and name[9:].isdecimal())


matomo_export = Source(
    name="matomo-export",
    summary="Matomo's visits with their actions, as its API gives them in JSON.",
    read=read,
    explain=explain,
    digest=digest,
    is_export=True,
)
