"""The reference says what the code says: everything registered has its place in it."""

from pathlib import Path

import pytest
from scripts import reference

from tallymark.core.errors import CODES
from tallymark.core.settings import Settings
from tallymark.store.tables import TABLES

PAGES = reference.pages()


@pytest.mark.parametrize("path", PAGES)
def test_each_generated_page_is_what_the_code_gives_now(path: str) -> None:
    assert (reference.REFERENCE / path).read_text("utf-8") == PAGES[path], "run `make fix`"


def test_no_page_of_an_insight_outlives_the_insight() -> None:
    found = {page.stem for page in (reference.REFERENCE / "insights").glob("*.md")}

    assert found - {"README"} == set(reference.insights())


def test_every_setting_is_documented() -> None:
    page = PAGES["settings.md"]

    assert [name for name in Settings.__struct_fields__ if f"`{name}`" not in page] == []


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


def test_the_reference_names_no_folder_of_this_machine() -> None:
    home = str(Path.home())

    assert [path for path, text in PAGES.items() if home != "/" and home in text] == []
