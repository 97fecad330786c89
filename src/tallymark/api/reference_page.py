"""The API reference as one page of our own: no script, nothing from elsewhere, all escaped."""

import base64
import hashlib
import json
from collections.abc import Mapping
from html import escape
from typing import Any

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
nav li{margin:.2rem 0}h2{margin-top:3rem}article{border-top:1px solid #ccc;padding:1rem 0}
code,pre{font:14px/1.5 ui-monospace,monospace;background:#f3f3f3;border-radius:4px}
code{padding:.1rem .3rem}pre{padding:.8rem;overflow-x:auto}.method{font-weight:700;margin-right:.5rem}
table{border-collapse:collapse}td,th{text-align:left;padding:.2rem 1rem .2rem 0;vertical-align:top}
@media (prefers-color-scheme:dark){body{color:#eee;background:#161616}code,pre{background:#262626}a{color:#8ab4f8}}
"""
_ORDER = ("Collect", "Ask", "Control", "Service")


def reference_page(document: Mapping[str, Any]) -> tuple[bytes, str]:
    """Return the page, and the content security policy under which it is complete."""
    operations = [
        (operation["tags"][0], method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    operations.sort(key=lambda one: (_ORDER.index(one[0]), one[2], one[1]))
    sections = []
    for tag in _ORDER:
        sections.append(f"<h2>{escape(tag)}</h2>")
        sections += [_operation(m, p, o) for of, m, p, o in operations if of == tag]
    schemas = document["components"]["schemas"]
    types = [_schema(name, schema) for name, schema in schemas.items()]
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Tallymark API</title><style>{_STYLE}</style></head>
<body><h1>Tallymark API</h1>
<p>Version {escape(document["info"]["version"])}. The same as
<a href="/tm/v1/openapi.json">OpenAPI 3.1</a>.</p>
{"".join(sections)}
<h2>Types</h2>
{"".join(types)}
</body></html>
"""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    return page.encode(), policy


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    heading = f'<span class="method">{escape(method.upper())}</span><code>{escape(path)}</code>'
    parts = [
        f'<article id="{escape(operation["operationId"])}"><h3>{heading}</h3>',
        f"<p>{escape(operation['summary'])} {escape(operation.get('description', ''))}</p>",
        _parameters(operation.get("parameters", [])),
    ]
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        examples = content.get("examples", {}).values()
        parts.append(f"<p>Body: {escape(media_type)}, {_kind(content['schema'])}</p>")
        parts += [f"<pre>{escape(json.dumps(one['value'], indent=2))}</pre>" for one in examples]
    for status, response in operation["responses"].items():
        parts += [
            f"<p>{escape(status)}: {escape(media_type)}, {_kind(content['schema'])}</p>"
            for media_type, content in response.get("content", {}).items()
        ]
    return "".join([*parts, "</article>"])


def _parameters(parameters: list[Mapping[str, Any]]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one['in'])}</td>"
        f"<td>{escape(one.get('description', ''))}</td></tr>"
        for one in parameters
    )
    return f"<table><tr><th>Parameter</th><th>In</th><th></th></tr>{rows}</table>"


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code></td><td>{_kind(kind)}</td>"
        f"<td>{escape(str(kind.get('description', '')))}</td></tr>"
        for field, kind in schema.get("properties", {}).items()
    )
    return (
        f'<article id="type-{escape(name)}"><h3>{escape(name)}</h3>'
        f"<p>{escape(schema.get('description', ''))}</p><table>{rows}</table></article>"
    )


def _kind(schema: Mapping[str, Any]) -> str:
    """Return a type in a few words, with links to the types it is made of."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        return f'<a href="#type-{escape(name)}">{escape(name)}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{escape(json.dumps(one))}</code>" for one in schema["enum"])
    if schema.get("type") == "array":
        items = schema.get("items")
        return f"list of {_kind(items)}" if items else "list"
    return escape(str(schema.get("type", "any")))
