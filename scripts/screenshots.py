"""Pictures of every screen, light and dark, made of the sample history; ``make screenshots`` runs it.

    python -m scripts.screenshots [NAME…]

They go to ``docs/screenshots`` and are there to be looked at: by whoever reads the docs, and by whoever
changed a screen. Times are of the day they are made on.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Page, expect, sync_playwright

FOLDER: Final = Path(__file__).parents[1] / "docs" / "screenshots"
CHROMIUM: Final = "/usr/bin/chromium"
STEPS: Final = ("signup_viewed", "signup_started", "email_confirmed", "signup")
SCREENS: Final[Mapping[str, str]] = {
    "home": "/",
    "explore": "/explore?v=1&e=page_view",
    "funnels": "/funnels?v=1&" + "&".join(f"e={step}" for step in STEPS),
    "retention": "/retention",
    "paths": "/paths",
    "web": "/web",
    "lifecycle": "/lifecycle",
    "stickiness": "/stickiness",
    "people": "/people",
    "accounts": "/accounts",
    "account": "/accounts",
    "live": "/live",
    "data": "/data",
    "sql": "/sql",
    "experience": "/experience",
    "distribution": "/distribution",
    "cohorts": "/cohorts",
    "setup": "/setup-guide",
    "dashboards": "/dashboards",
    "dashboard": "/dashboards",
    "settings": "/manage",
    "stopped": "/funnels?v=1&" + "&".join(f"e={step}" for step in STEPS),
}
# What is done on a screen before its picture is taken.
ACTS: Final[Mapping[str, Callable[[Page], None]]] = {
    "dashboard": lambda page: _begun(page, "Product"),
    "account": lambda page: page.get_by_role("table").get_by_role("link").first.click(),
    "stopped": lambda page: page.get_by_role(
        "button", name="stopped before email_confirmed"
    ).click(),
}
_SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
_PATIENCE_MS: Final = 120_000
_LINK: Final = re.compile(r"http://\S+/enter#\S+")
_SCALE: Final = "0.3"


@contextmanager
def demo(scale: str = _SCALE) -> Iterator[str]:
    """Serve a sample history of its own; give the link that signs in."""
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "said"
        command = [
            sys.executable,
            "-m",
            "tallymark",
            "demo",
            "--data",
            f"{folder}/data",
            "--port",
            "0",
            "--scale",
            scale,
        ]
        with (
            said.open("wb") as out,
            subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as served,  # noqa: S603  our own command
        ):
            try:
                yield _link(served, said)
            finally:
                served.terminate()
                served.wait()


def _link(served: "subprocess.Popen[bytes]", said: Path) -> str:
    deadline = time.monotonic() + _PATIENCE_MS / 1000
    while time.monotonic() < deadline:
        found = _LINK.search(said.read_text("utf-8", "replace"))
        if found:
            return found[0]
        if served.poll() is not None:
            break
        time.sleep(0.2)
    raise SystemExit("The demo did not start:\n" + said.read_text("utf-8", "replace"))


def take(link: str, folder: Path, names: list[str]) -> None:
    """Write a picture of each screen in both colour schemes; raises AssertionError for one that fails."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
        page.set_default_timeout(_PATIENCE_MS)
        page.goto(link)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("navigation", name="Screens")).to_be_visible(timeout=_PATIENCE_MS)
        at = link.partition("/enter#")[0]
        for name in names:
            for scheme in _SCHEMES:
                page.emulate_media(color_scheme=scheme)
                page.goto(at + SCREENS[name])
                settle(page)
                if name in ACTS:
                    ACTS[name](page)
                    settle(page)
                page.screenshot(path=folder / f"{name}-{scheme}.png")
            print(name, flush=True)
        browser.close()


def _begun(page: Page, template: str) -> None:
    page.get_by_role("button", name=template, exact=True).click()
    page.wait_for_url("**/dashboards/*")
    settle(page)
    # A new dashboard begins with its tiles in hand.
    save = page.get_by_role("button", name="Save", exact=True)
    if save.count():
        save.click()


def settle(page: Page) -> None:
    """Wait until the page shows what it was asked for."""
    expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=_PATIENCE_MS)
    expect(page.get_by_role("status", name="Loading")).to_have_count(0, timeout=_PATIENCE_MS)
    expect(page.locator("[aria-busy=true]")).to_have_count(0, timeout=_PATIENCE_MS)
    page.wait_for_timeout(300)


def main() -> int:
    """Take the pictures that were asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        choices=[*SCREENS, []],
        metavar="NAME",
        help="home, explore …; all by default",
    )
    names = parser.parse_args().names or list(SCREENS)
    with demo() as link:
        take(link, FOLDER, names)
    return 0


if __name__ == "__main__":
    sys.exit(main())
