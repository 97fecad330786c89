"""Pages in a real browser: Debian's Chromium, headless, on an origin other than the server's."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Final

from playwright.sync_api import Browser, BrowserContext, sync_playwright

_AGENT: Final = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/156.0.0.0 Safari/537.36"
)
_FLAGS = (
    # Also of what a page sends as it is left, when that of its context no longer holds.
    f"--user-agent={_AGENT}",
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
CHROMIUM = "/usr/bin/chromium"
# A browser on a machine that is busy with something else; only a failure waits so long.
PATIENCE_SECONDS: Final = 90
_TYPES = {".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript"}
Content = str | Path


class _Chromium:
    """One browser for all profiles of a file: to start it costs two seconds, a profile half of one.

    No longer than for a file, because what drives it would be in the way of event loops elsewhere.
    """

    def __init__(self) -> None:
        self._held = ExitStack()
        self._browser: Browser | None = None

    def get(self) -> Browser:
        """Return the browser that runs; start it if none does."""
        if self._browser is None or not self._browser.is_connected():
            self.close()
            playwright = self._held.enter_context(sync_playwright())
            self._browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
            self._held.callback(self._browser.close)
        return self._browser

    def close(self) -> None:
        """Close it if it runs."""
        self._browser = None
        self._held.close()


_RUNNING: Final = _Chromium()
close_chromium = _RUNNING.close


@contextmanager
def chromium() -> Iterator[BrowserContext]:
    """Give a fresh browser profile that knows no one and can reach no other machine.

    ``close_chromium`` ends the browser that all profiles are in.
    """
    with _fresh(_RUNNING.get(), runs_scripts=True) as context:
        yield context


@contextmanager
def profile(beside: BrowserContext, *, runs_scripts: bool = True) -> Iterator[BrowserContext]:
    """Give another profile of the same browser: nothing that one stores is seen by the other."""
    assert beside.browser is not None
    with _fresh(beside.browser, runs_scripts=runs_scripts) as context:
        yield context


@contextmanager
def _fresh(browser: Browser, *, runs_scripts: bool) -> Iterator[BrowserContext]:
    context = browser.new_context(user_agent=_AGENT, java_script_enabled=runs_scripts)
    context.set_default_timeout(PATIENCE_SECONDS * 1_000)
    try:
        yield context
    finally:
        context.close()


@contextmanager
def pages(
    contents: Mapping[str, Content], headers: Mapping[str, str] = MappingProxyType({})
) -> Iterator[str]:
    """Serve these paths (text, or files) on ``localhost``, another origin than ``127.0.0.1``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            content = contents.get(path)
            body = b"" if content is None else _bytes(content)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Type", _TYPES.get(Path(path).suffix, "text/html"))
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def module_page(code: str, modules: Mapping[str, str], *scripts: str) -> str:
    """Return a page that runs a module, as a bundler would make it of what a customer writes.

    ``modules`` are the addresses of the packages it imports; ``scripts`` run before it.
    """
    imports = json.dumps({"imports": dict(modules)})
    before = "".join(f'<script src="{path}"></script>' for path in scripts)
    return f"""<!doctype html><title>Shop</title>{before}
<script type="importmap">{imports}</script><script type="module">{code}</script>"""


def eventually(holds: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until something holds; fail with what was waited for."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def _bytes(content: Content) -> bytes:
    return content.read_bytes() if isinstance(content, Path) else content.encode()
