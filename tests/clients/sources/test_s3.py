"""Objects behind the S3 API: signatures against the vectors of others, and a server that checks them by its own reckoning."""

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import unquote

import pytest

from ashiato.clients.egress import Egress, EgressRules
from ashiato.clients.sources.s3 import S3Credentials, S3Source, signed_headers
from ashiato.connector.sources import (
    Forwarded,
    ForwardRefused,
    S3Place,
    SourceUnavailable,
    UnknownSecret,
)
from tests.clients.loopback_server import Asked, LoopbackServer, loopback_server, respond

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
CREDENTIALS = S3Credentials(KEY_ID, SECRET)
MIDNIGHT_MS = int(datetime(2013, 5, 24, tzinfo=UTC).timestamp() * 1000)
OBJECT = bytes(range(256)) * 400
KEY = "2026/電池 +~(x)/log.bin"


class Secrets:
    """What the operator configured."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def get(self, participant_id: str, name: str) -> str:
        if name not in self.values:
            raise UnknownSecret(name)
        return self.values[name]


def signature_of(headers: dict[str, str]) -> str:
    return headers["authorization"].rpartition("Signature=")[2]


def test_the_published_example_of_a_get_has_the_published_signature() -> None:
    # Amazon S3 API Reference, "Signature Calculations for the Authorization Header", example "GET Object".
    headers = signed_headers(
        "GET",
        "https://examplebucket.s3.amazonaws.com/test.txt",
        {"Range": "bytes=0-9"},
        CREDENTIALS,
        "us-east-1",
        MIDNIGHT_MS,
    )
    assert signature_of(headers) == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    assert "host" not in headers


def test_a_port_and_a_key_of_many_signs_are_signed_as_another_client_signs_them() -> None:
    # Computed with botocore 1.44.5 (S3SigV4Auth) for the same instant.
    headers = signed_headers(
        "GET",
        "http://127.0.0.1:9000/bkt/a%20b/%E9%9B%BB%E6%B1%A0%2B~%28x%29.json",
        {"Range": "bytes=0-9"},
        CREDENTIALS,
        "us-east-1",
        MIDNIGHT_MS,
    )
    assert signature_of(headers) == "00f7b76911b19cedfd83cbb6efec4ba0db2dd8b6f12d3250ab118b5fe67a3889"


def test_credentials_do_not_show_themselves() -> None:
    assert SECRET not in repr(CREDENTIALS)


class ObjectStore:
    """A store of one object, which believes nothing that is not signed with the right key for this very request."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.etag = '"v1"'
        self.more_headers: dict[str, str] = {}
        self.token: str | None = None
        self.cut_bytes: int | None = None

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if not self._is_signed(asked):
            await respond(b"<Error/>", status="403 Forbidden")(asked, writer)
            return
        if unquote(asked.target) != f"/cells/{KEY}":
            await respond(b"<Error/>", status="404 Not Found")(asked, writer)
            return
        headers = {"ETag": self.etag, "Accept-Ranges": "bytes", **self.more_headers}
        if asked.method == "HEAD":
            await respond(self.content, headers=headers)(asked, writer)
            return
        if asked.headers.get("if-match") not in (None, self.etag):
            await respond(b"<Error/>", status="412 Precondition Failed")(asked, writer)
            return
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", asked.headers["range"])
        assert match is not None
        start, end = int(match[1]), int(match[2]) + 1
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(self.content)}"
        body = self.content[start:end]
        if self.cut_bytes is not None:
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            writer.write(
                f"HTTP/1.1 206 Partial Content\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode()
            )
            writer.write(body[: self.cut_bytes])
            writer.close()
            return
        await respond(body, status="206 Partial Content", headers=headers)(asked, writer)

    def _is_signed(self, asked: Asked) -> bool:
        """AWS Signature Version 4 as a server reckons it, from the bytes of the request."""
        found = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, "
            r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
            asked.headers.get("authorization", ""),
        )
        if found is None or found[1] != KEY_ID or found[3] != "eu-central-1":
            return False
        names = found[4].split(";")
        must_be_signed = {"host", "range", "if-match"} | {n for n in asked.headers if n.startswith("x-amz-")}
        if not (must_be_signed & set(asked.headers)) <= set(names) or names != sorted(names):
            return False
        if asked.headers.get("x-amz-security-token") != self.token:
            return False
        canonical = f"{asked.method}\n{asked.target}\n\n"
        canonical += "".join(f"{name}:{asked.headers[name]}\n" for name in names)
        canonical += f"\n{found[4]}\n{asked.headers['x-amz-content-sha256']}"
        text = "\n".join(
            [
                "AWS4-HMAC-SHA256",
                asked.headers["x-amz-date"],
                f"{found[2]}/{found[3]}/s3/aws4_request",
                hashlib.sha256(canonical.encode()).hexdigest(),
            ]
        )
        key = b"AWS4" + SECRET.encode()
        for word in (found[2], found[3], "s3", "aws4_request"):
            key = hmac.new(key, word.encode(), hashlib.sha256).digest()
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest() == found[5]


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    """The way out on loopback."""
    async with Egress(
        EgressRules(unsafe_allow_loopback=True, total_timeout_s=3, idle_timeout_s=1)
    ) as way_out:
        yield way_out


