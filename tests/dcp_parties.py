"""Parties of the Decentralized Claims Protocol on one loopback server: issuers with status lists, holders with their services.

Each may lie: every document is made by the test, and any answer can be replaced.
"""

import asyncio
import base64
import gzip
import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from ashiato.facts.instants import format_datetime
from ashiato.trust import jws
from ashiato.trust.did import Service, did_document
from ashiato.trust.keys import SigningKey, VerificationKey
from ashiato.trust.trust_list import (
    AccreditedAuthority,
    RecognizedList,
    TrustedIssuer,
    TrustListContent,
    sign_trust_list,
)
from tests.clients.loopback_server import Answer, Asked, LoopbackServer, loopback_server, respond

CONTEXT_V2 = "https://www.w3.org/ns/credentials/v2"
CONTEXT_V1 = "https://www.w3.org/2018/credentials/v1"
DCP_CONTEXT = "https://w3id.org/dspace-dcp/v1.0/dcp.jsonld"
YEAR_S = 31_536_000
LIST_BITS = 131_072

Claims = dict[str, Any]


def sign(key: SigningKey, typ: str, claims: Mapping[str, object]) -> str:
    """A JWT with exactly these claims."""
    return jws.sign_compact(key, typ, json.dumps(claims).encode())


@dataclass
class Party:
    """A DID on the loopback server with one key, and those that it only publishes."""

    world: "World"
    name: str
    key: SigningKey
    services: tuple[Service, ...] = ()
    more_keys: tuple[VerificationKey, ...] = ()
    certificates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def did(self) -> str:
        return self.key.did

    def url(self, path: str) -> str:
        """An absolute address below this party's own."""
        return self.world.server.url(f"/{self.name}{path}")

    def rotate(self, fragment: str = "key-2") -> None:
        """From now on the document holds another key only."""
        self.key = SigningKey(f"{self.did}#{fragment}", ec.generate_private_key(ec.SECP256R1()))

    def document(self) -> bytes:
        keys = [self.key.verification_key(), *self.more_keys]
        return did_document(self.did, keys, self.services, self.certificates)


