"""Records that prove consent: made of what was said, before the log, with a hash in place of the id.

Only a yes, and a yes taken back, make a record. Of somebody who said no, or nothing, none is made: to
keep that they refused would be to keep something of them.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct, structs

from tallymark.core.clock import DAY
from tallymark.core.consents import LONGEST_WORD, ConsentRecord, ConsentSource, Statement
from tallymark.core.event import Command, Event, GroupMembership, IdentityLink, ProfileOp
from tallymark.core.policy import Policy, Purpose

from .consent import Signals, may_be_kept
from .said import Said, said_of

_PREFIX: Final = "c_"
_HASH_HEX: Final = 32
_STATED: Final = ("granted", "withdrawn")
_PERSONS: Final = ("user", "anonymous")


class Witness(Struct, frozen=True):
    """Who hears what is said: the project's choices and key, what the browser signals, and by what way."""

    policy: Policy
    key: bytes
    source: ConsentSource
    signals: Signals = Signals()
    is_server: bool = False


class Heard(Struct, frozen=True):
    """What a request said of consent.

    ``items`` are how many statements there are records of, ``dropped`` those of which there may be none.
    """

    records: list[ConsentRecord]
    items: int = 0
    dropped: dict[str, int] = {}


NOTHING_HEARD: Final = Heard([])


def subject_ref(kind: str, name: str, key: bytes) -> str:
    """Return what stands for an id in its records: always the same, and nobody without the key can tell."""
    text = f"consent\0{kind}\0{name}".encode("utf-8", "surrogatepass")
    return _PREFIX + hmac.new(key, text, hashlib.sha256).hexdigest()[:_HASH_HEX]


def heard(
    statements: Sequence[Statement], others: Iterable[Event | Command], witness: Witness
) -> Heard:
    """Return the records of the statements of a request, and of what else in it speaks of consent.

    What events and commands say they say again and again, so of a request the earliest is enough.
    """
    records: dict[tuple[object, ...], ConsentRecord] = {}
    for one in others:
        whose = _subject(one) if one.consent else None
        if whose is None:
            continue
        for record in _records(one.consent, whose, one.time, witness):
            told = tuple(getattr(record, name) for name in _SAME)
            before = records.get(told)
            if before is None or record.at < before.at:
                records[told] = record
    found = list(records.values())
    dropped: dict[str, int] = {}
    items = 0
    for statement in statements:
        whose = (statement.subject_kind, statement.subject)
        made = _records(statement.consent, whose, statement.time, witness, statement.place)
        found += made
        items += bool(made)
        if not made:
            reason = _reason(said_of(statement.consent), witness)
            dropped[reason] = dropped.get(reason, 0) + 1
    return Heard(found, items, dropped)


def _records(
    consent: Mapping[str, str],
    whose: tuple[str, str],
    time: int,
    witness: Witness,
    item: int = -1,
) -> list[ConsentRecord]:
    said = said_of(consent)
    if witness.policy.consent == "contract" or said.is_unparsable:
        return []
    at = time if said.at is None else min(said.at, time)
    made: list[ConsentRecord] = []
    for purpose, state in said.states.items():
        if state not in _STATED or (
            state == "granted" and not _may_be_proven(purpose, said, witness)
        ):
            continue
        source = said.sources.get(purpose, witness.source)
        end = _end(said, at, witness.policy) if state == "granted" else None
        made.append(
            ConsentRecord(
                subject=subject_ref(*whose, witness.key),
                purpose=purpose,
                state=state,
                at=at,
                source=source,
                policy_version=_word(consent, "policy_version"),
                ui_version=_word(consent, "ui_version"),
                raw=consent.get(source) if source in ("tcf", "gpp") else None,
                jurisdiction=said.jurisdiction,
                expires_at=end,
                item=item,
                # A statement is one each time it is made; what comes with events is said again.
                is_dated=item >= 0 or said.at is not None,
                is_limited=end is not None and end != said.expires_at,
            )
        )
    return made


def _may_be_proven(purpose: Purpose, said: Said, witness: Witness) -> bool:
    """Return whether anything of a yes may be kept, where a signal says no as well."""
    signals = witness.signals
    if witness.is_server:
        # Its own headers say nothing of the person, but for a cookie that it passes on.
        signals = Signals(opted_out=signals.opted_out)
    if said.gpc:
        signals = structs.replace(signals, gpc=True)
    return may_be_kept(purpose, signals, witness.policy)


def _end(said: Said, at: int, policy: Policy) -> int | None:
    ends = [said.expires_at] if said.expires_at is not None else []
    if policy.consent_days:
        ends.append(at + policy.consent_days * DAY)
    return min(ends, default=None)


def _reason(said: Said, witness: Witness) -> str:
    """Return the code under which a statement that leaves no record is counted."""
    if said.is_unparsable:
        return "CONSENT_UNPARSABLE"
    if witness.policy.consent == "contract":
        return "IDENTIFY_IN_COOKIELESS"
    if witness.signals.opted_out:
        return "OPT_OUT"
    if "denied" in said.states.values() or said.is_other:
        return "CONSENT_DENIED"
    if "granted" in said.states.values():
        return "GPC" if witness.signals.gpc or said.gpc else "DNT"
    return "NOT_KEPT"


def _subject(one: Event | Command) -> tuple[str, str] | None:
    """Return the kind and the id of who said it: the user, if one is named."""
    match one:
        case Event() | GroupMembership():
            user, anonymous = one.user_id, one.anonymous_id
        case ProfileOp():
            kind = one.subject_kind
            return (kind, one.subject) if kind in _PERSONS else None
        case IdentityLink():
            is_user = one.other_kind == "user"
            return (one.other_kind, one.other) if is_user else (one.one_kind, one.one)
    if user is not None:
        return "user", user
    return None if anonymous is None else ("anonymous", anonymous)


def _word(consent: Mapping[str, str], name: str) -> str | None:
    return consent.get(name, "")[:LONGEST_WORD] or None


_SAME: Final = (
    "subject", "purpose", "state", "source", "policy_version", "ui_version", "raw", "jurisdiction",
)  # fmt: skip
