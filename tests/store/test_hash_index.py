"""The index agrees with a dict, whatever is written, merged, reopened, killed or damaged."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tallymark.store import hash_index, hash_runs
from tallymark.store.hash_index import HashIndex
from tallymark.store.hash_runs import Halves

Key = tuple[int, int]
MAX = 2**64 - 1

# Few distinct halves, so that many keys share one or differ in one bit.
halves = st.sampled_from([0, 1, 2, 3, MAX - 1, MAX])
keys = st.tuples(halves, halves)
EVERY_KEY = [(high, low) for high in (0, 1, 2, 3, 7, MAX - 1, MAX) for low in (0, 1, 3, 7, MAX)]


def array(halves: Sequence[int]) -> Halves:
    return np.array(halves, dtype=np.uint64)


def lookup(index: HashIndex, wanted: Sequence[Key]) -> list[int]:
    high, low = zip(*wanted, strict=True)
    return [int(value) for value in index.lookup(array(high), array(low))]


def add(index: HashIndex, added: Sequence[Key], first: int) -> None:
    high, low = zip(*added, strict=True)
    index.add(array(high), array(low), np.arange(first, first + len(added)))


class Histories(RuleBasedStateMachine):
    """Any history of an index, next to the table of the store it is derived from."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name)
        self.table: list[Key] = []
        self.index: HashIndex
        self.patch = pytest.MonkeyPatch()

    @initialize(flush_keys=st.integers(1, 6), merge_keys=st.integers(1, 9))
    def begin(self, flush_keys: int, merge_keys: int) -> None:
        self.flush_keys = flush_keys
        self.patch.setattr(hash_runs, "MERGE_KEYS", merge_keys)
        self.index = HashIndex.open(self.path, flush_keys=flush_keys)

    @rule(added=st.lists(keys, min_size=1, max_size=7))
    def add(self, added: list[Key]) -> None:
        add(self.index, added, len(self.table))
        self.table += added

    @rule()
    def flush(self) -> None:
        self.index.flush()

    @rule(max_keys=st.integers(1, 20))
    def maintain(self, max_keys: int) -> None:
        self.index.maintain(max_keys)

    @rule(is_closed=st.booleans())
    def reopen(self, is_closed: bool) -> None:
        if is_closed:
            self.index.close()
        self.index = HashIndex.open(self.path, flush_keys=self.flush_keys)
        self.feed()

    @precondition(lambda self: len(self.table) > 3)
    @rule(share=st.floats(0, 1))
    def restore_the_store_to_an_earlier_state(self, share: float) -> None:
        self.table = self.table[: int(len(self.table) * share)]
        newest = len(self.table) - 1
        self.index = HashIndex.open(self.path, newest=newest, flush_keys=self.flush_keys)
        self.feed()

    @rule()
    def reset(self) -> None:
        self.index.reset()
        self.feed()

    def feed(self) -> None:
        tail = self.table[self.index.covered_or_recent + 1 :]
        if tail:
            add(self.index, tail, self.index.covered_or_recent + 1)

    @invariant()
    def finds_what_a_dict_finds(self) -> None:
        expected: dict[Key, int] = {}
        for value, key in enumerate(self.table):
            expected.setdefault(key, value)
        assert lookup(self.index, EVERY_KEY) == [expected.get(key, -1) for key in EVERY_KEY]
        assert self.index.covered_or_recent == len(self.table) - 1

    @invariant()
    def keeps_the_files_it_needs_and_one_under_way(self) -> None:
        names = {file.name for file in self.path.iterdir()}
        assert ("manifest.json" in names) == bool(self.index._runs)
        assert len(names) <= 2 + len(self.index._runs)

    def teardown(self) -> None:
        self.patch.undo()
        self.folder.cleanup()


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def random_keys(count: int, seed: int) -> tuple[Halves, Halves]:
    source = np.random.default_rng(seed)
    high, low = source.integers(0, MAX, (2, count), dtype=np.uint64, endpoint=True)
    return high, low


def test_a_hundred_thousand_keys_are_found_and_no_others(tmp_path: Path) -> None:
    high, low = random_keys(100_000, seed=1)
    index = HashIndex.open(tmp_path, flush_keys=1_000)
    for first in range(0, 100_000, 700):
        piece = slice(first, first + 700)
        index.add(high[piece], low[piece], np.arange(100_000)[piece])

    assert (index.lookup(high, low) == np.arange(100_000)).all()
    assert (index.lookup(low, high) == -1).all()
    assert (index.lookup(high, low ^ np.uint64(1)) == -1).all()
    # Sixteen sizes a factor of four apart would be beyond any disk.
    assert len(index._runs) < 16
    index.close()


