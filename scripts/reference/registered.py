"""The pages of what is registered: codes, settings, tables, fields, formats, insights."""

from collections import Counter
from collections.abc import Mapping

import msgspec

from tallymark.collect.listeners.listener import Listener
from tallymark.collect.protocol import Protocol
from tallymark.collect.sources.source import Source
from tallymark.core.errors import CODES
from tallymark.core.policy import Policy
from tallymark.core.registry import discover
from tallymark.core.settings import Settings
from tallymark.insights.fields import NAMES, Field, field
from tallymark.insights.insight import Insight, Scope
from tallymark.store.tables import EVENT, SCHEMA_VERSION, TABLES
from tallymark.store.views import VIEWS

from .markdown import page, table
from .schema import FILTERS, fields, schema_text, summary

_FIELD_MEANINGS = {
    "account": "the account's id, as sent",
    "anonymous_id": "the anonymous id, as sent",
    "consent_basis": "what it is kept on: consent, contract, cookieless or unasked",
    "event": "the event's name",
    "person": "number of the person, as all links known by now resolve it",
    "received_at": "when we received it",
    "session": "the session id, if the client sent one",
    "time": "when it happened",
    "user_id": "the user id, as sent",
}
_BESIDE = (
    "PostHog's with a `batch`, or with `api_key`, `token`, `distinct_id`, `uuid`, `timestamp` or"
    " `offset` beside the first event; else Mixpanel's"
)
# An address that comes to be shared has to be told here.
_TOLD_APART = {
    "/batch": "Amplitude's with `events`, else PostHog's.",
    "/decide": "PostHog's by POST, Mixpanel's by GET.",
    "/engage": f"{_BESIDE}, whose members begin with `$`.",
    "/flags": "PostHog's by POST, Mixpanel's by GET.",
    "/i": "Segment's by POST, Snowplow's by GET.",
    "/s": "Segment's with `writeKey` or `messageId`, else PostHog's.",
    "/track": f"{_BESIDE}, which says such things among the `properties`: an array of events with a token there and no more is Mixpanel's.",
}


_PROFILE_FIELDS = [
    ("`person.<name>`", "the person of the event, made of all of their ids"),
    ("`account.<name>`", "the account of the event"),
    ("`group.<type>.<name>`", "the event's group of that type; `account` is one of them"),
]
_MOMENTS = [
    ("none, or `@event`", "that held at the time of the event, the instant itself included"),
    ("`@now`", "with everything that was told up to the answer's log position"),
    ("`@2026-01-31`", "at the first instant of that day, in the time zone of the question"),
    ("`@2026-01-31T10:00:00Z`", "at that instant"),
]


def errors() -> str:
    """Return the page of error codes, grouped by the stage they arise in."""
    text = [
        "# Error codes",
        "",
        "A code is public and never changes its meaning. The same code stands in an HTTP answer, in",
        "a failed event and in a metric label. The status is what an HTTP request gets when the code",
        "refuses the whole request; within a batch it belongs to one item.",
    ]
    for stage in dict.fromkeys(code.stage for code in CODES.values()):
        rows = [
            (f"`{code.code}`", str(code.status), code.meaning, code.fix)
            for code in CODES.values()
            if code.stage == stage
        ]
        text += ["", f"## {stage}", "", table(("code", "status", "meaning", "what to do"), rows)]
    return page(text)


def settings() -> str:
    """Return the page of settings and of the privacy policy of a project."""
    text = [
        "# Settings",
        "",
        "Each source overrides the one before it: the default, `tallymark.toml` in the data folder",
        "(or, if there is none, in the working folder), an environment variable, a command-line flag.",
        "The variable of a setting is its name in capitals after `TALLYMARK_`, so `port` is",
        "`TALLYMARK_PORT`. Sizes are bytes. An unknown name in the file, or a wrong value, is refused",
        "at start.",
        "",
        fields(Settings),
        "",
        "## Privacy policy of a project",
        "",
        "What a project allows to be kept. It is applied before an event reaches the log.",
        "",
        fields(Policy),
    ]
    return page(text)


