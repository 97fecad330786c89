"""The address a request comes from, behind whatever proxies are trusted."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.types import Scope

from tallymark.core.errors import TallymarkError
from tallymark.web.shell import prefix

_MOST_HOPS = 20


class Peers:
    """Knows which networks may say for whom they speak."""

    def __init__(self, trusted: Sequence[str]) -> None:
        try:
            self._trusted = [ip_network(text.strip(), strict=False) for text in trusted]
        except ValueError as error:
            raise TallymarkError(f"trusted_proxies: {error}.", code="SETTING_INVALID") from error

    def of(self, scope: Scope, headers: Mapping[str, str]) -> str | None:
        """Return the client's address; None over a Unix socket.

        X-Forwarded-For is read from its end, for as long as the speaker is trusted.
        """
        client = scope.get("client")
        if not client:
            return None
        peer = str(client[0])
        if not self._trusted or "x-forwarded-for" not in headers:
            return peer
        for hop in reversed(headers["x-forwarded-for"].split(",")[-_MOST_HOPS:]):
            here, there = _address(peer), _address(hop)
            if here is None or there is None or not self._trusts(here):
                break
            peer = str(there)
        return peer

    def is_this_machine(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        """Whether a process of this machine asks for itself and not for somebody else."""
        address = _address(self.of(scope, headers) or "")
        speaks_for_another = "x-forwarded-for" in headers or "forwarded" in headers
        return address is not None and address.is_loopback and not speaks_for_another

    def prefix(self, scope: Scope, headers: Mapping[str, str]) -> str | None:
        """Return the path below which a trusted proxy serves us; None if it does not say."""
        said = headers.get("x-forwarded-prefix", "")
        return (prefix(said) or None) if self._speaks_for_others(scope) else None

    def is_secure(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        """Whether the client speaks TLS, with us or with a proxy that is trusted."""
        said = headers.get("x-forwarded-proto", "").split(",")[-1].strip().lower()
        return scope.get("scheme") == "https" or (
            said == "https" and self._speaks_for_others(scope)
        )

    def _speaks_for_others(self, scope: Scope) -> bool:
        client = scope.get("client")
        here = _address(str(client[0])) if client else None
        return here is not None and self._trusts(here)

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
