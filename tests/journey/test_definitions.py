"""Definitions at a real server: files are pushed, hold for every question, and old ones can be asked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.journey.sdks import Target, target

from tallymark.cli.main import main
from tallymark.client import connect
from tallymark.core.errors import NotFound, Refused

FILES = {
    "events/active.yaml": "events:\n  - export\n  - {event: share, filter: plan = pro}\n",
    "properties/tier.yaml": "type: text\nvalue: 'if(value > 5, \"big\", \"small\")'\n",
    "cohorts/power.yaml": "description: exports a lot\nwho: {op: did, event: export, at_least: 2}\n",
    "metrics/actives.yaml": "series: {event: active, measure: unique_people}\n",
    "metrics/per_head.yaml": "series:\n  - event: active\n  - {event: active, measure: unique_people}\nformula: A / B\n",
    "questions/by_power.yaml": "insight: trends\nquestion:\n  range: 30d\n  series: [{event: export}]\n  filter: in cohort power\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with target(tmp_path_factory.mktemp("defined")) as made:
        events = [("export", "ana", "pro", 9), ("export", "ana", "pro", 1), ("export", "ana", "pro", 2),
                  ("export", "bo", "free", 3), ("export", "bo", "free", 8), ("share", "cy", "pro", 1),
                  ("share", "dan", "free", 1)]  # fmt: skip
        body = [
            {"name": name, "id": f"e{n}", "user_id": user, "value": value, "unit": "MB", "properties": {"plan": plan}}
            for n, (name, user, plan, value) in enumerate(events)
        ]  # fmt: skip
        made.send(body)
        made.wait_until_loaded()
        yield made


def write(folder: Path, **changed: str) -> Path:
    """Write the files, with some of them changed, and return the folder."""
    for name, text in {**FILES, **{key.replace("__", "/") + ".yaml": text for key, text in changed.items()}}.items():  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def ran(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str]:
    status = main([str(one) for one in arguments])
    return status, capsys.readouterr().out


def asked(server: Target, path: str, question: dict[str, Any]) -> Any:
    answer = server.call("POST", path, question)
    assert answer is not None
    return answer


def test_what_files_define_holds_and_the_version_before_can_still_be_asked(
    server: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ("--data", server.data)
    folder = write(tmp_path / "definitions")

    tried = ran(capsys, "apply", folder, "--dry-run", *data)
    assert tried[0] == 0
    assert "added   cohort power" in tried[1]
    assert "Nothing was changed" in tried[1]
    with connect(server.data, project="default") as client:
        assert client.definitions() == {"version": 0, "created_at": None, "definitions": {}}

    status, told = ran(capsys, "apply", folder, *data)
    assert (status, "Version 1 holds from now on." in told) == (0, True)
    assert ran(capsys, "apply", folder, *data) == (0, "Nothing is different.\n")

    first = asked(server, "/tm/v1/ask/saved/by_power", {}).json()
    assert first["data"]["lines"][0]["total"] == 5
    assert first["provenance"]["definitions_version"] == 1

    write(folder, cohorts__power="who: {op: did, event: export, at_least: 3}\n")
    (folder / "properties/tier.yaml").unlink()
    status, told = ran(capsys, "apply", folder, "--dry-run", *data)
    assert status == 0
    assert "changed cohort power: description, who" in told
    assert "removed computed property tier" in told
    assert "saved question by_power (because of cohort power): 2 of 31 numbers differ" in told
    assert "total  count: export: 5 → 3" in told

    assert ran(capsys, "apply", folder, *data)[0] == 0
    new = asked(server, "/tm/v1/ask/saved/by_power", {}).json()
    old = asked(server, "/tm/v1/ask/saved/by_power?definitions_at=1", {}).json()
    assert [one["data"]["lines"][0]["total"] for one in (new, old)] == [3, 5]
    assert old["data"] == first["data"]
    assert old["provenance"]["definition"] == first["provenance"]["definition"]
    assert new["provenance"]["definition"] != first["provenance"]["definition"]
    with connect(server.data, project="default") as client:
        assert client.ask("@by_power", definitions_at=1).data["lines"][0]["total"] == 5
        assert client.definitions(1)["definitions"]["properties"]["tier"]["type"] == "text"
        assert client.definitions()["version"] == 2
        with pytest.raises(NotFound, match="no version 9"):
            client.ask("@by_power", definitions_at=9)
        with pytest.raises(Refused, match="no cohort"):
            client.ask("trends", definitions_at=0, filter={"op": "in_cohort", "cohort": "power"})
    versions = server.call("GET", "/tm/v1/definitions/versions")
    assert versions is not None
    assert [one["version"] for one in versions.json()["versions"]] == [2, 1]


def test_a_saved_question_is_asked_by_name_with_another_range(
    server: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ("--data", server.data)
    ran(capsys, "apply", write(tmp_path / "definitions"), *data)

    status, printed = ran(capsys, "ask", "@by_power", "--last", "1d", "--csv", *data)
    metric = ran(capsys, "ask", "trends", "--metric", "per_head", "--last", "1d", "--csv", *data)
    words = ran(capsys, "ask", "cohorts", "--cohort", "power", *data)
    typed = ran(capsys, "ask", "trends", "--filter", "not in cohort power and computed.tier = small", "--last", "1d", "--csv", *data)  # fmt: skip

    assert status == 0
    assert printed.splitlines()[1].split(",")[1] == "5"
    assert metric[1].splitlines()[1].split(",")[1:4] == ["6", "3", "2"]
    assert "People that did “export” at least 2 times." in words[1]
    assert typed[1].splitlines()[1].split(",")[1] == "2"
    refused = asked(server, "/tm/v1/ask/saved/by_power", {"rnge": "1d"})
    assert (refused.status, "Did you mean" in refused.json()["hint"]) == (400, True)
    unknown = asked(server, "/tm/v1/ask/saved/by_powr", {})
    assert (unknown.status, unknown.json()["hint"]) == (404, "Did you mean 'by_power'?")


def test_pulled_files_define_the_same(
    server: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ("--data", server.data)
    ran(capsys, "apply", write(tmp_path / "definitions"), *data)

    assert ran(capsys, "apply", tmp_path / "pulled", "--pull", *data)[0] == 0

    assert ran(capsys, "apply", tmp_path / "pulled", *data) == (0, "Nothing is different.\n")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("cohorts/a.yaml", "who:\n  op: and\n  members:\n    - op: did\n      evnt: x\n", "cohorts/a.yaml:5: who.members[0].evnt:"),
        ("cohorts/a.yaml", "who:\n  op: in_cohort\n  cohort: nobody\n", "cohorts/a.yaml:3: cohort: There is no cohort 'nobody'."),
        ("cohorts/a.yaml", "who:\n  op: has\n  filter: plan =\n", "cohorts/a.yaml:3: who.filter: In the filter"),
        ("properties/a.yaml", "type: number\nvalue: lower(path)\n", "properties/a.yaml:2: value: lower is a text"),
        ("questions/a.yaml", "insight: trends\nquestion:\n  topp: 3\n", "questions/a.yaml:2: question: "),
        ("metrics/a.yaml", "series: [{}, {}]\n", "metrics/a.yaml:1: formula: Several series"),
        ("events/a.yaml", "events: [x\n", "events/a.yaml:2: "),
        ("events/b.yaml", "name: active\nevents: [x]\n", "events/b.yaml:1: name: 'active' is defined in"),
        ("cohort/a.yaml", "who: {}\n", "cohort/a.yaml:1: It is in no folder of definitions. Did you mean 'cohorts'?"),
        ("events/a.yaml", "- x\n", "events/a.yaml:1: It is no mapping."),
        ("events/a.yaml", "events: &a [x]\n", "events/a.yaml:1: anchors and aliases are not allowed"),
    ],
)  # fmt: skip
def test_an_error_names_the_file_and_the_line(
    server: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, says: str
) -> None:  # fmt: skip
    folder = write(tmp_path / "definitions")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text, "utf-8")

    status, told = ran(capsys, "apply", folder, "--data", server.data)

    assert status == 1
    assert told.startswith(says), told


def test_the_server_refuses_what_no_file_was_checked_for(server: Target) -> None:
    with connect(server.data, project="default") as client:
        with pytest.raises(Refused, match=r"cohorts.a.who: It holds itself") as caught:
            client.push_definitions({"cohorts": {"a": {"who": {"op": "in_cohort", "cohort": "a"}}}})
        with pytest.raises(Refused, match="unknown field `cohrts`"):
            client.push_definitions({"cohrts": {}})
        deep: Any = {"op": "did"}
        for _ in range(200):
            deep = {"op": "not", "member": deep}
        with pytest.raises(Refused, match="nest"):
            client.push_definitions({"cohorts": {"a": {"who": deep}}})

    assert caught.value.code == "DEFINITION_INVALID"
    over_network = server.call("GET", "/tm/v1/definitions")
    assert over_network is not None
    assert msgspec.json.decode(over_network.body)["version"] >= 1
