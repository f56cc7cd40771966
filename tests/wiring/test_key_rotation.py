"""Keys of a running connector: rotated in the middle of its work, retired, revoked, and logged."""

import asyncio
import base64
import datetime
import hashlib
import itertools
import json
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from ashiato.connector.problems import Invalid, NotFound, WrongState
from ashiato.connector.records import FetchState
from ashiato.stores.keys import open_safe
from ashiato.stores.participants import Participant
from ashiato.stores.unit_of_work import SqlUnitOfWork
from ashiato.trust.agreements import parse
from ashiato.trust.key_life import revoked
from ashiato.wiring.program import now
from tests.exchange import Member, running


def kids(member: Member) -> list[str]:
    """The keys in the member's DID document as others get it."""
    tenant = member.program.tenancy.by_slug(member.slug)
    assert tenant is not None
    document = json.loads(tenant.did_document)
    return [method["id"].partition("#")[2] for method in document["verificationMethod"]]


async def states(member: Member) -> dict[str, str]:
    return {key.name: key.state for key in await member.program.registry.keys(member.did)}


async def test_nothing_breaks_when_both_sides_rotate_in_the_middle_of_their_work(tmp_path: Path) -> None:
    async with (
        running(tmp_path / "maker", "maker") as [maker],
        running(tmp_path / "cells", "cells") as [cells],
    ):
        await maker.offer("nmc811")
        # Longer than the first fetch takes, in which each side learns the document of the other with both keys.
        for member in (maker, cells):
            await member.program.registry.rotate_key(member.did, "test", "Ed25519", 4, 1)
        signers: set[str] = set()
        while kids(maker) != ["key-2"] or kids(cells) != ["key-2"]:
            fetch = await cells.fetch(maker, "nmc811")
            assert fetch.state is FetchState.DONE, fetch.problem
        assert (await cells.fetch(maker, "nmc811")).state is FetchState.DONE
        for agreement in await cells.read(lambda uow: uow.contracts.list_agreements("", 10_000)):
            assert agreement.signed == "both"
            signers |= {signature.kid.partition("#")[2] for signature in agreement.signatures}
        assert signers == {"key-1", "key-2"}
        assert (kids(maker), kids(cells)) == (["key-2"], ["key-2"])
        assert await states(maker) == {"key-1": "retired", "key-2": "signing"}


async def test_a_key_of_either_kind_survives_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path, "maker", "cells") as [maker, cells]:
        await maker.program.registry.rotate_key(maker.did, "test", "Ed25519", 0, 60)
        port = int(maker.program.bound.getsockname()[1])
    async with running(tmp_path, "maker", "cells", port=port) as [maker, cells]:
        await maker.offer("nmc811")
        assert (await cells.fetch(maker, "nmc811")).state is FetchState.DONE
        (agreement,) = await cells.read(lambda uow: uow.contracts.list_agreements("", 10))
        by_maker = next(found for found in agreement.signatures if found.signer_id == maker.did)
        assert parse(by_maker.jws).parsed.header["alg"] == "Ed25519"
        assert by_maker.jwk["crv"] == "Ed25519"
        assert kids(maker) == ["key-1", "key-2"]


async def test_a_revoked_key_is_out_of_the_document_at_once_and_the_work_goes_on(tmp_path: Path) -> None:
    async with running(tmp_path, "maker", "cells") as [maker, cells]:
        await maker.offer("nmc811")
        await maker.program.registry.revoke_key(maker.did, "test", "key-1")
        assert kids(maker) == ["key-2"]
        assert await states(maker) == {"key-1": "revoked", "key-2": "signing"}
        assert (await cells.fetch(maker, "nmc811")).state is FetchState.DONE


async def test_the_signing_key_is_not_retired_and_no_second_rotation_begins_before_the_first_is_done(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, "maker") as [maker]:
        for end in (maker.program.registry.retire_key, maker.program.registry.revoke_key):
            with pytest.raises(NotFound, match="there is no key"):
                await end(maker.did, "test", "key-9")
        with pytest.raises(WrongState, match="rotate first"):
            await maker.program.registry.retire_key(maker.did, "test", "key-1")
        await maker.program.registry.rotate_key(maker.did, "test", "P-256", 60, 60)
        with pytest.raises(WrongState, match="published already"):
            await maker.program.registry.rotate_key(maker.did, "test", "P-256", 60, 60)
        await maker.program.registry.retire_key(maker.did, "test", "key-2")
        assert kids(maker) == ["key-1"]


