"""The participant's own keys and its DID document: looked at, rotated, ended, and what became of the document."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import Path, Query

from ashiato.api.management.calls import CallOf
from ashiato.api.management.models.keys import (
    Certificates,
    DidChange,
    DidChangeQuery,
    Key,
    KeyName,
    Keys,
    Rotation,
)
from ashiato.api.management.models.shared import Page, page_of
from ashiato.api.management.openapi import WITH_JSON_BODY, problems
from ashiato.api.management.ports import KeyShown
from ashiato.api.management.routing import participant_router

router = participant_router("keys")

KeyPath = Annotated[KeyName, Path()]


@router.get("/keys", summary="List the signing keys, with what each does now")
async def list_keys(call: CallOf) -> Keys:
    return _shown(await call.around.keys.keys(call.tenant.participant_id))


@router.post(
    "/keys/rotate",
    summary="Publish a new key, which signs after the overlap; the one before it stays verifiable for a time",
    responses=problems(*WITH_JSON_BODY, "wrong-state"),
)
async def rotate_key(call: CallOf, body: Rotation) -> Keys:
    return _shown(
        await call.around.keys.rotate_key(
            call.tenant.participant_id, call.subject, body.kind, body.overlap_s, body.keep_s
        )
    )


@router.post(
    "/keys/{name}/retire",
    summary="Take a key that does not sign out of the DID document now",
    responses=problems("wrong-state"),
)
async def retire_key(call: CallOf, name: KeyPath) -> Keys:
    return _shown(await call.around.keys.retire_key(call.tenant.participant_id, call.subject, name))


@router.post(
    "/keys/{name}/revoke",
    summary="Take a key out at once, because somebody else may have it; another signs from now on",
    responses=problems("wrong-state"),
)
async def revoke_key(call: CallOf, name: KeyPath) -> Keys:
    return _shown(await call.around.keys.revoke_key(call.tenant.participant_id, call.subject, name))


@router.put(
    "/keys/{name}/certificates",
    summary="Bind an X.509 organisation certificate to a key; it stands as x5c in the DID document",
    responses=problems(*WITH_JSON_BODY),
)
async def bind_certificates(call: CallOf, name: KeyPath, body: Certificates) -> Keys:
    return _shown(
        await call.around.keys.bind_certificates(
            call.tenant.participant_id, call.subject, name, body.pem.encode()
        )
    )


@router.get("/did/changes", summary="List every change of the hosted DID document")
async def list_did_changes(call: CallOf, wanted: Annotated[DidChangeQuery, Query()]) -> Page[DidChange]:
    found = await call.around.keys.did_changes(
        call.tenant.participant_id, int(wanted.cursor or 0), wanted.limit + 1
    )
    shown = [
        DidChange(
            sequence=change.sequence,
            at_ms=change.at_ms,
            actor=change.actor,
            what=change.what,
            before_sha256=change.before_sha256,
            after_sha256=change.after_sha256,
            document=change.document,
        )
        for change in found
    ]
    return page_of(Page[DidChange], shown, wanted.limit, lambda change: str(change.sequence))


def _shown(keys: Sequence[KeyShown]) -> Keys:
    return Keys(items=[Key.model_validate(msgspec.to_builtins(key)) for key in keys])
