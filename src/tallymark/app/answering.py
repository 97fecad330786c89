"""One question to one answer: decode, write SQL, run within limits, shape, say where it came from."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
import tzdata
from msgspec import Struct

from tallymark import __version__
from tallymark.collect.protocol import Protocol
from tallymark.core.clock import Clock
from tallymark.core.errors import InvalidQuery, misfit
from tallymark.core.ids import hash128
from tallymark.core.registry import did_you_mean, discover, lookup
from tallymark.core.settings import Settings
from tallymark.core.sql import Sql, sql
from tallymark.core.structs import learn
from tallymark.insights.insight import Insight, Provenance, Scope, Table, in_zone_of, known_profiles
from tallymark.store.engine import Engine, Fetch, Limits
from tallymark.store.engines.duckdb import engine_version
from tallymark.store.tables import MOST_PROPERTIES

_canonical = msgspec.json.Encoder(order="deterministic", decimal_format="number")
_EVENT_NAMES = Sql("SELECT name, event_key FROM event_name ORDER BY event_key")
_WAYS = Sql('SELECT subject_kind, name, "class", op, is_long FROM profile_property ORDER BY ALL')
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Answered(Struct, frozen=True):
    """An answer as it is sent: shaped data, the same as a flat table, and its provenance."""

    data: Any
    view: str
    table: Table
    provenance: Provenance


class Asking(Struct, frozen=True):
    """A question as it comes: which insight, of which project, and the project's time zone."""

    project: str
    insight: str
    question: Any
    timezone: str = "UTC"
    seconds: float | None = None


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
    insight = lookup(insights(), asking.insight, "insight")
    question = decode_question(insight, asking.question)
    limits = Limits(
        seconds=min(asking.seconds or settings.question_seconds, settings.question_seconds),
        memory_bytes=settings.question_memory_bytes,
        rows=settings.question_rows,
    )
    started = clock.monotonic()
    with engine.reading(asking.project, limits) as fetch:
        scope, identity_position = _scope(fetch, asking, settings, clock)
        scope = in_zone_of(question, scope)
        statements = insight.to_sql(question, scope)
        rows = [fetch(statement) for statement in statements]
        data = insight.shape(question, scope, rows)
    provenance = Provenance(
        insight=insight.name,
        definition=hash128(insight.name, _canonical.encode(question).decode()).hex(),
        project=asking.project,
        log_position=scope.log_position,
        identity_position=identity_position,
        timezone=scope.timezone,
        timezone_data=tzdata.IANA_VERSION,
        engine=engine_version(),
        version=__version__,
        rows_read=sum(len(result.rows) for result in rows),
        took_ms=round((clock.monotonic() - started) * 1000, 1),
    )
    return _encode(Answered(data, insight.view, insight.table(data), provenance))


def decode_question(insight: Insight, question: Any) -> Struct:
    """Return the question as the insight's struct; InvalidQuery names the field that is wrong."""
    try:
        if isinstance(question, bytes | str):
            decoder = msgspec.json.Decoder(insight.question, float_hook=Decimal)
            decoded: Struct = decoder.decode(question)
        else:
            decoded = msgspec.convert(question, insight.question)
    except msgspec.ValidationError as error:
        text, path = misfit(error)
        raise InvalidQuery(text, path=path, hint=_hint(insight, text)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidQuery(f"The question is not valid JSON: {error}.") from None
    except RecursionError:
        raise InvalidQuery("The question is nested too deeply.") from None
    return decoded


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
    ways = _every(fetch, _WAYS, page)
    profiles, cleared = known_profiles(ways)
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
        profiles=profiles,
        cleared_profiles=cleared,
        has_more_profiles=len(ways) >= MOST_PROPERTIES,
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
