"""Whether an event may be kept, kept without saying who, or not at all: decided before the log.

A person's choice is per purpose. What they said on the page comes with the event; their browser may
say more by a signal (Global Privacy Control, Do Not Track, our own opt-out cookie). Of all that is
said the most restrictive holds. Everything here is pure.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from tallymark.core.event import Event
from tallymark.core.policy import PURPOSES, Policy, Purpose

State: TypeAlias = Literal["unknown", "granted", "denied", "withdrawn"]
Verdict: TypeAlias = Literal["keep", "cookieless", "contract", "drop"]

OPT_OUT_COOKIE: Final = "tallymark_opt_out"
_NO: Final = frozenset({"denied", "withdrawn"})
_SHARED: Final = frozenset({"sharing", "personalization"})
_PERFORMANCE: Final = frozenset({"metric", "span", "log", "exception"})
# What SDKs write for a choice; anything else is no consent.
_STATES: Final[Mapping[str, State]] = {
    "granted": "granted", "grant": "granted", "true": "granted", "1": "granted", "yes": "granted",
    "denied": "denied", "deny": "denied", "false": "denied", "0": "denied", "no": "denied",
    "withdrawn": "withdrawn", "unknown": "unknown", "": "unknown",
}  # fmt: skip


class Signals(Struct, frozen=True):
    """What a request's headers say a person wants."""

    gpc: bool = False
    dnt: bool = False
    opted_out: bool = False

    @property
    def is_silent(self) -> bool:
        """Whether nothing was said."""
        return not (self.gpc or self.dnt or self.opted_out)


class Judgement(Struct, frozen=True):
    """What becomes of an event; ``reason`` is the code it is dropped under."""

    verdict: Verdict
    reason: str = ""


KEEP: Final = Judgement("keep")
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


def state_of(consent: Mapping[str, str], purpose: Purpose) -> State:
    """Return what the person said of a purpose; ``unknown`` if nothing was said.

    A word that means nothing is a refusal, and so is a choice about purposes none of which is one
    of ours: it was asked for something else.
    """
    if not consent:
        return "unknown"
    said = consent.get(purpose)
    if said is not None:
        return _STATES.get(said.strip().lower(), "denied")
    return "unknown" if PURPOSES.intersection(consent) else "denied"


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
    state = state_of(event.consent, purpose)
    if state in _NO:
        return Judgement("drop", "CONSENT_DENIED")
    if policy.consent == "contract":
        return Judgement("contract")
    if is_server:
        return KEEP
    return _stricter(_signalled(purpose, state, signals, policy), _by_mode(state, policy))


def judge_command(
    consent: Mapping[str, str], signals: Signals, policy: Policy, *, is_server: bool
) -> Judgement:
    """Return what may be done with a link, profile or membership, which only says who somebody is."""
    if signals.opted_out:
        return Judgement("drop", "OPT_OUT")
    state = state_of(consent, "product")
    if state in _NO:
        return Judgement("drop", "CONSENT_DENIED")
    if policy.consent == "contract":
        return Judgement("drop", "IDENTIFY_IN_COOKIELESS")
    if is_server:
        return KEEP
    found = _stricter(_signalled("product", state, signals, policy), _by_mode(state, policy))
    return (
        found if found.verdict in ("keep", "drop") else Judgement("drop", "IDENTIFY_IN_COOKIELESS")
    )


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
