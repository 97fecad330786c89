"""Every Python example in the documentation runs as it stands, in a folder of its own."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs import pages

EXAMPLES = [
    block for page in pages.markdown() for block in pages.blocks(page) if block.language == "python"
]


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: f"{block.page}:{block.line}")
def test_the_python_example_runs(block: pages.Block, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", block.code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
