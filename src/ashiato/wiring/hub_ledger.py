"""Puts the ledger of a hub together: its key, its witnesses, its rounds and its routes."""

import asyncio
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ashiato.api.hub.ledger import LOG_PATH, LedgerApi
from ashiato.clients.did_web import DidCacheRules, DidResolver
from ashiato.clients.witnesses import WitnessClients
from ashiato.couriers.ledger import Sequencer
from ashiato.hub import registry
from ashiato.hub.ledger import Ledger, LedgerStopped
from ashiato.hub.ledger_ports import NobodyWatches, Witnesses
from ashiato.hub.node import Hub, Party
from ashiato.identity.signed_tokens import CannotResolve
from ashiato.log.notes import ED25519, MalformedNote, NoteKey, parse_key
from ashiato.statements.ledger_entries import Batch
from ashiato.trust.jws import TokenRefused, key_named
from ashiato.trust.keys import VerificationKey
from ashiato.wiring.adapters import Documents
from ashiato.wiring.hub_rooms import HubParts, HubRoom
from ashiato.wiring.hub_settings import LEDGER_KEY_FILE
from ashiato.wiring.note_keys import key_in
from ashiato.wiring.settings import BadSettings, resolve_secret


class LogKey:
    """The port `hub.ledger_ports.HeadSigner`, with a key in the memory of this process."""

    def __init__(self, origin: str, private: Ed25519PrivateKey) -> None:
        self.key = NoteKey(origin, ED25519, private.public_key().public_bytes_raw())
        self._private = private

    async def sign(self, text: bytes) -> bytes:
        """See the port."""
        return self._private.sign(text)


class MemberKeys:
    """The keys of admitted parties, out of their DID documents."""

    def __init__(self, hub: Hub, documents: Documents) -> None:
        self._hub = hub
        self._documents = documents

    async def of(self, batch: Batch, now_ms: int) -> Mapping[str, VerificationKey]:
        """See `api.hub.ledger.Keys`; who cannot be resolved or is not admitted is left out."""
        found: dict[str, VerificationKey] = {}
        for kid in batch.kids():
            did = kid.partition("#")[0]
            if await self._standing(did) is None:
                continue
            try:
                document = await self._documents.resolve(did, now_ms, needs_kid=kid)
                found[kid] = key_named(kid, document, "assertionMethod")
            except (CannotResolve, TokenRefused):
                continue
        return found

    async def _standing(self, did: str) -> Party | None:
        return await self._hub.store.read(did, lambda uow: registry.standing_of(uow, did))


async def open_ledger(parts: HubParts) -> HubRoom:
    """The room of the ledger; its rounds begin at once."""
    settings = parts.settings.ledger
    origin = settings.origin or _origin_of(parts.hub.hub_id)
    store = parts.settings.store
    passphrase = resolve_secret(store.key_passphrase).encode() if store.key_passphrase else None
    private = await asyncio.to_thread(key_in, Path(store.directory) / LEDGER_KEY_FILE, passphrase)
    try:
        addresses = [(parse_key(one.key), one.url) for one in settings.witnesses]
        signer = LogKey(origin, private)
    except MalformedNote as error:
        raise BadSettings(f"ledger.witnesses: {error.problem}.") from None
    witnesses: Witnesses = (
        WitnessClients(parts.ways_out.public, origin, addresses) if addresses else NobodyWatches()
    )
    try:
        ledger = Ledger(parts.hub.store, signer, witnesses, min(settings.quorum_count, len(addresses)))
    except LedgerStopped as error:
        raise BadSettings(f"ledger: {error.problem}") from None
    sequencer = Sequencer(ledger, lambda: parts.hub.moment().now_ms, settings.period_ms / 1000)
    rules = DidCacheRules(fresh_s=parts.settings.did.fresh_s, stale_s=parts.settings.did.stale_s)
    keys = MemberKeys(parts.hub, Documents(DidResolver(parts.ways_out.public, rules=rules)))
    page = files("ashiato.cli").joinpath("proof_page.html").read_bytes()
    sequencer.start()
    return HubRoom(
        routes=LedgerApi(ledger, sequencer.submit, keys.of, page).routes(),
        services={Sequencer: sequencer},
        close=sequencer.close,
    )


def _origin_of(hub_id: str) -> str:
    """The address of the log without its scheme, by the host in the hub's DID."""
    host = hub_id.removeprefix("did:web:").partition(":")[0]
    return f"{host.replace('%3A', ':')}{LOG_PATH}"
