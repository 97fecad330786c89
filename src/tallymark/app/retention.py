"""Trims the logs: a batch goes once it is old by receipt, loaded, and held by a backup's store."""

import asyncio
from typing import Protocol

import msgspec
from msgspec import Struct

from tallymark.app.backup import StoreCall, backed_up
from tallymark.app.folders import Folders
from tallymark.core.clock import DAY, Clock
from tallymark.core.errors import TallymarkError
from tallymark.core.settings import Settings
from tallymark.core.telemetry import Logger

_FIRST_AFTER_SECONDS = 60


class Trimmer(Protocol):
    """What trims the log of a project while others append."""

    async def trim(self, project: str, *, before_received_at: int, upto_position: int) -> int:
        """Delete the oldest batches received before an instant up to a position; return how many."""


class _Status(Struct, frozen=True):
    log_position: int


async def keep_trimmed(
    folders: Folders,
    settings: Settings,
    logs: Trimmer,
    store: StoreCall,
    *,
    clock: Clock,
    logger: Logger,
) -> None:
    """Trim every ``log_trim_seconds``, until cancelled; the first time after a minute at most."""
    if settings.log_keep_days == 0:
        return
    await asyncio.sleep(min(_FIRST_AFTER_SECONDS, settings.log_trim_seconds))
    while True:
        for project in folders.projects():
            try:
                batches = await trim(project, folders, settings, logs, store, now=clock.now())
            except TallymarkError as error:
                logger.warning("log was not trimmed", project=project, why=error.message)
            except Exception as error:  # noqa: BLE001  one bug must not end trimming for good
                logger.bug("log was not trimmed", error, project=project)
            else:
                if batches:
                    logger.info("log was trimmed", project=project, batches=batches)
        await asyncio.sleep(settings.log_trim_seconds)


async def trim(
    project: str,
    folders: Folders,
    settings: Settings,
    logs: Trimmer,
    store: StoreCall,
    *,
    now: int,
) -> int:
    """Trim one log; return how many batches went. Never touches what only the log holds.

    That is what the store has not committed, and what no backup holds a committed store of: from a
    damaged store on, the log alone could not build it again.
    """
    held = (await asyncio.to_thread(backed_up, folders)).get(project, 0)
    if settings.log_keep_days == 0 or held == 0:
        return 0
    status = msgspec.json.decode(await store("status", {"project": project}), type=_Status)
    return await logs.trim(
        project,
        before_received_at=now - settings.log_keep_days * DAY,
        upto_position=min(held, status.log_position),
    )
