"""Every outbound request of the program goes through the one egress client: nothing else can open a connection."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "ashiato"

# What can open a connection, or open what can.
CLIENTS = {
    "aiohttp", "asyncssh", "boto3", "botocore", "curl_cffi", "ftplib", "grpc", "http.client", "httpcore", "httpx",
    "httpx2", "imaplib", "multiprocessing.connection", "niquests", "nntplib", "paramiko", "poplib", "pycurl", "requests",
    "smtplib", "socket", "ssl", "telnetlib", "tornado", "urllib.request", "urllib3", "websocket", "websockets",
    "xmlrpc.client", "_socket",
}  # fmt: skip
CALLS = {"open_connection", "create_connection", "open_unix_connection", "create_datagram_endpoint", "sock_connect",
         "getaddrinfo", "urlopen", "urlretrieve", "PyJWKClient", "connect_ex"}  # fmt: skip

# Each exception with the reason why no request to another party leaves there.
ALLOWED = {
    "clients/egress.py": "the way out itself",
    "clients/http_session.py": "the way out itself",
    "wiring/listening.py": "binds the listeners and connects to nobody",
    "wiring/program.py": "holds the listeners' sockets",
    "wiring/hub_program.py": "holds the listeners' sockets",
    "api/abortable.py": "a listener's own connections",
}
# Other programs, which the connector does not load: the command line speaks to the management API that its user names, the
# demonstration to the connectors that it started, an app to the connector that gave it its token.
OTHER_PROGRAMS = (
    "cli/",
    "wiring/walkthrough/",
    "clients/app_interface.py",
    "wiring/carbon_partners.py",
    "wiring/carbon_products.py",
    "wiring/carbon_program.py",
)


def _openers(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name in CALLS:
                yield name
            # A module that is loaded by its name.
            names = [
                argument.value
                for argument in node.args
                if name in ("import_module", "__import__")
                and isinstance(argument, ast.Constant)
                and isinstance(argument.value, str)
            ]
        else:
            continue
        yield from (name for name in names if any(name == c or name.startswith(c + ".") for c in CLIENTS))


def _modules() -> dict[str, ast.AST]:
    return {
        str(path.relative_to(SOURCE)): ast.parse(path.read_text("utf-8"))
        for path in sorted(SOURCE.rglob("*.py"))
    }


def test_nothing_but_the_egress_can_open_a_connection() -> None:
    found = {name: set(_openers(tree)) for name, tree in _modules().items()}
    assert {
        name: openers
        for name, openers in found.items()
        if openers and name not in ALLOWED and not name.startswith(OTHER_PROGRAMS)
    } == {}


def test_every_exception_is_still_needed() -> None:
    found = _modules()
    assert [name for name in ALLOWED if name not in found or not set(_openers(found[name]))] == []


def test_the_connector_does_not_load_the_programs_that_are_excepted() -> None:
    excepted = {
        f"ashiato.{name[:-3].replace('/', '.')}"
        for name, tree in _modules().items()
        if name.startswith(OTHER_PROGRAMS) and set(_openers(tree))
    }
    importers = {
        name
        for name, tree in _modules().items()
        if not name.startswith((*OTHER_PROGRAMS, "wiring/demo.py"))
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in excepted
    }
    assert excepted
    assert importers == set()


def test_one_session_is_opened_in_one_place() -> None:
    places = [
        name
        for name, tree in _modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "ClientSession" and isinstance(node.ctx, ast.Load)
    ]
    own = {place for place in places if not place.startswith(OTHER_PROGRAMS)}
    assert own <= {"clients/http_session.py", "clients/egress.py"}


@pytest.mark.parametrize(
    "code",
    [
        "import aiohttp",
        "import http.client as quiet",
        "from urllib import request",
        "from urllib.request import urlopen",
        "def f():\n    import socket",
        "import importlib\nimportlib.import_module('httpx2')",
        "__import__('requests')",
        "asyncio.open_connection('a', 1)",
        "loop.create_connection(f, 'a', 1)",
    ],
)
def test_a_second_way_out_would_be_found(code: str) -> None:
    assert list(_openers(ast.parse(code)))


@pytest.mark.parametrize("code", ["import urllib.parse", "from http import HTTPStatus", "import socketless"])
def test_what_opens_nothing_is_passed_over(code: str) -> None:
    assert list(_openers(ast.parse(code))) == []
