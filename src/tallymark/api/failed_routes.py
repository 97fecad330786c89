"""Failed events: listed and exported; repaired, replayed and dismissed by the owner of the folder."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta, Raw, Struct
from starlette.responses import Response, StreamingResponse

from tallymark.collect.replay import MarkOrder, ReplayOrder, Where, checked
from tallymark.core.errors import Refused, misfit
from tallymark.core.event import FailedStatus
from tallymark.core.registry import did_you_mean
from tallymark.schema.repair import checked_repairs

from .answers import Marked, ReplayReport
from .ask_routes import from_store, text, whole
from .bodies import MAX_QUESTION_BYTES, read_body
from .failed_answers import FailedEnvelope, FailedPage
from .services import Call, Route

T = TypeVar("T")
_NDJSON: Final = "application/x-ndjson"


_MEANT = {
    "code": "Only failures of this error code.",
    "event": "Only of this event name.",
    "source": "Only sent with this key, by its public part.",
    "protocol": "Only of this wire protocol.",
    "status": "Only of this status: open, fixed, replayed, ignored or expired.",
    "since": "Only received from this instant on, in microseconds since 1970.",
    "until": "Only received before this instant.",
    "seq": "Only the one at this place in the log.",
}
_PAGE = {
    **_MEANT,
    "cursor": "Where to go on; from the page before.",
    "limit": "Most entries on a page.",
}
_LINES = {
    **_MEANT,
    "after": "Only those after this place in the log; `seq` of the last line that is there already.",
    "limit": "Most lines; all if left out.",
}


class Replayed(Struct, frozen=True, forbid_unknown_fields=True):
    """Which failed events are tried again, with which repairs, and of how many before and after is told."""

    where: Where = Where()
    steps: list[dict[str, Any]] = []
    dry_run: bool = False
    examples: Annotated[int, Meta(ge=0, le=100)] = 5


class Dismissed(Struct, frozen=True, forbid_unknown_fields=True):
    """Which failed events need no attention any more, or need it again."""

    where: Where
    status: Literal["ignored", "open"] = "ignored"


class _Placed(Struct, frozen=True):
    seq: int


async def failed(call: Call) -> Response:
    """Return a page of what was refused."""
    limit = whole(call, "limit", least=1)
    return await from_store(
        call, "failed", where=_meant(call), cursor=text(call, "cursor"), limit=limit
    )


async def export(call: Call) -> Response:
    """Return what was refused as JSON lines, in the order of the log."""
    limit = whole(call, "limit", least=1)
    meant = _meant(call)
    after = whole(call, "after")
    # What can be refused is refused before the first line is sent.
    first = await _lines(call, meant, -1 if after is None else after)
    return StreamingResponse(_all_lines(call, meant, first, limit), media_type=_NDJSON)


async def replay(call: Call) -> Response:
    """Try failed events again, after repairs if any are given; those still open if nothing is named."""
    order = await _body(call, _REPLAYED)
    known = await call.services.callers.by_project(call.params["project"])
    where = checked(order.where)
    if where.status is None and where.seqs is None:
        where = msgspec.structs.replace(where, status="open")
    repairs = checked_repairs({"steps": order.steps}, "repairs") if order.steps else None
    given = ReplayOrder(known.caller, where, repairs, order.dry_run, order.examples)
    answer = await call.services.store.call("replay", {"order": given})
    return Response(answer, media_type="application/json")


async def dismiss(call: Call) -> Response:
    """Give failed events another status."""
    order = await _body(call, _DISMISSED)
    project = (await call.services.callers.by_project(call.params["project"])).project
    where = checked(order.where)
    if where.status is None:
        # What is open already needs no opening; what was repaired stays so.
        status: Literal["open", "ignored"] = "open" if order.status == "ignored" else "ignored"
        where = msgspec.structs.replace(where, status=status)
    answer = await call.services.store.call(
        "mark_failed", {"order": MarkOrder(project.id, where, order.status)}
    )
    return Response(answer, media_type="application/json")


def _meant(call: Call) -> dict[str, Any]:
    where: dict[str, Any] = {
        name: text(call, name) for name in ("code", "event", "source", "protocol", "status")
    }
    where |= {name: whole(call, name) for name in ("since", "until")}
    seq = whole(call, "seq")
    meant = {name: value for name, value in where.items() if value is not None}
    if seq is not None:
        meant["seqs"] = [seq]
    status = str(meant.get("status", "open"))
    known = get_args(FailedStatus)
    if status not in known:
        raise Refused(
            f"There is no status {status[:40]!r}.",
            path="status",
            hint=did_you_mean(status.lower(), known) or f"Known: {', '.join(known)}.",
        )
    checked(msgspec.convert(meant, Where))
    return meant


async def _lines(call: Call, meant: dict[str, Any], after: int) -> list[Raw]:
    asked: dict[str, object] = {"project": call.caller.project.id, "where": meant, "after": after}
    answer = await call.services.store.call("failed_lines", asked)
    return msgspec.json.decode(answer, type=list[Raw])


async def _all_lines(
    call: Call, meant: dict[str, Any], lines: list[Raw], limit: int | None
) -> AsyncIterator[bytes]:
    sent = 0
    while lines:
        if limit is not None:
            lines = lines[: limit - sent]
        yield b"".join(bytes(line) + b"\n" for line in lines)
        sent += len(lines)
        if sent == limit:
            return
        lines = await _lines(call, meant, msgspec.json.decode(lines[-1], type=_Placed).seq)


async def _body(call: Call, decoder: "msgspec.json.Decoder[T]") -> T:
    headers = call.headers
    body = await read_body(call.request.receive, headers, limit=MAX_QUESTION_BYTES)
    try:
        return decoder.decode(body or b"{}")
    except msgspec.ValidationError as error:
        text, path = misfit(error)
        raise Refused(text, code="BAD_FIELD", path=path) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"The body is not valid JSON: {error}.", code="JSON_SYNTAX") from None


# Numbers of repairs stay exact.
_REPLAYED: Final = msgspec.json.Decoder(Replayed, float_hook=Decimal)
_DISMISSED: Final = msgspec.json.Decoder(Dismissed)
FAILED_ROUTES: tuple[Route, ...] = (
    Route(
        "GET", "/tm/v1/failed", "read", failed, "List what was refused, and why.",
        answer=FailedPage, query=_PAGE,
    ),
    Route(
        "GET", "/tm/v1/failed/export", "read", export,
        "Export what was refused as JSON lines, oldest first.",
        answer=FailedEnvelope, query=_LINES, media_type=_NDJSON,
    ),
    Route(
        "POST", "/tm/v1/projects/{project}/failed/replay", "local", replay,
        "Try failed events again, with repairs.", body=Replayed, answer=ReplayReport, role="analyst",
    ),
    Route(
        "POST", "/tm/v1/projects/{project}/failed/mark", "local", dismiss,
        "Say that failed events need no attention.", body=Dismissed, answer=Marked, role="analyst",
    ),
)  # fmt: skip
