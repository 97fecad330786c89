"""What the front process must not carry with it."""

import subprocess
import sys

import pytest


# Insights come with their kernels, so numpy is there: 20 MB that need no second description of questions.
@pytest.mark.parametrize("module", ["duckdb", "pyarrow"])
def test_the_front_does_not_import_what_only_the_store_process_runs(module: str) -> None:
    ask = f"import sys, tallymark.app.front; print({module!r} in sys.modules)"

    told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)

    assert told.stdout == "False\n"
