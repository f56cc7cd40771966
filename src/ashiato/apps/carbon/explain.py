"""Why a footprint is what it is: contributions, hot spots, flows for a Sankey diagram, what changed, and what is not measured.

Everything is taken from exact results; shares are those of the figure without biogenic uptake.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

import msgspec

from ashiato.apps.carbon.rollup import Contribution, InputStanding, RollUp
from ashiato.facts.footprints import STAGES, ZERO, Stage
from ashiato.facts.quantities import exact_text


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the contribution tree: what stands behind the whole, and behind that."""

    key: str
    own: bool
    total_kg: Fraction
    share: Fraction
    standing: InputStanding
    children: tuple["Node", ...] = ()


class HotSpot(msgspec.Struct, frozen=True):
    """A place where much comes from: its key, its kilograms, its share, and the shares of all up to this one together."""

    key: str
    total_kg: Fraction
    share: Fraction
    cumulated_share: Fraction


class Flow(msgspec.Struct, frozen=True):
    """A band of a Sankey diagram from one node to another, in kgCO2e."""

    source: str
    target: str
    kg: Fraction


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What one line contributes to the difference between two versions.

    The three parts add up to the difference exactly: more of it, dirtier by the kilogram, and both together.
    """

    key: str
    amount_kg: Fraction
    intensity_kg: Fraction
    joint_kg: Fraction

    @property
    def total_kg(self) -> Fraction:
        return self.amount_kg + self.intensity_kg + self.joint_kg


class Gap(msgspec.Struct, frozen=True):
    """A line that rests on secondary data: so many kilograms, and which share of the whole footprint they are."""

    key: str
    secondary_kg: Fraction
    share: Fraction


class GapReport(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a footprint is not measured by whom it belongs to, largest first, and what no longer holds."""

    secondary_share: Fraction
    gaps: tuple[Gap, ...]
    stale: tuple[str, ...]
    negative: tuple[str, ...]


MOST_LEVELS_COUNT = 32
LEAST_SHARE_OPENED = Fraction(1, 1000)


def contribution_tree(
    name: str, results: Mapping[str, RollUp], least_share: Fraction = LEAST_SHARE_OPENED
) -> Node:
    """The tree of a product; an input that is one of the results is opened further, scaled to what goes in.

    What is smaller than `least_share` of the whole stays closed, as does what lies 32 levels down: parts that are used in
    many places would else make a tree without end.
    """
    whole = results[name]
    whole_kg = whole.emissions.excluding_uptake_kg
    return Node(
        key=name,
        own=True,
        total_kg=whole_kg,
        share=Fraction(1),
        standing=InputStanding.CURRENT,
        children=_Tree(results, whole_kg, least_share).children(whole, Fraction(1), 1),
    )


class _Tree(NamedTuple):
    """What all nodes of one tree are measured by."""

    results: Mapping[str, RollUp]
    whole_kg: Fraction
    least_share: Fraction

    def children(self, result: RollUp, factor: Fraction, level: int) -> tuple[Node, ...]:
        nodes = []
        for one in result.contributions:
            total_kg = factor * one.total_kg
            share = _share(total_kg, self.whole_kg)
            inner = None if one.own else self.results.get(one.key)
            opened = inner is not None and level < MOST_LEVELS_COUNT and abs(share) >= self.least_share
            nodes.append(
                Node(
                    key=one.key,
                    own=one.own,
                    total_kg=total_kg,
                    share=share,
                    standing=one.standing,
                    children=self.children(inner, factor * one.factor, level + 1)
                    if inner is not None and opened
                    else (),
                )
            )
        return tuple(sorted(nodes, key=lambda node: (-node.total_kg, node.key)))


def hot_spots(result: RollUp, most_count: int = 10) -> tuple[HotSpot, ...]:
    """The largest contributions, largest first."""
    whole_kg = result.emissions.excluding_uptake_kg
    found: list[HotSpot] = []
    cumulated = ZERO
    for one in sorted(result.contributions, key=lambda one: (-one.total_kg, one.key))[:most_count]:
        share = _share(one.total_kg, whole_kg)
        cumulated += share
        found.append(HotSpot(one.key, one.total_kg, share, cumulated))
    return tuple(found)


