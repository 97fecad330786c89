"""Reads docs/promises.md: what Tallymark promises, and the test or command that proves it."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec import Struct

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "promises.md"

_ROW = re.compile(r"^\|(?P<promise>[^|]+)\|(?P<proofs>[^|]+)\|$")
_PROOF = re.compile(r"`([^`]+)`")


class Promise(Struct, frozen=True):
    """One promise and its proofs: pytest node ids, or commands such as ``make demo``."""

    text: str
    proofs: tuple[str, ...]


def read() -> list[Promise]:
    """Return the rows of the page, in order."""
    rows = [_ROW.match(line) for line in PAGE.read_text("utf-8").splitlines()]
    found = [
        Promise(row["promise"].strip(), tuple(_PROOF.findall(row["proofs"]))) for row in rows if row
    ]
    return [row for row in found if row.text != "promise" and not row.text.startswith("---")]


def tests_named() -> list[str]:
    """Return the proofs that are pytest node ids, each once."""
    proofs = (proof for promise in read() for proof in promise.proofs)
    return sorted({proof for proof in proofs if "::" in proof})


def runs_of(proof: str, nodeids: Mapping[str, str]) -> dict[str, str]:
    """Return the outcomes of a proof: one, or one for each of its parameters."""
    return {
        nodeid: outcome
        for nodeid, outcome in nodeids.items()
        if nodeid == proof or nodeid.startswith(f"{proof}[")
    }


def unproved(outcomes: Mapping[str, str]) -> list[str]:
    """Return a line for each named test that did not run, or did not pass everywhere."""
    lines = []
    for proof in tests_named():
        runs = runs_of(proof, outcomes)
        if not runs:
            lines.append(f"{proof}: did not run")
        lines += [f"{nodeid}: {end}" for nodeid, end in runs.items() if end != "passed"]
    return lines


def is_whole_run(config: pytest.Config) -> bool:
    """Return whether this is the run of `make test`: every folder, nothing picked by hand."""
    picked = config.option.keyword or config.option.deselect or config.option.collectonly
    default_marks = config.option.markexpr == "not long"
    return not picked and default_marks and config.args_source != pytest.Config.ArgsSource.ARGS
