"""A struct, or its JSON schema, as a table of fields."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tallymark.insights.filters import Filter

from .markdown import cell, table

FILTERS: dict[str, Mapping[str, Any]] = msgspec.json.schema_components(
    [Filter], ref_template="#{name}"
)[1]
_FILTER_LINK = "[filter](../filters.md)"


def fields(struct: type[msgspec.Struct]) -> str:
    """Return the table of a struct's fields: name, type, default and meaning."""
    _, components = msgspec.json.schema_components([struct], ref_template="#{name}")
    return schema_text(components[struct.__name__], docstring=False)


def schema_text(schema: Mapping[str, Any], *, docstring: bool = True) -> str:
    """Return a JSON schema of an object or enumeration as prose and a table."""
    text = [summary(schema)] if docstring else []
    if "properties" in schema:
        required = set(schema.get("required", ()))
        rows = [
            (f"`{name}`", kind(one), default(name, one, required), one.get("description", ""))
            for name, one in schema["properties"].items()
        ]
        text += ["", table(("field", "type", "default", "meaning"), rows)]
    elif "enum" in schema:
        text += ["", "One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + "."]
    return "\n".join(text).strip()


def summary(schema: Mapping[str, Any]) -> str:
    """Return the first paragraph of a schema's description, on one line."""
    return cell(schema["description"].split("\n\n")[0].replace("\n", " "))


def kind(schema: Mapping[str, Any]) -> str:
    """Return a JSON schema as a short type, with its limits."""
    match schema:
        case {"$ref": str(reference)}:
            name = reference.removeprefix("#")
            # Of two structs of one name the name has dots, which an anchor leaves out.
            place = name.lower().replace(".", "")
            text = _FILTER_LINK if name in FILTERS else f"[{name}](#{place})"
        case {"anyOf": choices}:
            text = " or ".join(dict.fromkeys(kind(choice) for choice in choices))
        case {"enum": values}:
            text = ", ".join(f"`{value}`" for value in values)
        case {"type": "string", "contentEncoding": str(encoding)}:
            text = f"string, {encoding}"
        case {"type": "array", "items": Mapping() as inner}:
            text = f"list of {kind(inner)}"
        case {"type": "object", "additionalProperties": Mapping() as inner}:
            text = f"object of {kind(inner)}"
        case _:
            text = str(schema.get("type", "any")) + limits(schema)
    return text


def limits(schema: Mapping[str, Any]) -> str:
    """Return the bounds of a number or text in words, or nothing."""
    low = schema.get("minimum", schema.get("minLength", schema.get("minItems")))
    high = schema.get("maximum", schema.get("maxLength", schema.get("maxItems")))
    match low, high:
        case None, None:
            return ""
        case _, None:
            return f", at least {low}"
        case None, _:
            return f", at most {high}"
        case _:
            return f", {low} to {high}"


def default(name: str, schema: Mapping[str, Any], required: Iterable[str]) -> str:
    """Return the default of a field as JSON, or that there is none."""
    if name in required:
        return "required"
    return f"`{msgspec.json.encode(schema['default']).decode()}`" if "default" in schema else ""
