"""Who is calling: proved by a token of its own, or not at all, and never told why."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ashiato.identity.signed_tokens import (
    LEEWAY_S,
    LONGEST_TTL_S,
    TOKEN_TTL_S,
    CannotResolve,
    NotAuthenticated,
    SignedTokens,
)
from ashiato.trust.did import DidDocument, did_document, parse_did_document
from ashiato.trust.keys import SigningKey
from ashiato.trust.tokens import mint_token

MAKER, CELLS, RIVAL = "did:web:maker.example", "did:web:cells.example", "did:web:rival.example"
NOW_MS = 1_800_000_000_000
KEYS = {
    did: SigningKey(f"{did}#key-1", ec.generate_private_key(ec.SECP256R1())) for did in (MAKER, CELLS, RIVAL)
}


class Book:
    """DID documents as their hosts have them; remembers what was asked for."""

    def __init__(self) -> None:
        self.keys = dict(KEYS)
        self.failure: CannotResolve | None = None
        self.asked: list[tuple[str, str | None]] = []

    async def resolve(self, did: str, now_ms: int, *, needs_kid: str | None = None) -> DidDocument:
        self.asked.append((did, needs_kid))
        if self.failure is not None:
            raise self.failure
        if did not in self.keys:
            raise CannotResolve("no such host", is_temporary=False)
        return parse_did_document(did_document(did, [self.keys[did].verification_key()], []), did)


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def identity(book: Book) -> SignedTokens:
    return SignedTokens(book, KEYS)


async def test_a_token_proves_its_issuer_to_its_audience(identity: SignedTokens, book: Book) -> None:
    header = await identity.token_for(CELLS, MAKER, NOW_MS, "t-1")
    caller = await identity.authenticate(MAKER, header, NOW_MS)
    assert (caller.participant_id, caller.token_id) == (CELLS, "t-1")
    # It is remembered as long as anybody could accept it, so that it cannot be played again.
    assert caller.expires_ms >= NOW_MS + (TOKEN_TTL_S + LEEWAY_S) * 1000
    assert book.asked == [(CELLS, f"{CELLS}#key-1")]


async def test_a_token_is_good_for_its_time_and_a_little_leeway(identity: SignedTokens) -> None:
    header = await identity.token_for(CELLS, MAKER, NOW_MS, "t-1")
    for late_s, is_good in (
        (-LEEWAY_S - 2, False),
        (-LEEWAY_S + 1, True),
        (0, True),
        (TOKEN_TTL_S, True),
        (TOKEN_TTL_S + LEEWAY_S - 1, True),
        (TOKEN_TTL_S + LEEWAY_S + 1, False),
    ):
        if is_good:
            assert (
                await identity.authenticate(MAKER, header, NOW_MS + late_s * 1000)
            ).participant_id == CELLS
        else:
            with pytest.raises(NotAuthenticated):
                await identity.authenticate(MAKER, header, NOW_MS + late_s * 1000)


async def test_a_token_for_somebody_else_or_of_too_long_a_life_proves_nothing(identity: SignedTokens) -> None:
    for_rival = await identity.token_for(CELLS, RIVAL, NOW_MS, "t-1")
    long = mint_token(KEYS[CELLS], audience=MAKER, now_ms=NOW_MS, ttl_s=LONGEST_TTL_S + 1, token_id="t-2")
    for header in (for_rival, f"Bearer {long}"):
        with pytest.raises(NotAuthenticated) as refusal:
            await identity.authenticate(MAKER, header, NOW_MS)
        assert not refusal.value.is_temporary


async def test_a_token_that_another_signed_proves_nothing(identity: SignedTokens, book: Book) -> None:
    header = await identity.token_for(CELLS, MAKER, NOW_MS, "t-1")
    book.keys[CELLS] = SigningKey(f"{CELLS}#key-1", ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(NotAuthenticated):
        await identity.authenticate(MAKER, header, NOW_MS)


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer abc", "Bearer a.b.c", "Bearer  x", "DPoP a.b.c"],
)
async def test_what_is_no_token_asks_nobody_for_a_document(
    identity: SignedTokens, book: Book, header: str | None
) -> None:
    with pytest.raises(NotAuthenticated):
        await identity.authenticate(MAKER, header, NOW_MS)
    assert book.asked == []


async def test_the_scheme_may_be_written_in_any_case(identity: SignedTokens) -> None:
    token = (await identity.token_for(CELLS, MAKER, NOW_MS, "t-1")).partition(" ")[2]
    for scheme in ("bearer", "BEARER", "BeArEr"):
        assert (await identity.authenticate(MAKER, f"{scheme} {token}", NOW_MS)).participant_id == CELLS


@pytest.mark.parametrize("is_temporary", [True, False])
async def test_a_document_that_cannot_be_had_now_is_told_apart_from_one_that_never_can(
    identity: SignedTokens, book: Book, is_temporary: bool
) -> None:
    header = await identity.token_for(CELLS, MAKER, NOW_MS, "t-1")
    book.failure = CannotResolve("the host is silent", is_temporary=is_temporary)
    with pytest.raises(NotAuthenticated) as refusal:
        await identity.authenticate(MAKER, header, NOW_MS)
    assert (refusal.value.is_temporary, refusal.value.why) == (is_temporary, "the host is silent")
