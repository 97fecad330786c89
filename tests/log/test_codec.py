from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.log.batches import batch

from tallymark.core.errors import Broken, Refused
from tallymark.core.event import Batch, Context, Event, Failed, IdentityLink
from tallymark.log import codec
from tallymark.log.codec import decode_batch, encode_batch
from tallymark.log.log import Entry, Record, seal


def stored(entry: Entry, position: int = 1) -> Record:
    return Record(
        position, entry.received_at, entry.items, entry.codec, entry.digest, entry.payload
    )


def literals(value: Any) -> Any:
    """Numbers as their digits, so that 1.50 differs from 1.5."""
    match value:
        case bool() | None | str():
            return value
        case dict():
            return {key: literals(member) for key, member in value.items()}
        case list():
            return [literals(member) for member in value]
        case _:
            return f"number {value}"


def not_negative_zero(number: Decimal) -> bool:
    return bool(number) or not number.is_signed()


NUMBERS = st.one_of(
    st.integers(),
    st.integers(min_value=-(10**80), max_value=10**80),
    st.decimals(allow_nan=False, allow_infinity=False).filter(not_negative_zero),
)
PROPERTIES = st.dictionaries(
    st.text(max_size=20),
    st.recursive(
        st.none() | st.booleans() | NUMBERS | st.text(max_size=50),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=5,
)
INSTANTS = st.integers(min_value=0, max_value=2**53)
EVENTS = st.builds(
    Event,
    name=st.text(max_size=30),
    id=st.text(max_size=30),
    time=INSTANTS,
    time_client=st.none() | INSTANTS,
    user_id=st.none() | st.text(max_size=30),
    groups=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    properties=PROPERTIES,
    context=st.builds(Context, page_url=st.none() | st.text(max_size=50)),
    value=st.none() | st.decimals(allow_nan=False, allow_infinity=False).filter(not_negative_zero),
    flags=st.lists(st.text(max_size=5), max_size=2).map(tuple),
)
BATCHES = st.builds(
    Batch,
    received_at=INSTANTS,
    source=st.text(max_size=10),
    protocol=st.text(max_size=10),
    received=st.integers(min_value=0, max_value=2**31),
    events=st.lists(EVENTS, max_size=4),
    failed=st.lists(
        st.builds(
            Failed,
            code=st.text(max_size=5),
            stage=st.text(max_size=5),
            message=st.text(max_size=9),
            raw=st.binary(max_size=50),
        ),
        max_size=2,
    ),
    commands=st.lists(
        st.builds(
            IdentityLink,
            one=st.text(max_size=5),
            other=st.text(max_size=5),
            id=st.text(max_size=5),
            time=INSTANTS,
            one_kind=st.sampled_from(["anonymous", "user"]),
            how=st.sampled_from(["identify", "alias", "merge", "retract"]),
        ),
        max_size=2,
    ),
)


@given(BATCHES)
def test_any_batch_reads_back_exactly_as_it_was_written(written: Batch) -> None:
    read = decode_batch(stored(encode_batch(written)))

    assert read == written
    assert [literals(e.properties) for e in read.events] == [
        literals(e.properties) for e in written.events
    ]
    assert [str(e.value) for e in read.events] == [str(e.value) for e in written.events]


def test_numbers_and_numeric_text_stay_apart() -> None:
    event = Event("n", "1", 0, properties={"number": Decimal("0.10"), "text": "0.10"})

    read = decode_batch(stored(encode_batch(Batch(0, "k", "native", 1, events=[event]))))

    assert repr(read.events[0].properties) == "{'number': Decimal('0.10'), 'text': '0.10'}"


def test_a_small_batch_is_plain_and_a_large_one_is_compressed() -> None:
    repetitive = Event("n", "1", 0, properties={"text": "abc" * 10_000})

    small = encode_batch(batch(1))
    large = encode_batch(Batch(0, "k", "native", 1, events=[repetitive]))

    assert (small.codec, large.codec) == (codec.PLAIN, codec.ZSTD)
    assert len(large.payload) < 1_000
    assert decode_batch(stored(large)).events == [repetitive]


def test_a_batch_over_the_limit_is_neither_written_nor_inflated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    long = Batch(0, "k", "native", 1, events=[Event("n", "1", 0, unit="a" * 100_000)])
    bomb = stored(encode_batch(long))
    monkeypatch.setattr(codec, "LARGEST_BATCH_BYTES", 100_000)

    with pytest.raises(Broken, match="beyond its limit"):
        decode_batch(bomb)
    with pytest.raises(Refused, match="over 100000"):
        encode_batch(long)


@pytest.mark.parametrize(
    ("number", "payload"),
    [(0, b"{"), (0, b"[]"), (0, b"\xff"), (1, b"not zstd"), (1, b""), (7, b"{}")],
)
def test_what_cannot_be_decoded_is_broken_and_never_another_error(
    number: int, payload: bytes
) -> None:
    with pytest.raises(Broken):
        decode_batch(Record(1, 0, 1, number, b"", payload))


def test_an_erased_batch_cannot_be_decoded() -> None:
    with pytest.raises(Broken, match="position 3 has no payload"):
        decode_batch(Record(3, 0, 1, 0, b"", None))


def test_the_digest_covers_the_fields_and_the_payload() -> None:
    seals = {
        seal(1, 2, 3, b"x"), seal(9, 2, 3, b"x"), seal(1, 9, 3, b"x"),
        seal(1, 2, 9, b"x"), seal(1, 2, 3, b"y"),
    }  # fmt: skip

    assert len(seals) == 5
