"""What the routes answer with where the store or the rest of the server makes the answer."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from tallymark.core.event import Outcome

from .drift_answers import Compared


class FailedBrief(Struct, frozen=True):
    """Why something of an id was refused."""

    seq: int
    received_us: int
    stage: str
    code: str
    message: str
    path: str | None


class CountedEvent(Struct, frozen=True):
    """The event that counts for an id."""

    seq: Annotated[int, Meta(description="Place in the log.")]
    name: str
    time_us: Annotated[int, Meta(description="When it happened, in microseconds since 1970.")]
    time_client_us: Annotated[int | None, Meta(description="When its client said it happened.")]
    received_us: Annotated[int, Meta(description="When it came.")]
    source: Annotated[str, Meta(description="Public part of the key that sent it.")]
    protocol: Annotated[str, Meta(description="Wire protocol it came by.")]
    flags: Annotated[str | None, Meta(description="Quality flags, between commas.")]


class Repeat(Struct, frozen=True):
    """The same event sent once more."""

    seq: int
    received_us: int


class EventFate(Struct, frozen=True):
    """What became of an event id. The last three fields are there if an event of it counts."""

    id: str
    outcome: Literal["counted", "refused"]
    failed: list[FailedBrief]
    seq: int | UnsetType = UNSET
    event: list[CountedEvent] | UnsetType = UNSET
    duplicates: list[Repeat] | UnsetType = UNSET


class LedgerLine(Struct, frozen=True):
    """How many items of one minute met one outcome."""

    minute_us: Annotated[int, Meta(description="Start of the minute of receipt.")]
    source: str
    protocol: str
    outcome: Outcome
    reason: Annotated[str, Meta(description="Error code, or empty.")]
    items: int


class LedgerPage(Struct, frozen=True):
    """The receipt ledger: what was received is the sum of the other outcomes."""

    totals: Annotated[dict[str, int], Meta(description="Items by outcome, of all time.")]
    balanced: bool
    lines: list[LedgerLine]


class Holdings(Struct, frozen=True, kw_only=True):
    """How far the store of a project is, and what it holds."""

    project: str
    log_position: Annotated[int, Meta(description="Last place in the log that is loaded.")]
    identity_position: int
    events: int
    first_time_us: int | None
    last_time_us: int | None
    last_received_us: int | None
    actors: Annotated[int, Meta(description="Ids of people.")]
    failed_events: int
    ledger: dict[str, int]
    balanced: bool


class Status(Holdings, frozen=True, kw_only=True):
    """How far log and store of a project are, and what they hold."""

    log_head: Annotated[int, Meta(description="Last durable place in the log.")]
    log_error: Annotated[str | None, Meta(description="Why the log takes nothing, if so.")]
    behind: Annotated[int, Meta(description="Places of the log that are not loaded yet.")]


class SourceQuality(Struct, frozen=True):
    """What one key, or site, sent by one protocol.

    ``failed`` and ``dropped`` are items by reason; ``observed`` is what was not as planned of others, by
    code. ``received_week_ago`` is the same span a week
    before. Lateness in seconds is None where no event with a time of its own was counted.
    """

    source: str
    protocol: str
    received: int
    outcomes: dict[str, int]
    failed: dict[str, int]
    dropped: dict[str, int]
    observed: dict[str, int]
    received_week_ago: int
    first_received_us: int | None
    last_received_us: int | None
    late_p50_seconds: float | None = None
    late_p95_seconds: float | None = None
    skewed: int = 0
    bots: int = 0
    without_id: int = 0


class Drift(Struct, frozen=True):
    """Property names that are new, that came before and no more, and that come in several types."""

    new: list[str]
    vanished: list[str]
    mixed: list[str]


class Monitored(Struct, frozen=True):
    """One thing the tracking plan expects of the stream of an event, and what is so.

    Of freshness the figure is in seconds, of volume in events, of a null rate a share, of drift the
    largest population stability index of a source.
    """

    event: str
    what: Literal["freshness", "volume", "null_rate", "drift"]
    property: Annotated[str | None, Meta(description="Of a null rate or drift.")]
    found: Annotated[float | None, Meta(description="Null where nothing has come.")]
    low: Annotated[float | None, Meta(description="Least that is expected.")]
    high: Annotated[float | None, Meta(description="Most that is expected.")]
    is_met: Annotated[bool | None, Meta(description="Null where too little has come to say.")]


class Quality(Struct, frozen=True):
    """What arrived since an instant, by source, those with most first, and what is expected."""

    since_us: int
    until_us: int
    sources: list[SourceQuality]
    drift: Drift
    monitors: Annotated[list[Monitored], Meta(description="By event, as the plan says.")]
    compared: Annotated[Compared, Meta(description="How properties drift, by source and event.")]


class CheckedLog(Struct, frozen=True):
    """What a full check of a log found; ``first_broken`` is where its chain of hashes breaks."""

    ok: bool
    first: int = 0
    head: int = 0
    batches: int = 0
    items: int = 0
    erased: int = 0
    damaged: tuple[int, ...] = ()
    chain_ok: bool = True
    first_broken: int | None = None


class CheckedStore(Struct, frozen=True):
    """What a recount of a store found; nothing ``wrong`` means that everything agrees."""

    project: str
    events: int
    ledger: dict[str, int]
    wrong: list[str]


class CheckedProject(Struct, frozen=True):
    """What a check of a project found."""

    log: CheckedLog
    store: CheckedStore


class Verified(Struct, frozen=True):
    """Whether everything fits together, by project."""

    ok: bool
    projects: dict[str, CheckedProject]


class FileEntry(Struct, frozen=True):
    """One file of a backup: its size in bytes and the BLAKE2b-256 of its content."""

    path: str
    size_bytes: int
    blake2b: str


class ProjectEntry(Struct, frozen=True):
    """What a backup holds of one project."""

    log_head: int
    log_items: int
    store_position: int
    events: int
    ledger: dict[str, int]


class Manifest(Struct, frozen=True):
    """What a backup holds."""

    format: int
    version: str
    created_at: int
    files: list[FileEntry]
    projects: dict[str, ProjectEntry]


class ReplayExample(Struct, frozen=True):
    """One failed event before and after its repairs, and what became of it."""

    seq: int
    outcome: Annotated[str, Meta(description="fixed, still_failed, suppressed or duplicate.")]
    code: str
    message: str
    before: Annotated[Any, Meta(description="As repairs see it; null if it cannot be read.")]
    after: Any


class ReplayReport(Struct, frozen=True, rename={"taken": "in"}):
    """What became of the failed events of a run; ``reasons`` counts the codes of those not stored."""

    dry_run: bool
    taken: int
    fixed: int
    still_failed: int
    suppressed: int
    duplicate: int
    reasons: dict[str, int]
    examples: list[ReplayExample]


class Marked(Struct, frozen=True):
    """How many failed events got another status."""

    marked: int


class DescribedInsight(Struct, frozen=True):
    """One kind of question, with the JSON schema of what may be asked and an example."""

    name: str
    summary: str
    view: str
    question: dict[str, Any]
    example: dict[str, Any]


class Insights(Struct, frozen=True):
    """The questions there are."""

    insights: list[DescribedInsight]


class Alive(Struct, frozen=True):
    """The process runs."""

    alive: bool = True


class Readiness(Struct, frozen=True):
    """What works: ``ok``, or the error code of what does not."""

    ready: bool
    checks: dict[str, str]


class OptedOut(Struct, frozen=True):
    """Whether this browser is left out."""

    opted_out: bool


class Honoured(Struct, frozen=True, rename="camel"):
    """That Global Privacy Control is honoured, and since when."""

    gpc: bool
    last_update: str


class Underway(Struct, frozen=True):
    """A question being answered: seconds so far, its statement, and how much of that is done."""

    id: str
    project: str
    insight: str
    seconds: float
    statement: int
    statements: int
    percent: float | None


class Questions(Struct, frozen=True):
    """The questions being answered now."""

    questions: list[Underway]


class SqlRows(Struct, frozen=True):
    """Rows of a question in SQL, of the events up to a log position, as copied so long ago."""

    columns: list[str]
    types: list[str]
    rows: list[list[Any]]
    is_cut: bool
    log_position: int
    copied_at: str
    age_seconds: int
    took_ms: float
    version: str


class Stopped(Struct, frozen=True):
    """Whether a question was stopped."""

    stopped: bool


class Change(Struct, frozen=True):
    """One number that differs, by the cells that name its row; ``causes`` add up to the difference.

    ``nth`` tells rows that are named alike apart, counted from 1.
    """

    row: list[Any]
    nth: int
    column: str
    before: int | float | None
    after: int | float | None
    causes: dict[str, int | float]


class Explained(Struct, frozen=True):
    """What makes two answers differ; ``keys`` are the columns that name a row.

    ``unchanged`` numbers are the same in both.
    """

    insight: str
    before: str
    after: str
    keys: list[str]
    changes: list[Change]
    unchanged: int
