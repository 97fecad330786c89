"""What a wire protocol is: routes, a pure decoder and a pure reply.

A protocol of our own finds its key in the headers. One that SDKs of other tools speak may carry it
anywhere, so its body is opened before anybody knows whose it is: ``open`` gives its content,
``credential`` finds the key in it, and where several protocols share an address ``claims`` says
whose request it is.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from tallymark.core.consents import Statement
from tallymark.core.errors import TallymarkError
from tallymark.core.event import Command, Event, Failed
from tallymark.core.policy import Policy
from tallymark.core.settings import Settings
from tallymark.privacy.consent import Signals
from tallymark.schema.enforce import Compiled

KeyKind: TypeAlias = Literal["public", "secret", "read", "local"]


class Caller(Struct, frozen=True):
    """Who sends: the project, the kind of key and its public part (never the secret).

    ``plan`` is the project's tracking plan, if it has one.
    """

    project: str
    kind: KeyKind
    source: str
    policy: Policy = Policy()
    plan: Compiled | None = None


class Request(Struct, frozen=True):
    """One collection request after its bytes have been read and inflated.

    ``headers`` has lower-case names; ``peer`` is the client address after trusted proxies.
    ``params`` are the named segments of the path. ``content`` is what the protocol's ``open`` made
    of the body, None before that.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    peer: str | None
    received_at: int
    params: Mapping[str, str] = {}
    content: Any = None


class Decoded(Struct, frozen=True):
    """What a request holds: each of its ``received`` items is in exactly one of the lists below.

    ``server_side`` says whether a customer's server sent it, whose address and user agent say nothing
    of the person; None leaves it to the kind of key. ``hides_address`` says that a person's address may
    be used for nothing, not even for an id that lasts a day. ``signals`` are those of the browser that
    its page tells besides those in the headers. ``note`` is for the protocol's ``reply``.
    ``places`` are the items that the events, and after them the commands, came from: only of a
    protocol whose answer tells the outcome of each item. ``is_ready`` says that the events are what the
    steps would leave of them. ``statements`` are items that say nothing but what somebody chose.
    """

    received: int
    events: list[Event] = []
    commands: list[Command] = []
    failed: list[Failed] = []
    dropped: dict[str, int] = {}
    sent_at: int | None = None
    strict: bool = False
    server_side: bool | None = None
    hides_address: bool = False
    signals: Signals = Signals()
    note: Any = None
    places: list[int] = []
    is_ready: bool = False
    statements: list[Statement] = []


class Reply(Struct, frozen=True):
    """What the client gets."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Endpoint(Struct, frozen=True):
    """An address of a protocol that takes no events: its clients' configuration, flags or health.

    ``answer`` is pure; ``{name}`` segments of the path are in the request's ``params``.
    """

    method: str
    path: str
    answer: Callable[[Request, Settings], Reply]


def claim_all(_request: Request) -> bool:
    """Claim every request of an address: what a protocol does that shares none."""
    return True


def no_credential(_request: Request) -> str | None:
    """Find no key in the body: it is in the headers, or nowhere."""
    return None


def one_sender(request: Request) -> Sequence[Request]:
    """Leave a request whole: it names one key or site."""
    return (request,)


class Protocol(Struct, frozen=True):
    """One wire protocol. Its functions are pure; time comes with the request.

    ``decode`` raises Refused when the request as a whole cannot be read; anything wrong with one
    item becomes a ``Failed`` and never sinks the rest. New ids for events without one come from
    ``new_id``.

    ``verbatim`` gives the same as ``decode`` and the steps, with properties as the text that was sent, for
    a request in which nothing is out of the ordinary; None for any other.

    ``routes`` are (method, path) pairs; a path may have ``{name}`` segments. A protocol with an
    ``open`` is also answered under ``/<name>``, so that no two can ever be confused there.

    ``peek`` gives the content of a request at an address of this protocol alone, where one typed look at
    it tells all that will be asked of it; None for any other, which is opened.

    ``credential`` gives a key of ours, or the site's name that was registered for one of ours; None
    looks for a key in the Authorization header. Where a request may name several sites, ``apart`` gives
    it once for each; they get the reply to the last. ``is_legible`` says that personal fields stand under
    their names in its JSON; if not, nothing is kept of a body that is refused as a whole. ``refuse`` gives the answer that makes this
    protocol's clients stop or retry rightly when nothing of a request was taken; without it they get
    problem+json. Retry-After is added to a 429 or 503. ``own_id`` gives the namespace and the id under
    which ``decode`` would take an item of a client that names it, so that one which could not be taken
    counts once however it comes in later; the id is None where the client named none. ``answer`` and
    ``query`` are for the reference.
    """

    name: str
    routes: tuple[tuple[str, str], ...]
    decode: Callable[[Request, Caller, Settings], Decoded]
    reply: Callable[[Decoded, Request], Reply]
    verbatim: Callable[[Request, Caller, Settings], Decoded | None] | None = None
    summary: str = ""
    open: Callable[[Request, Settings], Any] | None = None
    peek: Callable[[Request, Settings], Any] | None = None
    credential: Callable[[Request], str | None] = no_credential
    claims: Callable[[Request], bool] = claim_all
    apart: Callable[[Request], Sequence[Request]] = one_sender
    is_legible: bool = True
    refuse: Callable[[TallymarkError, Request], Reply] | None = None
    own_id: Callable[[dict[str, Any]], tuple[str, str | None]] | None = None
    endpoints: tuple[Endpoint, ...] = ()
    answer: Any = None
    query: Mapping[str, str] = {}


def content_of(
    protocol: Protocol, request: Request, settings: Settings, *, is_shared: bool = False
) -> Any:
    """Return what is in a request's body, None for a protocol that does not open it; raises Refused.

    ``is_shared`` says that other protocols have the address too.
    """
    found = None
    if protocol.peek is not None and not is_shared:
        found = protocol.peek(request, settings)
    if found is None and protocol.open is not None:
        found = protocol.open(request, settings)
    return found
