"""What the routes answer with where the store or the rest of the server makes the answer."""

from typing import Annotated

from msgspec import Meta, Struct

from tallymark.core.event import FailedStatus


class FailedEvent(Struct, frozen=True):
    """Something refused, in conflict or set aside, kept with its reason."""

    seq: Annotated[int, Meta(description="Place in the log.")]
    received_us: Annotated[int, Meta(description="When it came, in microseconds since 1970.")]
    source: Annotated[str, Meta(description="Public part of the key that sent it.")]
    protocol: Annotated[str, Meta(description="Wire protocol it came by.")]
    stage: Annotated[str, Meta(description="Where it failed: transport, decode, envelope …")]
    code: Annotated[str, Meta(description="Error code.")]
    message: Annotated[str, Meta(description="What was wrong.")]
    path: Annotated[str | None, Meta(description="Field that is wrong, or line of a file.")]
    event_id: Annotated[str | None, Meta(description="Its id, if that could be read.")]
    event_name: Annotated[str | None, Meta(description="Its name, if that could be read.")]
    first_seq: Annotated[
        int | None, Meta(description="Of a conflict: place of the event that holds the id.")
    ]
    raw: Annotated[
        bytes,
        Meta(
            description="What was sent, as base64 (RFC 4648) of its bytes, which need not be text;"
            " of what is longer than `max_failed_bytes`, the beginning."
        ),
    ]
    raw_bytes: Annotated[int, Meta(description="How many bytes were sent, before any cut.")]
    status: Annotated[FailedStatus, Meta(description="What became of it since.")]


class FailedPage(Struct, frozen=True):
    """A page of failed events, newest first."""

    failed: list[FailedEvent]
    counts: Annotated[dict[str, int], Meta(description="Those open in all, by error code.")]
    cursor: Annotated[str | None, Meta(description="Where the next page begins; null on the last.")]
