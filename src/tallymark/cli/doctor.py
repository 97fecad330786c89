"""``tallymark doctor``: looks at everything that can go wrong and says how to mend it."""

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from tallymark.client import Client
from tallymark.core.clock import MICROSECONDS, SystemClock, rfc3339
from tallymark.core.errors import CODES, TallymarkError
from tallymark.core.settings import MIB, Settings, load_settings

from .connection import add_connection_flags, open_client
from .main import COMMANDS, Subparsers
from .render import shown

Health: TypeAlias = Literal["ok", "warn", "bad"]
_LAG_WARNS: Final = 1_000
_CLOCK_SLACK: Final = 2 * MICROSECONDS
_SHARE: Final = 0.05
_ENOUGH: Final = 100
_FEW_NAMES: Final = 8
_SENDING: Final = "See whether what sends it still does, or change `monitors` in the plan."
_DRIFTS: Final = {
    "new": "",
    "vanished": "If that was not meant, see what changed where they were sent.",
    "mixed": "They come as text and as numbers, which are different values; send one type.",
}


class Finding(Struct, frozen=True):
    """One thing looked at: how it is, and what to do about it if it is not well."""

    health: Health
    what: str
    fix: str = ""


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("doctor", help=COMMANDS["doctor"], description=COMMANDS["doctor"])  # fmt: skip
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Print what was found; return 1 if anything is bad."""
    findings = list(_findings(args))
    for finding in findings:
        print(f"{finding.health:4}  {shown(finding.what)}")
        if finding.health != "ok" and finding.fix:
            print(f"      → {shown(finding.fix)}")
    return 1 if any(finding.health == "bad" for finding in findings) else 0


def disk(free_bytes: int, settings: Settings) -> Finding:
    """Return whether the disk has room above what collection keeps in reserve."""
    what = f"disk: {free_bytes // MIB:,} MiB free"
    reserve = settings.disk_reserve_bytes
    fix = f"Free some space: below {reserve // MIB:,} MiB collection answers 503."
    if free_bytes < reserve:
        return Finding("bad", what, fix)
    return Finding("warn" if free_bytes < 4 * reserve else "ok", what, fix)


def loading(status: dict[str, Any]) -> Finding:
    """Return whether the store keeps up with the log."""
    lag = int(status["log_head"]) - int(status["log_position"])
    what = f"loading: log at {status['log_head']:,}, store at {status['log_position']:,}"
    fix = "Wait a moment and look again; if it stays, the server's log says why loading stopped."
    return Finding("warn" if lag > _LAG_WARNS else "ok", what, fix)


def ledger(status: dict[str, Any]) -> Finding:
    """Return whether every received item met exactly one outcome."""
    parts = ", ".join(f"{name} {count:,}" for name, count in status["ledger"].items())
    if status["balanced"]:
        return Finding("ok", f"ledger balances: {parts}")
    return Finding("bad", f"ledger does not balance: {parts}", "Run: tallymark verify")


def failures(counts: dict[str, int]) -> Iterator[Finding]:
    """Yield how many events failed for each reason, with what to do about it."""
    if not counts:
        yield Finding("ok", "failed events: none")
    for code, count in counts.items():
        fix = CODES[code].fix if code in CODES else ""
        yield Finding("warn", f"failed events: {count:,} × {code}", fix)


def turned_away(found: dict[str, Any], now: int) -> Iterator[Finding]:
    """Yield requests that reached us and are in no project's figures, such as those with a wrong key."""
    for one in found["requests"]:
        name, code = one["protocol"], one["code"]
        fix = CODES[code].fix if code in CODES else ""
        if not name:
            fix = "Check the address that is sent to; docs/how-to has a page for each SDK."
        elif code in ("AUTH_INVALID", "AUTH_MISSING") and name != "native":
            fix += f" If its clients send a site and no key: tallymark sites add {name} SITE"
        what = f"turned away: {name or 'to an unknown address'}: {one['requests']:,} × {code}"
        yield Finding("warn", f"{what}; last {_ago(one['last_us'], now)}", fix)


