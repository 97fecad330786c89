"""The reference says what the code says: everything registered has its place in it."""

import re
from pathlib import Path

import pytest
from msgspec import Struct
from scripts import reference
from scripts.reference import commands, registered
from tests.docs import pages

from tallymark.api.app import all_routes
from tallymark.cli.main import COMMANDS
from tallymark.collect.protocol import Protocol
from tallymark.collect.protocols import _wire as wire
from tallymark.collect.sources.source import Source
from tallymark.core.errors import CODES
from tallymark.core.registry import discover
from tallymark.core.settings import Settings
from tallymark.store.tables import TABLES

PAGES = reference.pages()


@pytest.mark.parametrize("path", PAGES)
def test_each_generated_page_is_what_the_code_gives_now(path: str) -> None:
    assert (reference.REFERENCE / path).read_text("utf-8") == PAGES[path], "run `make fix`"


def test_no_page_of_an_insight_outlives_the_insight() -> None:
    found = {page.stem for page in (reference.REFERENCE / "insights").glob("*.md")}

    assert found - {"README"} == set(registered.insights())


def test_every_setting_is_documented() -> None:
    page = PAGES["settings.md"]

    assert [name for name in Settings.__struct_fields__ if f"`{name}`" not in page] == []


def test_every_command_and_every_flag_is_documented() -> None:
    missing = []
    for name in COMMANDS:
        for parser in commands.leaves(commands.parser_of(name)):
            section = PAGES["cli.md"].partition(f"\n## {parser.prog}\n")[2].partition("\n## ")[0]
            flags = [flag for action in parser._actions for flag in action.option_strings]
            missing += [
                f"{parser.prog} {flag}"
                for flag in flags
                if flag not in {"-h", "--help"} and flag not in section
            ]

    assert missing == []


def test_every_route_is_documented() -> None:
    page = PAGES["http.md"]

    assert [one.path for one in all_routes() if f"`{one.method} {one.path}`" not in page] == []


def test_every_insight_file_format_and_protocol_is_documented() -> None:
    for path, members in {
        "insights/README.md": registered.insights(),
        "files.md": discover("tallymark.collect.sources", Source),
        "protocols.md": discover("tallymark.collect.protocols", Protocol),
    }.items():
        assert members
        assert [name for name in members if name not in PAGES[path]] == []


def test_every_error_code_is_documented() -> None:
    page = PAGES["errors.md"]

    assert [code for code in CODES if f"`{code}`" not in page] == []


def test_every_column_of_every_table_is_documented() -> None:
    page = PAGES["store.md"]
    missing = [
        f"{table.name}.{column.name}"
        for table in TABLES
        for column in table.columns
        if f"`{column.name}`" not in page.partition(f"\n## {table.name}\n")[2]
    ]

    assert missing == []


@pytest.mark.parametrize(
    "shape",
    [wire.WireEvent, wire.WireContext, wire.WirePage, wire.WireCampaign, wire.WireDevice,
     wire.WireProgram, wire.WireScreen, wire.WireLocation, wire.WireIdentify, wire.WireGroup,
     wire.WireAlias, wire.WireUnlink],
)  # fmt: skip
def test_every_field_that_may_be_sent_is_documented(shape: type[Struct]) -> None:
    page = (reference.REFERENCE / "events.md").read_text("utf-8")

    assert [name for name in shape.__struct_fields__ if f"`{name}`" not in page] == []


def test_every_setting_of_the_event_page_exists() -> None:
    page = (reference.REFERENCE / "events.md").read_text("utf-8")

    assert set(re.findall(r"`(max_\w+)`", page)) <= set(Settings.__struct_fields__)


def test_every_code_that_a_page_names_exists() -> None:
    named = {
        (page.name, code)
        for page in (reference.REFERENCE.parent).rglob("*.md")
        for code in re.findall(r"`([A-Z][A-Z0-9]+_[A-Z0-9_]+)`", page.read_text("utf-8"))
        if not code.startswith("TALLYMARK")
    }

    assert {pair for pair in named if pair[1] not in CODES} == set()


def test_the_reference_names_no_folder_of_this_machine() -> None:
    home = str(Path.home())

    assert [path for path, text in PAGES.items() if home != "/" and home in text] == []


# Pages are called after the tool people come from, not after what it speaks.
_TOOLS = {"cloudevents": "openmeter", "otlp": "opentelemetry", "ga4": "google-analytics"}


def test_every_foreign_protocol_has_a_page_for_those_who_come_from_it() -> None:
    index = (pages.ROOT / "docs" / "README.md").read_text("utf-8")
    found = discover("tallymark.collect.protocols", Protocol)
    own = ("pixel", "browser")
    tools = [_TOOLS.get(name, name) for name, one in found.items() if one.open and name not in own]

    assert len(tools) >= 11
    assert [tool for tool in tools if f"how-to/from-{tool}.md" not in index] == []
    assert "how-to/count-without-scripts.md" in index
    assert "how-to/browser-script.md" in index
