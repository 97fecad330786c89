"""How a batch becomes the bytes of a log row, and back, exactly.

JSON, because it keeps the literal of a number: msgpack would turn decimals into text.
Compressed JSON is as small as compressed msgpack.
"""

import sys
from decimal import Decimal

import msgspec

from tallymark.core.errors import Broken, Refused
from tallymark.core.event import Batch

from .log import Entry, Record, seal

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PLAIN = 0
ZSTD = 1

# Below this a batch grows or hardly shrinks, and costs ten microseconds for nothing.
COMPRESS_FROM_BYTES = 1024
LARGEST_BATCH_BYTES = 256 * 1024 * 1024
# Level 3 is not smaller than 1 on event batches, level 6 is six times slower.
_LEVEL = 1

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(Batch, float_hook=Decimal)


def encode_batch(batch: Batch) -> Entry:
    """Return the batch ready to be stored; raises Refused over ``LARGEST_BATCH_BYTES``."""
    payload = _ENCODER.encode(batch)
    if len(payload) > LARGEST_BATCH_BYTES:
        raise Refused(
            f"The batch takes {len(payload)} bytes in the log, over {LARGEST_BATCH_BYTES}.",
            code="BODY_TOO_LARGE",
        )
    codec = PLAIN
    if len(payload) >= COMPRESS_FROM_BYTES:
        payload = zstd.compress(payload, level=_LEVEL)
        codec = ZSTD
    return Entry(
        received_at=batch.received_at,
        items=batch.received,
        codec=codec,
        digest=seal(batch.received_at, batch.received, codec, payload),
        payload=payload,
    )


def decode_batch(record: Record) -> Batch:
    """Return the batch of a record that has a payload; raises Broken for one that cannot be read.

    Numbers inside properties come back as ``int`` or ``Decimal`` with the digits that were written.
    """
    if record.payload is None:
        raise Broken(f"The batch at position {record.position} has no payload.")
    try:
        return _DECODER.decode(_expand(record.codec, record.payload))
    except (msgspec.MsgspecError, zstd.ZstdError, UnicodeDecodeError) as error:
        raise Broken(f"The batch at position {record.position} cannot be decoded.") from error


def _expand(codec: int, payload: bytes) -> bytes:
    match codec:
        case 0:  # PLAIN
            return payload
        case 1:  # ZSTD
            decompressor = zstd.ZstdDecompressor()
            data = decompressor.decompress(payload, LARGEST_BATCH_BYTES)
            if decompressor.eof:
                return data
            raise Broken("A batch of the log is cut off, or inflates beyond its limit.")
        case _:
            raise Broken(
                f"A batch of the log uses the unknown codec {codec}.", code="VERSION_UNKNOWN"
            )
