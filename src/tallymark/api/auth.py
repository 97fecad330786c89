"""Finds who sends a request: by its key, or by the socket it came through.

A key that was checked stays usable for a while when the catalog is away, so that a locked or broken
catalog does not stop collection. A key revoked through this server ends at once.
"""

import asyncio
import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs

from msgspec import Struct
from msgspec.structs import replace

from tallymark.catalog.catalog import Catalog, Project
from tallymark.catalog.definitions import StoredDefinitions
from tallymark.catalog.keys import parse, token_parts
from tallymark.collect.protocol import Caller
from tallymark.core.clock import Clock
from tallymark.core.errors import NotAllowed, NotFound, Refused, Unavailable
from tallymark.schema.enforce import Compiled, compiled
from tallymark.schema.plan import decode_plan

PROJECT_HEADER = "tallymark-project"
SOURCE_HEADER = "tallymark-source"
# How long a checked key is not looked up again: the longest that a change made behind our back,
# such as another server on the same catalog, stays unnoticed.
_RECHECK_SECONDS = 10
_MOST_ENTRIES = 10_000
_SECRETS = (b"sk_", b"rk_", b"ut_")
_SECRET_IN_QUERY = re.compile(rb"(?:^|[=&])(?:sk|rk|ut)_[0-9A-Za-z]{8}_[0-9A-Za-z]")


class Known(Struct, frozen=True):
    """A caller with its project and what that defines, and the id of its key if it has one.

    ``origins`` are the sites whose pages alone may send with that key, if there are any.
    """

    caller: Caller
    project: Project
    key_id: str | None = None
    expires_at: int | None = None
    definitions: StoredDefinitions | None = None
    origins: tuple[str, ...] = ()


class _Entry(Struct, frozen=True):
    known: Known
    checked_at: float
    due_at: float


