"""What the routes need of the rest, and what a route is."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from msgspec import Struct, field
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from tallymark.catalog.catalog import Catalog
from tallymark.catalog.users import Role, User
from tallymark.collect.protocol import Protocol as WireProtocol
from tallymark.collect.protocol import Reply, Request
from tallymark.core.clock import Clock
from tallymark.core.errors import Refused
from tallymark.core.settings import Settings
from tallymark.core.telemetry import Logger, Metrics

from .attempts import Attempts
from .auth import Callers, Known
from .bodies import MAX_QUESTION_BYTES, decode_body, header_map, read_body
from .live import Live
from .turned_away import Doorkeeper

T = TypeVar("T")
# open: anybody; read: secret and read keys; local: over the socket of the data folder, no key;
# metrics: this machine, or as the settings say. Users who are signed in may as their role says.
Access: TypeAlias = Literal["open", "read", "local", "metrics"]


class StoreCalls(Protocol):
    """The store process, as the front sees it."""

    def call(self, method: str, params: dict[str, object]) -> Coroutine[None, None, bytes]:
        """Return the JSON answer of a method; raises TallymarkError. Cancelling it stops it."""


class Collects(Protocol):
    """Takes what was sent and answers once it is durable."""

    async def opened(
        self, protocol: WireProtocol, request: Request, *, is_shared: bool = False
    ) -> Request:
        """Return the request with its content; raises Refused."""

    async def refuse(
        self, protocol: WireProtocol, request: Request, caller: Any, why: Refused
    ) -> None:
        """Keep a request that could not be opened, with the reason."""

    async def accept(self, protocol: WireProtocol, request: Request, caller: Any) -> Reply:
        """Return the protocol's reply; raises TallymarkError when the whole request is refused."""


async def nothing_to_prepare(_project: str) -> None:
    """Do nothing for a project that was just created."""


class Services(Struct, frozen=True):
    """What one front process has; ``checks`` are what must work for it to be ready.

    ``prepare`` is called with the id of each project created here, before it is answered.
    """

    settings: Settings
    clock: Clock
    catalog: Catalog
    callers: Callers
    collector: Collects
    store: StoreCalls
    live: Live
    metrics: Metrics
    logger: Logger
    doorkeeper: Doorkeeper
    checks: Mapping[str, Callable[[], Awaitable[None]]] = {}
    prepare: Callable[[str], Awaitable[None]] = nothing_to_prepare
    attempts: Attempts = field(default_factory=Attempts)


class Call(Struct, frozen=True):
    """One request to a route, after its caller was found to be allowed."""

    services: Services
    request: HttpRequest
    params: Mapping[str, str]
    known: Known | None = None
    user: User | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers by lower-case name."""
        return header_map(self.request.scope["headers"])

    async def order(self, wanted: type[T], *, exact: bool = False) -> T:
        """Return the JSON body as the struct wanted; raises Refused that names the field.

        Exact keeps every digit of numbers where the struct says nothing of what they are.
        """
        body = await read_body(self.request.receive, self.headers, limit=MAX_QUESTION_BYTES)
        return decode_body(body, wanted, Decimal if exact else None)

    @property
    def caller(self) -> Known:
        """Who asks; only routes with access ``read`` have one."""
        if self.known is None:
            raise RuntimeError("the route has no caller")
        return self.known


class Route(Struct, frozen=True):
    """One address that is answered. ``body``, ``answer`` and ``query`` are for the reference.

    ``role`` is what a user who is signed in must at least be in the project; without
    one it is a viewer where a read key may ask, and nobody elsewhere.
    Routes that are ``is_of_users`` are about no project; those without ``takes_token`` are for users in
    person, so that a token that leaked cannot make others.
    ``status`` is that of success; ``also`` are others under which the same answer comes.
    """

    method: str
    path: str
    access: Access
    handle: Callable[[Call], Awaitable[Response]]
    summary: str
    body: Any = None
    answer: Any = None
    query: Mapping[str, str] = {}
    media_type: str = "application/json"
    status: int = 200
    also: tuple[int, ...] = ()
    role: Role | None = None
    is_of_users: bool = False
    takes_token: bool = True

    @property
    def least_role(self) -> Role | None:
        """What a user must at least be; None keeps users out."""
        return self.role or ("viewer" if self.access == "read" else None)