@pytest.mark.parametrize("flush_keys", [10_000, 100, 30])
def test_of_a_key_added_again_the_first_value_is_found(tmp_path: Path, flush_keys: int) -> None:
    index = HashIndex.open(tmp_path, flush_keys=flush_keys)
    shuffled = [(n % 3, n % 7) for n in range(1_000)]
    random.Random(3).shuffle(shuffled)

    for first in range(0, 1_000, 50):
        add(index, shuffled[first : first + 50], first)
    while index.maintain():
        pass

    for key in {*shuffled}:
        assert lookup(index, [key]) == [shuffled.index(key)]


def test_the_recent_keys_are_written_on_close(tmp_path: Path) -> None:
    index = HashIndex.open(tmp_path)
    add(index, [(1, 1), (2, 2)], 10)
    assert (index.covered, index.covered_or_recent) == (-1, 11)

    index.close()

    index = HashIndex.open(tmp_path)
    assert (index.covered, index.covered_or_recent) == (11, 11)
    assert lookup(index, [(1, 1), (2, 2), (3, 3)]) == [10, 11, -1]


def test_nothing_is_added_and_looked_up_in_an_empty_index(tmp_path: Path) -> None:
    index = HashIndex.open(tmp_path)

    index.add(array([]), array([]), np.array([], dtype=np.int64))
    index.flush()

    assert index.lookup(array([]), array([])).tolist() == []
    assert lookup(index, [(0, 0), (MAX, MAX)]) == [-1, -1]
    assert index.covered == -1


def test_a_value_in_the_covered_range_is_refused(tmp_path: Path) -> None:
    index = HashIndex.open(tmp_path)
    add(index, [(1, 1)], 5)
    index.flush()

    with pytest.raises(ValueError, match="value 5 was added after 5 was covered"):
        add(index, [(2, 2)], 5)

    assert lookup(index, [(1, 1), (2, 2)]) == [5, -1]


def test_an_index_from_another_state_of_the_store_is_emptied(tmp_path: Path) -> None:
    index = HashIndex.open(tmp_path)
    add(index, [(1, 1), (2, 2)], 0)
    index.close()

    same = HashIndex.open(tmp_path, newest=1)
    assert lookup(same, [(1, 1)]) == [0]

    restored = HashIndex.open(tmp_path, newest=0)
    assert lookup(restored, [(1, 1)]) == [-1]
    assert restored.covered == -1


def test_reset_forgets_everything_also_on_disk(tmp_path: Path) -> None:
    index = HashIndex.open(tmp_path)
    add(index, [(1, 1)], 0)
    index.flush()
    add(index, [(2, 2)], 1)

    index.reset()

    assert lookup(index, [(1, 1), (2, 2)]) == [-1, -1]
    assert list(tmp_path.iterdir()) == []
    assert HashIndex.open(tmp_path).covered == -1


def written(folder: Path) -> dict[str, bytes]:
    """Write two runs of eight keys and return the files."""
    index = HashIndex.open(folder, flush_keys=8)
    add(index, [(n, n) for n in range(8)], 0)
    add(index, [(n, n) for n in range(8, 16)], 8)
    index.close()
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def damages() -> Iterator[tuple[str, int]]:
    with TemporaryDirectory() as folder:
        for name, data in sorted(written(Path(folder)).items()):
            # Every byte of the manifest and of the headers, every seventh of the keys.
            for place in range(len(data)):
                if name == "manifest.json" or place < 40 or place % 7 == 0:
                    yield name, place


def test_damage_to_any_byte_empties_the_index(tmp_path: Path) -> None:
    files = written(tmp_path)

    for name, place in damages():
        for file, data in files.items():
            (tmp_path / file).write_bytes(data)
        broken = bytearray(files[name])
        broken[place] ^= 1 << place % 8
        (tmp_path / name).write_bytes(broken)

        index = HashIndex.open(tmp_path)

        assert index.covered == -1, (name, place)
        assert lookup(index, [(n, n) for n in range(16)]) == [-1] * 16
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", ["missing", "empty", "shorter", "longer", "swapped"])
@pytest.mark.parametrize("name", ["00000000.run", "00000001.run", "manifest.json"])
def test_a_missing_or_foreign_file_empties_the_index(
    tmp_path: Path, name: str, change: str
) -> None:
    files = written(tmp_path)
    other = next(data for file, data in files.items() if file != name)
    damaged = {
        "missing": None,
        "empty": b"",
        "shorter": files[name][:-1],
        "longer": files[name] + b"\0",
        "swapped": other,
    }[change]
    (tmp_path / name).unlink()
    if damaged is not None:
        (tmp_path / name).write_bytes(damaged)

    index = HashIndex.open(tmp_path)

    assert index.covered == -1
    add(index, [(1, 1)], 0)
    index.close()
    assert lookup(HashIndex.open(tmp_path), [(1, 1), (2, 2)]) == [0, -1]


def test_an_index_of_another_version_is_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path)
    monkeypatch.setattr(hash_index, "_VERSION", 2)

    assert HashIndex.open(tmp_path).covered == -1


def test_files_left_by_a_kill_are_removed(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "00000099.run").write_bytes(b"half")
    (tmp_path / "manifest.json.tmp").write_bytes(b"half")

    index = HashIndex.open(tmp_path)

    assert index.covered == 15
    assert len(list(tmp_path.iterdir())) == 3


