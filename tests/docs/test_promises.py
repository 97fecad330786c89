"""Every promise names a proof, and every proof exists."""

import re
import subprocess
import sys

import pytest
from tests.docs import pages, promises
from tests.docs.pages import ROOT


@pytest.fixture(scope="module")
def collected() -> dict[str, str]:
    """Every test that exists, long ones too."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "-m", ""]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {line: "" for line in done.stdout.splitlines() if "::" in line}


def test_every_promise_has_a_proof() -> None:
    rows = promises.read()

    assert rows
    assert [row.text for row in rows if not row.proofs] == []


def test_every_test_that_a_page_names_exists(collected: dict[str, str]) -> None:
    named = {
        proof
        for page in pages.markdown()
        for proof in re.findall(r"`(tests/[\w/]+\.py::\w+)`", page.read_text("utf-8"))
    }

    assert set(promises.tests_named()) <= named
    assert [proof for proof in sorted(named) if not promises.runs_of(proof, collected)] == []


def test_every_other_proof_is_a_make_target() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    proofs = {proof for row in promises.read() for proof in row.proofs if "::" not in proof}

    assert proofs <= {f"make {target}" for target in targets}


def test_a_proof_that_did_not_run_or_was_skipped_is_noticed() -> None:
    first, *_ = promises.tests_named()
    others = dict.fromkeys(promises.tests_named(), "passed")

    assert promises.unproved(others) == []
    assert promises.unproved({**others, first: "skipped"}) == [f"{first}: skipped"]
    assert promises.unproved({key: "passed" for key in others if key != first}) == [
        f"{first}: did not run"
    ]
