"""The control plane: projects, keys, sites, backups. Only for the owner of the data folder."""

import asyncio
from collections.abc import Callable
from typing import Annotated, TypeVar

from msgspec import Meta, Struct
from starlette.responses import Response

from tallymark.catalog.catalog import GRACE_SECONDS, Catalog, Project, Site
from tallymark.catalog.keys import LONGEST_GRACE_SECONDS, Key, Kind
from tallymark.catalog.origins import MOST_ORIGINS
from tallymark.collect.protocol import Protocol
from tallymark.core.policy import Policy
from tallymark.core.registry import discover, lookup

from .answers import Manifest, Verified
from .bodies import json_answer
from .services import Call, Route

T = TypeVar("T")
# The catalog refuses what lies outside, with a hint that fits.
_GRACE = Meta(extra_json_schema={"minimum": 0, "maximum": LONGEST_GRACE_SECONDS})


class NewProject(Struct, frozen=True, forbid_unknown_fields=True):
    """A project to create; without an id it is made from the name."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    id: Annotated[str, Meta(max_length=63)] | None = None
    timezone: str = "UTC"
    policy: Policy = Policy()


class NewKey(Struct, frozen=True, forbid_unknown_fields=True):
    """A key to create."""

    kind: Kind
    label: Annotated[str, Meta(max_length=200)] = ""
    origins: Annotated[
        tuple[Annotated[str, Meta(max_length=300)], ...],
        Meta(
            max_length=MOST_ORIGINS,
            description="Of a public key: the sites whose pages alone may send with it.",
        ),
    ] = ()


class Rotation(Struct, frozen=True, forbid_unknown_fields=True):
    """How long the old key goes on working beside its successor."""

    grace_seconds: Annotated[int, _GRACE] = GRACE_SECONDS


class IssuedKey(Struct, frozen=True):
    """A key just made; ``secret`` is its whole text, shown this once."""

    key: Key
    secret: str


class PublicKey(Struct, frozen=True):
    """A public key of a project that works, with its whole text; null if there is none to show."""

    key: Key | None


class CreatedProject(Struct, frozen=True):
    """A project just made, with one key of each kind."""

    project: Project
    keys: list[IssuedKey]


class Projects(Struct, frozen=True):
    """Every project there is."""

    projects: list[Project]


class Keys(Struct, frozen=True):
    """Every key a project ever had."""

    keys: list[Key]


class SiteName(Struct, frozen=True, forbid_unknown_fields=True):
    """A name by which clients of a protocol call a project, such as a domain or a site's number."""

    protocol: Annotated[str, Meta(min_length=1, max_length=63)]
    name: Annotated[str, Meta(min_length=1, max_length=200)]


class Sites(Struct, frozen=True):
    """Every site of a project, by protocol and name."""

    sites: list[Site]


class BackupOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """Where on the server's machine the backup goes: a folder that does not exist yet."""

    target: Annotated[str, Meta(min_length=1, max_length=4096)]


async def list_projects(call: Call) -> Response:
    """Return every project that whoever asks may see."""
    there = await asyncio.to_thread(call.services.catalog.projects)
    user = call.user
    return json_answer(
        Projects([one for one in there if user is None or user.may("viewer", one.id)])
    )


async def create_project(call: Call) -> Response:
    """Create a project with a key of each kind."""
    order = await call.order(NewProject)
    catalog, now = call.services.catalog, call.services.clock.now()

    def create() -> CreatedProject:
        project = catalog.create_project(
            order.name, now=now, slug=order.id, timezone=order.timezone, policy=order.policy
        )
        kinds: tuple[Kind, ...] = ("public", "secret", "read")
        made = [catalog.create_key(project.id, kind, "first", now=now) for kind in kinds]
        return CreatedProject(project, [IssuedKey(key, text) for key, text in made])

    created = await asyncio.to_thread(create)
    await call.services.prepare(created.project.id)
    call.services.callers.forget(project=created.project.id)
    return json_answer(created, status=201)


async def set_policy(call: Call) -> Response:
    """Replace the privacy policy of a project."""
    policy = await call.order(Policy)
    project = await asyncio.to_thread(
        call.services.catalog.update_policy, call.params["project"], policy
    )
    call.services.callers.forget(project=project.id)
    return json_answer(project)


async def list_keys(call: Call) -> Response:
    """Return every key of a project, without secrets."""
    keys = await asyncio.to_thread(call.services.catalog.keys, call.params["project"])
    return json_answer(Keys(keys))


async def show_public_key(call: Call) -> Response:
    """Return the newest public key that works and whose text is known, for pages and programs to send with."""
    project, now = call.params["project"], call.services.clock.now()
    keys = await asyncio.to_thread(call.services.catalog.keys, project)
    working = [one for one in keys if one.text is not None and one.is_valid(now)]
    lasting = [one for one in working if one.expires_at is None] or working
    return json_answer(PublicKey(lasting[-1] if lasting else None))


