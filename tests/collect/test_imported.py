"""Records of exports, sent by the owner's importers: who may send them, and that all is checked."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tallymark.collect.protocol import Caller, Decoded, Request
from tallymark.collect.protocols.native import native
from tallymark.collect.protocols.native import reply as native_reply
from tallymark.core.event import (
    Command,
    Event,
    GroupMembership,
    IdentityLink,
    ProfileOp,
)
from tallymark.core.settings import Settings

NOW = 1_790_000_000_000_000
OWNER = Caller("p", "local", "local")
USE = Event(name="a", id="i", time=NOW - 1, time_client=NOW - 1, namespace="posthog")
_encode = msgspec.json.Encoder(decimal_format="number").encode


def decode(body: bytes, caller: Caller = OWNER) -> Decoded:
    request = Request("POST", "/tm/v1/events", "", {}, body, None, NOW)
    return native.decode(request, caller, Settings())


def record(*events: Event, commands: tuple[Command, ...] = ()) -> dict[str, Any]:
    return {"type": "imported", "events": events, "commands": commands}


def code_of(**fields: Any) -> str:
    """Return the code of an event that is refused beside one that is not."""
    odd = msgspec.structs.replace(USE, **fields)
    decoded = decode(_encode([record(USE), record(odd)]))
    assert [one.id for one in decoded.events] == ["i"]
    (failed,) = decoded.failed
    return failed.code


def code_of_command(command: Command) -> str:
    decoded = decode(_encode([record(USE), record(commands=(command,))]))
    (failed,) = decoded.failed
    return failed.code


def test_an_event_is_kept_as_it_was_told_and_flagged() -> None:
    told = msgspec.structs.replace(
        USE,
        time_client=5,
        time_rule="repaired",
        properties={"n": Decimal("1.10")},
        revenue=Decimal("9.90"),
        currency="EUR",
        flags=("bot",),
        groups={"account": "acme"},
    )

    (event,) = decode(_encode([record(told)])).events

    assert event == msgspec.structs.replace(told, flags=("bot", "imported"))


def test_a_record_counts_as_all_that_it_tells_and_one_that_tells_nothing_as_one() -> None:
    link = IdentityLink("d", "u", "i", NOW - 1, namespace="mixpanel")
    decoded = decode(_encode([record(USE, USE, commands=(link,)), record(), {"name": "own"}]))

    assert (decoded.received, len(decoded.events), decoded.commands) == (5, 3, [link])
    assert decoded.dropped == {"NOT_KEPT": 1}
    assert json.loads(native_reply(decoded).body) == {"accepted": 4, "failed": []}


@pytest.mark.parametrize("kind", ["public", "secret", "read"])
def test_nobody_but_the_owner_may_send_them(kind: Any) -> None:
    decoded = decode(_encode([record(USE), {"name": "own"}]), Caller("p", kind, "k"))

    assert [event.name for event in decoded.events] == ["own"]
    assert [failed.code for failed in decoded.failed] == ["RESERVED_KEY"]


def test_every_field_of_an_event_is_checked() -> None:
    assert code_of(name="") == "NAME_INVALID"
    assert code_of(id="") == "BAD_ID"
    assert code_of(namespace="") == "BAD_ID"
    assert code_of(namespace="failed") == "RESERVED_KEY"
    assert code_of(user_id="undefined") == "ILLEGAL_ID"
    assert code_of(anonymous_id="x" * 1000) == "ID_TOO_LONG"
    assert code_of(session_id="\n") == "BAD_ID"
    assert code_of(groups={"": "a"}) == "BAD_ID"
    assert code_of(properties={"k" * 1000: 1}) == "KEY_TOO_LONG"
    assert code_of(time=NOW * 2) == "TIME_FUTURE"
    assert code_of(time=-1) == "TIME_TOO_OLD"
    assert code_of(value=Decimal("1E+40")) == "VALUE_NONFINITE"
    assert code_of(revenue=Decimal(1), currency="euro") == "CURRENCY_INVALID"
    assert code_of(flags=("",)) == "BAD_ID"


def test_every_command_is_checked() -> None:
    at = NOW - 1

    assert code_of_command(ProfileOp("set", "null", "i", at)) == "ILLEGAL_ID"
    assert code_of_command(ProfileOp("set", "u", "i", at, {"k" * 1000: 1})) == "KEY_TOO_LONG"
    assert code_of_command(ProfileOp("set", "u", "i", at, subject_kind="")) == "BAD_ID"
    assert code_of_command(IdentityLink("", "u", "i", at)) == "ILLEGAL_ID"
    assert code_of_command(IdentityLink("d", "guest", "i", at)) == "ILLEGAL_ID"
    assert code_of_command(GroupMembership("", "g", "i", at, "u")) == "BAD_ID"
    assert code_of_command(GroupMembership("account", "g", "i", at, "none")) == "ILLEGAL_ID"
    assert code_of_command(IdentityLink("d", "u", "i", NOW * 2)) == "TIME_FUTURE"


@pytest.mark.parametrize(
    "item",
    [
        {"type": "imported", "events": [{"name": 1}]},
        {"type": "imported", "events": {}},
        {"type": "imported", "commands": [{"type": "nothing"}]},
        {"type": "imported", "other": 1},
    ],
)
def test_what_is_no_record_fails_alone(item: dict[str, Any]) -> None:
    decoded = decode(json.dumps([item, {"name": "own"}]).encode())

    assert [event.name for event in decoded.events] == ["own"]
    (failed,) = decoded.failed
    assert failed.code in ("BAD_FIELD", "MISSING_FIELD")
