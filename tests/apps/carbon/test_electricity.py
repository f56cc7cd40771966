from fractions import Fraction

import msgspec
import pytest

from ashiato.apps.carbon.electricity import (
    DisputedElectricity,
    ElectricityUse,
    Instrument,
    MarketBasis,
    electricity,
    require_single_use,
)
from ashiato.apps.carbon.rulesets import ruleset
from ashiato.facts.footprints import Intensity, Origin, Stage
from ashiato.facts.quantities import parse_quantity

DRAFT_2023, DRAFT_2024 = ruleset("CFB-EV-2023JRC"), ruleset("CFB-EV-2024draft")
STAGE = Stage.MAIN_PRODUCTION


def intensity(kg_per_kwh: str) -> Intensity:
    return Intensity(
        per=parse_quantity("1", "kWh"),
        kg_by_origin=((Origin.FOSSIL, Fraction(kg_per_kwh)),),
        gwp_set="EF-3.1",
        source="example",
        year=2026,
    )


def certificate(
    name: str = "c1", kwh: str = "400", basis: MarketBasis = MarketBasis.SUPPLIER_SPECIFIC
) -> Instrument:
    return Instrument(
        certificate=name,
        basis=basis,
        energy=parse_quantity(kwh, "kWh"),
        intensity=intensity("0.02"),
        region="JP",
        from_ms=0,
        until_ms=100,
        evidence_sha256="ab" * 32,
    )


def use(*instruments: Instrument, residual: str | None = "0.6") -> ElectricityUse:
    return ElectricityUse(
        energy=parse_quantity("1", "MWh"),
        region="JP",
        from_ms=10,
        until_ms=90,
        grid=intensity("0.5"),
        residual=None if residual is None else intensity(residual),
        instruments=instruments,
    )


def test_both_figures_are_always_there() -> None:
    result = electricity(use(certificate()), STAGE, DRAFT_2023)
    assert result.by_location.stage_kg(STAGE) == 500
    # 400 × 0.02 by certificate, 600 × 0.6 residual.
    assert result.by_market.stage_kg(STAGE) == 368
    assert [(share.basis, share.certificate) for share in result.market_shares] == [
        (MarketBasis.SUPPLIER_SPECIFIC, "c1"),
        (MarketBasis.RESIDUAL, ""),
    ]


def test_the_draft_of_2024_takes_no_certificates_and_says_which_it_refused() -> None:
    result = electricity(use(certificate()), STAGE, DRAFT_2024)
    assert result.by_market.stage_kg(STAGE) == 500
    assert result.refused == ("c1",)
    on_site = electricity(use(certificate(basis=MarketBasis.DIRECTLY_CONNECTED)), STAGE, DRAFT_2024)
    # 400 × 0.02 + 600 × 0.5.
    assert on_site.by_market.stage_kg(STAGE) == 308


def test_without_a_residual_mix_the_grid_stands_for_it_and_that_is_told() -> None:
    result = electricity(use(certificate(), residual=None), STAGE, DRAFT_2023)
    assert result.by_market.stage_kg(STAGE) == 308
    assert "electricity.residual" in {note.key for note in result.assumptions}


@pytest.mark.parametrize(
    "instruments",
    [
        (certificate(kwh="1001"),),
        (certificate(kwh="600"), certificate("c2", kwh="600")),
        (certificate(), certificate()),
        (certificate(kwh="0"),),
        (msgspec.structs.replace(certificate(), region="FR"),),
        (msgspec.structs.replace(certificate(), until_ms=50),),
        (msgspec.structs.replace(certificate(), evidence_sha256=""),),
    ],
)
def test_certificates_that_do_not_fit_the_consumption_are_refused(
    instruments: tuple[Instrument, ...],
) -> None:
    with pytest.raises(DisputedElectricity):
        electricity(use(*instruments), STAGE, DRAFT_2023)


def test_a_certificate_counts_once_in_a_whole_inventory() -> None:
    with pytest.raises(DisputedElectricity, match="c1"):
        require_single_use([use(certificate()), use(certificate())])