def source_of(
    egress: Egress, server: LoopbackServer, *, secret: str = SECRET, token: str | None = None
) -> S3Source:
    place = S3Place(
        endpoint=server.url(""),
        region="eu-central-1",
        bucket="cells",
        key=KEY,
        access_key_id="id",
        secret_access_key="key",
        session_token="session" if token else None,
    )
    secrets = Secrets(id=KEY_ID, key=secret, **({"session": token} if token else {}))
    return S3Source(egress, secrets, "did:web:a", place, "application/octet-stream", lambda: MIDNIGHT_MS)


async def read(source: S3Source, start_bytes: int, end_bytes: int) -> bytes:
    return b"".join([chunk async for chunk in source.open(start_bytes, end_bytes)])


async def test_an_object_is_described_and_read_in_parts(egress: Egress) -> None:
    async with loopback_server(ObjectStore(OBJECT)) as server:
        source = source_of(egress, server)
        description = await source.describe()
        assert (description.size_bytes, description.etag, description.ranges) == (len(OBJECT), '"v1"', True)
        assert description.sha256 is None
        assert await read(source, 0, len(OBJECT)) == OBJECT
        assert await read(source, 1000, 1003) == OBJECT[1000:1003]
        assert await read(source, 5, 5) == b""
        await source.close()


async def test_a_session_token_is_sent_and_signed(egress: Egress) -> None:
    store = ObjectStore(OBJECT)
    store.token = "session-token"
    async with loopback_server(store) as server:
        source = source_of(egress, server, token="session-token")
        assert (await source.describe()).size_bytes == len(OBJECT)
        await source.close()


async def test_a_wrong_secret_opens_nothing_and_is_not_told(egress: Egress) -> None:
    async with loopback_server(ObjectStore(OBJECT)) as server:
        source = source_of(egress, server, secret="wrong-secret-value")
        with pytest.raises(SourceUnavailable) as caught:
            await source.describe()
        assert "wrong-secret-value" not in str(caught.value)
        await source.close()


async def test_an_object_that_is_replaced_breaks_off(egress: Egress) -> None:
    store = ObjectStore(OBJECT)
    async with loopback_server(store) as server:
        source = source_of(egress, server)
        await source.describe()
        store.etag, store.content = '"v2"', OBJECT[::-1]
        with pytest.raises(SourceUnavailable, match="412"):
            await read(source, 0, len(OBJECT))
        await source.close()


async def test_an_object_that_breaks_off_is_never_taken_for_whole(egress: Egress) -> None:
    store = ObjectStore(OBJECT)
    store.cut_bytes = 100
    async with loopback_server(store) as server:
        source = source_of(egress, server)
        await source.describe()
        with pytest.raises(SourceUnavailable):
            await read(source, 0, len(OBJECT))
        await source.close()


async def test_the_store_s_checksum_of_the_whole_is_believed_and_one_of_parts_is_not(egress: Egress) -> None:
    store = ObjectStore(OBJECT)
    digest = hashlib.sha256(OBJECT).digest()
    store.more_headers = {"x-amz-checksum-sha256": base64.b64encode(digest).decode()}
    async with loopback_server(store) as server:
        source = source_of(egress, server)
        assert (await source.describe()).sha256 == digest.hex()
        store.more_headers["x-amz-checksum-type"] = "COMPOSITE"
        assert (await source.describe()).sha256 is None
        store.more_headers = {"x-amz-checksum-sha256": base64.b64encode(digest).decode() + "-3"}
        assert (await source.describe()).sha256 is None
        await source.close()


async def test_a_secret_that_is_not_configured_is_named_to_the_owner(egress: Egress) -> None:
    place = S3Place(
        endpoint="https://o.example",
        region="r",
        bucket="cells",
        key="k",
        access_key_id="id",
        secret_access_key="key",
    )
    source = S3Source(egress, Secrets(id=KEY_ID), "did:web:a", place, "text/plain", lambda: MIDNIGHT_MS)
    with pytest.raises(SourceUnavailable, match="'key'"):
        await source.describe()


async def test_an_object_takes_no_requests(egress: Egress) -> None:
    async with loopback_server(ObjectStore(OBJECT)) as server:
        source = source_of(egress, server)
        request = Forwarded(method="GET", path="other", query="", headers=(), body=b"")
        with pytest.raises(ForwardRefused):
            source.vet(request)
        with pytest.raises(SourceUnavailable):
            await source.forward(request)
        assert server.asked == []
