"""How the server is: alive, ready, measured, described."""

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from starlette.responses import Response

from tallymark.core.errors import TallymarkError

from .answers import Alive, Readiness
from .bodies import json_answer
from .reference_page import reference_page
from .services import Call, Route
from .turned_away import AllTurnedAway


async def healthz(_call: Call) -> Response:
    """Answer as long as the process runs."""
    return json_answer(Alive())


async def readyz(call: Call) -> Response:
    """Return what works and what does not; 503 unless all does."""
    found: dict[str, str] = {}
    for name, check in call.services.checks.items():
        try:
            await check()
        except TallymarkError as error:
            found[name] = error.code
        else:
            found[name] = "ok"
    is_ready = all(said == "ok" for said in found.values())
    body = msgspec.json.encode(Readiness(is_ready, found))
    return Response(body, 200 if is_ready else 503, media_type="application/json")


async def metrics(call: Call) -> Response:
    """Return the counters of this process."""
    text = call.services.metrics.render()
    return Response(text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


async def turned_away(call: Call) -> Response:
    """Return how many requests with events were refused before anything of them could be kept."""
    body = msgspec.json.encode(call.services.doorkeeper.told())
    return Response(body, media_type="application/json")


def described(describe: Callable[[], dict[str, Any]]) -> tuple[Route, ...]:
    """Return the routes that serve the OpenAPI document and the page made from it.

    The document is made when somebody first asks for it, since it describes these routes too.
    """

    @cache
    def made() -> tuple[bytes, bytes, str]:
        document = describe()
        return (msgspec.json.encode(document), *reference_page(document))

    async def openapi(_call: Call) -> Response:
        return Response(made()[0], media_type="application/json")

    async def docs(_call: Call) -> Response:
        _, page, policy = made()
        return Response(page, media_type="text/html", headers={"Content-Security-Policy": policy})

    return (
        Route(
            "GET", "/tm/v1/openapi.json", "open", openapi, "This description, as OpenAPI 3.1.",
            answer=dict[str, Any],
        ),
        Route(
            "GET", "/tm/v1/docs", "open", docs, "This description, to read.",
            media_type="text/html", answer=str,
        ),
    )  # fmt: skip


SERVICE_ROUTES: tuple[Route, ...] = (
    Route("GET", "/healthz", "open", healthz, "Tell that the process runs.", answer=Alive),
    Route(
        "GET", "/readyz", "open", readyz, "Tell whether events can be taken and asked about.",
        answer=Readiness, also=(503,),
    ),
    Route(
        "GET", "/metrics", "metrics", metrics, "Show the counters, for Prometheus.",
        media_type="text/plain", answer=str,
    ),
    Route(
        "GET", "/tm/v1/turned-away", "metrics", turned_away,
        "Tell which requests with events no project knows of, such as those with a wrong key.",
        answer=AllTurnedAway, role="analyst",
    ),
)  # fmt: skip
