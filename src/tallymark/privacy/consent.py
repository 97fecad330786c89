"""Whether an event may be kept, kept without saying who, or not at all: decided before the log.

A person's choice is per purpose. What they said on the page comes with the event; their browser may
say more by a signal (Global Privacy Control, Do Not Track, our own opt-out cookie). Of all that is
said the most restrictive holds. Everything here is pure.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final, Literal, TypeAlias

from msgspec import Struct, structs

from tallymark.core.consents import State
from tallymark.core.event import Event
from tallymark.core.policy import Policy, Purpose

from .said import Said, said_of

Verdict: TypeAlias = Literal["keep", "cookieless", "contract", "drop"]

OPT_OUT_COOKIE: Final = "tallymark_opt_out"
_NO: Final = frozenset({"denied", "withdrawn"})
_SHARED: Final = frozenset({"sharing", "personalization"})
_PERFORMANCE: Final = frozenset({"metric", "span", "log", "exception"})


class Signals(Struct, frozen=True):
    """What a request's headers say a person wants."""

    gpc: bool = False
    dnt: bool = False
    opted_out: bool = False

    @property
    def is_silent(self) -> bool:
        """Whether nothing was said."""
        return not (self.gpc or self.dnt or self.opted_out)

    def joined(self, other: "Signals") -> "Signals":
        """Return what either says."""
        if other.is_silent:
            return self
        return Signals(
            gpc=self.gpc or other.gpc,
            dnt=self.dnt or other.dnt,
            opted_out=self.opted_out or other.opted_out,
        )


class Judgement(Struct, frozen=True):
    """What becomes of an event; ``reason`` is the code it is dropped under.

    ``is_agreed`` tells that it is kept as it is and that the person said yes to its purpose.
    """

    verdict: Verdict
    reason: str = ""
    is_agreed: bool = False


KEEP: Final = Judgement("keep")
_AGREED: Final = Judgement("keep", is_agreed=True)
_STRICTNESS: Final[Mapping[Verdict, int]] = {"keep": 0, "cookieless": 1, "contract": 2, "drop": 3}


def signals_of(headers: Mapping[str, str]) -> Signals:
    """Return what the headers say. Of ``Sec-GPC`` and ``DNT`` only the value 1 means anything."""
    cookies = headers.get("cookie", "")
    opted_out = OPT_OUT_COOKIE in cookies and any(
        pair.strip() == f"{OPT_OUT_COOKIE}=1" for pair in cookies.split(";")
    )
    return Signals(
        gpc=headers.get("sec-gpc", "").strip() == "1",
        dnt=headers.get("dnt", "").strip() == "1",
        opted_out=opted_out,
    )


def purpose_of(
    event: Event, policy: Policy, planned: Mapping[str, Purpose] | None = None
) -> Purpose:
    """Return what an event is collected for: by the policy, else by the plan, else by its kind.

    A metered quantity is essential, telemetry is performance, what names a user is product, and the
    rest is measurement.
    """
    for pattern, purpose in policy.purposes.items():
        if fnmatchcase(event.name, pattern):
            return purpose
    if planned and event.name in planned:
        return planned[event.name]
    if event.value is not None:
        return "essential"
    if event.kind in _PERFORMANCE:
        return "performance"
    return "measurement" if event.user_id is None else "product"


def judge(
    event: Event,
    signals: Signals,
    policy: Policy,
    *,
    is_server: bool,
    planned: Mapping[str, Purpose] | None = None,
) -> Judgement:
    """Return what may be done with an event; ``planned`` are the purposes of the tracking plan.

    A customer's own server sends no signals and asked its users itself, so there only an explicit
    refusal counts, except in the mode ``contract``, which keeps nobody's name in any case.
    """
    if signals.opted_out:
        return Judgement("drop", "OPT_OUT")
    purpose = purpose_of(event, policy, planned)
    if purpose == "essential" and is_server:
        return Judgement("contract") if policy.consent == "contract" else KEEP
    said = said_of(event.consent)
    state = said.state(purpose, event.time, policy.consent_days)
    if state in _NO:
        return _refusal(said)
    if policy.consent == "contract":
        return Judgement("contract")
    if is_server:
        found = _signalled(purpose, state, Signals(gpc=True), policy) if said.gpc else KEEP
    else:
        signals = _with_gpc(signals, said)
        found = _stricter(_signalled(purpose, state, signals, policy), _by_mode(state, policy))
    return _AGREED if found == KEEP and state == "granted" else found


def judge_command(
    consent: Mapping[str, str], signals: Signals, policy: Policy, *, is_server: bool, time: int = 0
) -> Judgement:
    """Return what may be done with a link, profile or membership, which only says who somebody is.

    ``time`` is when it holds from.
    """
    if signals.opted_out:
        return Judgement("drop", "OPT_OUT")
    said = said_of(consent)
    state = said.state("product", time, policy.consent_days)
    if state in _NO:
        return _refusal(said)
    if policy.consent == "contract":
        return Judgement("drop", "IDENTIFY_IN_COOKIELESS")
    signals = _with_gpc(signals, said)
    if is_server:
        return KEEP
    found = _stricter(_signalled("product", state, signals, policy), _by_mode(state, policy))
    return (
        found if found.verdict in ("keep", "drop") else Judgement("drop", "IDENTIFY_IN_COOKIELESS")
    )


def may_be_kept(purpose: Purpose, signals: Signals, policy: Policy) -> bool:
    """Return whether what the browser signals leaves room for a yes to a purpose."""
    return not signals.opted_out and _signalled(purpose, "granted", signals, policy) == KEEP


def _refusal(said: Said) -> Judgement:
    return Judgement("drop", "CONSENT_UNPARSABLE" if said.is_unparsable else "CONSENT_DENIED")


def _with_gpc(signals: Signals, said: Said) -> Signals:
    """Return the signals with Global Privacy Control as a consent string tells it."""
    return structs.replace(signals, gpc=True) if said.gpc else signals


def _stricter(one: Judgement, other: Judgement) -> Judgement:
    return one if _STRICTNESS[one.verdict] >= _STRICTNESS[other.verdict] else other


def _signalled(purpose: Purpose, state: State, signals: Signals, policy: Policy) -> Judgement:
    if signals.is_silent:
        return KEEP
    overrides = state == "granted" and policy.explicit_overrides_signals and purpose != "sharing"
    if overrides:
        return KEEP
    if signals.gpc and (policy.gpc == "all" or purpose in _SHARED) and policy.gpc != "off":
        return Judgement("drop", "GPC")
    if signals.dnt and policy.dnt == "drop":
        return Judgement("drop", "DNT")
    if signals.dnt and policy.dnt == "cookieless":
        return Judgement("cookieless")
    return KEEP


def _by_mode(state: State, policy: Policy) -> Judgement:
    match policy.consent:
        case "opt_out":
            return KEEP
        case "cookieless":
            return KEEP if state == "granted" else Judgement("cookieless")
        case _:
            if state == "granted":
                return KEEP
            if policy.pre_consent == "cookieless":
                return Judgement("cookieless")
            return Judgement("drop", "CONSENT_UNKNOWN")
