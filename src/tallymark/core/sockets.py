"""Where the Unix sockets of a data folder lie."""

import hashlib
import os
import tempfile
from pathlib import Path

from .errors import TallymarkError

# The kernel keeps 108 bytes for a socket's path on Linux and 104 on macOS.
_LONGEST = 100


def socket_path(data: Path, name: str) -> Path:
    """Return the path of a socket in the data folder, or of a short stand-in if that is too long.

    Whoever listens has to ``make_private`` the folder first.
    """
    path = data.absolute() / name
    if len(str(path).encode()) <= _LONGEST:
        return path
    digest = hashlib.blake2b(str(data.absolute()).encode(), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"tallymark-{digest}" / name


def make_private(folder: Path) -> None:
    """Make a folder for its owner alone; raises TallymarkError if it is somebody else's."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_uid != os.getuid():
        raise TallymarkError(
            f"The folder {folder} belongs to another user.",
            code="DATA_DIR_IN_USE",
            hint="Use a data folder of your own.",
        )
