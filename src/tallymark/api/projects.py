"""Which project the owner of the data folder means."""

import asyncio

from tallymark.core.errors import NotFound

from .auth import Known
from .services import Services


async def local_known(services: Services, project: str | None) -> Known:
    """Return the local caller for the project named, or for the only one there is."""
    if project:
        return await services.callers.by_project(project)
    there = [one.id for one in await asyncio.to_thread(services.catalog.projects)]
    if len(there) == 1:
        return await services.callers.by_project(there[0])
    raise NotFound(
        "There is no project yet." if not there else "There are several projects; name one.",
        code="PROJECT_UNKNOWN",
        hint="Name it in the Tallymark-Project header." if there else None,
    )
