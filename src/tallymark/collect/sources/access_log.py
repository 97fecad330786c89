"""Access logs of web servers: Common, Combined (also with the virtual host first) and nginx JSON.

The format is seen line by line, so a file may change it halfway. Each line gives one event
``request`` with its method, status, bytes and protocol. Visitors are told apart by a keyed hash of
address and user agent, so nothing that names them has to be kept. Escapes in the request stay as
logged, so that paths are what other tools count.

What is odd about a line stands in its property ``line_flags``: ``latin-1`` (not UTF-8), ``cut`` (the
last quote is missing) or ``not_http`` (the request is none, such as a TLS handshake).
"""

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from tallymark.core.clock import instant, rfc3339
from tallymark.core.errors import Refused
from tallymark.core.event import Json

from ._lines import MAX_LINE, digest_at, ended_size, failure, lines, plain_text
from .mapping import literal, set_constants, time_text
from .source import Failure, Item, Line, Options, Record, Source, WireEvent

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_QUOTED = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)'
# Bounded and possessive where it repeats: a hostile line costs no more than a long one.
_LINE = re.compile(
    r"(?:(?P<host>[^\s\[\"]++) (?=(?!- )\S++ \S++ \S++ \[))?"
    r"(\S++) \S++ ([^\[\"]{1,200}?) \[([^\]\s]{1,40} [+-]\d{4})\] "
    + _QUOTED
    + r'" (\d{3}|-) (\d{1,18}|-)(?: '
    + _QUOTED
    + r'" '
    + _QUOTED
    + r'(?:(")(?: .*)?)?)?',
    re.DOTALL,
)
_ADDRESS = re.compile(r"[0-9a-fA-F:.]{2,45}")
_ESCAPED = re.compile(r'\\(["\\])')
_METHOD = re.compile(r"[A-Z][A-Z-]{1,31}")

# The names that nginx configurations use for the same things, first found first taken.
_JSON_NAMES: dict[str, tuple[str, ...]] = {
    "time": ("time_iso8601", "@timestamp", "timestamp", "time", "msec", "time_local"),
    "address": ("remote_addr", "client_ip", "client", "ip"),
    "user": ("remote_user",),
    "request": ("request",),
    "method": ("request_method", "method"),
    "target": ("request_uri", "uri", "url", "path"),
    "protocol": ("server_protocol", "protocol"),
    "status": ("status",),
    "bytes": ("body_bytes_sent", "bytes_sent", "bytes", "size"),
    "referrer": ("http_referer", "http_referrer", "referer", "referrer"),
    "user_agent": ("http_user_agent", "user_agent", "agent"),
    "host": ("http_host", "host", "server_name", "vhost"),
}
_JSON = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


def read(path: Path, options: Options, position: int) -> Iterator[Item]:
    """Give an event or a reason for every line of an access log that is not blank."""
    for line in lines(path, position=position):
        item = line if isinstance(line, Failure) else read_line(line, options)
        if item is not None:
            yield item


def read_line(line: Line, options: Options) -> Item | None:
    """Return the event of one line, or why it gives none; None for a blank one."""
    if not line.text or line.text.isspace():
        return None
    text, is_latin = plain_text(line.text)
    try:
        event = _event(line, text.rstrip("\r"), options.salt)
    except Refused as refusal:
        return failure(line, refusal)
    if is_latin:
        _flag(event, "latin-1")
    if options.fields.set:
        set_constants(options.fields, event)
    return Record(line.number, line.offset, event)


def explain(path: Path, options: Options) -> list[str]:
    """Say how the log is read."""
    del path
    name = options.fields.set.get("name", "request")
    return [
        f"each line is an event {name!r} with method, status, bytes and protocol",
        "times carry their own offset; visitors are hashes of address and user agent",
    ]


def _event(line: Line, text: str, salt: str) -> WireEvent:
    if len(line.text) > MAX_LINE:
        raise Refused(f"The line is longer than {MAX_LINE} bytes.", code="EVENT_TOO_LARGE")
    if "\0" in text:
        raise Refused("The line holds NUL characters.", code="NUL_CHAR")
    event_id = f"{line.digest}:{line.offset}"
    if text.startswith("{"):
        return _from_json(event_id, text, salt)
    found = _LINE.fullmatch(text)
    if found is None:
        raise Refused("The line is no access-log line.", code="LINE_UNREADABLE")
    host, address, user, time, request, status, size, referrer, agent, end = found.groups()
    try:
        moment = _time(time)
    except (ValueError, KeyError):
        raise Refused(f"The time {time!r} cannot be read.", code="TIME_UNPARSABLE") from None
    event = _request(
        event_id, moment, salt, address=address, request=request, status=status, size=size,
        referrer=_plain(referrer), agent=_plain(agent), user=user, host=host,
    )  # fmt: skip
    if agent is not None and end is None:
        _flag(event, "cut")
    return event


