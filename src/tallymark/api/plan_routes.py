"""The tracking plan of a project. Only for the owner of the data folder."""

import asyncio
from typing import Any, Final

import msgspec
from msgspec import Struct
from starlette.responses import Response

from tallymark.catalog.plans import StoredPlan
from tallymark.core.errors import NotFound, Refused, misfit
from tallymark.core.settings import MIB
from tallymark.schema.compare import Change, compare
from tallymark.schema.lint import lint, refusal
from tallymark.schema.plan import Plan, decode_plan, encode_plan

from .bodies import json_answer, read_body
from .services import Call, Route

_LARGEST_PLAN: Final = 8 * MIB
_BREAKING: Final = {"breaking": "1 to push a plan although it breaks what was sent until now."}


class PushedPlan(Struct, frozen=True):
    """A plan that holds now, counted from 1, and what changed from the one before."""

    version: int
    changes: list[Change]


class PulledPlan(Struct, frozen=True):
    """The plan that holds, and since when."""

    version: int
    created_at: int
    plan: Any


async def push_plan(call: Call) -> Response:
    """Make a plan the one that holds; refused if it has a problem, or breaks without a new MODEL."""
    headers = call.headers
    body = await read_body(call.request.receive, headers, limit=_LARGEST_PLAN)
    project, now = call.params["project"], call.services.clock.now()
    may_break = call.request.query_params.get("breaking") == "1"

    def push() -> PushedPlan:
        plan = _read(body)
        before = _held(call, project)
        changes = compare(Plan() if before is None else decode_plan(before.content), plan)
        broken = [one for one in changes if one.is_breaking]
        if broken and not may_break:
            raise Refused(
                f"{broken[0].event} {broken[0].version}: {broken[0].key}: {broken[0].what}",
                code="PLAN_BREAKS",
                path=broken[0].key,
            )
        content = encode_plan(plan).decode()
        return PushedPlan(
            call.services.catalog.push_plan(project, content, now=now).version, changes
        )

    pushed = await asyncio.to_thread(push)
    call.services.callers.forget(project=project)
    return json_answer(pushed)


async def pull_plan(call: Call) -> Response:
    """Return the plan that holds."""
    held = await asyncio.to_thread(_held, call, call.params["project"])
    if held is None:
        raise NotFound("The project has no tracking plan.", hint="Push one: tallymark plan push")
    pulled = PulledPlan(held.version, held.created_at, msgspec.Raw(held.content.encode()))
    return json_answer(pulled)


def _held(call: Call, project: str) -> StoredPlan | None:
    catalog = call.services.catalog
    catalog.project(project)
    return catalog.plan(project)


def _read(body: bytes) -> Plan:
    try:
        plan = decode_plan(body)
    except msgspec.ValidationError as error:
        text, path = misfit(error)
        raise Refused(text, code="PLAN_INVALID", path=path) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"The plan is not valid JSON: {error}.", code="JSON_SYNTAX") from None
    problems = lint({f"events[{place}]": one for place, one in enumerate(plan.events)})
    if problems:
        raise refusal(problems)
    return plan


PLAN_ROUTES: tuple[Route, ...] = (
    Route(
        "PUT", "/tm/v1/projects/{project}/plan", "local", push_plan,
        "Make a tracking plan the one that holds.", body=Plan, answer=PushedPlan, query=_BREAKING, role="admin",
    ),
    Route(
        "GET", "/tm/v1/projects/{project}/plan", "local", pull_plan, "Show the tracking plan.",
        answer=PulledPlan, role="viewer",
    ),
)  # fmt: skip
