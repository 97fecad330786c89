"""What the store holds of a failed event, as it is told: in a page, and in a line of an export."""

import base64
import hashlib
import re
from typing import Any, Final

import msgspec

from tallymark.api.failed_answers import (
    FailedEnvelope,
    FailedError,
    FailedEvent,
    Judge,
    KeptBytes,
    Program,
)
from tallymark.core.clock import rfc3339
from tallymark.core.errors import CODES
from tallymark.core.event import Fault
from tallymark.core.sql import Sql
from tallymark.store.tables import SEQ_PER_BATCH

TOLD: Final = Sql(
    "seq, received_us, source, protocol, stage, code, message, path, event_id, event_name, first_seq,"
    " raw, raw_bytes, status, severity, faults, batch_index, event_time_us, sdk_name, sdk_version,"
    " server_version, plan_version, attempts, replay_of, sampled"
)
# How the decoder words that a field has another type.
_TYPES = re.compile(r"Expected `(?P<expected>[^`]+)`, got `(?P<got>[^`]+)`")
_faults: Final = msgspec.json.Decoder(tuple[Fault, ...])


def failed_event(row: dict[str, Any]) -> FailedEvent:
    """Return a row as a page has it."""
    rest = {name: value for name, value in row.items() if name != "faults"}
    return FailedEvent(**rest, errors=_errors(row), retryable=_is_retryable(row["code"]))


def envelope(project: str, row: dict[str, Any]) -> FailedEnvelope:
    """Return a row as an export has it."""
    time = row["event_time_us"]
    return FailedEnvelope(
        v=1,
        failed_id=_id(project, row["seq"]),
        project=project,
        seq=row["seq"],
        source_key=row["source"],
        protocol=row["protocol"],
        received_at=rfc3339(row["received_us"]),
        stage=row["stage"],
        code=row["code"],
        severity=row["severity"],
        retryable=_is_retryable(row["code"]),
        errors=_errors(row),
        event_id=row["event_id"],
        event_name=row["event_name"],
        event_time=None if time is None else rfc3339(time),
        batch_id=row["seq"] // SEQ_PER_BATCH,
        batch_index=row["batch_index"],
        first_seq=row["first_seq"],
        raw=_kept(row["raw"], row["raw_bytes"]),
        sdk=Program(row["sdk_name"], row["sdk_version"]),
        server=Judge(row["server_version"], row["plan_version"]),
        attempts=row["attempts"],
        replay_of=None if row["replay_of"] is None else _id(project, row["replay_of"]),
        sampled=row["sampled"],
        status=row["status"],
    )


def _id(project: str, seq: int) -> str:
    return f"f_{project}_{seq}"


def _is_retryable(code: str) -> bool:
    return code in CODES and CODES[code].is_retryable


def _errors(row: dict[str, Any]) -> list[FailedError]:
    """Return all that is wrong: what was found one by one, else the one reason it failed for."""
    if row["faults"]:
        found = _faults.decode(row["faults"])
        return [
            FailedError(one.path, _rule(one.code), one.expected, one.got, one.schema, one.message)
            for one in found
        ]
    types = _TYPES.search(row["message"])
    expected, got = (types["expected"], types["got"]) if types else ("", "")
    rule = "type" if types else _rule(row["code"])
    return [FailedError(row["path"] or "", rule, expected, got, "", row["message"])]


def _rule(code: str) -> str:
    """Return what a code is about in a word: ``type`` of SCHEMA_TYPE, ``unplanned`` of UNPLANNED_PROP."""
    if code.startswith("UNPLANNED_"):
        return "unplanned"
    return code.removeprefix("SCHEMA_").lower()


def _kept(raw: bytes, sent: int) -> KeptBytes:
    digest = hashlib.sha256(raw).hexdigest() if raw else None
    try:
        return KeptBytes("utf8", digest, sent, raw.decode())
    except UnicodeDecodeError:
        return KeptBytes("base64", digest, sent, base64.b64encode(raw).decode())
