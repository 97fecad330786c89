"""People come in: the first owner takes a server over, lets a viewer in, and each sees what they may."""

import re

import pytest
from playwright.sync_api import Page, expect
from tests.journey.browser import chromium
from tests.journey.sdks import Target

from tallymark.client import connect

PASSWORD = "correct horse battery staple"


def menu(page: Page) -> list[str]:
    rail = page.get_by_role("navigation", name="Screens")
    expect(rail.get_by_role("link", name="Explore")).to_be_visible()
    return rail.get_by_role("link").all_inner_texts()


def test_an_owner_takes_the_server_over_and_a_viewer_sees_what_a_viewer_may(server: Target) -> None:
    with connect(server.data) as client:
        link = f"{server.url}/setup#{client.owner_link()}"
    with chromium() as browser:
        page = browser.new_page()
        page.goto(server.url)
        expect(page.get_by_role("heading", name="Nobody has taken this server over yet")).to_be_visible()  # fmt: skip
        page.goto("about:blank")
        page.goto(link)
        page.get_by_label("E-mail address").fill("ona@example.org")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Become the owner").click()
        assert "Settings" in menu(page)
        assert "#" not in page.url

        page.get_by_role("link", name="Settings").click()
        page.get_by_role("tab", name="People").click()
        page.get_by_label("E-mail address", exact=True).fill("bo@example.org")
        page.get_by_role("button", name="Let somebody in").click()
        shown = page.get_by_role("dialog", name="Let somebody in")
        invited = re.search(r"http\S+/welcome#\S+", shown.inner_text())
        assert invited is not None

        browser.clear_cookies()
        page.goto("about:blank")
        page.goto(invited[0])
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Set the password").click()
        assert "Set up" not in menu(page)
        page.get_by_role("link", name="Explore").click()
        tabs = page.get_by_role("navigation", name="Explore").get_by_role("link")
        expect(tabs.first).to_have_text("Trends")
        assert "SQL" not in tabs.all_inner_texts()
        page.goto(f"{server.url}/manage?tab=keys")
        expect(page.get_by_role("tab")).to_have_text(["Tokens"])
        page.goto(f"{server.url}/setup-guide")
        expect(page.get_by_role("alert")).to_contain_text("ROLE_TOO_LOW")

        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("E-mail address").fill("bo@example.org")
        page.get_by_label("Password").fill("something else entirely")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("SIGN_IN_FAILED")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        assert "Explore" in menu(page)


@pytest.mark.parametrize("path", ["/setup#guessed", "/welcome#guessed"])
def test_a_link_that_was_guessed_opens_nothing(server: Target, path: str) -> None:
    with chromium() as browser:
        page = browser.new_page()
        page.goto(server.url + path)
        if path.startswith("/setup"):
            page.get_by_label("E-mail address").fill("eve@example.org")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button").click()
        expect(page.get_by_role("alert")).to_contain_text("INVITATION_INVALID")
