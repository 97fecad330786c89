"""Every Python example in the documentation runs as it stands, in a folder of its own.

The pages for those who come from another tool show that tool's SDK, which is no part of us: a journey
test runs theirs, with the SDK installed and a server to send to.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs import pages

ALL = [
    block for page in pages.markdown() for block in pages.blocks(page) if block.language == "python"
]
EXAMPLES = [block for block in ALL if not Path(block.page).name.startswith("from-")]
ELSEWHERE = sorted({Path(block.page).name for block in ALL if block not in EXAMPLES})


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: f"{block.page}:{block.line}")
def test_the_python_example_runs(block: pages.Block, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", block.code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", ELSEWHERE)
def test_the_python_examples_of_another_tools_page_are_run_by_a_journey(page: str) -> None:
    journeys = (pages.ROOT / "tests" / "journey").glob("test_*.py")

    assert any(f'snippet("{page}", "python"' in test.read_text("utf-8") for test in journeys)
