"""Repair, replay and dismissal of failed events. Only for the owner of the data folder."""

from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from tallymark.collect.replay import MarkOrder, ReplayOrder, Where, checked
from tallymark.core.errors import Refused, misfit
from tallymark.schema.repair import checked_repairs

from .answers import Marked, ReplayReport
from .bodies import MAX_QUESTION_BYTES, header_map, read_body
from .services import Call, Route

T = TypeVar("T")


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


async def _body(call: Call, decoder: "msgspec.json.Decoder[T]") -> T:
    headers = header_map(call.request.scope["headers"])
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
        "POST", "/tm/v1/projects/{project}/failed/replay", "local", replay,
        "Try failed events again, with repairs.", body=Replayed, answer=ReplayReport, role="analyst",
    ),
    Route(
        "POST", "/tm/v1/projects/{project}/failed/mark", "local", dismiss,
        "Say that failed events need no attention.", body=Dismissed, answer=Marked, role="analyst",
    ),
)  # fmt: skip
