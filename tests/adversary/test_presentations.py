"""Callers who show credentials that are not theirs, not whole, not valid, or of somebody whose word does not count."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ashiato.trust.did import RELATIONS
from ashiato.trust.keys import SigningKey
from tests.clients.loopback_server import respond
from tests.dcp_parties import DCP_CONTEXT, Claims, Holder, Issuer, World, sign
from tests.identity.conftest import buyer, hub, maker, store, world
from tests.verifying import Verifier

__all__ = ["buyer", "hub", "maker", "store", "world"]

MEMBER = "MembershipCredential"
LATER = "2030-01-01T00:00:00Z"
EARLIER = "2020-01-01T00:00:00Z"


def answer_with(world: World, holder: Holder, *presentations: object) -> None:
    """The holder's credential service gives these, whoever asks."""
    body = {"@context": [DCP_CONTEXT], "type": "PresentationResponseMessage", "presentation": presentations}
    world.answers[f"/{holder.name}/dcp/presentations/query"] = respond(json.dumps(body).encode())


def changed(**members: object) -> Callable[[Claims], None]:
    return lambda claims: claims.update(members)


async def test_a_presentation_that_lacks_a_credential_gives_no_claim_of_it(
    buyer: Verifier, hub: Issuer, maker: Holder
) -> None:
    maker.shown = [hub.credential(maker.did, "RoleCredential", {"role": "cell"})]
    claims = (await buyer.call(maker)).claims
    assert claims["role"] == {"cell"}
    assert "membership" not in claims


async def test_the_credential_of_another_holder_does_not_count(
    buyer: Verifier, hub: Issuer, maker: Holder, world: World
) -> None:
    other = world.holder("other")
    maker.shown = [hub.credential(other.did, MEMBER)]
    assert (await buyer.call(maker)).claims == {}
    assert await buyer.why(maker)


async def test_an_extra_credential_of_another_holder_adds_nothing(
    buyer: Verifier, hub: Issuer, maker: Holder, world: World
) -> None:
    other = world.holder("other")
    maker.shown = [
        hub.credential(maker.did, "RoleCredential", {"role": "cell"}),
        hub.credential(other.did, MEMBER),
        hub.credential(other.did, "RoleCredential", {"role": "authority"}),
    ]
    claims = (await buyer.call(maker)).claims
    assert "membership" not in claims
    assert "authority" not in claims.get("role", frozenset())


async def test_a_credential_that_nobody_asked_for_gives_no_right_of_its_own(
    buyer: Verifier, hub: Issuer, maker: Holder
) -> None:
    """The list recognises the issuer for memberships and roles; what else it signs is left out."""
    maker.shown = [
        hub.credential(maker.did, MEMBER),
        hub.credential(maker.did, "SecurityProfileCredential", {"profile": "trust+"}),
    ]
    claims = (await buyer.call(maker)).claims
    assert claims["membership"] == {"active"}
    assert "security_profile" not in claims


async def test_a_presentation_of_another_holder_does_not_count(
    buyer: Verifier, hub: Issuer, maker: Holder, world: World
) -> None:
    other = world.holder("other")
    other.shown = [hub.credential(other.did, MEMBER)]
    answer_with(world, maker, other.presentation(buyer.did))
    assert (await buyer.call(maker)).claims == {}


async def test_a_presentation_in_the_name_of_another_holder_does_not_count(
    buyer: Verifier, hub: Issuer, maker: Holder, world: World
) -> None:
    other = world.holder("other")
    maker.shown = [hub.credential(other.did, MEMBER)]
    maker.change = changed(holder=other.did, iss=other.did)
    assert (await buyer.call(maker)).claims == {}


async def test_a_presentation_replayed_to_another_verifier_does_not_count(
    buyer: Verifier, hub: Issuer, maker: Holder, world: World
) -> None:
    maker.shown = [hub.credential(maker.did, MEMBER)]
    for_another = maker.presentation("did:web:another-verifier.example")
    answer_with(world, maker, for_another)
    assert (await buyer.call(maker)).claims == {}


SPOILT_PRESENTATIONS: dict[str, Callable[[Claims], None]] = {
    "expired": changed(exp=1_700_000_000),
    "issued in the future": changed(iat=1_900_000_000, exp=1_900_000_060),
    "not valid yet": changed(nbf=1_900_000_000),
    "without an end": lambda claims: claims.pop("exp"),
    "without an audience": lambda claims: claims.pop("aud"),
    "for two audiences": lambda claims: claims.update(aud=[claims["aud"], "did:web:b.example"]),
    "with an end that is a text": changed(exp="1900000000"),
    "of another type": changed(type=["VerifiableCredential"]),
    "holding a credential in the clear": changed(
        verifiableCredential=[{"type": ["VerifiableCredential", MEMBER], "credentialSubject": {}}]
    ),
    "in the profile of another data model": changed(vp={"type": ["VerifiablePresentation"]}),
}


@pytest.mark.parametrize("what", SPOILT_PRESENTATIONS)
async def test_a_spoilt_presentation_does_not_count(
    buyer: Verifier, hub: Issuer, maker: Holder, what: str
) -> None:
    maker.shown = [hub.credential(maker.did, MEMBER)]
    maker.change = SPOILT_PRESENTATIONS[what]
    assert (await buyer.call(maker)).claims == {}
    assert "membership" not in (await buyer.stored(maker)).claims


async def test_a_presentation_signed_with_a_key_that_may_not_authenticate_does_not_count(
    buyer: Verifier, hub: Issuer, maker: Holder, world: World
) -> None:
    maker.shown = [hub.credential(maker.did, MEMBER)]
    document = json.loads(maker.document())
    assert "authentication" in RELATIONS
    document["authentication"] = []
    world.answers["/maker/did.json"] = respond(json.dumps(document).encode())
    assert (await buyer.call(maker)).claims == {}


