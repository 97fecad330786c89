"""``tallymark ask --as-of`` and ``tallymark explain``, as typed."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tallymark.cli.ask_progress import line
from tallymark.cli.explain import lines
from tallymark.cli.main import main
from tallymark.client import Client, connect
from tallymark.core.errors import NotFound

ASK = ["ask", "trends", "--event", "order", "--since", "2026-10-19", "--until", "2026-10-21"]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, Client]]:
    data = tmp_path / "data"
    with connect(data, project="default") as client:
        yield data, client


def order(number: int, time: str) -> dict[str, str]:
    return {"id": str(number), "name": "order", "time": time}


def test_an_earlier_answer_is_had_again_and_its_change_is_explained(
    served: tuple[Path, Client], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, client = served
    client.send([order(1, "2026-10-19T09:00:00Z")])
    client.wait()
    main([*ASK, "--json", "--data", str(data)])
    printed = capsys.readouterr().out
    kept = tmp_path / "monday.json"
    kept.write_text(printed, "utf-8")
    before = msgspec.json.decode(printed)
    client.send([order(2, "2026-10-19T10:00:00Z"), order(3, "2026-10-20T10:00:00Z")])
    client.wait()

    as_of = before["provenance"]["as_of"]
    assert main([*ASK, "--as-of", as_of, "--json", "--data", str(data)]) == 0
    again = msgspec.json.decode(capsys.readouterr().out)
    assert main(["explain", str(kept), "--data", str(data)]) == 0
    explained = capsys.readouterr().out

    assert again["data"] == before["data"]
    assert again["provenance"]["as_of"] == as_of
    rows = [text.split() for text in explained.splitlines()]
    assert ["2026-10-19", "·", "count:", "order", "1", "2", "+1", "+1"] in rows
    assert ["2026-10-20", "·", "count:", "order", "0", "1", "+1", "+1"] in rows
    assert "day · number" in explained
    assert "late events" in explained
    assert f"as of {as_of}" in explained


def test_an_answer_that_did_not_change_is_told_so(
    served: tuple[Path, Client], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, client = served
    client.send([order(1, "2026-10-19T09:00:00Z")])
    client.wait()
    main([*ASK, "--json", "--data", str(data)])
    kept = tmp_path / "monday.json"
    kept.write_text(capsys.readouterr().out, "utf-8")

    assert main(["explain", str(kept), str(kept), "--data", str(data)]) == 0

    assert "All 2 numbers are the same." in capsys.readouterr().out


def test_of_an_answer_without_numbers_none_are_told_to_be_the_same() -> None:
    found = {"insight": "timeline", "before": "1", "after": "2", "keys": ["time"], "changes": [], "unchanged": 0}  # fmt: skip

    assert lines(found)[0] == "There are no numbers in it that could change."


def test_a_number_is_named_by_its_row_and_rows_named_alike_by_their_place() -> None:
    change = {"row": ["2026-10", 3], "nth": 1, "column": "exactly", "before": 1, "after": 2, "causes": {"new_events": 1}}  # fmt: skip
    found = {
        "insight": "stickiness", "before": "1", "after": "2", "keys": ["period", "days"],
        "changes": [change, {**change, "nth": 2}], "unchanged": 7,
    }  # fmt: skip

    head, _, first, second, *_ = lines(found)

    assert head.startswith("period · days · number")
    assert first.startswith("2026-10 · 3 · exactly ")
    assert second.startswith("2026-10 · 3 · (2) · exactly ")


def test_a_file_that_is_no_answer_is_told_in_one_line(
    served: tuple[Path, Client], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text("[]", "utf-8")

    assert main(["explain", str(wrong), "--data", str(served[0])]) == 2
    assert main(["explain", str(tmp_path / "nowhere"), "--data", str(served[0])]) == 2

    first, second = capsys.readouterr().err.splitlines()
    assert "holds no answer" in first
    assert "--json" in first
    assert "cannot be read" in second


def test_a_question_that_is_not_being_answered_cannot_be_stopped(
    served: tuple[Path, Client],
) -> None:
    assert served[1].questions() == []
    with pytest.raises(NotFound, match="No such question"):
        served[1].stop_question("nobody asked")


def test_how_far_a_question_is_is_one_short_line() -> None:
    one = {"seconds": 4.21, "statement": 2, "statements": 3, "percent": 57.4}

    assert line(one) == "4.2 s, part 2 of 3, 57 %; Ctrl-C stops it"
    assert line({**one, "statements": 1, "percent": None}) == "4.2 s; Ctrl-C stops it"
