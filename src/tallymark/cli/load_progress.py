"""How far each file was loaded, and the secret that stands for visitors in access logs.

Only a help: without it a file is read again from its start, and every event still counts once.
But a lost secret makes other visitor ids, so lines loaded before would be reported as conflicts.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tallymark.collect.sources.source import Options, Source
from tallymark.core.errors import TallymarkError
from tallymark.core.ids import random_text

_SALT_LENGTH = 32
_NAME = "loads.json"


class Reached(Struct, frozen=True):
    """The last line known to be durable: where it begins, and its digest; ``file`` is for people.

    ``before`` is how many lines of the file were read before it: no header, no blank line, and a
    record of several lines once. None if nobody counted.
    """

    position: int
    digest: str
    file: str
    before: int | None = None


class Progress(Struct):
    """What is remembered of the files of one project; ``reached`` is keyed by ``file_key``."""

    salt: str
    reached: dict[str, Reached] = {}


def progress_path(data: str | None, url: str | None, project: str) -> Path:
    """Return where progress is kept: with the project, or for a server elsewhere with the user."""
    if url is None:
        return Path(data or "data") / "projects" / project / _NAME
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    digest = hashlib.blake2b(f"{url}\0{project}".encode(), digest_size=8).hexdigest()
    return Path(state) / "tallymark" / f"{digest}.{_NAME}"


def read_progress(path: Path) -> Progress:
    """Return what is remembered; a new secret and nothing else if there is no such file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Progress)
    except FileNotFoundError:
        return Progress(salt=random_text(_SALT_LENGTH))
    except (OSError, msgspec.MsgspecError) as error:
        raise TallymarkError(
            f"{path} cannot be read: {error}.",
            code="FILE_UNREADABLE",
            hint="Repair or restore it: it holds the secret that makes visitor ids.",
        ) from error


def settled_progress(path: Path) -> Progress:
    """Return what is remembered, after making sure that its secret is the one everybody will find.

    A load may begin at the same moment; whoever comes second takes the secret of the first.
    """
    if not path.exists():
        fresh = path.with_name(f"{random_text(8)}.{path.name}")
        write_progress(fresh, Progress(salt=random_text(_SALT_LENGTH)))
        with suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    return read_progress(path)


def write_progress(path: Path, progress: Progress) -> None:
    """Replace the file at once, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_suffix(".new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(progress)))
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(path)


def file_key(source: Source, file: Path, options: Options) -> str:
    """Return what a file is known by: its beginning, its format and how it is mapped."""
    # Only what decides how a line is read: the time and the limits do not make another file of it.
    read_by: dict[str, Any] = {
        "delimiter": options.delimiter,
        "fields": options.fields,
        "salt": "",
    }
    if options.since is not None or options.until is not None:
        read_by |= {"since": options.since, "until": options.until}
    how = msgspec.json.encode(read_by, order="sorted")
    parts = f"{source.name}\0{source.digest(file, 0)}\0".encode() + how
    return hashlib.blake2b(parts, digest_size=12).hexdigest()


def start_of(source: Source, file: Path, reached: Reached | None) -> int:
    """Return where to go on: at the last durable line, or 0 if the file is not the one it was.

    That line is read again, because it may have been cut short when it was read.
    """
    if reached is None or source.digest(file, reached.position) != reached.digest:
        return 0
    return reached.position
