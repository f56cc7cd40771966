"""`ashiato verify`: what an agreement file proves, and with which exit code, without a network."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from ashiato.cli.app import make_app
from ashiato.connector import agreement_files, signing
from ashiato.connector.records import AgreementRecord, AgreementSignature
from ashiato.dsp.states import Role
from ashiato.trust import agreements as signed
from ashiato.trust.did import did_document
from ashiato.trust.keys import SigningKey
from ashiato.trust.signing import LocalSigner
from tests.stamping import START, Answer, StampAuthority
from tests.trust.parties import ACME, GLOBEX, NOW_MS, Party, new_party

AGREEMENT: dict[str, object] = {
    "@id": "urn:uuid:a-1",
    "@type": "Agreement",
    "target": "nmc811",
    "assigner": ACME,
    "assignee": GLOBEX,
    "timestamp": "2026-11-24T09:00:00Z",
    "permission": [{"action": "use"}],
}


def signature_of(party: Party) -> AgreementSignature:
    text = signed.sign_now(LocalSigner(party.key), signing.statement_of(AGREEMENT))
    assert text is not None
    return AgreementSignature(
        signer_id=party.did, kid=party.kid, jwk=party.key.public_jwk(), jws=text, signed_ms=NOW_MS
    )


AUTHORITY = StampAuthority()
HONEST = Answer()


def stamped(
    file: dict[str, Any], position: int, answer: Answer = HONEST, over: str | None = None
) -> dict[str, Any]:
    """The file with a time stamp on one of its signatures."""
    signature = file["signatures"][position]
    signature["timeStamp"] = AUTHORITY.stamp((over or signature["jws"]).encode(), answer)
    return file


def file_of(*parties: Party) -> dict[str, Any]:
    return agreement_files.write(
        AgreementRecord(
            agreement_id="urn:uuid:a-1",
            role=Role.PROVIDER,
            peer_id=GLOBEX,
            asset_id="nmc811",
            negotiation_pid="n-1",
            document=AGREEMENT,
            policy_hash="",
            agreed_ms=NOW_MS,
            signatures=tuple(signature_of(party) for party in parties),
        )
    )


class Desk:
    """A folder with an agreement and two DID documents, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.acme, self.globex = new_party(ACME), new_party(GLOBEX)
        for name, party in (("acme", self.acme), ("globex", self.globex)):
            document = did_document(party.did, [party.key.verification_key()], [])
            (folder / f"{name}.json").write_bytes(document)
        (folder / "anchors.pem").write_bytes(AUTHORITY.anchors_pem)

    @property
    def anchored(self) -> tuple[str, ...]:
        return ("--json", "--time-stamp-anchors", str(self.folder / "anchors.pem"))

    def verify(self, file: dict[str, Any], *names: str, options: tuple[str, ...] = ()) -> tuple[int, str]:
        path = self.folder / "agreement.json"
        path.write_text(json.dumps(file), "utf-8")
        documents = [part for name in names for part in ("--did-document", str(self.folder / f"{name}.json"))]
        result = CliRunner().invoke(make_app(), ["verify", str(path), *documents, *options])
        return result.exit_code, result.output


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    def refuse(*_: object) -> None:
        raise AssertionError("verify must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    return Desk(tmp_path)


def test_a_file_signed_by_both_is_verified_by_their_two_documents_alone(desk: Desk) -> None:
    code, told = desk.verify(file_of(desk.acme, desk.globex), "acme", "globex")
    assert (code, told.splitlines()[0]) == (0, "Both parties signed exactly this agreement.")
    assert "Not checked" in told


def test_japanese_is_told_on_demand_and_a_program_gets_one_document(desk: Desk) -> None:
    file = file_of(desk.acme, desk.globex)
    assert "両当事者" in desk.verify(file, "acme", "globex", options=("--language", "ja"))[1]
    code, told = desk.verify(file, "acme", "globex", options=("--json",))
    document = json.loads(told)
    assert (code, document["verdict"]) == (0, "verified")
    assert [party["finding"] for party in document["parties"]] == ["valid", "valid"]


@pytest.mark.parametrize("given", [(), ("acme",), ("globex",)])
def test_without_a_document_nothing_is_proved_of_its_party(desk: Desk, given: tuple[str, ...]) -> None:
    code, told = desk.verify(file_of(desk.acme, desk.globex), *given, options=("--json",))
    assert (code, json.loads(told)["verdict"]) == (1, "incomplete")


def test_a_one_sided_signature_is_incomplete(desk: Desk) -> None:
    code, told = desk.verify(file_of(desk.acme), "acme", "globex", options=("--json",))
    document = json.loads(told)
    assert (code, document["verdict"]) == (1, "incomplete")
    assert [party["finding"] for party in document["parties"]] == ["valid", "missing"]


@pytest.mark.parametrize(
    "changed",
    [
        {"permission": [{"action": "use"}, {"action": "sell"}]},
        {"target": "another"},
        {"timestamp": "2020-01-01T00:00:00Z"},
        {"@id": "urn:uuid:a-2"},
        {"note": "nobody agreed to this"},
    ],
)
def test_whatever_is_changed_in_the_agreement_shows(desk: Desk, changed: dict[str, object]) -> None:
    file = file_of(desk.acme, desk.globex)
    file["agreement"] = {**file["agreement"], **changed}
    code, told = desk.verify(file, "acme", "globex", options=("--json",))
    assert (code, json.loads(told)["verdict"]) == (1, "invalid")


def test_keys_and_documents_inside_the_file_prove_nothing(desk: Desk) -> None:
    forger = new_party(ACME)
    file = file_of(forger, desk.globex)
    document = json.loads(did_document(ACME, [forger.key.verification_key()], []))
    file["didDocuments"][0] |= {"document": document, "isExcerpt": False}
    code, told = desk.verify(file, "acme", "globex", options=("--json",))
    assert (code, json.loads(told)["verdict"]) == (1, "invalid")


def test_a_key_that_its_owner_rotated_away_holds_by_what_the_writer_of_the_file_saw(desk: Desk) -> None:
    file = file_of(desk.acme, desk.globex)
    rotated = SigningKey(f"{GLOBEX}#key-2", ec.generate_private_key(ec.SECP256R1()))
    (desk.folder / "globex.json").write_bytes(did_document(GLOBEX, [rotated.verification_key()], []))
    code, told = desk.verify(file, "acme", "globex", options=("--json",))
    document = json.loads(told)
    first, second = document["parties"]
    # Evidence, no proof: the exit code says that not everything is proved.
    assert (code, document["verdict"]) == (1, "incomplete")
    assert (first["finding"], second["finding"]) == ("valid", "seen")
    assert (second["seen_at"], second["why"]) == (
        "2025-11-24T16:00:00.500Z",
        f"The DID document that was given does not list {GLOBEX}#key-1.",
    )
    assert "no proof" in document["explanation"][3]
    text = desk.verify(file, "acme", "globex", options=("--language", "ja"))[1]
    assert "証明ではありません" in text


def test_without_given_documents_the_file_tells_what_its_writer_saw_and_proves_nothing(desk: Desk) -> None:
    code, told = desk.verify(file_of(desk.acme, desk.globex), options=("--json",))
    document = json.loads(told)
    assert (code, document["verdict"]) == (1, "incomplete")
    assert [party["finding"] for party in document["parties"]] == ["seen", "seen"]


def test_a_signature_that_does_not_even_hold_by_the_files_own_document_is_invalid(desk: Desk) -> None:
    file = file_of(desk.acme, desk.globex)
    file["agreement"]["target"] = "another"
    code, told = desk.verify(file, options=("--json",))
    assert (code, json.loads(told)["verdict"]) == (1, "invalid")


@pytest.mark.parametrize(
    "bundled",
    [None, {}, [7], [{}], [{"party": GLOBEX}], [{"party": GLOBEX, "seenAt": "x", "isExcerpt": True}],
     [{"party": GLOBEX, "seenAt": "noon", "isExcerpt": True, "document": {"id": GLOBEX}}]],
)  # fmt: skip
def test_what_is_no_bundled_document_is_none(desk: Desk, bundled: object) -> None:
    file = {**file_of(desk.acme, desk.globex), "didDocuments": bundled}
    _, told = desk.verify(file, "acme", options=("--json",))
    assert [party["finding"] for party in json.loads(told)["parties"]] == ["valid", "no-document"]


def test_a_signature_of_one_party_does_not_stand_for_the_other(desk: Desk) -> None:
    file = file_of(desk.acme, desk.acme)
    file["signatures"][1]["signer"] = GLOBEX
    code, told = desk.verify(file, "acme", "globex", options=("--json",))
    assert [party["finding"] for party in json.loads(told)["parties"]] == ["valid", "invalid"]
    assert code == 1


def test_another_hash_of_the_rules_than_the_real_one_shows(desk: Desk) -> None:
    file = {**file_of(desk.acme, desk.globex), "policyHash": "0" * 64}
    code, told = desk.verify(file, "acme", "globex", options=("--json",))
    assert (code, json.loads(told)["policy_hash_holds"]) == (1, False)


@pytest.mark.parametrize("file", [{}, {"type": "AshiatoAgreementFile"}, {"agreement": {}, "signatures": []}])
def test_what_is_no_agreement_file_is_the_callers_to_mend(desk: Desk, file: dict[str, Any]) -> None:
    assert desk.verify(file, "acme", "globex")[0] == 2


def test_a_time_stamp_proves_the_hour_to_who_says_which_authority_is_believed(desk: Desk) -> None:
    file = stamped(file_of(desk.acme, desk.globex), 0)
    code, told = desk.verify(file, "acme", "globex", options=desk.anchored)
    document = json.loads(told)
    assert (code, document["verdict"]) == (0, "verified")
    first, second = (party["time_stamp"] for party in document["parties"])
    assert first["finding"] == "valid"
    assert (first["at"], first["authority"]) == ("2026-11-24T09:00:00Z", "Test time")
    assert second["finding"] == "missing"
    assert START.isoformat() == "2026-11-24T09:00:00+00:00"
    code, told = desk.verify(file, "acme", "globex", options=(*desk.anchored[1:], "--language", "ja"))
    assert (code, "Test time のタイムスタンプが有効" in told, "失効していないか" in told) == (0, True, True)


def test_without_anchors_a_time_stamp_is_told_and_not_checked(desk: Desk) -> None:
    file = stamped(file_of(desk.acme, desk.globex), 0, Answer(message_digest=bytes(32)))
    code, told = desk.verify(file, "acme", "globex")
    assert (code, "the time stamp on the signature is not checked" in told) == (0, True)


def test_who_asks_for_the_hour_is_told_when_nothing_proves_it(desk: Desk) -> None:
    code, told = desk.verify(file_of(desk.acme, desk.globex), "acme", "globex", options=desk.anchored)
    assert (code, json.loads(told)["verdict"]) == (1, "incomplete")


@pytest.mark.parametrize("kept", ["", "!", "AAAA", 7, {}])
def test_what_is_no_time_stamp_does_not_hold(desk: Desk, kept: object) -> None:
    file = file_of(desk.acme, desk.globex)
    file["signatures"][0]["timeStamp"] = kept
    code, told = desk.verify(file, "acme", "globex", options=desk.anchored)
    assert (code, json.loads(told)["verdict"]) == (1, "invalid")


def test_a_time_stamp_over_another_signature_does_not_hold(desk: Desk) -> None:
    file = stamped(file_of(desk.acme, desk.globex), 0, over="another")
    code, told = desk.verify(file, "acme", "globex", options=desk.anchored)
    assert (code, json.loads(told)["parties"][0]["time_stamp"]["finding"]) == (1, "invalid")


def test_a_time_stamp_is_no_signature(desk: Desk) -> None:
    file = stamped(file_of(desk.acme), 0)
    code, told = desk.verify(file, "acme", "globex", options=desk.anchored)
    assert (code, json.loads(told)["verdict"]) == (1, "incomplete")


def test_a_file_without_certificates_is_the_callers_to_mend(desk: Desk) -> None:
    (desk.folder / "anchors.pem").write_text("nothing", "utf-8")
    assert desk.verify(file_of(desk.acme), "acme", options=desk.anchored)[0] == 2
