"""A folder of definitions: a folder for each kind, in it one definition a file, named like the file.

Where a definition takes a filter, a file may have it as one writes it on a command line.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from tallymark.core.errors import Refused, TallymarkError, misfit
from tallymark.core.registry import did_you_mean, discover
from tallymark.insights.definition_check import flaws
from tallymark.insights.definitions import KINDS, TYPES, Definitions, KindName
from tallymark.insights.insight import Insight
from tallymark.schema.yaml_file import LARGEST_FILE, lines_of, read_yaml, write_yaml

from .conditions import parse_filter

MOST_FILES: Final = 5_000
_SUFFIXES: Final = frozenset({".yaml", ".yml"})
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class Problem(Struct, frozen=True):
    """One thing wrong with a file: where, what it is and how to mend it."""

    file: str
    line: int
    key: str
    what: str
    fix: str

    def __str__(self) -> str:
        """Return it as one line."""
        key = f"{self.key}: " if self.key else ""
        return f"{self.file}:{self.line}: {key}{self.what} {self.fix}".rstrip()


class Folder(Struct, frozen=True):
    """What a folder holds, as far as it can be read, and what is wrong with it."""

    definitions: Definitions
    problems: list[Problem]


class _File(Struct, frozen=True):
    """One file: its name within the folder, and the line of each key."""

    name: str
    lines: Mapping[str, int]

    def problem(self, key: str, what: str, fix: str = "") -> Problem:
        return Problem(self.name, _line(key, self.lines), key, what, fix)


def read_folder(folder: Path, now: int) -> Folder:
    """Return the definitions of a folder with all problems; raises Refused if it cannot be read."""
    if not folder.is_dir():
        raise Refused(
            f"There is no folder {str(folder)!r}.", code="FILE_UNREADABLE",
            hint="Name the folder that has events/, properties/, cohorts/, metrics/ or questions/.",
        )  # fmt: skip
    problems: list[Problem] = []
    made: dict[KindName, dict[str, Any]] = {kind: {} for kind in KINDS}
    files: dict[tuple[KindName, str], _File] = {}
    for path in _paths(folder):
        name = path.relative_to(folder).as_posix()
        kind = next((one for one in KINDS if one == name.partition("/")[0]), None)
        if kind is None:
            problems.append(_misplaced(name))
            continue
        found = _read(path, name, kind, problems)
        if found is None:
            continue
        file, called, definition = found
        if (kind, called) in files:
            there = files[kind, called].name
            problems.append(file.problem("name", f"{called!r} is defined in {there} already."))
            continue
        made[kind][called] = definition
        files[kind, called] = file
    definitions = msgspec.convert({kind: {} for kind in KINDS}, Definitions)
    definitions = msgspec.structs.replace(definitions, **made)
    if not problems:
        for flaw in flaws(definitions, discover("tallymark.insights", Insight), now):
            file = files.get((flaw.kind, flaw.name), _File(flaw.kind, {}))
            problems.append(file.problem(flaw.key, flaw.what, flaw.fix))
    return Folder(definitions, problems)


def write_folder(definitions: Any, folder: Path) -> list[str]:
    """Write definitions, as plain values, one a file; raises Refused where one is in the way."""
    files: dict[str, str] = {}
    for kind in KINDS:
        for name, one in definitions.get(kind, {}).items():
            plain = re.sub(r"[^\w-]+", "_", name, flags=re.ASCII).strip("_") or "event"
            file = f"{kind}/{plain}.yaml"
            while file in files:
                plain += "_"
                file = f"{kind}/{plain}.yaml"
            files[file] = write_yaml({**({} if plain == name else {"name": name}), **one})
    there = [name for name in files if (folder / name).exists()]
    if there:
        raise Refused(
            f"{folder / there[0]} is there already.", code="FILE_UNREADABLE",
            hint="Name a new folder.",
        )  # fmt: skip
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return list(files)


def _paths(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES and path.is_file())  # fmt: skip
    if len(paths) > MOST_FILES:
        raise Refused(f"The folder has more than {MOST_FILES} files.", code="DEFINITION_INVALID")
    return paths


def _misplaced(name: str) -> Problem:
    first = name.partition("/")[0]
    near = did_you_mean(first, KINDS) if "/" in name else None
    return Problem(
        name, 1, "", "It is in no folder of definitions.", near or f"Put it in {', '.join(KINDS)}."
    )


def _read(
    path: Path, name: str, kind: KindName, problems: list[Problem]
) -> tuple[_File, str, Any] | None:
    with path.open("rb") as opened:
        content = opened.read(LARGEST_FILE + 1)
    try:
        value = read_yaml(content, name)
    except Refused as error:
        line = re.search(r" in line (\d+)", error.message)
        what = error.message.partition(": ")[2]
        problems.append(Problem(name, int(line[1]) if line else 1, "", what, error.hint or ""))
        return None
    file = _File(name, lines_of(content))
    if not isinstance(value, dict):
        problems.append(file.problem("", "It is no mapping.", "Write keys with values."))
        return None
    before = len(problems)
    called = value.pop("name", path.stem)
    if not isinstance(called, str):
        problems.append(file.problem("name", "It is no text.", "Put it in quotes."))
    plain = _filtered(_shortened(value, kind), "", file, problems)
    if len(problems) > before:
        return None
    try:
        return file, called, msgspec.json.decode(_encode(plain), type=TYPES[kind])
    except msgspec.ValidationError as error:
        what, key = misfit(error)
        key = key or ""
        unknown = re.search(r"unknown field `([^`]*)`", what)
        fix = ""
        if unknown:
            key = ".".join(filter(None, (key, unknown[1])))
            fix = did_you_mean(unknown[1], _known_keys(kind)) or "Remove it, or see the reference."
        problems.append(file.problem(key, what.removeprefix(f"{key}: "), fix))
        return None


def _known_keys(kind: KindName) -> list[str]:
    return [*TYPES[kind].__struct_fields__, "name", "members", "member", "event", "filter", "range", "at_least", "at_most", "near", "within"]  # fmt: skip


def _shortened(value: dict[str, Any], kind: KindName) -> dict[str, Any]:
    """Return a definition with what may be written shorter written out."""
    if kind == "metrics" and isinstance(value.get("series"), dict):
        return {**value, "series": [value["series"]]}
    if kind == "events" and isinstance(value.get("events"), list):
        parts = [{"event": one} if isinstance(one, str) else one for one in value["events"]]
        return {**value, "events": parts}
    return value


def _filtered(value: Any, path: str, file: _File, problems: list[Problem]) -> Any:
    """Return a value in which every filter that is text is what it means."""
    if isinstance(value, list):
        return [
            _filtered(one, f"{path}[{place}]", file, problems) for place, one in enumerate(value)
        ]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, one in value.items():
        at = f"{path}.{key}" if path else str(key)
        if key == "filter" and isinstance(one, str):
            try:
                found[key] = parse_filter(one)
            except TallymarkError as error:
                problems.append(file.problem(at, error.message, error.hint or ""))
        else:
            found[key] = _filtered(one, at, file, problems)
    return found


def _line(key: str, lines: Mapping[str, int]) -> int:
    """Return the line of a key, or of the nearest one above it that is there."""
    while key:
        if key in lines:
            return lines[key]
        ends = [line for path, line in lines.items() if path.endswith((f".{key}", f"]{key}"))]
        if ends:
            return min(ends)
        key = re.sub(r"(\.[^.\[\]]*|\[[^\]]*\]|^[^.\[\]]*)$", "", key)
    return 1
