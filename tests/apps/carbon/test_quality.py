from fractions import Fraction

import pytest

from ashiato.apps.carbon.quality import QualityWeights, rating, rating_cfb, rating_pef
from ashiato.apps.carbon.rulesets import ruleset
from ashiato.facts.footprints import (
    DataQuality,
    MalformedFootprint,
    Origin,
    Stage,
    StageVector,
    VerificationShares,
)


def quality(technological: int, geographical: int, temporal: int) -> DataQuality:
    return DataQuality(Fraction(technological), Fraction(geographical), Fraction(temporal))


def test_the_rating_of_the_published_case() -> None:
    # pefdpp, CFB-EV case study: (TeR + GeR + TiR) / 3 = (4 + 3 + 3) / 3 = 3.333.
    assert rating_cfb(quality(4, 3, 3)) == Fraction(10, 3)


def test_the_ruleset_names_the_formula() -> None:
    assert rating(quality(4, 3, 3), ruleset("CFB-EV-2023JRC")) == Fraction(10, 3)


def test_the_pef_rating_takes_the_precision_too() -> None:
    assert rating_pef(quality(4, 3, 3), Fraction(2)) == 3


def test_shares_and_ratings_are_weighted_by_emissions() -> None:
    # 30 kg wholly primary at (1, 2, 3), 10 kg secondary at (5, 4, 3), all of the first verified by a third party.
    verified = VerificationShares(third_party=Fraction(1))
    first = QualityWeights.of(Fraction(3), Fraction(1), quality(1, 2, 3), verified)
    second = QualityWeights.of(Fraction(10), Fraction(0), quality(5, 4, 3))
    both = QualityWeights.sum_of([(Fraction(10), first), (Fraction(1), second)])
    assert both.primary_data_share == Fraction(3, 4)
    assert both.quality == DataQuality(Fraction(2), Fraction(5, 2), Fraction(3))
    assert both.verification == VerificationShares(third_party=Fraction(3, 4))


def test_nothing_emitted_has_neither_share_nor_rating() -> None:
    assert QualityWeights().primary_data_share is None
    assert QualityWeights().quality is None


def test_uptake_and_end_of_life_carry_no_weight() -> None:
    vector = StageVector.of(
        {
            (Stage.RAW_MATERIALS, Origin.FOSSIL): 5,
            (Stage.RAW_MATERIALS, Origin.UPTAKE): -3,
            (Stage.END_OF_LIFE, Origin.FOSSIL): -2,
        }
    )
    assert vector.to_distribution_kg == 5


@pytest.mark.parametrize("scores", [(0, 1, 1), (1, 6, 1), (1, 1, -1)])
def test_ratings_lie_between_one_and_five(scores: tuple[int, int, int]) -> None:
    with pytest.raises(MalformedFootprint):
        quality(*scores)
