"""How well somebody who knows every input and its figures could tell the quantities of a recipe from what was declared.

Each declared figure is a sum over the inputs, known up to its rounding. Somebody who has the declarations of all the inputs and
sees version after version has so many equations in the quantities. What is computed here is the error that is left to that
somebody, input by input: the posterior spread of a least-squares estimate, with every rounding error spread evenly, and with
quantities that were known to about a factor of two before. `bench/inversion.py` holds it against an attack that is carried out.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import sqrt
from typing import Literal

import msgspec

from ashiato.apps.carbon.quality import QualityWeights
from ashiato.apps.carbon.rollup import SHARE_DECIMALS_COUNT, Contribution, RollUp
from ashiato.apps.carbon.rulesets import Rounding, Ruleset
from ashiato.facts.footprints import CELLS, ZERO, Origin, StageVector
from ashiato.facts.instants import DAY_MS
from ashiato.facts.strict_json import MalformedJson, parse_strict

DISCLOSURES = "carbon-disclosures-"
"""How the id of the result begins."""
LOOK_BACK_MS = 3 * 365 * DAY_MS
"""For how long what was declared is held against the next declaration."""
LEAST_ERROR = 0.10
"""An input whose quantity could be told more exactly than this is named to its owner."""
MOST_INPUTS_COUNT = 60
"""The largest inputs are looked at one by one, all further ones as one."""
REST = "(all smaller inputs)"
PRIOR_SPREAD = 1.0
MEDIAN_OF_NORMAL = 0.6744897501960817
"""The median of the absolute value of a normal variable, in standard deviations."""
MOST_DOCUMENT_BYTES = 16 * 1_048_576

_SHARE_NAMES = (
    "primary data share",
    "technological",
    "geographical",
    "temporal",
    "program",
    "third party",
    "second party",
    "first party",
)
_SAME_DIGITS = 9


class SeenFigure(msgspec.Struct, frozen=True):
    """One declared figure: one in its last place, and how much each input adds to it, in the same unit."""

    name: str
    unit: float
    parts: dict[str, float]


class SeenVersion(msgspec.Struct, frozen=True, rename="camel"):
    """One version of a declaration as those see it who know the inputs."""

    id: str
    valid_from_ms: int
    figures: tuple[SeenFigure, ...]


class Disclosures(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The versions of a product's declaration of the last three years, for the company's own store."""

    type: Literal["FootprintDisclosures"] = "FootprintDisclosures"
    product: str
    versions: tuple[SeenVersion, ...] = ()

    def with_version(self, version: SeenVersion) -> "Disclosures":
        """These and one more, without those that are older than three years; the same id again takes the place of the first."""
        since_ms = version.valid_from_ms - LOOK_BACK_MS
        kept = [one for one in self.versions if one.id != version.id and one.valid_from_ms >= since_ms]
        return msgspec.structs.replace(self, versions=(*kept, version))


def seen_version(
    result: RollUp, rules: Ruleset, version_id: str, valid_from_ms: int, rounding: Rounding | None = None
) -> SeenVersion:
    """What a declaration of the result under the ruleset tells: figures by stage and origin, totals, shares and ratings.

    The bound of rounding and the uncertainty, of three digits each, are not looked at.
    """
    scheme = rules.rounding if rounding is None else rounding
    groups = _groups(result.contributions)
    cells = {
        name: StageVector.sum_of([(one.factor, one.emissions) for one in ones]).cells_kg
        for name, ones in groups.items()
    }
    counted = [place for place, (stage, _) in enumerate(CELLS) if stage in rules.stages]
    figures = [_figure(" ".join(CELLS[place]), scheme, cells, [place]) for place in counted]
    without_uptake = [place for place in counted if CELLS[place][1] is not Origin.UPTAKE]
    figures.append(_figure("total", scheme, cells, without_uptake))
    figures.append(_figure("total with uptake", scheme, cells, counted))
    weights = {
        name: QualityWeights.sum_of([(one.factor, one.weights) for one in ones]).channels_kg
        for name, ones in groups.items()
    }
    figures += _share_figures(weights)
    return SeenVersion(version_id, valid_from_ms, tuple(one for one in figures if one.parts and one.unit))


