"""User agents, hosts and paths: families, device classes, robots, and no text that breaks them."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.collect.enrich import (
    Agent,
    channel,
    page_parts,
    referrer_host,
    user_agent,
)

CHROME_MAC = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_9_1) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/32.0.1700.77 Safari/537.36"
)
SAFARI_IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/17.4 Mobile/15E148 Safari/604.1"
)
ANDROID_TABLET = (
    "Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/120.0.0.0 Safari/537.36"
)
ANDROID_PHONE = ANDROID_TABLET.replace("Safari", "Mobile Safari")
IPAD = SAFARI_IPHONE.replace("iPhone;", "iPad;").replace("Mobile/", "Tablet/")
SAMSUNG_TV = (
    "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/538.1 Version/6.0 TV Safari/538.1"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def test_a_desktop_browser_gives_its_families_and_major_version() -> None:
    assert user_agent(CHROME_MAC) == Agent(
        browser="Chrome",
        browser_version="32",
        os="Mac OS X",
        os_version="10.9",
        device_type="desktop",
        is_bot=False,
    )


@pytest.mark.parametrize(
    ("ua", "device_type"),
    [
        (SAFARI_IPHONE, "mobile"),
        (ANDROID_PHONE, "mobile"),
        (ANDROID_TABLET, "tablet"),
        (IPAD, "tablet"),
        (SAMSUNG_TV, "tv"),
        (GOOGLEBOT, "bot"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0", "desktop"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko/20100101 Firefox/120.0", "desktop"),
        ("Nokia6230/2.0 (05.24) Profile/MIDP-2.0", "mobile"),
        ("Dalek", "other"),
    ],
)
def test_each_device_class_is_told_from_the_others(ua: str | None, device_type: str) -> None:
    assert user_agent(ua).device_type == device_type


@pytest.mark.parametrize("ua", [GOOGLEBOT, "curl/8.5.0", "python-requests/2.31.0", "bingbot/2.0"])
def test_a_known_robot_is_a_bot(ua: str | None) -> None:
    assert user_agent(ua).is_bot


@pytest.mark.parametrize("ua", ["", None, "   "])
def test_without_a_user_agent_nothing_is_known_and_it_is_no_bot(ua: str | None) -> None:
    assert user_agent(ua) == Agent(None, None, None, None, None, is_bot=False)


def test_only_the_first_512_characters_are_read() -> None:
    assert not user_agent("x" * 512 + " Googlebot/2.1").is_bot


@given(st.text(max_size=600) | st.text(alphabet="(); /.A0-", max_size=600))
@settings(max_examples=60, deadline=None)
def test_any_text_gives_an_agent(ua: str | None) -> None:
    agent = user_agent(ua)

    assert agent == user_agent(ua)
    assert (agent.device_type == "bot") == agent.is_bot


@pytest.mark.parametrize(
    ("referrer", "host"),
    [
        ("https://www.Google.com/search?q=x", "www.google.com"),
        ("http://user:secret@example.com:8080/a@b", "example.com"),
        ("http://[2001:DB8::1]:80/", "[2001:db8::1]"),
        ("//cdn.example.com/a", "cdn.example.com"),
        ("android-app://com.google.android.gm/", "com.google.android.gm"),
        ("example.com/path", "example.com"),
        ("http://example.com.", "example.com"),
        ("$direct", None),
        ("-", None),
        ("", None),
        (None, None),
        ("/relative", None),
        ("about:blank", None),
        ("http://", None),
        ("http://[bad", None),
    ],
)
def test_a_referrer_gives_its_host(referrer: str | None, host: str | None) -> None:
    assert referrer_host(referrer) == host


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://Shop.example.com:443/a/b%20c?x=1#y", ("shop.example.com", "/a/b%20c")),
        ("https://shop.example.com", ("shop.example.com", "/")),
        ("https://shop.example.com?x=/y", ("shop.example.com", "/")),
        ("https://shop.example.com:8080#f", ("shop.example.com", "/")),
        ("/only/path?x=1", (None, "/only/path")),
        ("?x", (None, None)),
        ("data:text/html,hi", (None, None)),
        ("", (None, None)),
        (None, (None, None)),
    ],
)
def test_a_page_address_gives_host_and_path(
    url: str | None, parts: tuple[str | None, str | None]
) -> None:
    assert page_parts(url) == parts


@given(st.text(max_size=80) | st.text(alphabet="ah:/[]@?#.0\\\0", max_size=40))
@settings(max_examples=200)
def test_any_text_gives_hosts_and_paths(text: str) -> None:
    host, path = page_parts(text)

    assert path is None or path.startswith("/") or host is not None
    assert referrer_host(text) != ""
    assert channel(referrer_host(text), host, utm_source=text, utm_medium=text, click_id=text)


def test_importing_the_module_does_not_load_the_parsers() -> None:
    code = (
        "import sys, tallymark.collect.enrich;"
        "print([m for m in sys.modules if m.startswith(('ua_parser', 'crawler'))])"
    )

    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert seen.stdout == "[]\n"