class Callers:
    """Remembers who was found, by a digest of the key."""

    def __init__(self, catalog: Catalog, clock: Clock, *, keep_seconds: int) -> None:
        self._catalog = catalog
        self._clock = clock
        self._keep_seconds = keep_seconds
        self._entries: dict[bytes, _Entry] = {}
        self._changes = 0
        # Project → version of its plan and the plan ready to be run, so that its keys share one.
        self._plans: dict[str, tuple[int, Compiled]] = {}
        # Project → its definitions, for the same reason.
        self._definitions: dict[str, StoredDefinitions] = {}
        # Threads of our own: a locked catalog must not hold up those of anybody else.
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="catalog")

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown()

    async def by_key(self, text: str) -> Known:
        """Return who holds the key; raises NotAllowed, or Unavailable if that cannot be known."""
        slot = hashlib.sha256(text.encode()).digest()
        entry = self._entries.get(slot)
        if entry is not None and self._clock.monotonic() < entry.due_at:
            known: Known | None = entry.known
        elif token_parts(text) is not None:
            raise NotAllowed(
                "A token of a user asks and changes things; it cannot send events.",
                code="AUTH_WRONG_KIND",
                hint="Send events with a public (pk_) or secret (sk_) key.",
            )
        elif parse(text) is None:
            raise NotAllowed("This is not a key of ours, or a damaged one.", code="AUTH_INVALID")
        else:
            known = await self._known(slot, lambda: self._look_up_key(text))
        ends = None if known is None else known.expires_at
        if known is None or (ends is not None and self._clock.now() >= ends):
            raise NotAllowed("The key is unknown or no longer valid.", code="AUTH_INVALID")
        return known

    async def by_credential(self, protocol: str, text: str) -> Known:
        """Return who holds what a protocol found: a key, or the name of a site registered for one.

        Raises NotAllowed, or Unavailable if that cannot be known.
        """
        if parse(text) is not None or token_parts(text) is not None:
            return await self.by_key(text)
        slot = hashlib.sha256(f"site\0{protocol}\0{text}".encode("utf-8", "replace")).digest()
        known = await self._known(slot, lambda: self._look_up_site(protocol, text))
        if known is None:
            raise NotAllowed(
                f"No key or site of {protocol} is known by that name.",
                code="AUTH_INVALID",
                hint="Send a key of ours there, or register the name with `tallymark sites add`.",
            )
        return known

    async def by_project(self, project: str) -> Known:
        """Return the owner of the data folder acting for a project; raises PROJECT_UNKNOWN."""
        slot = hashlib.sha256(b"project\0" + project.encode()).digest()
        known = await self._known(slot, lambda: self._look_up_project(project))
        if known is None:
            raise NotFound(f"There is no project {project[:80]!r}.", code="PROJECT_UNKNOWN")
        return known

    def forget(self, *, key_id: str | None = None, project: str | None = None) -> None:
        """Look up a changed key, or everybody of a changed project, before they are believed again."""
        self._changes += 1
        self._entries = {
            slot: entry
            for slot, entry in self._entries.items()
            if entry.known.key_id != (key_id or "") and entry.known.project.id != project
        }

    async def _known(self, slot: bytes, look_up: Callable[[], Known | None]) -> Known | None:
        entry = self._entries.get(slot)
        now = self._clock.monotonic()
        if entry is not None:
            if now < entry.due_at:
                return entry.known
            # One request looks it up again; those that come meanwhile use what is known.
            self._entries[slot] = replace(entry, due_at=now + _RECHECK_SECONDS)
        changes = self._changes
        try:
            loop = asyncio.get_running_loop()
            known = await loop.run_in_executor(self._threads, look_up)
        except Unavailable:
            if entry is not None and now < entry.checked_at + self._keep_seconds:
                return entry.known
            raise
        # A revocation may have come between our look-up and now; then it is not remembered.
        if known is None:
            self._entries.pop(slot, None)
        elif changes == self._changes:
            self._remember(slot, _Entry(known, now, now + _RECHECK_SECONDS))
        return known

    def _remember(self, slot: bytes, entry: _Entry) -> None:
        self._entries.pop(slot, None)
        while len(self._entries) >= _MOST_ENTRIES:
            del self._entries[next(iter(self._entries))]
        self._entries[slot] = entry

    def _look_up_key(self, text: str) -> Known | None:
        key = self._catalog.find(text, self._clock.now())
        if key is None:
            return None
        project = self._catalog.project(key.project)
        plan = self._plan(project.id)
        caller = Caller(project.id, key.kind, key.prefix, project.policy, plan)
        defined = self._defined(project.id)
        return Known(caller, project, key.id, key.expires_at, defined, key.origins)

    def _look_up_site(self, protocol: str, name: str) -> Known | None:
        site = self._catalog.find_site(protocol, name)
        if site is None:
            return None
        project = self._catalog.project(site.project)
        # Whoever reads the page can read the name, so it can do what a public key can.
        plan = self._plan(project.id)
        return Known(Caller(project.id, "public", site.source, project.policy, plan), project)

    def _look_up_project(self, slug: str) -> Known | None:
        try:
            project = self._catalog.project(slug)
        except NotFound:
            return None
        plan = self._plan(project.id)
        caller = Caller(project.id, "local", "local", project.policy, plan)
        return Known(caller, project, definitions=self._defined(project.id))

    def _defined(self, project: str) -> StoredDefinitions | None:
        stored = self._catalog.definitions.newest(project)
        if stored is None:
            return None
        known = self._definitions.get(project)
        if known is None or known != stored:
            self._definitions[project] = known = stored
        return known

    def _plan(self, project: str) -> Compiled | None:
        stored = self._catalog.plan(project)
        if stored is None:
            return None
        version, plan = self._plans.get(project, (0, None))
        if plan is None or version != stored.version:
            plan = compiled(decode_plan(stored.content), stored.version)
            self._plans[project] = stored.version, plan
        return plan


def key_text(headers: Mapping[str, str], query: bytes) -> str:
    """Return the key of a request: Bearer, Basic user name, or ``key=`` for public keys.

    Raises NotAllowed AUTH_MISSING or AUTH_INVALID, Refused AUTH_IN_URL.
    """
    if query:
        refuse_secret_in_url(query)
    scheme, _, rest = headers.get("authorization", "").strip().partition(" ")
    if scheme:
        match scheme.lower():
            case "bearer":
                return rest.strip()
            case "basic":
                return _basic_user(rest)
            case _:
                raise NotAllowed(
                    "The Authorization header is neither Bearer nor Basic.", code="AUTH_INVALID"
                )
    if b"key=" in query:
        given = parse_qs(query.decode("latin-1")).get("key", [""])[0]
        if given.startswith(("sk_", "rk_", "ut_")):
            raise _in_url()
        if given:
            return given
    raise NotAllowed("No key was given.", code="AUTH_MISSING")


def refuse_secret_in_url(query: bytes) -> None:
    """Raise Refused AUTH_IN_URL if anything secret stands in the query, whatever its name."""
    if any(one in query for one in _SECRETS) and _SECRET_IN_QUERY.search(query):
        raise _in_url()


def _in_url() -> Refused:
    return Refused("A secret key was sent in the URL.", code="AUTH_IN_URL")


def _basic_user(encoded: str) -> str:
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("latin-1")
    except (binascii.Error, ValueError):
        raise NotAllowed("The Basic credentials are damaged.", code="AUTH_INVALID") from None
    return text.partition(":")[0]
