"""The table of channel rules, one case a rule and the traps between them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.collect.channels import channel


@pytest.mark.parametrize(
    ("host", "source", "medium", "click", "expected"),
    [
        (None, None, None, None, "direct"),
        ("www.google.com", None, None, None, "organic_search"),
        ("www.google.co.uk", None, None, None, "organic_search"),
        ("google.de", None, None, None, "organic_search"),
        ("de.search.yahoo.com", None, None, None, "organic_search"),
        ("duckduckgo.com", None, None, None, "organic_search"),
        ("com.google.android.googlequicksearchbox", None, None, None, "organic_search"),
        ("docs.google.com", None, None, None, "referral"),
        ("notgoogle.com", None, None, None, "referral"),
        ("www.google.com", None, None, "gclid:Cj0", "paid_search"),
        (None, None, None, "msclkid=1", "paid_search"),
        (None, None, None, "gclid", "paid_search"),
        (None, None, None, "ttclid:1", "paid_social"),
        (None, None, None, "dclid:1", "display"),
        ("l.facebook.com", None, None, "fbclid:1", "organic_social"),
        (None, "google", "cpc", None, "paid_search"),
        (None, "facebook", "paid_social", None, "paid_social"),
        (None, "facebook", "cpc", "fbclid:1", "paid_social"),
        (None, "adnet", "cpc", None, "other"),
        (None, "adnet", "cpm", None, "display"),
        (None, "google", "display", None, "display"),
        ("t.co", None, None, None, "organic_social"),
        ("m.facebook.com", None, None, None, "organic_social"),
        ("notfacebook.com", None, None, None, "referral"),
        (None, "spring", "email", None, "email"),
        (None, "newsletter", None, None, "email"),
        ("mail.google.com", None, None, None, "email"),
        ("google.com", "crm", "email", None, "email"),
        (None, "acme", "affiliate", None, "affiliate"),
        (None, "acme", "social", None, "organic_social"),
        (None, "bing", "organic", None, "organic_search"),
        (None, "acme", "referral", None, "referral"),
        (None, "partner.example.com", None, None, "referral"),
        (None, "poster", "qr", None, "other"),
        ("blog.example.org", None, None, None, "referral"),
        ("shop.example.com", None, None, None, "internal"),
        ("www.shop.example.com", None, None, None, "internal"),
        ("shop.example.com", "poster", None, None, "other"),
    ],
)
def test_each_rule_gives_its_channel(
    host: str | None, source: str | None, medium: str | None, click: str | None, expected: str
) -> None:
    found = channel(host, "shop.example.com", utm_source=source, utm_medium=medium, click_id=click)

    assert found == expected


def test_letter_case_and_blanks_do_not_matter() -> None:
    assert channel("WWW.Google.COM", None, utm_source=" ", utm_medium="") == "organic_search"


def test_without_a_page_host_a_referrer_is_a_referral() -> None:
    assert channel("example.com", None) == "referral"


@given(*(st.none() | st.text(max_size=30) for _ in range(2)))
def test_a_referrer_alone_never_gives_a_paid_channel(
    host: str | None, page_host: str | None
) -> None:
    assert channel(host, page_host) in {
        "direct",
        "organic_search",
        "organic_social",
        "email",
        "referral",
        "internal",
    }
