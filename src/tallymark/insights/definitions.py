"""What a project defines by name: events, computed properties, cohorts, metrics and saved questions.

All of them together are one version, so that whatever names another one finds it as it was meant.
"""

from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta, Struct

from tallymark.core.ids import hash128

from .measures import Series
from .membership import Cohort
from .virtual import ComputedProperty, VirtualEvent

KindName: TypeAlias = Literal["events", "properties", "cohorts", "metrics", "questions"]
KINDS: Final[tuple[KindName, ...]] = get_args(KindName)
# What one of a kind is called.
SINGULAR: Final[dict[KindName, str]] = {
    "events": "event", "properties": "computed property", "cohorts": "cohort", "metrics": "metric",
    "questions": "saved question",
}  # fmt: skip


class Metric(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A number with a name: a series, or a formula over several."""

    series: Annotated[
        tuple[Series, ...],
        Meta(description="What is measured, A, B, C … in order.", min_length=1, max_length=10),
    ]
    formula: Annotated[
        str | None, Meta(description="Such as A / B * 100; needed if there are several series.")
    ] = None
    description: str = ""


class SavedQuestion(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A question with a name."""

    insight: Annotated[str, Meta(description="The insight that is asked.")]
    question: Annotated[dict[str, Any], Meta(description="What it is asked.")] = {}
    description: str = ""


Definition: TypeAlias = VirtualEvent | ComputedProperty | Cohort | Metric | SavedQuestion


class Definitions(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything a project defines, by kind and name."""

    events: dict[str, VirtualEvent] = {}
    properties: dict[str, ComputedProperty] = {}
    cohorts: dict[str, Cohort] = {}
    metrics: dict[str, Metric] = {}
    questions: dict[str, SavedQuestion] = {}


class InForce(Struct, frozen=True):
    """The definitions a question is answered with; ``digest`` tells them from any others."""

    digest: str
    events: dict[str, VirtualEvent] = {}
    properties: dict[str, ComputedProperty] = {}
    cohorts: dict[str, Cohort] = {}
    metrics: dict[str, Metric] = {}


TYPES: Final[dict[KindName, type[Struct]]] = {
    "events": VirtualEvent, "properties": ComputedProperty, "cohorts": Cohort, "metrics": Metric,
    "questions": SavedQuestion,
}  # fmt: skip


def in_force(definitions: Definitions) -> InForce:
    """Return definitions as a scope has them."""
    return InForce(
        hash128(encode_definitions(definitions).decode()).hex(),
        definitions.events, definitions.properties, definitions.cohorts, definitions.metrics,
    )  # fmt: skip


def encode_definitions(definitions: Definitions | Definition) -> bytes:
    """Return definitions as JSON; the same ones always give the same bytes."""
    return _encode(definitions)


def decode_definitions(text: bytes | str) -> Definitions:
    """Return definitions from JSON; raises msgspec errors for what is none."""
    return _DECODER.decode(text)


_encode = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode
_DECODER: Final = msgspec.json.Decoder(Definitions, float_hook=Decimal)
