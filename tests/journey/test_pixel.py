"""A picture in a page without scripts, in a real browser, counts a view of that page."""

from pathlib import Path

from tests.journey.browser import chromium, eventually, pages
from tests.journey.sdks import target


def test_a_picture_in_a_page_counts_a_view_of_it(tmp_path: Path) -> None:
    with target(tmp_path) as server:
        picture = f"{server.url}/tm/v1/pixel.gif?key={server.keys['public']}&url=https://shop.example/a%3Fq=1"
        with pages({"/": f'<img src="{picture}" alt="">'}) as site, chromium() as browser:
            browser.new_page().goto(site)
            eventually(lambda: server.ledger().get("accepted") == 1, "the picture was not counted")
        (event,) = server.events()

    assert (event["event"], event["kind"]) == ("page_view", "page")
    assert event["context"]["page_url"] == "https://shop.example/a"
    assert event["context"]["browser"] == "Chrome"
    assert event["context"]["protocol"] == "pixel"


def test_a_picture_with_a_secret_key_or_none_counts_nothing(tmp_path: Path) -> None:
    with target(tmp_path) as server:
        for key in (server.keys["secret"], "nobody", ""):
            answer = server.call("GET", f"/tm/v1/pixel.gif?key={key}")
            assert answer is not None
            assert answer.status in (400, 401, 403)
            assert answer.headers["content-type"] == "image/gif"

        assert server.events() == []
