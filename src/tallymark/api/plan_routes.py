"""The tracking plan of a project. Only for the owner of the data folder."""

import asyncio
from typing import Any, Final

import msgspec
from msgspec import Struct
from starlette.responses import Response

from tallymark.catalog.plans import PlanVersion, StoredPlan
from tallymark.core.errors import NotFound, Refused, misfit
from tallymark.core.settings import MIB
from tallymark.schema.compare import Change, compare
from tallymark.schema.lint import lint, refusal
from tallymark.schema.plan import Plan, decode_plan, encode_plan

from .ask_routes import whole
from .bodies import json_answer, read_body
from .plan_answers import PlanTraffic
from .services import Call, Route

_LARGEST_PLAN: Final = 8 * MIB
_DAYS: Final = 7
_MOST_DAYS: Final = 366
_VERSION: Final = {"version": "Which version; the newest if left out."}
_PAIR: Final = {
    "before": "The version to compare; 0 for none.",
    "after": "The version to compare it with.",
}
_BACK: Final = {"days": "How far to look back; 7 if left out, 366 at most."}
_BREAKING: Final = {"breaking": "1 to push a plan although it breaks what was sent until now."}


class PushedPlan(Struct, frozen=True):
    """A plan that holds now, counted from 1, and what changed from the one before."""

    version: int
    changes: list[Change]


class PulledPlan(Struct, frozen=True):
    """A plan, and since when it holds."""

    version: int
    created_at: int
    plan: Any


class PlanVersions(Struct, frozen=True):
    """Every version there is, newest first."""

    versions: list[PlanVersion]


class PlanChanges(Struct, frozen=True):
    """What changed from one version to another; the version 0 has nothing."""

    before: int
    after: int
    changes: list[Change]


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
    """Return the plan that holds, or an earlier version."""
    version, project = whole(call, "version", least=1), call.params["project"]
    if version is None:
        held = await asyncio.to_thread(_held, call, project)
    else:
        held = await asyncio.to_thread(call.services.catalog.plan_at, project, version)
    if held is None:
        raise NotFound("The project has no tracking plan.", hint="Push one: tallymark plan push")
    pulled = PulledPlan(held.version, held.created_at, msgspec.Raw(held.content.encode()))
    return json_answer(pulled)


async def list_versions(call: Call) -> Response:
    """Return every version of the plan."""
    found = await asyncio.to_thread(call.services.catalog.plan_versions, call.params["project"])
    return json_answer(PlanVersions(found))


async def tell_changes(call: Call) -> Response:
    """Return what changed between two versions of the plan; from nothing if the first is 0."""
    before, after = whole(call, "before"), whole(call, "after", least=1)
    project = call.params["project"]
    if before is None or after is None:
        raise Refused("Two versions are compared.", path="before" if before is None else "after")

    def compared() -> PlanChanges:
        old, new = (
            Plan() if one == 0 else decode_plan(call.services.catalog.plan_at(project, one).content)
            for one in (before, after)
        )
        return PlanChanges(before, after, compare(old, new))

    return json_answer(await asyncio.to_thread(compared))


async def tell_traffic(call: Call) -> Response:
    """Return how what came in the last days differs from the plan that holds."""
    project, days = call.params["project"], whole(call, "days", least=1)
    held = await asyncio.to_thread(_held, call, project)
    asked: dict[str, object] = {"project": project, "days": min(days or _DAYS, _MOST_DAYS)}
    if held is not None:
        asked |= {"plan": held.content, "version": held.version}
    answer = await call.services.store.call("plan_traffic", asked)
    return Response(answer, media_type="application/json")


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
        answer=PulledPlan, role="viewer", query=_VERSION,
    ),
    Route(
        "GET", "/tm/v1/projects/{project}/plan/versions", "local", list_versions,
        "List the versions of the tracking plan.", answer=PlanVersions, role="viewer",
    ),
    Route(
        "GET", "/tm/v1/projects/{project}/plan/changes", "local", tell_changes,
        "Tell what changed between two versions of the tracking plan.", answer=PlanChanges,
        role="viewer", query=_PAIR,
    ),
    Route(
        "GET", "/tm/v1/projects/{project}/plan/traffic", "local", tell_traffic,
        "Tell how what came differs from the tracking plan.", answer=PlanTraffic, role="viewer",
        query=_BACK,
    ),
)  # fmt: skip