def store() -> str:
    """Return the page of the tables of a project's store."""
    text = [
        "# Tables of the store",
        "",
        f"One DuckDB file a project, schema version {SCHEMA_VERSION}. Instants are microseconds since",
        "1970 UTC. Surrogate keys are positive; NULL means none. `seq` orders everything: it is the",
        "position of the batch in the log times 65536, plus the place in the batch.",
    ]
    for one in TABLES:
        rows = [(f"`{column.name}`", column.type, column.meaning) for column in one.columns]
        text += ["", f"## {one.name}", "", f"A row is {one.row}.", ""]
        text += [table(("column", "type", "meaning"), rows)]
    return page(text)


def event_fields() -> str:
    """Return the page of what a question may filter and break down by."""
    scope = Scope("", "UTC", now=0, log_position=0, event_names={}, properties={})
    meanings = {column.name: column.meaning for column in EVENT.columns} | _FIELD_MEANINGS
    rows = [(f"`{name}`", _field_type(field(name, scope)), meanings[name]) for name in NAMES]
    text = [
        "# Fields",
        "",
        "What a question may filter and break down by. Anything of `properties` is written",
        '`properties.<name>`, with the name as it was sent; the text `"1"` and the number `1` stay two',
        "values. A name that no event has carried gives a warning and matches nothing.",
        "`computed.<name>` is a [computed property](definitions.md) of the project, and",
        "`cohort.<name>` whether the person or account is in a cohort.",
        "",
        table(("field", "type", "meaning"), rows),
        "",
        "## Of the person, the account or another group",
        "",
        "What was [told](events.md) of whoever an event is by, by people's traits and other operations",
        "on profiles. It is any property that `tallymark who` shows.",
        "",
        table(("field", "whose"), _PROFILE_FIELDS),
        "",
        "A moment may follow the name. [Which one to choose](../how-to/ask.md#as-of-which-moment) is",
        "told apart.",
        "",
        table(("moment", "the value"), _MOMENTS),
        "",
        "The value is text, a number, true or false, or JSON, and is compared like a property of the",
        "event. Text after the last `@` that is no moment belongs to the name, so `person.a@b` is the",
        "property `a@b`; one that is named `a@now` is written `person.a@now@event`.",
    ]
    return page(text)


def _field_type(found: Field) -> str:
    kinds = {"text": found.text, "number": found.number, "true or false": found.truth}
    return next((kind for kind, slot in kinds.items() if slot is not None), "time")


def filters() -> str:
    """Return the page of what a filter can say."""
    rows = []
    for schema in FILTERS.values():
        parts = {name: one for name, one in schema["properties"].items() if name != "op"}
        takes = ", ".join(f"`{name}`" for name in parts)
        rows.append((f"`{schema['properties']['op']['enum'][0]}`", takes, summary(schema)))
    text = [
        "# Filters",
        "",
        'A filter is an object with an `op`, such as `{"op": "equals", "field": "browser", "value":',
        '"Firefox"}`. `and`, `or` and `not` hold other filters. `field` is one of the',
        "[fields](fields.md), `properties.<name>`, or of a profile such as `person.<name>@now`.",
        "`in_cohort` takes the name of a [cohort](definitions.md#cohorts), or its definition.",
        "",
        table(("op", "takes", "holds where"), rows),
        "",
        "Values of text operators are text, compared case and all. `gt`, `gte`, `lt`, `lte` and",
        "`between` take a number or, for a time, an RFC 3339 instant or a local date.",
        "Numbers are compared at [nine places](../explanation/numbers.md).",
        "",
        "On the command line filters are written as one reads them:",
        "`--filter 'plan = pro and country in (DE, FR)'`.",
    ]
    return page(text)


def files() -> str:
    """Return the page of the file formats."""
    sources = discover("tallymark.collect.sources", Source)
    rows = [(f"`{name}`", source.summary) for name, source in sources.items()]
    text = [
        "# File formats",
        "",
        "What `tallymark load <format> <file>` reads. [How to load a file](../how-to/load-a-file.md)",
        "tells how.",
        "",
        table(("format", "what it is"), rows),
    ]
    return page(text)


def listeners() -> str:
    """Return the page of what can be followed."""
    found = discover("tallymark.collect.listeners", Listener)
    rows = [
        (f"[`{name}`](cli.md#tallymark-follow-{name})", listener.summary)
        for name, listener in found.items()
    ]
    text = [
        "# Listeners",
        "",
        "What `tallymark follow <listener>` sends as it goes on.",
        "[How to follow](../how-to/follow.md) tells how.",
        "",
        table(("listener", "what it is"), rows),
    ]
    return page(text)


