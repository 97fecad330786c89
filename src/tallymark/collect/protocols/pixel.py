"""A picture of one pixel: ``GET /tm/v1/pixel.gif`` counts a page view where no script runs.

For mail, for readers without JavaScript, for pages of others. ``key`` is a public key. What the
query does not say is taken from the request: the page from ``Referer``. What it counts is flagged
``no_js``, since no script told of time or scrolling there. Nothing tells one view from
another but an ``id``, so a picture without one is counted each time it is asked for.
"""

import base64
from typing import Any, Final

from tallymark.collect.loose import Loose, form_fields
from tallymark.collect.protocol import Caller, Decoded, Protocol, Reply, Request
from tallymark.core.errors import TallymarkError
from tallymark.core.event import Context, Event
from tallymark.core.settings import Settings

from ._foreign import Told, agreed, event, take
from ._values import text

_GIF: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_NAMED: Final = frozenset({"key", "name", "id", "url", "referrer", "user_id", "anonymous_id"})


def read(request: Request, _settings: Settings) -> Loose:
    """Return the parameters of the query; a picture has no body."""
    return Loose(None, form_fields(request.query))


def credential(request: Request) -> str | None:
    """Return the public key in the query."""
    return request.content.fields.get("key") if request.content else None


def decode(request: Request, caller: Caller, settings: Settings) -> Decoded:
    """Return the page view, or the event that ``name`` names."""
    fields = dict(request.content.fields)
    terms = agreed(settings, received_at=request.received_at, public=caller.kind == "public")
    name = text(fields.get("name"))
    page = text(fields.get("url")) or text(request.headers.get("referer"))

    def view(given: dict[str, str]) -> list[Event]:
        told = Told(
            name=name or "page_view",
            kind="track" if name else "page",
            namespace="pixel",
            id=text(given.get("id")),
            user_id=text(given.get("user_id")),
            anonymous_id=text(given.get("anonymous_id")),
            properties={key: value for key, value in given.items() if key not in _NAMED},
            context=Context(page_url=page, referrer=text(given.get("referrer"))),
            flags=("no_js",),
        )
        return [event(told, terms)]

    return take([fields], view, settings, Decoded(0, server_side=False))


def picture(status: int = 200) -> Reply:
    """Return a picture of one pixel, which is not to be kept by anybody on the way."""
    return Reply(status, _GIF, "image/gif", (("Cache-Control", "no-store, private"),))


def reply(_decoded: Decoded, _request: Request) -> Reply:
    """Return the picture."""
    return picture()


def refuse(error: TallymarkError, _request: Request) -> Reply:
    """Return the picture with the status that says why it counted nothing: no page shall break."""
    return picture(error.status)


def own_id(given: dict[str, Any]) -> tuple[str, str | None]:
    """Return the namespace and the id of a view, None if its page named none."""
    return "pixel", text(given.get("id"))


pixel = Protocol(
    name="pixel",
    routes=(("GET", "/tm/v1/pixel.gif"),),
    decode=decode,
    reply=reply,
    summary="A picture of one pixel, for where no script runs.",
    open=read,
    credential=credential,
    refuse=refuse,
    own_id=own_id,
)
