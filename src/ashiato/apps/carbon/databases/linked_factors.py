"""An activity of a database as a factor of inventory lines: a binary figure is written down as a decimal, once, with its source.

What is declared later rests on that decimal and never on the matrices: it can be looked at, and computed again without them.
"""

import math
from fractions import Fraction

from ashiato.apps.carbon.databases.factor_texts import factor_texts
from ashiato.apps.carbon.databases.ports import KeptBackground
from ashiato.apps.carbon.databases.questions import GasesFound, GasFound
from ashiato.apps.carbon.factors.greenhouse import unit_of
from ashiato.apps.carbon.factors.gwp import Gas, Origin
from ashiato.apps.carbon.factors.licences import Licence
from ashiato.apps.carbon.factors.model import EmissionFactor, FactorSource, GasAmount, Ownership
from ashiato.connector.problems import Invalid
from ashiato.facts.quantities import Quantity, UnknownUnit

DIGITS_COUNT = 12
# A figure that is less certain than this is none to declare by.
MOST_RELATIVE_BOUND = 1e-6


def linked_factor(
    kept: KeptBackground, found: GasesFound, factor_id: str, *, material: str, ownership: Ownership
) -> dict[str, str]:
    """The row of the template of factors. Raises `Invalid` for an unknown unit and a figure that is not certain enough."""
    try:
        unit = unit_of(found.subject.unit)
    except UnknownUnit as unknown:
        raise Invalid(f"{found.subject.activity} cannot be a factor: {unknown}.", path="activity") from None
    total = found.kgco2e
    if not math.isfinite(total.error_bound) or total.error_bound > MOST_RELATIVE_BOUND * abs(total.value):
        raise Invalid(
            f"{found.subject.activity} cannot be a factor: it is known to {total.error_bound:.2g} only.",
            path="activity",
        )
    text = f"{kept.background_id} sha256:{kept.packed_sha256}, error at most {total.error_bound:.2g} kgCO2e"
    if kept.missing_count:
        text += f", {kept.missing_count} inputs or activities of the database missing"
    return factor_texts(
        EmissionFactor(
            id=factor_id,
            name=found.subject.name or found.subject.activity,
            reference=Quantity(Fraction(1), unit),
            ownership=ownership,
            source=FactorSource(kept.title, kept.version, kept.year, found.subject.activity),
            licence=Licence(kept.licence_id),
            gwp_set_id=found.gwp_set,
            gases=tuple(_amount(one) for one in found.gases),
            region=found.subject.location,
            reference_year=found.subject.year,
            material=material,
            comment=text,
        )
    )


def _amount(found: GasFound) -> GasAmount:
    written = Fraction(f"{found.kg.value:.{DIGITS_COUNT - 1}e}")
    return GasAmount(Gas(found.gas), Origin(found.origin), written)
