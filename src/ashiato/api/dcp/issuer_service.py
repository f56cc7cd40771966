"""The issuer service: what is issued, requests for it, and the public status of what was issued."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from ashiato.api.dcp.answering import DcpMeans, body_of, caller_of, route
from ashiato.api.messages import use_token
from ashiato.connector import issuance
from ashiato.connector.node import Tenant
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import NotFound
from ashiato.identity import dcp_v1_0 as dcp
from ashiato.identity.issuing import IssuanceRequest, StatusListRecord
from ashiato.trust.enveloping import sign_status_list

BASE = "issuer"
JSON = "application/json"
SIGNED_AGAIN_AFTER_MS = 3_600_000
STATUS_LIST_VALID_MS = 90_000_000
MOST_SIGNED_LISTS_COUNT = 256
PUBLIC = {"Cache-Control": "public, max-age=30"}


class IssuerApi:
    """The routes of the issuer services of all participants. Lists are signed when they changed, and now and then anew."""

    def __init__(self, means: DcpMeans) -> None:
        self._means = means
        self._signed: dict[tuple[str, str], tuple[int, int, str]] = {}

    def routes(self) -> list[BaseRoute]:
        """For the protocol listener."""
        made = [
            (dcp.METADATA_PATH, "GET", _metadata),
            ("schemas/{type_id}", "GET", _schema),
            ("status/{list_id}", "GET", self._status_list),
            (dcp.CREDENTIALS_PATH, "POST", _request),
            (f"{dcp.REQUESTS_PATH}/{{request_id}}", "GET", _request_state),
        ]
        return [
            route(self._means, f"{BASE}/{path}", method, answer, issuers_only=True)
            for path, method, answer in made
        ]

    async def _status_list(self, means: DcpMeans, tenant: Tenant, request: Request) -> Response:
        list_id = request.path_params["list_id"]

        def load(uow: UnitOfWork) -> tuple[StatusListRecord, bytes]:
            record, bits = uow.wallet.status_lists.get(list_id), uow.wallet.bits(list_id)
            if record is None or bits is None:
                raise NotFound("There is no such status list.")
            return record, bits

        record, bits = await means.node.store.read(tenant.participant_id, load)
        now_ms = means.node.moment().now_ms
        key = (tenant.participant_id, list_id)
        known = self._signed.get(key)
        if known is None or known[0] != record.changes_count or now_ms - known[1] >= SIGNED_AGAIN_AFTER_MS:
            text = await sign_status_list(
                means.signer_of(tenant.participant_id),
                record.profile,
                list_url=issuance.status_list_url(tenant, list_id),
                purpose=record.purpose,
                bits=bits,
                issued_ms=now_ms // 1000 * 1000,
                valid_until_ms=now_ms + STATUS_LIST_VALID_MS,
            )
            if len(self._signed) >= MOST_SIGNED_LISTS_COUNT:
                self._signed.clear()
            known = self._signed[key] = (record.changes_count, now_ms, text)
        return Response(known[2], media_type="application/vc+jwt", headers=PUBLIC)


async def _metadata(means: DcpMeans, tenant: Tenant, request: Request) -> Response:
    types = await means.node.store.read(tenant.participant_id, issuance.types)
    body = dcp.encode_metadata(tenant.participant_id, types, issuance.schema_url(tenant))
    return Response(body, media_type=JSON)


async def _schema(means: DcpMeans, tenant: Tenant, request: Request) -> Response:
    type_id = request.path_params["type_id"]
    type_ = await means.node.store.read(tenant.participant_id, lambda uow: issuance.type_of(uow, type_id))
    schema = {"$id": f"{issuance.schema_url(tenant)}/{type_id}", **type_.subject_schema}
    return Response(msgspec.json.encode(schema), media_type="application/schema+json", headers=PUBLIC)


async def _request(means: DcpMeans, tenant: Tenant, request: Request) -> Response:
    moment = means.node.moment()
    caller = await caller_of(means, tenant, request, moment)
    message = dcp.decode_request(await body_of(request))
    code = caller.verified.claims.get(dcp.PRE_AUTHORIZED_CODE)

    def work(uow: UnitOfWork) -> IssuanceRequest:
        use_token(uow, caller)
        return issuance.requested(
            uow, caller.participant_id, message, code if isinstance(code, str) else None, moment
        )

    taken = await means.node.store.run(tenant.participant_id, work)
    location = f"{tenant.root_url}/{BASE}/{dcp.REQUESTS_PATH}/{taken.request_id}"
    return Response(status_code=201, headers={"Location": location})


async def _request_state(means: DcpMeans, tenant: Tenant, request: Request) -> Response:
    moment = means.node.moment()
    caller = await caller_of(means, tenant, request, moment)
    request_id = request.path_params["request_id"]

    # In a transaction of its own, so that the token counts as used where there is no such request.
    await means.node.store.run(tenant.participant_id, lambda uow: use_token(uow, caller))
    found = await means.node.store.read(
        tenant.participant_id, lambda uow: issuance.request_of(uow, caller.participant_id, request_id)
    )
    return Response(dcp.encode_status(found.request_id, found.holder_pid, found.state), media_type=JSON)
