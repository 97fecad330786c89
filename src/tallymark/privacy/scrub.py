"""What of an address, a page or a refused text may be kept: applied before anything reaches disk.

All functions are pure and linear in the length of what they are given: paths and queries are chosen
by whoever sends them.
"""

import ipaddress
import re
import urllib.parse
from collections.abc import Callable
from functools import lru_cache

import msgspec
from msgspec import Struct

from tallymark.core.policy import CAMPAIGN_PARAMETERS, IpRule, Policy

_SHORTEST_SECRET = 21
# No browser sends as much; only to look through it would cost more than it tells.
_LONGEST_QUERY = 16 * 1024
_UUID = re.compile(
    r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE
)
_LONG_NUMBER = re.compile(rf"\d{{{_SHORTEST_SECRET}}}")
_EMAIL = re.compile(r"[^@]+@[^@]+\.[^@]+\Z")
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*\Z")
# Tells how what follows is to be understood, for example mailto: or data:.
_OPAQUE_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_HAS_AUTHORITY = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//")
# A site has few pages; longer addresses are not worth remembering.
LONGEST_REMEMBERED = 512
_ADDRESS = frozenset(
    {
        "ip", "$ip", "ip_address", "cip", "client_ip", "ip_override", "client.address",
        "client.socket.address", "network.peer.address", "source.address", "http.client_ip",
        "net.peer.ip", "net.sock.peer.addr",
    }
)  # fmt: skip
_AGENT = frozenset(
    {
        "user_agent", "userAgent", "$raw_user_agent", "$user_agent", "ua", "user_agent.original",
        "http.user_agent",
    }
)  # fmt: skip
_PATH = frozenset({"path", "pathname", "$pathname", "current_url_path", "url.path", "http.target"})
# A query without the address it belongs to.
_ASKED = frozenset({"url.query"})
_LINK = frozenset(
    {
        "url", "href", "referrer", "referer", "search", "current_url", "$current_url", "$referrer",
        "$initial_referrer", "$initial_current_url", "$session_entry_url", "page_location",
        "page_referrer", "dl", "dr", "u", "r", "refr", "urlref", "[Amplitude] Page Location",
        "[Amplitude] Page URL", "url.full", "http.url",
    }
)  # fmt: skip
_NAMES = "|".join(re.escape(name) for name in sorted(_ADDRESS | _AGENT | _PATH | _ASKED | _LINK))
_PERSONAL_FIELD = re.compile(rb'"(%b)"(\s*:\s*)"((?:[^"\\]|\\.)*)' % _NAMES.encode(), re.DOTALL)

# Some protocols carry the key in the body, and what is refused as a whole is kept as it came.
_SECRET_KEY = re.compile(rb"(?:sk|rk)_[0-9A-Za-z]{8}_[0-9A-Za-z]+")
_QUERY = re.compile(rb"\?([^\s\"'<>?]+)")
# Whole runs, so that each byte is looked at once; what is between two of them is no part of a name.
_WORD = re.compile(rb"[^\s\"'<>,;:()\[\]{}|=&/?\\]+")
_IPV4 = re.compile(rb"\d{1,3}(?:\.\d{1,3}){3,}")
_COLONS = re.compile(rb"[0-9A-Fa-f:.]{3,}")
_FEWEST_COLONS = 5
_CUT_WORD = re.compile(rb"[\w.:%+@-]*\Z")
_LONGEST_CUT_WORD = 320


class Address(Struct, frozen=True):
    """A scrubbed web address, and the utm parameters it came with, each once."""

    url: str
    campaign: tuple[tuple[str, str], ...] = ()


def scrub_ip(ip: str | None, rule: IpRule) -> str | None:
    """Return what may be kept of an address: nothing, its /24 or /48 network, or all of it.

    An IPv4 address mapped into IPv6 counts as IPv4. What is no address is never kept.
    """
    if ip is None or rule == "drop":
        return None
    try:
        address = ipaddress.ip_address(ip.strip())
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if rule == "full":
        return str(address)
    bits = 24 if address.version == 4 else 48
    network = ipaddress.ip_network((int(address), bits), strict=False)
    return str(network.network_address)


def scrub_url(url: str, policy: Policy) -> Address:
    """Return the address without user info, fragment and query, save the parameters allowed.

    Of an address without ``//`` after its scheme (mailto:, data:, javascript:) only the scheme stays.
    """
    query = ""
    if "#" in url:
        url = url.partition("#")[0]
    if "?" in url:
        url, _, query = url.partition("?")
    if len(url) > LONGEST_REMEMBERED:
        base = _scrub_base(url, policy.redact_paths)
    else:
        base = scrubber(policy)(url)
    return with_query(base, scrub_query(query, policy)) if query else base


def scrubber(policy: Policy) -> Callable[[str], Address]:
    """Return what scrubs addresses without query and fragment of at most ``LONGEST_REMEMBERED``."""
    return _redacted_address if policy.redact_paths else _whole_address


def scrub_query(query: str, policy: Policy) -> Address:
    """Return what may stay of the query of an address, with its question mark, and the campaign in it.

    Nothing is remembered of it: what the policy drops may be anybody's secret.
    """
    return Address(*_parameters(query, policy.url_parameters))


def with_query(base: Address, query: Address) -> Address:
    """Return an address without a query together with one."""
    return Address(base.url + query.url, query.campaign)


