"""The browser script as it is served: fresh within the hour, a version for ever, to any page."""

import base64
import gzip
import hashlib

import pytest

from tallymark.web.tracker_files import FOLDER, NAMES, scripts

from .harness import Answer, Harness

VERSION = scripts().version


def get(server: Harness, path: str, method: str = "GET", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.request(method, path, headers=named)


@pytest.mark.parametrize("name", NAMES)
def test_the_present_files_are_kept_for_an_hour(shared: Harness, name: str) -> None:
    answer = get(shared, f"/{name}")

    assert (answer.status, answer.body) == (200, (FOLDER / name).read_bytes())
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_a_version_is_kept_for_ever_and_read_by_any_page(
    shared: Harness, name: str
) -> None:
    answer = get(shared, f"/t/{VERSION}/{name}", origin="https://shop.example")

    assert (answer.status, answer.body) == (200, (FOLDER / name).read_bytes())
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"


def test_a_file_is_sent_in_gzip_to_who_takes_it(shared: Harness) -> None:
    plain, packed = get(shared, "/t.js"), get(shared, "/t.js", accept_encoding="br, gzip")

    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) <= 3 * 1024
    assert "content-encoding" not in plain.headers
    assert {plain.headers["vary"], packed.headers["vary"]} == {"Accept-Encoding"}
    assert plain.headers["etag"] != packed.headers["etag"]


@pytest.mark.parametrize("path", ["/t.js", f"/t/{VERSION}/t.js"])
def test_a_file_that_is_known_already_is_not_sent_again(shared: Harness, path: str) -> None:
    etag = get(shared, path, accept_encoding="gzip").headers["etag"]

    again = get(shared, path, accept_encoding="gzip", if_none_match=f'"other", W/{etag}')
    other = get(shared, path, accept_encoding="gzip", if_none_match='"other"')

    assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    assert other.status == 200


def test_the_hash_of_every_file_can_be_asked_for(shared: Harness) -> None:
    told = get(shared, "/tm/v1/browser-script").json()

    assert told["version"] == VERSION
    for name in NAMES:
        content = get(shared, f"/t/{VERSION}/{name}").body
        hashed = base64.b64encode(hashlib.sha384(content).digest()).decode()
        assert told["files"][name]["integrity"] == f"sha384-{hashed}"


def test_who_only_looks_gets_the_head(shared: Harness) -> None:
    answer = get(shared, "/t.js", "HEAD")

    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) == len((FOLDER / "t.js").read_bytes())


@pytest.mark.parametrize(
    "path", ["/t/9.9.9/t.js", f"/t/{VERSION}/other.js", f"/t/{VERSION}/manifest.json",
             f"/t/{VERSION}/..%2fmanifest.json", "/t/../t.js", "/t/%2e%2e/t.js"]
)  # fmt: skip
def test_what_is_no_file_of_a_version_is_not_there(shared: Harness, path: str) -> None:
    answer = get(shared, path)

    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"
