"""What a person said, what their browser said, and what the project wants: the most restrictive holds."""

from decimal import Decimal
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.core.event import Event
from tallymark.core.policy import Mode, Policy, Purpose
from tallymark.privacy.consent import (
    Judgement,
    Signals,
    judge,
    judge_command,
    purpose_of,
    signals_of,
)
from tallymark.privacy.said import said_of

VIEW = Event(name="page_view", id="1", time=0)
KEEP, COOKIELESS = Judgement("keep"), Judgement("cookieless")
AGREED = Judgement("keep", is_agreed=True)


def said(event: Event = VIEW, **consent: str) -> Event:
    return Event(name=event.name, id="1", time=0, user_id=event.user_id, consent=consent)


def verdict(
    event: Event, policy: Policy | None = None, signals: Signals | None = None
) -> Judgement:
    return judge(event, signals or Signals(), policy or Policy(), is_server=False)


@pytest.mark.parametrize(
    ("policy", "state", "expected"),
    [
        (Policy(), "unknown", KEEP),
        (Policy(), "granted", AGREED),
        (Policy(), "denied", Judgement("drop", "CONSENT_DENIED")),
        (Policy(), "withdrawn", Judgement("drop", "CONSENT_DENIED")),
        (Policy(consent="opt_in"), "unknown", Judgement("drop", "CONSENT_UNKNOWN")),
        (Policy(consent="opt_in", pre_consent="cookieless"), "unknown", COOKIELESS),
        (Policy(consent="opt_in"), "granted", AGREED),
        (Policy(consent="opt_in"), "denied", Judgement("drop", "CONSENT_DENIED")),
        (Policy(consent="cookieless"), "unknown", COOKIELESS),
        (Policy(consent="cookieless"), "granted", AGREED),
        (Policy(consent="cookieless"), "denied", Judgement("drop", "CONSENT_DENIED")),
        (Policy(consent="contract"), "unknown", Judgement("contract")),
    ],
)
def test_each_state_in_each_mode_has_its_outcome(
    policy: Policy, state: str, expected: Judgement
) -> None:
    assert verdict(said(measurement=state), policy) == expected


@pytest.mark.parametrize(
    ("signals", "policy", "expected"),
    [
        (Signals(gpc=True), Policy(), KEEP),
        (Signals(gpc=True), Policy(gpc="all"), Judgement("drop", "GPC")),
        (Signals(gpc=True), Policy(purposes={"page_*": "sharing"}), Judgement("drop", "GPC")),
        (
            Signals(gpc=True),
            Policy(purposes={"page_*": "personalization"}),
            Judgement("drop", "GPC"),
        ),
        (Signals(gpc=True), Policy(gpc="off", purposes={"*": "sharing"}), KEEP),
        (Signals(dnt=True), Policy(), COOKIELESS),
        (Signals(dnt=True), Policy(dnt="drop"), Judgement("drop", "DNT")),
        (Signals(dnt=True), Policy(dnt="off"), KEEP),
        (Signals(opted_out=True), Policy(dnt="off", gpc="off"), Judgement("drop", "OPT_OUT")),
    ],
)
def test_each_signal_has_its_outcome(signals: Signals, policy: Policy, expected: Judgement) -> None:
    assert verdict(VIEW, policy, signals) == expected


def test_a_yes_outweighs_a_signal_only_where_the_project_says_so_and_never_for_sharing() -> None:
    granted = said(measurement="granted")
    shared = said(sharing="granted")
    bold = Policy(explicit_overrides_signals=True, gpc="all")

    assert verdict(granted, Policy(gpc="all"), Signals(gpc=True)) == Judgement("drop", "GPC")
    assert verdict(granted, bold, Signals(gpc=True)) == AGREED
    sharing = Policy(explicit_overrides_signals=True, purposes={"*": "sharing"})
    assert verdict(shared, sharing, Signals(gpc=True)) == Judgement("drop", "GPC")


def test_a_server_is_bound_by_an_explicit_no_and_by_opt_out_only() -> None:
    strict = Policy(consent="opt_in", dnt="drop", gpc="all")
    loud = Signals(gpc=True, dnt=True)

    assert judge(VIEW, loud, strict, is_server=True) == KEEP
    assert judge(said(measurement="granted"), loud, strict, is_server=True) == AGREED
    denied = judge(said(measurement="denied"), Signals(), Policy(), is_server=True)
    assert denied == Judgement("drop", "CONSENT_DENIED")


def test_an_unknown_word_and_an_unknown_purpose_are_a_no() -> None:
    assert said_of({"measurement": "perhaps"}).state("measurement", 0) == "denied"
    assert said_of({"advertising": "granted"}).state("measurement", 0) == "denied"
    assert said_of({"product": "granted"}).state("measurement", 0) == "unknown"
    assert said_of({}).state("measurement", 0) == "unknown"