async def create_key(call: Call) -> Response:
    """Create a key and show its secret this once."""
    order = await call.order(NewKey)
    now = call.services.clock.now()
    issued = await _in_thread(
        lambda: call.services.catalog.create_key(
            call.params["project"], order.kind, order.label, now=now, origins=order.origins
        )
    )
    return json_answer(IssuedKey(*issued), status=201)


async def revoke_key(call: Call) -> Response:
    """End a key at once."""
    now = call.services.clock.now()
    key = await _in_thread(lambda: call.services.catalog.revoke(call.params["key"], now=now))
    call.services.callers.forget(key_id=key.id)
    return json_answer(key)


async def rotate_key(call: Call) -> Response:
    """Make a successor of a key and show its secret this once."""
    order = await call.order(Rotation)
    now = call.services.clock.now()
    issued = await _in_thread(
        lambda: call.services.catalog.rotate(
            call.params["key"], now=now, grace_seconds=order.grace_seconds
        )
    )
    call.services.callers.forget(key_id=call.params["key"])
    return json_answer(IssuedKey(*issued), status=201)


async def list_sites(call: Call) -> Response:
    """Return every site of a project."""
    return json_answer(
        Sites(await _in_thread(lambda: _catalog(call).sites(call.params["project"])))
    )


async def add_site(call: Call) -> Response:
    """Let clients of a protocol call a project by a name."""
    order = await call.order(SiteName)
    lookup(discover("tallymark.collect.protocols", Protocol), order.protocol, "protocol")
    now = call.services.clock.now()
    site = await _in_thread(
        lambda: _catalog(call).add_site(call.params["project"], order.protocol, order.name, now=now)
    )
    call.services.callers.forget(project=site.project)
    return json_answer(site, status=201)


async def remove_site(call: Call) -> Response:
    """End a site at once, and return those that are left."""
    order = await call.order(SiteName)
    project = call.params["project"]
    await _in_thread(lambda: _catalog(call).remove_site(project, order.protocol, order.name))
    call.services.callers.forget(project=project)
    return await list_sites(call)


async def backup(call: Call) -> Response:
    """Write a consistent copy of everything and return its manifest."""
    order = await call.order(BackupOrder)
    answer = await call.services.store.call("backup", {"target": order.target})
    return Response(answer, media_type="application/json")


async def verify(call: Call) -> Response:
    """Check log, store and ledger against each other."""
    return Response(await call.services.store.call("verify", {}), media_type="application/json")


def _catalog(call: Call) -> Catalog:
    return call.services.catalog


async def _in_thread(act: Callable[[], T]) -> T:
    return await asyncio.to_thread(act)


CONTROL_ROUTES: tuple[Route, ...] = (
    Route("GET", "/tm/v1/projects", "local", list_projects, "List the projects.", answer=Projects, role="viewer", is_of_users=True),
    Route(
        "POST", "/tm/v1/projects", "local", create_project, "Create a project.",
        body=NewProject, answer=CreatedProject, status=201, role="owner", is_of_users=True,
    ),
    Route(
        "PUT", "/tm/v1/projects/{project}/policy", "local", set_policy,
        "Replace a project's privacy policy.", body=Policy, answer=Project, role="admin",
    ),
    Route(
        "GET", "/tm/v1/projects/{project}/keys", "local", list_keys, "List a project's keys.",
        answer=Keys, role="admin",
    ),
    Route(
        "GET", "/tm/v1/projects/{project}/public-key", "local", show_public_key,
        "Show a public key to send with.", answer=PublicKey, role="analyst",
    ),
    Route(
        "POST", "/tm/v1/projects/{project}/keys", "local", create_key, "Create a key.",
        body=NewKey, answer=IssuedKey, status=201, role="admin",
    ),
    Route("POST", "/tm/v1/keys/{key}/revoke", "local", revoke_key, "End a key.", answer=Key, role="admin"),
    Route(
        "POST", "/tm/v1/keys/{key}/rotate", "local", rotate_key, "Give a key a successor.",
        body=Rotation, answer=IssuedKey, status=201, role="admin",
    ),
    Route(
        "GET", "/tm/v1/projects/{project}/sites", "local", list_sites, "List a project's sites.",
        answer=Sites, role="admin",
    ),
    Route(
        "POST", "/tm/v1/projects/{project}/sites", "local", add_site,
        "Create a site: a name by which clients of a protocol call the project.",
        body=SiteName, answer=Site, status=201, role="admin",
    ),
    Route(
        "DELETE", "/tm/v1/projects/{project}/sites", "local", remove_site,
        "Remove a site; what it brought stays.", body=SiteName, answer=Sites, role="admin",
    ),
    Route(
        "POST", "/tm/v1/backup", "local", backup, "Make a backup.",
        body=BackupOrder, answer=Manifest,
    ),
    Route(
        "POST", "/tm/v1/verify", "local", verify, "Check that everything fits together.",
        answer=Verified,
    ),
)  # fmt: skip
