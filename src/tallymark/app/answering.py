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
from tallymark.app.as_of import AsOf
from tallymark.app.cohorts import Holding
from tallymark.app.kept_answers import Kept, KeptAnswers, Wanted
from tallymark.app.questions import Questions, Steps
from tallymark.app.scoping import Asking, definitions_of, scope_of
from tallymark.core.clock import Clock
from tallymark.core.errors import InvalidQuery, misfit
from tallymark.core.ids import hash128, new_id
from tallymark.core.registry import did_you_mean, discover, lookup
from tallymark.core.settings import Settings
from tallymark.insights.definitions import Definitions, encode_definitions
from tallymark.insights.insight import (
    Columnar,
    Insight,
    Members,
    Provenance,
    Result,
    Scope,
    Statement,
    Unit,
    in_zone_of,
)
from tallymark.insights.pages import BEHIND, Behind
from tallymark.insights.references import used
from tallymark.insights.units import PLURALS
from tallymark.store.engine import Engine, Limits, Reading
from tallymark.store.engines.duckdb import engine_version

_canonical = msgspec.json.Encoder(order="deterministic", decimal_format="number")
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Answered(Struct, frozen=True):
    """An answer as it is sent: shaped data, the same as a flat table, what was asked, its provenance.

    ``question`` is whole: also what was left out, with its default.
    """

    data: Any
    view: str
    table: Any
    question: Any
    provenance: Provenance


def insights() -> Mapping[str, Insight]:
    """Return every insight that can be asked, by name."""
    return discover("tallymark.insights", Insight)


class Answering:
    """Answers the questions of every project; safe to use from several threads.

    An answer is kept for a few seconds for whoever asks the same of the same events: as of the
    moment it was computed, which its provenance tells.
    """

    def __init__(self, engine: Engine, settings: Settings, clock: Clock) -> None:
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._kept = KeptAnswers(settings.kept_answer_bytes)
        self.questions = Questions(clock)

    def answer(self, asking: Asking) -> bytes:
        """Return the JSON of an ``Answered``; raises InvalidQuery, NotFound or QuestionStopped."""
        insight = lookup(insights(), asking.insight, "insight")
        question = decode_question(insight, asking.question)
        definitions = definitions_of(asking)
        started = self._clock.monotonic()
        with self._engine.reading(asking.project, limits_of(asking, self._settings)) as reading:
            key = asking.id or new_id(self._clock.now())
            with self.questions.during(key, asking.project, insight.name, reading) as steps:
                scoped = scope_of(reading, asking, self._settings, self._clock)
                wanted = Wanted(
                    definition=definition_of(insight, question, definitions),
                    project=asking.project,
                    timezone=scoped.scope.timezone,
                    log_position=scoped.scope.log_position,
                    as_of=asking.as_of,
                )
                kept = self._kept.find(wanted, scoped.scope.now)
                if kept is None:
                    computed = compute(insight, question, scoped.scope, reading, steps)
                    kept = Kept(
                        scoped.scope.now,
                        _encode(computed.data),
                        _encode(insight.table(computed.data)),
                        computed.rows_read,
                    )
                    self._kept.keep(wanted, kept)
                    is_kept = False
                else:
                    is_kept = True
        provenance = Provenance(
            insight=insight.name,
            definition=wanted.definition,
            project=asking.project,
            log_position=scoped.scope.log_position,
            identity_position=scoped.identity_position,
            as_of=str(AsOf(scoped.scope.log_position, kept.now)),
            timezone=getattr(question, "timezone", None) or scoped.scope.timezone,
            timezone_data=tzdata.IANA_VERSION,
            engine=engine_version(),
            version=__version__,
            rows_read=kept.rows_read,
            took_ms=round((self._clock.monotonic() - started) * 1000, 1),
            definitions_version=asking.definitions_version,
            is_kept=is_kept,
        )
        asked = msgspec.Raw(_encode(question))
        data, table = msgspec.Raw(kept.data), msgspec.Raw(kept.table)
        return _encode(Answered(data, insight.view, table, asked, provenance))

    def forget(self) -> None:
        """Let go of the answers that are kept, because a store is made anew."""
        self._kept.forget()


