"""One request's items as one batch of the log: after the steps, and scrubbed.

Pure, but for the times of the steps and the ids of visitors: what stands here decides what reaches
the disk.
"""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct, structs

from tallymark import __version__
from tallymark.core.clock import Clock
from tallymark.core.consents import ConsentSource
from tallymark.core.errors import Refused
from tallymark.core.event import Batch, Command, Event, Failed
from tallymark.core.policy import Policy
from tallymark.core.settings import Settings
from tallymark.privacy.consent import Signals, judge_command, signals_of
from tallymark.privacy.cookieless import Visit
from tallymark.privacy.pseudonyms import uses_key
from tallymark.privacy.records import NOTHING_HEARD, Heard, Witness, heard
from tallymark.privacy.scrub import scrub_ip, scrub_line, scrub_raw

from .aside import sort_out
from .protocol import Caller, Decoded, Protocol, Request
from .steps import StepContext, Stepped, run_steps

# A place in the log has this much room for the items of one batch.
_MOST_ITEMS = 65_536


class Prepared(Struct, frozen=True):
    """A batch ready for the log, what it was decoded from, and the seconds each step took."""

    batch: Batch
    decoded: Decoded
    seconds: dict[str, float]


class Surroundings(Struct, frozen=True):
    """What collection keeps for privacy beside the log: nothing, where nobody asks for it.

    ``visitor`` gives the id of one day for a visit at an instant; ``key`` the secret of a project.
    """

    visitor: Callable[[Visit, int], str] | None = None
    key: Callable[[str], bytes] = lambda _project: b""


NOTHING_KEPT: Final = Surroundings()


class Origin(Struct, frozen=True):
    """Where a batch came from and by what: what its request tells besides its content."""

    protocol: str
    received_at: int
    peer: str | None = None
    headers: Mapping[str, str] = {}


def prepare(
    protocol: Protocol,
    request: Request,
    caller: Caller,
    settings: Settings,
    *,
    clock: Clock,
    around: Surroundings = NOTHING_KEPT,
    may_stay_text: bool = False,
) -> Prepared:
    """Return the batch of a request whose body is inflated already; raises Refused.

    ``may_stay_text`` says that its properties need not be read: all it will be is encoded.
    """
    decoded = None
    if may_stay_text and protocol.verbatim is not None:
        decoded = protocol.verbatim(request, caller, settings)
    if decoded is None:
        decoded = protocol.decode(request, caller, settings)
    origin = Origin(protocol.name, request.received_at, request.peer, request.headers)
    return batch_of(decoded, caller, origin, clock=clock, around=around)


def batch_of(
    decoded: Decoded,
    caller: Caller,
    origin: Origin,
    *,
    clock: Clock,
    around: Surroundings = NOTHING_KEPT,
) -> Prepared:
    """Return what was decoded as one batch, after the steps and scrubbed by the caller's policy.

    Address and user agent of the request are the person's only if it is not a server's. An item that
    became several commands counts as several. What consent dropped is not told in the answer, which
    stays the one of an event that was kept.
    """
    policy = caller.policy
    is_server = caller.kind != "public" if decoded.server_side is None else decoded.server_side
    agent = None if is_server else origin.headers.get("user-agent")
    peer = None if is_server or decoded.hides_address else origin.peer
    signals = signals_of(origin.headers).joined(decoded.signals)
    given = around.visitor if policy.visitor_ids else None
    context = StepContext(
        policy=policy,
        user_agent=agent,
        peer=peer,
        project=caller.project,
        is_server=is_server,
        signals=signals,
        visitor=None if given is None else lambda visit: given(visit, origin.received_at),
        key=around.key(caller.project) if _uses_key(caller) else b"",
        plan=caller.plan,
    )
    stepped = _stepped(decoded, context, clock)
    commands, refused = _allowed(decoded, signals, policy, is_server=is_server)
    sorted_out = sort_out(decoded, stepped, commands)
    events, commands = sorted_out.events, sorted_out.commands
    unread = decoded.failed
    said = _heard(decoded, context, caller, around)
    if sorted_out.told and decoded.strict:
        said = NOTHING_HEARD
    if signals.opted_out:
        # Whoever opted out is not kept for repair either.
        refused = _summed(refused, {"OPT_OUT": len(unread)} if unread else {})
        unread = []
    failed = [_scrubbed(item, caller) for item in unread] + sorted_out.failed
    dropped = _summed(decoded.dropped, stepped.dropped, refused, said.dropped)
    items = len(events) + len(commands) + len(failed) + said.items + sum(dropped.values())
    if items + len(said.records) > _MOST_ITEMS:
        raise Refused(f"The batch holds {items} items.", code="BATCH_TOO_LONG")
    batch = Batch(
        received_at=origin.received_at,
        source=caller.source,
        protocol=origin.protocol,
        received=items,
        sent_at=decoded.sent_at,
        ip=None if context.is_nameless else scrub_ip(peer, policy.ip),
        user_agent=agent if policy.keep_user_agent and not context.is_nameless else None,
        server_side=is_server,
        events=events,
        commands=commands,
        failed=failed,
        dropped=dropped,
        observed=stepped.observed,
        consents=said.records,
        server=__version__ if failed else "",
        plan_version=caller.plan.number if failed and caller.plan else 0,
    )
    told = structs.replace(decoded, failed=decoded.failed + sorted_out.told)
    return Prepared(batch, told, stepped.seconds)


