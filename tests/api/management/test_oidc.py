import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from ashiato.api.management.gate import Gate, Principal
from ashiato.api.management.oidc import FetchFailed, Oidc, OidcRules, egress_fetch
from ashiato.api.management.problems import IdentityProviderUnavailable, NotAuthenticated
from ashiato.clients.egress import Egress, EgressRules

ISSUER = "https://login.example/realms/battery"
AUDIENCE = "ashiato-management"
NOW_S = 1_800_000_000
NOW_MS = NOW_S * 1000
JWKS_URL = "https://login.example/keys"
RULES = OidcRules(issuer=ISSUER, audience=AUDIENCE, jwks_url=JWKS_URL)


class Provider:
    """An OpenID provider with an RSA and an EC key; it may be down, and it counts who asks."""

    def __init__(self) -> None:
        self.rsa = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})
        self.ec = ECKey.generate_key("P-256", {"kid": "ec-1", "use": "sig"})
        self.published: list[Any] = [self.rsa.as_dict(private=False), self.ec.as_dict(private=False)]
        self.is_down = False
        self.asked: list[str] = []
        self.documents: dict[str, bytes] = {}

    async def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        if self.is_down:
            raise FetchFailed("connection refused")
        return self.documents.get(url) or json.dumps({"keys": self.published}).encode()

    def token(
        self, key: RSAKey | ECKey | None = None, header: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """A good token unless told otherwise; a claim of None is left out."""
        key = key or self.rsa
        body = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "hanako",
            "iat": NOW_S - 10,
            "exp": NOW_S + 300,
            "ashiato_participants": ["maker"],
            **claims,
        }
        body = {name: value for name, value in body.items() if value is not None}
        alg = "RS256" if isinstance(key, RSAKey) else "ES256"
        protected = {"alg": alg, "kid": key.kid, "typ": "JWT", **(header or {})}
        protected = {name: value for name, value in protected.items() if value is not None}
        return signed(protected, json.dumps(body).encode(), key)


def signed(protected: dict[str, Any], payload: bytes, key: RSAKey | ECKey) -> str:
    return jws.serialize_compact(protected, payload, key, algorithms=[protected["alg"]])


def text64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def keys() -> Provider:
    return Provider()


@pytest.fixture
def provider(keys: Provider) -> Provider:
    """A provider in its first state; only the keys are made once."""
    fresh = Provider.__new__(Provider)
    fresh.rsa, fresh.ec = keys.rsa, keys.ec
    fresh.published = [keys.rsa.as_dict(private=False), keys.ec.as_dict(private=False)]
    fresh.is_down = False
    fresh.asked = []
    fresh.documents = {}
    return fresh


async def verified(provider: Provider, token: str, now_ms: int = NOW_MS) -> Principal:
    return await Oidc(RULES, provider).verify(token, now_ms)


async def test_a_token_opens_the_participants_that_it_names(provider: Provider) -> None:
    for key in (provider.rsa, provider.ec):
        principal = await verified(provider, provider.token(key))
        assert principal == Principal(frozenset({"maker"}), False, "sub:hanako")


@pytest.mark.parametrize("scope", [{"scope": "openid ashiato:operator"}, {"scp": ["ashiato:operator"]}])
async def test_a_token_with_the_operators_scope_opens_the_operators_routes(
    provider: Provider, scope: dict[str, Any]
) -> None:
    principal = await verified(provider, provider.token(ashiato_participants=None, **scope))
    assert (principal.slugs, principal.is_operator) == (frozenset(), True)


@pytest.mark.parametrize(
    ("claim", "slugs"),
    [
        ("maker cells", {"maker", "cells"}),
        (["cells"], {"cells"}),
        ([], set()),
        (None, set()),
        ([1, {"a": 1}], set()),
        ({"maker": True}, set()),
        (True, set()),
    ],
)
async def test_a_claim_of_another_shape_opens_nothing(
    provider: Provider, claim: Any, slugs: set[str]
) -> None:
    principal = await verified(provider, provider.token(ashiato_participants=claim))
    assert principal.slugs == frozenset(slugs)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": ISSUER + "/"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"aud": ["another", "third"]},
        {"exp": NOW_S - 11},
        {"exp": None},
        {"exp": "2000000000"},
        {"nbf": NOW_S + 11},
        {"iat": NOW_S + 11},
    ],
)
async def test_a_token_for_somebody_else_or_another_time_is_refused(
    provider: Provider, claims: dict[str, Any]
) -> None:
    with pytest.raises(NotAuthenticated):
        await verified(provider, provider.token(**claims))


async def test_a_small_difference_of_clocks_does_no_harm(provider: Provider) -> None:
    token = provider.token(exp=NOW_S - 9, nbf=NOW_S + 9, iat=NOW_S + 9)
    assert (await verified(provider, token)).slugs == frozenset({"maker"})