def limits_of(asking: Asking, settings: Settings) -> Limits:
    """Return what a question may take."""
    most = settings.question_seconds
    return Limits(
        seconds=min(asking.seconds or most, most),
        memory_bytes=settings.question_memory_bytes,
        rows=settings.question_rows,
    )


def definition_of(
    insight: Insight, question: Struct, definitions: Definitions | None = None
) -> str:
    """Return the hash of what a question asks and of every definition it names."""
    named = {} if definitions is None else used(question, definitions)
    parts = [
        f"{kind} {name} {encode_definitions(one).decode()}" for (kind, name), one in named.items()
    ]
    return hash128(insight.name, _canonical.encode(question).decode(), *parts).hex()


class Computed(Struct, frozen=True):
    """The shaped data of a question, and how many rows of the store were gone over for it."""

    data: Any
    rows_read: int


def compute(
    insight: Insight, question: Any, scope: Scope, reading: Reading, steps: Steps | None = None
) -> Computed:
    """Answer a decoded question on one commit; raises InvalidQuery for what cannot be asked."""
    before = reading.rows_read()
    scope = in_zone_of(question, scope)
    if insight.pinned is not None:
        scope = insight.pinned(question, scope)
    holding = reading if isinstance(reading, Holding) else Holding(reading, members_of)
    question = _expanded(insight, question, scope, holding)
    behind = getattr(question, "behind", None)
    if behind is not None:
        keys = members_of(behind, scope, holding, steps, unit=insight.lists or "person")
        holding.hold(BEHIND, {"key": keys})
    _hold_prepared(insight, question, scope, holding, steps)
    results = _results(insight.to_sql(question, scope), holding, steps)
    data = _warned(insight, question, scope, holding, insight.shape(question, scope, results))
    return Computed(data, reading.rows_read() - before)


def _warned(insight: Insight, question: Any, scope: Scope, reading: Reading, data: Any) -> Any:
    """Return the data with a warning of people whose ids last only a day, if they are among them."""
    if insight.fleeting is None or not scope.has_fleeting:
        return data
    fleeting = insight.fleeting(question, scope)
    if fleeting is None or not reading(fleeting.statement).rows:
        return data
    return msgspec.structs.replace(data, warnings=[*data.warnings, fleeting.warning])


def members_of(
    behind: Behind,
    scope: Scope,
    reading: Reading,
    steps: Steps | None = None,
    *,
    unit: Unit = "person",
) -> NDArray[np.int64]:
    """Return the keys of the people, or other units, behind a number.

    Raises InvalidQuery if nobody can be, or if the number is of others.
    """
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
    place = _converted(behind.place, insight.place, "behind.place.")
    scope = in_zone_of(asked, scope)
    question = _expanded(insight, asked, scope, holding)
    found = _of_unit(insight.members(question, place, scope), unit)
    _hold_prepared(insight, question, scope, holding, steps)
    return found.keys(_results(found.statements, holding, steps))


def _of_unit(found: Members, unit: Unit) -> Members:
    for one in (found, *found.also):
        if one.unit == unit:
            return one
    lists = [one.name for one in insights().values() if one.lists == found.unit]
    raise InvalidQuery(
        f"This number is of {PLURALS[found.unit]}; it has no list of {PLURALS[unit]}.",
        hint=f"Ask {lists[0]} instead." if lists else "Ask for the number by person or account.",
        path="behind",
    )


def _expanded(insight: Insight, question: Any, scope: Scope, holding: Holding) -> Any:
    """Return the question without names, once the members of its cohorts are held."""
    if insight.expand is not None:
        question = insight.expand(question, scope)
    holding.hold_for(question, scope)
    for value, moment in insight.asked_of(question, scope) if insight.asked_of else ():
        holding.hold_for(value, moment)
    return question


def _hold_prepared(
    insight: Insight, question: Any, scope: Scope, reading: Reading, steps: Steps | None
) -> None:
    if insight.prepared is not None:
        ready = insight.prepared(question, scope)
        reading.hold(ready.name, ready.columns(_results(ready.statements, reading, steps)))


def _results(
    statements: Sequence[Statement], reading: Reading, steps: Steps | None
) -> list[Result]:
    found: list[Result] = []
    if steps is not None:
        steps.more(len(statements))
    for one in statements:
        if steps is not None:
            steps.next()
        found.append(reading.arrays(one.statement) if isinstance(one, Columnar) else reading(one))
    return found


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
