"""Payloads of Sparkplug B, encoded by Google's protobuf from a description of our own."""

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_OPTIONAL, _REPEATED = 1, 3
_TYPES = {"double": 1, "float": 2, "uint64": 4, "bool": 8, "string": 9, "bytes": 12, "uint32": 13}
_MESSAGES: dict[str, list[tuple[int, str, str]]] = {
    "Payload": [(1, "timestamp", "uint64"), (2, "metrics", "[Metric]"), (3, "seq", "uint64")],
    "Metric": [
        (1, "name", "string"), (2, "alias", "uint64"), (3, "timestamp", "uint64"),
        (4, "datatype", "uint32"), (5, "is_historical", "bool"), (7, "is_null", "bool"),
        (9, "properties", "PropertySet"), (10, "int_value", "uint32"), (11, "long_value", "uint64"),
        (12, "float_value", "float"), (13, "double_value", "double"), (14, "boolean_value", "bool"),
        (15, "string_value", "string"), (16, "bytes_value", "bytes"),
    ],
    "PropertySet": [(1, "keys", "[string]"), (2, "values", "[PropertyValue]")],
    "PropertyValue": [
        (1, "type", "uint32"), (2, "is_null", "bool"), (3, "int_value", "uint32"),
        (8, "string_value", "string"),
    ],
}  # fmt: skip


def payload(*metrics: dict[str, Any], **fields: Any) -> bytes:
    """Return a payload of metrics; a metric's ``properties`` are given as an ordinary dictionary."""
    made = _classes()["Payload"](**fields)
    for one in metrics:
        plain = {name: value for name, value in one.items() if name != "properties"}
        metric = made.metrics.add(**plain)
        for key, value in one.get("properties", {}).items():
            metric.properties.keys.append(key)
            kind = "string_value" if isinstance(value, str) else "int_value"
            metric.properties.values.add(**{kind: value})
    encoded: bytes = made.SerializeToString()
    return encoded


def read_back(body: bytes) -> Any:
    """Return what Google's protobuf reads."""
    return _classes()["Payload"].FromString(body)


@cache
def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="told_by_tests.proto", package="told", syntax="proto2"
    )
    for name, described in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field, kind in described:
            plain = kind.strip("[]")
            one = message.field.add(name=field, number=number)
            one.label = _REPEATED if kind != plain else _OPTIONAL
            if plain in _TYPES:
                one.type = _TYPES[plain]
            else:
                one.type, one.type_name = 11, f".told.{plain}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"told.{name}"))
        for name in _MESSAGES
    }
