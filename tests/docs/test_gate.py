"""The gate is what the documentation says it is: one command, pinned, the same everywhere."""

import os
import re
import subprocess
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.docs.pages import ROOT


def pinned() -> set[str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return {canonicalize_name(line.partition("==")[0]) for line in lines}


def test_constraints_are_names_and_versions_and_nothing_else() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()

    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []


def test_every_direct_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *project["dependency-groups"]["dev"],
        *(one for extra in project["project"]["optional-dependencies"].values() for one in extra),
    ]

    names = {canonicalize_name(Requirement(one).name) for one in wanted}

    assert names - pinned() == set()


def test_the_gate_is_make_test_and_runs_every_check() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    plan = subprocess.run(
        ["make", "--dry-run", "--always-make", "test"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert "make test" in script
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    tools = ["ruff check", "ruff format --check", "mypy", "lint-imports", "pytest"]
    found = [plan.index(f"/{tool}") for tool in tools]
    assert found == sorted(found)
