"""Which IP addresses may be spoken to; an own list, as `ipaddress.is_global` admits wrapped loopback."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

# IANA IPv4 Special-Purpose Address Registry, and multicast and class E.
_REFUSED_V4 = tuple(
    (IPv4Network(network), name)
    for network, name in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignment"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "AS112"),
        ("192.52.193.0/24", "multicast relay"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "AS112"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
# Only global unicast is given out to hosts; all else (mapped, NAT64, unique local, multicast...) lies outside
# it.
_GLOBAL_V6 = IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    (IPv6Network(network), name)
    for network, name in (
        ("2001::/23", "protocol assignment, Teredo or benchmarking"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("2620:4f:8000::/48", "AS112"),
        ("3fff::/20", "documentation"),
    )
)


@lru_cache(maxsize=4096)
def refusal_of(address: str, *, allow_loopback: bool, own_networks: tuple[str, ...] = ()) -> str | None:
    """Why `address` may not be spoken to, or `None` when it may.

    `allow_loopback` admits 127.0.0.0/8 and ::1 besides public addresses, `own_networks` what lies in them, and
    nothing else.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return f"{address[:64]!r} is not an IP address"
    if parsed.is_loopback and allow_loopback and _is_plain(parsed):
        return None
    if any(parsed in ip_network(network) for network in own_networks):
        return None
    kind = _kind_v4(parsed) if isinstance(parsed, IPv4Address) else _kind_v6(parsed)
    return f"the address {parsed} is {kind}, not public" if kind else None


def _is_plain(address: IPv4Address | IPv6Address) -> bool:
    return isinstance(address, IPv4Address) or address == IPv6Address("::1")


def _kind_v4(address: IPv4Address) -> str | None:
    return next((name for network, name in _REFUSED_V4 if address in network), None)


def _kind_v6(address: IPv6Address) -> str | None:
    if address.scope_id is not None or address not in _GLOBAL_V6:
        return "outside global unicast"
    return next((name for network, name in _REFUSED_V6 if address in network), None)
