"""Whether a value is as a JSON schema of the OpenAPI document says: all of it, and nothing beside it.

Stricter than JSON Schema: a member that the schema does not name is wrong too, so that nothing is
answered that the reference does not tell.
"""

import base64
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

_IS_TYPE: Final = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
# What the functions below look at; any other word would go unchecked.
_KNOWN: Final = frozenset(
    {
        "$ref", "type", "enum", "const", "anyOf", "properties", "required", "additionalProperties",
        "items", "prefixItems", "minItems", "maxItems", "minimum", "maximum", "minLength",
        "maxLength", "contentEncoding", "description", "title", "default", "discriminator", "format",
        "pattern", "examples",
    }
)  # fmt: skip


def misfits(value: Any, schema: Mapping[str, Any], document: Mapping[str, Any], at: str = "$") -> list[str]:  # fmt: skip
    """Return what does not fit; nothing where all does."""
    assert schema.keys() <= _KNOWN, schema.keys() - _KNOWN
    if "$ref" in schema:
        return misfits(value, _found(schema["$ref"], document), document, at)
    if "anyOf" in schema:
        choices = [misfits(value, one, document, at) for one in schema["anyOf"]]
        return [] if not all(choices) else [f"{at}: {value!r} fits none of {len(choices)}"]
    return [*_shape(value, schema, at), *_inside(value, schema, document, at)]


def _shape(value: Any, schema: Mapping[str, Any], at: str) -> Iterator[str]:
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(_IS_TYPE[one](value) for one in types):
        yield f"{at}: {value!r} is no {types}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    if "const" in schema and value != schema["const"]:
        yield f"{at}: {value!r} is not {schema['const']!r}"
    if isinstance(value, int | float) and not (
        schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)
    ):
        yield f"{at}: {value!r} is out of bounds"
    if schema.get("contentEncoding") == "base64" and isinstance(value, str):
        base64.b64decode(value, validate=True)


def _inside(
    value: Any, schema: Mapping[str, Any], document: Mapping[str, Any], at: str
) -> Iterator[str]:
    match value:
        case dict():
            properties = schema.get("properties", {})
            others = schema.get("additionalProperties", "properties" not in schema)
            yield from (f"{at}: {name} is missing" for name in set(schema.get("required", ())) - value.keys())  # fmt: skip
            for name, one in value.items():
                inner = properties.get(name, others)
                if inner is False:
                    yield f"{at}: {name} is not described"
                elif inner is not True:
                    yield from misfits(one, inner, document, f"{at}.{name}")
        case list():
            first = schema.get("prefixItems", [])
            for place, one in enumerate(value):
                inner = first[place] if place < len(first) else schema.get("items", {})
                if inner is False:
                    yield f"{at}[{place}] is not described"
                else:
                    yield from misfits(one, inner or {}, document, f"{at}[{place}]")
        case _:
            return


def _found(reference: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found  # type: ignore[no-any-return]
