"""Which events are new, which came before, and which only share an id.

The key is a 128-bit hash of (project, namespace, event id). An event is a duplicate exactly if an
earlier place in the log holds its key, however long ago: keys commit with the rows, in the same
store commit, so a claim can never outlive a failed write and replay decides the same.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, assert_never

import msgspec
import numpy as np
from msgspec import Struct

from tallymark.core.event import (
    Command,
    Event,
    Failed,
    GroupMembership,
    IdentityLink,
    ProfileOp,
)
from tallymark.store.hash_index import HashIndex

_encode = msgspec.json.Encoder(order="deterministic", decimal_format="number").encode


class Verdict(Struct, frozen=True):
    """The outcome for one event: ``first_seq`` is the event that holds the key, if another does."""

    first_seq: int = 0
    conflict: bool = False


NEW = Verdict()


class Keyed(Struct, frozen=True):
    """The keys of events, whole and in halves, and the digests of their content."""

    keys: list[bytes]
    high: "np.ndarray[Any, Any]"
    low: "np.ndarray[Any, Any]"
    contents: list[int]


class Claims(Struct, frozen=True):
    """What a load decided: a verdict for each event, and which of them are new."""

    keyed: Keyed
    verdicts: list[Verdict]
    is_new: "np.ndarray[Any, Any]"


# Places in the log → content digests of the events there.
Contents = Callable[[Sequence[int]], dict[int, int]]


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
    # The repaired time is not what the client said: a retry is repaired by another skew.
    said = msgspec.structs.asdict(msgspec.structs.replace(command, time=0))
    return Event(
        name=does, id=f"{does}:{command.id}", time=0, properties=said,
        namespace=f"{command.namespace}/command",
    )  # fmt: skip


class Keys:
    """Makes dedupe keys for one project; the hash of a namespace is begun once."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._begun: dict[str, Any] = {}

    def key(self, namespace: str, event_id: str) -> bytes:
        """Return the 16-byte key; equal to hash128(project, namespace, event_id)."""
        begun = self._begun.get(namespace)
        if begun is None:
            if len(self._begun) > 1000:
                self._begun.clear()
            begun = hashlib.blake2b(digest_size=16)
            for part in (self._project, namespace):
                data = part.encode("utf-8", "surrogatepass")
                begun.update(len(data).to_bytes(4, "big") + data)
            self._begun[namespace] = begun
        data = event_id.encode("utf-8", "surrogatepass")
        digest = begun.copy()
        digest.update(len(data).to_bytes(4, "big") + data)
        return bytes(digest.digest())


def keyed(keys: Keys, events: Sequence[Event]) -> Keyed:
    """Return the keys and digests of events; needs nothing of the store."""
    made = [keys.key(event.namespace, event.id) for event in events]
    return Keyed(made, *_arrays(made), [content(event) for event in events])


def decide(made: Keyed, seqs: Sequence[int], index: HashIndex, contents: Contents) -> Claims:
    """Return the verdict on each event, which must be in log order."""
    holders = index.lookup(made.high, made.low).tolist() if made.keys else []
    here: dict[bytes, int] = {}
    firsts: list[int] = []
    for place, (key, holder) in enumerate(zip(made.keys, holders, strict=True)):
        first = here.setdefault(key, place)
        if holder >= 0:
            firsts.append(holder)
        else:
            firsts.append(-1 if first == place else seqs[first])
    earlier = {first for first, holder in zip(firsts, holders, strict=True) if holder >= 0}
    known = contents(sorted(earlier)) if earlier else {}
    known.update(zip(seqs, made.contents, strict=True))
    verdicts = [
        NEW if first < 0 else Verdict(first, conflict=known.get(first) != digest)
        for first, digest in zip(firsts, made.contents, strict=True)
    ]
    is_new = np.array([first < 0 for first in firsts], dtype=bool)
    return Claims(made, verdicts, is_new)


def _arrays(keys: Sequence[bytes]) -> tuple["np.ndarray[Any, Any]", "np.ndarray[Any, Any]"]:
    both = np.frombuffer(b"".join(keys), dtype=">u8").reshape(-1, 2).astype(np.uint64)
    return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])
