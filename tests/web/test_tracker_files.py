"""The committed browser script is what its sources give, small enough, and as its manifest says."""

import base64
import gzip
import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest

from tallymark.web.tracker_files import FOLDER, NAMES, manifest_in, read

SOURCES = Path(__file__).parents[2] / "tracker"


def digest(folder: Path) -> str:
    """Return what the build says of its sources, worked out without Node."""
    parts = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md")
    relative = {path.relative_to(folder): path for path in parts}
    lines = [
        f"{name.as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n"
        for name, path in relative.items()
        if "node_modules" not in name.parts
    ]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def test_the_built_files_are_of_these_sources() -> None:
    assert manifest_in(FOLDER).sources == digest(SOURCES), "run `make tracker` and commit its files"


def test_another_source_gives_another_digest(tmp_path: Path) -> None:
    copied = shutil.copytree(SOURCES, tmp_path / "t", ignore=shutil.ignore_patterns("node_modules"))
    assert digest(copied) == digest(SOURCES)

    (copied / "src" / "core.ts").write_text("export {};\n")

    assert digest(copied) != digest(SOURCES)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_as_its_manifest_says_and_within_its_budget(name: str) -> None:
    content = (FOLDER / name).read_bytes()
    told = manifest_in(FOLDER).files[name]
    budget = json.loads((SOURCES / "budgets.json").read_text("utf-8"))[name]

    hashed = base64.b64encode(hashlib.sha384(content).digest()).decode()

    assert (len(content), f"sha384-{hashed}") == (told.bytes, told.integrity)
    assert told.gzip <= budget
    assert len(gzip.compress(content, 9, mtime=0)) <= budget


def test_the_budgets_are_those_that_were_promised() -> None:
    budgets = json.loads((SOURCES / "budgets.json").read_text("utf-8"))

    assert budgets == {"t.js": 3 * 1024, "t.auto.js": 4.5 * 1024, "t.full.js": 8 * 1024}


def test_the_version_is_that_of_the_sources_and_stands_in_every_file() -> None:
    version = json.loads((SOURCES / "package.json").read_text("utf-8"))["version"]

    assert manifest_in(FOLDER).version == version
    for name in NAMES:
        assert version in (FOLDER / name).read_text("utf-8")


def test_packages_are_pinned_and_their_lock_names_no_place_to_get_them_from() -> None:
    packages = json.loads((SOURCES / "package.json").read_text("utf-8"))["devDependencies"]
    lock = (SOURCES / "package-lock.json").read_text("utf-8")

    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in packages.values())
    assert '"resolved"' not in lock
    assert json.loads(lock)["packages"][""]["devDependencies"] == packages


def test_a_script_asks_nobody_but_its_own_server() -> None:
    for name in NAMES:
        text = (FOLDER / name).read_text("utf-8")
        assert re.findall(r"https?://[^\s\"'`]*|\beval\(|new Function|innerHTML", text) == []


def test_a_released_version_stays_as_it_was(tmp_path: Path) -> None:
    present = shutil.copytree(FOLDER, tmp_path / "tracker")
    released = present / "0.0.9"
    released.mkdir()
    (released / "t.js").write_text("// older\n")
    manifest = {"version": "0.0.9", "sources": "", "files": {}}
    (released / "manifest.json").write_text(json.dumps(manifest))

    found = read(present)

    older = found.find("t.js", "0.0.9")
    assert older is not None
    assert older.content == b"// older\n"
    assert found.find("t.full.js", "0.0.9") is None
    assert found.find("t.js") == found.find("t.js", manifest_in(FOLDER).version) != older
