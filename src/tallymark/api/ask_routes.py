"""Questions: what was counted, what became of it, and what is arriving now."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive

from tallymark.catalog.definitions import StoredDefinitions
from tallymark.core.errors import NotFound, Refused
from tallymark.core.ids import new_id
from tallymark.core.registry import discover, lookup
from tallymark.insights.insight import Answer, Insight

from .answers import (
    DescribedInsight,
    EventFate,
    Explained,
    Insights,
    LedgerPage,
    Quality,
    Questions,
    SqlRows,
    Status,
    Stopped,
)
from .bodies import MAX_PAIR_BYTES, MAX_QUESTION_BYTES, json_answer, read_body
from .problem import Disconnected
from .services import Call, Route

_ID_HEADER = "tallymark-question"
_RANGE = {
    "since": "First minute of receipt, as microseconds since 1970.",
    "until": "First minute of receipt that is left out.",
}


class _Told(Struct, frozen=True):
    definitions_version: Annotated[int, Meta(ge=0)] | None = None


class _Pair(Struct, frozen=True):
    before: _Told
    after: _Told


class Asked(Struct, frozen=True):
    """A question on its way to the store, and the definitions it is asked with."""

    insight: str
    question: bytes
    definitions: StoredDefinitions | None
    as_of: str | None = None
    id: str | None = None


AT = {
    "as_of": "An earlier moment: as_of of an answer's provenance, or a log position.",
    "definitions_at": "Version of the project's definitions to ask with; 0 for none of them.",
}


async def ask(call: Call) -> Response:
    """Forward a question to the store process and return its answer as it is."""
    insight = lookup(insights(), call.params["insight"], "insight")
    headers = call.headers
    question = await read_body(call.request.receive, headers, limit=MAX_QUESTION_BYTES)
    stored = await defined(call, whole(call, "definitions_at"))
    return await forward(call, insight.name, question or b"{}", stored)


async def forward(
    call: Call, insight: str, question: bytes, stored: StoredDefinitions | None
) -> Response:
    """Return the store's answer to a question that is asked with these definitions."""
    asked = Asked(insight, question, stored, as_of=text(call, "as_of"), id=_question_id(call))
    return Response(await answered(call, asked), media_type="application/json")


async def answered(call: Call, asked: Asked) -> bytes:
    """Return what the store answers for the project of the caller; it stops when nobody waits."""
    project = call.caller.project
    question_id = asked.id or new_id(call.services.clock.now())
    params: dict[str, object] = {
        "project": project.id,
        "insight": asked.insight,
        "question": asked.question,
        "timezone": project.timezone,
        "seconds": call.services.settings.question_seconds,
        "as_of": asked.as_of,
        "id": question_id,
    }
    if asked.definitions is not None:
        stored = asked.definitions
        params |= {"definitions": stored.content, "definitions_version": stored.version}
    try:
        return await _while_wanted(call, call.services.store.call("ask", params))
    except Disconnected:
        await _stop(call, question_id, is_expected=True)
        raise


async def explain(call: Call) -> Response:
    """Return what makes two answers differ, cause by cause."""
    headers = call.headers
    pair = await read_body(call.request.receive, headers, limit=MAX_PAIR_BYTES)
    definitions = [await defined(call, version) for version in _versions(pair)]
    return await from_store(
        call,
        "explain",
        pair=pair,
        timezone=call.caller.project.timezone,
        definitions=[None if one is None else one.content for one in definitions],
    )


async def ask_sql(call: Call) -> Response:
    """Forward a question in SQL, and return its rows."""
    headers = call.headers
    question = await read_body(call.request.receive, headers, limit=MAX_QUESTION_BYTES)
    return await from_store(call, "sql", question=question)


async def questions(call: Call) -> Response:
    """Return the questions that are being answered now, with how far each is."""
    return await from_store(call, "questions")


async def stop_question(call: Call) -> Response:
    """Stop a question."""
    answer = await _stop(call, call.params["id"])
    if not msgspec.json.decode(answer)["stopped"]:
        raise NotFound(
            "No such question is being answered.",
            hint="It may be over; GET /tm/v1/questions lists those that are not.",
        )
    return Response(answer, media_type="application/json")


async def defined(call: Call, version: int | None) -> StoredDefinitions | None:
    """Return what the caller's project defines: the newest, an earlier version, or nothing for 0."""
    if version is None:
        return call.caller.definitions
    if version == 0:
        return None
    kept = call.services.catalog.definitions
    return await asyncio.to_thread(kept.at, call.caller.project.id, version)


async def list_insights(_call: Call) -> Response:
    """Return every insight with the JSON schema of its question and an example."""
    listed = Insights([_described(insight) for insight in insights().values()])
    return json_answer(listed)


async def event(call: Call) -> Response:
    """Return what became of an event id."""
    return await from_store(call, "event", id=call.params["id"])


async def ledger(call: Call) -> Response:
    """Return how many items met which outcome."""
    return await from_store(call, "ledger", since=whole(call, "since"), until=whole(call, "until"))


