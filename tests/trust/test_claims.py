from typing import Any

import pytest

from ashiato.trust.claims import Claims, claims_of
from ashiato.trust.credentials import issue_credential, parse_credential, verify_credential
from tests.trust.credentials import draft
from tests.trust.parties import NOW_MS, Party


def _claims(issuer: Party, *credentials: tuple[str, dict[str, Any]]) -> Claims:
    return claims_of(
        verify_credential(
            parse_credential(issue_credential(issuer.key, draft(types=(type_,), claims=members))),
            issuer.document,
            now_ms=NOW_MS,
        )
        for type_, members in credentials
    )


def test_a_membership_gives_its_short_names(issuer: Party) -> None:
    assert _claims(
        issuer, ("MembershipCredential", {"holderIdentifier": "BPNL000000000001", "location": "JP"})
    ) == {
        "credential": {"MembershipCredential"},
        "MembershipCredential.holderIdentifier": {"BPNL000000000001"},
        "MembershipCredential.location": {"JP"},
        "membership": {"active"},
        "BusinessPartnerNumber": {"BPNL000000000001"},
        "location": {"JP"},
    }


def test_texts_truth_values_whole_numbers_and_lists_of_texts_are_claims(issuer: Party) -> None:
    members = {
        "text": "a",
        "yes": True,
        "no": False,
        "count": 3,
        "list": ["a", "b"],
        "fraction": 1.5,
        "object": {"a": "b"},
        "mixed": ["a", 1],
        "nothing": None,
        "empty": "",
    }
    assert _claims(issuer, ("XCredential", members)) == {
        "credential": {"XCredential"},
        "XCredential.text": {"a"},
        "XCredential.yes": {"true"},
        "XCredential.no": {"false"},
        "XCredential.count": {"3"},
        "XCredential.list": {"a", "b"},
    }


@pytest.mark.parametrize(
    ("type_", "members", "name", "values"),
    [
        ("RoleCredential", {"role": ["recycler", "collector"]}, "role", {"recycler", "collector"}),
        ("SecurityProfileCredential", {"profile": "base"}, "security_profile", {"base"}),
        ("SecurityProfileCredential", {"profile": "trust"}, "security_profile", {"base", "trust"}),
        ("SecurityProfileCredential", {"profile": "trust+"}, "security_profile", {"base", "trust", "trust+"}),
        ("SecurityProfileCredential", {"profile": "trust++"}, "security_profile", set()),
        ("CompanyCertificationCredential", {"scheme": "ISO 14001"}, "certification", {"ISO 14001"}),
        ("AppCertificationCredential", {"app": "urn:app:1"}, "app_certification", {"urn:app:1"}),
        ("FrameworkAgreementCredential", {"agreement": "Data:1.0"}, "framework_agreement", {"Data:1.0"}),
    ],
)
def test_a_known_type_gives_a_short_name(
    type_: str, members: dict[str, Any], name: str, values: set[str], issuer: Party
) -> None:
    assert _claims(issuer, (type_, members)).get(name, frozenset()) == values


def test_several_credentials_of_a_type_add_up(issuer: Party) -> None:
    claims = _claims(
        issuer, ("RoleCredential", {"role": "recycler"}), ("RoleCredential", {"role": "collector"})
    )
    assert claims["role"] == {"recycler", "collector"}
