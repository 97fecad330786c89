"""Tokens of users in a real SQLite file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tallymark.catalog.catalog import Catalog
from tallymark.catalog.keys import parse, token_parts
from tallymark.catalog.tokens import MOST_TOKENS
from tallymark.catalog.users import MemberRole, Role, User
from tallymark.core.errors import NotAllowed, NotFound, Refused

NOW = 1_790_000_000_000_000
SECOND = 1_000_000
DAY = 86_400 * SECOND
GOOD = "correct horse battery staple"


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog.in_folder(tmp_path)
    for name in ("blog", "shop"):
        catalog.create_project(name, now=NOW)
    yield catalog
    catalog.close()


def somebody(catalog: Catalog, **members: MemberRole) -> User:
    return catalog.users.add("ana@example.org", "Ana", now=NOW, members=members)


def owner(catalog: Catalog) -> User:
    return catalog.users.add("ona@example.org", "Ona", now=NOW, is_owner=True)


def made(catalog: Catalog, user: User, role: Role = "viewer", days: int = 90) -> str:
    return catalog.tokens.create(user, "nightly", role, days=days, now=NOW)[1]


def test_a_token_stands_for_its_user_with_no_more_than_its_role(catalog: Catalog) -> None:
    ana = somebody(catalog, shop="admin", blog="viewer")

    user = catalog.tokens.user_of(made(catalog, ana, "analyst"), now=NOW)

    assert user is not None
    assert (user.id, dict(user.projects)) == (ana.id, {"blog": "viewer", "shop": "analyst"})


def test_a_token_of_an_owner_with_a_lower_role_has_it_in_every_project_there_is(
    catalog: Catalog,
) -> None:
    text = made(catalog, owner(catalog), "viewer")
    catalog.create_project("later", now=NOW)

    user = catalog.tokens.user_of(text, now=NOW)

    assert user is not None
    assert not user.is_owner
    assert dict(user.projects) == {"blog": "viewer", "later": "viewer", "shop": "viewer"}


def test_what_a_user_loses_their_tokens_lose_too(catalog: Catalog) -> None:
    ana = somebody(catalog, shop="admin")
    text = made(catalog, ana, "admin")

    catalog.users.change(ana.id, is_owner=False, members={"shop": "viewer"}, disabled_at=None)
    lower = catalog.tokens.user_of(text, now=NOW)
    catalog.users.change(ana.id, is_owner=False, members={"shop": "viewer"}, disabled_at=NOW)

    assert lower is not None
    assert dict(lower.projects) == {"shop": "viewer"}
    assert catalog.tokens.user_of(text, now=NOW) is None


@pytest.mark.parametrize("role", ["admin", "owner"])
def test_a_token_cannot_be_what_its_user_is_nowhere(catalog: Catalog, role: Role) -> None:
    with pytest.raises(NotAllowed) as caught:
        made(catalog, somebody(catalog, shop="analyst", blog="viewer"), role)

    assert caught.value.code == "ROLE_TOO_LOW"


def test_a_token_ends_when_it_was_said_to_or_is_revoked(catalog: Catalog) -> None:
    ana = somebody(catalog, shop="viewer")
    token, text = catalog.tokens.create(ana, "nightly", "viewer", days=1, now=NOW)
    _, other = catalog.tokens.create(ana, "other", "viewer", days=2, now=NOW)

    assert catalog.tokens.user_of(text, now=NOW + DAY - 1) is not None
    assert catalog.tokens.user_of(text, now=NOW + DAY) is None
    catalog.tokens.revoke(token.id, now=NOW + 5, user_id=ana.id)
    again = catalog.tokens.revoke(token.id, now=NOW + 9)

    assert again.revoked_at == NOW + 5
    assert catalog.tokens.user_of(text, now=NOW + 6) is None
    assert catalog.tokens.user_of(other, now=NOW + 6) is not None


def test_nobody_ends_a_token_of_somebody_else(catalog: Catalog) -> None:
    token, text = catalog.tokens.create(owner(catalog), "mine", "owner", days=9, now=NOW)
    ana = somebody(catalog, shop="admin")

    with pytest.raises(NotFound):
        catalog.tokens.revoke(token.id, now=NOW, user_id=ana.id)

    assert catalog.tokens.user_of(text, now=NOW) is not None


def test_a_wrong_secret_and_an_unknown_id_are_nobody(catalog: Catalog) -> None:
    one, two = made(catalog, owner(catalog)), made(catalog, somebody(catalog, shop="viewer"))

    assert catalog.tokens.user_of(one[:12] + two[12:], now=NOW) is None
    assert catalog.tokens.user_of("ut_" + "x" * 48, now=NOW) is None
    assert catalog.find(one, NOW) is None


def test_the_file_holds_nothing_a_token_could_be_made_from(
    catalog: Catalog, tmp_path: Path
) -> None:
    text = made(catalog, owner(catalog))
    parts = token_parts(text)
    assert parts is not None
    catalog.close()

    held = b"".join(one.read_bytes() for one in tmp_path.glob("catalog.db*"))

    assert parts[0].encode() in held
    assert parts[1].encode() not in held
    assert parse(text) is None


def test_when_a_token_was_last_used_is_known_to_the_minute(catalog: Catalog) -> None:
    text = made(catalog, owner(catalog))

    before = catalog.tokens.all()[0].used_at
    for after in (0, 59, 61, 90):
        catalog.tokens.user_of(text, now=NOW + after * SECOND)

    assert before is None
    assert catalog.tokens.all()[0].used_at == NOW + 61 * SECOND


def test_a_token_needs_a_name_and_an_end_and_there_are_not_too_many(catalog: Catalog) -> None:
    ona = owner(catalog)
    for name, days in (("", 1), (" \t", 1), ("a\nb", 1), ("a", 0), ("a", 367)):
        with pytest.raises(Refused):
            catalog.tokens.create(ona, name, "viewer", days=days, now=NOW)
    for number in range(MOST_TOKENS):
        catalog.tokens.create(ona, f"number {number}", "viewer", days=1, now=NOW)

    with pytest.raises(Refused):
        made(catalog, ona)
    assert len(catalog.tokens.all(ona.id)) == MOST_TOKENS
    assert made(catalog, somebody(catalog, shop="viewer")) != ""


def test_the_text_of_a_public_key_is_kept_and_that_of_no_other(catalog: Catalog) -> None:
    keys = [catalog.create_key("shop", kind, now=NOW) for kind in ("public", "secret", "read")]
    turned = catalog.rotate(keys[0][0].id, now=NOW)

    assert [one.text for one in catalog.keys("shop") if one.kind != "public"] == [None, None]
    assert {one.text for one in catalog.keys("shop") if one.kind == "public"} == {keys[0][1], turned[1]}  # fmt: skip
