"""What is built from ``web/`` is what is there now, and no heavier than it may be; nothing here needs Node."""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

from scripts.web import BUILT, DIGEST, LICENCES, ROOT, SOURCE, digest, shipped

from tallymark.api.addresses import addresses

KIB = 1_000


def scripts_at_first(name: str = "index.html") -> set[str]:
    """Return the scripts that a browser needs before a page shows: the entry and what it imports."""
    page = (BUILT / name).read_text("utf-8")
    waiting = re.findall(r'(?:src|href)="\./assets/([^"]+\.js)"', page)
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            text = (BUILT / "assets" / name).read_text("utf-8")
            waiting += re.findall(r'(?:from|import)"\./([^"]+\.js)"', text)
    return found


def zipped(*names: str) -> int:
    return sum(len(gzip.compress((BUILT / "assets" / name).read_bytes(), 9)) for name in names)


def built(pattern: str) -> list[str]:
    return [one.name for one in (BUILT / "assets").glob(pattern)]


def imported_by(entry: Path) -> set[Path]:
    """Return the sources that a page is made of, those that it loads later too, but not their types."""
    loads = r'(?m)^(?:im|ex)port (?!type)[^;]*?"(\.[^"]+)"|import\("(\.[^"]+)"\)'
    waiting, found = [entry], set[Path]()
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        for names in re.findall(loads, one.read_text("utf-8")):
            path = (one.parent / "".join(names)).resolve()
            ends = [path.with_name(path.name + end) for end in (".ts", ".tsx")]
            waiting += [each for each in ends if each.exists()]
    return found


def sources() -> Iterator[Path]:
    return (one for one in (SOURCE / "src").rglob("*.ts*") if one.name != "schema.d.ts")


def test_what_is_built_is_of_these_sources() -> None:
    assert DIGEST.read_text("utf-8").strip() == digest(), "run `make web` and commit what it makes"


def test_the_pages_are_no_heavier_than_their_budgets() -> None:
    assert zipped(*scripts_at_first()) <= 210 * KIB
    assert zipped(*built("*.css")) <= 15 * KIB
    assert zipped(*(one.name for one in (BUILT / "assets").iterdir())) <= 450 * KIB
    assert len(built("*")) <= 60


def test_the_page_of_a_link_is_apart_and_half_as_heavy_as_the_application() -> None:
    at_first = scripts_at_first("shared.html")
    widgets = [name for name in at_first if name.startswith(("kit-", "index-"))]

    assert zipped(*at_first) <= 115 * KIB
    assert widgets == []


def test_the_page_of_a_link_says_nothing_in_words_it_goes_without() -> None:
    setup = (SOURCE / "src" / "i18n" / "setup.ts").read_text("utf-8")
    keys = set(re.findall(r'"([a-z]+(?:\.\w+)+)": ', setup))
    reached = imported_by(SOURCE / "src" / "shared.tsx")
    names = {one.name for one in reached}
    said = {
        one: set(re.findall(r'"([a-z]+(?:\.\w+)+)"', one.read_text("utf-8"))) for one in reached
    }

    assert {"View.tsx", "TimeChart.tsx", "states.tsx", "t.ts", "en.ts"} <= names
    assert "setup.ts" not in names
    assert {one.name: words & keys for one, words in said.items() if words & keys} == {}


def test_no_source_maps_and_nothing_of_another_origin_is_built() -> None:
    assert list(BUILT.rglob("*.map")) == []
    for name in ("index.html", "shared.html"):
        page = (BUILT / name).read_text("utf-8")

        assert re.findall(r'(?:src|href)="(?!\./)', page) == []
    for one in (BUILT / "assets").glob("*.css"):
        assert "url(http" not in one.read_text("utf-8")


def test_every_dependency_is_pinned_and_no_lock_names_a_registry() -> None:
    for folder in (SOURCE, SOURCE / "tools"):
        package = json.loads((folder / "package.json").read_text("utf-8"))
        wanted = {**package.get("dependencies", {}), **package.get("devDependencies", {})}

        assert [
            name for name, version in wanted.items() if not re.fullmatch(r"[\d.]+", version)
        ] == []
        assert '"resolved"' not in (folder / "package-lock.json").read_text("utf-8")


def test_the_licence_of_every_package_that_is_built_in_comes_along() -> None:
    told = LICENCES.read_text("utf-8")

    assert [name for name, version in shipped().items() if f"{name} {version}" not in told] == []
    assert "react-aria-components" in shipped()
    assert "vitest" not in shipped()


def test_widgets_are_imported_one_by_one_so_that_the_first_script_stays_small() -> None:
    barrels = [
        one.name
        for one in sources()
        if re.search(r'from "react-aria-components"', one.read_text("utf-8"))
    ]

    assert barrels == []


def test_event_data_is_never_made_into_markup() -> None:
    risky = re.compile(
        r"dangerouslySetInnerHTML|insertAdjacentHTML|\.innerHTML\s*=|document\.write"
    )

    assert [one.name for one in sources() if risky.search(one.read_text("utf-8"))] == []


def test_every_message_is_used() -> None:
    told = [one for one in (SOURCE / "src" / "i18n").glob("*.ts") if one.name != "t.ts"]
    messages = "\n".join(one.read_text("utf-8") for one in told)
    keys = re.findall(r'"([a-z]+(?:\.\w+)+)": ', messages)
    code = "\n".join(one.read_text("utf-8") for one in sources() if one not in told)
    # A key that is put together: word("op", name) or `per.${interval}`.
    made = set(re.findall(r'word\("([a-z.]+)"', code)) | set(re.findall(r"`([a-z.]+)\.\$\{", code))

    assert len(keys) > 300
    assert [
        key for key in keys if f'"{key}"' not in code and key.rpartition(".")[0] not in made
    ] == []


def test_no_screen_has_the_address_of_something_else() -> None:
    routes = (SOURCE / "src" / "routes.tsx").read_text("utf-8")
    paths = re.findall(r'path: "(/[^"]*)"', routes)
    taken = {path for method, path in addresses().declared() if method == "GET"}

    assert len(paths) > 5
    assert [path for path in paths if path in taken] == []


def test_generated_types_are_of_the_api_as_it_is() -> None:
    types = (ROOT / "web" / "src" / "api" / "schema.d.ts").read_text("utf-8")

    for name in ("TrendsQuestion", "FunnelsData", "Names", "Portrait", "FailedPage"):
        assert f"        {name}: {{" in types
