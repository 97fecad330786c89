"""The bodies of other tools' SDKs as values, whatever their headers say of them.

What was seen in practice: JSON sent as text or as a form, gzip that nothing announces, base64 with
spaces for ``+``, ``NaN``, halves of surrogate pairs. All of it is read; what cannot be stored is
mended here, so that nobody later has to think of it: numbers are ``int`` or ``Decimal``, ``NaN`` and
what no double can hold are None, NUL is left out and half a pair becomes U+FFFD.
"""

import base64
import binascii
import json
import re
import urllib.parse
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec
from msgspec import Struct

from tallymark.collect.protocol import Request
from tallymark.core.errors import Refused
from tallymark.core.settings import Settings

from .body import GZIP_MAGIC, inflate
from .lz import unpacked

_GZIP: Final = frozenset({"gzip", "gzip-js"})
_NO_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=]")
_LONE_HALF = re.compile("[\ud800-\udfff]")
_LARGEST_EXPONENT: Final = 308
# Parameters are few; beyond this a query is an attack on the parser.
_MOST_FIELDS: Final = 5_000


class Loose(Struct, frozen=True):
    """A body as it was meant: its JSON ``content``, None if there is none, and its ``fields``.

    Fields are the parameters of the query and, above them, of a form; the last of a name holds.
    """

    content: Any = None
    fields: Mapping[str, str] = {}


def open_loosely(request: Request, settings: Settings) -> Loose:
    """Return the content of a request; raises Refused for what cannot be read at all.

    Looks, in this order, for compression (by header, by its first bytes, by the query), JSON, a form
    with JSON or base64 of JSON in its ``data``, and base64 of JSON.
    """
    query = form_fields(request.query)
    body = _inflated(request, query, settings)
    if query.get("compression") == "lz64":
        body = _unpacked(body, query, settings)
    text = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:1] in (b"{", b"["):
        return Loose(values(text), query)
    if not text:
        return Loose(_packed(query["data"]) if query.get("data") else None, query)
    words = text.decode("utf-8", "replace").strip()
    if "=" in words.rstrip("="):
        fields = {**query, **form_fields(words)}
        return Loose(_packed(fields["data"]) if fields.get("data") else None, fields)
    return Loose(_packed(words), query)


def form_fields(text: str) -> dict[str, str]:
    """Return the parameters of a query or form; of a name sent twice the last holds.

    Raises Refused BAD_FIELD for more than 5,000 of them.
    """
    if not text:
        return {}
    if text.count("&") >= _MOST_FIELDS:
        raise Refused(f"There are more than {_MOST_FIELDS} parameters.")
    # A bulk has thousands of them, and most escape nothing: thrice as fast as the standard library.
    # To unescape makes NUL of %00 only, and never half a surrogate pair.
    is_whole = text.isascii() and "\0" not in text and "%00" not in text
    found: dict[str, str] = {}
    for pair in text.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            if "%" in pair or "+" in pair:
                name, value = _unquoted(name), _unquoted(value)
            if is_whole:
                found[name] = value
            else:
                found[_mended(name)] = _mended(value)
    return found


def values(text: bytes) -> Any:
    """Return JSON text, or a list of what its lines hold, as plain values; raises Refused.

    Strict text is read in one quick pass; only what that refuses is read again, forgivingly.
    """
    try:
        found = _STRICT.decode(text)
        # One byte is looked for much quicker than six.
        return mended(found) if b"\\" in text and b"\\u0000" in text else found
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _forgiven(text)


def from_base64(text: str) -> bytes | None:
    """Return what base64 of either alphabet stands for, None if it is none.

    Padding may be missing, and spaces stand for ``+`` where a form was decoded that never was one.
    """
    plain = text.strip().replace(" ", "+").replace("-", "+").replace("_", "/")
    plain = "".join(plain.split()).rstrip("=")
    if not plain or _NOT_BASE64.search(plain):
        return None
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def mended(value: Any) -> Any:
    """Return a JSON value whose texts hold neither NUL nor half a surrogate pair."""
    match value:
        case str():
            return _mended(value)
        case list():
            return [mended(one) for one in value]
        case dict():
            return {_mended(name): mended(one) for name, one in value.items()}
        case _:
            return value


