import http.client
import http.server
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tallymark
from tallymark.client import Client, connect
from tallymark.client.private import PrivateServer, front_socket
from tallymark.client.transport import Request, Transport
from tallymark.core.errors import (
    NotAllowed,
    NotFound,
    QuestionStopped,
    Refused,
    TallymarkError,
    Unavailable,
)

DAY = "2026-11-20"
RANGE = {"since": DAY, "until": "2026-11-21"}
Answers = Callable[[int, bytes, http.server.BaseHTTPRequestHandler], None]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def client(data: Path) -> Iterator[Client]:
    with connect(data, project="default") as found:
        yield found


def event(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "time": f"{DAY}T10:00:00Z", **fields}


def count(client: Client, name: str, **series: Any) -> Any:
    client.wait()
    asked = {"event": name, **series}
    return client.ask("trends", series=[asked], range=RANGE).data["lines"][0]["total"]


# Sending


def test_what_is_sent_is_counted_and_what_failed_is_told_with_its_place(client: Client) -> None:
    events = [event("many", user_id=f"u{number}") for number in range(5_001)]
    events[5_000] = {"nme": "many"}

    sent = client.send(events)

    assert sent.accepted == 5_000
    assert [(one["index"], one["code"]) for one in sent.failed] == [(5_000, "BAD_FIELD")]
    assert count(client, "many") == 5_000


def test_an_event_with_the_same_id_counts_once(client: Client) -> None:
    client.send(event("once", id="once-1"))
    client.send([event("once", id="once-1"), event("once", id="once-2")])

    assert count(client, "once") == 2
    assert client.event("once-1")["outcome"] == "counted"


def test_numbers_read_back_exactly_as_sent(client: Client) -> None:
    amounts = [Decimal("0.1"), Decimal("0.2"), 2**64, Decimal("0.000000001")]
    client.send([event("exact", properties={"n": amount}) for amount in amounts])

    total = count(client, "exact", measure="sum", of="properties.n")

    assert total == Decimal("18446744073709551616.300000001")
    assert isinstance(total, Decimal)


def test_times_of_any_zone_may_be_sent_as_datetimes(client: Client) -> None:
    plus_two = timezone(timedelta(hours=2))
    client.send(event("zoned", id="zoned-1", time=datetime(2026, 11, 20, 1, 0, tzinfo=plus_two)))
    client.send(event("zoned", id="zoned-2", time=datetime(2026, 11, 20, 1, 0, tzinfo=UTC)))

    assert count(client, "zoned") == 1


def test_a_batch_whose_answer_was_lost_is_sent_again_and_counts_once(
    client: Client, data: Path
) -> None:
    bodies: list[bytes] = []

    def forward(number: int, body: bytes, handler: http.server.BaseHTTPRequestHandler) -> None:
        bodies.append(body)
        with Transport(front_socket(data), headers={}) as behind:
            kept = {name: handler.headers[name] for name in ("Content-Type", "Content-Encoding")}
            kept["Tallymark-Project"] = "default"
            answer = behind.answer(Request("POST", handler.path, body, kept))
        if number == 0:
            handler.connection.close()
            return
        _reply(handler, answer.status, answer.body)

    with _serving(forward) as url, connect(url, key="unused") as lossy:
        sent = lossy.send([event("lost", user_id="ana"), event("lost", user_id="bo")])

    assert sent.accepted == 2
    assert len(bodies) == 2
    assert bodies[0] == bodies[1]
    assert count(client, "lost") == 2


def test_a_server_that_is_full_is_asked_again_when_it_said() -> None:
    times: list[float] = []

    def answer(number: int, _body: bytes, handler: http.server.BaseHTTPRequestHandler) -> None:
        times.append(time.monotonic())
        if number == 0:
            _reply(
                handler, 503, b'{"code":"STORAGE_PRESSURE","detail":"full"}', **{"Retry-After": "1"}
            )
        else:
            _reply(handler, 202, b'{"accepted":1,"failed":[]}')

    with _serving(answer) as url, connect(url, key="k") as sender:
        assert sender.send(event("later")).accepted == 1

    assert times[1] - times[0] >= 1


