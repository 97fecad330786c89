"""Saved questions: made on the pages or in files, listed together, asked by the same name."""

import asyncio
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from tallymark.catalog.annotations import Annotations
from tallymark.catalog.definitions import StoredDefinitions
from tallymark.catalog.named import Draft, Named, NamedThings
from tallymark.core.errors import InvalidQuery, NotAllowed, NotFound
from tallymark.core.registry import did_you_mean
from tallymark.insights.definition_check import check_question
from tallymark.insights.definitions import Definitions, SavedQuestion, decode_definitions

from .ask_routes import insights
from .bodies import json_answer
from .services import Call, Route

Origin: TypeAlias = Literal["page", "file"]
_Name = Annotated[str, Meta(min_length=1, max_length=200)]
_Description = Annotated[str, Meta(max_length=2_000)]
_Address = Annotated[
    str, Meta(max_length=16_000, description="How the pages write the question in their address.")
]


class QuestionContent(Struct, frozen=True, forbid_unknown_fields=True):
    """A question with its insight, and how the pages write it."""

    insight: Annotated[str, Meta(max_length=63)]
    question: dict[str, Any] = {}
    address: _Address = ""


class QuestionToSave(QuestionContent, frozen=True, kw_only=True):
    """A question to keep under a name."""

    name: _Name
    description: _Description = ""


class QuestionToReplace(QuestionToSave, frozen=True, kw_only=True):
    """A saved question as it is to be; ``version`` is the one that was changed."""

    version: int


class Saved(Struct, frozen=True):
    """A saved question; ask it as ``@id``. One of a file is changed by `tallymark apply` alone.

    ``address`` is how the pages write the question, empty for one of a file. ``owner`` is the address
    of whoever saved it first, empty for the owner of the data folder. Instants are microseconds.
    """

    id: str
    name: str
    description: str
    insight: str
    question: Any
    address: str
    origin: Origin
    owner: str
    changed_by: str
    version: int
    created_at: int
    updated_at: int


class AllSaved(Struct, frozen=True):
    """Every saved question of the project, those changed last first."""

    saved: list[Saved]


class Removed(Struct, frozen=True):
    """What was removed."""

    id: str


async def list_saved(call: Call) -> Response:
    """Return every saved question of the project."""
    project = call.caller.project.id
    kept = await asyncio.to_thread(call.services.catalog.saved.all, project)
    found = [*map(of_page, kept), *of_files(call.caller.definitions)]
    return saved_answer(AllSaved(found))


async def show_saved(call: Call) -> Response:
    """Return one saved question."""
    known = call.caller
    return saved_answer(
        await saved_of(call, known.project.id, known.definitions, call.params["id"])
    )


async def save_question(call: Call) -> Response:
    """Keep a question under a name."""
    order = await call.order(QuestionToSave, exact=True)
    project, now = call.params["project"], call.services.clock.now()

    def save() -> Saved:
        defined = _defined(call, project)
        draft = _draft(call, order, defined)
        kept = call.services.catalog.saved
        return of_page(kept.add(project, draft, now=now, taken=defined.questions))

    return saved_answer(await asyncio.to_thread(save), status=201)


async def replace_saved(call: Call) -> Response:
    """Replace a saved question, if nobody did since it was looked at."""
    order = await call.order(QuestionToReplace, exact=True)
    project, now = call.params["project"], call.services.clock.now()

    def replace() -> Saved:
        draft = _draft(call, order, _defined(call, project))
        kept = call.services.catalog.saved
        return of_page(
            kept.change(project, call.params["id"], draft, version=order.version, now=now)
        )

    return saved_answer(await asyncio.to_thread(replace))


async def remove_saved(call: Call) -> Response:
    """Forget a saved question: one's own, or as an admin anybody's."""
    return await forget(call, call.services.catalog.saved)


async def saved_of(
    call: Call, project: str, stored: StoredDefinitions | None, question_id: str
) -> Saved:
    """Return a saved question of a project, wherever it was made; raises NotFound."""
    of_file = [one for one in of_files(stored) if one.id == question_id]
    if of_file:
        return of_file[0]
    kept = call.services.catalog.saved
    found = await asyncio.to_thread(kept.find, project, question_id)
    if found is not None:
        return of_page(found)
    there = [one.id for one in await asyncio.to_thread(kept.all, project)]
    known = [*there, *(one.id for one in of_files(stored))]
    raise NotFound(
        f"There is no saved question {question_id[:80]!r}.",
        hint=did_you_mean(question_id, known)
        or "Save it on the pages, or define it in a file and push it with `tallymark apply`.",
    )


