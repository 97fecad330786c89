"""What an event, a command or a failed line claims to be when it is decided what came before.

Two claims of one id with the same content are the same thing sent twice; with another they conflict.
"""

import hashlib
from typing import assert_never

import msgspec

from tallymark.core.event import (
    Command,
    Event,
    Failed,
    GroupMembership,
    IdentityLink,
    ProfileOp,
)

_encode = msgspec.json.Encoder(order="deterministic", decimal_format="number").encode


def content(event: Event) -> int:
    """Return a 63-bit digest of what the client said: not when or how it was sent, or derived."""
    context = event.context
    # A visitor's id is ours, and another one on the next day, when the event may be sent again.
    anonymous = None if "cookieless" in event.flags else event.anonymous_id
    said = (
        event.name, event.time_client, event.kind, event.user_id, anonymous,
        event.groups, event.session_id, event.properties, context.page_url, context.page_path,
        context.page_title, context.referrer, context.utm_source, context.utm_medium,
        context.utm_campaign, event.value, event.unit, event.revenue, event.currency,
    )  # fmt: skip
    digest = hashlib.blake2b(_encode(said), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def line_claim(failed: Failed) -> Event:
    """Return what stands for a failed line of a file when keys are decided.

    Its id says which line it is, what it held and why it failed: a line that was cut short when it
    was read, or fails for another reason under another mapping, is kept again.
    """
    why = f"{failed.code}\0{failed.raw_bytes}\0".encode() + failed.raw
    digest = hashlib.blake2b(why, digest_size=12).hexdigest()
    return Event(name=failed.code, id=f"{failed.id}:{digest}", time=0, namespace="failed")


def command_claim(command: Command) -> Event:
    """Return what stands for a command when keys are decided, so that a retry changes nothing twice.

    One item may become several commands of the same id, so its key names what the command does.
    """
    match command:
        case ProfileOp():
            does = f"profile:{command.op}:{command.subject_kind}"
        case IdentityLink():
            does = f"link:{command.how}:{command.one_kind}:{command.other_kind}"
        case GroupMembership():
            does = f"group:{command.group_type}"
        case _:
            assert_never(command)
    # The repaired time is not what the client said: a retry is repaired by another skew. Nor is what
    # somebody chose a part of what is known of them.
    said = msgspec.structs.asdict(msgspec.structs.replace(command, time=0))
    del said["consent"]
    return Event(
        name=does, id=f"{does}:{command.id}", time=0, properties=said,
        namespace=f"{command.namespace}/command",
    )  # fmt: skip
