import re
from fractions import Fraction

import pytest

from ashiato.facts.quantities import fixed_text
from ashiato.wiring.walkthrough.battery_chain import (
    BadChain,
    Chain,
    Product,
    battery_chain,
    figures,
    read_chain,
)
from tests.chain_by_hand import (
    DATA_FILE,
    by_hand,
    gate_per_kwh,
    metered_share,
    published_share,
    raw_chain,
    value,
)

# Standard atomic weights, abridged to five digits (IUPAC 2021).
LITHIUM, CARBON, OXYGEN, PHOSPHORUS = (
    Fraction("6.94"),
    Fraction("12.011"),
    Fraction("15.999"),
    Fraction("30.974"),
)
SULPHUR, MANGANESE, IRON = Fraction("32.06"), Fraction("54.938"), Fraction("55.845")
COBALT, NICKEL = Fraction("58.933"), Fraction("58.693")
SULPHATE = SULPHUR + 4 * OXYGEN
NMC811 = LITHIUM + NICKEL * 8 / 10 + MANGANESE / 10 + COBALT / 10 + 2 * OXYGEN
LFP = LITHIUM + IRON + PHOSPHORUS + 4 * OXYGEN
SIX_DECIMALS = Fraction(1, 10**6)
# The lithium refiners' published figures cover the whole production, so their inventory has no masses.
WITHOUT_MASSES = {"lithium", "brine"}


@pytest.fixture(scope="module")
def chain() -> Chain:
    return battery_chain()


def part_kg(product: Product, part_id: str) -> Fraction:
    return next(part.amount.number for part in product.parts if part.product == part_id)


def test_eight_companies_make_two_packs(chain: Chain) -> None:
    assert len({company.slug for company in chain.companies}) == len(chain.companies) == 8
    assert {chain.product(pack).chemistry for pack in chain.batteries} == {"NMC811", "LFP"}
    assert {product.company for product in chain.products} == {company.slug for company in chain.companies}


def test_each_number_has_a_published_source_and_year_or_the_word_assumption(chain: Chain) -> None:
    seen = list(figures(chain))
    # Every table with a value is a figure: none escapes the count.
    assert len(seen) == len(re.findall(r'\bvalue = "', DATA_FILE.read_text("utf-8")))
    for figure in seen:
        assert figure.assumption or (chain.source(figure.source).year >= 2006 and figure.place), figure


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('source = "aluminium-2024"', 'source = "somewhere"'),
        ('source = "aluminium-2024", place = "2022"', 'place = "2022"'),
        (
            'source = "aluminium-2024", place = "2022"',
            'source = "aluminium-2024", place = "2022", assumption = "both"',
        ),
        ('value = "15.1"', 'value = "NaN"'),
        ('unit = "kgCO2e/t.km"', 'unit = "kgCO2e/kg"'),
        ('factor = "aluminium"', 'factor = "unobtainium"'),
        ('product = "graphite"', 'product = "diamond"'),
        ("year = 2024", "years = 2024"),
    ],
)
def test_a_number_without_a_ground_or_a_name_without_a_thing_is_refused(old: str, new: str) -> None:
    content = DATA_FILE.read_text("utf-8")
    assert old in content
    with pytest.raises((BadChain, ValueError)):
        read_chain(content.replace(old, new, 1).encode())


def test_what_goes_into_each_product_weighs_what_comes_out(chain: Chain) -> None:
    checked = 0
    for product in chain.products:
        if product.company in {*WITHOUT_MASSES, "vehicles"}:
            continue
        own_kg = sum(
            line.amount.number for line in product.lines if line.kind == "material" and line.in_balance
        )
        parts_kg = sum(part.amount.number for part in product.parts)
        flows_kg = {
            way: sum(flow.amount.number for flow in product.flows if flow.direction == way)
            for way in ("in", "out")
        }
        into_kg = own_kg + parts_kg + flows_kg["in"]
        out_kg = product.mass_kg.number + flows_kg["out"]
        # The cell's bill is printed with four decimals and comes to 1.0001 kg.
        assert abs(into_kg - out_kg) <= Fraction(1, 10_000) * out_kg, product.id
        checked += 1
    assert checked == 9


