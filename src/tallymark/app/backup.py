"""Backup while serving, restore elsewhere, and verify: counts and hashes say whether all is there.

    target/
      manifest.json            what it holds, with counts and a hash of each file
      catalog.db
      projects/<id>/log.db  store.duckdb  loads.json

The store is copied first and the log after it, so the log holds at least what the store does; a
restored server loads the difference. The manifest is written last: without it there is no backup.
"""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tallymark import __version__
from tallymark.api.answers import FileEntry, Manifest, ProjectEntry
from tallymark.app.folders import Folders, locked
from tallymark.core.errors import TallymarkError
from tallymark.log.sqlite import SqliteLog

FORMAT = 1
_CHUNK = 1024 * 1024

StoreCall = Callable[[str, dict[str, object]], Awaitable[bytes]]


class StoreStatus(Struct, frozen=True):
    """The part of a store's own account that a backup keeps."""

    log_position: int
    events: int
    ledger: dict[str, int]
    balanced: bool


class _Done(Struct, frozen=True):
    created_at: int
    store_positions: dict[str, int]


async def back_up(
    folders: Folders,
    target: Path,
    call: StoreCall,
    in_thread: Callable[..., Awaitable[Any]],
    now: int,
) -> Manifest:
    """Write a consistent copy of everything to a new folder while serving; return its manifest."""
    await in_thread(_prepare, target)
    projects: dict[str, ProjectEntry] = {}
    for name in folders.projects():
        place = target / "projects" / name
        await in_thread(_make, place)
        status = msgspec.json.decode(
            await call("snapshot", {"project": name, "target": str(place / "store.duckdb")}),
            type=StoreStatus,
        )
        for kept in (folders.loads(name), folders.pseudonym_key(name)):
            await in_thread(_copy_if_there, kept, place / kept.name)
        head, items = await in_thread(_copy_log, folders.log(name), place / "log.db")
        projects[name] = ProjectEntry(
            head, items, status.log_position, status.events, status.ledger
        )
    await in_thread(_copy_sqlite, folders.catalog, target / "catalog.db")
    files = await in_thread(_hash_all, target)
    manifest = Manifest(FORMAT, __version__, now, files, projects)
    await in_thread(_write_json, target / "manifest.json", manifest)
    # The backup is whole without this note; only the log is not trimmed as far as it could be.
    with suppress(OSError):
        await in_thread(_write_json, folders.backups, _Done(now, _positions(manifest)))
    return manifest


def backed_up(folders: Folders) -> dict[str, int]:
    """Return how far the store in the last finished backup is, by project.

    Empty when there was none: also in a restored folder, whose log nothing else holds yet.
    """
    try:
        return msgspec.json.decode(folders.backups.read_bytes(), type=_Done).store_positions
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def read_manifest(source: Path) -> Manifest:
    """Return a backup's manifest; raises TallymarkError BACKUP_INVALID."""
    try:
        data = (source / "manifest.json").read_bytes()
        manifest = msgspec.json.decode(data, type=Manifest)
    except FileNotFoundError:
        raise _invalid(f"{source} has no manifest.json; the backup was not finished.") from None
    except (OSError, msgspec.DecodeError) as error:
        raise _invalid(f"The manifest cannot be read: {error}.") from None
    if manifest.format > FORMAT:
        raise TallymarkError(
            f"The backup has format {manifest.format}; this version knows up to {FORMAT}.",
            code="VERSION_UNKNOWN",
        )
    return manifest


def check_files(source: Path, manifest: Manifest) -> None:
    """Compare every file with the manifest; raises TallymarkError BACKUP_INVALID."""
    for entry in manifest.files:
        path = source / entry.path
        if not path.resolve().is_relative_to(source.resolve()):
            raise _invalid(f"The manifest names a path outside the backup: {entry.path}.")
        if not path.is_file() or path.stat().st_size != entry.size_bytes:
            raise _invalid(f"{entry.path} is missing or has another size.")
        if _hash(path) != entry.blake2b:
            raise _invalid(f"{entry.path} does not match its hash.")


def restore(source: Path, data: Path) -> Manifest:
    """Copy a checked backup to a new data folder; raises TallymarkError BACKUP_INVALID."""
    manifest = read_manifest(source)
    check_files(source, manifest)
    if data.exists() and any(data.iterdir()):
        raise TallymarkError(
            f"{data} is not empty.",
            code="BACKUP_INVALID",
            hint="Restore into a new folder; nothing is ever overwritten.",
        )
    folders = Folders(data)
    with locked(folders):
        for entry in manifest.files:
            place = data / entry.path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / entry.path, place)
            _sync(place)
        for name, project in manifest.projects.items():
            if not folders.log(name).exists() and project.log_head == 0:
                continue  # nothing was ever sent to it
            with closing(SqliteLog(folders.log(name), readonly=True)) as log:
                report = log.verify()
            if not report.ok or report.head != project.log_head:
                raise _invalid(f"The log of {name!r} does not verify after the copy.")
    return manifest


def _prepare(target: Path) -> None:
    if target.exists() and any(target.iterdir()):
        raise TallymarkError(
            f"{target} is not empty.",
            code="BACKUP_INVALID",
            hint="Give a new folder; a backup never overwrites.",
        )
    _make(target)


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def _copy_if_there(path: Path, target: Path) -> None:
    if path.exists():
        shutil.copyfile(path, target)


def _copy_log(path: Path, target: Path) -> tuple[int, int]:
    if not path.exists():
        return 0, 0
    with closing(SqliteLog(path, readonly=True)) as log:
        log.backup(target)
    with closing(SqliteLog(target, readonly=True)) as copy:
        report = copy.verify()
    return report.head, report.items


def _copy_sqlite(path: Path, target: Path) -> None:
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def _hash_all(target: Path) -> list[FileEntry]:
    paths = sorted(path for path in target.rglob("*") if path.is_file())
    for path in paths:
        _sync(path)
    return [
        FileEntry(str(path.relative_to(target)), path.stat().st_size, _hash(path)) for path in paths
    ]


def _write_json(path: Path, value: Struct) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2))
    _sync(part)
    part.replace(path)
    _sync(path.parent)


def _positions(manifest: Manifest) -> dict[str, int]:
    return {name: project.store_position for name, project in manifest.projects.items()}


def _hash(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=32)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _invalid(message: str) -> TallymarkError:
    return TallymarkError(message, code="BACKUP_INVALID")
