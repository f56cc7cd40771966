"""The certification of an app: which word of its AppCertificationCredential counts here, and why not (DCP 1.0, 5.4.3)."""

import msgspec

from ashiato.connector.node import Node
from ashiato.connector.vault_records import App, AppManifest
from ashiato.trust.claims import values_of
from ashiato.trust.credentials import UnverifiedCredential, parse_credential
from ashiato.trust.jws import TokenRefused

CERTIFICATION_TYPE = "AppCertificationCredential"
_NOBODY_ASKED = (
    "this node counts no credentials ([trust] mode = tokens), so nobody's word says that an app is certified"
)


class Certification(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an app's certification now.

    `certified_as` is the name that its issuer certified, empty where the certification does not count; then `why` says why
    not. `holder` is whom the credential was issued to, the app's maker or the company. It ends at `valid_until_ms`, exclusive.
    """

    certified_as: str = ""
    issuer: str = ""
    holder: str = ""
    valid_until_ms: int | None = None
    why: str = ""

    @property
    def counts(self) -> bool:
        """Whether it may be relied on."""
        return bool(self.certified_as)


async def certification_of(node: Node, participant_id: str, app: App, now_ms: int) -> Certification | None:
    """What the credential in the app's manifest proves to that participant; None where there is none.

    1. It is a credential of the type, and names one app and the digest of its program.
    2. That is this app: its id or the name in its manifest, and the very digest that is registered.
    3. It counts by the trust lists, as any credential: issuer, signature, dates, status, schemas.
    """
    text = app.manifest.certification
    if not text:
        return None
    if node.own_credentials is None:
        return Certification(why=_NOBODY_ASKED)
    # 1.
    try:
        credential = parse_credential(text)
    except TokenRefused as error:
        return Certification(why=error.sentence)
    told = Certification(
        issuer=credential.issuer, holder=credential.subject, valid_until_ms=credential.valid_until_ms
    )
    # 2.
    why = _mismatch(app.app_id, app.manifest, credential)
    if why:
        return msgspec.structs.replace(told, why=why)
    # 3.
    judgement = await node.own_credentials.judgement(participant_id, credential.subject, [text], now_ms)
    (judged,) = judgement.credentials
    if not judged.counts:
        return msgspec.structs.replace(told, why=judged.why)
    return msgspec.structs.replace(told, certified_as=_one(credential, "app"))


def _mismatch(app_id: str, manifest: AppManifest, credential: UnverifiedCredential) -> str:
    if CERTIFICATION_TYPE not in credential.types:
        return f"the credential is no {CERTIFICATION_TYPE}"
    name = _one(credential, "app")
    if not name or name not in (app_id, manifest.name):
        return f"the credential is about the app {name!r}, which is neither the id nor the name of this one"
    if _one(credential, "digest").lower().removeprefix("sha256:") != manifest.digest:
        return "the credential is about a program with another digest; get a certification of this version"
    return ""


def _one(credential: UnverifiedCredential, member: str) -> str:
    values = values_of(credential.claims.get(member))
    return values[0] if len(values) == 1 else ""
