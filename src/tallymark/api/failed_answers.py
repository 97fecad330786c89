"""What is told of a failed event: a row of a page, and a line of an export."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from tallymark.core.event import FailedStatus

Severity: TypeAlias = Annotated[
    Literal["reject", "quarantine"] | None,
    Meta(
        description="reject if its sender was told, quarantine if it was told of a success; null of a"
        " failure of the plan that an older version stored."
    ),
]
Retryable: TypeAlias = Annotated[
    bool, Meta(description="Whether the same may be sent again and succeed, nothing being changed.")
]
Place: TypeAlias = Annotated[
    int | None, Meta(description="Place in its request; null of a whole request, or if not known.")
]
Attempts: TypeAlias = Annotated[
    int, Meta(description="How often it was tried: once, and once more for each replay.")
]
Sampled: TypeAlias = Annotated[
    int,
    Meta(
        description="How many failures it stands for: more than 1 if others came too fast to be kept."
    ),
]


class FailedError(Struct, frozen=True):
    """One thing that is wrong. ``got`` is a kind such as ``string``, never what was sent."""

    path: Annotated[str, Meta(description="Field that is wrong, or line of a file; may be empty.")]
    rule: Annotated[str, Meta(description="What it is against, such as type, enum or required.")]
    expected: Annotated[str, Meta(description="What would have been right; empty if not known.")]
    got: Annotated[str, Meta(description="Of which kind it was; empty if not known.")]
    schema: Annotated[
        str, Meta(description="Event and version of the tracking plan, if it says so.")
    ]
    msg: Annotated[str, Meta(description="The same in words.")]


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
            " of what is longer than `max_failed_bytes`, the beginning; nothing once its time has ended,"
            " `failed_keep_days` after it came."
        ),
    ]
    raw_bytes: Annotated[int, Meta(description="How many bytes were sent, before any cut.")]
    status: Annotated[FailedStatus, Meta(description="What became of it since.")]
    severity: Severity
    retryable: Retryable
    errors: Annotated[list[FailedError], Meta(description="All that is wrong with it.")]
    batch_index: Place
    event_time_us: Annotated[int | None, Meta(description="When it happened, if it had been read.")]
    sdk_name: Annotated[str | None, Meta(description="SDK that sent it, if it said so.")]
    sdk_version: str | None
    server_version: Annotated[str | None, Meta(description="The Tallymark that judged it.")]
    plan_version: Annotated[int | None, Meta(description="The tracking plan that held then.")]
    attempts: Attempts
    replay_of: Annotated[
        int | None, Meta(description="The failed event whose replay it was, by place in the log.")
    ]
    sampled: Sampled


class FailedPage(Struct, frozen=True):
    """A page of failed events, newest first."""

    failed: list[FailedEvent]
    counts: Annotated[dict[str, int], Meta(description="Those open in all, by error code.")]
    statuses: Annotated[dict[str, int], Meta(description="Those there are in all, by status.")]
    cursor: Annotated[str | None, Meta(description="Where the next page begins; null on the last.")]


class KeptBytes(Struct, frozen=True):
    """What is kept of what was sent: text if it is, else base64."""

    enc: Literal["utf8", "base64"]
    sha256: Annotated[
        str | None, Meta(description="Of the bytes in data; null once they are kept no longer.")
    ]
    bytes: Annotated[int, Meta(description="How many were sent, before any cut.")]
    data: str


class Program(Struct, frozen=True):
    """A program by name and version, null where it did not say."""

    name: str | None
    ver: str | None


class Judge(Struct, frozen=True):
    """What judged it: the version of Tallymark, and of the tracking plan if there was one."""

    ver: str | None
    plan_version: int | None


class FailedEnvelope(Struct, frozen=True):
    """A failed event as a line of an export. Times are RFC 3339 in UTC."""

    v: Literal[1]
    failed_id: Annotated[str, Meta(description="The same in every export.")]
    project: str
    seq: Annotated[int, Meta(description="Place in the log.")]
    source_key: Annotated[str, Meta(description="Public part of the key that sent it.")]
    protocol: str
    received_at: str
    stage: str
    code: str
    severity: Severity
    retryable: Retryable
    errors: list[FailedError]
    event_id: str | None
    event_name: str | None
    event_time: str | None
    batch_id: Annotated[int, Meta(description="The request it came with: its place in the log.")]
    batch_index: Place
    first_seq: int | None
    raw: KeptBytes
    sdk: Program
    server: Judge
    attempts: Attempts
    replay_of: str | None
    sampled: Sampled
    status: FailedStatus
