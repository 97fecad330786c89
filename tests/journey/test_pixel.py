"""A picture in a page without scripts, in a real browser, counts a view of that page."""

from pathlib import Path

from tests.journey.browser import chromium, eventually, pages
from tests.journey.sdks import snippet, target


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


def test_the_lines_of_the_page_are_all_it_takes(tmp_path: Path) -> None:
    with target(tmp_path) as server:
        html = [snippet("count-without-scripts.md", "html", server, place) for place in (0, 1)]
        with pages({"/": "".join(html)}) as site, chromium() as browser:
            for _ in range(2):
                browser.new_page().goto(site)
            eventually(lambda: server.ledger().get("received") == 4, "not every picture came")
        found = server.events()

    assert sorted(one["event"] for one in found) == ["mail opened", "page_view", "page_view"]
    (mail,) = [one for one in found if one["event"] == "mail opened"]
    assert (mail["id"], mail["properties"]) == ("mail-7", {"campaign": "may"})
