"""``tallymark plan`` on folders of files."""

from pathlib import Path

import pytest
from tests.schema.plans import CHECKOUT, event

from tallymark.cli.main import main


def folder(path: Path, text: str) -> str:
    (path / "events").mkdir(parents=True)
    (path / "events" / "one.yaml").write_text(text)
    return str(path)


def test_lint_is_silent_about_a_good_plan_and_fails_on_a_bad_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "lint", folder(tmp_path / "good", CHECKOUT)]) == 0
    assert capsys.readouterr().out == "1 event: nothing is wrong.\n"

    assert main(["plan", "lint", folder(tmp_path / "bad", event(ownr="x", size="y"))]) == 1
    assert "events/one.yaml: ownr: there is no such key. Did you mean 'owner'?" in capsys.readouterr().out  # fmt: skip


def test_diff_fails_on_what_breaks_and_passes_what_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = folder(tmp_path / "old", CHECKOUT)
    wider = CHECKOUT.replace("[EUR, USD]", "[EUR, USD, CHF]").replace("2-1-0", "2-1-1")
    narrower = CHECKOUT.replace("[EUR, USD]", "[EUR]").replace("2-1-0", "2-1-1")

    assert main(["plan", "diff", old, folder(tmp_path / "wider", wider)]) == 0
    capsys.readouterr()
    assert main(["plan", "diff", old, folder(tmp_path / "narrower", narrower)]) == 1

    said = capsys.readouterr().out
    assert "breaks  checkout_completed 2-1-1: properties.currency.enum: USD left it." in said
    assert "MODEL" in said
    model = folder(tmp_path / "model", narrower.replace("2-1-1", "3-0-0"))
    assert main(["plan", "diff", old, model]) == 0


def test_gen_prints_code_and_refuses_a_plan_with_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "gen", "typescript", folder(tmp_path / "good", CHECKOUT)]) == 0
    assert "export interface CheckoutCompleted" in capsys.readouterr().out

    assert main(["plan", "gen", "python", folder(tmp_path / "bad", event(ownr="x"))]) == 2
    assert "ownr" in capsys.readouterr().err
    assert main(["plan", "gen", "python", str(tmp_path / "nowhere")]) == 2
