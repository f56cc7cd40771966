"""A participant as a witness of logs, as C2SP tlog-witness says: `/{tenant}/witness/…` for those who keep the logs.

There is no credential: the signature of the log on its checkpoint is one, and only logs that the operator named are known.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ashiato.connector.node import Node, Tenant
from ashiato.connector.witnessing import WITNESSED, add_checkpoint
from ashiato.log.notes import MOST_NOTE_BYTES, MalformedNote, NoteKey, Sign
from ashiato.log.witnessing import Answer, parse_submission
from ashiato.stores.errors import StoreUnavailable

_TEXT = "text/plain; charset=utf-8"
# The proof lines of the longest request, and the largest note.
MOST_SUBMISSION_BYTES = MOST_NOTE_BYTES + 8_192

log = structlog.get_logger()

WitnessKeys = Callable[[Tenant], tuple[NoteKey, Sign]]
"""The key with which a participant cosigns, and what signs with it."""


class WitnessApi:
    """The routes of every participant of a node. `logs` are the keys of the logs that are known, by their origin."""

    def __init__(self, node: Node, logs: Mapping[str, NoteKey], keys: WitnessKeys) -> None:
        self._node = node
        self._logs = logs
        self._keys = keys

    def routes(self) -> list[BaseRoute]:
        """Routes for the protocol listener; none where no log is known."""
        if not self._logs:
            return []
        return [
            Route("/{tenant}/witness/add-checkpoint", self._add, methods=["POST"]),
            Route("/{tenant}/witness/key", self._key, methods=["GET"]),
            Route("/{tenant}/witness/{origin_sha256}/checkpoint", self._last, methods=["GET"]),
        ]

    async def _add(self, request: Request) -> Response:
        tenant = self._tenant(request)
        if tenant is None:
            return Response(status_code=Answer.UNKNOWN_LOG)
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MOST_SUBMISSION_BYTES:
                return Response(status_code=413)
        try:
            submission = parse_submission(bytes(body))
        except MalformedNote as error:
            return Response(f"{error.problem}\n", Answer.MALFORMED, media_type=_TEXT)
        origin = submission.checkpoint.origin
        name = sha256(origin.encode()).hexdigest()
        key, sign = self._keys(tenant)
        now_ms = self._node.moment().now_ms
        try:
            answered = await self._node.store.run(
                tenant.participant_id,
                lambda uow: add_checkpoint(uow, name, submission, self._logs.get(origin), key, sign, now_ms),
            )
        except StoreUnavailable:
            return Response(status_code=503)
        if answered.answer is Answer.INCONSISTENT:
            # The log signed it, and it does not extend what it signed before: the evidence is in this line.
            log.error("a log shows another history", origin=origin, submitted=bytes(body).decode("utf-8"))
        return Response(answered.body, answered.answer, media_type=answered.media_type)

    async def _last(self, request: Request) -> Response:
        tenant = self._tenant(request)
        if tenant is None:
            return Response(status_code=404)
        name = request.path_params["origin_sha256"]
        try:
            found = await self._node.store.read(
                tenant.participant_id, lambda uow: uow.room(WITNESSED).get(name)
            )
        except StoreUnavailable:
            return Response(status_code=503)
        if found is None:
            return Response(status_code=404)
        return Response(found.note, media_type=_TEXT, headers={"Cache-Control": "no-cache"})

    async def _key(self, request: Request) -> Response:
        tenant = self._tenant(request)
        if tenant is None:
            return Response(status_code=404)
        return Response(f"{self._keys(tenant)[0].text()}\n", media_type=_TEXT)

    def _tenant(self, request: Request) -> Tenant | None:
        return self._node.tenants.by_slug(request.path_params["tenant"])