def sankey(name: str, result: RollUp) -> tuple[Flow, ...]:
    """The flows from each contribution into its stages, and from the stages into the product; credits flow backwards.

    What flows into a stage flows out of it again, and what reaches the product is its footprint.
    """
    flows: list[Flow] = []
    for one in result.contributions:
        for stage in STAGES:
            kg = one.factor * one.emissions.stage_kg(stage)
            flows += _flow(one.key, stage.value, kg)
    for stage in STAGES:
        into_kg = sum(
            (one.factor * one.emissions.stage_kg(stage) for one in result.contributions if _adds(one, stage)),
            ZERO,
        )
        out_kg = into_kg - result.emissions.stage_kg(stage)
        flows += _flow(stage.value, name, into_kg) + _flow(name, stage.value, out_kg)
    return tuple(flows)


def _adds(one: Contribution, stage: Stage) -> bool:
    return one.factor * one.emissions.stage_kg(stage) > 0


def _flow(source: str, target: str, kg: Fraction) -> list[Flow]:
    if not kg:
        return []
    return [Flow(source, target, kg) if kg > 0 else Flow(target, source, -kg)]


def compare(before: RollUp, after: RollUp) -> tuple[Change, ...]:
    """What explains the difference of two versions, largest effect first; all parts add up to it exactly.

    A line that is new or gone is a change of its amount. Versions for different amounts are compared for that of `before`.
    """
    scale = before.declared / after.declared
    old = {one.key: one for one in before.contributions}
    new = {one.key: one for one in after.contributions}
    changes = []
    for key in sorted(old.keys() | new.keys()):
        amount_0, kg_0 = _amount_and_intensity(old.get(key), Fraction(1))
        amount_1, kg_1 = _amount_and_intensity(new.get(key), scale)
        if key not in old:
            kg_0 = kg_1
        if key not in new:
            kg_1 = kg_0
        changes.append(
            Change(
                key=key,
                amount_kg=(amount_1 - amount_0) * kg_0,
                intensity_kg=amount_0 * (kg_1 - kg_0),
                joint_kg=(amount_1 - amount_0) * (kg_1 - kg_0),
            )
        )
    return tuple(
        sorted((one for one in changes if one.total_kg), key=lambda one: (-abs(one.total_kg), one.key))
    )


def _amount_and_intensity(one: Contribution | None, scale: Fraction) -> tuple[Fraction, Fraction]:
    if one is None:
        return ZERO, ZERO
    return one.factor * scale, one.emissions.excluding_uptake_kg


def gap_report(result: RollUp) -> GapReport:
    """What rests on secondary data, line by line; credits and the end of life carry no weight in it."""
    whole_kg = result.weights.total_kg
    gaps = []
    for one in result.contributions:
        primary_share = one.weights.primary_data_share
        if primary_share is None:
            continue
        secondary_kg = one.factor * one.weights.total_kg * (1 - primary_share)
        if secondary_kg:
            gaps.append(Gap(one.key, secondary_kg, _share(secondary_kg, whole_kg)))
    primary = result.weights.primary_data_share
    return GapReport(
        secondary_share=ZERO if primary is None else 1 - primary,
        gaps=tuple(sorted(gaps, key=lambda gap: (-gap.secondary_kg, gap.key))),
        stale=tuple(one.key for one in result.stale),
        negative=tuple(one.key for one in result.contributions if one.total_kg < 0),
    )


def node_document(node: Node) -> dict[str, object]:
    """The tree as plain values, numbers as exact text, for a page or a file."""
    return {
        "key": node.key,
        "own": node.own,
        "totalKg": exact_text(node.total_kg),
        "share": exact_text(node.share),
        "standing": node.standing.value,
        "children": [node_document(child) for child in node.children],
    }


def _share(kg: Fraction, whole_kg: Fraction) -> Fraction:
    return kg / whole_kg if whole_kg else ZERO
