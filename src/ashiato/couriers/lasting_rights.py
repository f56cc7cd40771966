"""Whether the right to a running stream still stands, asked of the identity of the consumer and of the store."""

import structlog

from ashiato.connector import data_access, transfers
from ashiato.connector.data_access import Admission, Refusal
from ashiato.connector.node import Node
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import Problem
from ashiato.dsp.states import Role, TransferState
from ashiato.trust.standing import Standing

log = structlog.get_logger()


class LastingRights:
    """The rights to the streams of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def standing(self, participant_id: str, peer_id: str, now_ms: int) -> Standing:
        """What is verified of the consumer now; takes as long as its status lists take."""
        return await self._node.identity.standing(participant_id, peer_id, now_ms)

    async def recheck(
        self, participant_id: str, admission: Admission, consumer: Standing, now_ms: int
    ) -> int | Refusal | None:
        """See `data_access.recheck`. The transfer of a consumer that lost its standing is suspended before its stream is cut.

        So a reader that comes back at once is told so, and whoever has mended what was missing resumes the transfer.
        """
        answer = await self._node.store.read(
            participant_id, lambda uow: data_access.recheck(uow, admission, consumer, now_ms)
        )
        if isinstance(answer, Refusal) and answer.code == data_access.STANDING_LOST:
            await self._suspend(participant_id, admission.transfer_pid, answer.reason)
        return answer

    async def _suspend(self, participant_id: str, transfer_pid: str, reason: str) -> None:
        tenant = self._node.tenants.by_id(participant_id)
        if tenant is None:
            return
        moment = self._node.moment()

        def suspend(uow: UnitOfWork) -> None:
            transfer = uow.transfers.get(transfer_pid)
            if transfer is None or transfer.role is not Role.PROVIDER:
                return
            if transfer.state is TransferState.STARTED:
                transfers.suspend(uow, tenant.company, transfer_pid, reason, moment)

        try:
            await self._node.store.run(participant_id, suspend)
        except Problem as problem:
            log.info(
                "a transfer whose right ended was not suspended", transfer=transfer_pid, why=str(problem)
            )
