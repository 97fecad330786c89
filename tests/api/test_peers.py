"""Whose address a request has."""

import pytest

from tallymark.api.peers import Peers
from tallymark.core.errors import TallymarkError


@pytest.mark.parametrize(
    ("trusted", "forwarded", "expected"),
    [
        ((), "1.2.3.4", "10.0.0.1"),
        (("10.0.0.0/8",), None, "10.0.0.1"),
        (("10.0.0.0/8",), "1.2.3.4", "1.2.3.4"),
        (("10.0.0.0/8",), "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        (("10.0.0.0/8",), "6.6.6.6, 1.2.3.4, 10.9.9.9", "1.2.3.4"),
        (("192.168.0.0/16",), "1.2.3.4", "10.0.0.1"),
        (("10.0.0.0/8",), "garbage", "10.0.0.1"),
        (("10.0.0.0/8",), "", "10.0.0.1"),
        (("10.0.0.0/8",), "::ffff:1.2.3.4", "1.2.3.4"),
        (("10.0.0.0/8",), "2001:db8::1", "2001:db8::1"),
        (("10.0.0.0/8",), ",".join(["10.0.0.2"] * 5000), "10.0.0.2"),
    ],
)
def test_only_a_trusted_proxy_may_name_somebody_else(
    trusted: tuple[str, ...], forwarded: str | None, expected: str
) -> None:
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}

    assert Peers(trusted).of({"client": ("10.0.0.1", 5)}, headers) == expected


def test_over_a_unix_socket_there_is_no_address() -> None:
    assert Peers(()).of({"client": None}, {"x-forwarded-for": "1.2.3.4"}) is None


@pytest.mark.parametrize(
    ("client", "headers", "expected"),
    [
        ("127.0.0.1", {}, True),
        ("127.9.9.9", {}, True),
        ("::1", {}, True),
        ("10.0.0.1", {}, False),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, False),
        ("127.0.0.1", {"forwarded": "for=127.0.0.1"}, False),
    ],
)
def test_this_machine_is_known_by_its_loopback(
    client: str, headers: dict[str, str], expected: bool
) -> None:
    assert Peers(()).is_this_machine({"client": (client, 5)}, headers) is expected


def test_a_network_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(TallymarkError) as caught:
        Peers(("10.0.0.0/99",))

    assert caught.value.code == "SETTING_INVALID"