def test_no_metal_is_lost_or_made_between_sulphate_and_powder(chain: Chain) -> None:
    powder = chain.product("nmc811-cathode")
    manganese_kg = next(line.amount.number for line in powder.lines if line.key == "manganese")
    contents = {
        NICKEL * 8 / 10: part_kg(powder, "nickel-sulphate") * NICKEL / (NICKEL + SULPHATE),
        COBALT / 10: part_kg(powder, "cobalt-sulphate") * COBALT / (COBALT + SULPHATE),
        MANGANESE / 10: manganese_kg * MANGANESE / (MANGANESE + SULPHATE),
        LITHIUM: part_kg(powder, "lithium-hydroxide") * LITHIUM / (LITHIUM + OXYGEN + Fraction("1.008")),
    }
    for in_formula, brought_kg in contents.items():
        assert abs(in_formula / NMC811 - brought_kg) < SIX_DECIMALS
    lithium_kg = part_kg(chain.product("lfp-cathode"), "lithium-carbonate") * 2 * LITHIUM
    assert abs(lithium_kg / (2 * LITHIUM + CARBON + 3 * OXYGEN) - LITHIUM / LFP) < SIX_DECIMALS


def test_a_pack_holds_as_much_cathode_powder_as_its_published_share_says(chain: Chain) -> None:
    """BatPaC 5.2 gives the cathode 26 % of the NMC811 pack and 30 % of the LFP pack; the bills come from other sources."""
    for pack_id, cell_id, powder_id, share in (
        ("nmc811-pack", "nmc811-cell", "nmc811-cathode", Fraction(26, 100)),
        ("lfp-pack", "lfp-cell", "lfp-cathode", Fraction(30, 100)),
    ):
        pack = chain.product(pack_id)
        powder_kg = part_kg(pack, cell_id) * part_kg(chain.product(cell_id), powder_id)
        assert abs(powder_kg / pack.mass_kg.number - share) < Fraction(1, 100)


@pytest.mark.parametrize("pack_id", ["nmc811-pack", "lfp-pack"])
def test_the_sum_by_hand_lies_in_the_published_band(chain: Chain, pack_id: str) -> None:
    raw = raw_chain()
    band = chain.bands[chain.product(pack_id).chemistry]
    gate = gate_per_kwh(raw, pack_id)
    assert band.low.number < gate < band.high.number
    assert abs(gate / band.median.number - 1) < Fraction(1, 10)
    swapped = gate_per_kwh(raw, pack_id, raw["swap"]["products"])
    assert band.low.number < swapped < gate


def test_the_cathode_powder_comes_near_the_declared_one_of_a_maker(chain: Chain) -> None:
    raw = raw_chain()
    declared = chain.checks["nmc811-cathode"].value.number
    powder = sum(by_hand(raw, "nmc811-cathode").values())
    assert Fraction(7, 10) < powder / declared < Fraction(11, 10)


def test_the_swap_changes_a_pack_by_quantity_times_difference(chain: Chain) -> None:
    raw = raw_chain()
    swapped = raw["swap"]["products"]
    pack, cell, powder = (chain.product(one) for one in ("nmc811-pack", "nmc811-cell", "nmc811-cathode"))
    per_pack_kg = part_kg(pack, cell.id) * part_kg(cell, powder.id) * part_kg(powder, "lithium-hydroxide")
    cheaper = sum(by_hand(raw, "lithium-hydroxide").values()) - sum(
        by_hand(raw, "brine-lithium-hydroxide").values()
    )
    change = sum(by_hand(raw, pack.id).values()) - sum(by_hand(raw, pack.id, swapped).values())
    assert change == per_pack_kg * cheaper
    assert value(raw["factors"]["spodumene-lithium"]["intensity"]) == 9


def test_the_document_tells_how_much_of_each_pack_rests_on_published_figures() -> None:
    document = (DATA_FILE.parents[4] / "docs" / "demo.md").read_text("utf-8")
    told = re.search(r"(\d+) % of the NMC811 pack.s emissions and (\d+) % of the LFP pack", document)
    assert told is not None
    raw = raw_chain()
    assert [round(published_share(raw, pack) * 100) for pack in ("nmc811-pack", "lfp-pack")] == [
        int(percent) for percent in told.groups()
    ]


def test_the_document_tells_what_metering_alone_would_make_of_the_primary_data_share() -> None:
    document = (DATA_FILE.parents[4] / "docs" / "demo.md").read_text("utf-8")
    told = re.search(r"(\d\.\d) % for the NMC811 pack and (\d\.\d) % for the LFP pack", document)
    assert told is not None
    raw = raw_chain()
    shares = [metered_share(raw, pack) * 100 for pack in ("nmc811-pack", "lfp-pack")]
    assert [fixed_text(share, 1) for share in shares] == list(told.groups())
