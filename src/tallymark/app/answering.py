"""One question to one answer: decode, write SQL, run within limits, shape, say where it came from."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import tzdata
from msgspec import Struct
from numpy.typing import NDArray

from tallymark import __version__
from tallymark.app.cohorts import Holding
from tallymark.collect.protocol import Protocol
from tallymark.core.clock import Clock
from tallymark.core.errors import InvalidQuery, misfit
from tallymark.core.ids import hash128
from tallymark.core.registry import did_you_mean, discover, lookup
from tallymark.core.settings import Settings
from tallymark.core.sql import Sql, sql
from tallymark.core.structs import learn
from tallymark.insights.definitions import (
    Definitions,
    decode_definitions,
    encode_definitions,
    in_force,
)
from tallymark.insights.insight import (
    Columnar,
    Insight,
    Provenance,
    Result,
    Scope,
    Statement,
    Table,
)
from tallymark.insights.pages import BEHIND, Behind
from tallymark.insights.references import used
from tallymark.store.engine import Engine, Fetch, Limits, Reading, Rows
from tallymark.store.engines.duckdb import engine_version
from tallymark.store.tables import MOST_PROPERTIES

_canonical = msgspec.json.Encoder(order="deterministic", decimal_format="number")
_EVENT_NAMES = Sql("SELECT name, event_key FROM event_name ORDER BY event_key")
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Answered(Struct, frozen=True):
    """An answer as it is sent: shaped data, the same as a flat table, and its provenance."""

    data: Any
    view: str
    table: Table
    provenance: Provenance


class Asking(Struct, frozen=True):
    """A question as it comes: which insight, of which project, and the project's time zone.

    ``definitions`` are the project's as JSON, of the version named; without them names mean nothing.
    """

    project: str
    insight: str
    question: Any
    timezone: str = "UTC"
    seconds: float | None = None
    definitions: str | None = None
    definitions_version: int | None = None


def insights() -> Mapping[str, Insight]:
    """Return every insight that can be asked, by name."""
    return discover("tallymark.insights", Insight)


def learn_all() -> None:
    """Import every insight and protocol and learn their structs, while there is one thread."""
    insights()
    discover("tallymark.collect.protocols", Protocol)
    learn()


def answer(engine: Engine, asking: Asking, settings: Settings, clock: Clock) -> bytes:
    """Return the JSON of an ``Answered``; raises InvalidQuery, NotFound or QuestionStopped."""
    with engine.reading(asking.project, limits_of(asking, settings)) as reading:
        return _encode(answered(asking, reading, settings, clock))


def limits_of(asking: Asking, settings: Settings) -> Limits:
    """Return what a question may take."""
    return Limits(
        seconds=min(asking.seconds or settings.question_seconds, settings.question_seconds),
        memory_bytes=settings.question_memory_bytes,
        rows=settings.question_rows,
    )


def answered(asking: Asking, reading: Reading, settings: Settings, clock: Clock) -> Answered:
    """Return the answer to a question on one commit; raises InvalidQuery or NotFound."""
    insight = lookup(insights(), asking.insight, "insight")
    question = decode_question(insight, asking.question)
    started = clock.monotonic()
    scope, identity_position = _scope(reading, asking, settings, clock)
    definitions = None if asking.definitions is None else decode_definitions(asking.definitions)
    if definitions is not None:
        scope = msgspec.structs.replace(scope, definitions=in_force(definitions))
    computed = compute(insight, question, scope, reading)
    provenance = Provenance(
        insight=insight.name,
        definition=_definition(insight, question, definitions),
        project=asking.project,
        log_position=scope.log_position,
        identity_position=identity_position,
        timezone=getattr(question, "timezone", None) or scope.timezone,
        timezone_data=tzdata.IANA_VERSION,
        engine=engine_version(),
        version=__version__,
        rows_read=computed.rows_read,
        took_ms=round((clock.monotonic() - started) * 1000, 1),
        definitions_version=asking.definitions_version,
    )
    return Answered(computed.data, insight.view, insight.table(computed.data), provenance)


def _definition(insight: Insight, question: Any, definitions: Definitions | None) -> str:
    """Return what stands for the question and for every definition it names."""
    named = {} if definitions is None else used(question, definitions)
    parts = [f"{kind} {name} {encode_definitions(one).decode()}" for (kind, name), one in named.items()]  # fmt: skip
    return hash128(insight.name, _canonical.encode(question).decode(), *parts).hex()


class Computed(Struct, frozen=True):
    """The shaped data of a question, and how many rows it was made of."""

    data: Any
    rows_read: int


def compute(insight: Insight, question: Any, scope: Scope, reading: Reading) -> Computed:
    """Answer a decoded question on one commit; raises InvalidQuery for what cannot be asked."""
    if insight.pinned is not None:
        scope = insight.pinned(question, scope)
    holding = reading if isinstance(reading, Holding) else Holding(reading, members_of)
    question = _prepared(insight, question, scope, holding)
    behind = getattr(question, "behind", None)
    if behind is not None:
        holding.hold(BEHIND, {"key": members_of(behind, scope, holding)})
    results = _results(insight.to_sql(question, scope), holding)
    data = insight.shape(question, scope, results)
    return Computed(data, sum(_length(result) for result in results))


def members_of(behind: Behind, scope: Scope, reading: Reading) -> NDArray[np.int64]:
    """Return the keys of who is behind a number; raises InvalidQuery if nobody can be."""
    insight = lookup(insights(), behind.insight, "insight")
    if insight.members is None or insight.place is None:
        known = [one.name for one in insights().values() if one.members is not None]
        raise InvalidQuery(
            f"Who is behind a number of {insight.name} cannot be listed this way.",
            hint=f"These can: {', '.join(known)}.",
            path="behind.insight",
        )
    holding = reading if isinstance(reading, Holding) else Holding(reading, members_of)
    # As JSON, because numbers with a point in it were read as decimals.
    asked = decode_question(insight, _encode(behind.question))
    question = _prepared(insight, asked, scope, holding)
    place = _converted(behind.place, insight.place, "behind.place.")
    found = insight.members(question, place, scope)
    return found.keys(_results(found.statements, holding))


def _prepared(insight: Insight, question: Any, scope: Scope, holding: Holding) -> Any:
    """Return the question without names, once the members of its cohorts are held."""
    if insight.expand is not None:
        question = insight.expand(question, scope)
    holding.hold_for(question, scope)
    for value, moment in insight.asked_of(question, scope) if insight.asked_of else ():
        holding.hold_for(value, moment)
    return question


def _results(statements: Sequence[Statement], reading: Reading) -> list[Result]:
    return [
        reading.arrays(one.statement) if isinstance(one, Columnar) else reading(one)
        for one in statements
    ]


def _length(result: Result) -> int:
    if isinstance(result, Rows):
        return len(result.rows)
    return len(next(iter(result.values()), ()))


def decode_question(insight: Insight, question: Any) -> Struct:
    """Return the question as the insight's struct; InvalidQuery names the field that is wrong."""
    try:
        if isinstance(question, bytes | str):
            decoder = msgspec.json.Decoder(insight.question, float_hook=Decimal)
            decoded: Struct = decoder.decode(question)
        else:
            decoded = _converted(question, insight.question, "")
    except msgspec.ValidationError as error:
        text, path = misfit(error)
        raise InvalidQuery(text, path=path, hint=_hint(insight, text)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidQuery(f"The question is not valid JSON: {error}.") from None
    except RecursionError:
        raise InvalidQuery("The question is nested too deeply.") from None
    return decoded


def _converted(given: Any, kind: type[Struct], prefix: str) -> Any:
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        if not prefix:
            raise
        text, path = misfit(error)
        raise InvalidQuery(text, path=f"{prefix}{path or ''}".rstrip(".")) from None


def _hint(insight: Insight, text: str) -> str | None:
    if "unknown field" not in text:
        return None
    wrong = text.partition("`")[2].partition("`")[0]
    known = insight.question.__struct_fields__
    return did_you_mean(wrong, known) or f"Known fields: {', '.join(known)}."


def _scope(fetch: Fetch, asking: Asking, settings: Settings, clock: Clock) -> tuple[Scope, int]:
    counters = dict(fetch(Sql("SELECT name, amount FROM progress")).rows)
    properties: dict[str, frozenset[Any]] = {}
    page = settings.question_rows
    known = _every(fetch, Sql('SELECT name, "class" FROM property ORDER BY ALL'), page)
    for name, kind in known:
        properties[name] = properties.get(name, frozenset()) | {kind}
    overrides = fetch(Sql("SELECT count(*) FROM person_override WHERE NOT is_folded")).rows[0][0]
    identity_position = counters.get("identity_position", 0)
    scope = Scope(
        project=asking.project,
        timezone=asking.timezone,
        now=clock.now(),
        log_position=counters.get("log_position", 0),
        event_names=dict(_every(fetch, _EVENT_NAMES, page)),
        properties=properties,
        has_overrides=overrides > 0,
        identity_position=identity_position,
        has_more_properties=len(known) >= MOST_PROPERTIES,
        max_rows=settings.question_rows,
    )
    return scope, identity_position


def _every(fetch: Fetch, rows: Sql, most: int) -> list[tuple[Any, ...]]:
    """Return all rows, in pages: a list of names may be longer than an answer may be."""
    found: list[tuple[Any, ...]] = []
    while True:
        page = sql("{rows} LIMIT {most} OFFSET {had}", rows=rows, most=most, had=len(found))
        more = fetch(page).rows
        found += more
        if len(more) < most:
            return found
