"""What happens to each event between decoding and the log: ``STEPS``, in this order.

Steps are pure. They run here, before the log, because they decide what may reach the disk; whatever
can wait is derived in load, where a better rule can be replayed. Each step goes over the whole batch
before the next one, so timing it costs two clock readings a batch.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TypeAlias

from msgspec import Struct, structs

from tallymark.core.clock import Clock
from tallymark.core.event import Context, Event, Fault
from tallymark.core.policy import Policy, Purpose
from tallymark.privacy.consent import Signals, judge
from tallymark.privacy.cookieless import Visit, site_of
from tallymark.privacy.pseudonyms import hints_at_people, treated
from tallymark.schema.enforce import Compiled, enforce

from .enrich import page_parts, referrer_host
from .places import Places

COOKIELESS = "cookieless"
CONSENTED = "consented"
CONTRACT = "contract"
_TOGETHER_FROM = 32


class StepContext(Struct, frozen=True):
    """What the steps know besides the event: the project's choices and what the request tells.

    ``user_agent`` and ``peer`` are None for a server: its own say nothing of the person. ``visitor``
    gives the id of one day for somebody without an id, ``key`` is the project's own for keyed hashes.
    ``plan`` is the tracking plan of the project, if it has one.
    """

    policy: Policy
    user_agent: str | None = None
    peer: str | None = None
    project: str = ""
    is_server: bool = False
    signals: Signals = Signals()
    visitor: Callable[[Visit], str] | None = None
    key: bytes = b""
    plan: Compiled | None = None

    @property
    def is_unasked(self) -> bool:
        """Whether everything is kept of whom nothing is known: the ordinary case, and a quick one."""
        return self.policy.consent == "opt_out" and self.signals.is_silent

    @property
    def is_nameless(self) -> bool:
        """Whether nothing of the request itself may be kept, whoever says what in its events."""
        return self.policy.consent in ("cookieless", "contract") or not self.signals.is_silent


class Dropped(Struct, frozen=True):
    """An event of which nothing may be kept but a count, under this reason code."""

    reason: str


class SetAside(Struct, frozen=True):
    """An event that is kept for whoever repairs it, under this reason code, and does not count.

    ``is_rejected`` asks that its sender be told, where its protocol can; ``place`` is where it stood
    among the events that the steps were given. ``faults`` are all that is wrong, if more than one may be.
    """

    event: Event
    code: str
    message: str = ""
    path: str = "properties"
    is_rejected: bool = False
    place: int = 0
    faults: tuple[Fault, ...] = ()


class Observed(Struct, frozen=True):
    """An event that goes on, with codes that are only to be counted."""

    event: Event
    codes: tuple[str, ...]


Result: TypeAlias = Event | Dropped | SetAside | Observed


class Step(Struct, frozen=True):
    """One named step; ``applies`` tells, once a batch, whether it may have anything to do.

    A look at a whole batch costs a fraction of a call for each of its events. ``run`` gives a result
    for each event, in their order.
    """

    name: str
    run: Callable[[Sequence[Event], StepContext], list[Result]]
    applies: Callable[[Sequence[Event], StepContext], bool]


def each(
    judge: Callable[[Event, StepContext], Result],
) -> Callable[[Sequence[Event], StepContext], list[Result]]:
    """Return a step that looks at one event after the other."""
    return lambda events, around: [judge(event, around) for event in events]


class Stepped(Struct, frozen=True):
    """What the steps left: the events, the dropped by reason, the seconds each step took.

    ``places`` are where the events stood among those given. ``observed`` counts what was only noted.
    """

    events: list[Event]
    dropped: dict[str, int]
    seconds: dict[str, float]
    aside: list[SetAside] = []
    places: list[int] = []
    observed: dict[str, int] = {}


def require_consent(event: Event, around: StepContext) -> Result:
    """Drop what a person refused, and take out who it was where that may not be kept."""
    if not event.consent and around.is_unasked:
        return event
    found = judge(
        event, around.signals, around.policy, is_server=around.is_server, planned=_purposes(around)
    )
    match found.verdict:
        case "drop":
            return Dropped(found.reason)
        case "cookieless":
            return nameless(event)
        case "contract":
            return _contractual(event)
        case _:
            return flagged(event, CONSENTED) if found.is_agreed else event


def name_visitors(event: Event, around: StepContext) -> Result:
    """Give an event without any id the visitor id of the day, if its request tells visitors apart.

    A customer's server that names nobody meant that, unless its protocol has no ids at all.
    """
    if event.user_id is not None or event.anonymous_id is not None or around.visitor is None:
        return event
    if around.is_server and COOKIELESS not in event.flags:
        return event
    context = event.context
    ip, agent = context.ip or around.peer, context.user_agent or around.user_agent
    if ip is None or not agent:
        return event
    host = context.page_host or page_parts(context.page_url)[0]
    visitor = around.visitor(Visit(around.project, site_of(host), ip, agent))
    flags = event.flags if COOKIELESS in event.flags else (*event.flags, COOKIELESS)
    return structs.replace(event, anonymous_id=visitor, flags=flags)


def treat_properties(events: Sequence[Event], around: StepContext) -> list[Result]:
    """Keep of the properties what the policy allows, and flag or set aside what looks personal."""
    seen: dict[str, str | None] = {}
    return [_treated(event, around, seen) for event in events]


def scrub_context(events: Sequence[Event], around: StepContext) -> list[Result]:
    """Keep of where each use took place what the policy allows.

    Addresses are masked, page and referrer scrubbed after the campaign has moved out of the query, and
    the user agent is replaced by what it tells: browser, system, device class, robot or not. All of it
    is done at once, because each change alone would copy the context and the event again.
    """
    places = Places(around.policy, around.user_agent)
    # Events that a protocol read as told alike share one context.
    seen: dict[int, Context] = {}
    results: list[Result] = []
    for event in events:
        context = event.context
        kept = seen.get(id(context))
        if kept is None:
            kept = seen[id(context)] = places.kept(context)
        results.append(event if kept is context else structs.replace(event, context=kept))
    return _flagged(results, events, places) if places.met_robot else results


def validate_schema(event: Event, around: StepContext) -> Result:
    """Hold an event against the tracking plan, and do with it what the plan says."""
    found = None if around.plan is None else enforce(event.name, event.properties, around.plan)
    if found is None:
        return event
    if (why := found.aside) is not None:
        return SetAside(
            event, why.code, why.message, why.path, found.is_rejected, faults=found.faults
        )
    kept = event
    if found.flags or found.properties is not event.properties:
        flags = tuple(dict.fromkeys((*event.flags, *found.flags)))
        kept = structs.replace(event, properties=found.properties, flags=flags)
    return Observed(kept, found.observed) if found.observed else kept


def nameless(event: Event) -> Event:
    """Return an event without anything that outlives the day: no ids, and of the referrer its host."""
    context = event.context
    referrer = referrer_host(context.referrer)
    return structs.replace(
        event,
        user_id=None,
        anonymous_id=None,
        session_id=None,
        groups={},
        context=structs.replace(
            context,
            referrer=f"https://{referrer}/" if referrer else None,
            device_model=None,
            region=None,
            city=None,
        ),
        flags=flagged(event, COOKIELESS).flags,
    )


def flagged(event: Event, flag: str) -> Event:
    """Return an event with a flag, which its client may have set itself."""
    if flag in event.flags:
        return event
    return structs.replace(event, flags=(*event.flags, flag))


def _contractual(event: Event) -> Event:
    """Return of an event what a contract is about: which account used how much, and when."""
    account = event.groups.get("account")
    return structs.replace(
        event,
        user_id=None,
        anonymous_id=None,
        session_id=None,
        groups={} if account is None else {"account": account},
        properties={},
        context=Context(
            library_name=event.context.library_name, library_version=event.context.library_version
        ),
        flags=flagged(event, CONTRACT).flags,
    )


def _treated(event: Event, around: StepContext, seen: dict[str, str | None]) -> Result:
    properties = event.properties
    if not properties:
        return event
    planned = None if around.plan is None else around.plan.treatments.get(event.name)
    found = treated(properties, around.policy, around.key, planned, seen)
    if found.is_blocked:
        return SetAside(structs.replace(event, properties={}), "PII_BLOCKED")
    if found.properties is properties and not found.flags:
        return event
    return structs.replace(
        event, properties=found.properties, flags=tuple(dict.fromkeys((*event.flags, *found.flags)))
    )


def _flagged(results: Sequence[Result], events: Sequence[Event], places: Places) -> list[Result]:
    """Return the results with a flag on those that a robot sent."""
    flagged: list[Result] = []
    for kept, event in zip(results, events, strict=True):
        # Some clients say themselves that they are one.
        is_news = places.is_bot(event.context.user_agent) and "bot" not in event.flags
        flagged.append(structs.replace(kept, flags=(*event.flags, "bot")) if is_news else kept)
    return flagged


def _purposes(around: StepContext) -> Mapping[str, Purpose] | None:
    return None if around.plan is None else around.plan.purposes


def _may_be_refused(events: Sequence[Event], around: StepContext) -> bool:
    return not around.is_unasked or any(event.consent for event in events)


def _holds_visitors(events: Sequence[Event], around: StepContext) -> bool:
    return around.visitor is not None and any(
        event.anonymous_id is None and event.user_id is None for event in events
    )


def _may_be_personal(events: Sequence[Event], around: StepContext) -> bool:
    if around.policy.properties or (around.plan is not None and around.plan.treatments):
        return True
    if around.policy.suspects == "off" or not any(event.properties for event in events):
        return False
    # To look at few events together and then at each costs as much as twice the second look.
    return len(events) < _TOGETHER_FROM or hints_at_people(
        chain.from_iterable([event.properties.values() for event in events])
    )


def _always(_events: Sequence[Event], _around: StepContext) -> bool:
    return True


def _has_plan(_events: Sequence[Event], around: StepContext) -> bool:
    return around.plan is not None


STEPS: tuple[Step, ...] = (
    Step("require_consent", each(require_consent), _may_be_refused),
    Step("name_visitors", each(name_visitors), _holds_visitors),
    Step("treat_properties", treat_properties, _may_be_personal),
    Step("scrub_context", scrub_context, _always),
    # Last, so that what is set aside is kept as scrubbed as what counts.
    Step("validate_schema", each(validate_schema), _has_plan),
)


def run_steps(
    events: Sequence[Event], around: StepContext, clock: Clock, steps: Sequence[Step] = STEPS
) -> Stepped:
    """Return the events after every step that applies, in the order they came."""
    sorting = _Sorting(list(events))
    seconds: dict[str, float] = {}
    for step in steps:
        if not sorting.kept or not step.applies(sorting.kept, around):
            continue
        began = clock.monotonic()
        sorting.take(step.run(sorting.kept, around))
        seconds[step.name] = clock.monotonic() - began
    return Stepped(
        sorting.kept,
        sorting.dropped,
        seconds,
        sorting.aside,
        sorting.places,
        sorting.observed,
    )


class _Sorting:
    """What goes on to the next step, and what does not."""

    def __init__(self, events: list[Event]) -> None:
        self.kept = events
        self.places = list(range(len(events)))
        # To make a Counter takes a microsecond, and most requests of a browser bring one event.
        self.dropped: dict[str, int] = {}
        self.observed: dict[str, int] = {}
        self.aside: list[SetAside] = []

    def take(self, results: list[Result]) -> None:
        """Take what a step gave for each event, in their order."""
        kept = [result for result in results if isinstance(result, Event)]
        # The ordinary case, and all that most batches pay for.
        if len(kept) == len(results):
            self.kept = kept
            return
        going = zip(self.places, results, strict=True)
        self.kept, self.places = [], []
        for place, result in going:
            match result:
                case Dropped(reason):
                    self.dropped[reason] = self.dropped.get(reason, 0) + 1
                case SetAside():
                    self.aside.append(structs.replace(result, place=place))
                case Observed(event, codes):
                    for code in codes:
                        self.observed[code] = self.observed.get(code, 0) + 1
                    self._keep(event, place)
                case event:
                    self._keep(event, place)

    def _keep(self, event: Event, place: int) -> None:
        self.kept.append(event)
        self.places.append(place)
