"""What happens to each event between decoding and the log: ``STEPS``, in this order.

Steps are pure. They run here, before the log, because they decide what may reach the disk; whatever
can wait is derived in load, where a better rule can be replayed. Each step goes over the whole batch
before the next one, so timing it costs two clock readings a batch.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

from msgspec import Struct, structs

from tallymark.core.clock import Clock
from tallymark.core.event import Event
from tallymark.core.policy import Policy
from tallymark.privacy.scrub import scrub_ip, scrub_path, scrub_url

from .enrich import user_agent


class StepContext(Struct, frozen=True):
    """What the steps know besides the event: the policy, and the user agent of the request.

    ``user_agent`` is None for a server: its own says nothing of the person.
    """

    policy: Policy
    user_agent: str | None = None


class Dropped(Struct, frozen=True):
    """An event of which nothing may be kept but a count, under this reason code."""

    reason: str


Result: TypeAlias = Event | Dropped


class Step(Struct, frozen=True):
    """One named step; ``applies`` tells, once a batch, whether it has anything to do."""

    name: str
    run: Callable[[Event, StepContext], Result]
    applies: Callable[[StepContext], bool]


class Stepped(Struct, frozen=True):
    """What the steps left: the events, the dropped by reason, the seconds each step took."""

    events: list[Event]
    dropped: dict[str, int]
    seconds: dict[str, float]


def mask_ip(event: Event, around: StepContext) -> Result:
    """Keep of the address what the policy allows."""
    context = event.context
    if context.ip is None:
        return event
    kept = scrub_ip(context.ip, around.policy.ip)
    return structs.replace(event, context=structs.replace(context, ip=kept))


def scrub_urls(event: Event, around: StepContext) -> Result:
    """Scrub page and referrer; campaign parameters move to the context before the query goes."""
    context, policy = event.context, around.policy
    changed: dict[str, str] = {}
    if (url := context.page_url) is not None:
        page = scrub_url(url, policy)
        if page.url != url:
            changed["page_url"] = page.url
        if page.campaign:
            changed |= {name: got for name, got in page.campaign if not getattr(context, name)}
    if (referrer := context.referrer) is not None:
        kept = scrub_url(referrer, policy).url
        if kept != referrer:
            changed["referrer"] = kept
    if (path := context.page_path) is not None:
        kept = scrub_path(path, policy)
        if kept != path:
            changed["page_path"] = kept
    if not changed:
        return event
    return structs.replace(event, context=structs.replace(context, **changed))


def derive_agent(event: Event, around: StepContext) -> Result:
    """Replace the user agent by what it tells: browser, system, device class, robot or not.

    What the client says itself goes before what its user agent suggests.
    """
    context = event.context
    raw = context.user_agent or around.user_agent
    if raw is None:
        return event
    agent = user_agent(raw)
    told = structs.replace(
        context,
        browser=context.browser or agent.browser,
        browser_version=context.browser_version or agent.browser_version,
        os=context.os or agent.os,
        os_version=context.os_version or agent.os_version,
        device_type=context.device_type or agent.device_type,
        user_agent=None,
    )
    if agent.is_bot:
        return structs.replace(event, context=told, flags=(*event.flags, "bot"))
    return structs.replace(event, context=told)


def _always(_: StepContext) -> bool:
    return True


def _forgets_agent(around: StepContext) -> bool:
    return not around.policy.keep_user_agent


STEPS: tuple[Step, ...] = (
    Step("mask_ip", mask_ip, _always),
    Step("scrub_urls", scrub_urls, _always),
    Step("derive_agent", derive_agent, _forgets_agent),
)


def run_steps(
    events: Sequence[Event], around: StepContext, clock: Clock, steps: Sequence[Step] = STEPS
) -> Stepped:
    """Return the events after every step that applies, in the order they came."""
    dropped: dict[str, int] = {}
    seconds: dict[str, float] = {}
    kept = list(events)
    for step in steps:
        if not kept or not step.applies(around):
            continue
        began = clock.monotonic()
        results = [step.run(event, around) for event in kept]
        kept = [result for result in results if isinstance(result, Event)]
        if len(kept) < len(results):
            reasons = [result.reason for result in results if isinstance(result, Dropped)]
            dropped = dict(Counter(dropped) + Counter(reasons))
        seconds[step.name] = clock.monotonic() - began
    return Stepped(kept, dropped, seconds)
