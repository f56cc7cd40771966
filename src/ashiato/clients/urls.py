"""Reading a foreign URL so strictly that every later reader sees the same host, port and path."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import idna

from ashiato.clients.egress_errors import EgressRefused

MAX_URL_CHARS = 4096
_DEFAULT_PORT = {"https": 443, "http": 80}

# The rest of RFC 3986's characters; space, controls, backslash, quotes, < > ^ ` { | } and non-ASCII stay out.
_TARGET = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_AUTHORITY = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:]+))(?::(?P<port>[0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class ParsedUrl:
    """An absolute http(s) URL: `host` lower-case ASCII, no trailing dot; `target` path and query as given."""

    scheme: str
    host: str
    port: int
    target: str
    is_address: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORT[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.target}"


def parse_url(url: str) -> ParsedUrl:
    """The parts of `url`; raises `EgressRefused` for user info, fragments, and what parsers disagree on.

    A host that ends in a number must be a dotted quad: 2130706433, 0x7f.1, 127.1 and 0177.0.0.1 are refused.
    """
    if len(url) > MAX_URL_CHARS:
        raise EgressRefused(url, f"the address is longer than {MAX_URL_CHARS} characters")
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _DEFAULT_PORT:
        raise EgressRefused(url, "the address is not an absolute https URL")
    cut = next((at for at, sign in enumerate(rest) if sign in "/?#\\"), len(rest))
    authority, target = rest[:cut], rest[cut:]
    if "#" in target:
        raise EgressRefused(url, "the address holds a fragment")
    if not _TARGET.fullmatch(target) or _BAD_ESCAPE.search(target):
        raise EgressRefused(url, "the path or query holds a character that must be percent-encoded")
    if "@" in authority:
        raise EgressRefused(url, "the address holds user information")
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise EgressRefused(url, "the host or the port is malformed")
    port = int(match["port"]) if match["port"] else _DEFAULT_PORT[scheme]
    if not 0 < port < 65_536 or (match["port"] or "1").startswith("0"):
        raise EgressRefused(url, "the port is not a number from 1 to 65535")
    host, is_address = _host_v6(url, match["v6"]) if match["v6"] else _host(url, match["name"])
    path, _, query = target.partition("?")
    return ParsedUrl(scheme, host, port, (path or "/") + (f"?{query}" if query else ""), is_address)


def _host_v6(url: str, text: str) -> tuple[str, bool]:
    try:
        return str(IPv6Address(text)), True
    except ValueError:
        raise EgressRefused(url, "the host is not an IPv6 address") from None


def _host(url: str, name: str) -> tuple[str, bool]:
    if not name.isascii():
        try:
            # Compatibility mapping first: full-width digits and dots can spell an IP address.
            name = idna.encode(name, uts46=True, std3_rules=True, transitional=False).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise EgressRefused(url, "the host is not a legal international name") from None
    host = name.lower().removesuffix(".")
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise EgressRefused(url, "the host is not a DNS name")
    if not _NUMERIC_LABEL.fullmatch(labels[-1]):
        return host, False
    try:
        return str(IPv4Address(host)), True
    except ValueError:
        raise EgressRefused(url, "the host is an IP address in an unusual spelling") from None
