"""What is told of somebody's consent: every record there is, and what of them holds."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from tallymark.core.consents import ConsentSource
from tallymark.core.policy import Purpose


class ProvenConsent(Struct, frozen=True):
    """One choice for one purpose, as it was kept when it was made. Times are RFC 3339 in UTC."""

    seq: Annotated[int, Meta(description="Place in the log.")]
    purpose: Purpose
    state: Annotated[
        Literal["granted", "withdrawn"], Meta(description="Of a refusal nothing is kept.")
    ]
    at: Annotated[str, Meta(description="When it was said.")]
    received_at: Annotated[str, Meta(description="When it came.")]
    source: Annotated[
        ConsentSource,
        Meta(
            description="sdk: a browser or app; api: your server; tcf, gpp: a consent string; import: a"
            " file."
        ),
    ]
    policy_version: Annotated[str | None, Meta(description="The privacy text it is about.")]
    ui_version: Annotated[str | None, Meta(description="The form it was said in.")]
    raw: Annotated[str | None, Meta(description="The consent string it was read from.")]
    jurisdiction: str | None
    expires_at: Annotated[
        str | None, Meta(description="When it counts as nothing said; null if it lasts.")
    ]
    previous: Annotated[
        int | None, Meta(description="The record that held before it, of the same id and purpose.")
    ]


class HeldConsent(Struct, frozen=True):
    """What holds for one purpose; ``seq`` is the record that says so."""

    state: Annotated[
        Literal["granted", "withdrawn", "unknown"],
        Meta(description="A yes that has run out is unknown."),
    ]
    since: str
    expires_at: str | None
    seq: int


class ConsentProof(Struct, frozen=True):
    """What one person agreed to: what holds at an instant, and every record, oldest first.

    Of a purpose that is not there nobody said yes: what was refused is not kept.
    """

    kind: str
    id: str
    at: Annotated[str, Meta(description="The instant that `holds` is about.")]
    holds: Annotated[dict[str, HeldConsent], Meta(description="By purpose.")]
    records: list[ProvenConsent]
