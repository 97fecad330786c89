"""What makes one event acceptable: its name, ids, properties, numbers and time.

Each check raises Refused with the code and the path of the field. Checks are on the path of every
event, so each tests the ordinary case first and looks closer only when that fails.
"""

import re
import unicodedata
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from msgspec import Struct

from tallymark.core.clock import DAY, EPOCH, MICROSECONDS
from tallymark.core.errors import Refused
from tallymark.core.event import TimeRule
from tallymark.core.settings import Settings
from tallymark.identity.placeholders import LONGEST, PLACEHOLDERS, is_placeholder

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Control, format (bidi overrides, zero-width), surrogate, line and paragraph separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_CURRENCY = re.compile(r"[A-Z]{3}\Z")
_CONTAINERS = frozenset({dict, list})

_INTEGER_DIGITS = 29
_FRACTION_DIGITS = 9
_MICROSECOND = timedelta(microseconds=1)
# Whole numbers in this range are 1973 to 5138 as seconds, but the first three years as milliseconds.
_SECONDS_NOT_MILLISECONDS = range(10**8, 10**11)
_LARGEST_MS = 253_402_300_799_999


class Terms(Struct, frozen=True):
    """What the events of one request are measured against.

    ``skew`` is received minus sent in microseconds, if it is believed and large enough to repair;
    ``sent_doubtful`` says that the client's clock is too far off to be believed.
    ``plain_ids`` says that no id of this request needs a closer look; ``checked_keys`` holds the
    property names that passed.
    """

    settings: Settings
    received_at: int
    latest: int
    public: bool
    skew: int = 0
    sent_doubtful: bool = False
    plain_ids: bool = False
    checked_keys: set[str] = set()


def terms(
    settings: Settings,
    *,
    received_at: int,
    sent_at: int | None,
    public: bool,
    plain_ids: bool = False,
) -> Terms:
    """Return the terms of one request; decides whether the client's clock is repaired."""
    skew = 0 if sent_at is None else received_at - sent_at
    is_doubtful = abs(skew) > settings.skew_limit_days * DAY
    # A clock known to be years ahead stamps its events years ahead too; those are clamped.
    ahead = -skew if is_doubtful and skew < 0 else 0
    if is_doubtful or abs(skew) < settings.skew_seconds * MICROSECONDS:
        skew = 0
    return Terms(
        settings=settings,
        received_at=received_at,
        latest=received_at + ahead + settings.max_future_seconds * MICROSECONDS,
        public=public,
        skew=skew,
        sent_doubtful=is_doubtful,
        plain_ids=plain_ids,
        checked_keys=set(),
    )


@lru_cache(maxsize=4096)
def checked_name(name: str, max_bytes: int) -> str:
    """Return the name in normal form C; NAME_INVALID if empty, too long or not all visible."""
    normal = unicodedata.normalize("NFC", name)
    size = len(normal.encode())
    if size > max_bytes:
        raise _refused(
            "NAME_INVALID", f"The event name has {size} bytes, more than {max_bytes}.", "name"
        )
    if not normal.strip():
        raise _refused("NAME_INVALID", "The event name is empty.", "name")
    if any(unicodedata.category(char) in _INVISIBLE for char in normal):
        raise _refused(
            "NAME_INVALID",
            f"The event name {ascii(normal)[:100]} holds invisible characters.",
            "name",
        )
    return normal


def are_plain(ids: list[str], persons: list[str], max_bytes: int) -> bool:
    """Return whether all ids pass every check, for the price of a few tests of the whole batch.

    ``persons`` are those of them that name people. False only means that each must be checked.
    """
    if not ids:
        return True
    together = "".join(ids)
    return (
        together.isascii()
        and together.isprintable()
        and " " not in together
        and max(map(len, ids)) <= max_bytes
        and "" not in ids
        and PLACEHOLDERS.isdisjoint(map(str.lower, persons))
    )


def check_id(given: str, path: str, max_bytes: int) -> None:
    """Raise BAD_ID for an id that is empty or holds control characters, ID_TOO_LONG beyond the limit."""
    if len(given) > max_bytes or (not given.isascii() and len(given.encode()) > max_bytes):
        raise _refused("ID_TOO_LONG", f"{path} is longer than {max_bytes} bytes.", path)
    if not given or given.isspace():
        raise _refused("BAD_ID", f"{path} is empty.", path)
    if not given.isprintable() and _CONTROL.search(given):
        raise _refused("BAD_ID", f"{path} {ascii(given)[:100]} holds control characters.", path)


def check_person(given: str, path: str, max_bytes: int) -> None:
    """Raise ILLEGAL_ID for a placeholder such as ``undefined``, else what ``check_id`` raises."""
    if len(given) <= LONGEST and is_placeholder(given):
        raise _refused("ILLEGAL_ID", f"{path} {given!a} is a placeholder and names nobody.", path)
    check_id(given, path, max_bytes)


