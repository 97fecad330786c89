"""What holds for every page: links resolve, nothing names one machine, files stay readable."""

import re
import tomllib
from pathlib import Path

import pytest
from tests.docs import pages
from tests.docs.pages import ROOT

import tallymark

MOST_LINES = 400
# The brackets keep this line from finding itself.
FORBIDDEN = re.compile(
    r"/root[/]|/home[/]\w|/Users[/]\w|/work[/]|/opt[/]|pypi[.]org|pythonhosted[.]org"
)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", pages.markdown(), ids=name)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    broken = []
    for link in pages.links(page):
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (
            fragment and target.suffix == ".md" and fragment not in pages.anchors(target)
        ):
            broken.append(link)

    assert broken == []


def test_no_file_names_one_machine_or_a_package_registry() -> None:
    culprits = []
    for path in pages.tracked():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        culprits += [f"{name(path)}: {match[0]}" for match in FORBIDDEN.finditer(text)]

    assert culprits == []


def test_no_source_file_is_too_long_to_read() -> None:
    sources = [path for path in pages.tracked() if path.suffix == ".py"]
    sources = [path for path in sources if "tests" not in path.relative_to(ROOT).parts]
    long = {
        name(path): lines
        for path in sources
        if (lines := len(path.read_text("utf-8").splitlines())) > MOST_LINES
    }

    assert long == {}


def test_every_page_under_docs_can_be_reached_from_its_index() -> None:
    index = ROOT / "docs" / "README.md"
    seen = {index}
    waiting = [index]
    while waiting:
        page = waiting.pop()
        targets = {(page.parent / link.partition("#")[0]).resolve() for link in pages.links(page)}
        found = {target for target in targets if target.suffix == ".md" and target.exists()} - seen
        seen |= found
        waiting += found

    under_docs = {page for page in pages.markdown() if ROOT / "docs" in page.parents}
    assert sorted(map(name, under_docs - seen)) == []


def test_each_changelog_fragment_is_one_sentence() -> None:
    fragments = [page for page in pages.markdown() if page.parent == ROOT / "changelog.d"]
    fragments = [page for page in fragments if page.name != "README.md"]
    odd = []
    for fragment in fragments:
        text = fragment.read_text("utf-8").strip()
        is_named_well = re.fullmatch(
            r"[a-z0-9-]+\.(added|changed|fixed|removed)\.md", fragment.name
        )
        if not is_named_well or not re.fullmatch(r"[A-Z`][^\n]*[^.]\.", text) or ". " in text:
            odd.append(fragment.name)

    assert fragments
    assert odd == []


def test_the_version_is_written_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    version = re.escape(tallymark.__version__)
    holders = [
        name(path)
        for path in pages.tracked()
        if path.suffix in {".py", ".toml", ".md"}
        and ROOT / "tests" not in path.parents
        and re.search(rf"version[\W_]{{1,8}}{version}\b", path.read_text("utf-8"))
    ]

    assert project["project"]["dynamic"] == ["version"]
    # The SDK is a distribution of its own.
    assert sorted(holders) == [
        "sdk/python/src/tallymark_client/version.py",
        "src/tallymark/__init__.py",
    ]
