"""An exact map from 128-bit keys to integers, as large as the disk and small in memory.

A derived cache: the truth is a table of the store. Recent keys are sorted arrays in memory; the
rest are *runs*, immutable files of sorted keys read through the page cache. A manifest names the
runs and is replaced as a whole, so a kill at any moment leaves the old state or the new one; and
what does not verify is thrown away, to be filled again from the store.

Runs are kept from oldest to newest and only neighbours are merged, so of a key added twice the
value added first is found. Runs of one tier (each tier four times as large as the one below) are
merged once there are four, so their number grows with the logarithm of the keys.
"""

import contextlib
import os
import zlib
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct

from tallymark.core.failpoint import reach
from tallymark.store.hash_runs import (
    NO_KEYS,
    Halves,
    Keys,
    Run,
    RunEntry,
    RunWriter,
    Values,
    find,
    merged,
    open_run,
)

ABSENT: Final = -1
_VERSION: Final = 1
_MANIFEST: Final = "manifest.json"
_FLUSH_KEYS: Final = 1 << 18
_FEWEST_MERGED: Final = 4
_MOST_MERGED: Final = 16
_MERGED_PER_ADDED: Final = 8


class _Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole state on disk: all keys with values up to ``covered`` are in the runs."""

    version: int = _VERSION
    covered: int = ABSENT
    next_file: int = 0
    runs: tuple[RunEntry, ...] = ()


class HashIndex:
    """Finds the value of a key in microseconds among any number of keys; for one thread.

    Values must grow from one ``add`` to the next. Add a key only after the store has committed it.
    """

    def __init__(self, folder: Path, flush_keys: int, manifest: _Manifest, runs: list[Run]) -> None:
        self._folder = folder
        self._flush_keys = flush_keys
        self._manifest = manifest
        self._runs = runs
        self._recent = NO_KEYS
        self._newest = manifest.covered
        self._owed = 0
        self._merge: Generator[int, None, None] | None = None

    @classmethod
    def open(
        cls, folder: Path, *, newest: int | None = None, flush_keys: int = _FLUSH_KEYS
    ) -> "HashIndex":
        """Open the index, empty if its files are missing or damaged in any way.

        ``newest`` is the largest value in the store: an index that knows of a later one belongs to
        another state of the store, such as before a restore, and is emptied. ``flush_keys`` is how
        many recent keys are held in memory, at 24 bytes each.
        """
        folder.mkdir(parents=True, exist_ok=True)
        try:
            manifest = _read_manifest(folder)
            runs = [open_run(folder, entry) for entry in manifest.runs]
        except (OSError, ValueError, msgspec.MsgspecError):
            manifest, runs = _Manifest(), []
        index = cls(folder, flush_keys, manifest, runs)
        if not runs or (newest is not None and manifest.covered > newest):
            index.reset()
        else:
            index._remove_strays()
        return index

    @property
    def covered(self) -> int:
        """Every key with a value up to this one is in the files; -1 if none is."""
        return self._manifest.covered

    @property
    def covered_or_recent(self) -> int:
        """Every key with a value up to this one can be found; -1 if none can."""
        return self._newest

    def lookup(self, high: Halves, low: Halves) -> Values:
        """Return the value of each key, the first one added for it; -1 where it is absent."""
        order = np.argsort(high)
        high, low = high[order], low[order]
        found = np.full(len(high), ABSENT, dtype=np.int64)
        if len(high):
            # From newest to oldest: of a key added twice, the older value is written last.
            find(self._recent, high, low, found)
            for run in reversed(self._runs):
                find(run.keys, high, low, found)
        values = np.empty_like(found)
        values[order] = found
        return values

    def add(self, high: Halves, low: Halves, values: Values) -> None:
        """Take in keys that the store has committed; may write a file now and then.

        Raises ValueError if a value lies in the covered range, where it would be lost on a crash.
        """
        if not len(values):
            return
        if int(values.min()) <= self.covered:
            raise ValueError(f"value {values.min()} was added after {self.covered} was covered")
        order = np.argsort(high, kind="stable")
        high, low, values = high[order], low[order], values[order]
        recent = self._recent
        places = recent.high.searchsorted(high, side="right")
        self._recent = Keys(
            np.insert(recent.high, places, high),
            np.insert(recent.low, places, low),
            np.insert(recent.values, places, values),
        )
        self._newest = max(self._newest, int(values.max()))
        if len(self._recent.high) >= self._flush_keys:
            # A full disk must not fail a load that the store has committed: the keys stay in
            # memory, the next add tries again, and maintain() raises what went wrong.
            with contextlib.suppress(OSError):
                self.flush()
        self._merge_along(len(values))

    def flush(self) -> None:
        """Write the recent keys to a run of their own; raises OSError, leaving all as it was."""
        if not len(self._recent.high):
            return
        manifest = self._manifest
        with RunWriter(self._folder, manifest.next_file, len(self._recent.high)) as writer:
            writer.append(self._recent)
            run = writer.finish()
        reach("index.run_written")
        runs = [*self._runs, run]
        self._replace(runs, covered=self._newest, next_file=manifest.next_file + 1)
        self._recent = NO_KEYS

    def maintain(self, max_keys: int = 1 << 20) -> bool:
        """Merge runs so that lookups stay fast, rewriting about ``max_keys`` keys at most.

        Also gives back the memory through which files were read since the last call. Returns
        whether there is more to do; raises OSError, leaving all as it was.
        """
        for run in self._runs:
            run.release()
        if len(self._recent.high) >= self._flush_keys:
            self.flush()
        return self._merge_some(max_keys)

    def reset(self) -> None:
        """Forget every key; the store is to be read again from its beginning."""
        self._stop_merging()
        self._recent = NO_KEYS
        self._newest = ABSENT
        self._manifest, self._runs = _Manifest(), []
        # Without a manifest the runs mean nothing, so it goes first; a full disk cannot hinder it.
        (self._folder / _MANIFEST).unlink(missing_ok=True)
        _sync(self._folder)
        self._remove_strays()

    def close(self) -> None:
        """Write the recent keys down and release the files; nothing is lost by not calling it."""
        self._stop_merging()
        with contextlib.suppress(OSError):
            self.flush()
        self._runs = []

    def _merge_along(self, added: int) -> None:
        # Each key is rewritten once a tier, so this much work a key keeps up with any load, in
        # steps too short to be felt.
        step = self._flush_keys
        self._owed = min(self._owed + _MERGED_PER_ADDED * added, 2 * step)
        if self._owed >= step:
            self._owed -= step
            with contextlib.suppress(OSError):
                self._merge_some(step)

    def _merge_some(self, max_keys: int) -> bool:
        left = max_keys
        while left > 0:
            if self._merge is None:
                inputs = _to_merge([run.entry.count for run in self._runs], self._flush_keys)
                if not inputs:
                    return False
                self._merge = self._merging(self._runs[inputs])
            try:
                left -= next(self._merge)
            except StopIteration:
                self._merge = None
            except OSError:
                self._merge = None
                raise
        return True

    def _merging(self, inputs: list[Run]) -> Generator[int, None, None]:
        """Merge neighbouring runs step by step, yielding how many keys each step wrote."""
        number = self._manifest.next_file
        self._manifest = msgspec.structs.replace(self._manifest, next_file=number + 1)
        count = sum(run.entry.count for run in inputs)
        with RunWriter(self._folder, number, count) as writer:
            for keys in merged(self._folder, inputs):
                writer.append(keys)
                reach("index.merging")
                yield len(keys.high)
            run = writer.finish()
        # Runs may have been added behind the inputs meanwhile, but none before or between.
        first = [one.entry for one in self._runs].index(inputs[0].entry)
        self._replace([*self._runs[:first], run, *self._runs[first + len(inputs) :]])

    def _stop_merging(self) -> None:
        if self._merge is not None:
            self._merge.close()
            self._merge = None

    def _replace(self, runs: list[Run], **changes: int) -> None:
        """Make these runs the state on disk, then the state in memory, then drop unused files."""
        entries = tuple(run.entry for run in runs)
        manifest = msgspec.structs.replace(self._manifest, runs=entries, **changes)
        reach("index.before_manifest")
        _write_manifest(self._folder, manifest)
        reach("index.after_manifest")
        unused = set(self._manifest.runs) - set(entries)
        self._manifest, self._runs = manifest, runs
        for entry in unused:
            (self._folder / entry.file).unlink(missing_ok=True)

    def _remove_strays(self) -> None:
        known = {_MANIFEST, *(entry.file for entry in self._manifest.runs)}
        for file in self._folder.iterdir():
            if file.name not in known:
                file.unlink()


def _to_merge(counts: Sequence[int], unit: int) -> slice | None:
    """Return which neighbouring runs to merge next, the smallest tier first.

    Smaller runs that lie between those of the tier go along, so that none is left behind for good.
    """
    tiers = [max(0, (count // unit).bit_length() - 1) // 2 for count in counts]
    for tier in sorted(set(tiers)):
        first = 0
        for place, other in enumerate((*tiers, tier + 1)):
            if other <= tier:
                continue
            if tiers[first:place].count(tier) >= _FEWEST_MERGED:
                return slice(first, min(place, first + _MOST_MERGED))
            first = place + 1
    return None


def _read_manifest(folder: Path) -> _Manifest:
    """Return the manifest; raises ValueError, MsgspecError or OSError if it is not as written."""
    data = (folder / _MANIFEST).read_bytes()
    body = data.partition(b"\n")[0]
    manifest = msgspec.json.decode(body, type=_Manifest)
    if manifest.version != _VERSION or data != _encoded(manifest):
        raise ValueError("the manifest is damaged, or of another version")
    return manifest


def _write_manifest(folder: Path, manifest: _Manifest) -> None:
    """Replace the manifest as a whole, durably."""
    draft = folder / f"{_MANIFEST}.tmp"
    with draft.open("wb") as file:
        file.write(_encoded(manifest))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / _MANIFEST)
    _sync(folder)


def _sync(folder: Path) -> None:
    """Make creations, renames and removals in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _encoded(manifest: _Manifest) -> bytes:
    """Return the manifest as a line of JSON and a line with its checksum."""
    body = msgspec.json.encode(manifest)
    return b"%b\n%08x\n" % (body, zlib.crc32(body))
