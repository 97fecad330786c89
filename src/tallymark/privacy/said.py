"""What ``consent`` of an event or command says: by purpose, in consent strings, and until when.

Beside purposes it may have ``tcf`` and ``gpp`` with such a string, ``at`` and ``expires_at`` as RFC 3339
times, and ``policy_version``, ``ui_version`` and ``jurisdiction``. Everything here is pure.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Final, TypeAlias, get_args

import msgspec
from msgspec import Meta, Struct

from tallymark.core.clock import DAY, instant
from tallymark.core.consents import LONGEST_STRING, LONGEST_WORD, ConsentSource, State
from tallymark.core.policy import PURPOSES, Purpose

from .strings import GppString, TcString, Unparsable, gpp_string, tc_string

# What SDKs write for a choice; anything else is no consent.
_STATES: Final[Mapping[str, State]] = {
    "granted": "granted", "grant": "granted", "true": "granted", "1": "granted", "yes": "granted",
    "denied": "denied", "deny": "denied", "false": "denied", "0": "denied", "no": "denied",
    "withdrawn": "withdrawn", "unknown": "unknown", "": "unknown",
}  # fmt: skip
# Of two sources the one that keeps less holds.
_STRICTNESS: Final[Mapping[State, int]] = {"unknown": 0, "granted": 1, "denied": 2, "withdrawn": 3}
# What a TC string must allow: 1 is access to the device, 8 and 9 measure content and audiences, 10
# develops the product.
_TCF: Final[Mapping[Purpose, frozenset[int]]] = {
    "measurement": frozenset({1, 8, 9}), "product": frozenset({1, 8, 9, 10}),
}  # fmt: skip
# IAB Europe has CMPs ask again 13 months after the last choice.
TCF_DAYS: Final = 395
BESIDE: Final = frozenset(
    {"tcf", "gpp", "at", "expires_at", "policy_version", "ui_version", "jurisdiction"}
)
_AwareTime: TypeAlias = Annotated[datetime, Meta(tz=True)]


class Said(Struct, frozen=True):
    """What was said. ``sources`` are the strings that purposes were read from, by purpose.

    ``gpc`` is Global Privacy Control as a GPP string tells it. ``at`` and ``expires_at`` are
    microseconds, None where nothing was said of them. ``is_unparsable`` says that a string or a time
    cannot be read, which is no consent to anything.
    """

    states: Mapping[Purpose, State]
    sources: Mapping[Purpose, ConsentSource] = {}
    is_other: bool = False
    gpc: bool = False
    at: int | None = None
    expires_at: int | None = None
    is_unparsable: bool = False
    jurisdiction: str | None = None

    def state(self, purpose: Purpose, time: int, days: int = 0) -> State:
        """Return what holds for a purpose at an instant: a yes that is over is nothing said.

        It is over where it says so, and so many days after it was given, if that is told.
        A choice about purposes none of which is one of ours is a refusal: it was asked for something
        else.
        """
        if self.is_unparsable:
            return "denied"
        found = self.states.get(purpose)
        if found is None:
            return "denied" if self.is_other else "unknown"
        is_over = self.expires_at is not None and self.expires_at <= time
        is_old = days > 0 and self.at is not None and self.at + days * DAY <= time
        return "unknown" if found == "granted" and (is_over or is_old) else found


NOTHING: Final = Said({})
_UNPARSABLE: Final = Said({}, is_unparsable=True)


def said_of(consent: Mapping[str, str]) -> Said:
    """Return what ``consent`` says; a word that means nothing is a refusal."""
    if not consent:
        return NOTHING
    if BESIDE.isdisjoint(consent):
        return Said(_plain(consent), is_other=PURPOSES.isdisjoint(consent))
    if any(len(value) > LONGEST_STRING for value in consent.values()):
        return _UNPARSABLE
    # One visitor says the same with every event, and a string takes a tenth of a millisecond.
    return _read(frozenset(consent.items()))


@lru_cache(maxsize=1024)
def _read(items: frozenset[tuple[str, str]]) -> Said:
    consent = dict(items)
    try:
        tcf = tc_string(consent["tcf"]) if consent.get("tcf") else None
        gpp = gpp_string(consent["gpp"]) if consent.get("gpp") else GppString()
        at, ends = (_time(consent.get(name)) for name in ("at", "expires_at"))
    except Unparsable:
        return _UNPARSABLE
    states, sources = _plain(consent), dict[Purpose, ConsentSource]()
    _add(_of_tcf(tcf), "tcf", states, sources)
    _add(_of_tcf(gpp.europe), "gpp", states, sources)
    if gpp.refuses_sharing:
        _add({"sharing": "denied"}, "gpp", states, sources)
    europe = tcf or gpp.europe
    if europe is not None:
        at = europe.updated_at if at is None else at
        latest = europe.updated_at + TCF_DAYS * DAY
        ends = latest if ends is None else min(ends, latest)
    return Said(
        states,
        sources,
        is_other=not states and not BESIDE.issuperset(consent),
        gpc=gpp.gpc,
        at=at,
        expires_at=ends,
        jurisdiction=consent.get("jurisdiction", "")[:LONGEST_WORD]
        or (europe.country if europe else None),
    )


def _plain(consent: Mapping[str, str]) -> dict[Purpose, State]:
    return {
        purpose: _STATES.get(consent[purpose].strip().lower(), "denied")
        for purpose in get_args(Purpose)
        if purpose in consent
    }


def _of_tcf(string: TcString | None) -> Mapping[Purpose, State]:
    if string is None:
        return {}
    return {
        purpose: "granted" if needed <= string.purposes else "denied"
        for purpose, needed in _TCF.items()
    }


def _add(
    told: Mapping[Purpose, State],
    source: ConsentSource,
    states: dict[Purpose, State],
    sources: dict[Purpose, ConsentSource],
) -> None:
    """Add what a string tells where it is stricter than what was said before, or nothing was."""
    for purpose, state in told.items():
        before = states.get(purpose)
        if before is None or _STRICTNESS[state] > _STRICTNESS[before]:
            states[purpose] = state
            sources[purpose] = source


def _time(text: str | None) -> int | None:
    if not text:
        return None
    try:
        return instant(msgspec.convert(text, _AwareTime))
    except (msgspec.ValidationError, ValueError, OverflowError):
        raise Unparsable("It is no time.") from None