def sources(found: dict[str, Any], now: int) -> Iterator[Finding]:
    """Yield what each key or site sent in the last hours: how much of it counts, how late it is."""
    if not found["sources"]:
        yield Finding("ok", "arrivals: nothing in the last 24 hours")
    for one in found["sources"]:
        name = f"{one['protocol']} from {one['source'] or 'nobody known'}"
        outcomes = [f"{count:,} {word}" for word, count in one["outcomes"].items() if count]
        what = f"arrivals: {name}: {one['received']:,} received, {', '.join(outcomes)}"
        what += f"; last {_ago(one['last_received_us'], now)}"
        if one["late_p95_seconds"] is not None:
            what += f"; 95 % within {_long(one['late_p95_seconds'])} of happening"
        yield Finding("ok", what)
        yield from _troubles(name, one)
        yield from drifts(
            name,
            [
                each
                for each in found["compared"]["properties"]
                if (each["source"], each["protocol"]) == (one["source"], one["protocol"])
            ],
        )
    drift = found["drift"]
    for word in ("new", "vanished", "mixed"):
        if drift[word]:
            names = ", ".join(drift[word][:_FEW_NAMES])
            yield Finding("ok" if word == "new" else "warn", f"properties {word}: {names}", _DRIFTS[word])  # fmt: skip


