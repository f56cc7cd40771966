"""Small adapters between rooms that must not know each other."""

from ashiato.api.turns import waiting_outside
from ashiato.clients.did_web import DidResolver, DidUnresolved
from ashiato.connector.ports import Moment
from ashiato.identity.signed_tokens import CannotResolve, NotAuthenticated
from ashiato.identity.signed_tokens import Documents as DocumentsPort
from ashiato.trust.did import DidDocument
from ashiato.trust.proofs import VerifiedProof, mint_proof, verify_proof
from ashiato.trust.tokens import TokenRefused
from ashiato.wiring.tenancy import Tenancy


class Documents:
    """DID documents for the identity port, from the resolver, with its errors in the inner room's words."""

    def __init__(self, resolver: DidResolver) -> None:
        self._resolver = resolver

    async def resolve(self, did: str, now_ms: int, *, needs_kid: str | None = None) -> DidDocument:
        """See `identity.signed_tokens.Documents`."""
        try:
            async with waiting_outside():
                return await self._resolver.resolve(did, now_ms, needs_kid=needs_kid)
        except DidUnresolved as error:
            raise CannotResolve(str(error), is_temporary=error.is_temporary) from error


class Prover:
    """Proofs of possession for the pulls of this program's own participants (RFC 9449)."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._tenancy = tenancy

    def proof_for(self, participant_id: str, method: str, url: str, access_token: str, moment: Moment) -> str:
        """See `couriers.pulling.Prover`."""
        key = self._tenancy.keys[participant_id]
        return mint_proof(
            key,
            method=method,
            url=url,
            access_token=access_token,
            now_ms=moment.now_ms,
            token_id=moment.fresh_id(),
        )


class Possession:
    """Checks proofs of possession against the DID document of the consumer."""

    def __init__(self, documents: DocumentsPort) -> None:
        self._documents = documents

    async def check(
        self, consumer: str, *, method: str, url: str, access_token: str, proof: str, now_ms: int
    ) -> VerifiedProof:
        """See `api.data_tokens.Possession`."""
        try:
            document = await self._documents.resolve(consumer, now_ms)
            return verify_proof(
                proof,
                method=method,
                url=url,
                access_token=access_token,
                document=document,
                consumer=consumer,
                now_ms=now_ms,
            )
        except CannotResolve as error:
            raise NotAuthenticated(error.why, is_temporary=error.is_temporary) from error
        except TokenRefused as error:
            raise NotAuthenticated(str(error)) from error
