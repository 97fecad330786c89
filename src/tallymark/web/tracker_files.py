"""The browser script as it was built: each file of each version, with its hash, ready to be sent.

``dist/tracker/`` holds the present files and their manifest, and a folder of each version that was
released. A version never changes, because pages name it together with the hash of what they expect.
"""

import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

FOLDER: Final = Path(__file__).parent / "dist" / "tracker"
NAMES: Final = ("t.js", "t.auto.js", "t.full.js")
_MANIFEST: Final = "manifest.json"


class BuiltFile(Struct, frozen=True):
    """What the manifest says of a file: sizes in bytes, and the hash for ``integrity``."""

    bytes: int
    gzip: int
    integrity: str


class ScriptManifest(Struct, frozen=True):
    """What was built: the version, a digest of the sources, and the files."""

    version: str
    sources: str
    files: dict[str, BuiltFile]


class ScriptFile(Struct, frozen=True):
    """One file as it is sent; ``etag`` names its content, without the quotes."""

    content: bytes
    packed: bytes
    etag: str


class Scripts(Struct, frozen=True):
    """Every file by version and name; ``version`` is the present one."""

    version: str
    files: dict[tuple[str, str], ScriptFile]

    def find(self, name: str, version: str | None = None) -> ScriptFile | None:
        """Return a file of a version, of the present one if none is named; None if there is none."""
        return self.files.get((version or self.version, name))


@cache
def scripts() -> Scripts:
    """Return the files that come with this installation, read and packed once."""
    return read(FOLDER)


def manifest_in(folder: Path) -> ScriptManifest:
    """Return what a folder of built files says of itself."""
    return msgspec.json.decode((folder / _MANIFEST).read_bytes(), type=ScriptManifest)


def read(folder: Path) -> Scripts:
    """Return the present files of a folder, and those of its released versions."""
    released = sorted(path.parent for path in folder.glob(f"*/{_MANIFEST}"))
    present = manifest_in(folder)
    files: dict[tuple[str, str], ScriptFile] = {}
    for place in (folder, *released):
        version = manifest_in(place).version
        for name in NAMES:
            if (place / name).is_file():
                files[version, name] = _file((place / name).read_bytes())
    return Scripts(present.version, files)


def _file(content: bytes) -> ScriptFile:
    # Without a time in it, the same file is packed to the same bytes.
    packed = gzip.compress(content, 9, mtime=0)
    return ScriptFile(content, packed, hashlib.sha256(content).hexdigest()[:32])
