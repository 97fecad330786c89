"""What the files of a data folder hold, compressed or not."""

from contextlib import closing
from pathlib import Path

from backports import zstd

from tallymark.log.codec import ZSTD
from tallymark.log.sqlite import SqliteLog


def contents(data: Path) -> bytes:
    """Return the bytes of every file of a data folder, and what its logs and stores hold inflated."""
    found = [path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file()]
    for path in data.glob("projects/*/log.db"):
        with closing(SqliteLog(path, readonly=True)) as log:
            for record in log.read(0, max_bytes=1 << 40, max_items=1 << 40):
                payload = record.payload or b""
                found.append(zstd.decompress(payload) if record.codec == ZSTD else payload)
    return b"\n".join(found)
