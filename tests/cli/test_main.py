import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tallymark.cli.main import COMMANDS, main


def test_help_names_every_command_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0

    printed = capsys.readouterr().out
    for name, sentence in COMMANDS.items():
        assert name in printed
        assert sentence in " ".join(printed.split())


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])

    assert stopped.value.code == 0
    assert f"usage: tallymark {command}" in capsys.readouterr().out


def test_a_mistyped_command_is_answered_with_the_one_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["serv"]) == 2

    assert capsys.readouterr().err == (
        "tallymark: There is no command 'serv'. Did you mean 'serve'?\n"
    )


def test_an_error_is_one_line_and_never_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["restore", str(tmp_path / "nothing"), "--data", str(tmp_path / "new")])

    assert status == 2
    printed = capsys.readouterr().err
    assert printed.startswith("tallymark: ")
    assert printed.count("\n") == 1


def test_asking_in_the_wrong_folder_makes_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", "trends", "--data", str(tmp_path / "wrong")]) == 2

    assert "There is no data folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_asking_beside_the_demo_says_how_to_ask_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".demo").mkdir()

    assert main(["ask", "trends"]) == 2

    assert "add --data .demo" in capsys.readouterr().err


def test_an_address_needs_a_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TALLYMARK_KEY", raising=False)

    assert main(["ask", "trends", "--url", "http://127.0.0.1:9"]) == 2

    assert "Set TALLYMARK_KEY." in capsys.readouterr().err


def test_a_server_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["ask", "trends", "--url", "http://127.0.0.1:9", "--key", "rk_x"])

    assert status == 2
    assert "No answer from http://127.0.0.1:9" in capsys.readouterr().err


def test_an_unknown_setting_is_answered_with_the_one_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--data", str(tmp_path), "--set", "max_bodybytes=1"]) == 2

    assert "Did you mean 'max_body_bytes'?" in capsys.readouterr().err


def test_help_loads_neither_engine_nor_server() -> None:
    heavy = "{'duckdb', 'numpy', 'starlette', 'uvicorn', 'sqlalchemy', 'rich', 'pandas'}"
    code = (
        "import sys; from tallymark.cli.main import main; main([]);"
        f"print(sorted({heavy} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stderr.strip() == "[]"


def test_help_answers_within_its_budget() -> None:
    took = []
    for _ in range(3):
        began = _used_by_children()
        subprocess.run(
            [sys.executable, "-m", "tallymark", "--help"], capture_output=True, check=True
        )
        took.append(_used_by_children() - began)

    assert min(took) < 0.3


def _used_by_children() -> float:
    # Processor time, because other tests run beside this one.
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
