"""The store as the routes see it: its own methods, and those that need the log as well."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import msgspec
from msgspec import structs

from tallymark.api.answers import (
    CheckedLog,
    CheckedProject,
    CheckedStore,
    Holdings,
    Marked,
    Status,
    Verified,
)
from tallymark.app.backup import back_up
from tallymark.app.consents import proof
from tallymark.app.folders import Folders
from tallymark.app.link import StoreLink
from tallymark.app.replaying import Replay, mark
from tallymark.collect.replay import Around, MarkOrder, ReplayOrder
from tallymark.core.clock import Clock
from tallymark.core.errors import Refused
from tallymark.core.settings import Settings
from tallymark.log.sqlite import SqliteLog
from tallymark.log.writer import LogWriter
from tallymark.schema.repair import Repairer

_encode = msgspec.json.Encoder(decimal_format="number").encode


class FrontStore:
    """Forwards to the store process; answers itself what needs the log or the settings as well."""

    def __init__(
        self,
        link: StoreLink,
        folders: Folders,
        writer: LogWriter,
        clock: Clock,
        *,
        settings: Settings,
        key: Callable[[str], bytes],
    ) -> None:
        self._link = link
        self._settings = settings
        self._key = key
        self._folders = folders
        self._writer = writer
        self._clock = clock
        self._own: dict[str, Callable[[dict[str, object]], Awaitable[bytes]]] = {
            "status": self._status,
            "backup": self._backup,
            "verify": self._verify,
            "replay": self._replay,
            "mark_failed": self._mark_failed,
            "consent": self._consent,
        }

    async def call(self, method: str, params: dict[str, object]) -> bytes:
        """Return the JSON answer of a method; raises TallymarkError."""
        own = self._own.get(method)
        return await (own(params) if own else self._link.call(method, params))

    async def _status(self, params: dict[str, object]) -> bytes:
        held = msgspec.json.decode(await self._link.call("status", params), type=Holdings)
        project = held.project
        head = self._writer.heads().get(project)
        if head is None:
            head = await asyncio.to_thread(_head, self._folders.log(project))
        status = Status(
            **structs.asdict(held),
            log_head=head,
            log_error=self._writer.last_error(),
            behind=max(0, head - held.log_position),
        )
        return _encode(status)

    async def _backup(self, params: dict[str, object]) -> bytes:
        target = Path(str(params["target"]))
        if not target.is_absolute():
            raise Refused(f"{target} is not an absolute path.", hint="Give the whole path.")
        manifest = await back_up(
            self._folders, target, self._link.call, asyncio.to_thread, self._clock.now()
        )
        return _encode(manifest)

    async def _replay(self, params: dict[str, object]) -> bytes:
        order = params["order"]
        assert isinstance(order, ReplayOrder)  # noqa: S101 - it comes from our own route
        repairer = None if order.repairs is None else Repairer(order.repairs)
        around = Around(order.caller, self._settings, self._clock, self._key, repairer)
        replay = Replay(order.caller.project, around, self._link.call, self._writer, dry_run=order.dry_run)  # fmt: skip
        return _encode(await replay.run(order.where, order.examples))

    async def _mark_failed(self, params: dict[str, object]) -> bytes:
        order = params["order"]
        assert isinstance(order, MarkOrder)  # noqa: S101 - it comes from our own route
        marked = await mark(
            order.project, order.where, order.status, self._link.call, self._writer,
            self._clock.now(),
        )  # fmt: skip
        return _encode(Marked(marked))

    async def _consent(self, params: dict[str, object]) -> bytes:
        now = self._clock.now()
        found = await proof(params, self._link.call, self._key(str(params["project"])), now)
        return _encode(found)

    async def _verify(self, _params: dict[str, object]) -> bytes:
        found: dict[str, CheckedProject] = {}
        for project in self._folders.projects():
            report = await asyncio.to_thread(_verify_log, self._folders.log(project))
            store = msgspec.json.decode(
                await self._link.call("check", {"project": project}), type=CheckedStore
            )
            found[project] = CheckedProject(report, store)
        is_ok = all(one.log.ok and not one.store.wrong for one in found.values())
        return _encode(Verified(is_ok, found))


def _head(path: Path) -> int:
    if not path.exists():
        return 0
    with closing(SqliteLog(path, readonly=True)) as log:
        return log.head()


def _verify_log(path: Path) -> CheckedLog:
    if not path.exists():
        return CheckedLog(ok=True)
    with closing(SqliteLog(path, readonly=True)) as log:
        report = log.verify()
    return CheckedLog(ok=report.ok, **structs.asdict(report))