def test_a_disk_that_refuses_to_write_does_not_lose_keys(tmp_path: Path) -> None:
    index = HashIndex.open(tmp_path / "index", flush_keys=4)
    add(index, [(1, 1)], 0)
    (tmp_path / "index").rename(tmp_path / "away")

    add(index, [(n, n) for n in range(2, 8)], 1)

    assert lookup(index, [(n, n) for n in range(1, 9)]) == [0, 1, 2, 3, 4, 5, 6, -1]
    with pytest.raises(FileNotFoundError):
        index.maintain()
    (tmp_path / "away").rename(tmp_path / "index")
    index.maintain()
    assert index.covered == 6
    assert lookup(HashIndex.open(tmp_path / "index"), [(7, 7)]) == [6]


CHILD = """
import sys
from pathlib import Path
import numpy as np
from tallymark.store import hash_runs
from tallymark.store.hash_index import HashIndex

hash_runs.MERGE_KEYS = 64
index = HashIndex.open(Path(sys.argv[1]), flush_keys=16)
source = np.random.default_rng(7)
keys = source.integers(0, 2**64 - 1, (2, 200_000), dtype=np.uint64)
first = index.covered + 1
sys.stdout.buffer.write(b"x")
sys.stdout.flush()
for start in range(first, 200_000, 5):
    index.add(*keys[:, start : start + 5], np.arange(start, start + 5))
    index.maintain(32)
"""


def test_a_kill_at_any_moment_leaves_exactly_the_covered_keys(tmp_path: Path) -> None:
    source = np.random.default_rng(7)
    high, low = source.integers(0, MAX, (2, 200_000), dtype=np.uint64)
    chance = random.Random(5)
    covered = -1
    for _ in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout
            assert child.stdout.read(1) == b"x"
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(chance.uniform(0.01, 0.25))
            os.kill(child.pid, signal.SIGKILL)

        index = HashIndex.open(tmp_path, flush_keys=16)

        assert index.covered >= covered
        covered = index.covered
        expected = np.arange(200_000)
        expected[covered + 1 :] = -1
        assert (index.lookup(high, low) == expected).all()
    assert covered > 0


@pytest.mark.parametrize("batch", [1, 3, 4, 30])
def test_the_number_of_runs_grows_with_the_logarithm(tmp_path: Path, batch: int) -> None:
    index = HashIndex.open(tmp_path, flush_keys=4)
    for first in range(0, 600, batch):
        add(index, [(n, n) for n in range(first, first + batch)], first)
    while index.maintain():
        pass

    # 4, 16, 64, 256 keys: at most three runs of each size.
    assert len(index._runs) <= 12
    assert lookup(index, [(600, 0), (0, 0), (599, 599)]) == [-1, 0, 599]


def test_an_exit_at_any_step_of_writing_leaves_the_old_state_or_the_new(tmp_path: Path) -> None:
    steps = 0
    while exits_at_step(steps, tmp_path / str(steps)):
        index = HashIndex.open(tmp_path / str(steps), flush_keys=4)

        covered = index.covered
        expected = [n if n <= covered else -1 for n in range(40)]
        assert lookup(index, [(n, n) for n in range(40)]) == expected
        names = {file.name for file in (tmp_path / str(steps)).iterdir()}
        assert names - {"manifest.json"} == {run.entry.file for run in index._runs}
        steps += 1

    assert HashIndex.open(tmp_path / str(steps)).covered == 39
    # Ten flushes and two merges, each of several writes, syncs, a rename and removals.
    assert steps > 100


def exits_at_step(steps: int, folder: Path) -> bool:
    """Fill an index in a child that ends without cleaning up before the given step of writing."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] != 0
    left = iter(range(steps))

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            if next(left, None) is None:
                os._exit(1)
            return function(*args, **kwargs)

        return step

    for module, name in ((os, "pwrite"), (os, "fsync"), (Path, "replace"), (Path, "unlink")):
        setattr(module, name, counted(getattr(module, name)))
    index = HashIndex.open(folder, flush_keys=4)
    for n in range(40):
        add(index, [(n, n)], n)
        index.maintain(3)
    os._exit(0)


@pytest.mark.parametrize(
    ("counts", "merged"),
    [
        ([1, 1, 1], None),
        ([1, 1, 1, 1], slice(0, 4)),
        # A small run among larger ones must not keep later ones from being merged.
        ([4, 1, 4, 1, 1, 1, 1], slice(3, 7)),
        ([4, 4, 1, 4, 4], slice(0, 5)),
        ([16, 4, 1, 4, 4, 1, 1, 4, 1], slice(1, 9)),
    ],
)
def test_runs_of_one_tier_are_merged_wherever_they_lie(
    counts: list[int], merged: slice | None
) -> None:
    assert hash_index._to_merge([10 * count for count in counts], 10) == merged
