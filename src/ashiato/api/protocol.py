"""The Dataspace Protocol over HTTPS, both roles (DSP 2025-1, 4, 6.3, 8.3 and 10.3).

Bytes come in, a typed message is made of them, the caller is verified, and one unit of work decides and answers.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from ashiato.api import catalog_pages
from ashiato.api.messages import BODY_TIMEOUT_S, BodyTooLarge, BodyTooSlow, Replayed, read_body, use_token
from ashiato.connector import agreement_ends, catalog, negotiations, owner_roles, signing, transfers
from ashiato.connector.company import Company
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import Caller, Conflict, Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, NotPermitted, Problem, QuotaExceeded, WrongState
from ashiato.dsp import v2025_1 as wire
from ashiato.dsp.effects import Ending
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
from ashiato.dsp.states import NegotiationState, Role, TransferState
from ashiato.dsp.transfer import TransferProcess
from ashiato.identity.presented import LacksCredentials
from ashiato.identity.signed_tokens import CannotResolve, NotAuthenticated
from ashiato.stores.errors import StoreUnavailable

BASE = f"dsp/{wire.VERSION}"
MOST_BODY_BYTES = 131_072
LONGEST_SENTENCE_LENGTH_COUNT = 500
RETRY_AFTER_S = 1

M = TypeVar("M", bound=Message)
P = TypeVar("P", ContractNegotiation, TransferProcess)
log = structlog.get_logger()


class MethodNotAllowed(Exception):
    """The address takes other methods: `allowed`, as they stand in the header Allow."""

    def __init__(self, allowed: str) -> None:
        super().__init__(f"This address takes {allowed} only.")
        self.allowed = allowed


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
        addresses: list[tuple[str, str, Answer, FaultOf]] = [
            ("catalog/request", "POST", _catalog_page, _catalog_fault),
            ("catalog/datasets/{id:path}", "GET", _dataset, _catalog_fault),
            ("negotiations/request", "POST", _contract_request, _negotiation_fault),
            ("negotiations/offers", "POST", _contract_offer, _negotiation_fault),
            ("negotiations/{pid}", "GET", _negotiation_state, _negotiation_fault),
            ("transfers/request", "POST", _transfer_request, _transfer_fault),
            ("transfers/{pid}", "GET", _transfer_state, _transfer_fault),
        ]
        addresses += [
            (f"negotiations/{{pid}}/{path}", "POST", _later(kind), _negotiation_fault)
            for path, kind in _NEGOTIATION.items()
        ]
        addresses += [
            (f"transfers/{{pid}}/{path}", "POST", _later_transfer(kind), _transfer_fault)
            for path, kind in _TRANSFER.items()
        ]
        elsewhere = (
            ("catalog", _catalog_fault),
            ("negotiations", _negotiation_fault),
            ("transfers", _transfer_fault),
        )
        return [
            *(
                Route(f"{base}/{path}", self._endpoint(method, answer, fault))
                for path, method, answer, fault in addresses
            ),
            *(
                Route(f"{base}/{kind}/{{rest:path}}", self._endpoint(None, _nowhere, fault))
                for kind, fault in elsewhere
            ),
            Route(f"{root}/{wire.VERSIONS_PATH}", self._versions, methods=["GET"]),
            Route(f"{root}/did.json", self._did_document, methods=["GET"]),
        ]

    def _endpoint(self, method: str | None, answer: Answer, fault: FaultOf) -> "_Endpoint":
        """An address and its method, None for any; what goes wrong is told with the error object of the address."""
        methods = ("GET", "HEAD") if method == "GET" else (method,)

        async def respond(request: Request) -> Response:
            tenant = self._node.tenants.by_slug(request.path_params["tenant"])
            if tenant is None:
                return Response(status_code=404)
            try:
                if method is not None and request.method not in methods:
                    raise MethodNotAllowed(", ".join(filter(None, methods)))
                return await answer(self._node, tenant, request)
            except ClientDisconnect:
                return Response(status_code=400)
            except _FAULTS as error:
                return _refused(tenant, request, fault, error)

        return _Endpoint(respond)

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


class _Endpoint:
    """An ASGI application: the router leaves the method to it, and so the answer to a wrong one."""

    def __init__(self, respond: Callable[[Request], Awaitable[Response]]) -> None:
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)


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
    message = await _message(CatalogRequestMessage, request)
    query = catalog.parse_filter(message.filter)
    after = catalog_pages.cursor(request, "after") or ""
    before = catalog_pages.cursor(request, "before")
    await _once(node, tenant, caller)
    page = await node.store.read(
        tenant.participant_id,
        lambda uow: catalog.page(uow, caller.standing, moment.now_ms, query, after, before_asset_id=before),
    )
    roles = await _owner_roles(node, tenant, page.datasets, moment)
    return catalog_pages.page_response(request, tenant, f"{tenant.root_url}/{BASE}", page, roles)


async def _dataset(node: Node, tenant: Tenant, request: Request) -> Response:
    moment = node.moment()
    caller = await _caller(node, tenant, request, moment)
    await _once(node, tenant, caller)
    dataset = await node.store.read(
        tenant.participant_id,
        lambda uow: catalog.dataset(uow, caller.standing, moment.now_ms, request.path_params["id"]),
    )
    roles = await _owner_roles(node, tenant, (dataset,), moment)
    return catalog_pages.dataset_response(request, f"{tenant.root_url}/{BASE}", dataset, roles)


async def _owner_roles(
    node: Node, tenant: Tenant, datasets: Sequence[catalog.Dataset], moment: Moment
) -> tuple[str, ...]:
    """What is shown of the owner beside what is only listed; nobody is asked where nothing is."""
    if not any(dataset.is_listing for dataset in datasets):
        return ()
    return await owner_roles.roles_of(node, tenant, moment.now_ms)


async def _nowhere(node: Node, tenant: Tenant, request: Request) -> Response:
    raise NotFound("There is no such address.", path=request.url.path)


async def _contract_request(node: Node, tenant: Tenant, request: Request) -> Response:
    moment = node.moment()
    caller = await _caller(node, tenant, request, moment)
    message = await _message(ContractRequestMessage, request)
    if message.provider_pid is not None:
        raise Invalid("The first request of a negotiation carries a callbackAddress and no providerPid.")

    def work(uow: UnitOfWork, company: Company, moment: Moment) -> ContractNegotiation:
        use_token(uow, caller)
        return negotiations.requested(uow, company, caller.standing, message, moment)

    opened = await signing.run(node.store, tenant.company, moment, work)
    return _negotiation(_as_opened(opened, NegotiationState.REQUESTED), 201)


async def _contract_offer(node: Node, tenant: Tenant, request: Request) -> Response:
    moment = node.moment()
    caller = await _caller(node, tenant, request, moment)
    message = await _message(ContractOfferMessage, request)
    if message.consumer_pid is not None:
        raise Invalid("The first offer of a negotiation carries a callbackAddress and no consumerPid.")

    def work(uow: UnitOfWork, company: Company, moment: Moment) -> ContractNegotiation:
        use_token(uow, caller)
        return negotiations.offered(uow, company, caller.standing, message, moment)

    opened = await signing.run(node.store, tenant.company, moment, work)
    return _negotiation(_as_opened(opened, NegotiationState.OFFERED), 201)


def _later(kind: type[NegotiationMessage]) -> Answer:
    async def answer(node: Node, tenant: Tenant, request: Request) -> Response:
        moment = node.moment()
        caller = await _caller(node, tenant, request, moment)
        message = await _message(kind, request)
        pid = request.path_params["pid"]

        evidence = await _evidence(node, caller, message, moment)

        def work(uow: UnitOfWork, company: Company, moment: Moment) -> ContractNegotiation:
            use_token(uow, caller)
            known = negotiations.of_peer(uow, caller.participant_id, pid)
            ended_id = agreement_ends.ended_by_peer(known, message)
            if ended_id is not None and isinstance(message, ContractNegotiationTerminationMessage):
                reason = negotiations.in_words(Ending(reason=message.reason))
                transfers.agreement_ended_by_peer(uow, company, ended_id, reason, moment)
                return known
            return negotiations.received(uow, company, caller.standing, pid, message, moment, evidence)

        return _negotiation(await signing.run(node.store, tenant.company, moment, work))

    return answer


async def _evidence(
    node: Node, caller: Caller, message: NegotiationMessage, moment: Moment
) -> signing.Evidence:
    """The signature that a message carries, with the DID document by which it is checked in the unit of work."""
    text = signing.signature_in(message)
    if text is None:
        return signing.NO_EVIDENCE
    if node.documents is None:
        return signing.Evidence(text)
    try:
        document = await node.documents.resolve(
            caller.participant_id, moment.now_ms, needs_kid=signing.kid_in(message)
        )
    except CannotResolve as error:
        raise NotAuthenticated(error.why, is_temporary=True) from error
    return signing.Evidence(text, document)


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
    message = await _message(TransferRequestMessage, request)

    def work(uow: UnitOfWork) -> TransferProcess:
        use_token(uow, caller)
        return transfers.requested(uow, tenant.company, caller.standing, message, moment)

    opened = await node.store.run(tenant.participant_id, work)
    return _transfer(_as_opened(opened, TransferState.REQUESTED), 201)


def _later_transfer(kind: type[TransferMessage]) -> Answer:
    async def answer(node: Node, tenant: Tenant, request: Request) -> Response:
        moment = node.moment()
        caller = await _caller(node, tenant, request, moment)
        message = await _message(kind, request)
        pid = request.path_params["pid"]

        def work(uow: UnitOfWork) -> TransferProcess:
            use_token(uow, caller)
            return transfers.received(uow, tenant.company, caller.standing, pid, message, moment)

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


async def _message(kind: type[M], request: Request) -> M:
    """The message in the body; its pids, as far as it names them, stay with the request for an error object."""
    body = await read_body(request, MOST_BODY_BYTES)
    try:
        message = wire.decode(kind, body)
    except MalformedMessage:
        request.state.pids = wire.named_pids(body)
        raise
    pids = (getattr(message, "provider_pid", None), getattr(message, "consumer_pid", None))
    request.state.pids = tuple(pid or "" for pid in pids)
    return message


async def _caller(node: Node, tenant: Tenant, request: Request, moment: Moment) -> Caller:
    authorization = request.headers.get("authorization")
    return await node.identity.authenticate(tenant.participant_id, authorization, moment.now_ms)


async def _once(node: Node, tenant: Tenant, caller: Caller) -> None:
    await node.store.run(tenant.participant_id, lambda uow: use_token(uow, caller))


def _as_opened(process: P, state: NegotiationState | TransferState) -> P:
    """The process as its first message left it, which is what the answer to that message says (8.2.2, 8.3.3, 10.2.2).

    What we did since of our own accord is said in messages of its own.
    """
    return msgspec.structs.replace(process, state=state)


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
    # The error object must name both pids, also where no message named them: then they are empty.
    pids: tuple[str, str] = getattr(request.state, "pids", ("", ""))
    return pids


def _refused(tenant: Tenant, request: Request, fault: FaultOf, error: Exception) -> Response:
    status_code, code, sentence = _explain(error)
    # What the counterparty wrote may be quoted in it.
    sentence = sentence[:LONGEST_SENTENCE_LENGTH_COUNT]
    log.info(
        "message refused",
        participant=tenant.participant_id,
        path=request.url.path,
        status=status_code,
        code=code,
        why=_why(error, sentence),
    )
    headers = {"WWW-Authenticate": "Bearer"} if status_code == 401 else {}
    if status_code == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = error.allowed
    body = wire.encode(fault(request, code, sentence))
    return Response(body, status_code, headers, media_type=wire.MEDIA_TYPE)


def _why(error: Exception, sentence: str) -> str:
    """What the log says, and the counterparty is not told."""
    match error:
        case NotAuthenticated():
            return error.why
        case Conflict() | StoreUnavailable():
            return str(error)
        case _:
            return sentence


_FAULTS = (
    BodyTooLarge,
    BodyTooSlow,
    Conflict,
    IllegalTransition,
    MalformedMessage,
    MethodNotAllowed,
    MismatchedMessage,
    NotAuthenticated,
    Problem,
    Replayed,
    StoreUnavailable,
    UnsendableMessage,
)


def _explain(error: Exception) -> tuple[int, str, str]:
    match error:
        case LacksCredentials(is_temporary=False, types=types):
            asked = ", ".join(types)
            return 403, "credentials-missing", f"This connector asks every partner for: {asked}."
        case NotAuthenticated(is_temporary=True):
            return 503, "identity-unavailable", "Your DID document cannot be fetched now; try again."
        case NotAuthenticated():
            return 401, "unauthorized", "The request does not prove who you are."
        case Conflict():
            return 503, "busy", "Others changed the same thing at the same moment; send the message again."
        case StoreUnavailable():
            return (
                503,
                "store-unavailable",
                "This connector cannot reach its store now; send the message again.",
            )
        case signing.SignerUnavailable():
            return (
                503,
                "signer-unavailable",
                "This connector cannot sign the agreement now; send the message again.",
            )
        case Replayed():
            return 401, "token-replayed", "This token was used before; make a fresh one for each request."
        case MethodNotAllowed():
            return 405, "method-not-allowed", str(error)
        case BodyTooLarge():
            return 413, "message-too-large", f"A message has at most {MOST_BODY_BYTES} bytes."
        case BodyTooSlow():
            return 408, "message-too-slow", f"A message must arrive within {BODY_TIMEOUT_S:.0f} s."
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
