"""The OpenAPI document and the page made from it."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from tallymark.api.addresses import addresses
from tallymark.api.app import all_routes, api_document
from tallymark.api.ask_routes import insights
from tallymark.api.reference_page import reference_page
from tallymark.core.errors import CODES

from .harness import Harness

DOCUMENT = api_document(all_routes())


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from nodes(one)
    elif isinstance(value, list):
        for one in value:
            yield from nodes(one)


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    ]


def resolve(reference: str) -> Any:
    found: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def test_every_reference_leads_somewhere() -> None:
    references = [node["$ref"] for node in nodes(DOCUMENT) if isinstance(node.get("$ref"), str)]

    assert len(references) > 20
    for reference in references:
        assert resolve(reference)


def test_every_discriminator_names_types_that_are_there() -> None:
    mappings = [
        node["discriminator"]["mapping"] for node in nodes(DOCUMENT) if "discriminator" in node
    ]

    for mapping in mappings:
        for reference in mapping.values():
            assert resolve(reference)["type"] == "object"


def test_sending_is_described_with_its_shapes_its_strictness_and_its_answer() -> None:
    send = DOCUMENT["paths"]["/tm/v1/events"]["post"]
    answer = resolve(send["responses"]["2XX"]["content"]["application/json"]["schema"]["$ref"])

    assert [one["name"] for one in send["parameters"]] == ["strict"]
    assert list(send["requestBody"]["content"]) == ["application/json", "application/x-ndjson"]
    assert len(send["requestBody"]["content"]["application/json"]["schema"]["anyOf"]) == 3
    assert list(answer["properties"]) == ["accepted", "failed"]


def test_every_route_is_described_once() -> None:
    described = {(method.upper(), path) for method, path, _ in operations()}
    expected = {(route.method, route.path) for route in all_routes()}
    expected.remove(("POST", "/tm/v1/ask/{insight}"))
    expected |= {("POST", f"/tm/v1/ask/{name}") for name in insights()}
    expected |= addresses().declared()

    assert described == expected


def test_operation_ids_are_unique_and_plain() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]

    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9_]+", one) for one in ids)


def test_every_operation_has_what_openapi_asks_for() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    for _, path, operation in operations():
        named = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path))
        assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}
        assert any(re.fullmatch(r"2\d\d|2XX", status) for status in operation["responses"])
        for requirement in operation["security"]:
            assert set(requirement) <= set(schemes)
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert content["schema"]


@pytest.mark.parametrize("name", sorted(insights()))
def test_an_insight_is_described_with_its_question_its_data_and_an_example(name: str) -> None:
    operation = DOCUMENT["paths"][f"/tm/v1/ask/{name}"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    question = resolve(content["schema"]["$ref"])
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    example = content["examples"]["one"]["value"]

    assert question["additionalProperties"] is False
    assert set(example) <= set(question["properties"])
    assert set(question.get("required", ())) <= set(example)
    assert resolve(answer["properties"]["data"]["$ref"])["type"] == "object"


def test_the_event_is_described_with_an_example_that_fits() -> None:
    operation = DOCUMENT["paths"]["/tm/v1/events"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    event = resolve(content["schema"]["anyOf"][0]["$ref"])

    assert set(content["examples"]["one"]["value"]) <= set(event["properties"])


def test_what_was_sent_of_a_failed_event_is_described_as_base64() -> None:
    raw = DOCUMENT["components"]["schemas"]["FailedEvent"]["properties"]["raw"]

    assert (raw["type"], raw["contentEncoding"]) == ("string", "base64")
    assert "base64" in raw["description"]


def test_every_error_code_is_named() -> None:
    description = DOCUMENT["components"]["responses"]["Problem"]["description"]

    assert all(code in description for code in CODES)


def test_the_document_is_served_as_it_is(shared: Harness) -> None:
    answer = shared.request("GET", "/tm/v1/openapi.json")

    # A default may be a tuple here; as JSON it is a list.
    assert answer.json() == msgspec.json.decode(msgspec.json.encode(DOCUMENT))
    assert answer.json()["openapi"] == "3.1.0"


class Page(HTMLParser):
    """Collects tags, links and ids."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.targets: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("href", "src", "action"):
                self.targets.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            assert not name.startswith("on")
            assert name != "style"


def test_the_page_loads_nothing_and_runs_nothing(shared: Harness) -> None:
    answer = shared.request("GET", "/tm/v1/docs")
    page = Page()
    page.feed(answer.body.decode())

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith(
        "default-src 'none'; style-src 'sha256-"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not page.tags & {"script", "iframe", "object", "link", "img", "form", "base"}
    assert all(target.startswith(("#", "/")) for target in page.targets)


def test_the_links_of_the_page_lead_to_its_own_articles() -> None:
    page = Page()
    page.feed(reference_page(DOCUMENT)[0].decode())

    inside = {target[1:] for target in page.targets if target.startswith("#")}
    assert inside
    assert inside <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_the_page_shows_every_route() -> None:
    text = reference_page(DOCUMENT)[0].decode()

    for _, path, _ in operations():
        assert f"<code>{path}</code>" in text


def test_what_stands_in_the_document_is_text_on_the_page() -> None:
    evil = "</style><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    operation = {
        "operationId": evil, "summary": evil, "description": evil, "tags": ["Ask"],
        "parameters": [{"name": evil, "in": evil, "description": evil}],
        "requestBody": {"content": {evil: {
            "schema": {"enum": [evil]}, "examples": {"one": {"value": {evil: evil}}},
        }}},
        "responses": {evil: {"content": {evil: {"schema": {"$ref": f"#/x/{evil}"}}}}},
    }  # fmt: skip
    document = {
        "info": {"version": evil},
        "paths": {evil: {evil: operation}},
        "components": {"schemas": {evil: {
            "description": evil, "properties": {evil: {"type": evil, "description": evil}},
        }}},
    }  # fmt: skip
    page = Page()

    page.feed(reference_page(document)[0].decode())

    assert not page.tags & {"script", "img"}
