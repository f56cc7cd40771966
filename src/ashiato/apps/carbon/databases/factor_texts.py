"""A factor as a row of the template of factors, so that whatever it came from it is kept, checked and shown in one way."""

from collections.abc import Mapping
from fractions import Fraction

from ashiato.apps.carbon.factors.gwp import Gas, Origin, find_gwp_set
from ashiato.apps.carbon.factors.model import EmissionFactor
from ashiato.apps.carbon.templates.factor_rows import GAS_COLUMNS
from ashiato.facts.quantities import MOST_DECIMALS_COUNT, decimal_text, round_decimals, round_significant

# What the template reads: 40 digits, 30 of them behind the point.
_SIGNIFICANT_DIGITS_COUNT = 36
_COLUMN: Mapping[tuple[Gas, Origin], str] = {found: key for key, found in GAS_COLUMNS.items()}


def factor_texts(factor: EmissionFactor) -> dict[str, str]:
    """The cells of the row by their columns; numbers are cut to what the template reads, 36 digits.

    The split stands there where every gas has a column; else one total by the factor's own set says all of it.
    """
    texts = {
        "factor_id": factor.id,
        "name": factor.name or factor.id,
        "material": factor.material,
        "reference_amount": _number(factor.reference.value),
        "unit": factor.reference.unit.symbol,
        "gwp_set": factor.gwp_set_id,
        "ownership": factor.ownership.value,
        "source": factor.source.title,
        "source_version": factor.source.version,
        "source_year": str(factor.source.published or ""),
        "dataset_id": factor.source.dataset_id,
        "licence": factor.licence.id,
        "region": factor.region,
        "reference_year": str(factor.reference_year or ""),
        "comment": factor.comment,
    }
    splits = all(gas.kg > 0 and (gas.gas, gas.origin) in _COLUMN for gas in factor.gases)
    if splits and factor.gases and not factor.unsplit_kgco2e:
        texts |= {_COLUMN[gas.gas, gas.origin]: _number(gas.kg) for gas in factor.gases}
    else:
        texts["total_kgco2e"] = _number(factor.kgco2e(find_gwp_set(factor.gwp_set_id)))
    return {key: text for key, text in texts.items() if text}


def _number(value: Fraction) -> str:
    cut = round_decimals(round_significant(value, _SIGNIFICANT_DIGITS_COUNT), MOST_DECIMALS_COUNT)
    return decimal_text(cut)
