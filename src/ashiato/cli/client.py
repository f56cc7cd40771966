"""Speaks HTTP to the management API, with the standard library alone: a command must start fast."""

import http.client
import ipaddress
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode, urlsplit

from ashiato.cli.problems import Refused, Unreachable, UsageProblem
from ashiato.cli.settings import Settings

TIMEOUT_S = 30.0
# Between two lines of a long answer, of which one comes every half second, and for a file that the node has to put away.
LINE_TIMEOUT_S = 300.0
LINES_TYPE = "application/x-ndjson"
MOST_ANSWER_BYTES = 64 * 1_048_576

Query = Mapping[str, object]
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of success."""

    status_code: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """Sends the key to the one node that the settings name; redirects are not followed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        parts = urlsplit(settings.url)
        try:
            port = parts.port
        except ValueError:
            raise UsageProblem("problem.bad_url", url=settings.url) from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise UsageProblem("problem.bad_url", url=settings.url)
        if parts.scheme == "http" and not settings.allow_plain_http and not _is_this_machine(parts.hostname):
            raise UsageProblem("problem.plain_http", url=settings.url)
        self._is_https = parts.scheme == "https"
        self._host = parts.hostname
        self._port = port
        self._prefix = parts.path.rstrip("/")

    def document(self, method: str, path: str, document: object = None, **options: Any) -> Document:
        """The JSON object that is answered; an empty answer is an empty object. Raises as `request` does."""
        answer = self.request(method, path, document=document, **options)
        try:
            found = json.loads(answer.body) if answer.body else {}
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Unreachable("problem.not_ours", url=self._settings.url, status=answer.status_code)
        return found

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        document: object = None,
        body: bytes | None = None,
        media_type: str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Answer:
        """The answer of success; raises `Refused` for a problem and `Unreachable` where nobody answers."""
        if document is not None:
            body, media_type = json.dumps(document, ensure_ascii=False).encode(), "application/json"
        headers = {"Content-Type": media_type} if media_type else {}
        with self._opened(method, path, query, headers, body, timeout_s) as response:
            with self._named_failures():
                content = response.read(MOST_ANSWER_BYTES)
            return Answer(response.status, dict(response.headers), content)

    @contextmanager
    def stream(
        self,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Iterator[http.client.HTTPResponse]:
        """An answer of success whose body is still to come."""
        with self._opened("GET", path, query, headers or {}, None, timeout_s) as response:
            yield response

    def last_line(
        self,
        method: str,
        path: str,
        on_line: Callable[[Document], None],
        *,
        query: Query | None = None,
        document: object = None,
        file: BinaryIO | None = None,
    ) -> Document:
        """The `result` at the end of an answer that comes line by line; `on_line` is told of every line before.

        A `file` that can be rewound is sent without being read into memory. To leave early ends the work at the node. Raises as
        `request` does, also for a `problem` in the last line.
        """
        headers = {"Accept": LINES_TYPE}
        body: bytes | BinaryIO | None = file
        if document is not None:
            body = json.dumps(document, ensure_ascii=False).encode()
            headers["Content-Type"] = "application/json"
        elif file is not None:
            headers |= {"Content-Type": "application/octet-stream", "Content-Length": str(file.seek(0, 2))}
            file.seek(0)
        with self._opened(method, path, query, headers, body, LINE_TIMEOUT_S) as response:
            while True:
                with self._named_failures():
                    line = response.readline(MOST_ANSWER_BYTES)
                found = _object(line)
                if "result" in found and isinstance(found["result"], dict):
                    return found["result"]
                problem = found.get("problem")
                if isinstance(problem, dict) and isinstance(problem.get("status"), int):
                    raise Refused(problem["status"], problem)
                if not found:
                    raise Unreachable(
                        "problem.unreachable", url=self._settings.url, why="the answer broke off"
                    )
                on_line(found)

    def read(self, response: http.client.HTTPResponse, most_bytes: int) -> bytes:
        """The next bytes of a stream, none at its end; raises `Unreachable` when it breaks off."""
        with self._named_failures():
            return response.read(most_bytes)

    @contextmanager
    def _opened(
        self,
        method: str,
        path: str,
        query: Query | None,
        headers: Mapping[str, str],
        body: bytes | BinaryIO | None,
        timeout_s: float,
    ) -> Iterator[http.client.HTTPResponse]:
        connection = self._connection(timeout_s)
        given = {name: str(value) for name, value in (query or {}).items() if value not in (None, "")}
        target = self._prefix + path + (f"?{urlencode(given)}" if given else "")
        try:
            with self._named_failures():
                connection.request(
                    method, target, body, {"Authorization": f"Bearer {self._settings.api_key}", **headers}
                )
                response = connection.getresponse()
                if response.status >= 300:
                    self._refuse(response.status, response.read(MOST_ANSWER_BYTES))
            yield response
        finally:
            connection.close()

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        if not self._is_https:
            return http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
        try:
            tls = ssl.create_default_context(cafile=self._settings.ca_file)
        except OSError as error:
            raise UsageProblem(
                "problem.bad_file", path=self._settings.ca_file, why=error.strerror or error
            ) from None
        return http.client.HTTPSConnection(self._host, self._port, timeout=timeout_s, context=tls)

    @contextmanager
    def _named_failures(self) -> Iterator[None]:
        url = self._settings.url
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            raise Unreachable("problem.certificate", url=url, why=error.verify_message) from None
        except TimeoutError:
            raise Unreachable("problem.unreachable", url=url, why="it does not answer in time") from None
        except OSError as error:
            raise Unreachable("problem.unreachable", url=url, why=error.strerror or error) from None
        except (http.client.HTTPException, ValueError) as error:
            raise Unreachable(
                "problem.unreachable", url=url, why=f"it does not speak HTTP ({error})"
            ) from None

    def _refuse(self, status_code: int, body: bytes) -> None:
        try:
            problem = json.loads(body)
        except ValueError:
            problem = None
        if not isinstance(problem, dict) or "detail" not in problem:
            raise Unreachable("problem.not_ours", url=self._settings.url, status=status_code)
        raise Refused(status_code, problem)


def segment(identifier: str) -> str:
    """An id as one segment of a path."""
    return quote(identifier, safe="")


def _object(line: bytes) -> Document:
    try:
        found = json.loads(line) if line else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