async def test_one_of_several_audiences_is_enough(provider: Provider) -> None:
    token = provider.token(aud=["account", AUDIENCE])
    assert (await verified(provider, token)).slugs == frozenset({"maker"})


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"]},
        {"jwk": {"kty": "EC"}},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/cert"},
        {"typ": "logout+jwt"},
        {"typ": 5},
        {"kid": 5},
        {"kid": "unknown"},
    ],
)
async def test_a_header_that_lets_the_sender_choose_is_refused(
    provider: Provider, header: dict[str, Any]
) -> None:
    good = provider.token()
    protected = {"alg": "RS256", "kid": "rsa-1", "typ": "JWT", **header}
    payload = good.split(".")[1]
    signing_input = f"{text64(json.dumps(protected).encode())}.{payload}"
    signature = text64(provider.rsa.private_key.sign(signing_input.encode(), *rs256()))  # type: ignore[union-attr]  # the generated key has a private part
    with pytest.raises(NotAuthenticated):
        await verified(provider, f"{signing_input}.{signature}")


def rs256() -> tuple[Any, Any]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    return padding.PKCS1v15(), hashes.SHA256()


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "jwt", None])
async def test_an_access_token_may_name_its_type(provider: Provider, typ: str | None) -> None:
    assert (await verified(provider, provider.token(header={"typ": typ}))).slugs == frozenset({"maker"})


async def test_no_signature_and_a_signature_with_the_public_key_are_refused(provider: Provider) -> None:
    payload = provider.token().split(".")[1]
    none = f"{text64(json.dumps({'alg': 'none'}).encode())}.{payload}."
    public_pem = provider.rsa.as_pem(private=False)
    signing_input = f"{text64(json.dumps({'alg': 'HS256', 'kid': 'rsa-1'}).encode())}.{payload}"
    forged = text64(hmac.new(public_pem, signing_input.encode(), hashlib.sha256).digest())
    for token in (none, f"{signing_input}.{forged}"):
        with pytest.raises(NotAuthenticated, match=r"alg|malformed"):
            await verified(provider, token)


async def test_a_stranger_with_the_same_kid_is_refused(provider: Provider) -> None:
    stranger = RSAKey.generate_key(2048, {"kid": "rsa-1"})
    with pytest.raises(NotAuthenticated):
        await verified(provider, provider.token(stranger))


async def test_a_changed_payload_is_refused(provider: Provider) -> None:
    header, payload, signature = provider.token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["ashiato_participants"] = ["cells"]
    with pytest.raises(NotAuthenticated):
        await verified(provider, f"{header}.{text64(json.dumps(claims).encode())}.{signature}")


@pytest.mark.parametrize(
    "payload", [b'{"aud": "a", "aud": "ashiato-management"}', b"[]", b"{", b'{"exp": NaN}']
)
async def test_a_payload_that_two_readers_read_differently_is_refused(
    provider: Provider, payload: bytes
) -> None:
    token = signed({"alg": "RS256", "kid": "rsa-1"}, payload, provider.rsa)
    with pytest.raises(NotAuthenticated, match="malformed"):
        await verified(provider, token)


async def test_a_token_that_is_no_canonical_base64url_is_refused(provider: Provider) -> None:
    token = provider.token()
    for changed in (f"{token}=", token.replace(".", "..", 1), f" {token}", token + "!"):
        with pytest.raises(NotAuthenticated):
            await verified(provider, changed)


async def test_a_token_without_kid_is_tried_with_the_published_keys(provider: Provider) -> None:
    assert (await verified(provider, provider.token(provider.ec, {"kid": None}))).slugs == frozenset(
        {"maker"}
    )


async def test_a_key_for_encryption_signs_nothing(provider: Provider) -> None:
    provider.published[0]["use"] = "enc"
    with pytest.raises(NotAuthenticated):
        await verified(provider, provider.token())


async def test_keys_are_fetched_once_in_five_minutes(provider: Provider) -> None:
    oidc = Oidc(RULES, provider)
    for after_s in (0, 1, 299):
        await oidc.verify(provider.token(exp=NOW_S + 9999), NOW_MS + after_s * 1000)
    assert provider.asked == [JWKS_URL]
    await oidc.verify(provider.token(exp=NOW_S + 9999), NOW_MS + 301_000)
    assert provider.asked == [JWKS_URL] * 2


async def test_a_rotated_key_is_fetched_at_once_but_strangers_cannot_make_us_ask_again_and_again(
    provider: Provider,
) -> None:
    oidc = Oidc(RULES, provider)
    await oidc.verify(provider.token(), NOW_MS)
    fresh = ECKey.generate_key("P-256", {"kid": "ec-2"})
    provider.published.append(fresh.as_dict(private=False))
    assert (await oidc.verify(provider.token(fresh), NOW_MS + 31_000)).slugs == frozenset({"maker"})
    unknown = ECKey.generate_key("P-256", {"kid": "ec-3"})
    for after_s in range(32, 60):
        with pytest.raises(NotAuthenticated):
            await oidc.verify(provider.token(unknown), NOW_MS + after_s * 1000)
    assert len(provider.asked) == 2


