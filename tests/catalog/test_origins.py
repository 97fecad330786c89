"""Which sites a public key is for."""

from pathlib import Path

import pytest

from tallymark.catalog.catalog import Catalog
from tallymark.catalog.origins import allows, checked_origins, origin_of
from tallymark.core.errors import Refused

NOW = 1_790_000_000_000_000


def test_origins_are_kept_as_browsers_write_them() -> None:
    given = (" HTTPS://Shop.Example/ ", "https://shop.example:443", "http://localhost:8080")

    assert checked_origins(given) == ("https://shop.example", "http://localhost:8080")


@pytest.mark.parametrize(
    "text",
    ["shop.example", "https://", "https://a b", "ftp://shop.example", "https://shop.example/path",
     "https://*", "https://*shop.example", "null", "https://a.example?x", "https://é.example", ""],
)  # fmt: skip
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        checked_origins([text])


@pytest.mark.parametrize(
    ("origin", "may"),
    [
        ("https://shop.example", True),
        ("https://a.blog.example", True),
        ("https://a.b.blog.example", True),
        ("https://blog.example", False),
        ("https://evilblog.example", False),
        ("http://shop.example", False),
        ("https://shop.example:8443", False),
        ("https://shop.example.evil.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_only_pages_of_these_sites_may(origin: str, may: bool) -> None:
    assert allows(("https://shop.example", "https://*.blog.example"), origin) is may


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://Shop.example:443/cart?x=1", "https://shop.example"),
        ("http://u:p@shop.example:81/", "http://shop.example:81"),
        ("about:blank", ""),
        ("https://[", ""),
        ("", ""),
    ],
)
def test_the_origin_of_a_page_is_found_in_its_address(address: str, origin: str) -> None:
    assert origin_of(address) == origin


def test_a_successor_is_for_the_same_sites_and_only_public_keys_are_for_any(
    tmp_path: Path,
) -> None:
    catalog = Catalog.in_folder(tmp_path)
    catalog.create_project("shop", now=NOW)
    key, _ = catalog.create_key("shop", "public", now=NOW, origins=["https://shop.example"])
    next_one, _ = catalog.rotate(key.id, now=NOW)
    with pytest.raises(Refused):
        catalog.create_key("shop", "secret", now=NOW, origins=["https://shop.example"])

    assert catalog.key(next_one.id).origins == catalog.key(key.id).origins == ("https://shop.example",)  # fmt: skip
    catalog.close()
