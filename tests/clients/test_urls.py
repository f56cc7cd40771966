from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from ashiato.clients.egress_errors import EgressRefused
from ashiato.clients.urls import parse_url


@pytest.mark.parametrize(
    ("url", "host", "port", "written"),
    [
        ("https://a.example", "a.example", 443, "https://a.example/"),
        ("HTTPS://A.Example:443/B?c=D", "a.example", 443, "https://a.example/B?c=D"),
        ("https://a.example:8443/x%20y?z", "a.example", 8443, "https://a.example:8443/x%20y?z"),
        ("https://a.example?x=1", "a.example", 443, "https://a.example/?x=1"),
        ("https://a.example./x", "a.example", 443, "https://a.example/x"),
        ("https://bücher.example/x", "xn--bcher-kva.example", 443, "https://xn--bcher-kva.example/x"),
        ("https://日本.example/", "xn--wgv71a.example", 443, "https://xn--wgv71a.example/"),
        ("https://host_a/x", "host_a", 443, "https://host_a/x"),
        ("https://8.8.8.8/x", "8.8.8.8", 443, "https://8.8.8.8/x"),
        ("https://[2606:4700::1]:8443/x", "2606:4700::1", 8443, "https://[2606:4700::1]:8443/x"),
        ("https://[2606:4700:0:0:0:0:0:1]/", "2606:4700::1", 443, "https://[2606:4700::1]/"),
        ("http://a.example/x", "a.example", 80, "http://a.example/x"),
    ],
)
def test_an_ordinary_address_is_read(url: str, host: str, port: int, written: str) -> None:
    parsed = parse_url(url)
    assert (parsed.host, parsed.port) == (host, port)
    assert str(parsed) == written


@pytest.mark.parametrize(
    "url",
    [
        "https://user@a.example/",
        "https://user:pass@a.example/",
        "https://@a.example/",
        "https://a@b@c.example/",
    ],
)
def test_user_information_is_refused(url: str) -> None:
    with pytest.raises(EgressRefused, match="user information"):
        parse_url(url)


@pytest.mark.parametrize(
    "url", ["https://a.example/#x", "https://a.example#x", "https://a.example/?x#", "https://#a"]
)
def test_a_fragment_is_refused(url: str) -> None:
    with pytest.raises(EgressRefused, match="fragment"):
        parse_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/x\r\nHost: evil",
        "https://a.example\r\n/x",
        "https://a.example/x\n",
        "https://a.example/x\ty",
        "https://a.example/x\0",
        "https://a.example/x\x7f",
        "\nhttps://a.example/",
    ],
)
def test_line_breaks_and_controls_are_refused(url: str) -> None:
    with pytest.raises(EgressRefused):
        parse_url(url)


@pytest.mark.parametrize(
    "url", ["https://a.example/x y", "https://a .example/", " https://a.example/", "https://a.example/ "]
)
def test_spaces_are_refused(url: str) -> None:
    with pytest.raises(EgressRefused):
        parse_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example\\@evil.example/",
        "https://a.example\\x",
        "https:\\\\a.example/",
        "https://a.example/\\x",
    ],
)
def test_backslashes_are_refused(url: str) -> None:
    with pytest.raises(EgressRefused):
        parse_url(url)


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7f.1",
        "0x7F.0.0.1",
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.1.1",
        "256.1.1.1",
        "1.2.3.4.0x5",
        "0x",
        "a.example.1",
    ],
)
def test_an_odd_spelling_of_an_ipv4_address_is_refused(host: str) -> None:
    for ending in ("", "."):
        with pytest.raises(EgressRefused, match="unusual spelling"):
            parse_url(f"https://{host}{ending}/")


@pytest.mark.parametrize("host", ["１２７.0.0.1", "127。0。0。1", "①②⑦.0.0.1", "１２７．０．０．１"])
def test_an_address_in_foreign_digits_or_dots_is_seen_as_the_address_it_is(host: str) -> None:
    parsed = parse_url(f"https://{host}/")
    assert (parsed.host, parsed.is_address) == ("127.0.0.1", True)


@pytest.mark.parametrize(
    "url",
    [
        "https://[::1%25eth0]/",
        "https://[::1%eth0]/",
        "https://[::1",
        "https://::1/",
        "https://[127.0.0.1]/",
        "https://[::g]/",
        "https://[]/",
        "https://[::1]x/",
        "https://a[::1]/",
    ],
)
def test_a_malformed_ipv6_host_is_refused(url: str) -> None:
    with pytest.raises(EgressRefused):
        parse_url(url)


@pytest.mark.parametrize(
    "port", ["0", "00", "080", "65536", "99999", "999999", "-1", "+1", "x", "1x", "１２", "80:80", ""]
)
def test_a_port_that_is_no_port_is_refused(port: str) -> None:
    with pytest.raises(EgressRefused):
        parse_url(f"https://a.example:{port}/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "//a.example/",
        "/path",
        "ftp://a.example/",
        "file:///etc/passwd",
        "gopher://a.example/",
        "javascript:alert(1)",
        "https:/a.example/",
        "https:a.example",
        "https://",
        "https:///x",
        "https://?x",
        "https://.",
        "https://a..example/",
        "https://.a.example/",
        "https://a.example../",
        "https://-a.example/",
        "https://a-.example/",
        "https://a%2Eexample/",
        "https://a.example%00.evil.example/",
        "https://" + "a" * 64 + ".example/",
        "https://" + "a." * 130 + "example/",
        "https://a\u200b.\u202eexample/",
        "https://xn--\u00e9.example/",
        "https://a.example/é",
        "https://a.example/%2",
        "https://a.example/%zz",
        "https://a.example/<x>",
        'https://a.example/"x"',
        "https://a.example/{x}",
        "https://a.example/|",
        "https://a.example/^",
        "https://a.example/`",
        "https://a.example/" + "x" * 4096,
    ],
)
def test_what_is_no_clean_address_is_refused(url: str) -> None:
    with pytest.raises(EgressRefused) as refusal:
        parse_url(url)
    assert refusal.value.url == url
    assert len(str(refusal.value)) < 2500


@settings(deadline=None)
@given(
    st.text(alphabet="ab1.:/@?#[]%20\\é。-_~!$&'()*+,;=x", max_size=30),
    st.sampled_from(["https", "http", "HTTPS"]),
)
def test_two_other_readers_see_the_same_host_port_and_target(rest: str, scheme: str) -> None:
    try:
        parsed = parse_url(f"{scheme}://{rest}")
    except EgressRefused:
        return
    written = str(parsed)
    assert parse_url(written) == parsed
    yarl = URL(written, encoded=True)
    assert (yarl.raw_host, yarl.port, yarl.raw_path_qs) == (parsed.host, parsed.port, parsed.target)
    split = urlsplit(written)
    assert (split.hostname, split.username, split.fragment) == (parsed.host, None, "")
    assert (split.port or {"https": 443, "http": 80}[split.scheme]) == parsed.port
