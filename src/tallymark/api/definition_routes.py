"""What a project defines by name: pushed as one version, shown, and asked by name."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct, structs
from starlette.responses import Response

from tallymark.catalog.definitions import Pushed, StoredDefinitions
from tallymark.core.errors import Refused, TallymarkError, misfit
from tallymark.core.settings import MIB
from tallymark.insights.definition_changes import (
    DefinitionChange,
    Dependent,
    changes_of,
    dependents,
)
from tallymark.insights.definition_check import flaws
from tallymark.insights.definitions import (
    Definitions,
    KindName,
    SavedQuestion,
    decode_definitions,
    encode_definitions,
)
from tallymark.insights.insight import Answer

from .ask_routes import AT, defined, forward, insights, whole
from .bodies import MAX_QUESTION_BYTES, read_body
from .saved_routes import of_page, saved_of
from .services import Call, Route

_LARGEST: Final = 8 * MIB
_MOST_ASKED: Final = 100
_DRY: Final = {"dry_run": "1 to change nothing, and only tell what would change."}
_VERSION: Final = {"version": "Which version; the newest if left out."}
_json: Final = msgspec.json.Decoder(float_hook=Decimal).decode


class Cell(Struct, frozen=True):
    """One number that differs; ``row`` is what else stands in its row, None if it is not there."""

    row: list[Any]
    column: str
    before: Any
    after: Any


class Effect(Struct, frozen=True):
    """What a change does to the numbers of a metric or saved question that depends on it.

    Both sides are asked of the same events at the same instant. ``differing`` counts all numbers that
    differ, ``cells`` has the first of them. A side that cannot be asked says why.
    """

    kind: KindName
    name: str
    because_of: list[tuple[KindName, str]]
    numbers: int
    differing: int
    cells: list[Cell]
    before_error: str | None = None
    after_error: str | None = None


class Applied(Struct, frozen=True):
    """The version that holds, whether that is new, what changed and what it does to numbers.

    ``left_out`` counts the dependents that were too many to ask.
    """

    version: int
    is_dry_run: bool
    changes: list[DefinitionChange]
    effects: list[Effect]
    left_out: int


class Shown(Struct, frozen=True):
    """One version of everything a project defines; 0 if nothing was ever pushed."""

    version: int
    created_at: int | None
    definitions: Any


class Versions(Struct, frozen=True):
    """Every version there is, newest first."""

    versions: list[Pushed]


async def push_definitions(call: Call) -> Response:
    """Make definitions those that hold, and tell what that changes; or only tell."""
    headers = call.headers
    body = await read_body(call.request.receive, headers, limit=_LARGEST)
    project = call.params["project"]
    is_dry = call.request.query_params.get("dry_run") == "1"
    kept = call.services.catalog.definitions
    now = call.services.clock.now()

    def look() -> tuple[StoredDefinitions | None, Definitions, str, dict[str, SavedQuestion]]:
        timezone = call.services.catalog.project(project).timezone
        new, saved = _read(body, now), _of_pages(call, project)
        _need_other_names(new, saved)
        return kept.newest(project), new, timezone, saved

    held, new, timezone, saved = await asyncio.to_thread(look)
    content = encode_definitions(new).decode()
    old = Definitions() if held is None else decode_definitions(held.content)
    changes = changes_of(old, new)
    # What was saved on the pages stays, and its numbers may move all the same.
    concerned = dependents(_with(old, saved), _with(new, saved), changes)
    sides = _Sides(project, timezone, encode_definitions(old).decode(), content)
    effects = [await _effect(call, one, sides) for one in concerned[:_MOST_ASKED]]
    version = 0 if held is None else held.version
    if not is_dry and changes:
        pushed = await asyncio.to_thread(kept.push, project, content, now=now)
        version = pushed.version
        call.services.callers.forget(project=project)
    applied = Applied(version, is_dry, changes, effects, max(0, len(concerned) - _MOST_ASKED))
    return Response(_encode(applied), media_type="application/json")


async def show_definitions(call: Call) -> Response:
    """Return what the project defines, of any version."""
    version = whole(call, "version", least=1)
    stored = await defined(call, version)
    if stored is None:
        return Response(_encode(Shown(0, None, {})), media_type="application/json")
    shown = Shown(stored.version, stored.created_at, msgspec.Raw(stored.content.encode()))
    return Response(_encode(shown), media_type="application/json")


async def list_versions(call: Call) -> Response:
    """Return every version of the definitions."""
    kept = call.services.catalog.definitions
    found = await asyncio.to_thread(kept.versions, call.caller.project.id)
    return Response(_encode(Versions(found)), media_type="application/json")


async def ask_saved(call: Call) -> Response:
    """Ask a saved question; what the body has replaces that part of it."""
    headers = call.headers
    body = await read_body(call.request.receive, headers, limit=MAX_QUESTION_BYTES)
    stored = await defined(call, whole(call, "definitions_at"))
    saved = await saved_of(call, call.caller.project.id, stored, call.params["name"])
    try:
        changed = msgspec.json.decode(body or b"{}", type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"The body is no JSON object: {error}.", code="JSON_SYNTAX") from None
    question = _encode({**saved.question, **changed})
    return await forward(call, saved.insight, question, stored)


def _of_pages(call: Call, project: str) -> dict[str, SavedQuestion]:
    kept = map(of_page, call.services.catalog.saved.all(project))
    return {one.id: SavedQuestion(one.insight, one.question) for one in kept}


def _need_other_names(new: Definitions, saved: Mapping[str, SavedQuestion]) -> None:
    if both := sorted(new.questions.keys() & saved.keys()):
        raise Refused(
            f"questions.{both[0]}: A question of that name was saved on the pages.",
            code="DEFINITION_INVALID", path=f"questions.{both[0]}",
            hint="Choose another name, or delete the one that was saved.",
        )  # fmt: skip


def _with(definitions: Definitions, saved: Mapping[str, SavedQuestion]) -> Definitions:
    return structs.replace(definitions, questions={**saved, **definitions.questions})


class _Sides(Struct, frozen=True):
    """What both sides of a comparison are asked with."""

    project: str
    timezone: str
    old: str
    new: str


async def _effect(call: Call, one: Dependent, sides: _Sides) -> Effect:
    asked = [
        None
        if saved is None
        else {"insight": saved.insight, "question": _encode(saved.question), "definitions": text}
        for saved, text in ((one.before, sides.old), (one.after, sides.new))
    ]
    params: dict[str, object] = {
        "project": sides.project, "timezone": sides.timezone, "sides": asked,
        "seconds": call.services.settings.question_seconds,
    }  # fmt: skip
    try:
        before, after = _json(await call.services.store.call("ask_sides", params))
    except TallymarkError as error:
        before = after = {"error": error.message}
    cells, numbers = _differences(before, after)
    errors = [side.get("error") for side in (before or {}, after or {})]
    return Effect(
        one.kind, one.name, one.changes, numbers, len(cells), cells[:10], errors[0], errors[1]
    )


def _differences(before: Any, after: Any) -> tuple[list[Cell], int]:
    """Return the numbers that differ between two flat tables, and how many there are."""
    sides = [_numbers(before), _numbers(after)]
    keys = list(dict.fromkeys([*sides[0], *sides[1]]))
    cells = [
        Cell(list(row), column, sides[0].get((row, column)), sides[1].get((row, column)))
        for row, column in keys
        if sides[0].get((row, column)) != sides[1].get((row, column))
    ]
    return cells, len(keys)


def _numbers(side: Any) -> dict[tuple[tuple[Any, ...], str], Any]:
    """Return each number of a table by what is no number in its row, and its column."""
    found: dict[tuple[tuple[Any, ...], str], Any] = {}
    if not side or "table" not in side:
        return found
    columns, rows = side["table"]["columns"], side["table"]["rows"]
    is_number = [any(_is_number(row[place]) for row in rows) for place in range(len(columns))]
    for row in rows:
        words = tuple(
            str(cell) for cell, is_one in zip(row, is_number, strict=True) if not is_one and cell is not None
        )  # fmt: skip
        for cell, column, is_one in zip(row, columns, is_number, strict=True):
            if is_one:
                found[words, column] = cell
    for line in side.get("lines", ()):
        found[("total",), line["label"]] = line["total"]
    return found


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | Decimal) and not isinstance(cell, bool)


def _read(body: bytes, now: int) -> Definitions:
    try:
        definitions = decode_definitions(body)
    except msgspec.ValidationError as error:
        text, path = misfit(error)
        raise Refused(text, code="DEFINITION_INVALID", path=path) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"The definitions are not valid JSON: {error}.", code="JSON_SYNTAX") from None
    wrong = flaws(definitions, insights(), now)
    if wrong:
        first = wrong[0]
        path = ".".join(filter(None, (first.kind, first.name, first.key)))
        more = f" ({len(wrong) - 1} more.)" if wrong[1:] else ""
        raise Refused(
            f"{path}: {first.what}{more}", code="DEFINITION_INVALID", hint=first.fix, path=path
        )
    return definitions


_encode: Final = msgspec.json.Encoder(decimal_format="number").encode

DEFINITION_ROUTES: tuple[Route, ...] = (
    Route(
        "PUT", "/tm/v1/projects/{project}/definitions", "local", push_definitions,
        "Make definitions those that hold, and tell what that does to numbers.",
        body=Definitions, answer=Applied, query=_DRY, role="analyst",
    ),
    Route(
        "GET", "/tm/v1/definitions", "read", show_definitions, "Show what the project defines.",
        answer=Shown, query=_VERSION,
    ),
    Route(
        "GET", "/tm/v1/definitions/versions", "read", list_versions,
        "List the versions of the definitions.", answer=Versions,
    ),
    Route(
        "POST", "/tm/v1/ask/saved/{name}", "read", ask_saved,
        "Ask a saved question; the body replaces parts of it, such as the range.",
        answer=Answer, query=AT,
    ),
)  # fmt: skip