def test_a_refusal_is_not_tried_again() -> None:
    tries: list[int] = []

    def answer(number: int, _body: bytes, handler: http.server.BaseHTTPRequestHandler) -> None:
        tries.append(number)
        _reply(handler, 401, b'{"code":"AUTH_INVALID","detail":"No such key.","hint":"Make one."}')

    with (
        _serving(answer) as url,
        connect(url, key="k") as sender,
        pytest.raises(NotAllowed) as refused,
    ):
        sender.send(event("no"))

    assert tries == [0]
    assert (refused.value.message, refused.value.hint) == ("No such key.", "Make one.")


def test_a_question_that_was_stopped_is_not_asked_again() -> None:
    tries: list[int] = []

    def answer(number: int, _body: bytes, handler: http.server.BaseHTTPRequestHandler) -> None:
        tries.append(number)
        _reply(handler, 503, b'{"code":"QUERY_STOPPED","detail":"Too long."}')

    with (
        _serving(answer) as url,
        connect(url, key="k") as asker,
        pytest.raises(QuestionStopped, match="Too long"),
    ):
        asker.ask("trends")

    assert tries == [0]


def test_an_error_page_of_a_proxy_is_an_error_of_ours() -> None:
    def answer(_number: int, _body: bytes, handler: http.server.BaseHTTPRequestHandler) -> None:
        _reply(handler, 404, b"<html>nothing</html>")

    with (
        _serving(answer) as url,
        connect(url, key="k") as asker,
        pytest.raises(NotFound, match="The server answered 404"),
    ):
        asker.ask("trends")


# Asking


def test_the_servers_error_comes_with_code_and_hint(client: Client) -> None:
    with pytest.raises(NotFound) as wrong:
        client.ask("trend")

    assert wrong.value.code == "NOT_FOUND"
    assert "trends" in wrong.value.hint


def test_frames_keep_numbers_exact_and_times_aware(client: Client) -> None:
    client.send(event("framed", id="f1", revenue=Decimal("12.50"), currency="EUR"))
    client.wait()
    answer = client.ask(
        "trends",
        series=[{"event": "framed", "measure": "sum", "of": "revenue"}],
        range={"since": "2026-11-19", "until": "2026-11-21"},
        timezone="Europe/Berlin",
    )
    day, revenue = answer.columns

    arrow, pandas, polars = answer.to_arrow(), answer.to_pandas(), answer.to_polars()

    assert [row[1] for row in answer.rows] == [0, Decimal("12.5")]
    assert str(arrow.schema.field(day).type) == "timestamp[us, tz=Europe/Berlin]"
    assert str(arrow.schema.field(revenue).type) == "decimal128(38, 1)"
    assert arrow[revenue].to_pylist() == [Decimal(0), Decimal("12.5")]
    assert str(pandas[day].dtype) == "datetime64[us, Europe/Berlin]"
    assert pandas[revenue].tolist() == [Decimal(0), Decimal("12.5")]
    assert polars[revenue].to_list() == [Decimal(0), Decimal("12.5")]
    assert polars[day][1].isoformat() == "2026-11-20T00:00:00+01:00"


def test_a_notebook_shows_hostile_values_as_text(client: Client) -> None:
    hostile = "<script>alert(1)</script>"
    client.send(event(hostile, id="hostile-1"))
    client.wait()

    page = client.ask("trends", series=[{"event": hostile}], range=RANGE)._repr_html_()

    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "as of" in page


