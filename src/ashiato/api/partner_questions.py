"""A partner's question at one of our own routes: who asks proves it by a token like those of the protocol, which counts once."""

from collections.abc import Callable
from typing import TypeVar

import structlog
from starlette.requests import Request

from ashiato.api.data_answers import Refused, refuse
from ashiato.api.messages import Replayed, use_token
from ashiato.connector.data_access import Refusal
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import Caller, Moment, UnitOfWork
from ashiato.identity.signed_tokens import NotAuthenticated

T = TypeVar("T")

log = structlog.get_logger()


async def answered(
    node: Node,
    tenant: Tenant,
    request: Request,
    moment: Moment,
    work: Callable[[UnitOfWork, Caller], T | Refusal],
) -> T:
    """What `work` finds for the caller, in one unit of work; raises `Refused`.

    A refusal is returned by `work` and not raised, so that the token counts as used whatever the answer.
    """
    try:
        caller = await node.identity.authenticate(
            tenant.participant_id, request.headers.get("authorization"), moment.now_ms
        )
    except NotAuthenticated as error:
        log.info("question refused", participant=tenant.participant_id, path=request.url.path, why=error.why)
        if error.is_temporary:
            raise refuse(
                503, "identity-unavailable", "Your DID document cannot be fetched now; try again."
            ) from None
        raise refuse(401, "not-authenticated", "The request does not prove who you are.") from None

    def ask(uow: UnitOfWork) -> T | Refusal:
        use_token(uow, caller)
        return work(uow, caller)

    try:
        found = await node.store.run(tenant.participant_id, ask)
    except Replayed:
        raise refuse(401, "token-replayed", "Make a fresh token for each request.") from None
    if isinstance(found, Refusal):
        raise Refused(found)
    return found
