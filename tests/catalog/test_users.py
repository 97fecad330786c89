"""Users: roles, passwords, invitations and who is signed in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tallymark.catalog.catalog import Catalog
from tallymark.catalog.users import (
    IDLE_SECONDS,
    INVITATION_SECONDS,
    LONGEST_SECONDS,
    Role,
    User,
    Users,
)
from tallymark.core.clock import MICROSECONDS
from tallymark.core.errors import NotFound, Refused, TallymarkError

NOW = 1_790_000_000_000_000
GOOD = "correct horse battery staple"
OTHER = "another quite long password"


@pytest.fixture
def users(tmp_path: Path) -> Iterator[Users]:
    catalog = Catalog.in_folder(tmp_path)
    for name in ("shop", "blog"):
        catalog.create_project(name, now=NOW)
    yield catalog.users
    catalog.close()


def owner(users: Users, email: str = "ana@example.org") -> User:
    return users.begin(users.invite(None, now=NOW), email, "Ana", GOOD, now=NOW)


def test_the_first_owner_is_made_once_with_the_token_of_the_server(users: Users) -> None:
    assert users.is_empty()
    token = users.invite(None, now=NOW)

    made = users.begin(token, " Ana@Example.org ", "Ana", GOOD, now=NOW)

    assert made.is_owner
    assert made.email == "ana@example.org"
    assert not users.is_empty()
    with pytest.raises(Refused) as refused:
        users.begin(token, "eve@example.org", "Eve", GOOD, now=NOW)
    assert refused.value.code == "INVITATION_INVALID"


def test_nobody_becomes_owner_where_there_are_users(users: Users) -> None:
    owner(users)
    token = users.invite(None, now=NOW)

    with pytest.raises(Refused, match="used already"):
        users.begin(token, "eve@example.org", "Eve", GOOD, now=NOW)


def test_the_token_of_a_user_makes_no_owner_and_that_of_an_owner_no_password(users: Users) -> None:
    bob = users.add("bob@example.org", "Bob", now=NOW)
    with pytest.raises(Refused):
        users.begin(users.invite(bob.id, now=NOW), "eve@example.org", "", GOOD, now=NOW)
    with pytest.raises(Refused):
        users.accept(users.invite(None, now=NOW), GOOD, now=NOW)


def test_an_invitation_works_once_until_it_is_too_old_or_a_newer_one_is_made(users: Users) -> None:
    bob = users.add("bob@example.org", "Bob", now=NOW)
    late = NOW + INVITATION_SECONDS * MICROSECONDS
    first, second = users.invite(bob.id, now=NOW), users.invite(bob.id, now=NOW)

    for text, now in ((first, NOW), (second, late)):
        with pytest.raises(Refused, match="too old"):
            users.accept(text, GOOD, now=now)
    assert users.accept(second, GOOD, now=late - 1).has_password
    with pytest.raises(Refused, match="used already"):
        users.accept(second, OTHER, now=NOW)


def test_a_user_is_found_by_address_and_password_only(users: Users) -> None:
    owner(users)

    found = users.by_password("ANA@example.org", GOOD)
    assert found is not None
    assert found.name == "Ana"
    assert users.by_password("ana@example.org", GOOD + " ") is None
    assert users.by_password("eve@example.org", GOOD) is None
    assert users.by_password("ana@example.org", "x" * 2000) is None


def test_who_was_invited_cannot_sign_in_before_they_set_a_password(users: Users) -> None:
    users.add("bob@example.org", "Bob", now=NOW)
    assert users.by_password("bob@example.org", "") is None


@pytest.mark.parametrize(
    "password", ["short", "aaaaaaaaaaaaaaa", "ana@example.org", "abababababab", "x" * 1100]
)
def test_a_weak_password_is_refused(users: Users, password: str) -> None:
    with pytest.raises(Refused) as refused:
        users.begin(users.invite(None, now=NOW), "ana@example.org", "", password, now=NOW)
    assert refused.value.code == "PASSWORD_WEAK"


def test_neither_passwords_nor_sessions_nor_invitations_can_be_read_from_the_file(
    tmp_path: Path,
) -> None:
    catalog = Catalog.in_folder(tmp_path)
    made = owner(catalog.users)
    texts = [GOOD, catalog.users.sign_in(made.id, now=NOW), catalog.users.invite(made.id, now=NOW)]
    catalog.close()

    held = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())

    assert b"$argon2id$" in held
    assert [text for text in texts if text.encode() in held] == []


def test_a_session_ends_when_idle_when_old_and_when_signed_out(users: Users) -> None:
    ana = owner(users)
    idle, hour = IDLE_SECONDS * MICROSECONDS, 3600 * MICROSECONDS
    text = users.sign_in(ana.id, now=NOW)

    assert users.signed_in(text, now=NOW + idle - 1) == ana
    assert users.signed_in(text, now=NOW + 2 * idle - 2) == ana
    assert users.signed_in(text, now=NOW + 4 * idle) is None
    kept = users.sign_in(ana.id, now=NOW)
    for passed in range(0, LONGEST_SECONDS, 11 * 3600):
        assert users.signed_in(kept, now=NOW + passed * MICROSECONDS) == ana
    assert users.signed_in(kept, now=NOW + LONGEST_SECONDS * MICROSECONDS) is None
    left = users.sign_in(ana.id, now=NOW)
    users.sign_out(left)
    assert users.signed_in(left, now=NOW + hour) is None
    assert users.signed_in("no such session", now=NOW) is None


def test_a_new_password_and_being_disabled_end_every_session(users: Users) -> None:
    owner(users)
    bob = users.add("bob@example.org", "Bob", now=NOW, members={"shop": "viewer"})
    text = users.sign_in(bob.id, now=NOW)
    users.accept(users.invite(bob.id, now=NOW), OTHER, now=NOW)
    assert users.signed_in(text, now=NOW) is None

    again = users.sign_in(bob.id, now=NOW)
    users.change(bob.id, is_owner=False, members={"shop": "viewer"}, disabled_at=NOW)
    assert users.signed_in(again, now=NOW) is None
    assert users.by_password("bob@example.org", OTHER) is None


def test_a_link_signs_its_user_in_once_unless_they_are_kept_out(users: Users) -> None:
    ana = owner(users)
    text = users.invite(ana.id, now=NOW)
    assert users.enter(text, now=NOW) == ana
    with pytest.raises(Refused, match="used already"):
        users.enter(text, now=NOW)
    with pytest.raises(Refused):
        users.enter(users.invite(None, now=NOW), now=NOW)
    bob = users.add("bob@example.org", "Bob", now=NOW)
    users.change(bob.id, is_owner=False, members={}, disabled_at=NOW)
    with pytest.raises(Refused):
        users.enter(users.invite(bob.id, now=NOW), now=NOW)


RANKED: tuple[Role, ...] = ("viewer", "analyst", "admin", "owner")


@pytest.mark.parametrize("mine", RANKED[:3])
@pytest.mark.parametrize("wanted", RANKED)
def test_a_role_may_what_lower_ones_may_in_its_project_alone(
    users: Users, mine: Role, wanted: Role
) -> None:
    bob = users.add("bob@example.org", "", now=NOW, members={"shop": mine})  # type: ignore[dict-item]

    assert bob.may(wanted, "shop") == (RANKED.index(mine) >= RANKED.index(wanted))
    assert not bob.may(wanted, "blog")
    assert not bob.may(wanted, None)


def test_an_owner_may_everything_everywhere(users: Users) -> None:
    ana = owner(users)
    assert all(ana.may(role, project) for role in RANKED for project in ("shop", "blog", None))


def test_the_last_owner_who_can_sign_in_stays_one(users: Users) -> None:
    ana = owner(users)
    users.add("bob@example.org", "Bob", now=NOW, is_owner=True)

    for is_owner, disabled_at in ((False, None), (True, NOW)):
        with pytest.raises(TallymarkError) as refused:
            users.change(ana.id, is_owner=is_owner, members={}, disabled_at=disabled_at)
        assert refused.value.code == "LAST_OWNER"
    assert users.all()[0].is_owner


def test_a_user_is_there_once_and_only_in_projects_that_exist(users: Users) -> None:
    users.add("bob@example.org", "Bob", now=NOW)
    with pytest.raises(TallymarkError) as refused:
        users.add("BOB@example.org", "Bob", now=NOW)
    assert refused.value.code == "USER_EXISTS"
    with pytest.raises(NotFound, match="no project"):
        users.add("eve@example.org", "Eve", now=NOW, members={"nowhere": "viewer"})
    assert [one.email for one in users.all()] == ["bob@example.org"]
    with pytest.raises(Refused, match="e-mail"):
        users.add("not an address", "", now=NOW)
