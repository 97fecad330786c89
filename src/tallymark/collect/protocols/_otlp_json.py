"""An OTLP export in JSON, as the same plain objects that protobuf gives.

Its JSON is not protobuf's own: ids are hex, enumerations are numbers, whole numbers may be text and
unknown fields mean nothing. Nothing of it is certain, so what does not fit is left as it is for the
reader of that item to refuse, and a container that is none becomes an item itself.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from tallymark.core.errors import Refused

from ._otlp_items import (
    DEEPEST,
    MOST_ATTRIBUTES,
    Item,
    Signal,
    check_count,
    decimal,
    integer,
    is_unkept,
    without_messages,
)
from ._values import mapping, sequence, text

_CONTAINERS: Final = {
    "traces": ("resourceSpans", "scopeSpans", "spans"),
    "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
    "logs": ("resourceLogs", "scopeLogs", "logRecords"),
}
_POINTS: Final = ("sum", "gauge", "histogram", "exponentialHistogram", "summary")


def from_json(signal: Signal, content: Any, most: int) -> list[Item]:
    """Return the items of a JSON export; raises Refused BAD_FIELD for no object, BATCH_TOO_LONG."""
    if not isinstance(content, dict):
        raise Refused("An export must be an object.", code="BAD_FIELD")
    by_resource, by_scope, inner = _CONTAINERS[signal]
    items: list[Item] = []
    for resource in _objects(content.get(by_resource), items):
        told = _attributes(mapping(resource.get("resource")).get("attributes"))
        for scope in _objects(resource.get(by_scope), items):
            said = mapping(scope.get("scope"))
            named = {"name": text(said.get("name")), "version": text(said.get("version"))}
            around = {"resource": told, "scope": named}
            for one in _objects(scope.get(inner), items):
                found = _json_points(one, most) if signal == "metrics" else [_json_item(one)]
                items += [{**f, **around} if isinstance(f, dict) else f for f in found]
                check_count(items, most)
    check_count(items, most)
    return items


def _attributes(given: Any) -> Any:
    """Return attributes as a plain object; None for what is no list of them, nor an object.

    What cannot be read is not kept either: nobody could tell what it holds.
    """
    if isinstance(given, dict):
        return {name: value for name, value in given.items() if not is_unkept(name)}
    if not isinstance(given, list):
        return {} if given is None else None
    found: dict[str, Any] = {}
    for one in given[:MOST_ATTRIBUTES]:
        key = one.get("key") if isinstance(one, dict) else None
        if not isinstance(key, str):
            return None
        if not is_unkept(key):
            value = one.get("value")
            # Most values are texts, and there are many.
            plain = value.get("stringValue") if isinstance(value, dict) else value
            found[key] = plain if isinstance(plain, str) else _json_value(value)
    return found


def _objects(given: Any, items: list[Item]) -> Iterator[dict[str, Any]]:
    """Give the objects of a list; whatever is none becomes an item that its reader refuses."""
    if given is not None and not isinstance(given, list):
        items.append(given if not isinstance(given, dict) else [given])
    for one in sequence(given):
        if isinstance(one, dict):
            yield one
        else:
            items.append(one)


def _json_item(given: dict[str, Any]) -> dict[str, Any]:
    found = {**given, "attributes": _attributes(given.get("attributes"))}
    if "body" in given:
        found = without_messages(found | {"body": _json_value(given["body"])})
    if isinstance(given.get("events"), list):
        found["events"] = [
            {**one, "attributes": _attributes(one.get("attributes"))}
            for one in given["events"][:MOST_ATTRIBUTES]
            if isinstance(one, dict)
        ]
    return found


def _json_points(metric: dict[str, Any], most: int) -> list[Item]:
    kind = next((one for one in _POINTS if one in metric), None)
    if kind is None:
        return []
    data = mapping(metric[kind])
    points = data.get("dataPoints", [])
    if not isinstance(points, list):
        return [[metric]]
    check_count(points, most)
    about = {
        "name": metric.get("name"),
        "unit": metric.get("unit"),
        "metric": kind,
        "aggregationTemporality": data.get("aggregationTemporality"),
        "isMonotonic": data.get("isMonotonic", False),
    }
    return [{**_json_item(one), **about} if isinstance(one, dict) else one for one in points]


def _json_value(given: Any, depth: int = 0) -> Any:
    """Return what an AnyValue stands for; of what is no object, itself."""
    if not isinstance(given, dict):
        return given
    name = next((one for one in given if one in _FROM_JSON), None)
    return _FROM_JSON[name](given[name], depth + 1) if name and depth < DEEPEST else None


def _json_pairs(given: Any, depth: int) -> dict[str, Any]:
    pairs = [mapping(one) for one in sequence(mapping(given).get("values"))]
    named = [(one.get("key"), one.get("value")) for one in pairs]
    return {key: _json_value(value, depth) for key, value in named if isinstance(key, str)}


_FROM_JSON: Final[dict[str, Callable[[Any, int], Any]]] = {
    "stringValue": lambda given, _: given,
    "boolValue": lambda given, _: given,
    "bytesValue": lambda given, _: given,
    "intValue": lambda given, _: integer(given),
    "doubleValue": lambda given, _: decimal(given),
    "arrayValue": lambda given, depth: [
        _json_value(one, depth) for one in sequence(mapping(given).get("values"))
    ],
    "kvlistValue": _json_pairs,
}
