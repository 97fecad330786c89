"""Which pages may send events: all of them, since a key and never a cookie says who sends."""

from collections.abc import Mapping


def cors_headers(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return what lets the page at ``Origin`` read the answer; nothing without an Origin."""
    origin = headers.get("origin")
    if origin is None:
        return ()
    # Echoed with credentials, since some SDKs insist on sending cookies; we look at none.
    return (
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Expose-Headers", "Retry-After"),
        ("Vary", "Origin"),
    )


def preflight_headers(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the answer to a browser that asks before it sends; good for a day."""
    wanted = headers.get("access-control-request-headers", "")
    allowed = (("Access-Control-Allow-Headers", wanted),) if wanted else ()
    return (
        *cors_headers(headers),
        ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
        ("Access-Control-Max-Age", "86400"),
        *allowed,
    )
