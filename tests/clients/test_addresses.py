import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.clients.addresses import refusal_of

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "93.184.216.34",
    "2606:4700:4700::1111",
    "2001:4860:4860::8888",
    "2a00:1450::1",
]
LOOPBACK = ["127.0.0.1", "127.0.0.53", "127.255.255.254", "::1"]
REFUSED = [
    ("unspecified", "0.0.0.0"),
    ("this network", "0.1.2.3"),
    ("private", "10.0.0.1"),
    ("private", "172.16.0.1"),
    ("private", "172.31.255.255"),
    ("private", "192.168.1.1"),
    ("carrier-grade NAT", "100.64.0.1"),
    ("carrier-grade NAT", "100.127.255.255"),
    ("link-local", "169.254.0.1"),
    ("cloud metadata", "169.254.169.254"),
    ("protocol assignment", "192.0.0.8"),
    ("protocol assignment", "192.0.0.170"),
    ("documentation", "192.0.2.1"),
    ("documentation", "198.51.100.1"),
    ("documentation", "203.0.113.1"),
    ("benchmarking", "198.18.0.1"),
    ("benchmarking", "198.19.255.255"),
    ("6to4 relay", "192.88.99.1"),
    ("multicast", "224.0.0.1"),
    ("multicast", "239.255.255.255"),
    ("reserved", "240.0.0.1"),
    ("broadcast", "255.255.255.255"),
    ("unspecified", "::"),
    ("IPv4-compatible loopback", "::127.0.0.1"),
    ("IPv4-compatible", "::8.8.8.8"),
    ("IPv4-mapped loopback", "::ffff:127.0.0.1"),
    ("IPv4-mapped private", "::ffff:10.0.0.1"),
    ("IPv4-mapped", "::ffff:8.8.8.8"),
    ("IPv4-translated", "::ffff:0:127.0.0.1"),
    ("NAT64 of loopback", "64:ff9b::7f00:1"),
    ("NAT64", "64:ff9b::808:808"),
    ("local NAT64", "64:ff9b:1::1"),
    ("discard", "100::1"),
    ("unique local", "fc00::1"),
    ("unique local", "fd12:3456::1"),
    ("link-local", "fe80::1"),
    ("link-local with zone", "fe80::1%eth0"),
    ("site-local", "fec0::1"),
    ("multicast", "ff02::1"),
    ("Teredo", "2001:0:4136:e378::1"),
    ("benchmarking", "2001:2::1"),
    ("ORCHID", "2001:10::1"),
    ("ORCHIDv2", "2001:20::1"),
    ("documentation", "2001:db8::1"),
    ("6to4 of loopback", "2002:7f00:1::"),
    ("6to4", "2002:808:808::1"),
    ("documentation", "3fff::1"),
    ("segment routing", "5f00::1"),
    ("public with zone", "2606:4700::1%eth0"),
    ("no address", "localhost"),
    ("no address", ""),
    ("no address", "127.1"),
    ("no address", "2130706433"),
    ("no address", "0177.0.0.1"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    assert refusal_of(address, allow_loopback=False) is None
    assert refusal_of(address, allow_loopback=True) is None


@pytest.mark.parametrize("address", LOOPBACK)
def test_loopback_is_allowed_only_where_that_is_set(address: str) -> None:
    assert refusal_of(address, allow_loopback=False) is not None
    assert refusal_of(address, allow_loopback=True) is None


@pytest.mark.parametrize(("kind", "address"), REFUSED)
def test_an_address_that_is_not_public_is_refused_even_where_loopback_is_allowed(
    kind: str, address: str
) -> None:
    for allow_loopback in (False, True):
        assert refusal_of(address, allow_loopback=allow_loopback) is not None, kind


@settings(deadline=None)
@given(st.ip_addresses())
def test_an_allowed_address_is_global_by_the_standard_library_too(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if refusal_of(str(address), allow_loopback=False) is None:
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved


def test_networks_of_the_company_itself_are_open_and_no_others() -> None:
    own = ("10.1.0.0/16", "fd00::/8")
    assert refusal_of("10.1.2.3", allow_loopback=False, own_networks=own) is None
    assert refusal_of("fd00::1", allow_loopback=False, own_networks=own) is None
    assert refusal_of("8.8.8.8", allow_loopback=False, own_networks=own) is None
    for address in ("10.2.0.1", "127.0.0.1", "169.254.169.254", "::ffff:10.1.2.3", "192.168.0.1"):
        assert refusal_of(address, allow_loopback=False, own_networks=own) is not None, address