def _request(  # noqa: PLR0913 - one parameter for each part of a line
    event_id: str,
    moment: str,
    salt: str,
    *,
    address: str,
    request: str,
    status: str,
    size: str,
    referrer: str | None,
    agent: str | None,
    user: str,
    host: str | None,
) -> WireEvent:
    properties: dict[str, Json] = {}
    page: dict[str, str] = {}
    method, _, rest = request.partition(" ")
    target, _, protocol = rest.rpartition(" ")
    if not protocol.startswith("HTTP/"):
        # HTTP/0.9 has no third part.
        target, protocol = rest, ""
    is_http = bool(target) and _METHOD.fullmatch(method) is not None
    if is_http:
        properties["method"] = method
        if protocol:
            properties["protocol"] = protocol
        _place(page, target, host)
    if status != "-":
        properties["status"] = int(status)
    # Common writes "-" where nginx writes 0.
    properties["bytes"] = 0 if size == "-" else int(size)
    if not is_http:
        properties["line_flags"] = "not_http"
    if referrer and referrer != "-":
        page["referrer"] = referrer
    context: dict[str, Json] = {"page": page} if page else {}
    if agent and agent != "-":
        context["user_agent"] = agent
    if _ADDRESS.fullmatch(address):
        context["ip"] = address
    event: WireEvent = {
        "id": event_id,
        "name": "request",
        "time": moment,
        "anonymous_id": _visitor(salt, address, agent or "-"),
        "properties": properties,
        "context": context,
    }
    # A server logs the name also of those whom it refused; that proves nothing.
    if user not in ("-", '""', "") and status != "401":
        event["user_id"] = user
    return event


def _place(page: dict[str, str], target: str, host: str | None) -> None:
    if target.startswith("/"):
        page["path"] = target.partition("?")[0]
        page["url"] = f"http://{host}{target}" if host else target
    elif "://" in target:
        page["url"] = target


@lru_cache(maxsize=8192)
def _time(text: str) -> str:
    """Return ``17/May/2015:10:05:03 +0200`` as RFC 3339 in UTC."""
    zone = timedelta(hours=int(text[-4:-2]), minutes=int(text[-2:]))
    moment = datetime(
        int(text[7:11]),
        _MONTHS[text[3:6]],
        int(text[:2]),
        int(text[12:14]),
        int(text[15:17]),
        int(text[18:20]),
        tzinfo=timezone(-zone if text[-5] == "-" else zone),
    )
    return rfc3339(instant(moment))


@lru_cache(maxsize=65_536)
def _visitor(salt: str, address: str, agent: str) -> str:
    key = hashlib.blake2b(salt.encode(), digest_size=32).digest()
    seen = f"{address}\0{agent}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(seen, key=key, digest_size=16).hexdigest()


def _plain(quoted: str | None) -> str | None:
    return _ESCAPED.sub(r"\1", quoted) if quoted and "\\" in quoted else quoted


def _flag(event: WireEvent, flag: str) -> None:
    properties = event["properties"]
    before = properties.get("line_flags")
    properties["line_flags"] = f"{before},{flag}" if before else flag


def _from_json(event_id: str, text: str, salt: str) -> WireEvent:
    try:
        given = _JSON.decode(text)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise Refused(f"The line is no JSON object: {error}.", code="JSON_SYNTAX") from error
    part: dict[str, Any] = {}
    for what, names in _JSON_NAMES.items():
        name = next((name for name in names if given.get(name) not in (None, "")), None)
        part[what] = None if name is None else given.pop(name)
    text_of = {what: "-" if value is None else str(value) for what, value in part.items()}
    if part["request"] is None and part["target"] is not None:
        text_of["request"] = f"{text_of['method']} {text_of['target']} {text_of['protocol']}"
    if part["time"] is None:
        raise Refused("The line has no time.", code="MISSING_FIELD", path="time")
    event = _request(
        event_id, _json_time(text_of["time"]), salt,
        address=text_of["address"],
        request=text_of["request"].removesuffix(" -"),
        status=text_of["status"] if re.fullmatch(r"\d{3}", text_of["status"]) else "-",
        size=text_of["bytes"] if re.fullmatch(r"\d{1,18}", text_of["bytes"]) else "-",
        referrer=text_of["referrer"], agent=text_of["user_agent"], user=text_of["user"],
        host=None if part["host"] is None else text_of["host"],
    )  # fmt: skip
    used = {name for names in _JSON_NAMES.values() for name in names}
    for name, value in given.items():
        if name not in used and value not in (None, "", "-"):
            event["properties"].setdefault(
                name, literal(value) if isinstance(value, str) else value
            )
    return event


def _json_time(text: str) -> str:
    try:
        return _time(text)
    except (ValueError, KeyError, IndexError):
        return time_text(text, "UTC", None)


access_log = Source(
    name="access-log",
    summary="Access logs: Common, Combined, nginx JSON; each line one request.",
    read=read,
    explain=explain,
    digest=digest_at,
    line=read_line,
    ended=ended_size,
)
