"""A line keeps its id when the file grows, moves or is compressed; equal lines differ."""

import gzip
import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.collect.sources._lines import (
    BLOCK,
    MAX_LINE,
    Cutter,
    digest_at,
    ended_size,
    lines,
)
from tallymark.collect.sources.source import Failure, Line
from tallymark.core.errors import Refused

Named = list[tuple[str, int, bytes]]


def named(path: Path, position: int = 0) -> Named:
    found = []
    for line in lines(path, position=position):
        assert isinstance(line, Line)
        found.append((line.digest, line.offset, line.text))
    return found


@given(
    st.lists(st.binary(max_size=3000).filter(lambda b: b"\n" not in b), min_size=1, max_size=90),
    st.data(),
)
@settings(max_examples=40)
def test_a_file_grown_by_any_amount_keeps_the_ids_of_its_old_lines(
    tmp_path_factory: pytest.TempPathFactory, texts: list[bytes], data: st.DataObject
) -> None:
    texts = [b"first", *texts]
    whole = b"".join(text + b"\n" for text in texts)
    kept = data.draw(st.integers(1, len(texts)))
    path = tmp_path_factory.mktemp("log") / "access.log"
    path.write_bytes(b"".join(text + b"\n" for text in texts[:kept]))
    before = named(path)
    path.write_bytes(whole)

    after = named(path)

    assert after[:kept] == before
    assert [text for _, _, text in after] == texts
    assert len({(digest, offset) for digest, offset, _ in after}) == len(texts)
    assert all(whole[offset:].startswith(text + b"\n") for _, offset, text in after)


def test_equal_lines_have_ids_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"same\n" * 5)

    assert [offset for _, offset, _ in named(path)] == [0, 5, 10, 15, 20]


def test_a_renamed_and_a_compressed_file_keep_their_ids(tmp_path: Path) -> None:
    content = b"".join(b"line %d\n" % number for number in range(20_000))
    (tmp_path / "a.log").write_bytes(content)
    (tmp_path / "b.log.1").write_bytes(content)
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(content))

    assert named(tmp_path / "a.log") == named(tmp_path / "b.log.1") == named(tmp_path / "a.log.gz")


def test_files_that_differ_only_after_the_first_block_share_only_the_ids_before(
    tmp_path: Path,
) -> None:
    common = b"x" * 99 + b"\n"
    (tmp_path / "a").write_bytes(common * 1000 + b"a" * 99 + b"\n" + common * 700)
    (tmp_path / "b").write_bytes(common * 1000 + b"b" * 99 + b"\n" + common * 700)

    shared = {line[:2] for line in named(tmp_path / "a")} & {
        line[:2] for line in named(tmp_path / "b")
    }

    # The line that differs begins in the second block, whose digest is of the first.
    assert max(offset for _, offset in shared) < 2 * BLOCK


def test_files_with_other_first_records_share_no_id(tmp_path: Path) -> None:
    (tmp_path / "jan.csv").write_bytes(b"name,time\na,1\nb,2\n")
    (tmp_path / "feb.csv").write_bytes(b"name,time\nc,1\nb,2\n")

    digests = {
        line.digest
        for name in ("jan.csv", "feb.csv")
        for line in lines(tmp_path / name, head_lines=2)
        if isinstance(line, Line)
    }

    assert len(digests) == 2


@pytest.mark.parametrize("position", [0, 6, 7, BLOCK - 3, BLOCK, BLOCK + 1, 200_000])
def test_reading_from_a_position_gives_the_same_lines_as_reading_all(
    tmp_path: Path, position: int
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"".join(b"%06d\n" % number for number in range(30_000)))

    assert named(path, position) == [line for line in named(path) if line[1] >= position]


def test_digest_at_an_offset_is_the_digest_of_the_line_that_begins_there(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"".join(b"%06d\n" % number for number in range(30_000)))

    for line in list(lines(path))[::2_999]:
        assert isinstance(line, Line)
        assert digest_at(path, line.offset) == line.digest


def test_a_last_line_without_its_end_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"one\ntwo")

    assert [text for _, _, text in named(path)] == [b"one", b"two"]


def test_an_endless_line_is_cut_and_the_next_line_keeps_its_offset(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"a\n" + b"x" * (3 * MAX_LINE) + b"\nb\n")

    first, long, last = named(path)

    assert (first[2], len(long[2]), last[2]) == (b"a", MAX_LINE + 1, b"b")
    assert last[1] == 2 + 3 * MAX_LINE + 1


def test_damaged_compression_gives_what_was_readable_and_says_where_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    whole = gzip.compress(b"".join(b"%d\n" % (number**5) for number in range(100_000)))
    path.write_bytes(whole[: len(whole) // 2])

    *readable, last = lines(path)

    assert len(readable) > 1000
    assert isinstance(last, Failure)
    assert last.code == "FILE_UNREADABLE"


@pytest.mark.parametrize("content", [b"\xff\xfea\0", b"\xfe\xff\0a"])
def test_utf_16_is_refused_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(content)

    with pytest.raises(Refused, match="convert it to UTF-8"):
        list(lines(path))


def test_a_missing_file_and_a_folder_are_unreadable(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(Refused) as caught:
            list(lines(path))
        assert caught.value.code == "FILE_UNREADABLE"


@given(
    st.lists(st.integers(0, 200_000), max_size=6),
    st.lists(
        st.sampled_from([b"", b"x", b" ", b"line\r", b"y" * 40_000, b"z" * 70_000]), max_size=12
    ),
    st.booleans(),
    st.integers(1, 2),
)
@settings(max_examples=80, deadline=None)
def test_a_file_given_in_any_portions_has_the_lines_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory,
    cuts: list[int],
    texts: list[bytes],
    is_ended: bool,
    head_lines: int,
) -> None:
    content = b"\n".join(texts) + (b"\n" if is_ended else b"")
    path = tmp_path_factory.mktemp("log") / "a.log"
    path.write_bytes(content)
    places = sorted({0, len(content), *(min(cut, len(content)) for cut in cuts)})
    cutter = Cutter(head_lines)
    found: list[Line] = []

    for start, end in itertools.pairwise(places):
        found += cutter.cut(content[start:end])
    found += cutter.finish()

    assert found == list(lines(path, head_lines=head_lines))


@pytest.mark.parametrize(
    ("content", "ended"),
    [
        (b"", None),
        (b"a\n", None),
        (b"a", 0),
        (b"a\nb", 2),
        (b"a\n" + b"b" * 200_000, 2),
        (gzip.compress(b"a\nb"), None),
    ],
)
def test_of_a_file_that_ends_within_a_line_the_whole_lines_are_known(
    tmp_path: Path, content: bytes, ended: int | None
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(content)

    assert ended_size(path) == ended
