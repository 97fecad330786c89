"""What the protocols of web page counters share: their forms, figures and screens.

None of them has keys of ours. A site's name, or a public key in its place, stands where they name the
site; what a batch holds of another site than its first is set aside.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from tallymark.collect.body import inflated
from tallymark.collect.loose import Loose, form_fields, values
from tallymark.collect.protocol import Request
from tallymark.collect.steps import COOKIELESS
from tallymark.core.errors import Refused
from tallymark.core.settings import Settings

from ._values import amount, pixels, text

__all__ = [
    "COOKIELESS", "check_site", "figure", "figures", "language", "open_form", "query_of",
    "screen", "words",
]  # fmt: skip

_SCREEN = re.compile(r"(\d{1,6})\s*[xX×]\s*(\d{1,6})\Z")
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:[-_][A-Za-z0-9]{1,8})*")
# What no browser sends, and what to look through would cost more than it tells.
_LONGEST_QUERY: Final = 16 * 1024
_EXACT_BELOW: Final = 10**18


def open_form(request: Request, settings: Settings) -> Loose:
    """Return the JSON of a body, or its form above the parameters of the query; raises Refused."""
    query = form_fields(request.query)
    body = inflated(request, settings)
    plain = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    if plain[:1] in (b"{", b"["):
        return Loose(values(plain), query)
    return Loose(None, {**query, **form_fields(plain.decode("utf-8", "replace").strip())})


def check_site(named: str | None, site: str | None) -> None:
    """Raise Refused for an item that is of another site than the request."""
    if named is not None and site is not None and named != site:
        raise Refused(
            "The item is of another site than the first of its request; send it apart.",
            code="BAD_FIELD",
            path="site",
        )


def figure(value: Any) -> int | Decimal | None:
    """Return a number, or text that is one, exactly; None for anything else."""
    if type(value) is int and -_EXACT_BELOW < value < _EXACT_BELOW:
        return value
    found = amount(value)
    if found is None:
        return None
    return int(found) if found == found.to_integral_value() else found


def words(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return those members that hold a text, under other names."""
    found: dict[str, Any] = {}
    for key, name in names.items():
        if key in given and (value := text(given[key])) is not None:
            found[name] = value
    return found


def figures(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return those members that hold a number, or anything as text, under other names."""
    found: dict[str, Any] = {}
    for key, name in names.items():
        if key not in given:
            continue
        number = figure(given[key])
        value = text(given[key]) if number is None else number
        if value is not None:
            found[name] = value
    return found


def screen(value: Any) -> dict[str, Any]:
    """Return the width and height of a screen written as ``1920x1080``."""
    if value is None:
        return {}
    found = _SCREEN.match((text(value) or "")[:20])
    if found is None:
        return {}
    return {"screen_width": pixels(found[1]), "screen_height": pixels(found[2])}


def language(value: Any) -> str | None:
    """Return the first language of a list such as ``de-CH,de;q=0.9``."""
    found = None if value is None else _LANGUAGE.match((text(value) or "")[:100])
    return found[0] if found else None


def query_of(url: str | None) -> dict[str, str]:
    """Return the parameters in the address of a page; none of an address longer than any is."""
    if not url or "?" not in url:
        return {}
    query = url.partition("#")[0].partition("?")[2]
    if len(query) > _LONGEST_QUERY:
        return {}
    try:
        return form_fields(query)
    except Refused:
        return {}