@dataclass
class Issuer(Party):
    """Signs credentials and keeps one status list for each purpose."""

    set_bits: dict[str, set[int]] = field(default_factory=dict)

    def credential(
        self,
        holder: str,
        type_: str,
        subject: Mapping[str, object] | None = None,
        *,
        status: Sequence[tuple[str, int]] = (),
        change: Callable[[Claims], None] = lambda claims: None,
        typ: str = "vc+jwt",
    ) -> str:
        """A credential of data model 2.0; `change` may spoil it before it is signed."""
        claims: Claims = {
            "@context": [CONTEXT_V2],
            "id": f"urn:uuid:{uuid.uuid4()}",
            "type": ["VerifiableCredential", type_],
            "issuer": self.did,
            "validFrom": format_datetime(self.world.now_ms - 1000),
            "validUntil": format_datetime(self.world.now_ms + YEAR_S * 1000),
            "credentialSubject": {"id": holder, **(subject or {})},
        }
        if status:
            claims["credentialStatus"] = [self.status_entry(purpose, index) for purpose, index in status]
        change(claims)
        return sign(self.key, typ, claims)

    def status_entry(self, purpose: str, index: int) -> Claims:
        """The entry of a credential with that index."""
        return {
            "type": "BitstringStatusListEntry",
            "statusPurpose": purpose,
            "statusListIndex": str(index),
            "statusListCredential": self.url(f"/status/{purpose}"),
        }

    def revoke(self, index: int, purpose: str = "revocation") -> None:
        """Set a bit."""
        self.set_bits.setdefault(purpose, set()).add(index)

    def restore(self, index: int, purpose: str = "suspension") -> None:
        """Clear a bit."""
        self.set_bits.get(purpose, set()).discard(index)

    def status_list(
        self, purpose: str, *, bits: bytes | None = None, change: Callable[[Claims], None] = lambda c: None
    ) -> str:
        """The list as it stands."""
        plain = bytearray(LIST_BITS // 8)
        for index in self.set_bits.get(purpose, ()):
            plain[index // 8] |= 1 << (7 - index % 8)
        packed = gzip.compress(bytes(plain) if bits is None else bits)
        claims: Claims = {
            "@context": [CONTEXT_V2],
            "id": self.url(f"/status/{purpose}"),
            "type": ["VerifiableCredential", "BitstringStatusListCredential"],
            "issuer": self.did,
            "validFrom": format_datetime(self.world.now_ms - 1000),
            "credentialSubject": {
                "id": self.url(f"/status/{purpose}#list"),
                "type": "BitstringStatusList",
                "statusPurpose": purpose,
                "encodedList": "u" + base64.urlsafe_b64encode(packed).rstrip(b"=").decode(),
            },
        }
        change(claims)
        return sign(self.key, "vc+jwt", claims)

    def trust_list(
        self,
        *issuers: tuple[str, Sequence[str]],
        recognized: Sequence[tuple[str, Sequence[str]]] = (),
        ttl_s: int = YEAR_S,
        number: int = 1,
        authorities: Sequence[AccreditedAuthority] = (),
    ) -> str:
        """A list signed by this party."""
        content = TrustListContent(
            publisher=self.did,
            number=number,
            issued=format_datetime(self.world.now_ms),
            expires=format_datetime(self.world.now_ms + ttl_s * 1000),
            issuers=tuple(TrustedIssuer(did, tuple(types)) for did, types in issuers),
            recognized=tuple(RecognizedList(did, tuple(types)) for did, types in recognized),
            authorities=tuple(authorities),
        )
        return sign_trust_list(self.key, content)


@dataclass
class Holder(Party):
    """Shows its credentials to whoever asks with a token."""

    shown: list[str] = field(default_factory=list)
    change: Callable[[Claims], None] = lambda claims: None
    queries: list[Claims] = field(default_factory=list)

    def presentation(self, audience: str, credentials: Sequence[str] | None = None) -> str:
        """A presentation of data model 2.0 to one verifier."""
        now_s = self.world.now_ms // 1000
        claims: Claims = {
            "@context": [CONTEXT_V2],
            "id": f"urn:uuid:{uuid.uuid4()}",
            "type": ["VerifiablePresentation"],
            "holder": self.did,
            "verifiableCredential": [
                {
                    "@context": CONTEXT_V2,
                    "id": f"data:application/vc+jwt,{text}",
                    "type": "EnvelopedVerifiableCredential",
                }
                for text in (self.shown if credentials is None else credentials)
            ],
            "iss": self.did,
            "aud": audience,
            "iat": now_s,
            "exp": now_s + 60,
            "jti": str(uuid.uuid4()),
        }
        self.change(claims)
        return sign(self.key, "vp+jwt", claims)

    def token(self, audience: str, access_token: str | None = "let me see", **changes: object) -> str:
        """The Authorization header of a call to `audience`."""
        now_s = self.world.now_ms // 1000
        claims: Claims = {
            "iss": self.did,
            "sub": self.did,
            "aud": audience,
            "iat": now_s,
            "exp": now_s + 60,
            "jti": str(uuid.uuid4()),
        }
        if access_token is not None:
            claims["token"] = access_token
        return "Bearer " + sign(self.key, "JWT", claims | changes)


@dataclass
class World:
    """All parties of a test and the one server that they share; `answers` replaces what stands at a path."""

    server: LoopbackServer
    now_ms: int
    parties: dict[str, Party] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)

    def issuer(self, name: str) -> Issuer:
        issuer = Issuer(self, name, self._key(name))
        self.parties[name] = issuer
        return issuer

    def holder(self, name: str) -> Holder:
        holder = Holder(self, name, self._key(name))
        endpoint = holder.url("/dcp")
        holder.services = (Service(f"{holder.did}#credentials", "CredentialService", endpoint),)
        self.parties[name] = holder
        return holder

    def asked(self, path: str) -> int:
        """How often that path was asked for."""
        return sum(asked.target == path for asked in self.server.asked)

    def _key(self, name: str) -> SigningKey:
        did = f"did:web:127.0.0.1%3A{self.server.port}:{name}"
        return SigningKey(f"{did}#key-1", ec.generate_private_key(ec.SECP256R1()))

    async def answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        """What the parties answer."""
        answer = self.answers.get(asked.target) or self._honest(asked)
        await answer(asked, writer)

    def _honest(self, asked: Asked) -> Answer:
        name, _, path = asked.target.removeprefix("/").partition("/")
        party = self.parties.get(name)
        if party is not None and path == "did.json":
            return respond(party.document())
        if isinstance(party, Issuer) and path.startswith("status/"):
            return respond(party.status_list(path.removeprefix("status/")).encode())
        if isinstance(party, Holder) and path == "dcp/presentations/query":
            return respond(_present(party, asked))
        return respond(status="404 Not Found")


def _present(holder: Holder, asked: Asked) -> bytes:
    compact = asked.headers["authorization"].partition(" ")[2]
    claims = json.loads(base64.urlsafe_b64decode(compact.split(".")[1] + "=="))
    holder.queries.append({"claims": claims, "message": json.loads(asked.body)})
    return json.dumps(
        {
            "@context": [DCP_CONTEXT],
            "type": "PresentationResponseMessage",
            "presentation": [holder.presentation(claims["iss"])],
        }
    ).encode()


@asynccontextmanager
async def dcp_world(now_ms: int) -> AsyncIterator[World]:
    """A server for the parties of one test."""
    holding: list[World] = []

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await holding[0].answer(asked, writer)

    async with loopback_server(answer) as server:
        holding.append(World(server, now_ms))
        yield holding[0]
