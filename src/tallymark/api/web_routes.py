"""The pages: the shell at every address that a person may open, and the files it is made of."""

import secrets
from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Scope

from tallymark import __version__
from tallymark.core.errors import NotFound
from tallymark.web.assets import Asset, asset, icon
from tallymark.web.shell import Boot, shell

from .bodies import header_map
from .peers import Peers
from .services import Call, Route

# What a build names after its content may be kept for ever.
_FOR_EVER = "public, max-age=31536000, immutable"
_A_DAY = "public, max-age=86400"


async def page(call: Call) -> Response:
    """Return the page that starts the application, whichever of its addresses was opened."""
    sent = shell(Boot(base_of(call), __version__), secrets.token_urlsafe(16))
    return Response(sent.body, media_type="text/html", headers=sent.headers)


async def file(call: Call) -> Response:
    """Return a file of the application."""
    found = asset(call.params["file"])
    if found is None:
        raise NotFound(
            "There is no such file of the application.",
            hint="After an upgrade, load the page again.",
        )
    return _sent(call, found, _FOR_EVER)


async def sign(call: Call) -> Response:
    """Return the icon."""
    return _sent(call, icon(), _A_DAY)


def is_page(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Whether somebody opens an address of the application in a browser.

    An address of the API or of a file never is one: an old tab that asks for a script of the version
    before must not get HTML.
    """
    path: str = scope["path"]
    return (
        scope["method"] in ("GET", "HEAD")
        and "text/html" in headers.get("accept", "")
        and not path.startswith(("/tm/", "/assets/", "/.well-known/"))
        and "." not in path.rpartition("/")[2]
    )


def base_of(call: Call) -> str:
    """Return the path below which the client finds us, without a slash at its end."""
    scope, settings = call.request.scope, call.services.settings
    found = Peers(settings.trusted_proxies).prefix(scope, header_map(scope["headers"]))
    return found or settings.root_path


def _sent(call: Call, found: Asset, kept: str) -> Response:
    headers = {"Cache-Control": kept, "Vary": "Accept-Encoding"}
    accepted = call.request.headers.get("accept-encoding", "")
    if found.zipped is not None and "gzip" in accepted:
        headers["Content-Encoding"] = "gzip"
        return Response(found.zipped, media_type=found.media_type, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)


PAGE_ROUTE = Route(
    "GET", "/", "open", page, "Open the dashboard.", media_type="text/html", answer=str
)
WEB_ROUTES: tuple[Route, ...] = (
    PAGE_ROUTE,
    Route(
        "GET", "/assets/{file}", "open", file, "Get a file of the dashboard.",
        media_type="text/javascript", answer=str,
    ),
    Route(
        "GET", "/icon.svg", "open", sign, "Get the icon of the dashboard.",
        media_type="image/svg+xml", answer=str,
    ),
)  # fmt: skip
