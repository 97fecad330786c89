"""What a tracking plan says: one file an event, as values. How they are checked is in ``lint``.

Numbers are ``int`` or ``Decimal``. Versions read MODEL-REVISION-ADDITION: what breaks a sender or a
question makes a new MODEL; within one, whatever was valid stays valid.
"""

import re
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from tallymark.core.policy import Purpose, Treatment

Type: TypeAlias = Literal["string", "number", "integer", "boolean", "object", "array"]
Mode: TypeAlias = Literal["observe", "tag", "strip", "quarantine", "reject"]
Status: TypeAlias = Literal["draft", "live", "deprecated", "retired"]
Pii: TypeAlias = Literal["none", "indirect", "direct", "sensitive"]
Basis: TypeAlias = Literal[
    "consent", "contract", "legitimate_interest", "legal_obligation", "vital_interest",
    "public_task",
]  # fmt: skip

# The property by which an event names the version it was written for.
VERSION_PROPERTY: Final = "schema_version"
_DURATION: Final = re.compile(r"[1-9][0-9]{0,5}[smhd]")


class Property(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One property of an event; ``items`` is what each member of an array is.

    ``minimum``, ``maximum`` and ``enum`` are compared exactly. ``treat`` is applied before anything
    reaches the disk. ``keep``, how long it may stay, is refused: nothing would act on it.
    """

    type: Type
    required: bool = False
    minimum: Any = None
    maximum: Any = None
    enum: tuple[Any, ...] = ()
    pattern: str | None = None
    items: "Property | None" = None
    unit: str | None = None
    pii: Pii = "none"
    treat: Treatment | None = None
    keep: str | None = None


class Modes(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What becomes of an event that is not as planned, by what is wrong with it."""

    unplanned_property: Mode = "tag"
    invalid: Mode = "tag"
    missing_required: Mode = "tag"


class Volume(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How far the number of events may lie from those of comparable days, in median deviations."""

    vs: Literal["same_weekday", "yesterday"]
    mad: Any


class Monitors(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is expected of the stream of an event.

    ``freshness`` is the longest time without one; ``null_rate`` the largest share of events that lack a
    property; ``drift`` the largest population stability index of its values, against the week before.
    """

    freshness: str | None = None
    volume: Volume | None = None
    null_rate: dict[str, Any] = {}
    drift: dict[str, Any] = {}


class EventPlan(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One version of one event: a file under ``plan/events/``."""

    event: str
    version: str
    owner: str | None = None
    purpose: Purpose | None = None
    basis: Basis | None = None
    status: Status = "live"
    properties: dict[str, Property] = {}
    on: Modes = Modes()
    examples: tuple[dict[str, Any], ...] = ()
    counterexamples: tuple[dict[str, Any], ...] = ()
    monitors: Monitors | None = None


class PlanModes(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What becomes of events of which the plan says nothing."""

    unplanned_event: Literal["observe", "tag", "quarantine", "reject"] = "observe"


class PlanFile(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The file ``plan/plan.yaml``, which a plan may do without."""

    on: PlanModes = PlanModes()


class Plan(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Everything the files of a plan say, by event and version."""

    events: tuple[EventPlan, ...] = ()
    on: PlanModes = PlanModes()


def duration_seconds(text: str) -> int:
    """Return a duration such as 15m in seconds; raises ValueError for text that is none."""
    if not _DURATION.fullmatch(text):
        raise ValueError(text)
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3_600, "d": 86_400}[text[-1]]


def version_of(text: str) -> tuple[int, int, int]:
    """Return MODEL, REVISION and ADDITION; raises ValueError for text that is no version."""
    parts = text.split("-")
    if len(parts) != 3 or not all(
        one.isascii() and one.isdigit() and len(one) < 7 for one in parts
    ):
        raise ValueError(text)
    model, revision, addition = map(int, parts)
    return model, revision, addition


def encode_plan(plan: Plan) -> bytes:
    """Return a plan as JSON; the same plan always gives the same bytes."""
    return _encode(plan)


def decode_plan(text: bytes | str) -> Plan:
    """Return a plan from JSON; raises msgspec errors for what is none."""
    return _DECODER.decode(text)


_encode = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode
_DECODER: Final = msgspec.json.Decoder(Plan, float_hook=Decimal)
