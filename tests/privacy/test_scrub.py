"""What of addresses, pages and refused text may be kept."""

import ipaddress
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.core.policy import Policy
from tallymark.privacy.scrub import redact_path, scrub_ip, scrub_path, scrub_raw, scrub_url

POLICY = Policy()
UUID = "0190b3a1-7c55-7e11-8a2b-0242ac120002"


@pytest.mark.parametrize(
    ("ip", "masked", "full"),
    [
        ("203.0.113.77", "203.0.113.0", "203.0.113.77"),
        ("::ffff:203.0.113.77", "203.0.113.0", "203.0.113.77"),
        ("2001:DB8:1:2:3::4", "2001:db8:1::", "2001:db8:1:2:3::4"),
        (" 10.0.0.1 ", "10.0.0.0", "10.0.0.1"),
        ("not an address", None, None),
        ("203.0.113.77:8080", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_an_address_is_dropped_masked_or_kept(
    ip: str | None, masked: str | None, full: str | None
) -> None:
    assert scrub_ip(ip, "drop") is None
    assert scrub_ip(ip, "mask") == masked
    assert scrub_ip(ip, "full") == full


@given(st.ip_addresses(v=4))
def test_a_masked_address_tells_only_its_network(ip: ipaddress.IPv4Address) -> None:
    kept = scrub_ip(str(ip), "mask")

    assert kept == ".".join([*str(ip).split(".")[:3], "0"])
    assert scrub_ip(f"::ffff:{ip}", "mask") == kept


@given(st.ip_addresses(v=6))
def test_a_masked_ipv6_address_keeps_48_bits(ip: ipaddress.IPv6Address) -> None:
    if ip.ipv4_mapped is None:
        kept = ipaddress.IPv6Address(scrub_ip(str(ip), "mask") or "::1")

        assert int(kept) == int(ip) >> 80 << 80


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://shop.example/p/7", "https://shop.example/p/7"),
        ("https://shop.example/p?q=red+shoes&token=x#top", "https://shop.example/p"),
        ("https://shop.example/#/orders?mail=a@b.example", "https://shop.example/"),
        ("https://ana:secret@shop.example/p", "https://shop.example/p"),
        ("https://a@b@shop.example/p", "https://shop.example/p"),
        ("//cdn.example/p?x=1", "//cdn.example/p"),
        ("/p?x=1", "/p"),
        ("mailto:ana@example.com", "mailto:"),
        ("data:text/html,hello", "data:"),
        ("javascript:alert(1)", "javascript:"),
        ("android-app://com.example.shop/", "android-app://com.example.shop/"),
        ("", ""),
        (f"https://shop.example/order/{UUID}/pay", "https://shop.example/order/[uuid]/pay"),
        (f"https://shop.example/{UUID.replace('-', '')}.pdf", "https://shop.example/[uuid]"),
        ("https://shop.example/u/ana@example.com", "https://shop.example/u/[email]"),
        ("https://shop.example/u/ana%40example.com/x", "https://shop.example/u/[email]/x"),
        ("https://shop.example/@acme/tool", "https://shop.example/@acme/tool"),
        ("https://shop.example/" + "1" * 21, "https://shop.example/[number]"),
        ("https://shop.example/" + "1" * 20, "https://shop.example/" + "1" * 20),
        (
            "https://shop.example/in/eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJ-_x",
            "https://shop.example/in/[token]",
        ),
        (
            "https://shop.example/a-rather-long-but-quite-harmless-title",
            "https://shop.example/a-rather-long-but-quite-harmless-title",
        ),
    ],
)
def test_addresses_lose_what_may_identify(url: str, kept: str) -> None:
    assert scrub_url(url, POLICY).url == kept


def test_campaign_parameters_stay_and_are_read() -> None:
    url = "https://shop.example/p?gclid=1&utm_source=may+news&utm_medium=e%2Dmail&utm_source=last"

    address = scrub_url(url, POLICY)

    assert address.url == (
        "https://shop.example/p?utm_source=may+news&utm_medium=e%2Dmail&utm_source=last"
    )
    assert dict(address.campaign) == {"utm_source": "last", "utm_medium": "e-mail"}


def test_campaign_parameters_are_read_even_if_the_policy_does_not_keep_them() -> None:
    address = scrub_url("https://x.example/?utm_source=a&page=2", Policy(url_parameters=("page",)))

    assert address.url == "https://x.example/?page=2"
    assert dict(address.campaign) == {"utm_source": "a"}


def test_paths_stay_whole_if_the_policy_says_so() -> None:
    policy = Policy(redact_paths=False)

    assert scrub_url(f"https://x.example/{UUID}?q=1", policy).url == f"https://x.example/{UUID}"
    assert scrub_path(f"/{UUID}?q=1#x", policy) == f"/{UUID}"


@given(st.text(alphabet="ab/@.:?#%40=&-123 é", max_size=60))
def test_scrubbing_twice_changes_nothing_more(text: str) -> None:
    once = scrub_url(text, POLICY).url

    assert scrub_url(once, POLICY).url == once
    assert redact_path(redact_path(text)) == redact_path(text)


@given(st.text(alphabet="ab/.-", max_size=30), st.text(alphabet="xyz=&", max_size=30))
def test_no_query_or_fragment_survives(path: str, secret: str) -> None:
    for mark in "?#":
        kept = scrub_url(f"https://h.example/{path}{mark}{secret}", POLICY).url

        assert kept == scrub_url(f"https://h.example/{path}", POLICY).url


@pytest.mark.parametrize(
    "url",
    [
        "https://h/" + "a@" * 500_000,
        "https://h/" + "eyJ" * 300_000,
        "https://h/" + "1" * 20 + "a" * 1_000_000,
        "https://h/?" + "&" * 1_000_000,
        "https://h/" + "abcdef01-" * 100_000,
        "https://h" + "/" * 1_000_000,
        "x" * 1_000_000,
    ],
)
def test_a_megabyte_of_anything_takes_well_under_a_second(url: str) -> None:
    began = time.process_time()
    scrub_url(url, POLICY)

    assert time.process_time() - began < 1


def test_refused_text_is_scrubbed_by_the_same_rules() -> None:
    event = {
        "name": "",
        "value": 1.50,
        "context": {
            "ip": "203.0.113.77",
            "user_agent": 'Mozilla "5"',
            "page": {"url": "https://x.example/p?mail=a@b.example", "path": "/p?x", "title": "P"},
        },
        "properties": {"colour": "red?"},
    }
    raw = json.dumps(event).encode()

    dropped = json.loads(scrub_raw(raw, POLICY))
    masked = json.loads(scrub_raw(raw, Policy(ip="mask", keep_user_agent=True)))

    page = {"url": "https://x.example/p", "path": "/p", "title": "P"}
    assert dropped == event | {"context": {"ip": "", "user_agent": "", "page": page}}
    assert masked["context"]["ip"] == "203.0.113.0"
    assert masked["context"]["user_agent"] == 'Mozilla "5"'


def test_refused_text_is_scrubbed_by_the_names_of_opentelemetry_too() -> None:
    raw = json.dumps(
        {
            "client.address": "203.0.113.77",
            "net.peer.ip": "203.0.113.77",
            "user_agent.original": "Agent",
            "url.full": "https://x.example/p?token=1",
            "url.query": "token=1&utm_source=mail",
            "http.target": "/p?token=1",
        }
    ).encode()

    assert json.loads(scrub_raw(raw, POLICY)) == {
        "client.address": "",
        "net.peer.ip": "",
        "user_agent.original": "",
        "url.full": "https://x.example/p",
        "url.query": "?utm_source=mail",
        "http.target": "/p",
    }


def test_refused_text_that_is_cut_short_or_no_json_is_scrubbed_too() -> None:
    assert scrub_raw(b'{"ip" : "203.0.113.77', POLICY) == b'{"ip" : "'
    assert scrub_raw(b'[{"url":"https:\\/\\/x.example\\/p?a\\', POLICY).startswith(
        b'[{"url":"https://x.example/p'
    )
    assert scrub_raw(b'"user_agent":"\\ud800"', POLICY) == b'"user_agent":""'
    assert scrub_raw(b"\xff\x00 no json", POLICY) == b"\xff\x00 no json"


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=20), max_size=5))
def test_refused_text_without_personal_fields_is_unchanged(fields: dict[str, int | str]) -> None:
    raw = json.dumps({f"k{name}": value for name, value in fields.items()}).encode()

    assert scrub_raw(raw, POLICY) == raw


def test_a_secret_key_in_refused_text_is_not_kept() -> None:
    key = b"_Yi1Orfp7_7L3fatTygOaExWPik3x6aujd6RfwD3VT_3H4ApR"
    raw = b'{"token_auth":"sk%b","api_key":"rk%b","aid":"pk%b"}' % (key, key, key)

    kept = scrub_raw(raw, POLICY)

    assert b"sk_" not in kept
    assert b"rk_" not in kept
    assert b"7L3fatTygOaExWPik3x6aujd6RfwD3VT" in kept
    assert kept.startswith(b'{"token_auth":"[key]')
