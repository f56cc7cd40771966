"""Which elementary flows are greenhouse gases, by the names of the databases in use; and a factor from a system process."""

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction

import msgspec

from ashiato.apps.carbon.factors.datasets import Activity, Flow, Loss
from ashiato.apps.carbon.factors.gwp import Gas, GwpSet, Origin, UnknownPotential
from ashiato.apps.carbon.factors.licences import Licence
from ashiato.apps.carbon.factors.model import (
    EmissionFactor,
    FactorSource,
    Ownership,
    check_factor,
    gases_from,
)
from ashiato.facts.quantities import KILOGRAM, Quantity, Unit, UnitMismatch, UnknownUnit, find_unit

_UNITS = {
    "kilogram": "kg",
    "gram": "g",
    "kilowatt hour": "kWh",
    "megajoule": "MJ",
    "cubic meter": "m3",
    "litre": "l",
    "unit": "piece",
    "item(s)": "piece",
    "p": "piece",
    "metric ton*km": "t.km",
    "tkm": "t.km",
    "square meter": "m2",
    "meter": "m",
    "hour": "h",
}
_BY_CAS = {
    "10024-97-2": Gas.N2O,
    "2551-62-4": Gas.SF6,
    "7783-54-2": Gas.NF3,
    "75-73-0": Gas.CF4,
    "76-16-4": Gas.C2F6,
    "75-10-5": Gas.HFC_32,
    "354-33-6": Gas.HFC_125,
    "811-97-2": Gas.HFC_134A,
    "420-46-2": Gas.HFC_143A,
}
# Names without signs and spaces, in the spelling of ecoinvent, ILCD and EF, SimaPro.
_BY_NAME: Mapping[str, tuple[Gas, Origin, int]] = {
    "carbondioxidefossil": (Gas.CO2, Origin.FOSSIL, 1),
    "carbondioxide": (Gas.CO2, Origin.FOSSIL, 1),
    "carbondioxidenonfossil": (Gas.CO2, Origin.BIOGENIC, 1),
    "carbondioxidebiogenic": (Gas.CO2, Origin.BIOGENIC, 1),
    "carbondioxidefromsoilorbiomassstock": (Gas.CO2, Origin.LAND_USE_CHANGE, 1),
    "carbondioxidelandtransformation": (Gas.CO2, Origin.LAND_USE_CHANGE, 1),
    "carbondioxidelandusechange": (Gas.CO2, Origin.LAND_USE_CHANGE, 1),
    "carbondioxidetosoilorbiomassstock": (Gas.CO2, Origin.LAND_USE_CHANGE, -1),
    "carbondioxideinair": (Gas.CO2, Origin.BIOGENIC_UPTAKE, 1),
    "methanefossil": (Gas.CH4, Origin.FOSSIL, 1),
    "methanenonfossil": (Gas.CH4, Origin.BIOGENIC, 1),
    "methanebiogenic": (Gas.CH4, Origin.BIOGENIC, 1),
    "methanefromsoilorbiomassstock": (Gas.CH4, Origin.LAND_USE_CHANGE, 1),
    "methanelandtransformation": (Gas.CH4, Origin.LAND_USE_CHANGE, 1),
    "methanelandusechange": (Gas.CH4, Origin.LAND_USE_CHANGE, 1),
    "dinitrogenmonoxide": (Gas.N2O, Origin.FOSSIL, 1),
    "nitrousoxide": (Gas.N2O, Origin.FOSSIL, 1),
    "sulfurhexafluoride": (Gas.SF6, Origin.FOSSIL, 1),
    "sulphurhexafluoride": (Gas.SF6, Origin.FOSSIL, 1),
    "nitrogenfluoride": (Gas.NF3, Origin.FOSSIL, 1),
    "nitrogentrifluoride": (Gas.NF3, Origin.FOSSIL, 1),
    "methanetetrafluoror14": (Gas.CF4, Origin.FOSSIL, 1),
    "methanetetrafluorocfc14": (Gas.CF4, Origin.FOSSIL, 1),
    "perfluoromethane": (Gas.CF4, Origin.FOSSIL, 1),
    "ethanehexafluorohfc116": (Gas.C2F6, Origin.FOSSIL, 1),
    "perfluoroethane": (Gas.C2F6, Origin.FOSSIL, 1),
    "methanedifluorohfc32": (Gas.HFC_32, Origin.FOSSIL, 1),
    "ethanepentafluorohfc125": (Gas.HFC_125, Origin.FOSSIL, 1),
    "ethane1112tetrafluorohfc134a": (Gas.HFC_134A, Origin.FOSSIL, 1),
    "ethane111trifluorohfc143a": (Gas.HFC_143A, Origin.FOSSIL, 1),
}
# A name that speaks of a greenhouse gas and is not in the table must not pass as harmless.
_SUSPECT = re.compile(r"\b(?:methane|carbon dioxide|h?c?fc|halon)\b|fluor|\bHFE\b", re.IGNORECASE)
_UPTAKE_COMPARTMENTS = ("natural resource", "resource")


class NotAggregated(ValueError):
    """The dataset still takes products of others; who asks must compute it with its background. `activity_id` names it."""

    def __init__(self, activity_id: str, inputs_count: int) -> None:
        super().__init__(
            f"{activity_id} takes {inputs_count} products of others; compute it with its background"
        )
        self.activity_id = activity_id
        self.inputs_count = inputs_count


