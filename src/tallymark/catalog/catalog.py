"""Which projects there are, and who may send to and ask them: a small SQL database.

SQLite in the data folder by default; any SQLAlchemy address works. Calls block for at most a few
seconds; whoever runs an event loop makes them from a thread.
"""

import hmac
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import available_timezones

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import exc
from sqlalchemy.engine import Connection

from tallymark.core.clock import MICROSECONDS
from tallymark.core.errors import NotFound, Refused, TallymarkError
from tallymark.core.policy import Policy
from tallymark.core.registry import did_you_mean

from .annotations import Annotations
from .database import away_is_told, check, damage_is_told, engine_of
from .definitions import DefinitionVersions
from .keys import Key, Kind, checked_grace, digest, new_key_text, parse
from .migrate import migrate
from .named import NamedThings
from .origins import checked_origins
from .plans import PlanVersion, StoredPlan, add_plan, newest_plan, plan_at, plan_versions
from .shares import Shares
from .tables import API_KEY, DASHBOARD, PROJECT, SAVED_QUESTION, SITE
from .tokens import Tokens
from .users import Users

GRACE_SECONDS = 24 * 3600
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NOBODY = digest("")
_LONGEST_SITE = 200


class Project(Struct, frozen=True):
    """One body of events that is counted on its own; its id names its folder."""

    id: str
    name: str
    timezone: str
    created_at: int
    policy: Policy = Policy()


class Site(Struct, frozen=True):
    """A name by which clients of a protocol call a project, where that protocol has no keys.

    Such as a domain, a measurement id, or the write key they had elsewhere. It is no secret, so
    whoever knows it may send what a public key may.
    """

    protocol: str
    name: str
    project: str
    created_at: int

    @property
    def source(self) -> str:
        """What stands for it where a key's public part would."""
        return f"{self.protocol}:{self.name}"