def of_page(kept: Named) -> Saved:
    """Return a question that was saved on the pages."""
    content = decode_content(kept.content)
    return Saved(
        kept.id, kept.name, kept.description, content.insight, content.question, content.address,
        "page", kept.owner, kept.changed_by, kept.version, kept.created_at, kept.updated_at,
    )  # fmt: skip


def of_files(stored: StoredDefinitions | None) -> list[Saved]:
    """Return the questions that the definitions of a project hold."""
    if stored is None:
        return []
    at = stored.created_at
    return [
        Saved(name, name, one.description, one.insight, one.question, "", "file", "", "", stored.version, at, at)
        for name, one in decode_definitions(stored.content).questions.items()
    ]  # fmt: skip


def check_content(
    content: QuestionContent, definitions: Definitions, now: int, *, path: str = ""
) -> None:
    """Raise InvalidQuery unless the question can be asked of a project with these definitions."""
    try:
        saved = SavedQuestion(content.insight, content.question)
        check_question(saved, definitions, insights(), now)
    except InvalidQuery as error:
        where = ".".join(filter(None, (path, error.path or "")))
        raise InvalidQuery(error.message, hint=error.hint, path=where, code=error.code) from None


def who(call: Call) -> str:
    """Return the address of whoever is signed in, empty for the owner of the data folder."""
    return "" if call.user is None else call.user.email


def need_to_own(call: Call, project: str, owner: str) -> None:
    """Raise NotAllowed ROLE_TOO_LOW unless something is the caller's own, or they are an admin."""
    if call.user is not None and call.user.email != owner and not call.user.may("admin", project):
        raise NotAllowed("What others made is removed by an admin.", code="ROLE_TOO_LOW")


async def forget(call: Call, kept: NamedThings | Annotations) -> Response:
    """Remove what the address names, as its maker or an admin."""
    project, wanted = call.params["project"], call.params["id"]

    def remove() -> Removed:
        need_to_own(call, project, kept.get(project, wanted).owner)
        kept.remove(project, wanted)
        return Removed(wanted)

    return json_answer(await asyncio.to_thread(remove))


def encode_content(content: Struct) -> str:
    """Return what is kept of something, as JSON; a number stays the number it is."""
    return _encode(content).decode()


def saved_answer(value: Any, status: int = 200) -> Response:
    """Return something that holds a question as an answer in JSON."""
    return Response(_encode(value), status, media_type="application/json")


def _draft(call: Call, order: QuestionToSave, defined: Definitions) -> Draft:
    content = QuestionContent(order.insight, order.question, order.address)
    check_content(content, defined, call.services.clock.now())
    return Draft(order.name, order.description, encode_content(content), who(call))


def _defined(call: Call, project: str) -> Definitions:
    stored = call.services.catalog.definitions.newest(project)
    return Definitions() if stored is None else decode_definitions(stored.content)


decode_content: Final = msgspec.json.Decoder(QuestionContent, float_hook=Decimal).decode
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode

SAVED_ROUTES: tuple[Route, ...] = (
    Route(
        "GET", "/tm/v1/saved", "read", list_saved, "List the saved questions.", answer=AllSaved,
    ),
    Route(
        "GET", "/tm/v1/saved/{id}", "read", show_saved, "Show a saved question.", answer=Saved,
    ),
    Route(
        "POST", "/tm/v1/projects/{project}/saved", "local", save_question, "Save a question.",
        body=QuestionToSave, answer=Saved, status=201, role="analyst",
    ),
    Route(
        "PUT", "/tm/v1/projects/{project}/saved/{id}", "local", replace_saved,
        "Replace a saved question.", body=QuestionToReplace, answer=Saved, role="analyst",
    ),
    Route(
        "DELETE", "/tm/v1/projects/{project}/saved/{id}", "local", remove_saved,
        "Delete a saved question.", answer=Removed, role="analyst",
    ),
)  # fmt: skip