class NoReference(ValueError):
    """The dataset has no single product in a unit that is known; `activity_id` names it, `problem` says why."""

    def __init__(self, activity_id: str, problem: str) -> None:
        super().__init__(f"{activity_id}: {problem}")
        self.activity_id = activity_id
        self.problem = problem


class Greenhouse(msgspec.Struct, frozen=True):
    """A flow that is a greenhouse gas: one `unit` of it is `kg` kilograms of `gas`; negative where carbon is bound for good."""

    gas: Gas
    origin: Origin
    kg: Fraction


def unit_of(name: str) -> Unit:
    """The unit that a source names; raises `UnknownUnit`."""
    return find_unit(_UNITS.get(name, name))


def greenhouse_gas(flow: Flow) -> Greenhouse | Loss | None:
    """The gas that the flow is; None where it is none; a `Loss` where it may be one that is not known here."""
    if not flow.elementary:
        return None
    place = flow.compartment[0].lower() if flow.compartment else ""
    found = _BY_NAME.get(re.sub(r"[^a-z0-9]", "", flow.name.lower()))
    if found is None and flow.cas_number.lstrip("0") in _BY_CAS:
        found = (_BY_CAS[flow.cas_number.lstrip("0")], Origin.FOSSIL, 1)
    resource = place.startswith(_UPTAKE_COMPARTMENTS)
    # Carbon dioxide as a resource is uptake, and to the soil it is storage; other gases from the ground or in water do not warm.
    counts = found is not None and (
        "air" in " ".join(flow.compartment).lower()
        or not place
        or found[2] < 0
        or (resource and found[1] is Origin.BIOGENIC_UPTAKE)
    )
    if found is None or not counts:
        suspect = found is None and "air" in " ".join(flow.compartment).lower() and _SUSPECT.search(flow.name)
        return (
            Loss(f"flow {flow.id}", f"{flow.name!r} may be a greenhouse gas and has no potential here")
            if suspect
            else None
        )
    gas, origin, sign = found
    try:
        one = Quantity(Fraction(1), unit_of(flow.unit)).value_in(KILOGRAM)
    except (UnknownUnit, UnitMismatch):
        return Loss(f"flow {flow.id}", f"{flow.name!r} counts in {flow.unit!r}, which is no mass")
    return Greenhouse(gas, origin, one * sign)


def indicator(flows: Iterable[Flow], gwp_set: GwpSet) -> tuple[dict[str, Fraction], tuple[Loss, ...]]:
    """kg CO2e per unit of each flow that warms, by flow id: the row by which a biosphere matrix becomes a footprint."""
    weights: dict[str, Fraction] = {}
    losses: list[Loss] = []
    for flow in flows:
        found = greenhouse_gas(flow)
        if isinstance(found, Loss):
            losses.append(found)
        elif found is not None:
            try:
                weights[flow.id] = found.kg * gwp_set.potential(found.gas, found.origin)
            except UnknownPotential as unknown:
                losses.append(Loss(f"flow {flow.id}", str(unknown)))
    return weights, tuple(losses)


def factor_of(
    activity: Activity,
    flows: Mapping[str, Flow],
    *,
    source: FactorSource,
    ownership: Ownership,
    licence: Licence,
    gwp_set_id: str,
) -> tuple[EmissionFactor, tuple[Loss, ...]]:
    """The factor of a system process (one product, elementary flows only), gas by gas.

    Raises `NotAggregated` for a unit process, `NoReference` where there is no one product in a known unit.
    """
    reference = activity.reference
    if reference is None or not reference.amount:
        raise NoReference(activity.id, "it has not exactly one product")
    others = [exchange for exchange in activity.exchanges if exchange.kind not in {"reference", "elementary"}]
    taken_count = sum(1 for exchange in others if exchange.amount)
    if taken_count:
        raise NotAggregated(activity.id, taken_count)
    try:
        unit = unit_of(reference.unit)
    except UnknownUnit as unknown:
        raise NoReference(activity.id, str(unknown)) from None
    amounts: dict[tuple[Gas, Origin], Fraction] = {}
    losses: list[Loss] = []
    for exchange in activity.exchanges:
        found = greenhouse_gas(flows[exchange.flow_id]) if exchange.kind == "elementary" else None
        if isinstance(found, Loss):
            losses.append(found)
        elif found is not None:
            key = (found.gas, found.origin)
            amounts[key] = amounts.get(key, Fraction(0)) + Fraction(exchange.amount) * found.kg
    factor = EmissionFactor(
        id=activity.id,
        name=activity.name,
        # A treated waste is taken in, and stands there with a negative amount in some databases: its size is what counts.
        reference=Quantity(abs(Fraction(reference.amount)), unit),
        ownership=ownership,
        source=msgspec.structs.replace(source, dataset_id=activity.id),
        licence=licence,
        gwp_set_id=gwp_set_id,
        gases=gases_from(amounts),
        region=activity.location,
        reference_year=activity.last_year or activity.first_year,
    )
    return check_factor(factor), tuple(dict.fromkeys(losses))
