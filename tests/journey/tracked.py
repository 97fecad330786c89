"""Pages with the browser script on them, in profiles of their own, and what they sent."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from playwright.sync_api import BrowserContext, Page
from tests.journey.browser import eventually, pages, profile
from tests.journey.flaky import Flaky, bodies
from tests.journey.sdks import Target, snippet

from tallymark.web.tracker_files import FOLDER, manifest_in

PAGE = "browser-script.md"
WIRE = "/tm/v1/e"
CORE, AUTO, FULL = "t.js", "t.auto.js", "t.full.js"


class Shop:
    """A site whose pages have the script; ``name`` is the first segment of all of its paths."""

    def __init__(self, server: Target, site: str, context: BrowserContext, name: str) -> None:
        self.server = server
        self.site = site
        self.context = context
        self.name = name

    def open(self, path: str = "", wait: str = "load") -> Page:
        """Return a new tab with a page of the site."""
        page = self.context.new_page()
        page.goto(f"{self.site}/{self.name}{path}", wait_until=wait)  # type: ignore[arg-type]
        return page

    def events(self, *names: str) -> list[dict[str, Any]]:
        """Return what was stored of this site, oldest first: everything, or events of these names."""
        own = [one for one in self.server.events() if self._is_own(one)]
        return [one for one in own if not names or one["event"] in names]

    def names(self) -> list[str]:
        """Return the names of what was stored, in the order of the alphabet.

        Without how long a page was read, which comes whenever it is left.
        """
        return sorted(one["event"] for one in self.events() if one["kind"] != "heartbeat")

    def await_events(self, count: int, *names: str) -> list[dict[str, Any]]:
        """Return the events of these names once there are so many."""
        eventually(lambda: len(self.events(*names)) >= count, f"{names} did not come {count} times")
        return self.events(*names)

    def cookies(self) -> dict[str, Any]:
        """Return the cookies of the profile by name, those of the server too."""
        return {str(one.get("name")): one for one in self.context.cookies()}

    def _is_own(self, event: Mapping[str, Any]) -> bool:
        return str(event["context"].get("path", "")).startswith(f"/{self.name}")


def tag(server: Target, attributes: str = "", *, script: str = CORE, url: str = "") -> str:
    """Return the line that a site puts on its pages."""
    key = server.keys["public"]
    return (
        f'<script defer src="{url or server.url}/{script}" data-key="{key}" {attributes}></script>'
    )


@contextmanager
def shop(
    server: Target,
    browser: BrowserContext,
    name: str,
    *lines: str,
    at: tuple[str, ...] = ("",),
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Shop]:
    """Give a site of pages that all hold these lines, at ``/<name>`` and each path of ``at`` below."""
    html = "<!doctype html><title>Shop</title>" + "\n".join(lines)
    contents = {f"/{name}{path}": html for path in at}
    with pages(contents, headers) as site, profile(browser) as context:
        yield Shop(server, site, context, name)


def storage(page: Page) -> dict[str, str]:
    """Return what a page's site has in local storage."""
    found: dict[str, str] = page.evaluate("({...localStorage})")
    return found


def sent(proxy: Flaky) -> list[dict[str, Any]]:
    """Return the batches that went through a proxy, as they were sent."""
    return [json.loads(body) for body in bodies(proxy.seen, WIRE)]


def written(server: Target, place: int) -> str:
    """Return what the how-to page tells to write, with the present version and its hash."""
    told = manifest_in(FOLDER)
    html = snippet(PAGE, "html", server, place)
    return html.replace("VERSION", told.version).replace("HASH", told.files[CORE].integrity)


def call(page: Page, code: str) -> Any:
    """Run a line of a page's own code."""
    return page.evaluate(code)
