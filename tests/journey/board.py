"""The dashboard in a real browser: signing in, a history whose answers are known, and what every page must hold."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, expect
from tests.journey.browser import PATIENCE_SECONDS
from tests.journey.sdks import CLIENTS, Target

AXE: Final = CLIENTS / "node_modules" / "axe-core" / "axe.min.js"
STEPS: Final = ("signup_viewed", "signup_started", "email_confirmed", "signup")
# How many came to each step: most are lost before the e-mail is confirmed, five of eight.
CAME: Final = {"signup_viewed": 12, "signup_started": 8, "email_confirmed": 3, "signup": 3}
LOST: Final = ("u04", "u05", "u06", "u07", "u08")
PERSON = "ona@example.org"
PASSWORD = "correct horse battery staple"
HOSTILE_NAME: Final = "<img src=x onerror=alert(1)>"
HOSTILE_TEXT: Final = '"><script>alert(1)</script>'
_HOUR: Final = 3_600_000
_DAY: Final = 24 * _HOUR


def history() -> list[dict[str, Any]]:
    """Return what twelve people did in the last days, and one event that would like to be markup."""
    now = time.time_ns() // 1_000_000
    events: list[dict[str, Any]] = []
    for number in range(1, 13):
        user = f"u{number:02}"
        began = now - 20 * _DAY + number * _HOUR
        context = {
            "page": {"url": "https://shop.example/pricing"},
            "location": {"country": "DE" if number <= 6 else "FR"},
        }
        events.append({"name": "page_view", "kind": "page", "time": began, "user_id": user, "context": context})  # fmt: skip
        events += [
            {"name": step, "time": began + (at + 1) * 60_000, "user_id": user, "context": context, "properties": {"plan": "pro"}}
            for at, step in enumerate(STEPS)
            if number <= CAME[step]
        ]  # fmt: skip
        if number <= 5:
            events.append({"name": "page_view", "kind": "page", "time": now - 2 * _HOUR, "user_id": user, "context": context})  # fmt: skip
    events.append({"name": HOSTILE_NAME, "time": now - _HOUR, "user_id": HOSTILE_TEXT, "properties": {HOSTILE_TEXT: HOSTILE_TEXT}})  # fmt: skip
    return [{"id": f"e{at}", **event} for at, event in enumerate(events)]


def begun(server: Target, *, owner: str = PERSON, viewer: str | None = None) -> Target:
    """Return the server with the history, an owner, and a viewer if one is named."""
    expect.set_options(timeout=PATIENCE_SECONDS * 1_000)
    let_in(server, owner, role="owner")
    if viewer is not None:
        let_in(server, viewer, role="viewer")
    assert server.send(history()).status == 202
    server.wait_until_loaded()
    return server


def let_in(server: Target, email: str, *, role: str = "viewer", project: str = "default") -> None:
    """Make a user with the password of these tests and a role."""
    rights = {"is_owner": True} if role == "owner" else {"projects": {project: role}}
    made = server.own("POST", "/tm/v1/users", {"email": email, **rights})
    assert made.status == 201, made.body
    given = {"token": made.json()["token"], "password": PASSWORD}
    done = server.call("POST", "/tm/v1/password", given)
    assert done is not None
    assert done.status == 201, done.body


class Board:
    """One page of a browser on the dashboard of a server; remembers what went wrong on it."""

    def __init__(self, context: BrowserContext, server: Target, address: str | None = None) -> None:
        self.page = context.new_page()
        self.address = address or server.url
        self.wrong: list[str] = []
        self.elsewhere: list[str] = []
        self._user = PERSON
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", self._interrupted)
        self.page.on("request", lambda request: self._asked(request.url))

    def sign_in(self, path: str = "/") -> Page:
        """Open an address and sign in, whoever was signed in before."""
        self.page.context.clear_cookies()
        self.page.goto(self.address + path)
        self.page.get_by_label("E-mail address").fill(self._user)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("navigation", name="Screens")).to_be_visible()
        return self.page

    def go(self, path: str) -> Page:
        """Open an address with the session there is, and wait until nothing is loading."""
        self.page.goto(self.address + path)
        self.settle()
        return self.page

    def settle(self) -> None:
        """Wait until the page shows what it was asked for."""
        expect(self.page.get_by_role("heading", level=1)).to_be_visible()
        expect(self.page.get_by_role("status", name="Loading")).to_have_count(0)
        expect(self.page.locator("[aria-busy=true]")).to_have_count(0)

    def faults(self) -> list[str]:
        """Return what axe finds serious on the page as it is."""
        self.page.evaluate(AXE.read_text("utf-8"))
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']}: {node['target']} {node['failureSummary']}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]

    def too_wide(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        root = "document.documentElement"
        return int(self.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth"))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.wrong.append(message.text)

    def _interrupted(self, dialog: Dialog) -> None:
        self.wrong.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _asked(self, url: str) -> None:
        if not url.startswith((self.address, "data:", "blob:")):
            self.elsewhere.append(url)


@contextmanager
def below(prefix: str, port: int) -> Iterator[str]:
    """Serve a server below a path, as a proxy does that takes the path off and says so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(prefix + "/"):
                self.send_error(404)
                return
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else None
            onward = HTTPConnection("127.0.0.1", port, timeout=60)
            headers = {**dict(self.headers), "X-Forwarded-Prefix": prefix}
            onward.request(self.command, self.path.removeprefix(prefix), body, headers)
            answer = onward.getresponse()
            content = answer.read()
            onward.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the name is http.server's

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{prefix}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def choose(page: Page, box: str, option: str) -> None:
    """Choose in a combobox with the mouse."""
    field = page.get_by_role("combobox", name=box)
    field.click()
    field.fill(option)
    page.get_by_role("option", name=re.compile(rf"^{re.escape(option)}(\s|$)")).first.click()
