"""Signing in, and who may: for people with a browser. Programs use keys."""

import asyncio
from typing import Annotated, TypeVar

from msgspec import Meta, Struct
from starlette.responses import Response

from tallymark.catalog.users import Members, Role, User, Users
from tallymark.core.errors import NotAllowed, TallymarkError

from .attempts import MOST_FROM_ONE_PLACE
from .bodies import json_answer
from .peers import Peers
from .services import Call, Route
from .sign_in import cookie_text, csrf_of, refuse_foreign, set_cookie, signed_in
from .web_routes import base_of

T = TypeVar("T")
_Email = Annotated[str, Meta(min_length=3, max_length=254)]
_Password = Annotated[str, Meta(max_length=1024)]
_Name = Annotated[str, Meta(max_length=200)]


class Credentials(Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody signs in with."""

    email: _Email
    password: _Password


class FirstOwner(Struct, frozen=True, forbid_unknown_fields=True):
    """Who takes the server over, with the token it printed when it started."""

    token: Annotated[str, Meta(max_length=200)]
    email: _Email
    password: _Password
    name: _Name = ""


class NewPassword(Struct, frozen=True, forbid_unknown_fields=True):
    """The password of somebody who was invited, with the token of the link."""

    token: Annotated[str, Meta(max_length=200)]
    password: _Password


class Entrance(Struct, frozen=True, forbid_unknown_fields=True):
    """The token of a link that signs its user in."""

    token: Annotated[str, Meta(max_length=200)]


class OwnerLink(Struct, frozen=True):
    """The token of the link with which somebody takes a new server over, shown this once."""

    token: str


class NewUser(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody to let in: their roles by project, or all of it as an owner."""

    email: _Email
    name: _Name = ""
    is_owner: bool = False
    projects: Members = {}


class ChangedUser(Struct, frozen=True, forbid_unknown_fields=True):
    """What a user may do from now on; who is disabled is signed out at once."""

    is_owner: bool
    projects: Members
    is_disabled: bool = False


class MyProject(Struct, frozen=True):
    """A project somebody may see, and as what."""

    id: str
    name: str
    timezone: str
    role: Role


class Session(Struct, frozen=True):
    """Who is signed in, if anybody; ``csrf`` goes into X-CSRF-Token of calls that change something."""

    user: User | None = None
    projects: list[MyProject] = []
    csrf: str | None = None
    needs_owner: bool = False


class Invited(Struct, frozen=True):
    """A user, and the token of a link with which to set their password once, shown this once."""

    user: User
    token: str


class AllUsers(Struct, frozen=True):
    """Everybody who may sign in, by address."""

    users: list[User]


async def session(call: Call) -> Response:
    """Return who is signed in, and whether the server still waits for its first owner."""
    signed = await signed_in(call.services, call.headers)
    if signed is None:
        is_new = await asyncio.to_thread(_users(call).is_empty)
        return json_answer(Session(needs_owner=is_new))
    return json_answer(await _told(call, signed.user, signed.text))


async def sign_in(call: Call) -> Response:
    """Sign somebody in by address and password; a browser keeps it in a cookie."""
    given = await _order(call, Credentials)
    now, attempts = call.services.clock.now(), call.services.attempts
    email = f"user {given.email.strip().lower()}"
    place = f"from {_peers(call).of(call.request.scope, call.headers)}"
    attempts.take(place, now, most=MOST_FROM_ONE_PLACE)
    attempts.take(email, now)
    user = await asyncio.to_thread(_users(call).by_password, given.email, given.password)
    if user is None:
        raise NotAllowed("The address and the password do not belong together.", code="SIGN_IN_FAILED")  # fmt: skip
    attempts.forget(email)
    attempts.give_back(place)
    return await _begun(call, user)


async def sign_out(call: Call) -> Response:
    """End the session of this browser."""
    refuse_foreign(call.headers)
    text = cookie_text(call.headers)
    if text is not None:
        await asyncio.to_thread(_users(call).sign_out, text)
    response = json_answer(Session())
    _keep(call, response, "")
    return response


async def set_up(call: Call) -> Response:
    """Make the first owner, with the token that the server printed when it started."""
    given = await _order(call, FirstOwner)
    now = call.services.clock.now()
    user = await asyncio.to_thread(
        lambda: _users(call).begin(given.token, given.email, given.name, given.password, now=now)
    )
    return await _begun(call, user)


async def set_password(call: Call) -> Response:
    """Set the password of somebody who was invited, and sign them in."""
    given = await _order(call, NewPassword)
    now = call.services.clock.now()
    user = await asyncio.to_thread(
        lambda: _users(call).accept(given.token, given.password, now=now)
    )
    return await _begun(call, user)


async def enter(call: Call) -> Response:
    """Sign in whoever has the token of a link, without a password, this once."""
    given = await _order(call, Entrance)
    now = call.services.clock.now()
    return await _begun(call, await asyncio.to_thread(lambda: _users(call).enter(given.token, now=now)))  # fmt: skip


async def owner_link(call: Call) -> Response:
    """Return a token with which somebody becomes the first owner; an older one ends."""
    now = call.services.clock.now()

    def made() -> OwnerLink:
        if not _users(call).is_empty():
            raise TallymarkError("There are users already.", code="USER_EXISTS")
        return OwnerLink(_users(call).invite(None, now=now))

    return json_answer(await asyncio.to_thread(made), status=201)


async def list_users(call: Call) -> Response:
    """Return everybody who may sign in."""
    return json_answer(AllUsers(await asyncio.to_thread(_users(call).all)))


async def invite(call: Call) -> Response:
    """Add a user and return the token of their link, shown this once."""
    given = await _order(call, NewUser)
    now = call.services.clock.now()

    def add() -> Invited:
        user = _users(call).add(
            given.email, given.name, now=now, is_owner=given.is_owner, members=given.projects
        )
        return Invited(user, _users(call).invite(user.id, now=now))

    return json_answer(await asyncio.to_thread(add), status=201)


async def change_user(call: Call) -> Response:
    """Replace what a user may do."""
    given = await _order(call, ChangedUser)
    disabled_at = call.services.clock.now() if given.is_disabled else None
    user = await asyncio.to_thread(
        lambda: _users(call).change(
            call.params["user"],
            is_owner=given.is_owner,
            members=given.projects,
            disabled_at=disabled_at,
        )
    )
    return json_answer(user)


async def invite_again(call: Call) -> Response:
    """Return a new token with which a user sets their password; older ones end."""
    now, user_id = call.services.clock.now(), call.params["user"]

    def made() -> Invited:
        text = _users(call).invite(user_id, now=now)
        return Invited(next(one for one in _users(call).all() if one.id == user_id), text)

    return json_answer(await asyncio.to_thread(made), status=201)


async def _begun(call: Call, user: User) -> Response:
    now = call.services.clock.now()
    text = await asyncio.to_thread(lambda: _users(call).sign_in(user.id, now=now))
    response = json_answer(await _told(call, user, text), status=201)
    _keep(call, response, text)
    return response


async def _told(call: Call, user: User, text: str) -> Session:
    there = await asyncio.to_thread(call.services.catalog.projects)
    projects = [
        MyProject(one.id, one.name, one.timezone, "owner" if user.is_owner else user.projects[one.id])
        for one in there
        if user.is_owner or one.id in user.projects
    ]  # fmt: skip
    return Session(user, projects, csrf_of(text))


def _keep(call: Call, response: Response, text: str) -> None:
    secure = _peers(call).is_secure(call.request.scope, call.headers)
    set_cookie(response, text, secure=secure, path=f"{base_of(call)}/")


async def _order(call: Call, wanted: type[T]) -> T:
    # Some of these come without a session, so no token tells pages of ours from others.
    refuse_foreign(call.headers)
    return await call.order(wanted)


def _peers(call: Call) -> Peers:
    return Peers(call.services.settings.trusted_proxies)


def _users(call: Call) -> Users:
    return call.services.catalog.users


ACCOUNT_ROUTES: tuple[Route, ...] = (
    Route("GET", "/tm/v1/session", "open", session, "Tell who is signed in.", answer=Session),
    Route(
        "POST", "/tm/v1/session", "open", sign_in, "Sign in; the answer sets a cookie.",
        body=Credentials, answer=Session, status=201,
    ),
    Route("DELETE", "/tm/v1/session", "open", sign_out, "Sign out.", answer=Session),
    Route(
        "POST", "/tm/v1/setup", "open", set_up, "Make the first owner.",
        body=FirstOwner, answer=Session, status=201,
    ),
    Route(
        "POST", "/tm/v1/password", "open", set_password, "Set the password of an invited user.",
        body=NewPassword, answer=Session, status=201,
    ),
    Route(
        "POST", "/tm/v1/entrance", "open", enter, "Sign in with the token of a link, once.",
        body=Entrance, answer=Session, status=201,
    ),
    Route(
        "POST", "/tm/v1/setup/link", "local", owner_link,
        "Make the link with which somebody takes a new server over.", answer=OwnerLink, status=201,
    ),
    Route(
        "GET", "/tm/v1/users", "local", list_users, "List the users.",
        answer=AllUsers, role="owner", is_of_users=True,
    ),
    Route(
        "POST", "/tm/v1/users", "local", invite, "Add a user; returns the token of their link.",
        body=NewUser, answer=Invited, status=201, role="owner", is_of_users=True,
    ),
    Route(
        "PUT", "/tm/v1/users/{user}", "local", change_user, "Replace what a user may do.",
        body=ChangedUser, answer=User, role="owner", is_of_users=True,
    ),
    Route(
        "POST", "/tm/v1/users/{user}/invitation", "local", invite_again,
        "Make a new link for a user.", answer=Invited, status=201, role="owner", is_of_users=True,
    ),
)  # fmt: skip
