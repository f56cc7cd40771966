"""The only ways in which a factor leaves this room for a person or a file: as much of it as the licence allows."""

from collections.abc import Iterable
from fractions import Fraction

import msgspec

from ashiato.apps.carbon.factors.gwp import find_gwp_set
from ashiato.apps.carbon.factors.licences import Act, Person, may
from ashiato.apps.carbon.factors.model import EmissionFactor, factor_to_builtins
from ashiato.facts.decisions import Reason
from ashiato.facts.quantities import exact_text


class FactorView(msgspec.Struct, frozen=True):
    """A factor as one person may see it. Without the right, `kgco2e` and `gases` are None and `withheld` says why.

    What stays visible (name, source, region, year) is what a catalogue of the database shows to everybody; the comment does not,
    as figures stand in comments.
    """

    id: str
    name: str
    reference: str
    region: str
    reference_year: int | None
    source_title: str
    source_version: str
    licence_id: str
    attribution: str
    gwp_set_id: str
    usable: bool
    kgco2e: str | None = None
    gases: tuple[tuple[str, str, str], ...] | None = None
    comment: str | None = None
    withheld: tuple[Reason, ...] = ()


def shown(factor: EmissionFactor, person: Person, now_ms: int) -> FactorView:
    """`factor` for the eyes of `person`; the total is by the factor's own set of potentials."""
    seen = may(Act.SEE, factor.licence, person, now_ms)
    view = FactorView(
        id=factor.id,
        name=factor.name,
        reference=str(factor.reference),
        region=factor.region,
        reference_year=factor.reference_year,
        source_title=factor.source.title,
        source_version=factor.source.version,
        licence_id=factor.licence.id,
        attribution=factor.licence.attribution,
        gwp_set_id=factor.gwp_set_id,
        usable=may(Act.USE, factor.licence, person, now_ms).permitted,
    )
    if not seen.permitted:
        return msgspec.structs.replace(view, withheld=seen.reasons)
    return msgspec.structs.replace(
        view,
        kgco2e=exact_text(factor.kgco2e(find_gwp_set(factor.gwp_set_id))),
        gases=tuple((gas.gas.value, gas.origin.value, exact_text(gas.kg)) for gas in factor.gases),
        comment=factor.comment,
    )


class Withheld(msgspec.Struct, frozen=True):
    """A factor that was left out, and why."""

    factor_id: str
    reasons: tuple[Reason, ...]


class Exported(msgspec.Struct, frozen=True):
    """What may leave the company, as plain values, and what was left out."""

    factors: tuple[dict[str, object], ...]
    withheld: tuple[Withheld, ...]


def exported(factors: Iterable[EmissionFactor], person: Person, now_ms: int) -> Exported:
    """The factors that `person` may pass on, complete, and the names of those that must stay."""
    kept: list[dict[str, object]] = []
    withheld: list[Withheld] = []
    for factor in factors:
        decision = may(Act.EXPORT, factor.licence, person, now_ms)
        if decision.permitted:
            kept.append(factor_to_builtins(factor))
        else:
            withheld.append(Withheld(factor.id, decision.reasons))
    return Exported(tuple(kept), tuple(withheld))


class LineView(msgspec.Struct, frozen=True):
    """One line of a result as one person may see it: an amount beside its emissions tells the factor, so one of the two goes."""

    factor_id: str
    amount: str
    kgco2e: str | None
    withheld: tuple[Reason, ...] = ()


def shown_line(
    factor: EmissionFactor, amount: str, kgco2e: Fraction, person: Person, now_ms: int
) -> LineView:
    """A line of `amount` (text with its unit) that was computed with `factor`, for the eyes of `person`."""
    seen = may(Act.SEE, factor.licence, person, now_ms)
    if seen.permitted:
        return LineView(factor.id, amount, exact_text(kgco2e))
    return LineView(factor.id, amount, None, seen.reasons)
