"""The pages as they are served: where the shell comes, where a 404, and under which headers."""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallymark import __version__
from tallymark.api.addresses import addresses
from tallymark.web.shell import Boot, prefix, shell

from .harness import Answer, Harness

ROOT = Path(__file__).parents[2]
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with Harness(tmp_path_factory.mktemp("web"), trusted_proxies=("127.0.0.1/32",)) as running:
        yield running


def get(server: Harness, path: str, **headers: str) -> Answer:
    return server.request("GET", path, headers={**HTML, **headers})


def boot(answer: Answer) -> dict[str, str]:
    found = re.search(
        r'<script type="application/json" id="boot">(.*?)</script>', answer.body.decode()
    )
    assert found is not None
    told: dict[str, str] = json.loads(found[1])
    return told


def scripts(answer: Answer) -> list[str]:
    return re.findall(r'src="\./assets/([^"]+\.js)"', answer.body.decode())


@pytest.mark.parametrize("path", ["/", "/explore", "/people/user/u-1", "/no-such-screen"])
def test_any_address_a_person_opens_is_the_application(server: Harness, path: str) -> None:
    answer = get(server, path)

    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert boot(answer) == {"base": "", "version": __version__}
    assert "Tallymark" in answer.body.decode()


@pytest.mark.parametrize(
    "path",
    ["/assets/index-gone.js", "/assets/../shell.py", "/assets/..%2findex.html", "/gone.js", "/wp-login.php", "/tm/v1/nothing", "/.well-known/nothing"],
)  # fmt: skip
def test_what_is_no_page_is_a_real_404(server: Harness, path: str) -> None:
    answer = get(server, path)

    assert (answer.status, answer.json()["code"]) == (404, "NOT_FOUND")


def test_a_program_that_asks_for_no_page_gets_a_problem_it_can_read(server: Harness) -> None:
    answer = server.request("GET", "/explore", headers={"Accept": "application/json"})

    assert (answer.status, answer.json()["code"]) == (404, "NOT_FOUND")


def test_files_are_kept_for_ever_and_zipped_for_who_can_read_it(server: Harness) -> None:
    (name,) = scripts(get(server, "/"))

    plain = get(server, f"/assets/{name}")
    zipped = get(server, f"/assets/{name}", **{"Accept-Encoding": "gzip, br"})

    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "content-encoding" not in plain.headers
    assert zipped.headers["content-encoding"] == "gzip"
    assert gzip.decompress(zipped.body) == plain.body
    assert zipped.headers["x-content-type-options"] == "nosniff"


def test_the_policy_lets_only_our_files_and_the_one_script_in_the_page_run(server: Harness) -> None:
    answer = get(server, "/")
    policy = answer.headers["content-security-policy"]
    (inline,) = re.findall(r"<script>(.*?)</script>", answer.body.decode(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()

    assert f"script-src 'self' 'sha256-{digest}';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"


def test_the_nonce_for_styles_is_another_one_each_time(server: Harness) -> None:
    nonces = []
    for _ in range(3):
        answer = get(server, "/")
        (nonce,) = re.findall(r'property="csp-nonce" nonce="([^"]+)"', answer.body.decode())
        assert f"style-src 'self' 'nonce-{nonce}'" in answer.headers["content-security-policy"]
        nonces.append(nonce)

    assert len(set(nonces)) == 3


def test_a_trusted_proxy_says_below_which_path_the_pages_are(server: Harness) -> None:
    answer = get(server, "/explore", **{"X-Forwarded-Prefix": "/stats/team/"})

    assert boot(answer)["base"] == "/stats/team"
    assert '<base href="/stats/team/">' in answer.body.decode()


@pytest.mark.parametrize(
    "said",
    ["//evil.example", "/a/../..", "https://evil.example", '/"><script>', "/a b", "/" + "x" * 300],
)
def test_a_prefix_that_is_no_path_is_not_believed(server: Harness, said: str) -> None:
    answer = get(server, "/", **{"X-Forwarded-Prefix": said})

    assert boot(answer)["base"] == ""
    assert '<base href="/">' in answer.body.decode()


def test_nobody_else_says_where_the_pages_are(tmp_path: Path) -> None:
    with Harness(tmp_path, root_path="/stats") as server:
        answer = get(server, "/", **{"X-Forwarded-Prefix": "/elsewhere"})

        assert boot(answer)["base"] == "/stats"


def test_what_the_page_is_told_cannot_end_its_block() -> None:
    page = shell(Boot("", "</script><script>alert(1)</script>"), "n").body.decode()

    assert "<script>alert" not in page
    assert prefix("/a/b/") == "/a/b"
    assert prefix("") == ""


def test_no_screen_stands_where_clients_of_a_protocol_ask() -> None:
    text = (ROOT / "web" / "src" / "routes.tsx").read_text("utf-8")
    screens = re.findall(r'path: "(/[^"]*)"', text)
    asked = {path for method, path in addresses().declared() if method == "GET"}

    assert len(screens) > 5
    assert [one for one in screens if one in asked] == []