async def quality(call: Call) -> Response:
    """Return how good what arrived in the last hours is, by source, and whether it is as planned."""
    plan = call.caller.caller.plan
    return await from_store(
        call,
        "quality",
        hours=whole(call, "hours", least=1),
        # As text, since a share such as 0.01 must stay what it is.
        monitors=None if plan is None else msgspec.to_builtins(plan.monitors),
    )


async def status(call: Call) -> Response:
    """Return how far the log and the store are."""
    return await from_store(call, "status")


async def live(call: Call) -> Response:
    """Return the stream of what is accepted and refused now."""
    given = call.request.headers.get("last-event-id") or call.request.query_params.get("last_id")
    last_seen = int(given) if given and given.isascii() and given.isdigit() else None
    stream = call.services.live.follow(call.caller.project.id, last_seen)
    return StreamingResponse(
        stream,
        media_type="text/event-stream",
        # Proxies that buffer would hold the stream back.
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


def insights() -> dict[str, Insight]:
    """Return every insight by name."""
    return dict(discover("tallymark.insights", Insight))


async def from_store(call: Call, method: str, **params: object) -> Response:
    """Return what the store answers for the caller's project; what is None is not asked."""
    given = {name: value for name, value in params.items() if value is not None}
    project = call.caller.project.id
    answer = await call.services.store.call(method, {"project": project, **given})
    return Response(answer, media_type="application/json")


def _versions(pair: bytes) -> tuple[int | None, int | None]:
    """Return the versions of definitions that two answers name; what else is wrong the store tells."""
    try:
        found = msgspec.json.decode(pair, type=_Pair)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None, None
    return found.before.definitions_version, found.after.definitions_version


def _question_id(call: Call) -> str:
    given = call.headers.get(_ID_HEADER)
    if given is None:
        return new_id(call.services.clock.now())
    if not (0 < len(given) <= 100 and given.isascii() and given.isprintable()):
        raise Refused("The id of a question is 1 to 100 printable characters.", path=_ID_HEADER)
    return given


async def _stop(call: Call, question_id: str, *, is_expected: bool = False) -> bytes:
    project = call.caller.project.id
    stopping: dict[str, object] = {
        "project": project, "id": question_id, "is_expected": is_expected,
    }  # fmt: skip
    return await call.services.store.call("stop_question", stopping)


async def _while_wanted(call: Call, work: Coroutine[None, None, bytes]) -> bytes:
    """Return what the work gives; stop it, raising Disconnected, when the client goes away."""
    answering = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_until_left(call.request.receive))
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            return answering.result()
        raise Disconnected
    finally:
        answering.cancel()
        leaving.cancel()


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _described(insight: Insight) -> DescribedInsight:
    return DescribedInsight(
        insight.name,
        insight.summary,
        insight.view,
        msgspec.json.schema(insight.question),
        msgspec.to_builtins(insight.example),
    )


def text(call: Call, name: str) -> str | None:
    """Return what the query says under a name."""
    return call.request.query_params.get(name)


def whole(call: Call, name: str, *, least: int = 0) -> int | None:
    """Return a whole number of the query; raises Refused if it is none, or too small."""
    given = call.request.query_params.get(name)
    if given is None:
        return None
    # Twenty digits are beyond any instant; longer ones only cost time to read.
    if not (given.isascii() and given.isdigit() and len(given) <= 18 and int(given) >= least):
        raise Refused(
            f"{name} must be a whole number of at least {least}.", code="BAD_FIELD", path=name
        )
    return int(given)


ASK_ROUTES: tuple[Route, ...] = (
    Route(
        "POST", "/tm/v1/ask/{insight}", "read", ask, "Ask a question.", answer=Answer,
        query=AT,
    ),
    Route(
        "POST", "/tm/v1/sql", "read", ask_sql,
        "Ask in SQL: one SELECT over the documented views, of a copy whose age is told.",
        answer=SqlRows, role="analyst",
    ),
    Route(
        "POST", "/tm/v1/explain", "read", explain,
        "Tell what makes two answers to a question differ, cause by cause.", answer=Explained,
    ),
    Route(
        "GET", "/tm/v1/questions", "read", questions, "List the questions being answered now.",
        answer=Questions,
    ),
    Route(
        "DELETE", "/tm/v1/questions/{id}", "read", stop_question, "Stop a question.",
        answer=Stopped, role="analyst",
    ),
    Route(
        "GET", "/tm/v1/insights", "read", list_insights, "List the questions there are.",
        answer=Insights,
    ),
    Route(
        "GET", "/tm/v1/event/{id}", "read", event, "Tell what became of an event id.",
        answer=EventFate,
    ),
    Route(
        "GET", "/tm/v1/ledger", "read", ledger, "Show the receipt ledger.",
        answer=LedgerPage, query=_RANGE,
    ),
    Route(
        "GET", "/tm/v1/quality", "read", quality, "Tell how good what arrives is, by source.",
        answer=Quality, query={"hours": "How far to look back; 24 if left out."},
    ),
    Route("GET", "/tm/v1/status", "read", status, "Tell how far loading is.", answer=Status),
    Route(
        "GET", "/tm/v1/live", "read", live, "Follow what is accepted and refused now.",
        query={"last_id": "Number of the last entry seen, where a header cannot be sent."},
        media_type="text/event-stream", answer=str,
    ),
)  # fmt: skip
