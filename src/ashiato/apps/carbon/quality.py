"""Data quality and primary data share, computed from the lines and rolled up, never typed in.

Shares and ratings are means weighted by the figure of the scheme: the emissions of its stages without biogenic uptake (PACT v3)
and without the end of life. What is carried from tier to tier is therefore the weighted sums, which add up exactly; the means
are taken at the end.
"""

from collections.abc import Iterable
from fractions import Fraction

import msgspec

from ashiato.apps.carbon.rulesets import NotInRuleset, Ruleset
from ashiato.facts.footprints import (
    WORST_QUALITY,
    ZERO,
    DataQuality,
    DeclaredFootprint,
    Stage,
    VerificationShares,
    weighted_sum,
)

_CHANNELS_COUNT = 9


class QualityWeights(msgspec.Struct, frozen=True):
    """Emission-weighted sums in kgCO2e: the total, the primary part, three ratings and four verified parts."""

    channels_kg: tuple[Fraction, ...] = (ZERO,) * _CHANNELS_COUNT

    @staticmethod
    def of(
        total_kg: Fraction,
        primary_share: Fraction,
        quality: DataQuality,
        verification: VerificationShares | None = None,
    ) -> "QualityWeights":
        """Those of one contribution."""
        shares = (verification or VerificationShares()).shares
        factors = (Fraction(1), primary_share, *quality.scores, *shares)
        return QualityWeights(tuple(total_kg * factor if factor else ZERO for factor in factors))

    @staticmethod
    def of_declared(declared: DeclaredFootprint, stages: frozenset[Stage]) -> "QualityWeights":
        """Those of a supplier's declaration, weighted by the emissions of these stages.

        What it does not tell counts as the worst: nothing primary, ratings of 5.
        """
        return QualityWeights.of(
            declared.footprint.emissions.counted_kg(stages),
            declared.primary_data_share or ZERO,
            declared.quality or WORST_QUALITY,
            declared.verification,
        )

    @staticmethod
    def sum_of(terms: Iterable[tuple[Fraction, "QualityWeights"]]) -> "QualityWeights":
        """The exact sum of multiples."""
        listed = tuple(terms)
        if not listed:
            return QualityWeights()
        factors = [factor for factor, _ in listed]
        columns = zip(*(weights.channels_kg for _, weights in listed), strict=True)
        return QualityWeights(tuple(weighted_sum(zip(column, factors, strict=True)) for column in columns))

    @property
    def total_kg(self) -> Fraction:
        return self.channels_kg[0]

    @property
    def primary_data_share(self) -> Fraction | None:
        """Which part of the total rests on primary data; None where there are no emissions."""
        return self.channels_kg[1] / self.total_kg if self.total_kg else None

    @property
    def quality(self) -> DataQuality | None:
        if not self.total_kg:
            return None
        technological, geographical, temporal = (kg / self.total_kg for kg in self.channels_kg[2:5])
        return DataQuality(technological, geographical, temporal)

    @property
    def verification(self) -> VerificationShares:
        if not self.total_kg:
            return VerificationShares()
        return VerificationShares(*(kg / self.total_kg for kg in self.channels_kg[5:9]))


def rating(quality: DataQuality, rules: Ruleset, precision: Fraction | None = None) -> Fraction:
    """The one rating that the ruleset makes of the three; the PEF method needs the precision too. Raises `NotInRuleset`."""
    formula = rules.words("quality.formula")[0][0]
    if formula == "mean_of_three":
        return rating_cfb(quality)
    if formula == "mean_of_four" and precision is not None:
        return rating_pef(quality, precision)
    raise NotInRuleset(rules.id, f"rating by {formula} without a precision")


def rating_cfb(quality: DataQuality) -> Fraction:
    """The data quality rating as CFB-EV takes it: the mean of the three representativenesses."""
    return sum(quality.scores, ZERO) / 3


def rating_pef(quality: DataQuality, precision: Fraction) -> Fraction:
    """The data quality rating of the PEF method: the mean of the three and the precision P."""
    return (sum(quality.scores, ZERO) + precision) / 4
