"""Ends the time of failed events: what was sent goes, why it failed stays, and they are counted.

By receipt, as all retention. One that nobody repaired or ignored gets the status ``expired``; one that
was repaired keeps its status. It travels through the log as marks do, so that a store made again from
the log has it too; the log itself holds what was sent as long as ``log_keep_days`` says.
"""

import asyncio
from typing import Final

import msgspec

from tallymark.app.folders import Folders
from tallymark.app.replaying import StoreCall
from tallymark.collect.accept import Appender
from tallymark.core.clock import DAY, MICROSECONDS, Clock
from tallymark.core.errors import TallymarkError
from tallymark.core.event import Batch, Mark
from tallymark.core.settings import Settings
from tallymark.core.telemetry import Logger

_FIRST_AFTER_SECONDS: Final = 60
# A clock that leapt further than this since the start is not believed: what is deleted stays deleted.
_MOST_LEAP: Final = 3_600 * MICROSECONDS
_encode: Final = msgspec.json.encode


async def keep_expired(
    folders: Folders,
    settings: Settings,
    log: Appender,
    call: StoreCall,
    *,
    clock: Clock,
    logger: Logger,
) -> None:
    """Expire every ``log_trim_seconds``, until cancelled; the first time after a minute at most."""
    if settings.failed_keep_days == 0:
        return
    began, began_monotonic = clock.now(), clock.monotonic()
    await asyncio.sleep(min(_FIRST_AFTER_SECONDS, settings.log_trim_seconds))
    while True:
        now = clock.now()
        passed = int((clock.monotonic() - began_monotonic) * MICROSECONDS)
        if abs(now - began - passed) > _MOST_LEAP:
            logger.warning("the clock leapt, so no failed event was expired")
        else:
            before = now - settings.failed_keep_days * DAY
            for project in folders.projects():
                await _expire(project, before, log, call, now=now, logger=logger)
        await asyncio.sleep(settings.log_trim_seconds)


async def expire(project: str, before: int, log: Appender, call: StoreCall, now: int) -> int:
    """Expire what was received before an instant; return how many, once it is durable."""
    after = expired = 0
    while True:
        asked: dict[str, object] = {"project": project, "before": before, "after": after}
        seqs = msgspec.json.decode(await call("aged_failed", asked), type=list[int])
        if not seqs:
            return expired
        marks = [Mark(seq, "expired") for seq in seqs]
        batch = Batch(now, source="local", protocol="native", received=0, marks=marks)
        await log.append(project, batch, size=len(_encode(batch)))
        after = seqs[-1]
        expired += len(seqs)


async def _expire(
    project: str, before: int, log: Appender, call: StoreCall, *, now: int, logger: Logger
) -> None:
    try:
        count = await expire(project, before, log, call, now)
    except TallymarkError as error:
        logger.warning("failed events were not expired", project=project, why=error.message)
    except Exception as error:  # noqa: BLE001  one bug must not end it for good
        logger.bug("failed events were not expired", error, project=project)
    else:
        if count:
            logger.info("failed events were expired", project=project, events=count)
