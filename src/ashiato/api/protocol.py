"""The Dataspace Protocol over HTTPS, both roles (DSP 2025-1, 4, 6.3, 8.3 and 10.3).

Bytes come in, a typed message is made of them, the caller is verified, and one unit of work decides and answers.
"""

import base64
import binascii
import gzip
from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ashiato.connector import catalog, negotiations, transfers
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import Caller, Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, NotPermitted, Problem, QuotaExceeded, WrongState
from ashiato.dsp import v2025_1 as wire
from ashiato.dsp.catalog import DataService, Distribution
from ashiato.dsp.errors import IllegalTransition, MalformedMessage, MismatchedMessage, UnsendableMessage
from ashiato.dsp.messages import (
    CatalogError,
    CatalogRequestMessage,
    ContractAgreementMessage,
    ContractAgreementVerificationMessage,
    ContractNegotiationAck,
    ContractNegotiationError,
    ContractNegotiationEventMessage,
    ContractNegotiationTerminationMessage,
    ContractOfferMessage,
    ContractRequestMessage,
    Message,
    NegotiationMessage,
    TransferCompletionMessage,
    TransferError,
    TransferMessage,
    TransferProcessAck,
    TransferRequestMessage,
    TransferStartMessage,
    TransferSuspensionMessage,
    TransferTerminationMessage,
)
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.states import Role
from ashiato.dsp.transfer import TransferProcess
from ashiato.identity.signed_tokens import NotAuthenticated

BASE = f"dsp/{wire.VERSION}"
MOST_BODY_BYTES = 1_048_576
GZIP_FROM_BYTES = 1024
LONGEST_SENTENCE_LENGTH_COUNT = 500

log = structlog.get_logger()


class BodyTooLarge(Exception):
    """The counterparty's message is larger than any message of the protocol."""


class Replayed(Exception):
    """The counterparty's token was used before."""


Answer = Callable[[Node, Tenant, Request], Awaitable[Response]]
FaultOf = Callable[[Request, str, str], Message]


