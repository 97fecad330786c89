"""The browser script: its present files for an hour, those of a version for ever.

Any page may read them, also with a hash that its browser checks, so they are open to every origin.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from starlette.responses import Response

from tallymark.core.errors import NotFound
from tallymark.web.tracker_files import (
    FOLDER,
    NAMES,
    ScriptFile,
    ScriptManifest,
    manifest_in,
    scripts,
)

from .bodies import json_answer
from .services import Call, Route

_HOUR: Final = "public, max-age=3600"
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_TYPE: Final = "text/javascript"


def _present(name: str) -> Callable[[Call], Coroutine[Any, Any, Response]]:
    async def present(call: Call) -> Response:
        return _sent(call, scripts().find(name), _HOUR)

    return present


async def of_version(call: Call) -> Response:
    """Return a file of one version."""
    found = scripts().find(call.params["script"], call.params["version"])
    return _sent(call, found, _FOR_EVER)


async def described(_call: Call) -> Response:
    """Return the version of the present files, and the hash of each for ``integrity``."""
    return json_answer(manifest_in(FOLDER))


def _sent(call: Call, found: ScriptFile | None, caching: str) -> Response:
    if found is None:
        raise NotFound("There is no such version of the browser script.")
    headers = call.request.headers
    is_packed = "gzip" in headers.get("accept-encoding", "").lower()
    # Two forms of one file are told apart by their tags as well.
    etag = f'"{found.etag}{"-gz" if is_packed else ""}"'
    shared = {
        "Cache-Control": caching,
        "ETag": etag,
        "Vary": "Accept-Encoding",
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if _is_known(headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=shared)
    if is_packed:
        return Response(
            found.packed, headers={**shared, "Content-Encoding": "gzip"}, media_type=_TYPE
        )
    return Response(found.content, headers=shared, media_type=_TYPE)


def _is_known(asked: str, etag: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in asked.split(",")}
    return etag in tags or "*" in tags


TRACKER_ROUTES: tuple[Route, ...] = (
    *(
        Route(
            "GET", f"/{name}", "open", _present(name), f"The browser script, {what}.",
            media_type=_TYPE, answer=str,
        )
        for name, what in zip(
            NAMES,
            ("its core", "with what people do on a page", "with that and the web vitals"),
            strict=True,
        )
    ),
    Route(
        "GET", "/t/{version}/{script}", "open", of_version,
        "A file of one version of the browser script, which never changes.",
        media_type=_TYPE, answer=str,
    ),
    Route(
        "GET", "/tm/v1/browser-script", "open", described,
        "Tell the version of the browser script, and the hash of each file for `integrity`.",
        answer=ScriptManifest,
    ),
)  # fmt: skip