async def test_a_process_that_missed_what_another_did_catches_up(tmp_path: Path) -> None:
    async with running(tmp_path, "maker", "cells") as [maker, cells]:
        store, registry = maker.program.store, maker.program.registry
        new = open_safe(tmp_path / "keys.json", None).new_key(f"{maker.did}#key-2")

        def revoke(uow: SqlUnitOfWork, found: Participant) -> Participant:
            return msgspec.structs.replace(
                found, keys=revoked(found.keys, f"{maker.did}#key-1", new, now().now_ms)
            )

        def suspend(uow: SqlUnitOfWork, found: Participant) -> Participant:
            return msgspec.structs.replace(found, is_suspended=True)

        # As the other process does, and its wake-up is lost.
        await store.change_participant(maker.did, revoke)
        await store.change_participant(cells.did, suspend)
        assert kids(maker) == ["key-1"]
        await registry.catch_up()
        assert kids(maker) == ["key-2"]
        assert maker.program.tenancy.keys[maker.did].kid == f"{maker.did}#key-2"
        assert maker.program.tenancy.by_slug("cells") is None
        served = maker.program.tenancy.by_slug("maker")
        await registry.catch_up()
        assert maker.program.tenancy.by_slug("maker") is served


async def test_two_rotations_at_once_make_one_new_key(tmp_path: Path) -> None:
    async with running(tmp_path, "maker") as [maker]:
        rotate = maker.program.registry.rotate_key
        outcomes = await asyncio.gather(
            *(rotate(maker.did, "test", "P-256", 60, 60) for _ in range(5)), return_exceptions=True
        )
        assert sum(isinstance(outcome, WrongState) for outcome in outcomes) == 4
        assert kids(maker) == ["key-1", "key-2"]


async def test_every_change_of_the_document_is_logged_with_who_and_what_and_both_hashes(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, "maker") as [maker]:
        first = (await maker.program.registry.did_changes(maker.did, 0, 10))[0]
        assert (first.before_sha256, first.actor, first.what) == ("", "connector", "first published")
        await maker.program.registry.rotate_key(maker.did, "key of Aiko", "P-256", 0, 0)
        await asyncio.sleep(0.01)
        assert kids(maker) == ["key-2"]
        await maker.program.registry.write_down_documents()
        changes = await maker.program.registry.did_changes(maker.did, 0, 10)
        assert [(change.sequence, change.actor) for change in changes][:2] == [
            (1, "connector"),
            (2, "key of Aiko"),
        ]
        for before, after in itertools.pairwise(changes):
            assert after.before_sha256 == before.after_sha256
        for change in changes:
            assert change.after_sha256 == hashlib.sha256(change.document.encode()).hexdigest()
        tenant = maker.program.tenancy.by_slug("maker")
        assert tenant is not None
        assert changes[-1].document.encode() == tenant.did_document
        await maker.program.registry.write_down_documents()
        assert await maker.program.registry.did_changes(maker.did, changes[-1].sequence, 10) == []
        assert "did.changed" in [entry.event for entry in await maker.history()]


def certificate_of(public: ec.EllipticCurvePublicKey, signer: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Cathode Works")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(signer, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM)


async def test_an_owner_binds_the_certificate_of_its_own_key_and_of_no_other(tmp_path: Path) -> None:
    authority = ec.generate_private_key(ec.SECP256R1())
    async with running(tmp_path, "maker") as [maker]:
        public = maker.program.tenancy.keys[maker.did].verification_key().public
        assert isinstance(public, ec.EllipticCurvePublicKey)
        pem = certificate_of(public, authority)
        await maker.program.registry.bind_certificates(maker.did, "test", "key-1", pem)
        tenant = maker.program.tenancy.by_slug("maker")
        assert tenant is not None
        (method,) = json.loads(tenant.did_document)["verificationMethod"]
        bound = x509.load_der_x509_certificate(base64.b64decode(method["publicKeyJwk"]["x5c"][0]))
        assert bound == x509.load_pem_x509_certificate(pem)
        stranger = ec.generate_private_key(ec.SECP256R1())
        other = certificate_of(stranger.public_key(), stranger)
        for wrong in (other, b"no certificate", pem + other):
            with pytest.raises(Invalid):
                await maker.program.registry.bind_certificates(maker.did, "test", "key-1", wrong)
        await maker.program.registry.bind_certificates(maker.did, "test", "key-1", b"")
        tenant = maker.program.tenancy.by_slug("maker")
        assert tenant is not None
        assert b"x5c" not in tenant.did_document
