"""A client of the app interface (docs/app_interface.md) for programs that run outside of the connector, as an app.

It is plain HTTP/1.1 from the standard library, because such a program starts for one run, has no event loop and should carry
little: it talks to one address, which whoever started it gave it.
"""

import json
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from ashiato.facts.strict_json import MalformedJson, parse_strict

TIMEOUT_S = 60.0
LONGEST_WAIT_S = 45
"""How long the connector keeps a call that waits for news; shorter than what this client waits for any answer."""
PAGE_ITEMS_COUNT = 500
MOST_ANSWER_BYTES = 16 * 1_048_576


class AppInterfaceError(Exception):
    """The connector refused, or did not answer; its operator or the manifest of the app must be mended. `status` 0: no answer."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class AppInterface:
    """The interface at one address (`http://…/app/v1/{slug}`), opened by the token of the app."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise AppInterfaceError(0, f"{url!r} is no address of an app interface.")
        self._root = parts.path.rstrip("/")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_S)
        self._headers = {"Authorization": f"Bearer {token}"}

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def who_am_i(self) -> dict[str, Any]:
        """The company, the manifest, and whether the digest is enforced; raises `AppInterfaceError`."""
        return self._document("GET", "")

    def received(self) -> Iterator[dict[str, Any]]:
        """What may be read of data received; raises `AppInterfaceError`."""
        return self._items("/received")

    def own(self) -> Iterator[dict[str, Any]]:
        """What may be read of the company's own assets; raises `AppInterfaceError`."""
        return self._items("/own")

    def read_received(self, received_id: str, purpose: str) -> bytes:
        """The bytes of data received, for a purpose: a use under its agreement. Raises `AppInterfaceError`."""
        return self._ask(
            "GET", f"/received/{quote(received_id, safe='')}/content?{urlencode({'purpose': purpose})}"
        )

    def read_own(self, asset_id: str, purpose: str) -> bytes:
        """The bytes of an own asset; raises `AppInterfaceError`."""
        return self._ask("GET", f"/own/{quote(asset_id, safe='')}/content?{urlencode({'purpose': purpose})}")

    def wait_for_news(self, after_sequence: int) -> tuple[bool, int]:
        """Whether something came in behind that place of the history, and where it goes on; raises `AppInterfaceError`.

        The connector answers as soon as there is news, or after a time that it waited in vain.
        """
        query = urlencode({"after": after_sequence, "wait_s": LONGEST_WAIT_S})
        page = self._document("GET", f"/events?{query}")
        return bool(page["events"]), int(page["last"])

    def write(self, asset_id: str, result: Mapping[str, Any]) -> dict[str, Any]:
        """Write a result and return what was stored; raises `AppInterfaceError`."""
        return self._document("PUT", f"/results/{quote(asset_id, safe='')}", json.dumps(result).encode())

    def declare(self, asset_id: str, declared: Mapping[str, Any]) -> dict[str, Any]:
        """Have a document signed in the company's name and stored as a result; raises `AppInterfaceError`."""
        return self._document(
            "PUT", f"/declarations/{quote(asset_id, safe='')}", json.dumps(declared).encode()
        )

    def did_document(self, did: str) -> bytes:
        """The keys of a company that this one deals with; raises `AppInterfaceError`."""
        return self._ask("GET", f"/did-documents/{quote(did, safe='')}")

    def notices(self) -> Iterator[dict[str, Any]]:
        """What partners said of declarations that do not hold any more; raises `AppInterfaceError`."""
        return self._items("/notices")

    def verifiers(self) -> list[str]:
        """Whom the company believes as verifiers; raises `AppInterfaceError`."""
        return [str(did) for did in self._document("GET", "/verifiers")["items"]]

    def trade_link(self, link_id: str) -> dict[str, Any]:
        """A confirmed trade link; raises `AppInterfaceError`, with status 404 where there is none."""
        return self._document("GET", f"/trade-links/{quote(link_id, safe='')}")

    def _items(self, path: str) -> Iterator[dict[str, Any]]:
        cursor: str | None = ""
        while cursor is not None:
            page = self._document("GET", f"{path}?{urlencode({'limit': PAGE_ITEMS_COUNT, 'cursor': cursor})}")
            yield from page["items"]
            cursor = page["next_cursor"]

    def _document(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        try:
            document = parse_strict(self._ask(method, path, body), max_bytes=MOST_ANSWER_BYTES)
        except MalformedJson as error:
            raise AppInterfaceError(0, f"The connector does not answer in JSON: {error.problem}.") from None
        if not isinstance(document, dict):
            raise AppInterfaceError(0, "The connector answers with something else than an object.")
        return document

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        try:
            self._connection.request(method, self._root + path, body, headers)
            answer = self._connection.getresponse()
            content = answer.read(MOST_ANSWER_BYTES + 1)
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise AppInterfaceError(0, f"The connector does not answer: {error}.") from error
        if len(content) > MOST_ANSWER_BYTES:
            self._connection.close()
            raise AppInterfaceError(0, f"The answer has more than {MOST_ANSWER_BYTES} bytes.")
        if answer.status >= 400:
            raise AppInterfaceError(answer.status, _detail(content))
        return content


def _detail(content: bytes) -> str:
    """The sentence of a problem document."""
    try:
        document = parse_strict(content)
    except MalformedJson:
        return "The connector refused without a reason."
    detail = document.get("detail") if isinstance(document, dict) else None
    return str(detail or "The connector refused without a reason.")
