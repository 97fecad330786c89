"""Sorts what an SDK sends in one heap into fields of the context and properties, in one pass."""

from collections.abc import Mapping
from typing import Any, Final

from tallymark.core.policy import CAMPAIGN_PARAMETERS, Policy
from tallymark.privacy.scrub import scrub_url

from ._values import text

_CLICK_IDS: Final = (
    "gclid", "dclid", "wbraid", "gbraid", "fbclid", "msclkid", "ttclid", "twclid", "li_fat_id",
    "ko_click_id", "rtd_cid", "rdt_cid", "sccid",
)  # fmt: skip
# How somebody came, by the names that every SDK uses.
ARRIVAL: Final[Mapping[str, str]] = {
    **{name: name for name in CAMPAIGN_PARAMETERS},
    **dict.fromkeys(_CLICK_IDS, "click_id"),
}


def sort_out(
    given: Mapping[str, Any],
    fields: Mapping[str, str | None],
    found: dict[str, Any],
    *,
    nothing: str | None = None,
) -> dict[str, Any]:
    """Return the members that ``fields`` does not name; the text of the others goes to ``found``.

    Of several names of one field the first that says something holds; a name without a field is left
    out. ``nothing`` is what the SDK writes where there is no value.
    """
    rest: dict[str, Any] = {}
    for name, value in given.items():
        if name not in fields:
            rest[name] = value
            continue
        field = fields[name]
        if field is None or field in found or value == nothing:
            continue
        said = text(value)
        if said is not None:
            found[field] = said
    return rest


def without_query(value: Any, policy: Policy) -> Any:
    """Return what an SDK collected by itself; an address only as far as a page's is kept."""
    if isinstance(value, str) and "://" in value:
        return scrub_url(value, policy).url
    return value
