"""Plans that several tests speak of."""

from typing import Any

from tallymark.schema.files import Folder, read_texts
from tallymark.schema.plan import Plan

CHECKOUT = """\
event: checkout_completed
version: 2-1-0
owner: payments@
purpose: product
basis: consent
status: live
properties:
  amount:   {type: number, minimum: 0, required: true, unit: EUR, pii: none}
  currency: {type: string, enum: [EUR, USD], required: true}
  email:    {type: string, pii: direct, treat: hmac}
  coupon:   {type: string, pattern: '^[A-Z]{4}[0-9]{2}$'}
  lines:    {type: array, items: {type: integer, minimum: 1}}
on: {unplanned_property: tag, invalid: quarantine, missing_required: quarantine}
examples: [{amount: 9.5, currency: EUR}]
counterexamples: [{amount: -1, currency: EUR}, {currency: EUR}, {amount: 1, currency: GBP}]
monitors: {freshness: 15m, volume: {vs: same_weekday, mad: 5}, null_rate: {amount: 0.01}}
"""


def folder(*texts: str, **files: str) -> Folder:
    """Return what files say: events by number, and others by their names."""
    numbered = {f"events/{place}.yaml": text.encode() for place, text in enumerate(texts)}
    return read_texts(numbered | {f"{name}.yaml": text.encode() for name, text in files.items()})


def plan(*texts: str, **files: str) -> Plan:
    """Return the plan that files say, which must be free of problems."""
    found = folder(*texts, **files)
    assert [str(one) for one in found.problems] == []
    return found.plan


def event(properties: str = "", version: str = "1-0-0", **keys: Any) -> str:
    """Return the file of an event with properties as YAML, and other keys."""
    more = "".join(f"{name}: {value}\n" for name, value in keys.items())
    return f"event: e\nversion: {version}\nproperties: {{{properties}}}\n{more}"