async def test_known_keys_are_used_for_a_day_while_the_provider_is_down(provider: Provider) -> None:
    oidc = Oidc(RULES, provider)
    await oidc.verify(provider.token(), NOW_MS)
    provider.is_down = True
    late = provider.token(exp=NOW_S + 200_000)
    assert (await oidc.verify(late, NOW_MS + 86_399_000)).slugs == frozenset({"maker"})
    with pytest.raises(IdentityProviderUnavailable):
        await oidc.verify(late, NOW_MS + 86_401_000)


async def test_a_provider_that_was_never_reached_is_said_to_be_away(provider: Provider) -> None:
    oidc = Oidc(RULES, provider)
    provider.is_down = True
    for after_ms in (0, 1, 1999):
        with pytest.raises(IdentityProviderUnavailable):
            await oidc.verify(provider.token(), NOW_MS + after_ms)
    assert len(provider.asked) == 1
    provider.is_down = False
    assert (await oidc.verify(provider.token(), NOW_MS + 2000)).slugs == frozenset({"maker"})


async def test_many_tokens_at_once_fetch_the_keys_once(provider: Provider) -> None:
    oidc = Oidc(RULES, provider)
    await asyncio.gather(*(oidc.verify(provider.token(), NOW_MS) for _ in range(20)))
    assert len(provider.asked) == 1


@pytest.mark.parametrize("body", [b"{}", b"[]", b"not json", b'{"keys": {}}', b'{"keys": [], "keys": []}'])
async def test_a_malformed_key_set_is_no_key_set(provider: Provider, body: bytes) -> None:
    provider.documents[JWKS_URL] = body
    with pytest.raises(IdentityProviderUnavailable):
        await verified(provider, provider.token())


async def test_a_broken_key_beside_a_good_one_does_no_harm(provider: Provider) -> None:
    provider.published = [{"kty": "RSA", "kid": "rsa-1", "n": "AA", "e": 5}, "x", *provider.published]
    assert (await verified(provider, provider.token())).slugs == frozenset({"maker"})


async def test_the_keys_are_found_through_the_issuers_discovery_document(provider: Provider) -> None:
    discovery = f"{ISSUER}/.well-known/openid-configuration"
    provider.documents[discovery] = json.dumps({"issuer": ISSUER, "jwks_uri": JWKS_URL}).encode()
    oidc = Oidc(OidcRules(issuer=ISSUER, audience=AUDIENCE), provider)
    assert (await oidc.verify(provider.token(), NOW_MS)).slugs == frozenset({"maker"})
    assert provider.asked == [discovery, JWKS_URL]


@pytest.mark.parametrize(
    "document", [{"issuer": "https://evil.example", "jwks_uri": JWKS_URL}, {"issuer": ISSUER}]
)
async def test_a_discovery_document_of_another_issuer_is_not_believed(
    provider: Provider, document: dict[str, str]
) -> None:
    provider.documents[f"{ISSUER}/.well-known/openid-configuration"] = json.dumps(document).encode()
    with pytest.raises(IdentityProviderUnavailable):
        await Oidc(OidcRules(issuer=ISSUER, audience=AUDIENCE), provider).verify(provider.token(), NOW_MS)


async def test_the_gate_takes_a_token_where_it_takes_a_key(provider: Provider) -> None:
    gate = Gate(tokens=Oidc(RULES, provider))
    gate.check()
    headers = [(b"authorization", b"Bearer " + provider.token().encode())]
    assert (await gate.admit(headers, NOW_MS)).slugs == frozenset({"maker"})
    with pytest.raises(NotAuthenticated):
        await gate.admit([(b"authorization", b"Bearer no-token")], NOW_MS)


async def test_the_keys_come_through_the_one_way_out(provider: Provider) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        body = json.dumps({"keys": provider.published}).encode()
        status = b"200 OK" if b"GET /keys " in request else b"404 Not Found"
        writer.write(
            b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(body)) + body
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Egress(EgressRules(unsafe_allow_loopback=True)) as egress:
        rules = OidcRules(issuer=ISSUER, audience=AUDIENCE, jwks_url=f"http://127.0.0.1:{port}/keys")
        assert (await Oidc(rules, egress_fetch(egress)).verify(provider.token(), NOW_MS)).slugs == {"maker"}
        gone = OidcRules(issuer=ISSUER, audience=AUDIENCE, jwks_url=f"http://127.0.0.1:{port}/gone")
        with pytest.raises(IdentityProviderUnavailable):
            await Oidc(gone, egress_fetch(egress)).verify(provider.token(), NOW_MS)
    async with Egress(EgressRules()) as strict:
        with pytest.raises(IdentityProviderUnavailable):
            await Oidc(rules, egress_fetch(strict)).verify(provider.token(), NOW_MS)
