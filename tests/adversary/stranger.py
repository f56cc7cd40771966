"""A company whose DID document comes from a server that the test writes, and that signs whatever the test wants."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ec

from ashiato.trust.did import did_document
from ashiato.trust.keys import SigningKey
from ashiato.trust.tokens import mint_token
from ashiato.wiring.program import now
from tests.api.speaking import Heard
from tests.clients.loopback_server import Answer, Asked, LoopbackServer, loopback_server, respond
from tests.exchange import Member, port_of


@dataclass
class Stranger:
    """`server` publishes what `answer` writes; tokens are signed with `key` unless another is given."""

    server: LoopbackServer
    session: aiohttp.ClientSession
    answer: Answer = field(default_factory=respond)
    key: SigningKey | None = None

    @property
    def host(self) -> str:
        """Host and port as they stand in a did:web."""
        return f"127.0.0.1%3A{self.server.port}"

    @property
    def did(self) -> str:
        return f"did:web:{self.host}:acme"

    def publish(self, fragment: str = "key-1", *, did: str | None = None) -> SigningKey:
        """From now on the document holds a fresh key and no other, and tokens are signed with it."""
        document_did = did or self.did
        self.key = SigningKey(f"{document_did}#{fragment}", ec.generate_private_key(ec.SECP256R1()))
        self.answer = respond(did_document(document_did, [self.key.verification_key()], []))
        return self.key

    def token(self, listener: Member, did: str | None = None, key: SigningKey | None = None) -> str:
        """The header by which a DID (its own by default) proves itself to `listener`."""
        signing = key or self.key
        assert signing is not None
        if did is not None and not signing.kid.startswith(f"{did}#"):
            signing = SigningKey(f"{did}#key-1", signing._private)
        moment = now()
        minted = mint_token(
            signing, audience=listener.did, now_ms=moment.now_ms, ttl_s=60, token_id=str(uuid.uuid4())
        )
        return f"Bearer {minted}"

    async def say(
        self,
        listener: Member,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        token: str | None = None,
    ) -> Heard:
        """The answer of `listener`, by way of its own port, to a request under that token."""
        url = f"http://127.0.0.1:{port_of(listener)}/{listener.slug}/dsp/2025-1/{path}"
        headers = {"Authorization": token or self.token(listener), "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        async with self.session.request(
            "GET" if data is None else "POST", url, data=data, headers=headers, allow_redirects=False
        ) as heard:
            return Heard(heard.status, heard.headers, await heard.read())


@asynccontextmanager
async def stranger() -> AsyncIterator[Stranger]:
    """A stranger who has published nothing yet."""
    found: list[Stranger] = []

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await found[0].answer(asked, writer)

    async with loopback_server(answer) as server, aiohttp.ClientSession() as session:
        found.append(Stranger(server, session))
        yield found[0]
