import pytest

from ashiato.trust.credentials import VC11, VC20, Profile, issue_credential, verify_credential
from ashiato.trust.presentations import (
    PresentationDraft,
    parse_presentation,
    present,
    verify_presentation,
    verify_presented,
)
from tests.trust.credentials import draft
from tests.trust.parties import ACME, GLOBEX, NOW_MS, NOW_S, Party


def _presented(acme: Party, credentials: list[str], profile: Profile = VC20) -> str:
    return present(
        acme.key,
        PresentationDraft(
            audience=GLOBEX,
            credentials=credentials,
            profile=profile,
            now_ms=NOW_MS,
            ttl_s=60,
            token_id="vp-1",
            nonce="n-1",
        ),
    )


@pytest.mark.parametrize("profile", [VC20, VC11])
def test_a_holder_presents_its_credentials_to_one_verifier(
    profile: Profile, acme: Party, issuer: Party
) -> None:
    compacts = [issue_credential(issuer.key, draft(profile=profile))]
    presentation = verify_presentation(
        parse_presentation(_presented(acme, compacts, profile)),
        acme.document,
        audience=GLOBEX,
        now_ms=NOW_MS,
        nonce="n-1",
    )
    assert presentation.holder == ACME
    assert presentation.profile == profile
    assert presentation.expires_ms == (NOW_S + 60) * 1000
    assert [one.compact for one in presentation.credentials] == compacts
    verified = [verify_credential(one, issuer.document, now_ms=NOW_MS) for one in presentation.credentials]
    assert verify_presented(presentation, verified) == tuple(verified)