def tampered(compact: str, **members: object) -> str:
    """The same token with other members under the old signature."""
    head, payload, signature = compact.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["credentialSubject"].update(members)
    spoilt = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{head}.{spoilt}.{signature}"


def unsigned(compact: str) -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"vc+jwt"}').rstrip(b"=").decode()
    return f"{head}.{compact.split('.')[1]}."


def by_another_key(hub: Issuer, holder: str) -> str:
    thief = replace(hub, key=SigningKey(hub.key.kid, ec.generate_private_key(ec.SECP256R1())))
    return thief.credential(holder, MEMBER)


SPOILT: dict[str, Callable[[Issuer, str], str]] = {
    "signed by a wrong key": by_another_key,
    "unsigned": lambda hub, did: unsigned(hub.credential(did, MEMBER)),
    "changed after it was signed": lambda hub, did: tampered(hub.credential(did, MEMBER), level="gold"),
    "not yet valid": lambda hub, did: hub.credential(did, MEMBER, change=changed(validFrom=LATER)),
    "expired": lambda hub, did: hub.credential(
        did, MEMBER, change=changed(validFrom=EARLIER, validUntil=EARLIER)
    ),
    "with a validity that is no date": lambda hub, did: hub.credential(
        did, MEMBER, change=changed(validUntil="never")
    ),
    "without a subject": lambda hub, did: hub.credential(
        did, MEMBER, change=changed(credentialSubject={"holderIdentifier": "BPNL1"})
    ),
    "about two subjects": lambda hub, did: hub.credential(
        did, MEMBER, change=changed(credentialSubject=[{"id": did}, {"id": "did:web:b.example"}])
    ),
    "in the name of another issuer": lambda hub, did: hub.credential(
        did, MEMBER, change=changed(issuer="did:web:authority.example")
    ),
    "whose claims contradict its token": lambda hub, did: hub.credential(
        did, MEMBER, change=changed(iss="did:web:authority.example")
    ),
    "without its type": lambda hub, did: hub.credential(did, MEMBER, change=changed(type=[MEMBER])),
    "with the token type of a presentation": lambda hub, did: hub.credential(did, MEMBER, typ="vp+jwt"),
    "with the token type of an access token": lambda hub, did: hub.credential(did, MEMBER, typ="at+jwt"),
    "without the context of its data model": lambda hub, did: hub.credential(
        did, MEMBER, change=changed(**{"@context": ["https://evil.example/v2"]})
    ),
}


@pytest.mark.parametrize("what", SPOILT)
async def test_a_spoilt_credential_does_not_count(
    buyer: Verifier, hub: Issuer, maker: Holder, what: str
) -> None:
    maker.shown = [SPOILT[what](hub, maker.did)]
    claims: dict[str, Any] = dict((await buyer.call(maker)).claims)
    assert claims == {}
    # The same holder with an honest one, a moment later.
    maker.shown = [hub.credential(maker.did, MEMBER)]
    buyer.world.now_ms += 300_000
    assert (await buyer.call(maker)).claims["membership"] == {"active"}


async def test_a_revoked_credential_does_not_count(buyer: Verifier, hub: Issuer, maker: Holder) -> None:
    maker.shown = [hub.credential(maker.did, MEMBER, status=[("revocation", 5)])]
    hub.revoke(5)
    assert (await buyer.call(maker)).claims == {}
    assert "revoked" in await buyer.why(maker)


async def test_a_suspended_credential_does_not_count(buyer: Verifier, hub: Issuer, maker: Holder) -> None:
    maker.shown = [hub.credential(maker.did, MEMBER, status=[("suspension", 5)])]
    hub.revoke(5, "suspension")
    assert (await buyer.call(maker)).claims == {}
    assert "suspended" in await buyer.why(maker)


async def test_a_credential_of_an_issuer_that_is_not_trusted_for_its_type_does_not_count(
    buyer: Verifier, world: World, maker: Holder
) -> None:
    other = world.issuer("other-hub")
    buyer.trust(other, other.trust_list((other.did, ["RoleCredential"])))
    maker.shown = [
        other.credential(maker.did, MEMBER),
        other.credential(maker.did, "RoleCredential", {"role": "cell"}),
    ]
    claims = (await buyer.call(maker)).claims
    assert "membership" not in claims
    assert claims["role"] == {"cell"}


async def test_a_credential_that_violates_its_schema_does_not_count(
    buyer: Verifier, hub: Issuer, maker: Holder, world: World
) -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"credentialSubject": {"type": "object", "required": ["holderIdentifier"]}},
    }
    world.answers["/hub/schema.json"] = respond(json.dumps(schema).encode())
    keeps = changed(credentialSchema={"id": hub.url("/schema.json"), "type": "JsonSchema"})
    maker.shown = [hub.credential(maker.did, MEMBER, change=keeps)]
    assert (await buyer.call(maker)).claims == {}
    maker.shown = [hub.credential(maker.did, MEMBER, {"holderIdentifier": "BPNL1"}, change=keeps)]
    buyer.world.now_ms += 300_000
    assert (await buyer.call(maker)).claims["membership"] == {"active"}


async def test_a_credential_shown_as_its_own_presentation_does_not_count(
    buyer: Verifier, hub: Issuer, maker: Holder, world: World
) -> None:
    answer_with(
        world, maker, hub.credential(maker.did, MEMBER), sign(maker.key, "vp+jwt", {"iss": maker.did})
    )
    assert (await buyer.call(maker)).claims == {}
