import itertools

import pytest

from ashiato.facts.problems import Invalid, WrongState
from ashiato.hub.onboarding import Act, PartyState, advanced
from ashiato.hub.parties import CompanyData, PlantData, checked

# 法人番号 of the National Tax Agency itself, from its public register (2015).
TAX_AGENCY = "corporate_number:7000012050002"
# The example of ISO 17442-1 in GLEIF's documents: an LEI of GLEIF itself (2014).
GLEIF = "lei:506700GE1G29325QX363"

LEGAL = {
    ("", "apply"): "applied",
    ("refused", "apply"): "applied",
    ("applied", "amend"): "applied",
    ("under_review", "amend"): "applied",
    ("applied", "review"): "under_review",
    ("applied", "refuse"): "refused",
    ("under_review", "admit"): "admitted",
    ("under_review", "refuse"): "refused",
    ("admitted", "suspend"): "suspended",
    ("admitted", "expel"): "expelled",
    ("suspended", "reinstate"): "admitted",
    ("suspended", "expel"): "expelled",
}


@pytest.mark.parametrize(
    ("before", "act"), list(itertools.product(["", *(state.value for state in PartyState)], Act))
)
def test_every_pair_of_state_and_step_goes_where_the_table_of_the_documents_says(
    before: str, act: Act
) -> None:
    state = PartyState(before) if before else None
    wanted = LEGAL.get((before, act.value))
    if wanted is None:
        with pytest.raises(WrongState) as refused:
            advanced(state, act, "because")
        assert refused.value.fields["state"] == (before or "unknown")
    else:
        assert advanced(state, act, "because") == wanted


@pytest.mark.parametrize(
    ("state", "act"),
    [("applied", "refuse"), ("admitted", "suspend"), ("suspended", "reinstate"), ("suspended", "expel")],
)
def test_what_hurts_a_company_needs_a_reason(state: str, act: str) -> None:
    with pytest.raises(Invalid):
        advanced(PartyState(state), Act(act), "  ")


def company(**more: object) -> CompanyData:
    members = {"name": "Maker", "country": "JP", "identifiers": (TAX_AGENCY,), **more}
    return CompanyData(**members)  # type: ignore[arg-type]  # each case spoils one member


def test_numbers_come_back_in_their_canonical_form_and_order() -> None:
    told = company(identifiers=(GLEIF, TAX_AGENCY), invoice_number="T7000012050002")
    assert checked(told).identifiers == (TAX_AGENCY, GLEIF)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": " "}, "name"),
        ({"country": "Japan"}, "country"),
        ({"identifiers": ()}, "identifiers"),
        ({"identifiers": ("corporate_number:8000012050002",)}, "identifiers"),
        ({"identifiers": ("lei:506700GE1G29325QX364",)}, "identifiers"),
        ({"identifiers": ("gtin:4006381333931",)}, "identifiers"),
        ({"identifiers": (TAX_AGENCY, TAX_AGENCY)}, "identifiers"),
        ({"roles": ("king",)}, "roles"),
        ({"invoice_number": "T1234567890123"}, "invoice_number"),
        ({"invoice_number": "7000012050002"}, "invoice_number"),
        ({"plants": (PlantData(name="", country="JP", identifiers=()),)}, "plants.0.name"),
        (
            {
                "plants": (
                    PlantData(name="A", country="JP", identifiers=("plant_number:1234567890123000001",)),
                )
            },
            "plants.0.identifiers",
        ),
    ],
)
def test_what_cannot_be_right_is_refused_by_the_member(change: dict[str, object], path: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked(company(**change))
    assert refused.value.fields["path"] == path


def test_a_plant_number_of_another_company_is_refused() -> None:
    own = PlantData(name="A", country="JP", identifiers=("plant_number:7000012050002000001",))
    assert checked(company(plants=(own,))).plants[0].identifiers == ("plant_number:7000012050002000001",)
    with pytest.raises(Invalid, match="another company"):
        checked(company(identifiers=(GLEIF,), plants=(own,)))
