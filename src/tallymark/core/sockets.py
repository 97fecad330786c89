"""Where the Unix sockets of a data folder lie."""

import hashlib
import tempfile
from pathlib import Path

# The kernel keeps 108 bytes for a socket's path on Linux and 104 on macOS.
_LONGEST = 100


def socket_path(data: Path, name: str) -> Path:
    """Return the path of a socket in the data folder, or of a short stand-in if that is too long.

    The stand-in's folder is made for its owner alone by whoever listens.
    """
    path = data.absolute() / name
    if len(str(path).encode()) <= _LONGEST:
        return path
    digest = hashlib.blake2b(str(data.absolute()).encode(), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"tallymark-{digest}" / name