class ProtocolApi:
    """The routes of the protocol for every participant of a node, each below its own path segment."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def routes(self) -> list[BaseRoute]:
        """Routes for the protocol listener; everything else that it serves is mounted beside them."""
        root = "/{tenant}"
        base = f"{root}/{BASE}"
        post: list[tuple[str, Answer, FaultOf]] = [
            ("catalog/request", _catalog_page, _catalog_fault),
            ("negotiations/request", _contract_request, _negotiation_fault),
            ("negotiations/offers", _contract_offer, _negotiation_fault),
            ("transfers/request", _transfer_request, _transfer_fault),
        ]
        post += [
            (f"negotiations/{{pid}}/{path}", _later(kind), _negotiation_fault)
            for path, kind in _NEGOTIATION.items()
        ]
        post += [
            (f"transfers/{{pid}}/{path}", _later_transfer(kind), _transfer_fault)
            for path, kind in _TRANSFER.items()
        ]
        get: list[tuple[str, Answer, FaultOf]] = [
            ("catalog/datasets/{id:path}", _dataset, _catalog_fault),
            ("negotiations/{pid}", _negotiation_state, _negotiation_fault),
            ("transfers/{pid}", _transfer_state, _transfer_fault),
        ]
        return [
            *(
                Route(f"{base}/{path}", self._guarded(answer, fault), methods=["POST"])
                for path, answer, fault in post
            ),
            *(
                Route(f"{base}/{path}", self._guarded(answer, fault), methods=["GET"])
                for path, answer, fault in get
            ),
            Route(f"{root}/{wire.VERSIONS_PATH}", self._versions, methods=["GET"]),
            Route(f"{root}/did.json", self._did_document, methods=["GET"]),
        ]

    def _guarded(self, answer: Answer, fault: FaultOf) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            tenant = self._node.tenants.by_slug(request.path_params["tenant"])
            if tenant is None:
                return Response(status_code=404)
            try:
                return await answer(self._node, tenant, request)
            except ClientDisconnect:
                return Response(status_code=400)
            except _FAULTS as error:
                status_code, code, sentence = _explain(error)
                # What the counterparty wrote may be quoted in it.
                sentence = sentence[:LONGEST_SENTENCE_LENGTH_COUNT]
                log.info(
                    "message refused",
                    participant=tenant.participant_id,
                    path=request.url.path,
                    status=status_code,
                    code=code,
                    why=error.why if isinstance(error, NotAuthenticated) else sentence,
                )
                headers = {"WWW-Authenticate": "Bearer"} if status_code == 401 else None
                body = wire.encode(fault(request, code, sentence))
                return Response(body, status_code, headers, media_type=wire.MEDIA_TYPE)

        return endpoint

    async def _versions(self, request: Request) -> Response:
        tenant = self._node.tenants.by_slug(request.path_params["tenant"])
        if tenant is None:
            return Response(status_code=404)
        document = wire.encode_versions(f"/{BASE}", service_id=tenant.root_url, identifier_type="did:web")
        return Response(document, media_type=wire.MEDIA_TYPE)

    async def _did_document(self, request: Request) -> Response:
        tenant = self._node.tenants.by_slug(request.path_params["tenant"])
        if tenant is None:
            return Response(status_code=404)
        return Response(tenant.did_document, media_type="application/did+json")


_NEGOTIATION: dict[str, type[NegotiationMessage]] = {
    "request": ContractRequestMessage,
    "offers": ContractOfferMessage,
    "agreement": ContractAgreementMessage,
    "agreement/verification": ContractAgreementVerificationMessage,
    "events": ContractNegotiationEventMessage,
    "termination": ContractNegotiationTerminationMessage,
}
_TRANSFER: dict[str, type[TransferMessage]] = {
    "start": TransferStartMessage,
    "completion": TransferCompletionMessage,
    "suspension": TransferSuspensionMessage,
    "termination": TransferTerminationMessage,
}


async def _catalog_page(node: Node, tenant: Tenant, request: Request) -> Response:
    moment = node.moment()
    caller = await _caller(node, tenant, request, moment)
    message = wire.decode(CatalogRequestMessage, await _body(request))
    query = catalog.parse_filter(message.filter)
    after = _cursor(request.query_params.get("cursor"))
    await _once(node, tenant, caller)
    page = await node.store.read(
        tenant.participant_id,
        lambda uow: catalog.page(uow, caller.participant_id, moment.now_ms, query, after),
    )
    datasets = _encode_datasets(tenant, page.datasets)
    body = wire.encode_catalog(
        f"{tenant.root_url}/catalog", tenant.participant_id, datasets, services=(_service(tenant),)
    )
    headers: dict[str, str] = {}
    if page.next_after is not None:
        cursor = base64.urlsafe_b64encode(page.next_after.encode()).decode().rstrip("=")
        headers["Link"] = f'<{tenant.root_url}/{BASE}/catalog/request?cursor={cursor}>; rel="next"'
    return _compressed(request, body, headers)


async def _dataset(node: Node, tenant: Tenant, request: Request) -> Response:
    moment = node.moment()
    caller = await _caller(node, tenant, request, moment)
    await _once(node, tenant, caller)
    dataset = await node.store.read(
        tenant.participant_id,
        lambda uow: catalog.dataset(uow, caller.participant_id, moment.now_ms, request.path_params["id"]),
    )
    return _compressed(request, wire.encode_root_dataset(_encode_dataset(tenant, dataset)), {})


async def _contract_request(node: Node, tenant: Tenant, request: Request) -> Response:
    moment = node.moment()
    caller = await _caller(node, tenant, request, moment)
    message = wire.decode(ContractRequestMessage, await _body(request))
    request.state.message = message
    if message.provider_pid is not None:
        raise Invalid("The first request of a negotiation carries a callbackAddress and no providerPid.")

    def work(uow: UnitOfWork) -> ContractNegotiation:
        _use_token(uow, caller)
        return negotiations.requested(uow, tenant.company, caller.participant_id, message, moment)

    return _negotiation(await node.store.run(tenant.participant_id, work), 201)


async def _contract_offer(node: Node, tenant: Tenant, request: Request) -> Response:
    moment = node.moment()
    caller = await _caller(node, tenant, request, moment)
    message = wire.decode(ContractOfferMessage, await _body(request))
    request.state.message = message
    if message.consumer_pid is not None:
        raise Invalid("The first offer of a negotiation carries a callbackAddress and no consumerPid.")

    def work(uow: UnitOfWork) -> ContractNegotiation:
        _use_token(uow, caller)
        return negotiations.offered(uow, tenant.company, caller.participant_id, message, moment)

    return _negotiation(await node.store.run(tenant.participant_id, work), 201)


def _later(kind: type[NegotiationMessage]) -> Answer:
    async def answer(node: Node, tenant: Tenant, request: Request) -> Response:
        moment = node.moment()
        caller = await _caller(node, tenant, request, moment)
        message = wire.decode(kind, await _body(request))
        request.state.message = message
        pid = request.path_params["pid"]

        def work(uow: UnitOfWork) -> ContractNegotiation:
            _use_token(uow, caller)
            return negotiations.received(uow, tenant.company, caller.participant_id, pid, message, moment)

        return _negotiation(await node.store.run(tenant.participant_id, work))

    return answer


async def _negotiation_state(node: Node, tenant: Tenant, request: Request) -> Response:
    caller = await _caller(node, tenant, request, node.moment())
    await _once(node, tenant, caller)
    pid = request.path_params["pid"]
    found = await node.store.read(
        tenant.participant_id, lambda uow: negotiations.of_peer(uow, caller.participant_id, pid)
    )
    return _negotiation(found)


async def _transfer_request(node: Node, tenant: Tenant, request: Request) -> Response:
    moment = node.moment()
    caller = await _caller(node, tenant, request, moment)
    message = wire.decode(TransferRequestMessage, await _body(request))
    request.state.message = message

    def work(uow: UnitOfWork) -> TransferProcess:
        _use_token(uow, caller)
        return transfers.requested(uow, tenant.company, caller.participant_id, message, moment)

    return _transfer(await node.store.run(tenant.participant_id, work), 201)


def _later_transfer(kind: type[TransferMessage]) -> Answer:
    async def answer(node: Node, tenant: Tenant, request: Request) -> Response:
        moment = node.moment()
        caller = await _caller(node, tenant, request, moment)
        message = wire.decode(kind, await _body(request))
        request.state.message = message
        pid = request.path_params["pid"]

        def work(uow: UnitOfWork) -> TransferProcess:
            _use_token(uow, caller)
            return transfers.received(uow, tenant.company, caller.participant_id, pid, message, moment)

        return _transfer(await node.store.run(tenant.participant_id, work))

    return answer


async def _transfer_state(node: Node, tenant: Tenant, request: Request) -> Response:
    caller = await _caller(node, tenant, request, node.moment())
    await _once(node, tenant, caller)
    pid = request.path_params["pid"]
    found = await node.store.read(
        tenant.participant_id, lambda uow: transfers.of_peer(uow, caller.participant_id, pid)
    )
    return _transfer(found)


async def _caller(node: Node, tenant: Tenant, request: Request, moment: Moment) -> Caller:
    authorization = request.headers.get("authorization")
    return await node.identity.authenticate(tenant.participant_id, authorization, moment.now_ms)


async def _once(node: Node, tenant: Tenant, caller: Caller) -> None:
    await node.store.run(tenant.participant_id, lambda uow: _use_token(uow, caller))


def _use_token(uow: UnitOfWork, caller: Caller) -> None:
    if not uow.records.remember_token(caller.participant_id, caller.token_id, caller.expires_ms):
        raise Replayed


async def _body(request: Request) -> bytes:
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > MOST_BODY_BYTES:
        raise BodyTooLarge
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BODY_BYTES:
            raise BodyTooLarge
    return bytes(body)


def _encode_datasets(
    tenant: Tenant, datasets: tuple[catalog.Dataset, ...]
) -> list[bytes | dict[str, object]]:
    encoded: list[bytes | dict[str, object]] = []
    for dataset in datasets:
        try:
            encoded.append(_encode_dataset(tenant, dataset))
        except UnsendableMessage as error:
            # One that the protocol cannot carry must not hide the others.
            log.error(
                "dataset left out of the catalog",
                participant=tenant.participant_id,
                asset=dataset.asset.asset_id,
                why=str(error),
            )
    return encoded


def _encode_dataset(tenant: Tenant, dataset: catalog.Dataset) -> bytes:
    asset = dataset.asset
    properties: dict[str, object] = {"title": asset.title or asset.asset_id}
    for name, value in (
        ("dataItem", asset.data_item),
        ("partGroup", asset.part_group),
        ("mediaType", asset.media_type),
    ):
        if value:
            properties[f"ashiato:{name}"] = value
    properties.update({name: value for name, value in asset.properties.items() if name not in properties})
    return wire.encode_dataset(asset.asset_id, dataset.offers, _distributions(tenant.root_url), properties)


def _distributions(root_url: str) -> list[Distribution]:
    service_id = f"{root_url}/{BASE}"
    return [Distribution(format=name, access_service=service_id) for name in transfers.FORMATS]


def _service(tenant: Tenant) -> DataService:
    url = f"{tenant.root_url}/{BASE}"
    return DataService(service_id=url, endpoint_url=url)


def _cursor(text: str | None) -> str:
    if text is None:
        return ""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        raise Invalid("The cursor is not one of ours; begin again without it.", path="cursor") from None


def _compressed(request: Request, body: bytes, headers: dict[str, str]) -> Response:
    headers["Vary"] = "Accept-Encoding"
    if len(body) >= GZIP_FROM_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, 1, mtime=0)
    return Response(body, headers=headers, media_type=wire.MEDIA_TYPE)


def _negotiation(negotiation: ContractNegotiation, status_code: int = 200) -> Response:
    provider_pid, consumer_pid = _pids(negotiation)
    ack = ContractNegotiationAck(
        provider_pid=provider_pid, consumer_pid=consumer_pid, state=negotiation.state
    )
    return Response(wire.encode(ack), status_code, media_type=wire.MEDIA_TYPE)


def _transfer(transfer: TransferProcess, status_code: int = 200) -> Response:
    provider_pid, consumer_pid = _pids(transfer)
    ack = TransferProcessAck(provider_pid=provider_pid, consumer_pid=consumer_pid, state=transfer.state)
    return Response(wire.encode(ack), status_code, media_type=wire.MEDIA_TYPE)


def _pids(process: ContractNegotiation | TransferProcess) -> tuple[str, str]:
    peer_pid = process.peer_pid or ""
    return (process.own_pid, peer_pid) if process.role is Role.PROVIDER else (peer_pid, process.own_pid)


def _catalog_fault(request: Request, code: str, sentence: str) -> Message:
    return CatalogError(code=code, reason=(sentence,))


def _negotiation_fault(request: Request, code: str, sentence: str) -> Message:
    provider_pid, consumer_pid = _named_pids(request)
    return ContractNegotiationError(
        provider_pid=provider_pid, consumer_pid=consumer_pid, code=code, reason=(sentence,)
    )


def _transfer_fault(request: Request, code: str, sentence: str) -> Message:
    provider_pid, consumer_pid = _named_pids(request)
    return TransferError(provider_pid=provider_pid, consumer_pid=consumer_pid, code=code, reason=(sentence,))


def _named_pids(request: Request) -> tuple[str, str]:
    # The error object must name both pids, also where the message was too broken to name them: then they are empty.
    message = getattr(request.state, "message", None)
    return getattr(message, "provider_pid", None) or "", getattr(message, "consumer_pid", None) or ""


_FAULTS = (
    BodyTooLarge,
    IllegalTransition,
    MalformedMessage,
    MismatchedMessage,
    NotAuthenticated,
    Problem,
    Replayed,
    UnsendableMessage,
)


def _explain(error: Exception) -> tuple[int, str, str]:
    match error:
        case NotAuthenticated(is_temporary=True):
            return 503, "identity-unavailable", "Your DID document cannot be fetched now; try again."
        case NotAuthenticated():
            return 401, "unauthorized", "The request does not prove who you are."
        case Replayed():
            return 401, "token-replayed", "This token was used before; make a fresh one for each request."
        case BodyTooLarge():
            return 413, "message-too-large", f"A message has at most {MOST_BODY_BYTES} bytes."
        case MalformedMessage() | MismatchedMessage():
            return 400, "malformed-message", str(error)
        case IllegalTransition() | WrongState():
            return 400, "wrong-state", str(error)
        case UnsendableMessage():
            return (
                500,
                "unsendable",
                "This connector made an answer that the protocol forbids; its operator must look.",
            )
        case NotFound():
            return 404, error.code, error.sentence
        case NotPermitted():
            return 403, error.code, error.sentence
        case QuotaExceeded():
            return 429, error.code, error.sentence
        case Problem():
            return 400, error.code, error.sentence
        case _:
            raise error
