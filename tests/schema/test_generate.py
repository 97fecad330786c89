"""Generated code says what the plan says: it compiles, types are checked, and hostile names stay text."""

import ast
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from tests.schema.plans import event, plan

from tallymark.schema.files import read_plan
from tallymark.schema.generate import generate
from tallymark.schema.plan import EventPlan, Plan, Property

GOLDEN = Path(__file__).parents[1] / "golden" / "plan"
SDK = Path(__file__).parents[2] / "sdk" / "python" / "src"
USES = """
from decimal import Decimal
from tallymark_client import Client
import events

client = Client("http://127.0.0.1:1", "sk_1", enabled=False)
events.checkout_completed(client, {"amount": Decimal("9.5"), "currency": "EUR"}, user_id="ana")
events.checkout_completed(client, {"amount": 1, "currency": "USD", "lines": [1], "rating": 2})
events.class_(client, {})
events.checkout_completed(client, {"amount": 1})  # missing
events.checkout_completed(client, {"amount": "1", "currency": "EUR"})  # type
events.checkout_completed(client, {"amount": 1, "currency": "GBP"})  # enum
events.checkout_completed(client, {"amount": 1, "currency": "EUR", "colour": "red"})  # unplanned
events.checkout_completed(client, {"amount": 1, "currency": "EUR", "rating": 3})  # number not listed
events.gone(client, {})  # retired
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    (folder / "events.py").write_text(generate(read_plan(GOLDEN), "python"))
    (folder / "uses.py").write_text(USES)
    return folder


@pytest.mark.parametrize(("language", "name"), [("python", "events.py.txt"), ("typescript", "events.ts")])  # fmt: skip
def test_the_code_is_what_was_looked_through(language: Any, name: str) -> None:
    assert generate(read_plan(GOLDEN), language) == (GOLDEN / name).read_text("utf-8")


def test_python_that_sends_other_than_planned_does_not_pass_a_type_checker(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", ".mypy", "events.py", "uses.py"],
        cwd=project, env={"MYPYPATH": str(SDK), "PATH": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    wrong = [number for number, line in enumerate(USES.splitlines(), 1) if "  # " in line]
    told = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    assert (sorted(told), done.stderr) == (wrong, "")
    assert "events.py" not in done.stdout


def test_python_names_event_properties_and_version(project: Path) -> None:
    program = """
        import events
        class Told:
            def track(self, name, **fields):
                print(name, fields)
        events.checkout_completed(Told(), {"amount": 1, "currency": "EUR"}, user_id="ana")
        events.import_os(Told(), {})
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=project, env={"PYTHONPATH": str(SDK)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.stdout.splitlines(), done.stderr) == (
        [
            "checkout_completed {'properties': {'amount': 1, 'currency': 'EUR', 'schema_version': '2-1-0'}, 'user_id': 'ana'}",
            "*/ \"\"\"; import os # {'properties': {'schema_version': '1-0-0'}}",
        ],
        "",
    )


def test_a_hostile_name_stays_text() -> None:
    code = generate(read_plan(GOLDEN), "python")

    imported = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import)]
    assert imported == []
    # Only the end of our own comments ends a comment.
    lines = generate(read_plan(GOLDEN), "typescript").splitlines()
    assert all(line.strip().startswith(("/**", '"', "//")) for line in lines if "*/" in line)


def test_names_that_come_to_the_same_are_told_apart() -> None:
    names = ["a b", "a_b", "A-B", "1st", "名前", "import", "client", "Client"]
    texts = [event().replace("event: e", f"event: '{name}'") for name in names]

    tree = ast.parse(generate(plan(*texts), "python"))
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]

    assert sorted(functions) == sorted({*functions})
    assert len(functions) == len(names)
    assert {"a_b", "a_b_2", "a_b_3", "e_1st", "event", "import_"} <= {*functions}


def test_text_of_any_script_reads_back_from_the_code() -> None:
    text = "a\\'\"\n\u2028\U0001f600é"
    listed = EventPlan("e", "1-0-0", properties={"p": Property("string", enum=(text,))})

    tree = ast.parse(generate(Plan((listed,)), "python"))

    assert text in {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
