"""What only the owner of the data folder may ask, over its socket: projects, keys, plans, backups."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .calls import DECODER, Calls


class Owning(Calls):
    """Looks after a server."""

    def projects(self) -> list[dict[str, Any]]:
        """Return every project, by id."""
        return list(self._get("/tm/v1/projects")["projects"])

    def create_project(self, name: str, **options: Any) -> Any:
        """Create a project; return ``project`` and ``keys`` with their secrets, shown this once."""
        return self._post("/tm/v1/projects", {"name": name, **options})

    def keys(self, project: str | None = None) -> list[dict[str, Any]]:
        """Return every key a project had, oldest first; their secrets are not kept."""
        return list(self._get(f"/tm/v1/projects/{self._named(project)}/keys")["keys"])

    def create_key(self, kind: str, *, project: str | None = None, **options: Any) -> Any:
        """Create a public, secret or read key; return ``key`` and ``secret``, shown this once."""
        return self._post(f"/tm/v1/projects/{self._named(project)}/keys", {"kind": kind, **options})

    def revoke(self, key_id: str) -> Any:
        """End a key now."""
        return self._post(f"/tm/v1/keys/{quote(key_id, safe='')}/revoke", {})

    def rotate(self, key_id: str, **options: Any) -> Any:
        """Make a successor of a key; return ``key`` and ``secret``, shown this once."""
        return self._post(f"/tm/v1/keys/{quote(key_id, safe='')}/rotate", options)

    def owner_link(self) -> str:
        """Return the token with which somebody takes a new server over, shown this once."""
        return str(self._post("/tm/v1/setup/link", {})["token"])

    def users(self) -> list[dict[str, Any]]:
        """Return everybody who may sign in, by address."""
        return list(self._get("/tm/v1/users")["users"])

    def add_user(self, email: str, **options: Any) -> Any:
        """Let somebody in; return ``user`` and the ``token`` of their link, shown this once."""
        return self._post("/tm/v1/users", {"email": email, **options})

    def change_user(self, user_id: str, **rights: Any) -> Any:
        """Replace what a user may do; return the user."""
        path = f"/tm/v1/users/{quote(user_id, safe='')}"
        return DECODER.decode(self._call("PUT", path, rights, is_repeatable=False))

    def invite_user(self, user_id: str) -> Any:
        """Make a new link for a user; return ``user`` and ``token``."""
        return self._post(f"/tm/v1/users/{quote(user_id, safe='')}/invitation", {})

    def sites(self, project: str | None = None) -> list[dict[str, Any]]:
        """Return the names by which clients of other protocols call a project."""
        return list(self._get(f"/tm/v1/projects/{self._named(project)}/sites")["sites"])

    def add_site(self, protocol: str, name: str, *, project: str | None = None) -> Any:
        """Let clients of a protocol call a project by that name; return the site."""
        path = f"/tm/v1/projects/{self._named(project)}/sites"
        return self._post(path, {"protocol": protocol, "name": name})

    def remove_site(
        self, protocol: str, name: str, *, project: str | None = None
    ) -> list[dict[str, Any]]:
        """End a site now; return those that are left."""
        path = f"/tm/v1/projects/{self._named(project)}/sites"
        body = {"protocol": protocol, "name": name}
        answer = self._call("DELETE", path, body, is_repeatable=False)
        return list(DECODER.decode(answer)["sites"])

    def plan(self, project: str | None = None) -> Any:
        """Return the tracking plan that holds, with its version; raises NotFound if there is none."""
        return self._get(f"/tm/v1/projects/{self._named(project)}/plan")

    def push_plan(self, plan: Any, *, project: str | None = None, breaking: bool = False) -> Any:
        """Make a tracking plan the one that holds; return its version and what changed."""
        path = f"/tm/v1/projects/{self._named(project)}/plan" + ("?breaking=1" if breaking else "")
        return DECODER.decode(self._call("PUT", path, plan, is_repeatable=False))

    def push_definitions(
        self, definitions: Any, *, project: str | None = None, dry_run: bool = False
    ) -> Any:
        """Make definitions those that hold; return what changes, also in numbers."""
        path = f"/tm/v1/projects/{self._named(project)}/definitions"
        path += "?dry_run=1" if dry_run else ""
        return DECODER.decode(self._call("PUT", path, definitions, is_repeatable=False))

    def replay(self, *, project: str | None = None, **order: Any) -> Any:
        """Try failed events again: ``where``, ``steps`` of repairs, ``dry_run``; return the report."""
        return self._post(f"/tm/v1/projects/{self._named(project)}/failed/replay", order)

    def mark_failed(self, where: Mapping[str, Any], status: str = "ignored") -> int:
        """Say that failed events need no attention (``ignored``) or do (``open``); return how many."""
        order = {"where": where, "status": status}
        return int(self._post(f"/tm/v1/projects/{self._named(None)}/failed/mark", order)["marked"])

    def backup(self, target: str | Path) -> Any:
        """Write a consistent copy to a new folder on the server's machine; return its manifest."""
        return self._post("/tm/v1/backup", {"target": str(Path(target).absolute())})

    def verify(self) -> Any:
        """Check log, store and ledger against each other and return what was found."""
        return self._post("/tm/v1/verify", {})
