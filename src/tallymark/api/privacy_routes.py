"""What a person may ask of the server that counts them: to be left out, and what they agreed to."""

from collections.abc import Callable
from typing import Final

import msgspec
from starlette.responses import Response

from tallymark.privacy.consent import OPT_OUT_COOKIE

from .answers import Honoured, OptedOut
from .ask_routes import from_store
from .bodies import json_answer
from .consent_answers import ConsentProof
from .cors import cors_headers
from .people_routes import AT, instant_of, kind_of
from .services import Call, Route

_YEARS: Final = 10
# The date of the rules in privacy/consent.py that the statement is about.
_GPC: Final = Honoured(gpc=True, last_update="2026-11-25")


async def gpc(_call: Call) -> Response:
    """Say that Global Privacy Control is honoured (W3C, section 4)."""
    return json_answer(_GPC)


def _cookie(value: str, seconds: int) -> Callable[[Call], str]:
    def made(call: Call) -> str:
        headers = call.headers
        is_secure = (
            call.request.url.scheme == "https" or headers.get("x-forwarded-proto") == "https"
        )
        # Pages of other sites send the events, and the cookie has to come along with them.
        site = "None; Secure" if is_secure else "Lax"
        return f"{OPT_OUT_COOKIE}={value}; Max-Age={seconds}; Path=/; HttpOnly; SameSite={site}"

    return made


_OUT = _cookie("1", _YEARS * 365 * 86_400)
_IN = _cookie("", 0)


async def opt_out(call: Call) -> Response:
    """Leave this browser out from now on: a cookie that says so, the same for everybody."""
    return _answer(call, OptedOut(opted_out=True), _OUT(call))


async def opt_in(call: Call) -> Response:
    """Take this browser in again."""
    return _answer(call, OptedOut(opted_out=False), _IN(call))


async def opted_out(call: Call) -> Response:
    """Tell whether this browser is left out."""
    return _answer(call, OptedOut(opted_out=call.request.cookies.get(OPT_OUT_COOKIE) == "1"))


async def consent(call: Call) -> Response:
    """Return what the person an id belongs to agreed to, and what of it holds."""
    return await from_store(
        call, "consent", kind=kind_of(call), id=call.params["id"], at=instant_of(call)
    )


def _answer(call: Call, said: OptedOut, cookie: str | None = None) -> Response:
    response = Response(msgspec.json.encode(said), media_type="application/json")
    # A page that lets its visitors choose is of another origin.
    for name, value in cors_headers(call.headers):
        response.headers[name] = value
    if cookie is not None:
        response.headers["Set-Cookie"] = cookie
    return response


PRIVACY_ROUTES: tuple[Route, ...] = (
    Route("GET", "/.well-known/gpc.json", "open", gpc, "Tell that Global Privacy Control is honoured.", answer=Honoured),
    Route("GET", "/tm/v1/opt-out", "open", opted_out, "Tell whether this browser is left out.", answer=OptedOut),
    Route("POST", "/tm/v1/opt-out", "open", opt_out, "Leave this browser out; stores nothing here.", answer=OptedOut),
    Route(
        "GET", "/tm/v1/people/{kind}/{id}/consent", "read", consent,
        "Prove what the person an id belongs to agreed to.", answer=ConsentProof, query=AT,
    ),
    Route("POST", "/tm/v1/opt-in", "open", opt_in, "Take this browser in again.", answer=OptedOut),
)  # fmt: skip
