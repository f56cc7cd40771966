"""The address and the token with which a counterparty reaches this company's data plane, and how a foreign one is read."""

from collections.abc import Callable
from urllib.parse import quote

import msgspec

from ashiato.connector.ports import Moment
from ashiato.connector.problems import Invalid
from ashiato.dsp.messages import DataAddress
from ashiato.dsp.transfer import TransferProcess
from ashiato.trust.access_tokens import mint_access_token
from ashiato.trust.keys import SigningKey

ENDPOINT_TYPE = "https://w3id.org/idsa/v4.1/HTTP"
DEFAULT_TOKEN_TTL_S = 300

# What connectors of the field write before the plain names; the longer spelling means the same property.
_PREFIXES = ("https://w3id.org/edc/v0.0.1/ns/", "https://w3id.org/tractusx/auth/", "edc:", "tx-auth:")


class DataEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where data is fetched from or sent to. `expires_ms` is a hint of the other side; None when it gave none.

    `method` and `is_resumable` say how a push is made: resumable means that HEAD tells how much is there (`Upload-Offset`) and
    that PUT with `Content-Range` goes on behind it.
    """

    url: str
    authorization: str
    token: str
    renewal_url: str | None = None
    expires_ms: int | None = None
    wants_proof: bool = False
    method: str = "POST"
    is_resumable: bool = False


class TokenDoor(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of one participant's data plane; its own key signs the tokens. `data_url` ends in `/data`.

    `key` is asked at each token, so that a rotated key needs no restart.
    """

    data_url: str
    inbox_url: str
    key: Callable[[], SigningKey]
    token_ttl_s: int = DEFAULT_TOKEN_TTL_S

    def pull_address(self, transfer: TransferProcess, asset_id: str, moment: Moment) -> DataAddress:
        """What a consumer needs to pull under `transfer`: endpoint, token, its lifetime, and where to renew it."""
        url = f"{self.data_url}/{quote(transfer.own_pid, safe=':')}"
        token = self.token(transfer.own_pid, transfer.peer_id, transfer.agreement_id, asset_id, moment)
        return self._address(url, token, moment, renewal_url=f"{url}/token")

    def push_address(
        self, transfer_pid: str, peer_id: str, agreement_id: str, asset_id: str, moment: Moment
    ) -> DataAddress:
        """What a provider needs to push to us under a transfer that we are about to request."""
        url = f"{self.inbox_url}/{quote(transfer_pid, safe=':')}"
        address = self._address(
            url,
            self.token(transfer_pid, peer_id, agreement_id, asset_id, moment),
            moment,
            renewal_url=f"{url}/token",
        )
        properties = {**address.properties, "method": "PUT", "resumable": "true"}
        return msgspec.structs.replace(address, properties=properties)

    def token(self, transfer_pid: str, peer_id: str, agreement_id: str, asset_id: str, moment: Moment) -> str:
        """A fresh access token for `peer_id`, bound to the transfer, the agreement and the asset."""
        key = self.key()
        return mint_access_token(
            key,
            provider=key.did,
            consumer=peer_id,
            agreement_id=agreement_id,
            transfer_pid=transfer_pid,
            asset_id=asset_id,
            now_ms=moment.now_ms,
            ttl_s=self.token_ttl_s,
            token_id=moment.fresh_id(),
        )

    def _address(self, url: str, token: str, moment: Moment, renewal_url: str) -> DataAddress:
        return DataAddress(
            endpoint_type=ENDPOINT_TYPE,
            endpoint=url,
            properties={
                "authorization": token,
                "authType": "bearer",
                "expiresIn": str(self.token_ttl_s),
                "refreshEndpoint": renewal_url,
                "proofOfPossession": "dpop",
            },
        )


def read_address(address: DataAddress | None, received_ms: int | None = None) -> DataEndpoint:
    """The endpoint in a counterparty's data address; raises `Invalid` when it lacks what a request needs.

    `received_ms` is when the address came, from which `expiresIn` counts.
    """
    if address is None:
        raise Invalid("The data address is missing.", path="dataAddress")
    properties = {_plain(name): value for name, value in address.properties.items()}
    url = address.endpoint or properties.get("endpoint") or ""
    if not url:
        raise Invalid("The data address has no endpoint.", path="dataAddress.endpoint")
    token = properties.get("authorization", "")
    scheme, _, rest = token.partition(" ")
    if scheme.lower() in ("bearer", "dpop") and rest:
        token = rest
    lifetime = properties.get("expiresIn", "")
    lifetime_s = int(lifetime) if lifetime.isascii() and lifetime.isdigit() and len(lifetime) < 10 else None
    return DataEndpoint(
        url=url,
        authorization=_authorization(token, properties.get("authType", "bearer")),
        token=token,
        renewal_url=properties.get("refreshEndpoint") or None,
        expires_ms=None if lifetime_s is None or received_ms is None else received_ms + lifetime_s * 1000,
        wants_proof=properties.get("proofOfPossession", "").lower() == "dpop",
        method="PUT" if properties.get("method", "").upper() == "PUT" else "POST",
        is_resumable=properties.get("resumable", "").lower() == "true",
    )


def with_token(endpoint: DataEndpoint, token: str, expires_ms: int | None) -> DataEndpoint:
    """The same endpoint under a renewed token."""
    return msgspec.structs.replace(
        endpoint, authorization=f"Bearer {token}", token=token, expires_ms=expires_ms
    )


def _authorization(token: str, auth_type: str) -> str:
    if not token:
        return ""
    if not token.isascii() or not token.isprintable():
        raise Invalid("The authorization must be printable ASCII.", path="dataAddress.endpointProperties")
    return f"Bearer {token}" if auth_type.lower() == "bearer" else token


def _plain(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name
