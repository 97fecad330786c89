from pathlib import Path

import pytest

from tallymark.core.errors import TallymarkError
from tallymark.core.settings import load_settings

NOWHERE = Path("/nonexistent/tallymark.toml")


def test_a_list_is_separated_by_commas_in_the_environment_and_in_a_flag() -> None:
    environ = {"TALLYMARK_TRUSTED_PROXIES": "10.0.0.0/8,127.0.0.1"}

    found = load_settings({"mixpanel_groups": "company,team"}, environ=environ, file=NOWHERE)

    assert found.trusted_proxies == ("10.0.0.0/8", "127.0.0.1")
    assert found.mixpanel_groups == ("company", "team")


def test_an_empty_list_is_empty() -> None:
    environ = {"TALLYMARK_MIXPANEL_GROUPS": ""}

    assert load_settings(environ=environ, file=NOWHERE).mixpanel_groups == ()


def test_the_default_currency_is_a_code_or_nothing() -> None:
    assert (
        load_settings({"default_currency": "EUR"}, environ={}, file=NOWHERE).default_currency
        == "EUR"
    )
    assert load_settings(environ={}, file=NOWHERE).default_currency == ""
    with pytest.raises(TallymarkError) as refused:
        load_settings({"default_currency": "euro"}, environ={}, file=NOWHERE)

    assert refused.value.code == "SETTING_INVALID"
