"""Tokens of users: made on a page, shown once, ended at any time; programs send them as Bearer."""

import asyncio
from typing import Annotated

from msgspec import Meta, Struct
from starlette.responses import Response

from tallymark.catalog.tokens import LONGEST_DAYS, Token
from tallymark.catalog.users import Role, User
from tallymark.core.errors import NotAllowed

from .bodies import json_answer
from .services import Call, Route

_EVERYBODY = {"everybody": "1 for the tokens of all users, which only owners may see."}


class NewToken(Struct, frozen=True, forbid_unknown_fields=True):
    """A token to make: the most it may be anywhere, and for how many days."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    role: Role = "viewer"
    days: Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": LONGEST_DAYS})] = 90


class IssuedToken(Struct, frozen=True):
    """A token just made; ``secret`` is its whole text, shown this once."""

    token: Token
    secret: str


class AllTokens(Struct, frozen=True):
    """Tokens, newest first, also those that work no more."""

    tokens: list[Token]


async def list_tokens(call: Call) -> Response:
    """Return the tokens of whoever asks, or of everybody."""
    user = _user(call)
    everybody = call.request.query_params.get("everybody") == "1"
    if everybody and not user.is_owner:
        raise NotAllowed("This takes the role owner.", code="ROLE_TOO_LOW")
    whose = None if everybody else user.id
    return json_answer(AllTokens(await asyncio.to_thread(call.services.catalog.tokens.all, whose)))


async def create_token(call: Call) -> Response:
    """Make a token and show its text this once."""
    user, order = _user(call), await call.order(NewToken)
    now = call.services.clock.now()
    issued = await asyncio.to_thread(
        lambda: call.services.catalog.tokens.create(
            user, order.name, order.role, days=order.days, now=now
        )
    )
    return json_answer(IssuedToken(*issued), status=201)


async def revoke_token(call: Call) -> Response:
    """End a token at once: one's own, or as an owner anybody's."""
    user, now = _user(call), call.services.clock.now()
    whose = None if user.is_owner else user.id
    token = await asyncio.to_thread(
        lambda: call.services.catalog.tokens.revoke(call.params["token"], now=now, user_id=whose)
    )
    return json_answer(token)


def _user(call: Call) -> User:
    if call.user is None:
        raise NotAllowed(
            "Tokens belong to users; the owner of the data folder needs none.",
            code="AUTH_WRONG_KIND",
            hint="Sign in with a browser.",
        )
    return call.user


TOKEN_ROUTES: tuple[Route, ...] = (
    Route(
        "GET", "/tm/v1/tokens", "local", list_tokens, "List your tokens.", answer=AllTokens,
        query=_EVERYBODY, role="viewer", is_of_users=True, takes_token=False,
    ),
    Route(
        "POST", "/tm/v1/tokens", "local", create_token,
        "Make a token, with which a program may do what you may.", body=NewToken,
        answer=IssuedToken, status=201, role="viewer", is_of_users=True, takes_token=False,
    ),
    Route(
        "POST", "/tm/v1/tokens/{token}/revoke", "local", revoke_token, "End a token.",
        answer=Token, role="viewer", is_of_users=True, takes_token=False,
    ),
)  # fmt: skip
