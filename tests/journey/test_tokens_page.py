"""Tokens on the page: made, copied once, used by a program, ended."""

import re
from http.client import HTTPConnection
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect
from tests.journey.board import PERSON, Board, let_in
from tests.journey.browser import PATIENCE_SECONDS, profile
from tests.journey.sdks import Target

from tallymark.client import connect
from tallymark.core.errors import NotAllowed

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def told(server: Target) -> Target:
    expect.set_options(timeout=PATIENCE_SECONDS * 1_000)
    let_in(server, PERSON, role="owner")
    let_in(server, "vera@example.org", role="viewer")
    return server


def status(server: Target, method: str, path: str, token: str, body: str | None = None) -> int:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, path, body, {"Authorization": f"Bearer {token}", "Tallymark-Project": "default"})  # fmt: skip
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def made(board: Board, name: str, role: str) -> str:
    """Make a token, and return its text as it is shown once."""
    page = board.go("/manage?tab=tokens")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Role at most").select_option(role)
    page.get_by_role("button", name="Make a token").click()
    shown = page.get_by_role("dialog", name="Make a token")
    found = re.search(r"ut_\w+", shown.inner_text())
    assert found is not None
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    return found[0]


def test_a_token_is_shown_once_does_what_its_role_may_and_ends_when_it_is_ended(
    board: Board, told: Target
) -> None:
    token = made(board, HOSTILE, "viewer")
    page = board.page
    row = page.get_by_role("row").filter(has_text=HOSTILE)
    expect(row).to_contain_text("never")
    assert token not in page.content()

    with connect(told.url, key=token, project="default") as client:
        asked = client.ask("trends", series=[{"event": None}], range="7d").data
    assert "lines" in asked
    assert status(told, "GET", "/tm/v1/users", token) == 403
    assert status(told, "POST", "/tm/v1/events", token, '{"name": "x"}') == 403
    board.go("/manage?tab=tokens")
    expect(row).not_to_contain_text("never")
    row.get_by_role("button", name=re.compile("^End")).click()
    page.get_by_role("dialog").get_by_role("button", name="End").click()
    expect(row).to_contain_text("ended")

    with pytest.raises(NotAllowed), connect(told.url, key=token, project="default") as client:
        client.status()


def test_everybody_makes_tokens_up_to_their_own_role_and_an_owner_sees_all(
    board: Board, told: Target, browser: BrowserContext
) -> None:
    with profile(browser) as apart:
        other = Board(apart, told)
        other._user = "vera@example.org"
        page = other.sign_in("/manage")
        other.settle()
        expect(page.get_by_label("Role at most").get_by_role("option")).to_have_text(["Viewer"])
        made(other, "mine", "viewer")
        expect(page.get_by_label("Tokens of everybody")).to_have_count(0)
        page.close()

    page = board.go("/manage?tab=tokens")
    expect(page.get_by_role("row").filter(has_text="mine")).to_have_count(0)
    page.get_by_label("Tokens of everybody").check()

    expect(page.get_by_role("row").filter(has_text="mine")).to_contain_text("vera@example.org")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_tokens_can_be_used_by_everybody(board: Board, scheme: Any) -> None:
    page = board.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": 1280, "height": 900})
    board.go("/manage?tab=tokens")

    assert board.faults() == []
    page.set_viewport_size({"width": 320, "height": 700})
    page.wait_for_timeout(100)
    assert board.too_wide() <= 0