def scrub_path(path: str, policy: Policy) -> str:
    """Return a path without its query and fragment, redacted if the policy says so."""
    if "#" in path:
        path = path.partition("#")[0]
    if "?" in path:
        path = path.partition("?")[0]
    return redact_path(path) if policy.redact_paths else path


def redact_path(path: str) -> str:
    """Return a path with ``[email]``, ``[uuid]``, ``[number]`` or ``[token]`` for segments like one."""
    has_at = "@" in path or "%40" in path
    if len(path) < _SHORTEST_SECRET and not has_at:
        return path
    segments = path.split("/")
    if not has_at and max(map(len, segments)) < _SHORTEST_SECRET:
        return path
    return "/".join(map(_redacted, segments))


def scrub_raw(raw: bytes, policy: Policy) -> bytes:
    """Return refused JSON text, whole or cut short, with its personal fields scrubbed as an event's.

    It may be no JSON at all, so fields are found by the names that the protocols use for addresses,
    user agents and pages. Secret and read keys of ours become ``[key]``.
    """

    def scrubbed(found: re.Match[bytes]) -> bytes:
        name, value = found[1], found[3]
        kept = _scrub_field(name.decode(), _text(value), policy)
        return b'"%b"%b"%b' % (name, found[2], msgspec.json.encode(kept)[1:-1])

    return _SECRET_KEY.sub(b"[key]", _PERSONAL_FIELD.sub(scrubbed, raw))


def scrub_line(line: bytes, policy: Policy, *, is_cut: bool = False) -> bytes:
    """Return a line that could not be read with ``[address]`` and ``[email]`` for what looks like one.

    Nobody knows its fields, so whatever may be an address goes, versions such as 1.2.3.4 too, unless
    the policy keeps addresses in full. Queries are scrubbed as an event's. Of a line that was cut,
    the last word goes: it may be half an address.
    """
    line = _QUERY.sub(lambda found: _kept_query(found[1], policy), line)
    if policy.ip == "full":
        return line
    if is_cut:
        tail = _CUT_WORD.sub(b"", line[-_LONGEST_CUT_WORD:])
        line = line[:-_LONGEST_CUT_WORD] + tail
    if b"@" in line or b"%40" in line:
        line = _WORD.sub(_without_email, line)
    return _IPV4.sub(b"[address]", _COLONS.sub(_without_ipv6, line))


def _kept_query(query: bytes, policy: Policy) -> bytes:
    kept, _ = _parameters(query.decode("latin-1"), policy.url_parameters)
    return kept.encode("latin-1")


def _without_email(word: re.Match[bytes]) -> bytes:
    return b"[email]" if b"@" in word[0] or b"%40" in word[0] else word[0]


def _without_ipv6(run: re.Match[bytes]) -> bytes:
    # Dates have up to three colons; hardware addresses have five, and go as well.
    is_address = b"::" in run[0] or run[0].count(b":") >= _FEWEST_COLONS
    return b"[address]" if is_address else run[0]


def _scrub_field(name: str, text: str, policy: Policy) -> str:
    if name in _ADDRESS:
        return scrub_ip(text, policy.ip) or ""
    if name in _AGENT:
        return text if policy.keep_user_agent else ""
    if name in _PATH:
        return scrub_path(text, policy)
    if name in _ASKED:
        return _parameters(text, policy.url_parameters)[0]
    return scrub_url(text, policy).url


def _text(escaped: bytes) -> str:
    try:
        return msgspec.json.decode(b'"%b"' % escaped, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # What cannot be read cannot be judged.
        return ""


def _scrub_base(url: str, redact: bool) -> Address:
    if not _HAS_AUTHORITY.match(url):
        opaque = _OPAQUE_SCHEME.match(url)
        if opaque:
            return Address(opaque[0])
        return Address(redact_path(url) if redact else url)
    scheme, _, rest = url.partition("//")
    authority, slash, path = rest.partition("/")
    authority = authority.rpartition("@")[2]
    return Address(f"{scheme}//{authority}{slash}{redact_path(path) if redact else path}")


# One for each choice: what is looked up is the address alone, without making a key of two parts first.
_redacted_address = lru_cache(maxsize=4096)(lambda url: _scrub_base(url, True))
_whole_address = lru_cache(maxsize=4096)(lambda url: _scrub_base(url, False))


def _parameters(query: str, allowed: tuple[str, ...]) -> tuple[str, tuple[tuple[str, str], ...]]:
    if not query or len(query) > _LONGEST_QUERY:
        return "", ()
    kept: list[str] = []
    campaign: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name in CAMPAIGN_PARAMETERS:
            has_escapes = "%" in value or "+" in value
            campaign[name] = urllib.parse.unquote_plus(value) if has_escapes else value
        if name in allowed:
            kept.append(pair)
    return ("?" + "&".join(kept) if kept else "", tuple(campaign.items()))


def _redacted(segment: str) -> str:
    if "@" in segment or "%40" in segment:
        return "[email]" if _EMAIL.match(segment.replace("%40", "@")) else segment
    if len(segment) < _SHORTEST_SECRET:
        return segment
    if _UUID.search(segment):
        return "[uuid]"
    if _LONG_NUMBER.search(segment):
        return "[number]"
    return "[token]" if _TOKEN.match(segment) else segment
