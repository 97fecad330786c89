"""A tracking plan at a real server: pushed from files, it holds for what arrives from then on."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from tests.journey.sdks import Target, target
from tests.schema.plans import event, folder, plan

from tallymark.cli.main import main
from tallymark.core.errors import TallymarkError
from tallymark.schema.files import read_plan, write_folder
from tallymark.schema.generate import generate

SDK = Path(__file__).parents[2] / "sdk" / "python" / "src"
RULES = (
    "plan: {type: string, enum: [free, pro], required: true}, seats: {type: integer, minimum: 1}"
)


def push(server: Target, path: Path, *texts: str, breaking: bool = True, **files: str) -> int:
    """Push files as an owner does; what tests push one after another breaks what came before."""
    write_folder(plan(*texts, **files), path)
    flags = ["--breaking"] if breaking else []
    return main(["plan", "push", str(path), "--data", str(server.data), *flags])


def named(name: str, mode: str, version: str = "1-0-0") -> str:
    on = f"{{unplanned_property: {mode}, invalid: {mode}, missing_required: {mode.replace('strip', 'tag')}}}"
    return event(RULES, version, on=on).replace("event: e", f"event: {name}")


def send(server: Target, name: str, event_id: str, **properties: Any) -> Any:
    answer = server.send({"name": name, "id": event_id, "properties": properties})
    assert answer.status == 202
    return answer.json()["failed"]


def failed(server: Target, code: str) -> list[dict[str, Any]]:
    server.wait_until_loaded()
    answer = server.call("GET", f"/tm/v1/failed?code={code}")
    assert answer is not None
    found: list[dict[str, Any]] = answer.json()["failed"]
    return found


def stored(server: Target, name: str) -> dict[str, tuple[dict[str, Any], list[str]]]:
    events = server.events(series={"event": name})
    return {one["id"]: (one["properties"], one["flags"]) for one in events}


def test_each_mode_does_with_a_wrong_event_what_it_says(server: Target, tmp_path: Path) -> None:
    modes = ("observe", "tag", "strip", "quarantine", "reject")
    assert push(server, tmp_path / "plan", *(named(mode, mode) for mode in modes)) == 0

    answers = {}
    for mode in modes:
        send(server, mode, f"{mode}-1", plan="pro", seats=2)
        answers[mode] = send(server, mode, f"{mode}-2", plan="pro", seats="2", colour="red")

    wrong = {"plan": "pro", "seats": "2", "colour": "red"}
    assert stored(server, "observe")["observe-2"] == (wrong, [])
    assert stored(server, "tag")["tag-2"] == (wrong, ["schema_type", "unplanned_prop"])
    assert stored(server, "strip")["strip-2"] == ({"plan": "pro"}, ["schema_stripped"])
    assert list(stored(server, "quarantine")) == ["quarantine-1"]
    assert list(stored(server, "reject")) == ["reject-1"]
    assert {mode: [one["code"] for one in told] for mode, told in answers.items() if told} == {"reject": ["SCHEMA_TYPE"]}  # fmt: skip
    assert {one["event_id"] for one in failed(server, "SCHEMA_TYPE")} == {"quarantine-2", "reject-2"}  # fmt: skip
    ledger = server.ledger()
    assert (ledger["quarantined"], ledger["rejected"]) == (1, 1)


def test_what_is_observed_is_counted_in_the_metrics(server: Target, tmp_path: Path) -> None:
    assert push(server, tmp_path / "plan", named("watched", "observe")) == 0

    send(server, "watched", "w-1", plan="gold", seats=0)

    answer = server.call("GET", "/metrics")
    assert answer is not None
    assert 'tallymark_plan_observed_total{code="SCHEMA_ENUM"} 1' in answer.body.decode()


def test_what_is_observed_outlives_the_process_and_a_store_made_again_from_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with target(tmp_path) as server:
        assert push(server, tmp_path / "plan", named("watched", "observe")) == 0
        for number in range(3):
            send(server, "watched", f"w-{number}", plan="gold", seats=0)
        send(server, "watched", "w-9", plan="pro", seats=1)

        for act in (server.wait_until_loaded, server.store.unlink):
            act()
            server.kill()
            server.start()
            server.wait_until_loaded()
            told = server.call("GET", "/tm/v1/quality")
            assert told is not None
            (source,) = told.json()["sources"]
            assert source["observed"] == {"SCHEMA_ENUM": 3, "SCHEMA_RANGE": 3}
            assert (source["outcomes"]["accepted"], source["received"]) == (4, 4)
        assert server.ledger()["accepted"] == 4
        capsys.readouterr()
        assert main(["plan", "status", "--data", str(server.data)]) == 0
        main(["doctor", "--data", str(server.data)])

    said = capsys.readouterr().out
    assert "1 event: version 1 holds since 20" in said
    assert re.search(r"^ +3 +SCHEMA_ENUM +native +sk_", said, re.MULTILINE)
    assert "3 × SCHEMA_RANGE observed, and counted all the same" in said


def test_the_status_of_a_plan_tells_what_is_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with target(tmp_path) as server:
        assert main(["plan", "status", "--data", str(server.data)]) == 2
        assert "has no tracking plan" in capsys.readouterr().err
        text = event("a: {type: string}", monitors="{freshness: 1h}")
        assert push(server, tmp_path / "plan", text) == 0
        capsys.readouterr()

        assert main(["plan", "status", "--hours", "1", "--data", str(server.data)]) == 0

    said = capsys.readouterr().out
    assert "Observed within 1 h, and counted all the same:\n  none\n" in said
    assert "warn  plan: e has never come; one in 3,600 s is expected" in said


def test_a_plan_that_breaks_is_not_pushed_and_the_old_one_holds(
    server: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push(server, tmp_path / "one", named("held", "quarantine")) == 0
    narrower = named("held", "quarantine", "1-1-0").replace("[free, pro]", "[free]")

    assert push(server, tmp_path / "two", narrower, breaking=False) == 2
    assert "held 1-1-0: properties.plan.enum: pro left it." in capsys.readouterr().err
    send(server, "held", "h-1", plan="pro")
    assert list(stored(server, "held")) == ["h-1"]
    bumped = narrower.replace("1-1-0", "2-0-0")
    assert push(server, tmp_path / "three", bumped, breaking=False) == 0
    send(server, "held", "h-2", plan="pro")

    assert list(stored(server, "held")) == ["h-1"]
    assert [one["event_id"] for one in failed(server, "SCHEMA_ENUM")] == ["h-2"]


def test_a_plan_with_a_problem_is_refused_whoever_sends_it(server: Target) -> None:
    bad = {"events": [{"event": "e", "version": "1-0-0", "properties": {"a": {"type": "string", "pattern": "(a)\\1"}}}]}  # fmt: skip

    answer = server.own("PUT", "/tm/v1/projects/default/plan", bad)
    assert (answer.status, answer.json()["code"]) == (400, "PLAN_INVALID")
    assert "properties.a.pattern" in answer.json()["detail"]
    bodies: list[Any] = [b"[" * 100_000, {"events": 1}, {"events": [{}]}, b"nothing"]
    for body in bodies:
        answer = server.own("PUT", "/tm/v1/projects/default/plan", body)
        assert answer.status == 400, body
    by_key = server.call("PUT", "/tm/v1/projects/default/plan", {"events": []}, key="secret")
    assert by_key is not None
    assert by_key.status == 403


def test_what_is_pulled_is_what_was_pushed(server: Target, tmp_path: Path) -> None:
    pushed = [named("a", "tag"), event("n: {type: number, minimum: 0.10}"), named("c", "strip")]
    assert push(server, tmp_path / "plan", *pushed, plan="on: {unplanned_event: tag}") == 0

    assert main(["plan", "pull", str(tmp_path / "pulled"), "--data", str(server.data)]) == 0

    assert read_plan(tmp_path / "pulled") == folder(*pushed, plan="on: {unplanned_event: tag}").plan


def test_the_plan_holds_after_a_restart_and_for_every_client(
    server: Target, tmp_path: Path
) -> None:
    assert push(server, tmp_path / "plan", named("kept", "reject")) == 0
    server.end()
    server.start()
    message = {"type": "track", "event": "kept", "messageId": "s-1", "userId": "u", "properties": {"plan": "gold"}}  # fmt: skip

    told = send(server, "kept", "k-1", plan="gold")
    by_segment = server.call("POST", "/v1/track", {**message, "writeKey": server.keys["public"]})

    assert [one["code"] for one in told] == ["SCHEMA_ENUM"]
    assert by_segment is not None
    assert (by_segment.status, by_segment.json()) == (200, {"success": True})
    ids = {one["event_id"] for one in failed(server, "SCHEMA_ENUM")}
    assert {"k-1", "s-1"} <= ids
    assert stored(server, "kept") == {}


def test_generated_python_sends_what_the_plan_takes(server: Target, tmp_path: Path) -> None:
    text = named("sent_by_code", "quarantine")
    assert push(server, tmp_path / "plan", text) == 0
    (tmp_path / "events.py").write_text(generate(plan(text), "python"))
    program = f"""
        import events
        from tallymark_client import Client
        with Client("{server.url}", "{server.keys["secret"]}") as client:
            events.sent_by_code(client, {{"plan": "pro", "seats": 2}}, user_id="ana", id="g-1")
            events.sent_by_code(client, {{"plan": "gold"}}, user_id="ana", id="g-2")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path,
        env={"PYTHONPATH": f"{SDK}:{tmp_path}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    properties = {"plan": "pro", "seats": 2, "schema_version": "1-0-0"}
    assert stored(server, "sent_by_code") == {"g-1": (properties, [])}


def test_a_project_without_a_plan_has_none_to_pull(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    assert main(["keys", "create", "read", "--data", data]) == 0

    assert main(["plan", "pull", str(tmp_path / "pulled"), "--data", data]) == 2
    with pytest.raises(TallymarkError):
        read_plan(tmp_path / "pulled")


def test_a_draft_made_of_what_came_passes_and_a_stricter_one_tells_what_would_fail(
    server: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push(server, tmp_path / "other", event()) == 0
    for number in range(3):
        send(server, "inferred", f"i-{number}", seats=number, plan="pro")
    server.wait_until_loaded()
    data = ["--data", str(server.data), "--event", "inferred"]
    draft = tmp_path / "draft"

    assert main(["plan", "infer", str(draft), *data]) == 0
    assert main(["plan", "test", str(draft), *data]) == 0
    assert "Looked at 3 events: all are as planned." in capsys.readouterr().out
    assert main(["plan", "infer", str(draft), *data]) == 2
    file = draft / "events" / "inferred.yaml"
    file.write_text(file.read_text().replace("type: integer", "type: integer\n    minimum: 1"))

    assert main(["plan", "test", str(draft), *data]) == 1
    assert "1  inferred: SCHEMA_RANGE: properties.seats" in capsys.readouterr().out
    assert main(["plan", "infer", str(tmp_path / "all"), "--data", str(server.data)]) == 0
    assert "inferred" in {one.event for one in read_plan(tmp_path / "all").events}
    assert main(["plan", "infer", str(tmp_path / "x"), "--data", str(server.data), "--event", "nothing"]) == 2  # fmt: skip