class Catalog:
    """Projects, keys and sites. Raises Unavailable CATALOG_AWAY when the database does not answer."""

    def __init__(self, url: str) -> None:
        self._engine = engine_of(url)
        self.definitions = DefinitionVersions(self._read, self._write)
        self.users = Users(self._read, self._write)
        self.tokens = Tokens(self._read, self._write)
        self.saved = NamedThings(self._read, self._write, SAVED_QUESTION, "saved question")
        self.dashboards = NamedThings(self._read, self._write, DASHBOARD, "dashboard")
        self.annotations = Annotations(self._read, self._write)
        self.shares = Shares(self._read, self._write)
        try:
            with away_is_told(), damage_is_told(), self._engine.connect() as connection:
                check(connection)
                migrate(connection)
        except BaseException:
            self._engine.dispose()
            raise

    @classmethod
    def in_folder(cls, data: Path) -> "Catalog":
        """Open the catalog of a data folder, making it if it is not there."""
        return cls(f"sqlite:///{data / 'catalog.db'}")

    def close(self) -> None:
        """Release the database."""
        self._engine.dispose()

    # Projects

    def create_project(
        self,
        name: str,
        *,
        now: int,
        slug: str | None = None,
        timezone: str = "UTC",
        policy: Policy | None = None,
    ) -> Project:
        """Add a project; its id is made from the name if none is given.

        Raises PROJECT_EXISTS, TIMEZONE_UNKNOWN, or BAD_FIELD for an id that is no plain word.
        """
        project = Project(
            id=_slug(slug or name, "$.id" if slug else "$.name"), name=name,
            timezone=_zone(timezone), created_at=now,
            policy=policy or Policy(),
        )  # fmt: skip
        try:
            with self._write() as connection:
                connection.execute(sa.insert(PROJECT).values(_project_row(project)))
        except exc.IntegrityError as error:
            raise TallymarkError(
                f"The project {project.id!r} exists already.",
                code="PROJECT_EXISTS",
                path="$.id" if slug else "$.name",
            ) from error
        return project

    def projects(self) -> list[Project]:
        """Return every project, by id."""
        with self._read() as connection:
            rows = connection.execute(sa.select(PROJECT).order_by(PROJECT.c.id)).mappings().all()
        return [_project(row) for row in rows]

    def project(self, slug: str) -> Project:
        """Return one project; raises NotFound PROJECT_UNKNOWN."""
        with self._read() as connection:
            return _project_of(connection, slug)

    def update_policy(self, slug: str, policy: Policy) -> Project:
        """Replace the privacy policy of a project; holds for what arrives from now on."""
        with self._write() as connection:
            project = _project_of(connection, slug)
            connection.execute(
                sa.update(PROJECT).where(PROJECT.c.id == slug).values(policy=_json(policy))
            )
        return msgspec.structs.replace(project, policy=policy)

    def plan(self, project: str) -> StoredPlan | None:
        """Return the tracking plan of a project, None if it has none."""
        with self._read() as connection:
            return newest_plan(connection, project)

    def plan_at(self, project: str, version: int) -> StoredPlan:
        """Return one version of a project's tracking plan; raises NotFound if it never was."""
        with self._read() as connection:
            return plan_at(connection, project, version)

    def plan_versions(self, project: str) -> list[PlanVersion]:
        """Return the versions of a project's tracking plan, newest first."""
        with self._read() as connection:
            _project_of(connection, project)
            return plan_versions(connection, project)

    def push_plan(self, project: str, content: str, *, now: int) -> StoredPlan:
        """Make a plan the one that holds for what arrives from now on."""
        with self._write() as connection:
            _project_of(connection, project)
            return add_plan(connection, project, content, now)

    # Keys

    def create_key(
        self, project: str, kind: Kind, label: str = "", *, now: int, origins: Sequence[str] = ()
    ) -> tuple[Key, str]:
        """Add a key and return it with its text, which is not kept unless it is public.

        Raises Refused for what is no origin, and for origins of a key that is not public.
        """
        if origins and kind != "public":
            raise Refused("Only a public key is for certain sites.", path="origins")
        key = _new_key(project, kind, label, now, origins=checked_origins(origins))
        with self._write() as connection:
            _project_of(connection, project)
            return _insert_key(connection, *key)

    def keys(self, project: str) -> list[Key]:
        """Return every key the project ever had, oldest first."""
        query = sa.select(API_KEY).where(API_KEY.c.project == project)
        with self._read() as connection:
            _project_of(connection, project)
            rows = connection.execute(query.order_by(API_KEY.c.created_at, API_KEY.c.id)).mappings()
            return [_key(row) for row in rows]

    def key(self, key_id: str) -> Key:
        """Return one key, whether it works or not; raises NotFound."""
        with self._read() as connection:
            return _key_of(connection, key_id)

    def revoke(self, key_id: str, *, now: int) -> Key:
        """End a key at once; a key that was revoked before keeps its first time."""
        with self._write() as connection:
            key = _key_of(connection, key_id)
            if key.revoked_at is None:
                key = msgspec.structs.replace(key, revoked_at=now)
                connection.execute(
                    sa.update(API_KEY).where(API_KEY.c.id == key_id).values(revoked_at=now)
                )
        return key

    def rotate(
        self, key_id: str, *, now: int, grace_seconds: int = GRACE_SECONDS
    ) -> tuple[Key, str]:
        """Add a successor of a key and return it with its text; the old one works until the grace ends.

        Raises Refused for a key that no longer works, or a grace below 0 or above 90 days.
        """
        with self._write() as connection:
            old = _key_of(connection, key_id)
            if not old.is_valid(now):
                raise Refused(
                    f"The key {key_id} no longer works.", hint="Create a new key instead."
                )
            end = now + checked_grace(grace_seconds) * MICROSECONDS
            if old.expires_at is not None:
                end = min(end, old.expires_at)
            connection.execute(
                sa.update(API_KEY).where(API_KEY.c.id == key_id).values(expires_at=end)
            )
            made = _new_key(
                old.project, old.kind, old.label, now, origins=old.origins, replaces=key_id
            )
            return _insert_key(connection, *made)

    def find(self, text: str, now: int) -> Key | None:
        """Return the key of that text if it may be used now.

        A wrong checksum is refused without a look-up; an unknown id and a wrong secret take the
        same path.
        """
        parts = parse(text)
        if parts is None:
            return None
        with self._read() as connection:
            query = sa.select(API_KEY).where(API_KEY.c.id == parts.id)
            row = connection.execute(query).mappings().first()
        kept = _NOBODY if row is None else row["hash"]
        is_same = hmac.compare_digest(digest(parts.secret), kept)
        if row is None or not is_same or row["kind"] != parts.kind:
            return None
        key = _key(row)
        return key if key.is_valid(now) else None

    # Sites

    def add_site(self, project: str, protocol: str, name: str, *, now: int) -> Site:
        """Let clients of a protocol call a project by that name; raises Refused if it is taken."""
        if not name.strip() or len(name.encode()) > _LONGEST_SITE or not name.isprintable():
            raise Refused(f"{name[:80]!a} cannot name a site.", path="$.name")
        site = Site(protocol, name.strip(), project, now)
        try:
            with self._write() as connection:
                _project_of(connection, project)
                connection.execute(sa.insert(SITE).values(msgspec.structs.asdict(site)))
        except exc.IntegrityError as error:
            raise TallymarkError(
                f"The {protocol} site {name[:80]!r} is registered already.", code="SITE_EXISTS"
            ) from error
        return site

    def sites(self, project: str) -> list[Site]:
        """Return the sites of a project, by protocol and name."""
        query = sa.select(SITE).where(SITE.c.project == project)
        with self._read() as connection:
            _project_of(connection, project)
            rows = connection.execute(query.order_by(SITE.c.protocol, SITE.c.name)).mappings()
            return [_site(row) for row in rows]

    def remove_site(self, project: str, protocol: str, name: str) -> None:
        """Forget a site of a project at once; raises NotFound."""
        is_it = (SITE.c.project == project) & (SITE.c.protocol == protocol) & (SITE.c.name == name)
        with self._write() as connection:
            _project_of(connection, project)
            if not connection.execute(sa.delete(SITE).where(is_it)).rowcount:
                raise NotFound(f"There is no {protocol[:40]} site {name[:80]!r}.")

    def find_site(self, protocol: str, name: str) -> Site | None:
        """Return the site that clients of a protocol call by that name."""
        query = sa.select(SITE).where((SITE.c.protocol == protocol) & (SITE.c.name == name))
        with self._read() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _site(row)

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with away_is_told(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with away_is_told(), self._engine.begin() as connection:
            yield connection


def _slug(text: str, path: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-")
    if not slug or not _SLUG.fullmatch(slug):
        raise Refused(
            f"{text[:80]!r} cannot name a project.",
            hint="Use letters a-z, digits and hyphens.",
            path=path,
        )
    return slug


def _zone(name: str) -> str:
    known = available_timezones()
    if name not in known:
        raise Refused(
            f"There is no time zone {name[:80]!r}.",
            code="TIMEZONE_UNKNOWN",
            hint=did_you_mean(name[:80], known),
            path="$.timezone",
        )
    return name


def _project_row(project: Project) -> dict[str, object]:
    return {**msgspec.structs.asdict(project), "policy": _json(project.policy)}


def _json(policy: Policy) -> str:
    return msgspec.json.encode(policy).decode()


def _project(row: sa.RowMapping) -> Project:
    policy = msgspec.json.decode(row["policy"], type=Policy)
    return Project(row["id"], row["name"], row["timezone"], row["created_at"], policy)


def _project_of(connection: Connection, slug: str) -> Project:
    row = connection.execute(sa.select(PROJECT).where(PROJECT.c.id == slug)).mappings().first()
    if row is None:
        raise NotFound(f"There is no project {slug[:80]!r}.", code="PROJECT_UNKNOWN")
    return _project(row)


def _new_key(
    project: str,
    kind: Kind,
    label: str,
    now: int,
    *,
    origins: tuple[str, ...],
    replaces: str | None = None,
) -> tuple[Key, str]:
    text = new_key_text(kind)
    key = Key(
        id=text[3:11], project=project, kind=kind, label=label, prefix=text[:11], created_at=now,
        replaces=replaces, text=text if kind == "public" else None, origins=origins,
    )  # fmt: skip
    return key, text


def _insert_key(connection: Connection, key: Key, text: str) -> tuple[Key, str]:
    parts = parse(text)
    assert parts is not None  # noqa: S101 - we have just made it
    origins = msgspec.json.encode(key.origins).decode() if key.origins else None
    row = {**msgspec.structs.asdict(key), "hash": digest(parts.secret), "origins": origins}
    connection.execute(sa.insert(API_KEY).values(row))
    return key, text


def _key_of(connection: Connection, key_id: str) -> Key:
    row = connection.execute(sa.select(API_KEY).where(API_KEY.c.id == key_id)).mappings().first()
    if row is None:
        raise NotFound(
            f"There is no key {key_id[:80]!r}.", hint="See its id with: tallymark keys list"
        )
    return _key(row)


def _key(row: sa.RowMapping) -> Key:
    held = {name: row[name] for name in Key.__struct_fields__}
    origins = msgspec.json.decode(held["origins"] or "[]", type=tuple[str, ...])
    return Key(**{**held, "origins": origins})


def _site(row: sa.RowMapping) -> Site:
    return Site(**{name: row[name] for name in Site.__struct_fields__})
