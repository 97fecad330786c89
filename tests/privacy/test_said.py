"""What ``consent`` says with strings, times and purposes together, and what an event meets by it."""

import pytest
from tests.privacy.test_strings import NEW_YEAR, packed, tc, us

from tallymark.core.clock import DAY
from tallymark.core.event import Event
from tallymark.core.policy import Policy
from tallymark.privacy.consent import Judgement, Signals, judge, judge_command
from tallymark.privacy.said import said_of

SAID = NEW_YEAR * 100_000
SOON = SAID + DAY
US = packed("000011 000001 000000000001 0 01011") + "~"
UNPARSABLE = Judgement("drop", "CONSENT_UNPARSABLE")
ASKING = Policy(consent="opt_in")


def judged(
    consent: dict[str, str], policy: Policy = ASKING, *, user: str | None = None, time: int = SOON,
    is_server: bool = False,
) -> Judgement:  # fmt: skip
    event = Event(name="x", id="1", time=time, user_id=user, consent=consent)
    return judge(event, Signals(), policy, is_server=is_server)


@pytest.mark.parametrize(
    ("purposes", "measurement", "product"),
    [
        ((1, 8, 9, 10), "keep", "keep"), ((1, 8, 9), "keep", "drop"), ((1, 8), "drop", "drop"), ((8, 9, 10), "drop", "drop"),
        ((), "drop", "drop"), ((1, 2, 3, 4, 5, 6, 7), "drop", "drop"),
    ],
)  # fmt: skip
def test_a_tc_string_allows_measurement_and_product_by_its_purposes(
    purposes: tuple[int, ...], measurement: str, product: str
) -> None:
    consent = {"tcf": tc(*purposes)}

    assert judged(consent).verdict == measurement
    assert judged(consent, user="ana").verdict == product


def test_a_string_that_cannot_be_read_is_a_no_with_a_code_of_its_own() -> None:
    for consent in (
        {"tcf": "nonsense"}, {"gpp": "nonsense"}, {"tcf": tc(1, 8, 9) + "x" * 5_000},
        {"measurement": "granted", "expires_at": "next year"}, {"measurement": "granted", "at": "2026-01-01"},
        {"measurement": "granted", "tcf": "C"},
    ):  # fmt: skip
        assert judged(consent) == UNPARSABLE
        assert judged(consent, Policy()) == UNPARSABLE
        assert judge_command(consent, Signals(), Policy(), is_server=True) == UNPARSABLE


def test_of_a_string_and_a_word_the_stricter_holds() -> None:
    yes, no = tc(1, 8, 9, 10), tc()

    assert judged({"measurement": "granted", "tcf": no}).verdict == "drop"
    assert judged({"measurement": "denied", "tcf": yes}).verdict == "drop"
    assert judged({"measurement": "granted", "tcf": yes}).verdict == "keep"
    # What the string does not speak of is as it was said.
    assert said_of({"tcf": yes, "performance": "granted"}).state("performance", SOON) == "granted"
    assert said_of({"tcf": yes}).state("performance", SOON) == "unknown"


def test_a_gpp_string_refuses_sharing_or_has_a_section_of_europe() -> None:
    ads = Policy(purposes={"x": "sharing"})

    assert judged({"gpp": US + us(sale=1)}, ads) == Judgement("drop", "CONSENT_DENIED")
    assert judged({"gpp": US + us(sharing=1)}, ads) == Judgement("drop", "CONSENT_DENIED")
    assert judged({"gpp": US + us()}, ads).verdict == "keep"
    assert judged({"gpp": US + us(sale=1)}, Policy()).verdict == "keep"
    assert judged({"gpp": f"DBABMA~{tc(1, 8, 9)}"}).verdict == "keep"
    assert judged({"gpp": f"DBABMA~{tc(1)}"}).verdict == "drop"


@pytest.mark.parametrize("is_server", [False, True])
def test_global_privacy_control_in_a_gpp_string_is_that_of_the_browser(is_server: bool) -> None:
    consent = {"gpp": US + us(gpc=1)}

    def verdict(policy: Policy) -> Judgement:
        return judged(consent, policy, is_server=is_server)

    assert verdict(Policy(purposes={"x": "sharing"})) == Judgement("drop", "GPC")
    assert verdict(Policy(gpc="all")) == Judgement("drop", "GPC")
    assert verdict(Policy()).verdict == "keep"
    assert verdict(Policy(gpc="off", purposes={"x": "sharing"})).verdict == "keep"


def test_a_yes_that_has_run_out_is_nothing_said() -> None:
    yes = {"measurement": "granted", "expires_at": "2026-03-01T00:00:00Z"}
    end = SAID + 59 * DAY

    assert judged(yes, time=end - 1).verdict == "keep"
    assert judged(yes, time=end) == Judgement("drop", "CONSENT_UNKNOWN")
    assert judged(yes, Policy(), time=end).verdict == "keep"
    assert judged(yes, Policy(consent="cookieless"), time=end).verdict == "cookieless"
    # A no does not run out.
    no = {**yes, "measurement": "denied"}
    assert judged(no, time=end) == Judgement("drop", "CONSENT_DENIED")


def test_a_yes_lasts_as_long_as_the_policy_says_and_a_tc_string_13_months() -> None:
    yes = {"measurement": "granted", "at": "2026-01-01T00:00:00Z"}
    short = Policy(consent="opt_in", consent_days=30)
    lasting = Policy(consent="opt_in", consent_days=0)

    assert judged(yes, short, time=SAID + 30 * DAY - 1).verdict == "keep"
    assert judged(yes, short, time=SAID + 30 * DAY).verdict == "drop"
    assert judged(yes, lasting, time=SAID + 4_000 * DAY).verdict == "keep"
    assert judged({"tcf": tc(1, 8, 9)}, lasting, time=SAID + 395 * DAY - 1).verdict == "keep"
    assert judged({"tcf": tc(1, 8, 9)}, lasting, time=SAID + 395 * DAY).verdict == "drop"


def test_what_stands_beside_the_purposes_alone_says_nothing() -> None:
    assert judged({"policy_version": "3", "jurisdiction": "DE"}, Policy()).verdict == "keep"
    assert judged({"policy_version": "3"}) == Judgement("drop", "CONSENT_UNKNOWN")
    assert judged({"policy_version": "3", "advertising": "granted"}, Policy()).verdict == "drop"
