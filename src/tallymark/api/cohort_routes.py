"""One cohort at a time, for whoever builds them on a page; they are definitions as those of files."""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct, structs
from starlette.responses import Response

from tallymark.catalog.definitions import StoredDefinitions
from tallymark.core.errors import NotFound, Refused, TallymarkError, misfit
from tallymark.core.registry import did_you_mean
from tallymark.insights.definition_check import flaws
from tallymark.insights.definitions import Definitions, decode_definitions, encode_definitions
from tallymark.insights.membership import Cohort

from .ask_routes import insights
from .bodies import MAX_QUESTION_BYTES, json_answer, read_body
from .services import Call, Route

_TRIES: Final = 5
_decode: Final = msgspec.json.Decoder(Cohort).decode


class Defined(Struct, frozen=True):
    """The version of the definitions that holds from now on."""

    version: int


async def put_cohort(call: Call) -> Response:
    """Define a cohort, or define it anew; whatever else the project defines stays as it is."""
    headers, name = call.headers, call.params["name"]
    cohort = _read(await read_body(call.request.receive, headers, limit=MAX_QUESTION_BYTES))

    def changed(old: Definitions) -> Definitions:
        return structs.replace(old, cohorts={**old.cohorts, name: cohort})

    return await _change(call, changed)


async def remove_cohort(call: Call) -> Response:
    """Remove a cohort; refused while a definition uses it."""
    name = call.params["name"]

    def changed(old: Definitions) -> Definitions:
        if name not in old.cohorts:
            hint = did_you_mean(name, old.cohorts)
            raise NotFound(f"There is no cohort {name[:80]!r}.", hint=hint)
        left = {key: one for key, one in old.cohorts.items() if key != name}
        return structs.replace(old, cohorts=left)

    return await _change(call, changed)


async def _change(call: Call, change: Callable[[Definitions], Definitions]) -> Response:
    kept, project = call.services.catalog.definitions, call.params["project"]
    now = call.services.clock.now()

    def push() -> StoredDefinitions:
        held = kept.newest(project)
        new = change(Definitions() if held is None else decode_definitions(held.content))
        if wrong := flaws(new, insights(), now):
            first = wrong[0]
            path = ".".join(filter(None, (first.kind, first.name, first.key)))
            raise Refused(f"{path}: {first.what}", code="DEFINITION_INVALID", hint=first.fix, path=path)  # fmt: skip
        version = 0 if held is None else held.version
        return kept.push(project, encode_definitions(new).decode(), now=now, expected=version)

    def insist() -> StoredDefinitions:
        # Somebody may push at the same time; one cohort among what they pushed takes nothing of it.
        for _ in range(_TRIES - 1):
            try:
                return push()
            except TallymarkError as error:
                if error.code != "DEFINITION_CHANGED":
                    raise
        return push()

    pushed = await asyncio.to_thread(insist)
    call.services.callers.forget(project=project)
    return json_answer(Defined(pushed.version))


def _read(body: bytes) -> Cohort:
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        text, path = misfit(error)
        raise Refused(text, code="DEFINITION_INVALID", path=path) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"The cohort is not valid JSON: {error}.", code="JSON_SYNTAX") from None


COHORT_ROUTES: tuple[Route, ...] = (
    Route(
        "PUT", "/tm/v1/projects/{project}/cohorts/{name}", "local", put_cohort,
        "Define a cohort, or define it anew.", body=Cohort, answer=Defined, role="analyst",
    ),
    Route(
        "DELETE", "/tm/v1/projects/{project}/cohorts/{name}", "local", remove_cohort,
        "Remove a cohort.", answer=Defined, role="analyst",
    ),
)  # fmt: skip
