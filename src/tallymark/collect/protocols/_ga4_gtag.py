"""The query of ``/g/collect``, which gtag.js sends: what each key means, and which hits it makes.

The query has what all events share; a body has one query more for each of several events. Nobody
writes it down officially, so what is unknown is left out.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from tallymark.collect.loose import form_fields, number
from tallymark.core.policy import Purpose

from ._ga4_hits import Hit
from ._values import content_id, text
from ._visit import screen

_PARAM_TEXT, _PARAM_NUMBER = "ep.", "epn."
_USER_TEXT, _USER_NUMBER = "up.", "upn."
_ITEM = re.compile(r"pr[0-9]{1,3}\Z")
_CUSTOM = re.compile(r"([kv])([0-9]{1,2})")
_ITEM_FIELDS: Final = {
    "id": "item_id", "nm": "item_name", "br": "item_brand", "ca": "item_category",
    "c2": "item_category2", "c3": "item_category3", "c4": "item_category4", "c5": "item_category5",
    "va": "item_variant", "pr": "price", "qt": "quantity", "lp": "index", "ln": "item_list_name",
    "li": "item_list_id", "ds": "discount", "cp": "coupon", "af": "affiliation", "lo": "location_id",
    "pi": "promotion_id", "pn": "promotion_name", "cn": "creative_name", "cs": "creative_slot",
}  # fmt: skip
_NUMBERS: Final = frozenset({"price", "quantity", "index", "discount"})
_LINE: Final = "_line"
_FIGURES = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400}|(?:\.[0-9]{1,400})?[eE][+-]?[0-9]{1,4})?")
_LONGEST_WHOLE: Final = 40
_CONSENT = re.compile(r"G1([01-])([01-])")
_ADVERTISING: Final[tuple[Purpose, ...]] = ("sharing", "personalization")
_ANALYTICS: Final[tuple[Purpose, ...]] = ("measurement", "product", "performance")
# What is sent once, on the first hit of a session or visitor, and is an event of its own.
_ONCE: Final = {"_ss": "session_start", "_fv": "first_visit"}


def lines(shared: Mapping[str, str], body: str) -> list[dict[str, str]]:
    """Return the fields of each event that was sent, with the place of its line as ``_line``."""
    found = [line for line in body.splitlines() if line.strip()] or [""]
    return [
        # A session that all share began once.
        {name: value for name, value in shared.items() if index == 0 or name not in _ONCE}
        | form_fields(line)
        | {_LINE: str(index)}
        for index, line in enumerate(found)
    ]


def hits(fields: Mapping[str, str]) -> list[Hit]:
    """Return what the fields of an event tell, the event itself last.

    One that begins a session, or is a visitor's first, tells that as an event of its own before.
    """
    implied = [name for key, name in _ONCE.items() if fields.get(key)]
    return [_hit(fields, name, is_own=False) for name in implied] + [
        _hit(fields, fields.get("en"), is_own=True)
    ]


def user_properties(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what an event tells of its user."""
    return _prefixed(fields, _USER_TEXT, _USER_NUMBER)


def _hit(fields: Mapping[str, str], name: str | None, *, is_own: bool) -> Hit:
    known = all(_told_apart(fields))
    return Hit(
        name=text(name),
        stream=fields.get("tid", ""),
        params=_params(fields, is_own=is_own),
        id=content_id(*_told_apart(fields), is_own, name or "") if known else None,
        client_id=text(fields.get("cid")),
        user_id=text(fields.get("uid")),
        place={
            "page_url": text(fields.get("dl")),
            "referrer": text(fields.get("dr")),
            "page_title": text(fields.get("dt")),
            "locale": text(fields.get("ul")),
            **screen(fields.get("sr")),
            "device_model": text(fields.get("uam")),
            "device_type": "mobile" if fields.get("uamb") == "1" else None,
        },
        consent=_consent(fields.get("gcs", "")),
    )


def _told_apart(fields: Mapping[str, str]) -> list[str]:
    """Return what tells one hit from all others: the visit of the page, and its place there."""
    return [fields.get(name, "") for name in ("tid", "cid", "_p", "_s", _LINE)]


def _consent(given: str) -> dict[str, str]:
    """Return the consent in gtag's form, ``G1`` with a figure for advertising and one for analytics."""
    found = _CONSENT.match(given)
    if not found:
        return {}
    asked = ((_ADVERTISING, found[1]), (_ANALYTICS, found[2]))
    return {
        purpose: "granted" if figure == "1" else "denied"
        for purposes, figure in asked
        for purpose in purposes
        if figure in ("0", "1")
    }


def _params(fields: Mapping[str, str], *, is_own: bool) -> dict[str, Any]:
    """Return the parameters as the Measurement Protocol names them; of an implied hit only whose."""
    found: dict[str, Any] = {"session_id": text(fields.get("sid"))}
    if not is_own:
        return found
    found |= _prefixed(fields, _PARAM_TEXT, _PARAM_NUMBER)
    found["engagement_time_msec"] = _number(fields.get("_et"))
    found["ga_session_number"] = _number(fields.get("sct"))
    if fields.get("cu"):
        found["currency"] = fields["cu"]
    items = [_item(value) for name, value in fields.items() if _ITEM.match(name)]
    if items:
        found["items"] = items
    return found


def _prefixed(fields: Mapping[str, str], as_text: str, as_number: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if name.startswith(as_text) and len(name) > len(as_text):
            found[name[len(as_text) :]] = value
        elif name.startswith(as_number) and len(name) > len(as_number):
            figure = _number(value)
            found[name[len(as_number) :]] = value if figure is None else figure
    return found


def _item(given: str) -> dict[str, Any]:
    """Return an item, whose fields are two letters and a value each; ``~~`` is a tilde in a value."""
    found: dict[str, Any] = {}
    custom: dict[str, dict[str, str]] = {"k": {}, "v": {}}
    for part in given.replace("~~", "\0").split("~"):
        key, value = part[:2], part[2:].replace("\0", "~")
        if own := _CUSTOM.fullmatch(key):
            custom[own[1]][own[2]] = value
        elif name := _ITEM_FIELDS.get(key):
            figure = _number(value) if name in _NUMBERS else None
            found[name] = value if figure is None else figure
    names = custom["k"].items()
    return found | {name: custom["v"][at] for at, name in names if name and at in custom["v"]}


def _number(given: str | None) -> int | Decimal | None:
    """Return a number exactly as it was written; None for any other text."""
    found = _FIGURES.fullmatch(given.strip()) if given else None
    if not found:
        return None
    return number(found[0]) if found[1] or len(found[0]) > _LONGEST_WHOLE else int(found[0])
