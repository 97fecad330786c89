"""Access logs: the formats, the odd lines, and equality with the standard Unix tools on real data."""

import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.collect.sources.shared import failures, read, real, records

from tallymark.collect.protocols._wire import WireEvent
from tallymark.collect.sources.access_log import access_log
from tallymark.collect.sources.mapping import Fields
from tallymark.collect.sources.source import Options

COMBINED = (
    b'83.149.9.216 - - [17/May/2015:10:05:03 +0200] "GET /a/b.png?x=1 HTTP/1.1" 200 203023 '
    b'"http://example.com/from" "Mozilla/5.0 (X11; Linux)"'
)


def one(tmp_path: Path, line: bytes, options: Options | None = None) -> dict[str, Any]:
    path = tmp_path / "access.log"
    path.write_bytes(line + b"\n")
    (record,) = records(access_log, path, options)
    return record.event


def refusal(tmp_path: Path, line: bytes) -> str:
    path = tmp_path / "access.log"
    path.write_bytes(line + b"\n")
    (failure,) = failures(access_log, path)
    assert failure.raw == line[: len(failure.raw)]
    return failure.code


def test_a_combined_line_gives_every_part(tmp_path: Path) -> None:
    event = one(tmp_path, COMBINED)

    assert event.pop("id").endswith(":0")
    assert len(event.pop("anonymous_id")) == 32
    assert event == {
        "name": "request",
        "time": "2015-05-17T08:05:03Z",
        "properties": {"method": "GET", "protocol": "HTTP/1.1", "status": 200, "bytes": 203023},
        "context": {
            "page": {
                "path": "/a/b.png",
                "url": "/a/b.png?x=1",
                "referrer": "http://example.com/from",
            },
            "user_agent": "Mozilla/5.0 (X11; Linux)",
            "ip": "83.149.9.216",
        },
    }


def test_a_common_line_with_dashes_has_no_referrer_and_no_bytes(tmp_path: Path) -> None:
    event = one(tmp_path, b'::1 - - [17/May/2015:10:05:03 -0330] "HEAD / HTTP/1.0" 304 -')

    assert event["time"] == "2015-05-17T13:35:03Z"
    assert event["properties"]["bytes"] == 0
    assert event["context"] == {"page": {"path": "/", "url": "/"}, "ip": "::1"}


def test_a_line_with_the_virtual_host_first_has_a_full_address(tmp_path: Path) -> None:
    event = one(tmp_path, b"shop.example.com:443 " + COMBINED)

    assert event["context"]["page"]["url"] == "http://shop.example.com:443/a/b.png?x=1"
    assert event["context"]["ip"] == "83.149.9.216"


def test_an_nginx_json_line_gives_the_same_and_keeps_other_members_as_properties(
    tmp_path: Path,
) -> None:
    event = one(
        tmp_path,
        b'{"time_iso8601":"2015-05-17T10:05:03+02:00","remote_addr":"83.149.9.216",'
        b'"request":"GET /a/b.png?x=1 HTTP/1.1","status":"200","body_bytes_sent":"203023",'
        b'"http_referer":"http://example.com/from","http_user_agent":"Mozilla/5.0 (X11; Linux)",'
        b'"request_time":"0.120","upstream":"-"}',
    )
    combined = one(tmp_path, COMBINED)

    assert str(event["properties"].pop("request_time")) == "0.120"
    del event["id"], combined["id"]
    assert event == combined


def test_an_nginx_json_line_may_name_method_and_path_apart(tmp_path: Path) -> None:
    event = one(
        tmp_path,
        b'{"msec":1431857103.250,"remote_addr":"::1","request_method":"POST","request_uri":"/x",'
        b'"status":201,"body_bytes_sent":5,"host":"example.com"}',
    )

    assert event["time"] == "2015-05-17T10:05:03.250000Z"
    assert event["properties"] == {"method": "POST", "status": 201, "bytes": 5}
    assert event["context"]["page"] == {"path": "/x", "url": "http://example.com/x"}


def test_escaped_quotes_stay_inside_their_field(tmp_path: Path) -> None:
    event = one(tmp_path, COMBINED.replace(b"Mozilla/5.0 (X11; Linux)", rb"a \"b\" \\ c"))

    assert event["context"]["user_agent"] == 'a "b" \\ c'


def test_visitors_differ_by_address_agent_and_salt(tmp_path: Path) -> None:
    lines = [COMBINED, COMBINED.replace(b"83", b"84"), COMBINED.replace(b"X11", b"X12")]
    seen = {one(tmp_path, line)["anonymous_id"] for line in lines}

    assert len(seen) == 3
    assert one(tmp_path, COMBINED)["anonymous_id"] in seen
    assert one(tmp_path, COMBINED, Options(salt="other"))["anonymous_id"] not in seen


@pytest.mark.parametrize(("status", "user_id"), [(b"200", "frank"), (b"401", None)])
def test_a_signed_in_name_is_believed_unless_the_server_refused_it(
    tmp_path: Path, status: bytes, user_id: str | None
) -> None:
    event = one(
        tmp_path, COMBINED.replace(b"- -", b"- frank").replace(b" 200 ", b" " + status + b" ")
    )

    assert event.get("user_id") == user_id


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        (COMBINED.removesuffix(b'"'), "cut"),
        (COMBINED.replace(b"Linux", b"L\xefnux"), "latin-1"),
        (COMBINED.replace(b"GET /a/b.png?x=1 HTTP/1.1", rb"\x16\x03\x01\x02"), "not_http"),
        (COMBINED.replace(b"GET /a/b.png?x=1 HTTP/1.1", b"-"), "not_http"),
        (COMBINED.replace(b"GET /a/b.png?x=1 HTTP/1.1", b""), "not_http"),
        (COMBINED.replace(b"GET /a/b.png?x=1 HTTP/1.1", b"\x80\xff").removesuffix(b'"'),
         "not_http,cut,latin-1"),
    ],
)  # fmt: skip
def test_an_odd_line_is_loaded_and_says_what_is_odd(
    tmp_path: Path, line: bytes, flags: str
) -> None:
    assert one(tmp_path, line)["properties"]["line_flags"] == flags


