"""How well the quantities of a recipe can be told from what is declared of a product in three years: an attack, carried out.

The attacker knows every input, its declared figures at every hour, and each quantity to within a factor of two. It sees thirteen
versions of the product's declaration, one every 90 days, and solves for the quantities by least squares. The recipes are random,
with a committed seed.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from statistics import median

import numpy as np

from ashiato.apps.carbon.inversion import LOOK_BACK_MS, SeenFigure, SeenVersion, quantity_errors, seen_version
from ashiato.apps.carbon.quality import QualityWeights
from ashiato.apps.carbon.rollup import Contribution, RollUp
from ashiato.apps.carbon.rulesets import Ruleset, ruleset
from ashiato.facts.footprints import (
    ZERO,
    DataQuality,
    Origin,
    Stage,
    StageVector,
    Uncertainty,
    VerificationShares,
)
from ashiato.facts.instants import DAY_MS
from ashiato.facts.quantities import PIECE, Quantity

SEED = 20260731
RULESET = "CFB-EV-2023JRC"
INPUTS_COUNTS = range(3, 13)
TRIALS_COUNT = 40
LEAST_VALIDITY_MS = 90 * DAY_MS
VERSIONS_COUNT = LOOK_BACK_MS // LEAST_VALIDITY_MS + 1
RENEWED_SHARE = 0.25
"""A supplier declares once a year, so a quarter of the inputs changes from version to version: an assumption."""
YEARLY_SPREAD = 0.05
"""By how much a supplier's figure changes from year to year: an assumption."""
COARSER = 1000
"""Two decimals instead of five."""
_DIGITS = 10**9

Figures = dict[str, float]
Choice = Callable[[SeenFigure], bool]


class _Supplier:
    """One input: its quantity in the product, which stays, and the figures of its maker, which change."""

    def __init__(self, name: str, dice: np.random.Generator) -> None:
        self.name = name
        self.quantity = _fraction(dice.lognormal(0, 1))
        self._dice = dice
        self._kg = {
            (Stage.RAW_MATERIALS, Origin.FOSSIL): dice.lognormal(1, 0.8),
            (Stage.RAW_MATERIALS, Origin.LAND_USE): dice.lognormal(-4, 1),
            (Stage.MAIN_PRODUCTION, Origin.FOSSIL): dice.lognormal(0, 0.8),
            (Stage.DISTRIBUTION, Origin.FOSSIL): dice.lognormal(-3, 0.5),
        }
        self._primary = dice.uniform(0, 1)
        self._ratings = dice.uniform(1, 4, 3)

    def renew(self) -> None:
        self._kg = {cell: kg * self._dice.lognormal(0, YEARLY_SPREAD) for cell, kg in self._kg.items()}
        self._primary = min(1.0, max(0.0, self._primary + self._dice.normal(0, 0.05)))

    def contribution(self) -> Contribution:
        emissions = StageVector.of({cell: _fraction(kg) for cell, kg in self._kg.items()})
        return Contribution(
            key=self.name,
            own=False,
            factor=self.quantity,
            emissions=emissions,
            weights=QualityWeights.of(
                emissions.to_distribution_kg,
                _fraction(self._primary),
                DataQuality(*(_fraction(one) for one in self._ratings)),
                VerificationShares(),
            ),
            uncertainty=Uncertainty(),
        )


async def run() -> Figures:
    """The median relative error per quantity, by the number of inputs and by what the attacker uses of what it sees."""
    dice, rules = np.random.default_rng(SEED), ruleset(RULESET)
    figures: Figures = {"versions": float(VERSIONS_COUNT), "trials": float(TRIALS_COUNT)}
    for count in INPUTS_COUNTS:
        errors: dict[str, list[float]] = {name: [] for name in (*_VARIANTS, "guess", "told")}
        for _ in range(TRIALS_COUNT):
            quantities, versions = _seen(count, dice, rules)
            guesses = quantities * 2.0 ** dice.uniform(-1, 1, count)
            for name, (versions_count, wanted) in _VARIANTS.items():
                looked_at = versions[:versions_count]
                if name.endswith("coarse"):
                    looked_at = [_coarser(version) for version in looked_at]
                chosen = [_only(version, wanted) for version in looked_at]
                found = _attack(chosen, quantities, guesses, dice)
                errors[name] += list(np.abs(found / quantities - 1))
            errors["guess"] += list(np.abs(guesses / quantities - 1))
            told = quantity_errors(versions)
            errors["told"] += list(told.values())
        figures |= {f"{name}_{count}": round(float(median(found)), 4) for name, found in errors.items()}
    return figures


