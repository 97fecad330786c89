"""One of each thing that people make on the pages, made anew so that any route about it can be asked."""

from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

TRENDS: Final = {"insight": "trends", "question": {"range": "7d"}}
_OF: Final = "/tm/v1/projects/{project}"
_SECRET: Final = "correct horse battery staple"
_AT: Final = {"at": "2026-11-20T10:00:00Z", "text": "released"}

Make = Callable[[str, str, Any], Any]
"""Asks as the owner of the data folder and returns the answer to a method, an address and a body."""


def about(make: Make, method: str, path: str) -> tuple[str, Any] | None:
    """Return the address and the body to ask a route with, None for one of something else."""
    kind = path.removeprefix(_OF).removeprefix("/tm/v1").split("/")[1]
    if path.endswith("/plan/changes"):
        return f"{path}?before=0&after=1", None
    known = _KINDS.get(kind)
    return None if known is None else known(make, method, path)


def _question(make: Make, method: str, path: str) -> tuple[str, Any]:
    new = {"name": f"Q {uuid4().hex}", **TRENDS}
    return _kept(make, method, path, "saved", new, {**new, "version": 1})


def _board(make: Make, method: str, path: str) -> tuple[str, Any]:
    new = _new_board()
    return _kept(make, method, path, "dashboards", new, {**new, "version": 1})


def _annotation(make: Make, method: str, path: str) -> tuple[str, Any]:
    return _kept(make, method, path, "annotations", _AT, _AT)


def _share(make: Make, method: str, path: str) -> tuple[str, Any]:
    return _kept(make, method, path, "shares", _order(make), None)


def _link(make: Make, method: str, path: str) -> tuple[str, Any]:
    locked = path.endswith("/unlock")
    token = make("POST", f"{_OF}/shares", _order(make, _SECRET if locked else None))["token"]
    place = path.replace("{token}", token).replace("{tile}", "t1")
    return place, {"password": _SECRET} if locked else None


def _tile(_make: Make, _method: str, path: str) -> tuple[str, Any]:
    return path, {"question": TRENDS}


def _cohort(make: Make, method: str, path: str) -> tuple[str, Any]:
    place, cohort = (
        path.replace("{name}", f"c_{uuid4().hex}"),
        {"who": {"op": "did", "event": "signup"}},
    )
    if method == "DELETE":
        make("PUT", place, cohort)
        return place, None
    return place, cohort


def _kept(make: Make, method: str, path: str, kind: str, new: Any, changed: Any) -> tuple[str, Any]:
    if "{id}" not in path:
        return path, new if method == "POST" else None
    place = path.replace("{id}", _id(make("POST", f"{_OF}/{kind}", new)))
    return place, changed if method == "PUT" else None


def _order(make: Make, password: str | None = None) -> dict[str, Any]:
    board = make("POST", f"{_OF}/dashboards", _new_board())
    return {"kind": "dashboard", "target": board["id"], "password": password}


def _new_board() -> dict[str, Any]:
    tile = {"kind": "question", "id": "t1", "x": 0, "y": 0, "w": 6, "h": 4, "question": TRENDS}
    return {"name": f"B {uuid4().hex}", "tiles": [tile]}


def _id(made: Any) -> str:
    """Return the id of what was made; a link's lies beside its token."""
    found: str = made["id"] if "id" in made else made["share"]["id"]
    return found


_KINDS: Final[dict[str, Callable[[Make, str, str], tuple[str, Any]]]] = {
    "saved": _question, "dashboards": _board, "annotations": _annotation, "shares": _share,
    "shared": _link, "share": _link, "tile": _tile, "cohorts": _cohort,
}  # fmt: skip
