"""Finds who is signed in, by the cookie of a browser or a token, and what they may do.

A cookie is sent by the browser whoever made it ask, so whatever may change something also needs a
token that only pages of ours can read. What a program sends in a header no browser adds by itself.
"""

import asyncio
import base64
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qs

from msgspec import Struct
from starlette.responses import Response

from tallymark.catalog.users import IDLE_SECONDS, User
from tallymark.core.errors import NotAllowed, NotFound

from .auth import PROJECT_HEADER, Known
from .services import Route, Services

COOKIE = "tallymark_session"
CSRF_HEADER = "x-csrf-token"
_SAFE = frozenset({"GET", "HEAD"})
# Pages of other sites, by what the browser says of itself.
_FOREIGN = frozenset({"cross-site", "same-site"})


class SignedIn(Struct, frozen=True):
    """A user, and the text of the cookie that says so."""

    user: User
    text: str

    @property
    def csrf(self) -> str:
        """The token that pages of ours send along."""
        return csrf_of(self.text)


def csrf_of(text: str) -> str:
    """Return the token of a session; whoever has it cannot find the session by it."""
    made = hmac.digest(text.encode(), b"tallymark csrf", "sha256")
    return base64.urlsafe_b64encode(made[:24]).decode()


def cookie_text(headers: Mapping[str, str]) -> str | None:
    """Return what our cookie holds, if a browser sent one, whatever others of the host look like."""
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value or None
    return None


async def signed_in(services: Services, headers: Mapping[str, str]) -> SignedIn | None:
    """Return who is signed in, None if nobody is."""
    text = cookie_text(headers)
    if text is None:
        return None
    now = services.clock.now()
    user = await asyncio.to_thread(lambda: services.catalog.users.signed_in(text, now=now))
    return None if user is None else SignedIn(user, text)


async def user_by_token(services: Services, route: Route, text: str) -> User:
    """Return whose token it is, with the rights that it has; raises NotAllowed."""
    if not route.takes_token:
        raise NotAllowed(
            "A token cannot do this; its user can.", code="AUTH_WRONG_KIND", hint="Sign in with a browser."
        )  # fmt: skip
    now = services.clock.now()
    user = await asyncio.to_thread(lambda: services.catalog.tokens.user_of(text, now=now))
    if user is None:
        raise NotAllowed(
            "The token is unknown, ended or too old.",
            code="AUTH_INVALID",
            hint="Make another under Settings, Tokens.",
        )
    return user


def refuse_foreign(headers: Mapping[str, str]) -> None:
    """Raise NotAllowed CSRF_INVALID for a call that a page of another site made."""
    if headers.get("sec-fetch-site") in _FOREIGN:
        raise NotAllowed("A page of another site made this call.", code="CSRF_INVALID")


def check_csrf(signed: SignedIn, method: str, headers: Mapping[str, str]) -> None:
    """Raise NotAllowed CSRF_INVALID unless a call that may change something came from our page."""
    if method in _SAFE:
        return
    refuse_foreign(headers)
    if not hmac.compare_digest(signed.csrf.encode(), headers.get(CSRF_HEADER, "").encode()):
        raise NotAllowed(
            "The token that goes with the cookie is missing or wrong.", code="CSRF_INVALID"
        )


class Asked(Struct, frozen=True):
    """What a user asks for: the route, the parts of its address, its query and headers."""

    route: Route
    params: Mapping[str, str]
    query: bytes
    headers: Mapping[str, str]


async def known_of(services: Services, user: User, asked: Asked) -> Known | None:
    """Return the user acting for a project, if their role allows the route.

    None where a route is about no project. Raises NotAllowed ROLE_TOO_LOW, or PROJECT_UNKNOWN.
    """
    role = asked.route.least_role
    if role is None:
        raise NotAllowed(
            "This is answered only over the Unix socket of the data folder.",
            code="AUTH_WRONG_KIND",
            hint="Use the `tallymark` command on the server's machine.",
        )
    if asked.route.is_of_users:
        if role == "owner" and not user.is_owner:
            raise _too_low(role)
        return None
    project = await _project(services, user, asked)
    if not user.may(role, project):
        raise _too_low(role)
    return await services.callers.by_project(project)


def _too_low(role: str) -> NotAllowed:
    return NotAllowed(f"This takes the role {role}.", code="ROLE_TOO_LOW")


async def _project(services: Services, user: User, asked: Asked) -> str:
    if "project" in asked.params:
        return asked.params["project"]
    if "key" in asked.params:
        return (await asyncio.to_thread(services.catalog.key, asked.params["key"])).project
    if named := asked.headers.get(PROJECT_HEADER) or _of_query(asked.query):
        return named
    mine = list(user.projects)
    if user.is_owner:
        mine = [one.id for one in await asyncio.to_thread(services.catalog.projects)]
    if len(mine) == 1:
        return mine[0]
    raise NotFound(
        "There are several projects; name one." if mine else "You are in no project yet.",
        code="PROJECT_UNKNOWN",
        hint="Name it in the Tallymark-Project header." if mine else "Ask an owner to add you.",
    )


def _of_query(query: bytes) -> str | None:
    # What opens a stream of events in a browser cannot set headers.
    return parse_qs(query.decode("latin-1")).get("project", [None])[0] if query else None


def set_cookie(response: Response, text: str, *, secure: bool, path: str) -> None:
    """Let a browser keep that it is signed in; without a text it forgets."""
    response.set_cookie(
        COOKIE, text, max_age=IDLE_SECONDS if text else 0, path=path, secure=secure,
        httponly=True, samesite="lax",
    )  # fmt: skip
