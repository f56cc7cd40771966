"""The app interface: `/app/v1/{slug}/…` on the listener for the company's own people, for apps and for nobody else.

An app sends the token that it was given (`Authorization: Bearer`). It opens these addresses alone; a key of the management API
opens none of them. See docs/app_interface.md.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Protocol, TypeVar

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from ashiato.api.app_words import MOST_NOTICES_COUNT, AppCall, AppWords
from ashiato.api.management.problems import NotAuthenticated, TooLarge
from ashiato.api.vault_reading import RECHECK_EVERY_MS, Files, Gate, Renew, VaultReading
from ashiato.connector import apps
from ashiato.connector.apps import Result
from ashiato.connector.certification import certification_of
from ashiato.connector.node import Node
from ashiato.connector.ports import Conflict, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, Problem
from ashiato.connector.ranges import ByteRange, Unsatisfiable, range_holds, requested_range
from ashiato.connector.records import Asset
from ashiato.connector.sources import BadSource, Source, SourceFactory, SourceUnavailable
from ashiato.connector.vault import Reader
from ashiato.connector.vault_records import VaultItem
from ashiato.facts.strict_json import MalformedJson, parse_strict
from ashiato.policy.odrl import MalformedPolicy
from ashiato.stores.errors import StoreUnavailable

ROOT = "/app/v1"
MOST_RESULT_BYTES = 16 * 1_048_576
MOST_ITEMS_COUNT = 500
LONGEST_WAIT_S = 60
STATUS_OF: Mapping[str, int] = {
    "not-authenticated": 401,
    "not-permitted": 403,
    "not-found": 404,
    "wrong-state": 409,
    "too-large": 413,
    "range-not-satisfiable": 416,
    "invalid": 422,
    "source-unavailable": 502,
    "signer-unavailable": 503,
    "store-unavailable": 503,
}

T = TypeVar("T")
log = structlog.get_logger()


class Waiter(Protocol):
    """Port: wakes calls that wait for something to happen."""

    async def wait(self, participant_id: str, process_id: str | None, timeout_s: float) -> None:
        """Returns after the next event of the participant, or after `timeout_s`; listens from its first step on."""


Handler = Callable[[AppCall], Awaitable[Response]]


class AppApi:
    """The routes of the app interface."""

    def __init__(
        self, node: Node, files: Files, sources: SourceFactory, waiter: Waiter, words: AppWords
    ) -> None:
        self._node = node
        self._files = files
        self._sources = sources
        self._waiter = waiter
        self._words = words

    def app(self) -> ASGIApp:
        """The interface as one application."""
        base = ROOT + "/{slug}"
        routes: list[tuple[str, str, Handler]] = [
            (base, "GET", self._self),
            (f"{base}/received", "GET", self._list_received),
            (f"{base}/received/{{received_id}}/content", "GET", self._read_received),
            (f"{base}/own", "GET", self._list_own),
            (f"{base}/own/{{asset_id:path}}/content", "GET", self._read_own),
            (f"{base}/results/{{asset_id}}", "PUT", self._write),
            (f"{base}/declarations/{{asset_id}}", "PUT", self._declare),
            (f"{base}/did-documents/{{did}}", "GET", self._did_document),
            (f"{base}/notices", "GET", self._list_notices),
            (f"{base}/verifiers", "GET", self._list_verifiers),
            (f"{base}/trade-links/{{link_id:path}}", "GET", self._trade_link),
            (f"{base}/events", "GET", self._news),
        ]
        return Starlette(
            routes=[
                Route(path, self._answering(handler), methods=[method]) for path, method, handler in routes
            ]
        )

    def _answering(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                response = await handler(await self._admitted(request))
            except Problem as problem:
                response = _problem(problem)
            except MalformedPolicy as error:
                response = _refused("invalid", f"The policy is malformed at {error.path!r}: {error.problem}.")
            except (SourceUnavailable, BadSource) as error:
                log.warning("source unavailable", path=request.url.path, why=str(error))
                response = _refused("source-unavailable", "The source of this asset does not answer now.")
            except (Conflict, StoreUnavailable) as error:
                log.warning("the store refused", path=request.url.path, why=str(error))
                response = _refused("store-unavailable", "The store is not available; try again.")
            response.headers["Cache-Control"] = "no-store"
            response.headers["X-Content-Type-Options"] = "nosniff"
            return response

        return answer

    async def _admitted(self, request: Request) -> AppCall:
        moment = self._node.moment()
        tenant = self._node.tenants.by_slug(request.path_params["slug"])
        values = request.headers.getlist("authorization")
        scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
        if tenant is None or scheme.lower() != "bearer" or not token:
            raise NotAuthenticated("Send the token of the app as 'Authorization: Bearer TOKEN'.")
        token_sha256 = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).hexdigest()
        grant = await self._node.store.read(
            tenant.participant_id, lambda uow: apps.opened_by(uow, token_sha256, moment.now_ms)
        )
        if grant is None:
            raise _closed()
        certification = await certification_of(self._node, tenant.participant_id, grant.app, moment.now_ms)
        if certification is not None:
            grant = msgspec.structs.replace(grant, certified_as=certification.certified_as)
        return AppCall(request, tenant, grant, moment, token_sha256, certification)

    async def _self(self, call: AppCall) -> Response:
        app = call.grant.app
        last = await self._read(call, lambda uow: uow.records.last_sequence())
        return _json(
            {
                "app_id": app.app_id,
                "participant_id": call.tenant.participant_id,
                "manifest": app.manifest,
                "digest": call.grant.reader.digest,
                "certification": call.certification,
                "last": last,
            }
        )

    async def _list_received(self, call: AppCall) -> Response:
        cursor, limit_count = _page(call.request)
        found = await self._read(
            call, lambda uow: apps.received_items(uow, call.grant.app, cursor, limit_count + 1)
        )
        items = [_item_shown(item) for item in found[:limit_count]]
        return _json(
            {
                "items": items,
                "next_cursor": found[limit_count - 1].received_id if len(found) > limit_count else None,
            }
        )

    async def _list_own(self, call: AppCall) -> Response:
        cursor, limit_count = _page(call.request)
        found = await self._read(
            call, lambda uow: apps.own_assets(uow, call.grant.app, cursor, limit_count + 1)
        )
        items = [_asset_shown(asset) for asset in found[:limit_count]]
        return _json(
            {
                "items": items,
                "next_cursor": found[limit_count - 1].asset_id if len(found) > limit_count else None,
            }
        )

    async def _read_received(self, call: AppCall) -> Response:
        received_id = call.request.path_params["received_id"]
        purpose = apps.purpose_of(call.grant.app, _one(call.request, "purpose"))
        item = await self._read(call, lambda uow: apps.readable_item(uow, call.grant.app, received_id))
        received = item.received
        etag = f'"{received.sha256}"'
        part = None
        if range_holds(call.request.headers.get("if-range"), etag):
            part = requested_range(call.request.headers.get("range"), received.size_bytes)
        if isinstance(part, Unsatisfiable):
            return _refused("range-not-satisfiable", f"The data has only {received.size_bytes} bytes.")
        wanted = part or ByteRange(0, received.size_bytes)
        reading = VaultReading(self._node, self._files, call.tenant, self._gate(call), self._renewing(call))
        opened = await reading.open(received, call.grant.reader, purpose, part)
        headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Length": str(wanted.size_bytes)}
        if part is not None:
            headers["Content-Range"] = f"bytes {part.start_bytes}-{part.end_bytes - 1}/{received.size_bytes}"
        return StreamingResponse(
            opened.chunks(wanted),
            status_code=206 if part is not None else 200,
            headers=headers,
            media_type="application/octet-stream",
        )

    async def _read_own(self, call: AppCall) -> Response:
        asset_id = call.request.path_params["asset_id"]
        purpose = apps.purpose_of(call.grant.app, _one(call.request, "purpose"))
        asset = await self._run(
            call, lambda uow: apps.use_own(uow, call.grant, asset_id, purpose, call.moment)
        )
        source = self._sources.source(call.tenant.participant_id, asset)
        try:
            description = await source.describe()
        except BaseException:
            await source.close()
            raise
        headers = {}
        if description.size_bytes is not None:
            headers["Content-Length"] = str(description.size_bytes)
        return StreamingResponse(
            self._out_of(call, source), headers=headers, media_type="application/octet-stream"
        )

    async def _write(self, call: AppCall) -> Response:
        asset_id = call.request.path_params["asset_id"]
        result = _result(await _body(call.request))
        asset = await self._run(
            call, lambda uow: apps.write_result(uow, call.grant.app, asset_id, result, call.moment)
        )
        sha256 = hashlib.sha256(result.body).hexdigest()
        return _json({**_asset_shown(asset), "size_bytes": len(result.body), "sha256": sha256})

    async def _declare(self, call: AppCall) -> Response:
        asset_id = call.request.path_params["asset_id"]
        prepared = await self._words.prepare(call, asset_id, await _body(call.request))
        word, asset = await self._run(call, lambda uow: self._words.keep(uow, call, asset_id, prepared))
        return _json(
            {
                **_asset_shown(asset),
                "sha256": word.sha256,
                "is_time_stamped": bool(word.time_stamp),
                "standing": word.standing.value,
            }
        )

    async def _did_document(self, call: AppCall) -> Response:
        await self._read(call, lambda uow: None)
        document = await self._words.did_document(call, call.request.path_params["did"])
        return Response(document, media_type="application/did+json")

    async def _list_notices(self, call: AppCall) -> Response:
        partner, _, sha256 = _one(call.request, "cursor").rpartition(" ")
        found = await self._read(
            call, lambda uow: self._words.notices(uow, call, (partner, sha256), MOST_NOTICES_COUNT)
        )
        return _json(found)

    async def _list_verifiers(self, call: AppCall) -> Response:
        return _json({"items": await self._read(call, self._words.verifiers), "next_cursor": None})

    async def _trade_link(self, call: AppCall) -> Response:
        link_id = call.request.path_params["link_id"]
        return _json(await self._read(call, lambda uow: self._words.trade_link(uow, call, link_id)))

    async def _news(self, call: AppCall) -> Response:
        after_sequence = _number(call.request, "after", 1 << 53)
        wait_s = _number(call.request, "wait_s", LONGEST_WAIT_S)
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + wait_s
        while True:
            left_s = max(deadline_s - loop.time(), 0)
            # Listening begins before the look, so that nothing that happens in between is missed.
            waiting = asyncio.create_task(
                self._waiter.wait(call.tenant.participant_id, None, max(left_s, 0.001))
            )
            try:
                await asyncio.sleep(0)
                found, after_sequence = await self._look(call, after_sequence)
                if found or left_s <= 0:
                    return _json({"events": found, "last": after_sequence})
                await waiting
            finally:
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)

    async def _look(self, call: AppCall, after_sequence: int) -> tuple[list[dict[str, object]], int]:
        entries, last = await self._read(
            call, lambda uow: apps.news(uow, call.grant.app, after_sequence, MOST_ITEMS_COUNT)
        )
        shown: list[dict[str, object]] = [
            {
                "sequence": entry.sequence,
                "event": entry.event,
                "at_ms": entry.at_ms,
                "partner": entry.peer_id,
                "received_id": entry.details.get("received_id"),
                "asset_id": entry.process_id
                if entry.event == apps.RECORD_EVENT
                else entry.details.get("asset_id"),
            }
            for entry in entries
        ]
        return shown, last

    def _gate(self, call: AppCall) -> Gate:
        """An app that was revoked meanwhile, or approved anew, does nothing more with its old token."""

        def gate(uow: UnitOfWork) -> None:
            if apps.opened_by(uow, call.token_sha256, self._node.moment().now_ms) is None:
                raise _closed()

        return gate

    def _renewing(self, call: AppCall) -> Renew:
        """A certification that ends, is revoked or counts no more ends what only certified apps may do."""

        async def renew(reader: Reader) -> Reader:
            certification = await certification_of(
                self._node, call.tenant.participant_id, call.grant.app, self._node.moment().now_ms
            )
            certified_as = "" if certification is None else certification.certified_as
            return msgspec.structs.replace(reader, certified_as=certified_as)

        return renew

    def _gated(self, call: AppCall, work: Callable[[UnitOfWork], T]) -> Callable[[UnitOfWork], T]:
        gate = self._gate(call)

        def gated(uow: UnitOfWork) -> T:
            gate(uow)
            return work(uow)

        return gated

    async def _run(self, call: AppCall, work: Callable[[UnitOfWork], T]) -> T:
        return await self._node.store.run(call.tenant.participant_id, self._gated(call, work))

    async def _read(self, call: AppCall, work: Callable[[UnitOfWork], T]) -> T:
        return await self._node.store.read(call.tenant.participant_id, self._gated(call, work))

    async def _out_of(self, call: AppCall, source: Source) -> AsyncIterator[bytes]:
        checked_ms = call.moment.now_ms
        try:
            async with aclosing(source.open(0, None)) as chunks:
                async for chunk in chunks:
                    now_ms = self._node.moment().now_ms
                    if now_ms - checked_ms >= RECHECK_EVERY_MS:
                        checked_ms = now_ms
                        await self._check(call)
                    yield chunk
        finally:
            await source.close()

    async def _check(self, call: AppCall) -> None:
        try:
            await self._read(call, lambda uow: None)
        except Problem as problem:
            raise ConnectionAbortedError(problem.sentence) from None


def _closed() -> NotAuthenticated:
    return NotAuthenticated("This token opens nothing here.")


class _ResultBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    title: str
    record: object
    data_item: str = ""
    part_group: str = ""
    policy: dict[str, object] | None = None


def _result(document: object) -> Result:
    try:
        body = msgspec.convert(document, _ResultBody)
    except msgspec.ValidationError as error:
        raise Invalid(f"The result is not what it should be: {error}.") from None
    texts = (body.title, body.data_item, body.part_group)
    if not body.title or any(len(text) > 500 or not text.isprintable() for text in texts if text):
        raise Invalid("The title and the classes of a result are short and printable.", path="title")
    return Result(
        title=body.title,
        body=msgspec.json.encode(body.record),
        data_item=body.data_item,
        part_group=body.part_group,
        policy=body.policy,
    )


async def _body(request: Request) -> object:
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > MOST_RESULT_BYTES:
            raise TooLarge(f"A result has at most {MOST_RESULT_BYTES} bytes.")
    try:
        document = parse_strict(bytes(received), max_bytes=MOST_RESULT_BYTES)
    except MalformedJson as error:
        raise Invalid(f"The body is not strict JSON: {error.problem}.") from None
    if "\\u0000" in received.decode("utf-8", "replace"):
        raise Invalid("The body holds the character U+0000, which is not kept; leave it out.")
    return document


def _item_shown(item: VaultItem) -> dict[str, object]:
    received = item.received
    return {
        "received_id": received.received_id,
        "asset_id": received.asset_id,
        "partner": received.peer_id,
        "agreement_id": received.agreement_id,
        "media_type": received.media_type,
        "size_bytes": received.size_bytes,
        "sha256": received.sha256,
        "received_ms": received.received_ms,
        "delete_due_ms": item.delete_due_ms,
    }


def _asset_shown(asset: Asset) -> dict[str, object]:
    return {
        "asset_id": asset.asset_id,
        "title": asset.title,
        "data_item": asset.data_item,
        "part_group": asset.part_group,
        "media_type": asset.media_type,
    }


def _page(request: Request) -> tuple[str, int]:
    return _one(request, "cursor"), _number(request, "limit", MOST_ITEMS_COUNT) or 100


def _one(request: Request, name: str) -> str:
    values = request.query_params.getlist(name)
    if len(values) > 1 or (values and len(values[0]) > 1100):
        raise Invalid(f"Give {name} once.", path=name)
    return values[0] if values else ""


def _number(request: Request, name: str, most: int) -> int:
    text = _one(request, name)
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 17 and int(text) <= most):
        raise Invalid(f"{name} is a whole number of at most {most}.", path=name)
    return int(text)


def _json(document: object) -> Response:
    return Response(msgspec.json.encode(document), media_type="application/json")


def _problem(problem: Problem) -> Response:
    codes = [kind.code for kind in type(problem).__mro__ if issubclass(kind, Problem)]
    return _refused(next((code for code in codes if code in STATUS_OF), NotFound.code), problem.sentence)


def _refused(code: str, sentence: str) -> Response:
    document = {
        "type": f"urn:ashiato:problem:{code}",
        "status": STATUS_OF[code],
        "code": code,
        "detail": sentence,
    }
    return Response(msgspec.json.encode(document), STATUS_OF[code], media_type="application/problem+json")