def number(text: str) -> Decimal | None:
    """Return a JSON number with a point or exponent exactly; None where a double is infinite."""
    try:
        exact = Decimal(text)
    except InvalidOperation:
        return None
    return exact if exact.is_finite() and abs(exact.adjusted()) <= _LARGEST_EXPONENT else None


def _literal(text: str) -> Decimal | None:
    # Nearly every number: one of so few digits, and without an exponent, cannot be out of range.
    if len(text) <= _LARGEST_EXPONENT and "e" not in text and "E" not in text:
        return Decimal(text)
    return number(text)


_STRICT = msgspec.json.Decoder(float_hook=_literal)


def _inflated(request: Request, query: Mapping[str, str], settings: Settings) -> bytes:
    """Return the body without its compression, whichever way that was said."""
    encoding = request.headers.get("content-encoding", "")
    body = inflate(request.body, encoding, settings)
    if query.get("compression") in _GZIP and body[:2] == GZIP_MAGIC:
        body = inflate(body, "gzip", settings)
    return body


def _unpacked(body: bytes, query: Mapping[str, str], settings: Settings) -> bytes:
    """Return the text that PostHog's oldest SDKs sent as ``data``, in a form, the query or alone."""
    words = body.decode("utf-8", "replace").strip()
    given = form_fields(words).get("data") or query.get("data") or words
    return unpacked(given, settings)


def _unquoted(text: str) -> str:
    """Return what a part of a query or form stands for, as ``urllib.parse.unquote_plus`` does.

    A batch in a form has hundreds of thousands of escapes. They are those of quoted-printable but for
    the sign, and of that the standard library has a quick decoder.
    """
    plain = text.replace("+", " ") if "+" in text else text
    if "%" not in plain:
        return plain
    if not plain.isascii() or _NO_ESCAPE.search(plain):
        return urllib.parse.unquote(plain)
    printable = plain.encode().replace(b"=", b"=3D").replace(b"%", b"=")
    return binascii.a2b_qp(printable).decode("utf-8", "replace")


def _packed(text: str) -> Any:
    """Return JSON, or base64 of JSON which may be gzip inside; raises Refused JSON_SYNTAX."""
    plain = text.lstrip("\ufeff \t\r\n")
    if plain[:1] in ("{", "["):
        return values(plain.encode("utf-8", "surrogatepass"))
    packed = from_base64(plain)
    if packed is None or packed.lstrip()[:1] not in (b"{", b"["):
        raise Refused("The body holds no JSON.", code="JSON_SYNTAX")
    return values(packed)


def _forgiven(text: bytes) -> Any:
    words = text.decode("utf-8", "replace")
    try:
        return mended(_lenient(words))
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        lines = [line for line in words.splitlines() if line.strip()]
        if len(lines) > 1:
            return [_line(line) for line in lines]
        if "int string conversion" in str(error):
            raise Refused("A whole number is too long.", code="JSON_NUMBER") from None
        raise Refused(f"The body is not JSON: {_fault(error)}.", code="JSON_SYNTAX") from None


def _line(line: str) -> Any:
    try:
        return mended(_lenient(line))
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        # Left to the item's decoder, which refuses what is no object and costs no other line.
        return _mended(line)


def _lenient(text: str) -> Any:
    return json.loads(text, parse_float=number, parse_constant=lambda _: None)


def _fault(error: ValueError) -> str:
    return f"{error.msg} at {error.pos}" if isinstance(error, json.JSONDecodeError) else "bad value"


def _mended(text: str) -> str:
    if "\0" in text:
        text = text.replace("\0", "")
    return text if text.isascii() else _LONE_HALF.sub("\ufffd", text)


def _too_deep() -> Refused:
    return Refused("The JSON is nested too deeply.", code="JSON_DEPTH")