def quantity_errors(versions: Sequence[SeenVersion]) -> dict[str, float]:
    """The median relative error per quantity that is left to somebody who knows all inputs and saw these versions.

    A figure that did not change tells nothing new. 0.67 means that nothing was learned beyond the order of magnitude.
    """
    names = sorted({name for version in versions for figure in version.figures for name in figure.parts})
    information = [[0.0] * len(names) for _ in names]
    place = {name: index for index, name in enumerate(names)}
    for index in range(len(names)):
        information[index][index] = 1 / PRIOR_SPREAD**2
    for figure in _distinct(versions):
        spread = figure.unit / sqrt(12)
        row = [(place[name], part / spread) for name, part in figure.parts.items()]
        for left, a in row:
            for right, b in row:
                information[left][right] += a * b
    spreads = _spreads(information)
    return {name: MEDIAN_OF_NORMAL * min(spreads[place[name]], PRIOR_SPREAD) for name in names}


def told_too_well(errors: Mapping[str, float]) -> tuple[str, ...]:
    """The inputs whose quantity could be told more exactly than `LEAST_ERROR`, worst first."""
    return tuple(
        sorted((name for name, error in errors.items() if error < LEAST_ERROR), key=errors.__getitem__)
    )


def read_disclosures(data: bytes, product: str) -> Disclosures:
    """What was written of earlier versions; none where it is no such document."""
    try:
        found = msgspec.convert(parse_strict(data, max_bytes=MOST_DOCUMENT_BYTES), Disclosures, strict=False)
    except (MalformedJson, msgspec.ValidationError):
        return Disclosures(product=product)
    return found if found.product == product else Disclosures(product=product)


def _groups(contributions: Iterable[Contribution]) -> dict[str, list[Contribution]]:
    """The largest by themselves, all others together."""
    ordered = sorted(contributions, key=lambda one: (-abs(one.total_kg), one.key))
    groups: dict[str, list[Contribution]] = {}
    for index, one in enumerate(ordered):
        groups.setdefault(one.key if index < MOST_INPUTS_COUNT else REST, []).append(one)
    return groups


def _figure(
    name: str, scheme: Rounding, cells: Mapping[str, Sequence[Fraction]], places: Sequence[int]
) -> SeenFigure:
    sums = {key: sum((values[place] for place in places), ZERO) for key, values in cells.items()}
    return SeenFigure(
        name,
        float(scheme.unit_of(sum(sums.values(), ZERO))),
        {key: float(kg) for key, kg in sums.items() if kg},
    )


def _share_figures(weights: Mapping[str, Sequence[Fraction]]) -> list[SeenFigure]:
    """A share S of the total W says that the inputs' shares less S, weighted, add up to nothing."""
    totals = [sum(column, ZERO) for column in zip(*weights.values(), strict=True)]
    whole_kg = totals[0] if totals else ZERO
    if not whole_kg:
        return []
    unit = float(whole_kg) / 10**SHARE_DECIMALS_COUNT
    figures = []
    for channel, name in enumerate(_SHARE_NAMES, 1):
        share = totals[channel] / whole_kg
        parts = {key: float(values[channel] - share * values[0]) for key, values in weights.items()}
        figures.append(SeenFigure(name, unit, {key: part for key, part in parts.items() if part}))
    return figures


def _distinct(versions: Sequence[SeenVersion]) -> list[SeenFigure]:
    """Each equation once: the same sum of the same parts is rounded in the same way every time."""
    found: dict[tuple[object, ...], SeenFigure] = {}
    for version in versions:
        for figure in version.figures:
            parts = sorted(
                (name, f"{part / figure.unit:.{_SAME_DIGITS}g}") for name, part in figure.parts.items()
            )
            found.setdefault((figure.name, *parts), figure)
    return list(found.values())


def _spreads(information: list[list[float]]) -> list[float]:
    """The square roots of the diagonal of the inverse, by the factors of Cholesky; the prior keeps the matrix definite."""
    count = len(information)
    lower = [[0.0] * count for _ in range(count)]
    for row in range(count):
        for column in range(row + 1):
            rest = information[row][column] - sum(lower[row][k] * lower[column][k] for k in range(column))
            lower[row][column] = (
                sqrt(max(rest, 1 / PRIOR_SPREAD**2)) if row == column else rest / lower[column][column]
            )
    variances = [0.0] * count
    for unit in range(count):
        # The column `unit` of the inverse of the lower factor: the sum of its squares is the variance.
        solved = [0.0] * count
        for row in range(unit, count):
            given = 1.0 if row == unit else 0.0
            given -= sum(lower[row][k] * solved[k] for k in range(unit, row))
            solved[row] = given / lower[row][row]
        variances[unit] = sum(value * value for value in solved[unit:])
    return [sqrt(value) for value in variances]
