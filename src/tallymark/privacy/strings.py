"""Consent strings of the advertising industry, read as far as they are about what we do.

TC strings are those of IAB Europe's Transparency and Consent Framework, version 2; GPP strings those of
IAB Tech Lab's Global Privacy Platform, version 1. Both are bits in base64url without padding, most
significant first. Whatever does not fit its specification raises Unparsable: half a string is no consent.
"""

from typing import Final

from msgspec import Struct

_ALPHABET: Final = {
    letter: place
    for place, letter in enumerate(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    )
}
_DECISECOND: Final = 100_000
_TC_VERSION: Final = 2
_PURPOSES: Final = 24
# Up to the vendors: what comes after them we need not read, but it must be there.
_TC_BEFORE_PURPOSES: Final = (6, 36, 36, 12, 12, 6, 12, 12, 6, 1, 1, 12)
_HEADER_TYPE: Final = 3
_GPP_VERSION: Final = 1
_TCF_EU, _US_NATIONAL = 2, 7
# Ids of sections are few; a range may say of itself that it is a million long.
_MOST_SECTIONS: Final = 100
_US_NATIONAL_VERSIONS: Final = frozenset({1, 2})
_NOTICES: Final = 6
# Of two bits each: notices, three ways to opt out, twelve or sixteen kinds of sensitive data, two or
# three of children, and four more.
_US_FIELDS: Final = {1: 27, 2: 32}
_OPTED_OUT: Final = 1
_INVALID: Final = 3
_GPC_SEGMENT: Final = 1


class Unparsable(ValueError):
    """The text is no consent string of its kind."""


class TcString(Struct, frozen=True):
    """What a TC string says: the purposes consented to, when it was last changed, and where.

    ``country`` is that of the publisher, as two capital letters.
    """

    purposes: frozenset[int]
    updated_at: int
    country: str


class GppString(Struct, frozen=True):
    """What a GPP string says of Europe and of the United States, where it has such a section."""

    europe: TcString | None = None
    refuses_sharing: bool = False
    gpc: bool = False


def tc_string(text: str) -> TcString:
    """Return what a TC string says; raises Unparsable."""
    core, *_others = text.split(".")
    bits = _Bits(core)
    version, _created, updated, *_rest = [bits.number(width) for width in _TC_BEFORE_PURPOSES]
    if version != _TC_VERSION:
        raise Unparsable("It is no TC string of version 2.")
    purposes = bits.flags(_PURPOSES)
    bits.flags(_PURPOSES)  # legitimate interests, which are no consent
    bits.number(1)  # whether purpose 1 was not asked: where it was not, it was not granted either
    country = bits.letters(2)
    # Vendors that have consent, and those that have a legitimate interest.
    for _ in range(2):
        bits.skip_vendors()
    return TcString(purposes, updated * _DECISECOND, country)


def gpp_string(text: str) -> GppString:
    """Return what a GPP string says; raises Unparsable."""
    header, *sections = text.split("~")
    bits = _Bits(header)
    if bits.number(6) != _HEADER_TYPE or bits.number(6) != _GPP_VERSION:
        raise Unparsable("It is no GPP string of version 1.")
    ids = bits.fibonacci_range()
    if len(ids) != len(sections):
        raise Unparsable("It does not have the sections that it names.")
    found = dict(zip(ids, sections, strict=True))
    europe = tc_string(found[_TCF_EU]) if _TCF_EU in found else None
    if _US_NATIONAL not in found:
        return GppString(europe)
    core, *others = found[_US_NATIONAL].split(".")
    return GppString(europe, _refuses_sharing(core), any(map(_has_gpc, others)))


def _refuses_sharing(core: str) -> bool:
    """Return whether the sale or the sharing of personal data was opted out of."""
    bits = _Bits(core)
    version = bits.number(6)
    if version not in _US_NATIONAL_VERSIONS:
        raise Unparsable("Its section of the United States has an unknown version.")
    fields = [bits.number(2) for _ in range(_US_FIELDS[version])]
    sale, sharing = fields[_NOTICES : _NOTICES + 2]
    if _INVALID in fields:
        raise Unparsable("Its section of the United States has a value that means nothing.")
    return _OPTED_OUT in (sale, sharing)


def _has_gpc(segment: str) -> bool:
    bits = _Bits(segment)
    return bits.number(2) == _GPC_SEGMENT and bits.number(1) == 1


class _Bits:
    """The bits of a text, read from the left; raises Unparsable where they end too early."""

    def __init__(self, text: str) -> None:
        try:
            self._bits = "".join(f"{_ALPHABET[letter]:06b}" for letter in text)
        except KeyError:
            raise Unparsable("It has a character that is not of base64url.") from None
        self._next = 0

    def number(self, width: int) -> int:
        return int(self._take(width), 2)

    def flags(self, count: int) -> frozenset[int]:
        return frozenset(place for place, bit in enumerate(self._take(count), 1) if bit == "1")

    def letters(self, count: int) -> str:
        places = [self.number(6) for _ in range(count)]
        if max(places) >= 26:
            raise Unparsable("A letter is not one of A to Z.")
        return "".join(chr(ord("A") + place) for place in places)

    def skip_vendors(self) -> None:
        """Go beyond a list of vendors: a bit for each, or ranges of them."""
        most = self.number(16)
        if self.number(1) == 0:
            self._take(most)
            return
        for _ in range(self.number(12)):
            self._take(32 if self.number(1) else 16)

    def fibonacci_range(self) -> list[int]:
        """Return ascending ids, each told by its distance from the one before it."""
        found: list[int] = []
        last = 0
        for _ in range(self.number(12)):
            is_group = self.number(1) == 1
            first = last + self._fibonacci()
            last = first + self._fibonacci() if is_group else first
            if len(found) + last - first >= _MOST_SECTIONS:
                raise Unparsable("It names more sections than there are.")
            found += range(first, last + 1)
        return found

    def _fibonacci(self) -> int:
        """Return a number of at least 1: its ones stand for 1, 2, 3, 5, 8 …, and two of them end it."""
        total, before, weight = 0, 1, 1
        was_one = False
        for _ in range(len(self._bits) - self._next):
            is_one = self._take(1) == "1"
            if is_one and was_one:
                return total
            total += weight if is_one else 0
            before, weight = weight, before + weight
            was_one = is_one
        raise Unparsable("A number has no end.")

    def _take(self, count: int) -> str:
        end = self._next + count
        if end > len(self._bits):
            raise Unparsable("It ends too early.")
        taken = self._bits[self._next : end]
        self._next = end
        return taken
