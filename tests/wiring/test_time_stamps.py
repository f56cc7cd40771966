"""Time stamps between two running connectors, of an authority that is down at first; and settings that name none rightly."""

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from ashiato.clients.egress import EgressRules
from ashiato.clients.ways_out import WaysOut
from ashiato.connector import agreement_files
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.records import AgreementRecord, FetchState
from ashiato.trust.timestamps import verify_token
from ashiato.wiring.settings import BadSettings, Settings, TimeStampSettings, check_settings
from ashiato.wiring.time_stamps import time_stamp_authority
from tests.exchange import running
from tests.stamping import Answer, StampAuthority, serving

AUTHORITY = StampAuthority()


async def test_data_flows_while_the_authority_lies_and_the_time_stamp_comes_when_it_is_honest(
    tmp_path: Path,
) -> None:
    anchors = tmp_path / "anchors.pem"
    anchors.write_bytes(AUTHORITY.anchors_pem)
    tries: list[bytes] = []

    def answer_of(query: bytes) -> bytes:
        tries.append(query)
        return AUTHORITY.answer(query, Answer(nonce=1) if len(tries) < 3 else Answer())

    async with serving(answer_of) as server:
        stamping = TimeStampSettings(url=server.url("/tsr"), anchors_file=str(anchors))
        async with (
            running(tmp_path / "maker", "maker", time_stamps=stamping) as [maker],
            running(tmp_path / "cells", "cells") as [cells],
        ):
            await maker.offer("nmc811")
            fetch = await cells.fetch(maker, "nmc811")
            assert fetch.state is FetchState.DONE, fetch.problem

            def look(uow: UnitOfWork) -> AgreementRecord | None:
                found = uow.contracts.agreement(fetch.agreement_id or "")
                is_stamped = found is not None and any(signature.time_stamp for signature in found.signatures)
                return found if is_stamped else None

            record = await maker.until(look)
    kept = {signature.signer_id: signature for signature in record.signatures}
    assert kept[cells.did].time_stamp == ""
    token = base64.b64decode(kept[maker.did].time_stamp)
    text = kept[maker.did].jws.encode()
    assert verify_token(token, text, AUTHORITY.anchors).at_ms == 1_795_510_800_000
    assert len(set(tries)) == len(tries) == 3
    file = agreement_files.write(record)
    signatures = file["signatures"]
    assert isinstance(signatures, list)
    assert [entry.get("timeStamp") for entry in signatures if entry["signer"] == maker.did] == [
        kept[maker.did].time_stamp
    ]


@pytest.mark.parametrize(
    "given",
    [
        {"url": "https://time.example/tsr"},
        {"anchors_file": "anchors.pem"},
        {"url": "https://time.example/tsr", "anchors_file": "a.pem", "own_networks": ("inside",)},
    ],
)
def test_half_an_authority_or_no_network_is_refused(given: dict[str, Any]) -> None:
    stamping = TimeStampSettings(**given)
    with pytest.raises(BadSettings, match=r"time_stamps|own_networks"):
        check_settings(Settings(unsafe_allow_loopback=True, time_stamps=stamping))


def test_a_file_of_anchors_must_be_there_and_hold_certificates(tmp_path: Path) -> None:
    ways_out = WaysOut(EgressRules())
    path = tmp_path / "anchors.pem"
    stamping = TimeStampSettings(url="https://time.example/tsr", anchors_file=str(path))
    with pytest.raises(BadSettings, match="cannot be read"):
        time_stamp_authority(stamping, ways_out)
    path.write_text("nothing", "utf-8")
    with pytest.raises(BadSettings, match="PEM"):
        time_stamp_authority(stamping, ways_out)
    path.write_bytes(AUTHORITY.anchors_pem)
    assert x509.load_pem_x509_certificates(path.read_bytes()) == [AUTHORITY.root]
    assert time_stamp_authority(stamping, ways_out) is not None
    assert time_stamp_authority(TimeStampSettings(), ways_out) is None
