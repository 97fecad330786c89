"""The compression of PostHog's oldest browser SDKs: what lz-string writes as Base64.

A code of growing width is a character, the end, or an entry of a dictionary that every code adds to.
Each letter of the Base64 is six bits, the highest first; of a number the lowest comes first.
"""

import string
from typing import Final

from tallymark.core.errors import Refused
from tallymark.core.settings import MIB, Settings

# Pages sent little at once, and this is read in Python.
LONGEST: Final = 256 * 1024
_LETTERS: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
_BITS: Final = {letter: f"{place:06b}" for place, letter in enumerate(_LETTERS)}
_BYTE, _WORD, _END = 0, 1, 2


def unpacked(packed: str, settings: Settings) -> bytes:
    """Return the text that lz-string packed, as UTF-8; spaces stand for ``+`` in what was a form.

    Raises Refused DECOMPRESS_LIMIT beyond a size or ratio, DECOMPRESS_CORRUPT for what is none.
    """
    if len(packed) > LONGEST:
        raise Refused(f"A body of lz64 has at most {LONGEST} letters.", code="DECOMPRESS_LIMIT")
    bits = _Bits(packed.strip().replace(" ", "+").rstrip("="))
    limit = min(settings.max_inflated_bytes, max(MIB, settings.max_inflate_ratio * len(packed)))
    # UTF-16 is what it packs: a character may come in two halves.
    units = "".join(_entries(bits, limit)).encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "replace").encode()


class _Bits:
    """Reads numbers out of Base64."""

    def __init__(self, packed: str) -> None:
        try:
            self._bits = "".join([_BITS[letter] for letter in packed])
        except KeyError:
            raise _damaged("it is no Base64") from None
        self._at = 0

    def take(self, width: int) -> int:
        """Return the number in the next bits."""
        end = self._at + width
        found = self._bits[self._at : end]
        if len(found) < width:
            raise _damaged("it ends too early")
        self._at = end
        return int(found[::-1], 2)


def _entries(bits: _Bits, limit: int) -> list[str]:
    # The first three stand for a byte, for two of them and for the end.
    entries = ["", "", ""]
    found: list[str] = []
    total, width, last = 0, 2, ""
    while (code := bits.take(width)) != _END:
        if code in (_BYTE, _WORD):
            entries.append(chr(bits.take(8 if code == _BYTE else 16)))
            code = len(entries) - 1
        if code < len(entries):
            entry = entries[code]
        elif code == len(entries) and last:
            entry = last + last[0]
        else:
            raise _damaged("it names what it has not told")
        total += len(entry)
        if total > limit:
            raise Refused(f"The body inflates to more than {limit} bytes.", code="DECOMPRESS_LIMIT")
        found.append(entry)
        if last:
            entries.append(last + entry[0])
        last = entry
        width = len(entries).bit_length()
    return found


def _damaged(what: str) -> Refused:
    return Refused(f"The lz64 body cannot be read: {what}.", code="DECOMPRESS_CORRUPT")
