"""Filled-in activity data as lines of the inventory that the app computes from."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from hashlib import sha256
from typing import Literal

import msgspec

from ashiato.apps.carbon.calculating import INVENTORY
from ashiato.apps.carbon.factors.licences import Person
from ashiato.apps.carbon.factors.model import EmissionFactor
from ashiato.apps.carbon.factors.plausibility import Warned
from ashiato.apps.carbon.inventory import ActivityLine, DirectLine, Kind
from ashiato.apps.carbon.inventory_documents import MalformedInventory, read_inventory
from ashiato.apps.carbon.rulesets import ruleset
from ashiato.apps.carbon.templates.activity_rows import ACTIVITIES, ActivityRow, read_activities
from ashiato.apps.carbon.templates.importing import table_of
from ashiato.apps.carbon.templates.keeping import every_row, odd, usable_factors
from ashiato.connector import offers
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotPermitted
from ashiato.connector.records import Asset, Visibility
from ashiato.facts.footprints import Intensity
from ashiato.facts.quantities import Quantity, decimal_text
from ashiato.law.provisions import UnknownRulebook

Document = dict[str, object]


class InventoryMade(msgspec.Struct, frozen=True, kw_only=True):
    """The inventory that is kept now (or would be), and which of its factors lie outside of what is published."""

    asset_id: str
    outcome: Literal["new", "changed", "same"]
    sha256: str
    rows_count: int
    lines_count: int
    warnings: tuple[Warned, ...] = ()


def make_inventory(
    uow: UnitOfWork, head: Document, person: Person, moment: Moment, *, is_trial: bool = False
) -> InventoryMade:
    """Store the inventory whose `head` says everything but the lines, which are the kept rows of its product, plant and period.

    Lines that `head` has come first. A row that only partly lies in the period is refused, as nobody knows which part of it
    counts. Raises `Invalid`, and `NotPermitted` for factors whose figures not everybody of the company may see, since everybody
    of the company can read an inventory.
    """
    usable = usable_factors(uow, person, moment.now_ms)
    chosen = _chosen(uow, head, usable)
    used = {name: usable[name] for row in chosen if (name := _factor_of(row)) in usable}
    _check_open(used.values())
    given = head.get("lines", [])
    lines = [*(given if isinstance(given, list) else []), *(_line(row, used) for row in chosen)]
    content = msgspec.json.encode({**head, "lines": lines}, order="deterministic")
    try:
        product = read_inventory(content).document.product
    except MalformedInventory as malformed:
        raise Invalid(f"Nothing was stored: {malformed.problem}.", path="body") from None
    asset_id = INVENTORY + product
    before = uow.assets.record(asset_id)
    outcome: Literal["new", "changed", "same"] = "new" if before is None else "changed"
    if before == content:
        outcome = "same"
    elif not is_trial:
        _store(uow, asset_id, content, moment)
    return InventoryMade(
        asset_id=asset_id,
        outcome=outcome,
        sha256=sha256(content).hexdigest(),
        rows_count=len(chosen),
        lines_count=len(lines),
        warnings=odd(used.values()),
    )


def _store(uow: UnitOfWork, asset_id: str, content: bytes, moment: Moment) -> None:
    known = uow.assets.asset(asset_id)
    if known is None:
        offers.put_asset(
            uow,
            Asset(
                asset_id=asset_id,
                title=asset_id,
                source=offers.RECORD_SOURCE,
                data_item="carbon-inventory",
                visibility=Visibility.HIDDEN,
            ),
            moment,
        )
    elif known.source != offers.RECORD_SOURCE:
        raise Invalid(f"The asset {asset_id} is no record; it cannot hold an inventory.", id=asset_id)
    offers.put_record(uow, asset_id, content, moment)


def _chosen(
    uow: UnitOfWork, head: Document, usable: Mapping[str, EmissionFactor]
) -> list[tuple[Mapping[str, str], ActivityRow]]:
    """The kept rows that belong in the inventory, in the order of their ids."""
    product, plant = head.get("product"), head.get("plant")
    from_ms, until_ms = head.get("referenceFromMs"), head.get("referenceUntilMs")
    if not isinstance(from_ms, int) or not isinstance(until_ms, int):
        raise Invalid("Give referenceFromMs and referenceUntilMs in epoch milliseconds.", path="body")
    try:
        gwp_set = ruleset(str(head.get("ruleset", ""))).gwp_set
    except UnknownRulebook as unknown:
        raise Invalid(f"{unknown}.", path="ruleset") from None
    kept = [
        row
        for row in every_row(uow, ACTIVITIES)
        if (dict(row.texts).get("product_id"), dict(row.texts).get("plant_id")) == (product, plant)
    ]
    found = read_activities(table_of(ACTIVITIES, kept), usable, gwp_set)
    if found.faults:
        fault = found.faults[0]
        raise Invalid(
            f"Nothing was stored. Line {kept[fault.row - 2].row_id}: {fault.text('en')}", reason=fault.code
        )
    inside: list[tuple[Mapping[str, str], ActivityRow]] = []
    for row in found.rows:
        one = row.value
        if one.until_ms <= from_ms or one.from_ms >= until_ms:
            continue
        if one.from_ms < from_ms or one.until_ms > until_ms:
            raise Invalid(
                f"Nothing was stored. Line {one.id} lies only partly in the period; split it at its ends.",
                path=one.id,
            )
        inside.append((dict(row.texts), one))
    if not inside:
        raise Invalid(
            f"No activity of {product} at {plant} lies in this period; import them first.", path="body"
        )
    return inside


def _factor_of(row: tuple[Mapping[str, str], ActivityRow]) -> str:
    return row[0].get("factor_id", "")


def _check_open(factors: Iterable[EmissionFactor]) -> None:
    for factor in factors:
        licence = factor.licence
        if not (licence.open_to_all or licence.everybody):
            raise NotPermitted(
                f"The figures of {factor.id} may be seen by some persons only, and an inventory is read by all of the company; "
                f"have the licence {licence.id} allow everybody, or choose another factor.",
                id=factor.id,
            )


def _line(row: tuple[Mapping[str, str], ActivityRow], used: Mapping[str, EmissionFactor]) -> Document:
    line = row[1].line
    document: Document = {
        "key": line.key,
        "stage": line.stage.value,
        "measured": line.measured,
        "quality": [
            decimal_text(one)
            for one in (line.quality.technological, line.quality.geographical, line.quality.temporal)
        ],
        "evidence": [msgspec.to_builtins(one) for one in line.evidence],
        "flow": line.flow,
    }
    if isinstance(line, DirectLine):
        return document | {
            "type": "direct",
            "gas": line.gas.value,
            "origin": line.origin.value,
            "mass": _amount(line.mass),
        }
    if line.kind is Kind.ELECTRICITY:
        factor = used[_factor_of(row)]
        return document | {
            "type": "electricity",
            "energy": _amount(line.amount),
            "region": factor.region,
            "grid": _intensity(line.intensity),
        }
    return document | _activity(line)


def _activity(line: ActivityLine) -> Document:
    return {
        "type": "activity",
        "kind": line.kind.value,
        "amount": _amount(line.amount),
        "intensity": _intensity(line.intensity),
    }


def _intensity(intensity: Intensity) -> Document:
    quality = intensity.quality
    return {
        "per": _amount(intensity.per),
        "kgByOrigin": {origin.value: decimal_text(kg) for origin, kg in intensity.kg_by_origin},
        "gwpSet": intensity.gwp_set,
        "source": intensity.source,
        "year": intensity.year,
        "primary": intensity.primary,
        "quality": [
            decimal_text(one) for one in (quality.technological, quality.geographical, quality.temporal)
        ],
        "deviationShare": decimal_text(intensity.deviation_share or Fraction(0)),
    }


def _amount(amount: Quantity) -> Document:
    return {"value": decimal_text(amount.value), "unit": amount.unit.symbol}
