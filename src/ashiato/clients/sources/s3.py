"""An object behind the S3 API, read with requests that are signed here (AWS Signature Version 4)."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import msgspec

from ashiato.clients.egress import Egress, EgressError
from ashiato.connector.data_access import EMPTY_SHA256
from ashiato.connector.ranges import content_range
from ashiato.connector.sources import (
    Aside,
    Forwarded,
    ForwardedAnswer,
    ForwardRefused,
    S3Place,
    Secrets,
    SourceDescription,
    SourceUnavailable,
    UnknownSecret,
)

MOST_OBJECT_BYTES = 1 << 44
_DEFAULT_PORT = {"https": 443, "http": 80}
_ETAG = re.compile(r'"[\x21\x23-\x7e]{1,256}"')


class S3Credentials(msgspec.Struct, frozen=True):
    """The secret values themselves, for the moment of one signature."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return "S3Credentials(...)"


def signed_headers(
    method: str,
    url: str,
    headers: Mapping[str, str],
    credentials: S3Credentials,
    region: str,
    now_ms: int,
) -> dict[str, str]:
    """`headers` with the signature of a request without body and query (AWS Signature Version 4, service `s3`).

    `url` must be percent-encoded as S3 does it: everything but letters, digits and `-._~/`.
    """
    parts = urlsplit(url)
    stamp = datetime.fromtimestamp(now_ms // 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    signed = {name.lower(): value for name, value in headers.items()}
    signed |= {"x-amz-date": stamp, "x-amz-content-sha256": EMPTY_SHA256}
    if credentials.session_token is not None:
        signed["x-amz-security-token"] = credentials.session_token
    # The client writes the Host header itself, so it is signed and not passed on.
    canonical = {**signed, "host": _host(parts.scheme, parts.hostname or "", parts.port)}
    names = ";".join(sorted(canonical))
    request = "\n".join(
        (
            method,
            parts.path or "/",
            "",
            *(f"{name}:{canonical[name].strip()}" for name in sorted(canonical)),
            "",
            names,
            EMPTY_SHA256,
        )
    )
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    to_sign = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = f"AWS4{credentials.secret_access_key}".encode()
    for step in (stamp[:8], region, "s3", "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    signed["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key_id}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return signed


def _host(scheme: str, host: str, port: int | None) -> str:
    host = f"[{host}]" if ":" in host else host
    return host if port in (None, _DEFAULT_PORT[scheme]) else f"{host}:{port}"


class S3Source:
    """One object. The entity tag found by HEAD is demanded of the GET: a replaced object breaks off instead of mixing."""

    def __init__(
        self,
        egress: Egress,
        secrets: Secrets,
        participant_id: str,
        place: S3Place,
        media_type: str,
        clock_ms: Callable[[], int],
    ) -> None:
        self._egress = egress
        self._secrets = secrets
        self._participant_id = participant_id
        self._place = place
        self._media_type = media_type
        self._clock_ms = clock_ms
        self._url = f"{place.endpoint.rstrip('/')}/{place.bucket}/{quote(place.key, safe='-._~/')}"
        self._etag = ""
        self._held = AsyncExitStack()

    async def describe(self) -> SourceDescription:
        """Size, entity tag, and the hash where the store keeps one of the whole object."""
        headers = self._signed("HEAD", {"x-amz-checksum-mode": "ENABLED"})
        try:
            answer = await self._egress.request("HEAD", self._url, headers=headers)
        except EgressError as error:
            raise SourceUnavailable(error.why) from None
        if answer.status != 200:
            raise SourceUnavailable(f"the object store answered {answer.status}")
        length, etag = answer.headers.get("Content-Length", ""), answer.headers.get("ETag", "")
        if not (length.isascii() and length.isdigit()) or not _ETAG.fullmatch(etag):
            raise SourceUnavailable("the object store gives no length or no entity tag")
        self._etag = etag
        return SourceDescription(
            media_type=self._media_type,
            size_bytes=int(length),
            etag=etag,
            ranges=True,
            sha256=_checksum(answer.headers),
        )

    async def open(
        self, start_bytes: int, end_bytes: int | None, aside: Aside | None = None
    ) -> AsyncGenerator[bytes]:
        """The object, or the part of it."""
        if end_bytes is None or start_bytes == end_bytes:
            return
        wanted = {"range": f"bytes={start_bytes}-{end_bytes - 1}", "if-match": self._etag}
        try:
            answer = await self._held.enter_async_context(
                self._egress.stream(
                    "GET",
                    self._url,
                    headers=self._signed("GET", wanted),
                    max_response_bytes=MOST_OBJECT_BYTES,
                )
            )
            found = content_range(answer.headers.get("Content-Range", ""))
            if answer.status != 206 or found is None or found.part is None:
                raise SourceUnavailable(f"the object store answered {answer.status}")
            if (found.part.start_bytes, found.part.end_bytes) != (start_bytes, end_bytes):
                raise SourceUnavailable("the object store sent another part than was asked for")
            async for chunk in answer.chunks():
                yield chunk
        except EgressError as error:
            raise SourceUnavailable(error.why) from None

    async def digest(self) -> str | None:
        """Only what the store said at `describe` is believed."""
        return None

    def learn(self, sha256: str) -> None:
        """The store's own checksum is believed, ours is not kept."""

    def vet(self, request: Forwarded) -> None:
        """An object takes nothing."""
        raise ForwardRefused("This dataset is an object; it takes only GET without path and query.")

    async def forward(self, request: Forwarded) -> ForwardedAnswer:
        """Never reached: `vet` refuses everything."""
        raise SourceUnavailable("an object takes no requests")

    async def close(self) -> None:
        """Drops the connection when the object was not read to its end."""
        await self._held.aclose()

    def _signed(self, method: str, headers: Mapping[str, str]) -> dict[str, str]:
        signed = signed_headers(
            method, self._url, headers, self._credentials(), self._place.region, self._clock_ms()
        )
        return {**signed, "Accept-Encoding": "identity"}

    def _credentials(self) -> S3Credentials:
        place = self._place
        try:
            return S3Credentials(
                self._secrets.get(self._participant_id, place.access_key_id),
                self._secrets.get(self._participant_id, place.secret_access_key),
                None
                if place.session_token is None
                else self._secrets.get(self._participant_id, place.session_token),
            )
        except UnknownSecret as error:
            raise SourceUnavailable(str(error)) from None


def _checksum(headers: Mapping[str, str]) -> str | None:
    """The SHA-256 of the whole object; one that was made of the hashes of parts (`…-N`) says nothing about the whole."""
    if headers.get("x-amz-checksum-type", "FULL_OBJECT") != "FULL_OBJECT":
        return None
    try:
        digest = base64.b64decode(headers.get("x-amz-checksum-sha256", ""), validate=True)
    except binascii.Error:
        return None
    return digest.hex() if len(digest) == 32 else None
