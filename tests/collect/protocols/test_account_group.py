"""The settings that say what the groups and the money of other tools' SDKs mean here."""

from decimal import Decimal

from tallymark.collect.protocols._foreign import (
    Told,
    agreed,
    another,
    event,
    membership,
    profile,
    source,
)
from tallymark.core.event import GroupMembership, ProfileOp
from tallymark.core.settings import Settings

NOW = 1_790_000_000_000_000
COMPANY = agreed(Settings(account_group="company"), received_at=NOW)
PLAIN = agreed(Settings(), received_at=NOW)


def test_the_group_type_that_is_the_account_becomes_it_on_events() -> None:
    told = Told(name="open", namespace="x", groups={"company": "acme", "team": "red"})

    assert event(told, COMPANY).groups == {"account": "acme", "team": "red"}
    assert event(told, PLAIN).groups == {"company": "acme", "team": "red"}


def test_an_account_that_is_named_goes_before_a_group_that_stands_for_it() -> None:
    told = Told(name="open", namespace="x", groups={"company": "acme", "account": "initech"})

    assert event(told, COMPANY).groups == {"company": "acme", "account": "initech"}


def test_members_and_profiles_of_that_group_type_are_the_accounts() -> None:
    by = source(COMPANY, "x", "1", NOW)

    (member,) = membership(by, ("company", "acme"), "ana", None)
    (change,) = profile(by, "set", ("company", "acme"), {"seats": 5}, COMPANY)

    assert isinstance(member, GroupMembership)
    assert (member.group_type, member.group_id) == ("account", "acme")
    assert isinstance(change, ProfileOp)
    assert (change.subject_kind, change.subject) == ("account", "acme")


def test_money_without_a_currency_is_in_the_one_of_the_settings_if_there_is_one() -> None:
    told = Told(name="buy", namespace="x", revenue=Decimal("9.99"))
    euro = agreed(Settings(default_currency="EUR"), received_at=NOW)

    paid, unknown = event(told, euro), event(told, PLAIN)

    assert (paid.revenue, paid.currency) == (Decimal("9.99"), "EUR")
    assert (unknown.revenue, unknown.currency) == (None, None)
    assert "no_currency" in unknown.flags


def test_what_one_item_does_several_times_has_ids_of_its_own() -> None:
    by = source(PLAIN, "x", "1", NOW)

    assert another(by, "2").id == "1/2"
    assert another(by, "2").time == by.time
