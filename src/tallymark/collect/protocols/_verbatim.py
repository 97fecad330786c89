"""Whether the properties of a batch can go to the log as the text they came in, unread.

To read properties and write them again is half of the work on an event, and changes nothing where none
of them is nested, odd, or like somebody's e-mail. That is proved here for all of them together: the
texts are cut at their quotes, which leaves what stands in quotes and what stands between. Where the
proof fails they may be fine all the same, and whoever asked reads them one by one.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Raw

from tallymark.collect.protocol import Caller, Request
from tallymark.core.settings import Settings
from tallymark.privacy.consent import signals_of
from tallymark.privacy.pseudonyms import hints_at_people

# Below this a request is read as quickly the ordinary way.
FROM_BYTES: Final = 4 * 1024
# Stands in no JSON text, so it tells where one ends.
_END: Final = b"\0"
_SPACE: Final = b" \t\r\n"
_DIGITS: Final = bytes.maketrans(b"123456789E", b"000000000e")
# Every whole number of so many digits is in range, and every decimal is exact.
_LONG_NUMBER: Final = b"0" * 18
# Bytes of the shortest property: ``"":1,``
_SHORTEST: Final = 5


def is_ordinary(request: Request, caller: Caller) -> bool:
    """Return whether every event of a request would be kept, and none of its properties looked into.

    Personal data that nobody declared is left out of account: see ``are_plain``.
    """
    policy = caller.policy
    return (
        caller.plan is None
        and not policy.properties
        and not policy.keep_user_agent
        and policy.consent == "opt_out"
        and signals_of(request.headers).is_silent
    )


def are_plain(texts: Sequence[Raw], settings: Settings, *, may_be_personal: bool) -> bool:
    """Return whether all texts are objects that pass every check: none nested, all within the limits.

    ``may_be_personal`` says that nobody minds what looks like personal data. The texts have been read
    as JSON, except that nothing of it is known to be UTF-8.
    """
    together = _END.join(texts)
    if b"\\" in together or together.count(_END + b"{") != len(texts) - 1 or together[:1] != b"{":
        # What is escaped would have to be read first.
        return False
    parts = together.split(b'"')
    between, quoted = set(parts[0::2]), set(parts[1::2])
    bare = _END.join(between).translate(_DIGITS, _SPACE)
    if b"[" in bare or b":{" in bare or b"0e" in bare or _LONG_NUMBER in bare:
        return False
    longest = settings.max_key_bytes
    if max(map(len, quoted), default=0) > longest and max(map(len, _keys(parts))) > longest:
        return False
    if any(text.count(b":") > settings.max_properties for text in _long(texts, settings)):
        return False
    try:
        return _may_be_kept(quoted, parts, may_be_personal=may_be_personal)
    except UnicodeDecodeError:
        return False


def _may_be_kept(quoted: set[bytes], parts: list[bytes], *, may_be_personal: bool) -> bool:
    """Return whether no value hints at people; raises UnicodeDecodeError for what is no text."""
    if not hints_at_people(_together(quoted)) or may_be_personal:
        return True
    # A name such as utm_content_of_the_page looks like a key of some service.
    return not hints_at_people(_together(_values(parts)))


def _together(texts: set[bytes]) -> tuple[str, ...]:
    return (b"\n".join(texts).decode(),)


def _keys(parts: list[bytes]) -> set[bytes]:
    return {one for one, after in zip(parts[1::2], parts[2::2], strict=True) if _is_colon(after)}


def _values(parts: list[bytes]) -> set[bytes]:
    return {
        one for one, after in zip(parts[1::2], parts[2::2], strict=True) if not _is_colon(after)
    }


def _is_colon(after: bytes) -> bool:
    return after.lstrip(_SPACE)[:1] == b":"


def _long(texts: Sequence[Raw], settings: Settings) -> Sequence[bytes]:
    shortest = settings.max_properties * _SHORTEST
    return [bytes(text) for text in texts if len(text) > shortest]
