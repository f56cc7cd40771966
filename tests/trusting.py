"""Settings of companies that ask each other for credentials, and the lists that say whose word counts."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ashiato.connector.ports import UnitOfWork
from ashiato.identity.wallet import HeldCredential
from ashiato.stores.engine import open_store
from ashiato.trust.credentials import parse_credential
from ashiato.trust.enveloping import Profile
from tests.companies import Company


def own_list(
    file: Path,
    issuers: Mapping[str, Sequence[str]],
    *,
    recognized: Mapping[str, Sequence[str]] | None = None,
    authorities: Mapping[str, bytes] | None = None,
    number: int = 1,
) -> Path:
    """An operator's own trust list: for each issuer the types that count, and accredited authorities."""
    content = {
        "publisher": "did:web:operator.example",
        "number": number,
        "issued": "2025-01-01T00:00:00Z",
        "expires": "2099-01-01T00:00:00Z",
        "issuers": [{"issuer": did, "types": list(types)} for did, types in issuers.items()],
        "recognized": [{"publisher": did, "types": list(types)} for did, types in (recognized or {}).items()],
        "authorities": [
            {"name": name, "certificate": base64.b64encode(der).decode()}
            for name, der in (authorities or {}).items()
        ],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def dcp_settings(
    *lists: Path,
    foreign: Mapping[str, Path | str] | None = None,
    required: Sequence[str] = (),
    **values: object,
) -> str:
    """The `[trust]` section for `Company(settings=…)`: own lists, and foreign ones by the DID of their publisher."""
    lines = ["[trust]", 'mode = "dcp"', f"required_credentials = {json.dumps(list(required))}"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    for file in lists:
        lines += ["[[trust.lists]]", f'file = "{file}"']
    for signer, place in (foreign or {}).items():
        key = "url" if isinstance(place, str) else "file"
        lines += ["[[trust.lists]]", f'signer = "{signer}"', f'{key} = "{place}"', "foreign = true"]
    return "\n".join(lines) + "\n"


async def put_credentials(company: Company, slug: str, credentials: Sequence[str]) -> None:
    """Lay credentials into the wallet of a participant of a company that does not run."""
    store = await open_store(company.store_url, "seeding")

    def put(uow: UnitOfWork) -> None:
        for text in credentials:
            credential = parse_credential(text)
            uow.wallet.held.put(
                HeldCredential(
                    held_id=hashlib.sha256(text.encode()).hexdigest()[:32],
                    credential_id=credential.credential_id,
                    profile=Profile.VC20,
                    types=credential.types,
                    issuer=credential.issuer,
                    valid_from_ms=credential.valid_from_ms,
                    valid_until_ms=credential.valid_until_ms,
                    envelope=text,
                    request_id="",
                    received_ms=credential.valid_from_ms,
                )
            )

    await store.run(company.future_did(slug), put)
    await store.close()