def test_a_missing_extra_is_named(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = client.ask("trends", range=RANGE)
    # What Python does for a package that is not installed.
    monkeypatch.setitem(sys.modules, "polars", None)

    with pytest.raises(TallymarkError) as missing:
        answer.to_polars()

    assert missing.value.code == "EXTRA_MISSING"
    assert "pip install 'tallymark[polars]'" in missing.value.hint


def test_waiting_for_what_never_comes_ends(client: Client) -> None:
    with pytest.raises(Unavailable, match="not yet at 999999"):
        client.wait(999_999, timeout_seconds=0.05)


def test_status_and_ledger_tell_what_was_received(client: Client) -> None:
    client.send([event("told", id="told-1"), event("told", id="told-1"), {"name": ""}])
    client.wait()

    ledger = client.ledger()

    assert ledger["balanced"] is True
    assert client.status()["ledger"] == ledger["totals"]
    assert "NAME_INVALID" in client.failed()["counts"]
    assert {"trends", "events", "people"} <= {one["name"] for one in client.insights()}


# Looking after it


def test_keys_are_made_rotated_and_revoked(client: Client) -> None:
    made = client.create_project("Second shop")
    project = made["project"]["id"]
    rotated = client.rotate(made["keys"][0]["key"]["id"], grace_seconds=60)
    client.revoke(rotated["key"]["id"])

    listed = {one["id"]: one for one in client.keys(project)}

    assert project in [one["id"] for one in client.projects()]
    assert listed[rotated["key"]["id"]]["revoked_at"] is not None
    assert listed[made["keys"][0]["key"]["id"]]["expires_at"] is not None
    assert all("secret" not in one for one in listed.values())


def test_calls_for_a_project_need_its_name() -> None:
    nameless = Client(Transport("http://127.0.0.1:9", headers={}))

    with nameless, pytest.raises(Refused, match="No project is named"):
        nameless.keys()


def test_two_projects_do_not_see_each_other(client: Client) -> None:
    client.create_project("apart")
    client.send(event("mine", id="same-id"), project="apart")
    client.send(event("mine", id="same-id"))

    assert count(client, "mine") == 1


# Which server


def test_an_address_that_is_neither_folder_nor_http_is_refused() -> None:
    with pytest.raises(Refused, match="neither a folder nor"):
        connect("ftp://example.org")


def test_a_private_server_ends_with_its_client(tmp_path: Path) -> None:
    with connect(tmp_path) as first:
        assert first.has_own_server
        first.send(event("kept"))
        with connect(tmp_path) as second:
            assert not second.has_own_server

    assert not _answers(tmp_path)
    with connect(tmp_path) as again:
        again.project = "default"
        assert count(again, "kept") == 1


def test_a_private_server_does_not_outlive_a_client_that_was_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time, tallymark;"
        "tallymark.connect(sys.argv[1]); print('up', flush=True); time.sleep(600)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == b"up\n"

    os.kill(child.pid, signal.SIGKILL)
    child.wait()

    deadline = time.monotonic() + 20
    while _answers(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_clients_that_start_at_the_same_moment_share_one_server(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        clients = list(pool.map(lambda _: connect(tmp_path), range(3)))

    try:
        for number, one in enumerate(clients):
            assert one.send(event("shared", id=f"s{number}")).accepted == 1
        assert [one.has_own_server for one in clients].count(True) == 1
    finally:
        for one in sorted(clients, key=lambda one: one.has_own_server):
            one.close()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "tallymark.toml").write_text("max_body_bites = 1")

    with pytest.raises(Unavailable, match="There is no setting 'max_body_bites'"):
        connect(tmp_path)


def test_a_private_server_is_gone_after_stop_even_if_stopped_twice(tmp_path: Path) -> None:
    server = PrivateServer(tmp_path)

    server.stop()
    server.stop()

    assert server.has_ended()


def test_importing_tallymark_loads_no_client() -> None:
    code = "import sys, tallymark; print(tallymark.__version__, 'http.client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == [tallymark.__version__, "False"]
    assert tallymark.connect is connect


def _answers(data: Path) -> bool:
    with Transport(front_socket(data), headers={}) as transport:
        try:
            return transport.answer(Request("GET", "/healthz", patience_seconds=0)).status == 200
        except Unavailable:
            return False


@contextmanager
def _serving(answers: Answers) -> Iterator[str]:
    """Serve requests with a function of their number and body; stands in for a bad network."""
    number = 0

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            nonlocal number
            body = self.rfile.read(int(self.headers["Content-Length"]))
            number += 1
            answers(number - 1, body, self)

        def log_message(self, *_args: Any) -> None:
            pass

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _reply(
    handler: http.server.BaseHTTPRequestHandler, status: int, body: bytes, **headers: str
) -> None:
    handler.send_response(status)
    for name, text in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name, text)
    handler.end_headers()
    handler.wfile.write(body)
