"""The shell examples marked to be run do run, page by page, against a real server."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.docs import pages

PORT_IN_DOCS = "8410"
START_SECONDS = 60
PAGES = {
    page.relative_to(pages.ROOT).as_posix(): marked
    for page in pages.markdown()
    if (marked := [block for block in pages.blocks(page) if block.is_marked])
}


@contextmanager
def served(folder: Path, port: int, environment: dict[str, str]) -> Iterator[None]:
    """A server of a new data folder, as a reader starts it, until the block ends."""
    command = [sys.executable, "-m", "tallymark", "serve", "--data", "data", "--port", str(port)]
    with (folder / "server.txt").open("w") as said:
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
    try:
        wait_until_ready(port, server, folder / "server.txt")
        yield
    finally:
        server.terminate()
        server.wait(START_SECONDS)


def wait_until_ready(port: int, server: subprocess.Popen[bytes], said: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert server.poll() is None, said.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    pytest.fail(f"the server was not ready: {said.read_text()}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("page", PAGES)
def test_the_marked_shell_examples_of_a_page_run_one_after_another(
    page: str, tmp_path: Path
) -> None:
    port = free_port()
    script = "\n".join(["set -euo pipefail", *(block.code for block in PAGES[page])])
    bin_folder = Path(sys.executable).parent
    environment = {
        **{name: value for name, value in os.environ.items() if "TALLYMARK" not in name},
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
    }

    # A refused request fails the example, without every line of it having to say so.
    (tmp_path / ".curlrc").write_text("fail-with-body\n")

    with served(tmp_path, port, environment):
        done = subprocess.run(
            ["bash", "-c", script.replace(PORT_IN_DOCS, str(port))],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_the_start_of_the_readme_is_run() -> None:
    assert "README.md" in PAGES
