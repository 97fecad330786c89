"""What most journeys share: a server of the file, a proxy of the test, a browser of the file."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext
from tests.journey.board import Board
from tests.journey.browser import chromium, close_chromium
from tests.journey.flaky import Flaky, flaky
from tests.journey.sdks import Target, target


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """A running server with an empty project, and the ``SETTINGS`` of the file if it has any."""
    settings = getattr(request.module, "SETTINGS", {})
    with target(tmp_path_factory.mktemp("journey"), **settings) as running:
        yield running


@pytest.fixture
def proxy(server: Target) -> Iterator[Flaky]:
    """A proxy to the server that a test can let fail."""
    with flaky(server.port) as between:
        yield between


@pytest.fixture(scope="module", autouse=True)
def one_browser_a_file() -> Iterator[None]:
    """End the browser with the file that first wanted one."""
    yield
    close_chromium()


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    """A browser profile that knows no one."""
    with chromium() as context:
        yield context


@pytest.fixture(scope="module")
def shared(told: Target, browser: BrowserContext) -> Board:
    """A signed-in page on the server as the file's ``told`` leaves it."""
    made = Board(browser, told)
    made.sign_in()
    made.settle()
    return made


@pytest.fixture
def board(shared: Board) -> Iterator[Board]:
    """That page; nothing may go wrong on it in this test, nor be asked of anybody else."""
    shared.wrong.clear()
    shared.elsewhere.clear()
    yield shared
    assert shared.wrong == []
    assert shared.elsewhere == []
