"""Properties read back from DuckDB are the properties that went in."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.store import variant
from tallymark.store.variant import PropertyEncoder

MANY = settings(max_examples=60, deadline=None)

# NUL never passes decoding, and DuckDB's client cuts names there.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=80)
fitting = st.decimals(
    min_value=Decimal(-(10**28)), max_value=Decimal(10**28), places=9, allow_nan=False
)
small_decimals = st.decimals(min_value=-(10**6), max_value=10**6, places=4, allow_nan=False)
integers = st.integers(-(2**70), 2**70)
numbers = integers | fitting | small_decimals
too_big = st.integers(10**29, 10**60)
too_fine = st.integers(10, 40).flatmap(
    lambda places: (
        st.integers(-(10**38), 10**38)
        .filter(lambda digits: digits % 10 != 0)
        .map(lambda digits: Decimal(digits).scaleb(-places))
    )
)
flags = st.booleans() | st.none()
# DuckDB's client shows a nested object with an empty name as a list of pairs.
names = texts.filter(bool)
nested = st.recursive(
    texts | integers | small_decimals | flags,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
lists_and_objects = st.lists(nested, max_size=4) | st.dictionaries(names, nested, max_size=4)
properties = st.dictionaries(
    texts, texts | numbers | too_fine | flags | lists_and_objects, max_size=8
)


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def decode(connection: duckdb.DuckDBPyConnection, blob: bytes | None) -> Any:
    if blob is None:
        return {}
    rows = connection.execute("SELECT variant_bytes_to_variant($1)", [blob]).fetchall()
    return rows[0][0]


def read_back(connection: duckdb.DuckDBPyConnection, event: Mapping[str, Any]) -> Any:
    text, number, other, _ = PropertyEncoder().encode(event)
    sent = {
        name: Decimal(value) if isinstance(value, str) else value
        for name, value in decode(connection, other).items()
    }
    return decode(connection, text) | decode(connection, number) | sent


@given(event=properties)
@MANY
def test_what_goes_in_comes_out(duck: duckdb.DuckDBPyConnection, event: dict[str, Any]) -> None:
    assert read_back(duck, event) == event


@given(batch=st.lists(properties | st.just({"plan": "pro", "seats": 3}), max_size=8))
@MANY
def test_a_batch_encodes_each_event_as_it_would_alone(batch: list[dict[str, Any]]) -> None:
    many = PropertyEncoder().encode_many(batch)

    alone = [PropertyEncoder().encode(event) for event in batch]
    assert list(zip(*many, strict=True)) == alone


@given(batch=st.lists(properties, max_size=8))
@MANY
def test_counts_say_how_many_events_carry_a_name_in_a_class(batch: list[dict[str, Any]]) -> None:
    encoder = PropertyEncoder()

    encoder.encode_many(batch)

    expected = Counter(
        (name, "text" if type(value) is str else "number")
        if type(value) in (str, int, Decimal)
        else (name, "other")
        for event in batch
        for name, value in event.items()
    )
    assert encoder.take_counts() == expected
    assert encoder.take_counts() == {}


def test_each_class_goes_to_its_own_blob(duck: duckdb.DuckDBPyConnection) -> None:
    event = {"plan": "pro", "seats": 3, "price": Decimal("9.90"), "trial": False, "tags": ["a"]}

    text, number, other, is_inexact = PropertyEncoder().encode(event)

    assert decode(duck, text) == {"plan": "pro"}
    assert decode(duck, number) == {"seats": Decimal(3), "price": Decimal("9.9")}
    assert decode(duck, other) == {"trial": False, "tags": ["a"]}
    assert not is_inexact


def test_an_event_without_properties_has_no_blobs() -> None:
    assert PropertyEncoder().encode({}) == (None, None, None, False)


def test_every_number_has_one_physical_type(duck: duckdb.DuckDBPyConnection) -> None:
    encoder = PropertyEncoder()
    kinds = set()
    for number in (0, -1, 2**63, 10**28, Decimal("0.1"), Decimal("-0"), Decimal("1E+3")):
        blob = encoder.encode({"n": number})[1]
        kinds.add(
            duck.execute(
                "SELECT variant_typeof(v.n), v.n = ? FROM (SELECT variant_bytes_to_variant(?) AS v)",
                [Decimal(number), blob],
            ).fetchall()[0]
        )

    assert kinds == {("DECIMAL(38, 9)", True)}


@pytest.mark.parametrize(
    "number",
    [
        10**29 - 1,
        1 - 10**29,
        Decimal("99999999999999999999999999999.999999999"),
        Decimal("-99999999999999999999999999999.999999999"),
        Decimal("0.000000001"),
        Decimal("1.5000000000000"),
        Decimal("0E-30"),
        Decimal("0E+50"),
        Decimal("0E+999999"),
    ],
)
def test_the_largest_and_smallest_numbers_that_fit_are_exact(
    duck: duckdb.DuckDBPyConnection, number: int | Decimal
) -> None:
    _, blob, _, is_inexact = PropertyEncoder().encode({"n": number})

    assert decode(duck, blob) == {"n": number}
    assert not is_inexact


@pytest.mark.parametrize(
    ("number", "literal"),
    [
        (10**29, "1" + "0" * 29),
        (-(10**29), "-1" + "0" * 29),
        pytest.param(10**5000, "1" + "0" * 5000, id="5001 digits"),
        (
            Decimal("99999999999999999999999999999.9999999995"),
            "99999999999999999999999999999.9999999995",
        ),
        (Decimal("1E+400"), "1E+400"),
        (Decimal("1E+999999999"), "1E+999999999"),
        (Decimal("NaN"), "NaN"),
        (Decimal("-Infinity"), "-Infinity"),
    ],
)
def test_a_number_too_large_is_kept_as_text_and_flagged(
    duck: duckdb.DuckDBPyConnection, number: int | Decimal, literal: str
) -> None:
    encoder = PropertyEncoder()
    batch: list[dict[str, Any]] = [{"n": 1, "plan": "pro"}, {"n": number, "plan": "x"}]

    texts, numbers, _, inexact = encoder.encode_many(batch)

    assert decode(duck, texts[1]) == {"n": literal, "plan": "x"}
    assert numbers[1] is None
    assert inexact == [False, True]
    assert encoder.take_counts() == {("n", "number"): 1, ("n", "text"): 1, ("plan", "text"): 2}


@pytest.mark.parametrize(
    ("sent", "measured"),
    [
        ("0.30000000000000004", "0.3"),
        ("1234.5999999940395", "1234.599999994"),
        ("0.0000000005", "0"),
        ("0.0000000015", "0.000000002"),
        ("-0.0000000025", "-0.000000002"),
        ("0.00000000050000000000000000000000000000000000001", "0.000000001"),
        ("99999999999999999999999999999.9999999994", "99999999999999999999999999999.999999999"),
        ("1E-999999999", "0"),
    ],
)
def test_a_number_of_more_decimals_is_rounded_and_stands_beside_as_it_was_sent(
    duck: duckdb.DuckDBPyConnection, sent: str, measured: str
) -> None:
    encoder = PropertyEncoder()

    text, number, other, is_inexact = encoder.encode({"n": Decimal(sent), "m": 1, "plan": "pro"})

    assert decode(duck, number) == {"n": Decimal(measured), "m": 1}
    assert decode(duck, other) == {"n": str(Decimal(sent))}
    assert decode(duck, text) == {"plan": "pro"}
    assert is_inexact
    assert encoder.take_counts() == {("n", "number"): 1, ("m", "number"): 1, ("plan", "text"): 1}


@given(number=too_big)
@MANY
def test_a_number_beside_one_that_does_not_fit_stays_a_number(
    duck: duckdb.DuckDBPyConnection, number: int | Decimal
) -> None:
    text, blob, _, is_inexact = PropertyEncoder().encode({"a": 1, "b": number})

    assert decode(duck, text) == {"b": str(number)}
    assert decode(duck, blob) == {"a": 1}
    assert is_inexact


@pytest.mark.parametrize("inside", [[10**38], {"deep": [Decimal("1E-39")]}, [Decimal("1E+38")]])
def test_a_nested_number_that_does_not_fit_is_flagged(
    duck: duckdb.DuckDBPyConnection, inside: Any
) -> None:
    _, _, other, is_inexact = PropertyEncoder().encode({"n": inside})

    assert is_inexact
    assert str(decode(duck, other)).count("'1") == 1


def test_nested_numbers_keep_their_scale(duck: duckdb.DuckDBPyConnection) -> None:
    inside = [2**63 - 1, 2**63, 10**38 - 1, Decimal("1.50"), Decimal("1E-38"), Decimal("1E+30")]

    _, _, other, is_inexact = PropertyEncoder().encode({"n": inside})

    assert decode(duck, other) == {"n": inside}
    assert str(decode(duck, other)["n"][3]) == "1.50"
    assert not is_inexact


@pytest.mark.parametrize("length", [0, 1, 63, 64, *range(248, 258), 65_530, 70_000])
def test_texts_of_any_length_come_back(duck: duckdb.DuckDBPyConnection, length: int) -> None:
    event = {"a": "é" * length, "b": "x" * length, "c": ["y" * length]}

    assert read_back(duck, event) == event
    assert read_back(duck, {"b": "x" * length}) == {"b": "x" * length}


@pytest.mark.parametrize("count", [14, 15, 255, 256, 257, 700])
def test_objects_of_any_size_come_back(duck: duckdb.DuckDBPyConnection, count: int) -> None:
    for value in ("v", 7, True, ["v"]):
        event = {f"property {n}": value for n in reversed(range(count))}

        assert read_back(duck, event) == event


def test_long_lists_come_back(duck: duckdb.DuckDBPyConnection) -> None:
    for length in (255, 256, 257, 20_000):
        event = {"list": list(range(length)), "flags": [None] * length}

        assert read_back(duck, event) == event


def test_names_differ_by_case_and_may_be_any_text(duck: duckdb.DuckDBPyConnection) -> None:
    event = {"": "empty", "Case": "1", "case": "2", "a.b": "3", "😀": "4", "\uffff": "5", "ü": "6"}

    assert read_back(duck, event) == event
    blob = PropertyEncoder().encode(event)[0]
    for name, value in event.items():
        row = duck.execute(
            "SELECT variant_bytes_to_variant($blob)[$name]::varchar", {"blob": blob, "name": name}
        ).fetchall()
        assert row == [(value,)]


def test_order_of_properties_does_not_change_the_bytes() -> None:
    forward = {"b": "x", "a": "y", "n": 1, "m": 2, "o": None, "l": {"q": 1, "p": 2}}

    assert PropertyEncoder().encode(forward) == PropertyEncoder().encode(
        dict(reversed(forward.items()))
    )


def test_a_value_that_json_cannot_hold_is_a_bug() -> None:
    with pytest.raises(TypeError, match="float"):
        PropertyEncoder().encode({"n": 1.5})


def test_a_batch_survives_checkpoint_and_reopening(tmp_path: Path) -> None:
    batch = [mixed_event(n) for n in range(2_000)]
    text, number, other, _ = PropertyEncoder().encode_many(batch)
    write(tmp_path / "store.duckdb", text, number, other)

    with duckdb.connect(str(tmp_path / "store.duckdb")) as connection:
        rows = connection.execute("SELECT text, number, other FROM event ORDER BY n").fetchall()

    assert [(t or {}) | (n or {}) | (o or {}) for t, n, o in rows] == batch


def mixed_event(n: int) -> dict[str, Any]:
    return {
        "plan": ("free", "pro", "équipe")[n % 3],
        "path": f"/orders/{n}" * (n % 40),
        "amount": Decimal(n).scaleb(-2) if n % 2 else n,
        "mixed": n if n % 5 else str(n),
        f"rare {n % 50}": n % 7 == 0,
        "items": [{"sku": f"S{n}", "price": Decimal("9.90")}, None],
    }


def write(file: Path, *blobs: Sequence[bytes | None]) -> None:
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            "CREATE TABLE event (n BIGINT, text VARIANT, number VARIANT, other VARIANT)"
        )
        connection.execute(
            """
            INSERT INTO event
            SELECT n, variant_bytes_to_variant(t), variant_bytes_to_variant(u),
              variant_bytes_to_variant(o)
            FROM (SELECT unnest(?::bigint[]) n, unnest(?::blob[]) t, unnest(?::blob[]) u,
              unnest(?::blob[]) o)
            """,
            [list(range(len(blobs[0]))), *map(list, blobs)],
        )
        connection.execute("SET variant_minimum_shredding_size = 100")
        connection.execute("CHECKPOINT")


def test_memory_is_bounded_and_forgetting_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = [{f"k{n}": f"v{n}", "n": n, f"o{n % 3}": None} for n in range(200)]
    expected = PropertyEncoder().encode_many(batch)
    monkeypatch.setattr(variant, "_MOST_REMEMBERED_VALUES", 7)
    monkeypatch.setattr(variant, "_MOST_REMEMBERED_NAMES", 7)
    encoder = PropertyEncoder()

    assert encoder.encode_many(batch) == expected
    assert encoder.encode_many(batch) == expected
