"""The explanation of a calculation as a document of the company's own: where it comes from, what changed, what is secondary."""

from hashlib import sha256
from typing import Literal

import msgspec

from ashiato.apps.carbon.calculating import Calculation
from ashiato.apps.carbon.explain import Node, compare, contribution_tree, gap_report, hot_spots, sankey
from ashiato.apps.carbon.quality import QualityWeights
from ashiato.apps.carbon.rollup import Contribution, RollUp
from ashiato.apps.carbon.scopes import ScopeSheet, scope_sheet
from ashiato.facts.footprints import Origin, Stage, StageVector, Uncertainty
from ashiato.facts.quantities import Quantity, exact_text, find_unit, fixed_text, parse_exact
from ashiato.facts.strict_json import MalformedJson, parse_strict

EXPLANATION = "carbon-explanation-"
"""How the id of the result begins."""
MOST_DOCUMENT_BYTES = 16 * 1_048_576
SHOWN_DECIMALS = 6


class _Document(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class TreeNode(_Document, frozen=True, kw_only=True):
    """A node of the contribution tree in kgCO2e."""

    key: str
    own: bool
    kg: str
    share: str
    standing: str
    children: tuple["TreeNode", ...] = ()


class Spot(_Document, frozen=True, kw_only=True):
    """One of the largest contributions."""

    key: str
    kg: str
    share: str
    cumulated_share: str


class Band(_Document, frozen=True, kw_only=True):
    """A band of a Sankey diagram."""

    source: str
    target: str
    kg: str


class Missing(_Document, frozen=True, kw_only=True):
    """A line that rests on secondary data."""

    key: str
    kg: str
    share: str


class Effect(_Document, frozen=True, kw_only=True):
    """What one line adds to the difference of two versions: more of it, dirtier, and both together."""

    key: str
    amount_kg: str
    intensity_kg: str
    joint_kg: str
    total_kg: str


class Share(_Document, frozen=True, kw_only=True):
    """A contribution in exact figures: `factor` times `kg`, which is what later versions are compared with."""

    key: str
    own: bool
    factor: str
    kg: str


class Explanation(_Document, frozen=True, kw_only=True):
    """Why the footprint of `amount` `unit` is what it is. `compared_with` is the version before, "" for the first."""

    type: Literal["FootprintExplanation"] = "FootprintExplanation"
    product: str
    declaration_id: str
    declaration_sha256: str
    amount: str
    unit: str
    total_kg: str
    tree: TreeNode
    hot_spots: tuple[Spot, ...]
    sankey: tuple[Band, ...]
    secondary_share: str
    gaps: tuple[Missing, ...]
    stale: tuple[str, ...]
    negative: tuple[str, ...]
    compared_with: str
    changes: tuple[Effect, ...]
    scopes: ScopeSheet
    contributions: tuple[Share, ...]


def explanation_of(calculation: Calculation, declaration_id: str, earlier: bytes | None) -> Explanation:
    """The explanation; `earlier` is that of the version before, which it is compared with.

    Where `earlier` is of the same declaration, its comparison stays.
    """
    result, product = calculation.result, calculation.product
    gaps = gap_report(result)
    digest = sha256(calculation.declaration).hexdigest()
    before = None if earlier is None else read_explanation(earlier)
    compared_with = ""
    changes: tuple[Effect, ...] = ()
    if before is not None:
        is_same = before.declaration_sha256 == digest
        compared_with = before.compared_with if is_same else before.declaration_id
        changes = before.changes if is_same else _changes(before, result)
    return Explanation(
        product=product,
        declaration_id=declaration_id,
        declaration_sha256=digest,
        amount=exact_text(result.declared.value),
        unit=result.declared.unit.symbol,
        total_kg=fixed_text(result.emissions.excluding_uptake_kg, SHOWN_DECIMALS),
        tree=_tree(contribution_tree(product, {product: result})),
        hot_spots=tuple(
            Spot(
                key=one.key,
                kg=fixed_text(one.total_kg, SHOWN_DECIMALS),
                share=fixed_text(one.share, SHOWN_DECIMALS),
                cumulated_share=fixed_text(one.cumulated_share, SHOWN_DECIMALS),
            )
            for one in hot_spots(result)
        ),
        sankey=tuple(
            Band(source=one.source, target=one.target, kg=fixed_text(one.kg, SHOWN_DECIMALS))
            for one in sankey(product, result)
        ),
        secondary_share=fixed_text(gaps.secondary_share, SHOWN_DECIMALS),
        gaps=tuple(
            Missing(
                key=one.key,
                kg=fixed_text(one.secondary_kg, SHOWN_DECIMALS),
                share=fixed_text(one.share, SHOWN_DECIMALS),
            )
            for one in gaps.gaps
        ),
        stale=gaps.stale,
        negative=gaps.negative,
        compared_with=compared_with,
        changes=changes,
        scopes=scope_sheet(calculation.own, result),
        contributions=tuple(
            Share(
                key=one.key,
                own=one.own,
                factor=exact_text(one.factor),
                kg=exact_text(one.emissions.excluding_uptake_kg),
            )
            for one in result.contributions
        ),
    )


def read_explanation(data: bytes) -> Explanation | None:
    """What was written of a product; None where it is no such document."""
    try:
        return msgspec.convert(parse_strict(data, max_bytes=MOST_DOCUMENT_BYTES), Explanation)
    except (MalformedJson, msgspec.ValidationError):
        return None


def _tree(node: Node) -> TreeNode:
    return TreeNode(
        key=node.key,
        own=node.own,
        kg=fixed_text(node.total_kg, SHOWN_DECIMALS),
        share=fixed_text(node.share, SHOWN_DECIMALS),
        standing=node.standing.value,
        children=tuple(_tree(child) for child in node.children),
    )


def _changes(before: Explanation, result: RollUp) -> tuple[Effect, ...]:
    declared = Quantity(parse_exact(before.amount), find_unit(before.unit))
    if declared.dimension is not result.declared.dimension:
        return ()
    earlier = msgspec.structs.replace(
        result, declared=declared, contributions=tuple(_contribution(one) for one in before.contributions)
    )
    return tuple(
        Effect(
            key=one.key,
            amount_kg=fixed_text(one.amount_kg, SHOWN_DECIMALS),
            intensity_kg=fixed_text(one.intensity_kg, SHOWN_DECIMALS),
            joint_kg=fixed_text(one.joint_kg, SHOWN_DECIMALS),
            total_kg=fixed_text(one.total_kg, SHOWN_DECIMALS),
        )
        for one in compare(earlier, result)
    )


def _contribution(share: Share) -> Contribution:
    """As much of a contribution as a comparison looks at: all of it in one cell."""
    emissions = StageVector.of({(Stage.RAW_MATERIALS, Origin.FOSSIL): parse_exact(share.kg)})
    return Contribution(
        key=share.key,
        own=share.own,
        factor=parse_exact(share.factor),
        emissions=emissions,
        weights=QualityWeights(),
        uncertainty=Uncertainty(),
    )