def protocols() -> str:
    """Return the page of the wire protocols."""
    found = discover("tallymark.collect.protocols", Protocol)
    rows = [
        (f"`{name}`", one.summary, ", ".join(f"`{method} {path}`" for method, path in one.routes))
        for name, one in found.items()
    ]
    asked = [
        (f"`{name}`", ", ".join(f"`{at.method} {at.path}`" for at in one.endpoints))
        for name, one in found.items()
        if one.endpoints
    ]
    text = [
        "# Wire protocols",
        "",
        "The ways to send events over HTTP. [Events](events.md) describes the native one. Each of the",
        "others is also answered under its name, such as `/segment/v1/batch`; where two share an",
        "address, what was sent tells them apart. A slash at the end makes no difference.",
        "",
        table(("protocol", "what it is", "routes"), rows),
    ]
    text += ["", "## Shared addresses", "", table(("address", "whose a request is"), shared(found))]
    if asked:
        text += ["", "## Other addresses"]
        text += ["", "Their clients also ask for:", "", table(("protocol", "addresses"), asked)]
    return page(text)


def sql_views() -> str:
    """Return what a question in SQL can read."""
    text = [
        "# SQL",
        "",
        "One `SELECT`, in [DuckDB's dialect](https://duckdb.org/docs/sql/introduction), over these",
        "views: `tallymark sql 'SELECT …'`, `POST /tm/v1/sql`, or `sql` in Python.",
        "",
        "It reads a copy of the project's events, made when the last one is older than",
        "`max_age_seconds` and something came since; the answer tells the copy's age and log position.",
        "Robots are in it: leave them out with `WHERE is_bot IS NOT TRUE`. A custom property is",
        "`prop_text['plan']`, `prop_number['seats']::DECIMAL(38,9)` or `prop_other['beta']`, by the type",
        "it was sent with. Times are in UTC.",
        "",
        "The statement runs in a process that has the copy and nothing else: no other file, no network,",
        "`sql_memory_bytes` of memory and `sql_seconds` of time, which the kernel sees to.",
    ]
    for view in VIEWS:
        rows = [(f"`{column.name}`", column.type, column.meaning) for column in view.columns]
        text += ["", f"## {view.name}", "", f"A row is {view.row}.", ""]
        text += [table(("column", "type", "meaning"), rows)]
    return page(text)


def shared(found: Mapping[str, Protocol]) -> list[tuple[str, str]]:
    """Return how the requests at each address of several protocols are told apart."""
    claims = Counter(
        path
        for one in found.values()
        for path in {*(path for _, path in one.routes), *(at.path for at in one.endpoints)}
    )
    return [(f"`{path}`", _TOLD_APART[path]) for path in sorted(claims) if claims[path] > 1]


def insights() -> Mapping[str, Insight]:
    """Return every insight, by name."""
    return discover("tallymark.insights", Insight)


def insight_list() -> str:
    """Return the index of the insights."""
    rows = [(f"[{name}]({name}.md)", one.summary) for name, one in insights().items()]
    text = [
        "# Insights",
        "",
        "An insight is one kind of question. Ask it with `POST /tm/v1/ask/<name>`, with",
        "`tallymark ask <name>`, or from Python.",
        "",
        "Each page has an example in full: events, one a line with when, who, what and its properties",
        "(`~phone` is an anonymous id, `u1..u9` are nine people, `x2` is twice, `has` tells of a person,",
        "`is` links two ids), then questions, and below each what its answer says. A test asks them.",
        "",
        table(("insight", "what it answers"), rows),
    ]
    return page(text)


def insight_page(insight: Insight) -> str:
    """Return the page of one insight: its question, the parts of it, and an example."""
    asked = [insight.question, *([insight.place] if insight.place else [])]
    _, components = msgspec.json.schema_components(asked, ref_template="#{name}")
    root, place = insight.question.__name__, insight.place and insight.place.__name__
    text = [f"# {insight.name}", "", insight.summary, "", "An example:", "", "```json"]
    text += [msgspec.json.format(msgspec.json.encode(insight.example), indent=2).decode(), "```"]
    if insight.rules:
        text += ["", "## What is counted", "", insight.rules.strip()]
    for name in [root, *(name for name in components if name != root and name not in FILTERS)]:
        text += ["", f"## {name}", "", schema_text(components[name])]
        if name == place:
            text += [
                "",
                "To list who is behind that number, ask [people](people.md) with `behind`.",
            ]
    return page(text)
