import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tallymark.cli.main import main
from tallymark.client import connect
from tallymark.core.errors import NotAllowed


def test_a_new_server_shows_keys_that_work_and_stops_at_once_when_told(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "tallymark", "serve", "--data", str(tmp_path), "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        printed = _until_serving(server)
        keys = dict(re.findall(r"(public|secret|read) +([psr]k_\w+)", printed))
        url = re.findall(r"http://127\.0\.0\.1:\d+", printed)[0]
        with connect(url, key=keys["secret"]) as client:
            sent = client.send({"name": "signup", "user_id": "ana"})
            client.wait()
        with connect(url, key=keys["read"]) as reader:
            total = reader.ask("trends", series=[{"event": "signup"}]).data["lines"][0]["total"]
            with pytest.raises(NotAllowed, match="read"):
                reader.send({"name": "signup"})
    finally:
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=30)

    assert (sent.accepted, total) == (1, 1)
    assert server.returncode == 0
    assert "Traceback" not in errors


def test_a_data_folder_has_one_server_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with connect(tmp_path):
        status = main(["serve", "--data", str(tmp_path), "--port", "0"])

    assert status == 3
    assert "in use by process" in capsys.readouterr().err


def _until_serving(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    lines: list[str] = []
    for line in server.stdout:
        lines.append(line)
        if line.startswith("Serving"):
            break
    return "".join(lines)