def check_groups(groups: dict[str, str], settings: Settings) -> None:
    """Raise for a group type that is no plain key, and for a group id as ``check_id`` does."""
    if len(groups) > settings.max_properties:
        raise _refused("TOO_MANY_PROPS", f"There are {len(groups)} groups.", "groups")
    for group_type, group_id in groups.items():
        _check_key(group_type, "groups", settings.max_key_bytes)
        check_id(group_type, "groups", settings.max_key_bytes)
        # To believe "undefined" would make one customer of all that have none.
        check = check_person if group_type == "account" else check_id
        check(group_id, f"groups.{group_type}", settings.max_id_bytes)


def check_properties(properties: dict[str, Any], path: str, agreed: Terms) -> None:
    """Raise TOO_MANY_PROPS, KEY_TOO_LONG or JSON_DEPTH."""
    limits = agreed.settings
    if len(properties) > limits.max_properties:
        raise _refused(
            "TOO_MANY_PROPS",
            f"There are {len(properties)} {path}, more than {limits.max_properties}.",
            path,
        )
    if not agreed.checked_keys.issuperset(properties):
        for key in properties:
            _check_key(key, path, limits.max_key_bytes)
        agreed.checked_keys.update(properties)
    if not _CONTAINERS.isdisjoint(map(type, properties.values())):
        for key, value in properties.items():
            _check_nested(value, f"{path}.{key}", limits.max_depth, limits.max_key_bytes)


def quantity(given: Any, path: str) -> Decimal:
    """Return a metered quantity or an amount of money exactly.

    VALUE_NOT_NUMERIC for anything but a JSON number, VALUE_NONFINITE for one that needs more than
    29 digits before the point or 9 after it.
    """
    if type(given) is not int and type(given) is not Decimal:
        shown = "null" if given is None else type(given).__name__
        raise _refused("VALUE_NOT_NUMERIC", f"{path} must be a number, not {shown}.", path)
    exact = Decimal(given)
    _, digits, exponent = exact.as_tuple()
    if not isinstance(exponent, int) or exact.adjusted() >= _INTEGER_DIGITS:
        raise _refused("VALUE_NONFINITE", f"{path} has more than 29 digits before the point.", path)
    surplus = -exponent - _FRACTION_DIGITS
    if surplus > 0 and any(digits[-surplus:]):
        raise _refused("VALUE_NONFINITE", f"{path} has more than 9 digits after the point.", path)
    return exact


def check_currency(currency: str | None) -> None:
    """Raise CURRENCY_INVALID unless it is three capital letters."""
    if currency is None or not _CURRENCY.match(currency):
        raise _refused(
            "CURRENCY_INVALID",
            f"currency {ascii(currency)[:100]} is not an ISO 4217 code.",
            "currency",
        )


def client_time(given: datetime | int, path: str) -> int:
    """Return what the client said, in microseconds since 1970.

    A datetime is aware; a number is whole milliseconds. TIME_UNPARSABLE outside the calendar and for
    numbers that can only be seconds, TIME_TOO_OLD before 1970.
    """
    if isinstance(given, datetime):
        instant = (given - EPOCH) // _MICROSECOND
    elif given in _SECONDS_NOT_MILLISECONDS:
        raise _refused(
            "TIME_UNPARSABLE", f"{path} {given} looks like seconds; send milliseconds.", path
        )
    elif given > _LARGEST_MS:
        raise _refused("TIME_UNPARSABLE", f"{path} lies beyond the year 9999.", path)
    else:
        instant = given * 1000
    if instant < 0:
        raise _refused("TIME_TOO_OLD", f"{path} lies before 1970.", path)
    return instant


def believed_time(client: int, agreed: Terms, *, is_metered: bool) -> tuple[int, TimeRule]:
    """Return when it happened as we believe it, and by which rule; TIME_FUTURE beyond the limit.

    A clock that is wrong by a believable amount is repaired: client + (received - sent). What would
    then lie after its own receipt is clamped to the receipt. Metered time from a server is never
    repaired: it decides which bill an event belongs to.
    """
    rule: TimeRule = "client"
    time = client
    if not is_metered and agreed.skew:
        time, rule = client + agreed.skew, "repaired"
    if time > agreed.latest:
        raise _refused("TIME_FUTURE", "time lies too far in the future.", "time")
    if time < 0:
        raise _refused("TIME_TOO_OLD", "time lies before 1970.", "time")
    if time > agreed.received_at and not is_metered and (agreed.skew or agreed.sent_doubtful):
        return agreed.received_at, "clamped"
    return time, rule


def _check_key(key: str, path: str, max_bytes: int) -> None:
    if len(key) > max_bytes or (not key.isascii() and len(key.encode()) > max_bytes):
        raise _refused("KEY_TOO_LONG", f"{path} has a name longer than {max_bytes} bytes.", path)


def _check_nested(value: Any, path: str, depth: int, max_key_bytes: int) -> None:
    if not isinstance(value, dict | list):
        return
    if depth == 0:
        raise _refused("JSON_DEPTH", f"{path[:200]} is nested too deeply.", path[:200])
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_key(key, path, max_key_bytes)
            _check_nested(inner, path, depth - 1, max_key_bytes)
    else:
        for inner in value:
            _check_nested(inner, path, depth - 1, max_key_bytes)


def _refused(code: str, message: str, path: str) -> Refused:
    return Refused(message, code=code, path=path)
