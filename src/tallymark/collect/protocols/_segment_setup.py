"""What Segment's and RudderStack's browser SDKs ask for before they send anything, and after."""

import base64
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tallymark.collect.protocol import Endpoint, Reply, Request
from tallymark.core.errors import NotAllowed, Refused
from tallymark.core.settings import Settings

_HOST = re.compile(r"[A-Za-z0-9._-]+(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?")
_OWN_MACHINE = re.compile(r"(?:localhost|127\.[0-9.]+|\[::1\])(?::\d+)?")
# A page asks each time it is opened; what it gets depends on the way it came, and on who asks: what
# was kept for a page of this host lets no other page read it.
_KEPT: Final = (("Cache-Control", "private, max-age=300"), ("Vary", "Origin"))
_ANY: Final = {"__default": {"enabled": True}}


def project_settings(request: Request, _settings: Settings) -> Reply:
    """Return what makes analytics.js send here: the write key, our address, and no destination.

    Raises Refused for a secret key, and for a Host that is none: without an address of ours in the
    answer the SDK would send to Segment.
    """
    key = request.params["writeKey"]
    _refuse_secret(key)
    host = request.headers.get("host", "").strip()
    if not _HOST.fullmatch(host):
        raise Refused("The Host header names no host.", path="host")
    base = request.path.partition("/v1/projects/")[0]
    ours = {
        "apiKey": key,
        "apiHost": f"{host}{base}/v1",
        "protocol": _scheme(request.headers, host),
    }
    return _told(
        {
            "integrations": {"Segment.io": ours},
            "plan": {"track": _ANY, "identify": _ANY, "group": _ANY},
            "metrics": {"sampleRate": 0},
        }
    )


def source_config(request: Request, _settings: Settings) -> Reply:
    """Return what makes RudderStack's SDKs send, to no destination but us.

    Raises NotAllowed without a write key, Refused for a secret one.
    """
    key = _write_key(request)
    _refuse_secret(key)
    off = {"enabled": False}
    source = {
        "id": "tallymark", "name": "tallymark", "writeKey": key, "enabled": True,
        "workspaceId": "tallymark", "destinations": [], "dataplanes": {},
        "config": {"statsCollection": {"errors": off, "metrics": off}},
    }  # fmt: skip
    return _told({"source": source, "destinations": []})


def discard(_request: Request, _settings: Settings) -> Reply:
    """Return success for what an SDK counts of itself, which nobody looks at."""
    return Reply(200, b'{"success":true}')


def _scheme(headers: Mapping[str, str], host: str) -> str:
    told = headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    if told in ("http", "https"):
        return told
    # A proxy may not say, but a browser lets no page of https ask another machine over http.
    is_secure = headers.get("origin", "").startswith("https://")
    return "https" if is_secure and not _OWN_MACHINE.fullmatch(host) else "http"


def _write_key(request: Request) -> str:
    scheme, _, rest = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "basic":
        try:
            user = base64.b64decode(rest.strip(), validate=True).decode("latin-1").partition(":")[0]
        except ValueError:
            user = ""
        if user:
            return user
    found = re.search(r"(?:^|&)writeKey=([^&]+)", request.query)
    if found is None:
        raise NotAllowed("No write key was given.", code="AUTH_MISSING")
    return found[1]


def _refuse_secret(key: str) -> None:
    if key.startswith(("sk_", "rk_")):
        raise Refused(
            "A secret key was given to a browser, where everybody can read it.",
            code="AUTH_IN_URL",
            hint="Make a public key with `tallymark keys create`, and rotate this one.",
        )


def _told(answer: Any) -> Reply:
    return Reply(200, msgspec.json.encode(answer), headers=_KEPT)


ENDPOINTS: Final = (
    Endpoint("GET", "/v1/projects/{writeKey}/settings", project_settings),
    Endpoint("GET", "/sourceConfig", source_config),
    Endpoint("POST", "/v1/m", discard),
    Endpoint("POST", "/m", discard),
)
