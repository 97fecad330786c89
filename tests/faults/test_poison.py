"""Whatever is accepted is stored as it was sent, or set aside with a reason; it never blocks."""

import itertools
import unicodedata
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.faults.rounds import LONG
from tests.faults.server import Server

from tallymark.core.clock import instant

EXAMPLES = 2_000 if LONG else 120
encode = msgspec.json.Encoder(decimal_format="number").encode


def _nest(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"k": value}
    return value


# A lone surrogate has no UTF-8, and NUL refuses the whole body; everything else is fair, though
# control characters and the like are refused in a name or an id.
any_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
odd = st.sampled_from(
    ["", " ", "\u202e", "\ufeff", "e\u0301", "\U0001f469\u200d\U0001f680", "x" * 201, "null",
     "undefined", "NaN", "'; DROP TABLE event; --", "${jndi:x}", "{0.__class__}", "=1+1", "a,b",
     "a.b", "\\", '"', "\x85", "\u2028", "ı", "ß" * 101]
)  # fmt: skip
plain = st.text("abcäßñ日 .-_'\"\\", min_size=4, max_size=12).filter(str.strip)
words = any_text | odd
# Mostly good, or hardly an event would be accepted.
ids = st.integers(0, 15).flatmap(lambda roll: words if roll == 15 else plain)
integers = st.integers() | st.sampled_from(
    [0, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**28, 10**29, 10**38, 10**60]
)
decimals = st.decimals(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [Decimal(text) for text in ("0.1", "-0", "1e-9", "1e-10", "1e28", "1e29", "1e308", "-1e-308",
     "99999999999999999999999999999.999999999", "1.50000000000000000000000000000000000000000")]
)  # fmt: skip
amounts = st.one_of(
    st.integers(-(10**29) + 1, 10**29 - 1),
    st.decimals(-(10**28), 10**28, places=9),
    st.decimals(-1000, 1000, places=2),
    integers | decimals | words,
)
scalars = words | integers | decimals | st.booleans() | st.none()
nested = st.recursive(
    scalars,
    # DuckDB's client shows a nested object with an empty name as a list of pairs.
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(words.filter(bool), inner, max_size=3)
    ),
    max_leaves=10,
)
deep = st.integers(1, 8).map(_nest)
properties = st.dictionaries(words, scalars | nested | deep, max_size=6)
past = st.datetimes(datetime(1970, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
times = st.one_of(
    st.integers(0, 10**8 - 1) | st.integers(10**11, 1_780_000_000_000),
    past.map(datetime.isoformat),
    past.map(datetime.isoformat),
    st.integers(-(2**70), 2**70)
    | st.sampled_from(
        ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2016-12-31T23:59:60Z"]
    ),
)
flat = st.none() | words
programs = st.fixed_dictionaries({}, optional={"name": flat, "version": flat})
pixels = st.none() | st.integers(0, 2**31 - 1) | st.sampled_from([-1, 2**31])
contexts = st.fixed_dictionaries(
    {},
    optional={
        "page": st.fixed_dictionaries(
            {}, optional={"url": flat, "path": flat, "title": flat, "referrer": flat}
        ),
        "campaign": st.fixed_dictionaries({}, optional={"source": flat, "term": flat}),
        "device": st.fixed_dictionaries({}, optional={"type": flat, "brand": flat}),
        "os": programs,
        "app": programs,
        "screen": st.fixed_dictionaries({}, optional={"width": pixels, "height": pixels}),
        "locale": flat,
        "timezone": flat,
        "ip": flat,
        "user_agent": flat,
    },
)
metered = st.fixed_dictionaries({"value": amounts}, optional={"unit": ids})
money = st.fixed_dictionaries(
    {"revenue": amounts, "currency": st.sampled_from(["EUR", "USD", "JPY", "eur"])}
)
acts = st.fixed_dictionaries(
    {"name": ids},
    optional={
        "time": times,
        "user_id": ids,
        "anonymous_id": ids,
        "account": ids,
        "groups": st.dictionaries(ids, ids, max_size=2),
        "session_id": ids,
        "kind": st.sampled_from(["track", "page", "metric", "span"]),
        "properties": properties,
        "context": contexts,
    },
)
events = st.builds(lambda act, amount: {**act, **amount}, acts, st.just({}) | metered | money)
commands = st.fixed_dictionaries(
    {"type": st.just("identify"), "user_id": ids},
    optional={"anonymous_id": ids, "traits": properties, "time": times},
) | st.fixed_dictionaries(
    {"type": st.just("group"), "group_id": ids},
    optional={"group_type": ids, "user_id": ids, "traits": properties},
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "d")
    made.start()
    yield made
    made.end()


def test_every_event_that_is_accepted_is_stored_as_it_was_sent_or_set_aside(
    server: Server,
) -> None:
    sent: dict[str, dict[str, Any]] = {}
    numbers = itertools.count()

    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(batch=st.lists(events | events | events | commands, min_size=4, max_size=12))
    def send(batch: list[dict[str, Any]]) -> None:
        named = [{"id": f"p{next(numbers)}", **item} for item in batch]
        answer = server.send(encode(named))
        if answer.status == 400:
            # The body is wrong as a whole.
            assert answer.code != "INTERNAL"
            return
        assert answer.status == 202, answer.body
        failed = {one["index"] for one in answer.json()["failed"]}
        for index, item in enumerate(named):
            if index not in failed and "type" not in item:
                sent[str(item["id"])] = item

    send()
    status = server.wait_until_loaded()
    assert "load failed" not in server.output()
    assert server.stop() == 0

    assert len(sent) > EXAMPLES // 2
    assert (status["balanced"], status["ledger"]["quarantined"]) == (True, 0)
    assert status["events"] == len(sent)
    wrong = list(_mismatches(server.store, sent))
    assert not wrong, (len(wrong), Counter(name for _, name, *_ in wrong), wrong[:3])


_STORED = """
SELECT event.event_id, event_name.name, event.kind, time_us, actor.id AS actor, account.id AS account,
       session.id AS session, value, unit, revenue, currency, groups, title, device_brand, app_name,
       app_version, locale, client_timezone, screen_width, screen_height,
       prop_text, prop_number, prop_other
FROM event
JOIN event_name USING (event_key)
LEFT JOIN actor USING (actor_key)
LEFT JOIN account USING (account_key)
LEFT JOIN session ON session.session_key = event.session_key
"""


def _mismatches(
    store: Path, sent: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, str, Any, Any]]:
    """Give (id, field, as sent, as stored) for each field that differs."""
    with duckdb.connect(str(store), read_only=True) as connection:
        stored = connection.execute(_STORED)
        names = [column[0] for column in stored.description or ()]
        rows = {row[0]: _read(dict(zip(names, row, strict=True))) for row in stored.fetchall()}
    for event_id, event in sent.items():
        if event_id not in rows:
            yield event_id, "id", event, None
            continue
        row = rows[event_id]
        for field, wanted in _expected(event).items():
            if not _are_same(wanted, row[field]):
                yield event_id, field, wanted, row[field]


def _expected(event: dict[str, Any]) -> dict[str, Any]:
    context = event.get("context", {})
    groups = dict(event.get("groups", {}))
    account = event.get("account", groups.pop("account", None))
    wanted: dict[str, Any] = {
        "name": unicodedata.normalize("NFC", event["name"]),
        "kind": event.get("kind", "track"),
        "actor": event.get("user_id", event.get("anonymous_id")),
        "account": account,
        "groups": groups,
        "title": context.get("page", {}).get("title"),
        "device_brand": context.get("device", {}).get("brand"),
        "app_name": context.get("app", {}).get("name"),
        "app_version": context.get("app", {}).get("version"),
        "locale": context.get("locale"),
        "client_timezone": context.get("timezone"),
        "screen_width": context.get("screen", {}).get("width"),
        "screen_height": context.get("screen", {}).get("height"),
        "properties": event.get("properties", {}),
    }
    wanted |= {name: event.get(name) for name in ("value", "unit", "revenue", "currency")}
    if "session_id" in event:
        wanted["session"] = event["session_id"]
    if (time := event.get("time")) is not None:
        wanted["time_us"] = (
            time * 1000 if isinstance(time, int) else instant(datetime.fromisoformat(time))
        )
    return wanted


def _read(row: dict[str, Any]) -> dict[str, Any]:
    parts = (row.pop(name) for name in ("prop_text", "prop_number", "prop_other"))
    row["properties"] = {name: value for part in parts for name, value in (part or {}).items()}
    row["groups"] = msgspec.json.decode(row["groups"] or "{}")
    row["groups"].pop("account", None)
    return row


def _are_same(sent: Any, stored: Any) -> bool:
    """Say whether a value came through; a number that no column holds is kept as its text."""
    if isinstance(sent, dict) and isinstance(stored, dict):
        return sent.keys() == stored.keys() and all(
            _are_same(sent[name], stored[name]) for name in sent
        )
    if isinstance(sent, list) and isinstance(stored, list):
        return len(sent) == len(stored) and all(map(_are_same, sent, stored))
    if type(sent) in (int, Decimal):
        is_number = type(stored) in (int, Decimal) or (
            isinstance(stored, str) and stored.strip() == stored
        )
        return is_number and Decimal(sent) == Decimal(stored)
    return type(sent) is type(stored) and sent == stored