def test_a_request_with_blanks_in_its_target_keeps_them(tmp_path: Path) -> None:
    event = one(tmp_path, COMBINED.replace(b"/a/b.png?x=1", b"/a b?c d"))

    assert event["context"]["page"] == {
        "path": "/a b",
        "url": "/a b?c d",
        "referrer": "http://example.com/from",
    }


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"not a log line", "LINE_UNREADABLE"),
        (COMBINED.replace(b"May", b"Mai"), "TIME_UNPARSABLE"),
        (COMBINED.replace(b"17/", b"31/").replace(b"May", b"Feb"), "TIME_UNPARSABLE"),
        (COMBINED.replace(b" +0200", b""), "LINE_UNREADABLE"),
        (COMBINED[:60], "LINE_UNREADABLE"),
        (b"\0" * 40, "NUL_CHAR"),
        (b'{"status":200}', "MISSING_FIELD"),
        (b'{"status":', "JSON_SYNTAX"),
        (b'{"time":"yesterday"}', "TIME_UNPARSABLE"),
        (b'{"a":' + b"[" * 5000, "JSON_SYNTAX"),
        (b"x" * (1024 * 1024 + 1), "EVENT_TOO_LARGE"),
    ],
)
def test_a_line_that_is_none_fails_with_its_reason(tmp_path: Path, line: bytes, code: str) -> None:
    assert refusal(tmp_path, line) == code


def test_blank_lines_and_carriage_returns_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"\r\n\n" + COMBINED + b"\r\n  \n" + COMBINED + b"\r\n")

    first, second = records(access_log, path)

    assert (first.line, second.line) == (3, 5)
    assert first.event["context"] == second.event["context"]


def test_fixed_values_of_the_mapping_replace_what_the_format_says(tmp_path: Path) -> None:
    options = Options(fields=Fields(set={"name": "page_view", "kind": "page"}))

    event = one(tmp_path, COMBINED, options)

    assert (event["name"], event["kind"]) == ("page_view", "page")


@given(
    st.binary(max_size=300)
    | st.lists(st.sampled_from([b" ", b'"', b"[", b"]", b"\\", b"-", b"1", b"+0000", COMBINED]),
               max_size=40).map(b"".join)
)  # fmt: skip
@settings(max_examples=150)
def test_every_line_of_any_bytes_is_an_event_or_a_failure(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("log") / "a.log"
    path.write_bytes(COMBINED + b"\n" + content)
    lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]

    items = read(access_log, path)

    assert [path.read_bytes()[item.offset :].split(b"\n")[0] for item in items] == lines


def test_a_hostile_line_takes_no_more_than_its_length(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    bad = [b" [" * 300_000, b"a b c [" * 90_000, b'"' * 900_000, b"- " * 400_000]
    bad += [COMBINED[:60] + b'\\"' * 400_000, b"1 - - [" + b"a " * 400_000]
    path.write_bytes(b"\n".join(bad))

    # Quadratic matching of lines this long would take hours, and the suite's limit.
    assert {failure.code for failure in failures(access_log, path)} == {"LINE_UNREADABLE"}


def unix(command: str, path: Path) -> list[str]:
    done = subprocess.run(
        ["bash", "-c", command, "bash", str(path)],
        capture_output=True,
        check=True,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    )
    return done.stdout.decode().splitlines()


def unix_counts(command: str, path: Path) -> dict[str, int]:
    counts = {}
    for line in unix(command + " | sort | uniq -c", path):
        count, _, value = line.strip().partition(" ")
        counts[value] = int(count)
    return counts


def test_the_real_log_is_counted_as_the_unix_tools_count_it() -> None:
    path = real("apache_access.log")

    events = [record.event for record in records(access_log, path)]

    assert len(events) == 10_000
    assert Counter(event["time"][8:10] for event in events) == unix_counts(
        'cut -d[ -f2 "$1" | cut -d/ -f1', path
    )
    assert Counter(str(event["properties"]["status"]) for event in events) == unix_counts(
        "awk '{print $9}' \"$1\"", path
    )
    assert Counter(event["context"]["page"]["path"] for event in events) == unix_counts(
        "awk '{print $7}' \"$1\" | cut -d'?' -f1", path
    )
    assert sum(event["properties"]["bytes"] for event in events) == int(
        unix('awk \'{total += $10} END {printf "%.0f\\n", total}\' "$1"', path)[0]
    )
    visitors = unix(
        'awk -F\'"\' \'{split($1, a, " "); print a[1], $6}\' "$1" | sort -u | wc -l', path
    )
    assert len({event["anonymous_id"] for event in events}) == int(visitors[0])


def test_every_event_of_the_real_log_has_the_shape_of_the_wire() -> None:
    events = [record.event for record in records(access_log, real("apache_access.log"))]

    assert len(msgspec.json.decode(msgspec.json.encode(events), type=list[WireEvent])) == 10_000