def _seen(count: int, dice: np.random.Generator, rules: Ruleset) -> tuple[np.ndarray, list[SeenVersion]]:
    suppliers = [_Supplier(f"{index:02}", dice) for index in range(count)]
    versions = []
    for number in range(VERSIONS_COUNT):
        if number:
            for supplier in suppliers:
                if dice.random() < RENEWED_SHARE:
                    supplier.renew()
        result = _result([supplier.contribution() for supplier in suppliers], rules)
        versions.append(seen_version(result, rules, str(number), number * LEAST_VALIDITY_MS))
    return np.array([float(supplier.quantity) for supplier in suppliers]), versions


def _result(contributions: Sequence[Contribution], rules: Ruleset) -> RollUp:
    return RollUp(
        declared=Quantity(Fraction(1), PIECE),
        gwp_set=rules.gwp_set,
        basis=rules.basis,
        emissions=StageVector.sum_of([(one.factor, one.emissions) for one in contributions]),
        weights=QualityWeights.sum_of([(one.factor, one.weights) for one in contributions]),
        uncertainty=Uncertainty(),
        rounding_bound_kg=ZERO,
        contributions=tuple(contributions),
        assumptions=(),
    )


def _attack(
    versions: Sequence[SeenVersion], quantities: np.ndarray, guesses: np.ndarray, dice: np.random.Generator
) -> np.ndarray:
    """The quantities by least squares from the rounded figures, held to the guesses where the figures say nothing.

    A share is known up to half a unit; in kilograms it is an equation whose right side is off by as much.
    """
    rows, seen = [np.diag(1 / guesses)], [np.ones(len(guesses))]
    for version in versions:
        for figure in version.figures:
            parts = np.array([figure.parts.get(f"{index:02}", 0.0) for index in range(len(quantities))])
            spread = figure.unit / np.sqrt(12)
            rows.append((parts / quantities / spread)[np.newaxis, :])
            rounded = np.round(parts.sum() / figure.unit) * figure.unit
            seen.append(
                np.array([(rounded if _is_mass(figure) else dice.uniform(-0.5, 0.5) * figure.unit) / spread])
            )
    found, *_ = np.linalg.lstsq(np.vstack(rows), np.concatenate(seen), rcond=None)
    return np.maximum(found, 0)


def _only(version: SeenVersion, wanted: Choice) -> SeenVersion:
    return SeenVersion(
        version.id, version.valid_from_ms, tuple(figure for figure in version.figures if wanted(figure))
    )


def _is_any(_figure: SeenFigure) -> bool:
    return True


def _is_mass(figure: SeenFigure) -> bool:
    return figure.name.startswith(("total", *(stage.value for stage in Stage)))


def _coarser(version: SeenVersion) -> SeenVersion:
    """The same with shares and ratings of two decimals."""
    return SeenVersion(
        version.id,
        version.valid_from_ms,
        tuple(
            figure if _is_mass(figure) else SeenFigure(figure.name, figure.unit * COARSER, figure.parts)
            for figure in version.figures
        ),
    )


def _is_total(figure: SeenFigure) -> bool:
    return figure.name == "total"


def _fraction(value: float) -> Fraction:
    return Fraction(round(value * _DIGITS), _DIGITS)


_VARIANTS: dict[str, tuple[int, Choice]] = {
    "all_figures": (VERSIONS_COUNT, _is_any),
    "coarse": (VERSIONS_COUNT, _is_any),
    "kilograms": (VERSIONS_COUNT, _is_mass),
    "totals": (VERSIONS_COUNT, _is_total),
    "one_version": (1, _is_any),
    "one_version_coarse": (1, _is_any),
    "one_version_kilograms": (1, _is_mass),
}