def test_the_purpose_follows_the_policy_then_what_the_event_is() -> None:
    policy = Policy(purposes={"ad_*": "sharing"})

    assert purpose_of(Event(name="ad_click", id="1", time=0), policy) == "sharing"
    assert purpose_of(Event(name="x", id="1", time=0, value=Decimal(1)), policy) == "essential"
    assert purpose_of(Event(name="x", id="1", time=0, kind="span"), policy) == "performance"
    assert purpose_of(Event(name="x", id="1", time=0, user_id="ana"), policy) == "product"
    assert purpose_of(VIEW, policy) == "measurement"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"sec-gpc": "1", "dnt": "1"}, Signals(gpc=True, dnt=True)),
        ({"sec-gpc": "0", "dnt": "yes"}, Signals()),
        ({"sec-gpc": "true"}, Signals()),
        ({"cookie": "a=b; tallymark_opt_out=1"}, Signals(opted_out=True)),
        ({"cookie": "tallymark_opt_out=10; xtallymark_opt_out=1"}, Signals()),
    ],
)
def test_signals_are_read_as_their_specifications_say(
    headers: dict[str, str], expected: Signals
) -> None:
    assert signals_of(headers) == expected


_RANK = {"keep": 0, "cookieless": 1, "contract": 1, "drop": 2}


@given(
    mode=st.sampled_from(get_args(Mode)),
    gpc=st.sampled_from(["off", "sharing", "all"]),
    dnt=st.sampled_from(["off", "cookieless", "drop"]),
    purpose=st.sampled_from(get_args(Purpose)),
    state=st.sampled_from(["unknown", "granted", "denied", "withdrawn", "nonsense"]),
    has_user=st.booleans(),
)
def test_a_signal_never_makes_anything_more_permitted(
    mode: Mode, gpc: str, dnt: str, purpose: Purpose, state: str, has_user: bool
) -> None:
    policy = Policy(consent=mode, gpc=gpc, dnt=dnt, purposes={"*": purpose})  # type: ignore[arg-type]
    event = Event(
        name="x", id="1", time=0, user_id="u" if has_user else None, consent={purpose: state}
    )

    silent = verdict(event, policy)
    for given_signals in product((False, True), repeat=3):
        loud = verdict(event, policy, Signals(*given_signals))
        assert _RANK[loud.verdict] >= _RANK[silent.verdict]


def test_who_somebody_is_is_not_kept_where_nobody_may_be_known() -> None:
    commands = {
        (mode, is_server): judge_command({}, Signals(), Policy(consent=mode), is_server=is_server)
        for mode in get_args(Mode)
        for is_server in (False, True)
    }

    nobody = Judgement("drop", "IDENTIFY_IN_COOKIELESS")
    assert commands["opt_out", False] == KEEP
    assert commands["cookieless", False] == nobody
    assert commands["contract", True] == nobody
    assert commands["opt_in", False] == Judgement("drop", "CONSENT_UNKNOWN")
    assert commands["opt_in", True] == KEEP
    assert judge_command({}, Signals(dnt=True), Policy(), is_server=False) == nobody


@pytest.mark.parametrize("is_server", [False, True])
def test_what_a_person_said_holds_for_who_they_are_as_for_what_they_do(*, is_server: bool) -> None:
    def verdict_of(said: str, mode: Mode) -> Judgement:
        consent = {"measurement": "granted", "product": said}
        return judge_command(consent, Signals(), Policy(consent=mode), is_server=is_server)

    for mode in get_args(Mode):
        assert verdict_of("denied", mode) == Judgement("drop", "CONSENT_DENIED")
        assert verdict_of("nonsense", mode) == Judgement("drop", "CONSENT_DENIED")
    assert verdict_of("granted", "opt_in") == KEEP
    assert verdict_of("granted", "cookieless") == KEEP
    assert verdict_of("granted", "contract") == Judgement("drop", "IDENTIFY_IN_COOKIELESS")
    assert judge_command({"product": "granted"}, Signals(opted_out=True), Policy(), is_server=False) == Judgement("drop", "OPT_OUT")  # fmt: skip


@given(
    one=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    other=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_of_two_who_tell_signals_whatever_either_says_is_said(
    one: tuple[bool, bool, bool], other: tuple[bool, bool, bool]
) -> None:
    joined = Signals(*one).joined(Signals(*other))

    assert (joined.gpc, joined.dnt, joined.opted_out) == tuple(
        a or b for a, b in zip(one, other, strict=True)
    )