def _long(seconds: float) -> str:
    """Return how long that is, in the largest unit of which it is at least two."""
    for name, size in (("years", 365 * 86_400), ("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {name}"
    return f"{seconds:,.1f} s"


def _ago(then: int, now: int) -> str:
    # The ledger knows the minute, so no more is said.
    minutes = max(now - then, 0) // (60 * MICROSECONDS)
    if minutes < 2:
        return "just now"
    return f"{minutes:,} min ago" if minutes < 120 else f"{minutes // 60:,} h ago"


def _troubles(name: str, one: dict[str, Any]) -> Iterator[Finding]:
    for code, count in one["failed"].items():
        fix = CODES[code].fix if code in CODES else ""
        look = f"tallymark failed list --code {code} --source {one['source']}"
        yield Finding("warn", f"  {name}: {count:,} × {code}", f"{fix} Look at them: {look}")
    for code, count in one["dropped"].items():
        yield Finding("ok", f"  {name}: {count:,} dropped, {code}")
    for code, count in one["observed"].items():
        yield Finding("ok", f"  {name}: {count:,} × {code} observed, and counted all the same")
    events = one["outcomes"]["accepted"]
    if one["skewed"] > events * _SHARE:
        yield Finding("warn", f"  {name}: {one['skewed']:,} events with a wrong clock", "Set the clocks of whatever sends them.")  # fmt: skip
    if one["without_id"] > events * _SHARE:
        yield Finding("warn", f"  {name}: {one['without_id']:,} events without an id", "Without one, an event that is sent again counts twice.")  # fmt: skip
    before = one["received_week_ago"]
    if before > _ENOUGH and one["received"] < before / 2:
        yield Finding("warn", f"  {name}: {before:,} came in the same hours a week ago", "See whether something stopped sending.")  # fmt: skip


def drifts(name: str, compared: list[dict[str, Any]]) -> Iterator[Finding]:
    """Yield the properties of one source that are not what they were in the week before."""
    told = [(word, one) for one in compared for word in one["drifts"]]
    for word, one in told[:_FEW_NAMES]:
        place = f"  {name}: {one['event']}.{one['property']}"
        was, has = one["before"], one["now"]
        match word:
            case "new":
                yield Finding("ok", f"{place} is new: {_share(has)} of the events have it")
            case "vanished":
                yield Finding("warn", f"{place} is gone: {_share(was)} had it in the week before", _DRIFTS["vanished"])  # fmt: skip
            case "lacking":
                yield Finding("warn", f"{place} is had by {_share(has)} of the events, and by {_share(was)} in the week before", "See what sends it otherwise.")  # fmt: skip
            case "types":
                yield Finding("warn", f"{place} is {_types(has)}; in the week before it was {_types(was)}", "Send one type.")  # fmt: skip
            case _:
                moved = one["moved"]
                yield Finding("warn", f"{place} has other values (PSI {one['psi']:.2f}): {moved['value']!r} is {moved['now']:.1%} of them, was {moved['before']:.1%} in the week before", "If that was not meant, see what changed where they are sent.")  # fmt: skip
    if len(told) > _FEW_NAMES:
        more = len(told) - _FEW_NAMES
        yield Finding("warn", f"  {name}: {more} more drifts", "See `compared` of GET /tm/v1/quality.")  # fmt: skip


def _share(one: dict[str, int]) -> str:
    return f"{(one['text'] + one['number'] + one['other']) / one['events']:.1%}"


def _types(one: dict[str, int]) -> str:
    have = one["text"] + one["number"] + one["other"]
    words = (("text", "text"), ("number", "a number"), ("other", "something else"))
    return ", ".join(f"{one[kind] / have:.0%} {word}" for kind, word in words if one[kind])


def monitors(found: dict[str, Any]) -> Iterator[Finding]:
    """Yield what the tracking plan expects of events and is not so; or that all is."""
    told = found["monitors"]
    for one in told:
        if one["is_met"] is not False:
            continue
        event, most = one["event"], one["high"]
        match one["what"]:
            case "freshness" if one["found"] is None:
                yield Finding("warn", f"plan: {event} has never come; one in {most:,.0f} s is expected", _SENDING)  # fmt: skip
            case "freshness":
                yield Finding("warn", f"plan: {event} came last {one['found']:,.0f} s ago; one in {most:,.0f} s is expected", _SENDING)  # fmt: skip
            case "volume":
                yield Finding("warn", f"plan: {event} came {one['found']:,.0f} times in 24 hours; {one['low']:,.0f} to {most:,.0f} are expected", _SENDING)  # fmt: skip
            case "drift":
                yield Finding("warn", f"plan: {event}.{one['property']} has other values than in the week before: PSI {one['found']:.2f}; {most:g} may", "If that was not meant, see what changed where they are sent.")  # fmt: skip
            case _:
                yield Finding("warn", f"plan: {one['found']:.2%} of {event} lack {one['property']}; {most:.2%} may", "See what sends them without it.")  # fmt: skip
    held = sum(one["is_met"] is True for one in told)
    if told:
        open_ = sum(one["is_met"] is None for one in told)
        later = f", {open_} cannot be told yet" if open_ else ""
        yield Finding("ok", f"plan: {held} of {len(told)} expectations are met{later}")


def clock(last_received: int | None, now: int) -> Finding:
    """Return whether this machine's clock is behind what the store has seen."""
    if last_received is not None and last_received > now + _CLOCK_SLACK:
        return Finding(
            "bad",
            f"clock: it says {rfc3339(now)}, but an event came at {rfc3339(last_received)}",
            "Set the clock, and keep it set with NTP.",
        )
    return Finding("ok", f"clock: {rfc3339(now - now % MICROSECONDS)}")


def _findings(args: argparse.Namespace) -> Iterator[Finding]:
    try:
        client = open_client(args, must_exist=True)
    except TallymarkError as error:
        yield Finding("bad", f"server: {error.message}", error.hint)
        return
    with client:
        if client.has_own_server:
            yield Finding(
                "warn", "server: none was running; one was started for this look",
                "Start it with: tallymark serve",
            )  # fmt: skip
        else:
            yield Finding("ok", "server: answers")
        yield from _ready(client)
        if not args.url:
            settings = load_settings({"data": args.data})
            yield disk(shutil.disk_usage(Path(settings.data)).free, settings)
        yield from _project(client)


def _ready(client: Client) -> Iterator[Finding]:
    try:
        checks = client.ready()
    except TallymarkError as error:
        yield Finding("bad", f"server: {error.message}", error.hint)
        return
    for name, said in checks.items():
        fix = CODES[said].fix if said in CODES else ""
        yield Finding("ok" if said == "ok" else "bad", f"{name}: {said}", fix)


def _project(client: Client) -> Iterator[Finding]:
    try:
        status = client.status()
        yield Finding("ok", f"project {status['project']}: {status['events']:,} events")
        yield loading(status)
        yield ledger(status)
        yield from failures(client.failed(limit=1)["counts"])
        yield from turned_away(client.turned_away(), SystemClock().now())
        quality = client.quality()
        if not quality["compared"]["is_finished"]:
            yield Finding("warn", "drift: there was no time to compare everything", "Raise `question_seconds`, or look at fewer hours.")  # fmt: skip
        yield from sources(quality, SystemClock().now())
        yield from monitors(quality)
        yield clock(status["last_received_us"], SystemClock().now())
    except TallymarkError as error:
        yield Finding("bad", f"project: {error.message}", error.hint)