def _heard(decoded: Decoded, context: StepContext, caller: Caller, around: Surroundings) -> Heard:
    """Return the records that prove what was said of consent, whatever became of who said it."""
    if decoded.is_ready:
        return NOTHING_HEARD
    others: list[Event | Command] = [one for one in decoded.events if one.consent]
    others += [one for one in decoded.commands if one.consent]
    key = around.key(caller.project) if others or decoded.statements else b""
    if not key:
        return NOTHING_HEARD
    way: ConsentSource = "api" if context.is_server else "sdk"
    witness = Witness(
        context.policy,
        key,
        "import" if caller.kind == "local" else way,
        context.signals,
        context.is_server,
    )
    return heard(decoded.statements, others, witness)


def _stepped(decoded: Decoded, around: StepContext, clock: Clock) -> Stepped:
    if decoded.is_ready:
        return Stepped(decoded.events, {}, {})
    return run_steps(decoded.events, around, clock)


def _allowed(
    decoded: Decoded, signals: Signals, policy: Policy, *, is_server: bool
) -> tuple[list[Command], dict[str, int]]:
    """Return the commands that may be kept, and how many may not by reason."""
    # Most say nothing of consent, and share one verdict.
    unsaid = judge_command({}, signals, policy, is_server=is_server)
    kept: list[Command] = []
    dropped: dict[str, int] = {}
    for command in decoded.commands:
        said = command.consent
        found = (
            judge_command(said, signals, policy, is_server=is_server, time=command.time)
            if said
            else unsaid
        )
        if found.verdict == "keep":
            kept.append(command)
        else:
            dropped[found.reason] = dropped.get(found.reason, 0) + 1
    return kept, dropped


def _summed(*counts: Mapping[str, int]) -> dict[str, int]:
    """Return the sum of each reason's counts; adding Counters costs a request 8 µs, and this one."""
    total: dict[str, int] = {}
    for reasons in counts:
        for reason, count in reasons.items():
            total[reason] = total.get(reason, 0) + count
    return total


def _uses_key(caller: Caller) -> bool:
    return uses_key(caller.policy) or (caller.plan is not None and caller.plan.uses_key)


def _scrubbed(item: Failed, caller: Caller) -> Failed:
    raw = scrub_raw(item.raw, caller.policy)
    if not item.line:
        return structs.replace(item, raw=raw)
    # A line is no JSON, most of the time, and its message quotes it.
    is_cut = len(item.raw) < item.raw_bytes
    return structs.replace(
        item,
        raw=scrub_line(raw, caller.policy, is_cut=is_cut),
        message=scrub_line(item.message.encode(), caller.policy).decode(),
    )
