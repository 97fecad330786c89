"""What somebody said of consent: as it came, and as a record that proves it later."""

from typing import Final, Literal, TypeAlias

from msgspec import Struct

from .policy import Purpose

State: TypeAlias = Literal["unknown", "granted", "denied", "withdrawn"]
# ``signal`` is not here: a browser's signal only ever says no, and of a no nothing is kept.
ConsentSource: TypeAlias = Literal["sdk", "api", "tcf", "gpp", "import"]
# What stands beside the purposes in ``consent``: where the choice is told, and what is known of it.
LONGEST_STRING: Final = 4096
LONGEST_WORD: Final = 200


class Statement(Struct, frozen=True):
    """An item that says nothing but what somebody chose; ``place`` is its place in the request."""

    subject_kind: Literal["user", "anonymous"]
    subject: str
    consent: dict[str, str]
    time: int
    place: int = 0


class ConsentRecord(Struct, frozen=True, omit_defaults=True):
    """One choice for one purpose, as the log and the store keep it: a proof, never changed.

    ``subject`` is a keyed hash of the id: who has the id can find the record, and the record gives no id
    away. ``at`` is when it was said. ``raw`` is the consent string it was read from. ``item`` is the place
    of the statement it came with, -1 where it came with an event or command. ``is_dated`` says that ``at``
    was told, ``is_limited`` that its end was set by the policy: what is the same but for those is the same
    thing said again.
    """

    subject: str
    purpose: Purpose
    state: Literal["granted", "withdrawn"]
    at: int
    source: ConsentSource
    policy_version: str | None = None
    ui_version: str | None = None
    raw: str | None = None
    jurisdiction: str | None = None
    expires_at: int | None = None
    item: int = -1
    is_dated: bool = False
    is_limited: bool = False
