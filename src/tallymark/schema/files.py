"""The folder of a plan: ``plan.yaml``, and ``events/`` with one event a file."""

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from tallymark.core.errors import Refused, misfit
from tallymark.core.registry import did_you_mean

from .lint import Problem, lint, refusal
from .plan import EventPlan, Modes, Monitors, Plan, PlanFile, PlanModes, Property, Volume
from .yaml_file import LARGEST_FILE, read_yaml, write_yaml

T = TypeVar("T")

MOST_FILES: Final = 2_000
_SUFFIXES: Final = frozenset({".yaml", ".yml"})
_KNOWN: Final = sorted(
    {
        name
        for struct in (EventPlan, Property, Modes, Monitors, Volume, PlanModes, PlanFile)
        for name in struct.__struct_fields__
    }
)


class Folder(Struct, frozen=True):
    """What a folder holds: the plan as far as it can be read, and what is wrong with it."""

    plan: Plan
    problems: list[Problem]
    files: dict[str, EventPlan]


def read_folder(folder: Path) -> Folder:
    """Return the plan of a folder with all its problems; raises Refused if there is no such folder."""
    if not folder.is_dir():
        raise Refused(
            f"There is no folder {str(folder)!r}.", code="FILE_UNREADABLE",
            hint="Name the folder of the plan; `tallymark plan infer` makes a first one.",
        )  # fmt: skip
    texts = _texts(folder)
    return read_texts(texts)


def read_texts(texts: Mapping[str, bytes]) -> Folder:
    """Return the plan that files say, by their names within the folder."""
    problems: list[Problem] = []
    plans: dict[str, EventPlan] = {}
    modes = PlanModes()
    for name, text in texts.items():
        try:
            if name == "plan.yaml":
                found = _converted(name, read_yaml(text, name), PlanFile, problems)
                modes = modes if found is None else found.on
            else:
                planned = _read_event(name, text, problems)
                if planned is not None:
                    plans[name] = planned
        except Refused as why:
            problems.append(Problem(name, "file", why.message.partition(": ")[2], why.hint))
    problems += lint(plans)
    ordered = sorted(plans.values(), key=lambda one: (one.event, one.version))
    return Folder(Plan(tuple(ordered), modes), problems, plans)


def read_plan(folder: Path) -> Plan:
    """Return the plan of a folder; raises Refused PLAN_INVALID with what is wrong with it."""
    found = read_folder(folder)
    if found.problems:
        raise refusal(found.problems)
    return found.plan


def files_of(plan: Plan) -> dict[str, str]:
    """Return the files of a plan, by their names within the folder; reading them gives the plan."""
    files: dict[str, str] = {}
    for planned in plan.events:
        files[_file_name(planned, files)] = write_yaml(_mapping(planned))
    if plan.on != PlanModes():
        files["plan.yaml"] = write_yaml(_mapping(PlanFile(plan.on)))
    return files


def write_folder(plan: Plan, folder: Path) -> list[str]:
    """Write the files of a plan and return their names; raises Refused where one is in the way."""
    files = files_of(plan)
    there = [name for name in files if (folder / name).exists()]
    if there:
        raise Refused(
            f"{folder / there[0]} is there already.", code="FILE_UNREADABLE",
            hint="Name a new folder, and compare the two with `tallymark plan diff`.",
        )  # fmt: skip
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return list(files)


def _texts(folder: Path) -> dict[str, bytes]:
    paths = [folder / "plan.yaml"] if (folder / "plan.yaml").is_file() else []
    events = (path for path in (folder / "events").rglob("*") if path.suffix in _SUFFIXES)
    paths += sorted(path for path in events if path.is_file())
    if len(paths) > MOST_FILES:
        raise Refused(f"The plan has more than {MOST_FILES} files.", code="PLAN_INVALID")
    texts = {}
    for path in paths:
        with path.open("rb") as file:
            texts[path.relative_to(folder).as_posix()] = file.read(LARGEST_FILE + 1)
    return texts


def _read_event(name: str, text: bytes, problems: list[Problem]) -> EventPlan | None:
    value = read_yaml(text, name)
    before = len(problems)
    properties: dict[str, Property] = {}
    if isinstance(value, dict) and isinstance(value.get("properties"), dict):
        # One by one, so that each problem names its property.
        for key, one in value["properties"].items():
            found = _converted(name, one, Property, problems, f"properties.{key}")
            if found is not None:
                properties[key] = found
        value = {**value, "properties": {}}
    planned = _converted(name, value, EventPlan, problems)
    if planned is None or len(problems) > before:
        return None
    return msgspec.structs.replace(planned, properties=properties)


def _converted(
    file: str, value: Any, wanted: type[T], problems: list[Problem], at: str = ""
) -> T | None:
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        problems.append(_misfit(file, at, error))
        return None


def _misfit(file: str, at: str, error: msgspec.ValidationError) -> Problem:
    what, place = misfit(error)
    what = what.removeprefix(f"{place}: ")
    key = ".".join(filter(None, (at, place)))
    unknown = re.search(r"unknown field `([^`]*)`", what)
    missing = re.search(r"missing required field `([^`]*)`", what)
    if unknown:
        near = did_you_mean(unknown[1], _KNOWN)
        what, fix = "there is no such key.", near or "Remove it, or see what a file of a plan has."
    elif missing:
        what, fix = "it is missing.", "Add it."
    else:
        fix = "See what a file of a plan has; text that looks like a number needs quotes."
    named = unknown or missing
    key = ".".join(filter(None, (key, named[1] if named else "")))
    return Problem(file, (key or "file")[:200], what, fix)


def _file_name(planned: EventPlan, taken: Mapping[str, str]) -> str:
    plain = re.sub(r"[^a-z0-9]+", "_", planned.event.lower()).strip("_")[:60] or "event"
    model = planned.version.partition("-")[0]
    candidates = [plain, f"{plain}-{model}", *(f"{plain}-{n}" for n in range(2, MOST_FILES + 2))]
    names = (f"events/{one}.yaml" for one in candidates)
    return next(name for name in names if name not in taken)


def _mapping(value: Struct) -> Any:
    """Return what of a struct differs from its defaults, as plain values; numbers stay exact."""
    return msgspec.to_builtins(value, builtin_types=(Decimal,))
