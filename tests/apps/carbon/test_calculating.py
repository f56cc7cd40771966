"""The calculation of the app over the demonstration chain, tier by tier in memory, held against the flat sum by hand."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from ashiato.apps.carbon.calculating import (
    REFUSALS,
    Attested,
    Calculation,
    MissingDeclaration,
    NotCommitted,
    Received,
    calculate,
    open_line_of,
    suppliers_of,
)
from ashiato.apps.carbon.commitments import Commitment, KeptLines, opens
from ashiato.apps.carbon.inventory_documents import MalformedInventory
from ashiato.statements.signed_words import WordStanding
from ashiato.wiring.walkthrough.battery_chain import Chain, battery_chain
from ashiato.wiring.walkthrough.inventories import DAY_MS, inventory
from tests.chain_by_hand import STAGES, by_hand, delivered_per_kwh, raw_chain

VALID_FROM_MS = 1_790_000_000_000
PROGRAM = "carbon 1 sha256:" + "ab" * 32
PACKS = ("nmc811-pack", "lfp-pack")

Json = dict[str, Any]


def did(slug: str) -> str:
    return f"did:web:{slug}.example"


@dataclass
class Tiers:
    """The companies of the chain without a network: each has what its suppliers declared, and nothing else."""

    chain: Chain
    received: dict[str, list[Received]] = field(default_factory=dict)
    made: dict[str, Calculation] = field(default_factory=dict)

    def inventory(self, product_id: str, version: int = 1, swapped: Mapping[str, str] | None = None) -> bytes:
        suppliers = {company.slug: did(company.slug) for company in self.chain.companies}
        product = self.chain.product(product_id)
        return inventory(self.chain, product, suppliers, VALID_FROM_MS + version * DAY_MS, version, swapped)

    def compute(self, product_id: str, content: bytes) -> Calculation:
        slug = self.chain.product(product_id).company
        made = calculate(content, self.received.get(slug, []), did(slug), PROGRAM)
        self.made[product_id] = made
        return made

    def hand_on(self, product_id: str) -> None:
        """The declaration goes to everybody who could buy the product."""
        maker = self.chain.product(product_id).company
        content = self.made[product_id].declaration
        for customer in self.chain.companies:
            kept = self.received.setdefault(customer.slug, [])
            kept.append(Received(did(maker), len(kept), sha256(content).hexdigest(), content))


def all_tiers(chain: Chain, version: int = 1, swapped: Mapping[str, str] | None = None) -> Tiers:
    """Products stand lowest first in the data."""
    tiers = Tiers(chain)
    for product in chain.products:
        tiers.compute(product.id, tiers.inventory(product.id, version, swapped))
        tiers.hand_on(product.id)
    return tiers


@pytest.fixture(scope="module")
def tiers() -> Tiers:
    return all_tiers(battery_chain())


def declaration(tiers: Tiers, product_id: str) -> Json:
    document: Json = json.loads(tiers.made[product_id].declaration)
    return document


@pytest.mark.parametrize("product_id", [product.id for product in battery_chain().products])
def test_tier_by_tier_is_the_flat_sum_within_the_declared_bound(tiers: Tiers, product_id: str) -> None:
    declared = declaration(tiers, product_id)
    stages = {
        stage: sum((Fraction(kg) for kg in declared["emissionsKg"].get(stage, {}).values()), Fraction(0))
        for stage in STAGES
    }
    by_flat_sum = by_hand(raw_chain(), product_id)
    bound_kg = Fraction(declared["rounding"]["boundKg"])
    distances_kg = [abs(stages[stage] - by_flat_sum[stage]) for stage in STAGES]
    assert sum(distances_kg) <= bound_kg
    assert bound_kg < Fraction(4, 100) * sum(abs(kg) for kg in by_flat_sum.values())


@pytest.mark.parametrize("pack_id", PACKS)
def test_a_pack_is_told_per_kwh_delivered_and_per_kwh_of_capacity(tiers: Tiers, pack_id: str) -> None:
    battery = tiers.made[pack_id].battery
    assert battery is not None
    told = json.loads(battery)
    assert told["serviceLife"]["deliveredKwh"] == "45600"
    by_flat_sum = sum(delivered_per_kwh(raw_chain(), pack_id).values())
    delivered = Fraction(told["perKwhDelivered"]["totalKgCo2e"])
    assert abs(delivered / by_flat_sum - 1) < Fraction(1, 100)
    capacity = Fraction(told["perKwhOfRatedCapacity"]["totalKgCo2e"])
    assert abs(capacity / 456 / delivered - 1) < Fraction(1, 100)


def test_the_same_documents_give_the_same_bytes(tiers: Tiers) -> None:
    again = all_tiers(battery_chain())
    for product_id, made in tiers.made.items():
        assert again.made[product_id] == made


def test_the_record_names_program_ruleset_and_every_input_by_hash(tiers: Tiers) -> None:
    record = json.loads(tiers.made["nmc811-cathode"].record)
    assert (record["program"], record["ruleset"]["id"]) == (PROGRAM, "CFB-EV-2023JRC")
    inputs = record["inputs"]
    assert inputs["carbon-inventory-nmc811-cathode"] == sha256(tiers.inventory("nmc811-cathode")).hexdigest()
    for part in ("nickel-sulphate", "cobalt-sulphate", "lithium-hydroxide"):
        supplier = did(tiers.chain.product(part).company)
        expected = sha256(tiers.made[part].declaration).hexdigest()
        assert inputs[f"carbon-footprint-{part} {supplier}"] == expected
    assert len(inputs) == 4


def test_nothing_that_a_customer_gets_names_what_stands_behind_it(tiers: Tiers) -> None:
    chain = tiers.chain
    for product in chain.products:
        made = tiers.made[product.id]
        shown = (made.declaration + (made.battery or b"")).decode()
        names = {part.product for part in product.parts} | {line.key for line in product.lines}
        values = [part.amount.value for part in product.parts] + [line.amount.value for line in product.lines]
        amounts = {value for value in values if len(value) > 4}
        others = {did(company.slug) for company in chain.companies if company.slug != product.company}
        # Words of the format, of the table of A (named whole), and of the product's own name, give nothing away.
        names = {
            name
            for name in names - {"carbon", "electricity", "treatment", "plastics"}
            if name not in product.id
        }
        assert [word for word in names | amounts | others if word in shown] == []


def test_a_swap_moves_the_pack_by_quantity_times_difference_within_both_bounds() -> None:
    chain = battery_chain()
    swapped = chain.swap.products
    tiers = all_tiers(chain)
    before = declaration(tiers, "nmc811-pack")
    for product_id in ("nmc811-cathode", "nmc811-cell", "nmc811-pack"):
        tiers.compute(product_id, tiers.inventory(product_id, 2, swapped))
        tiers.hand_on(product_id)
    after = declaration(tiers, "nmc811-pack")
    assert (after["id"], after["supersedes"]) == ("nmc811-pack/2", before["id"])
    assert after["staleInputs"] == 0
    raw = raw_chain()
    expected = sum(by_hand(raw, "nmc811-pack").values()) - sum(by_hand(raw, "nmc811-pack", swapped).values())
    moved = Fraction(before["totalKg"]) - Fraction(after["totalKg"])
    bound = sum(Fraction(one["rounding"]["boundKg"]) for one in (before, after))
    assert abs(moved - expected) <= bound
    assert moved > 0


def refused(tiers: Tiers, product_id: str, content: bytes) -> Exception:
    with pytest.raises(REFUSALS) as told:
        tiers.compute(product_id, content)
    error: Exception = told.value
    assert str(error)
    return error


def changed(content: bytes, **changes: Any) -> bytes:
    return json.dumps({**json.loads(content), **changes}).encode()


def test_a_declaration_counts_only_from_its_supplier_about_what_was_bought() -> None:
    chain = battery_chain()
    tiers = all_tiers(chain)
    content = tiers.inventory("nmc811-cathode")
    nickel = tiers.made["nickel-sulphate"].declaration
    kept = [one for one in tiers.received["cathode"] if one.content != nickel]
    forged = nickel.replace(did("nickel").encode(), did("trader").encode())
    for partner, foreign in (("trader", nickel), ("nickel", forged), ("trader", forged), ("nickel", b"{}")):
        tiers.received["cathode"] = [*kept, Received(did(partner), 0, sha256(foreign).hexdigest(), foreign)]
        error = refused(tiers, "nmc811-cathode", content)
        assert isinstance(error, MissingDeclaration)
        assert (error.part, error.supplier) == ("nickel-sulphate", did("nickel"))


def test_the_newest_version_counts_in_whatever_order_they_came() -> None:
    chain = battery_chain()
    tiers = all_tiers(chain)
    first = tiers.made["lithium-hydroxide"].declaration
    tiers.compute("lithium-hydroxide", tiers.inventory("lithium-hydroxide", 2))
    second = tiers.made["lithium-hydroxide"].declaration
    others = [one for one in tiers.received["cathode"] if one.content != first]
    for order in ((first, second), (second, first)):
        came = [Received(did("lithium"), n, sha256(one).hexdigest(), one) for n, one in enumerate(order)]
        tiers.received["cathode"] = [*others, *came]
        made = tiers.compute("nmc811-cathode", tiers.inventory("nmc811-cathode", 2))
        assert sha256(second).hexdigest() in made.record.decode()
        assert sha256(first).hexdigest() not in made.record.decode()


def test_what_rests_on_an_expired_declaration_says_so() -> None:
    chain = battery_chain()
    tiers = all_tiers(chain)
    late = json.loads(tiers.inventory("nmc811-cathode"))
    late["issue"]["validFromMs"] += 400 * DAY_MS
    late["issue"]["validUntilMs"] += 400 * DAY_MS
    tiers.compute("nmc811-cathode", json.dumps(late).encode())
    assert declaration(tiers, "nmc811-cathode")["staleInputs"] == 3


def test_a_document_that_is_no_inventory_is_refused(tiers: Tiers) -> None:
    content = tiers.inventory("graphite")
    document = json.loads(content)
    line = document["lines"][0]
    for bad in (
        b"",
        b'{"type": "CarbonInventory"}',
        changed(content, surprise=1),
        changed(content, version=2),
        changed(content, ruleset="CFB-EV-1999"),
        changed(content, output={"value": "0", "unit": "kg"}),
        changed(content, declared={"value": "NaN", "unit": "kg"}),
        changed(content, declared={"value": "1e30", "unit": "kg"}),
        changed(content, declared={"value": "1", "unit": "bushel"}),
        changed(content, lines=[{**line, "quality": ["0", "3", "2"]}]),
        changed(content, lines=[{**line, "amount": {"value": "1.5", "unit": ""}}]),
        changed(content, lines=[{**line, "type": "guess"}]),
    ):
        assert isinstance(refused(tiers, "graphite", bad), MalformedInventory)


def test_faults_behind_the_form_are_refused_with_their_place(tiers: Tiers) -> None:
    content = tiers.inventory("graphite")
    line = json.loads(content)["lines"][0]
    negative = changed(content, lines=[{**line, "amount": {"value": "-1", "unit": "kg"}}])
    assert "synthetic" in str(refused(tiers, "graphite", negative))
    twice = changed(content, lines=[line, line])
    assert "synthetic" in str(refused(tiers, "graphite", twice))
    other_unit = changed(content, lines=[{**line, "amount": {"value": "1", "unit": "kWh"}}])
    refused(tiers, "graphite", other_unit)
    short = json.loads(content)
    short["issue"]["validUntilMs"] = short["issue"]["validFromMs"] + DAY_MS
    assert "90 days" in str(refused(tiers, "graphite", json.dumps(short).encode()))


def test_a_committed_inventory_can_be_opened_line_by_line() -> None:
    chain = battery_chain()
    tiers = all_tiers(chain)
    content = changed(tiers.inventory("nmc811-cathode"), commitmentSecret="5e" * 32)
    made = tiers.compute("nmc811-cathode", content)
    told = json.loads(made.declaration)["inventory"]
    product = chain.product("nmc811-cathode")
    assert told["linesCount"] == len(product.lines) + len(product.parts)
    commitment = Commitment(told["root"], told["linesCount"])
    openings = [
        open_line_of(content, tiers.received["cathode"], index) for index in range(told["linesCount"])
    ]
    assert all(opens(opening, commitment) for opening in openings)
    # Lines stand first: the second is the soda, and the first part is the nickel sulphate with the hash of its declaration.
    assert json.loads(openings[1].line)["key"] == "soda"
    nickel = json.loads(openings[len(product.lines)].line)
    assert nickel["declaration_sha256"] == sha256(tiers.made["nickel-sulphate"].declaration).hexdigest()
    cheaper = msgspec.structs.replace(openings[1], line=openings[1].line.replace("0.8", "0.7"))
    assert not opens(cheaper, commitment)
    other = changed(tiers.inventory("nmc811-cathode"), commitmentSecret="5f" * 32)
    assert json.loads(tiers.compute("nmc811-cathode", other).declaration)["inventory"]["root"] != told["root"]
    with pytest.raises(NotCommitted):
        open_line_of(tiers.inventory("nmc811-cathode"), tiers.received["cathode"], 0)
    assert isinstance(
        refused(tiers, "nmc811-cathode", changed(content, commitmentSecret="5e")), MalformedInventory
    )


def test_the_companys_own_view_names_what_rests_on_secondary_data(tiers: Tiers) -> None:
    told = json.loads(tiers.made["nmc811-pack"].contributions)
    assert told["secondaryShare"] == "1.000000"
    assert (told["lines"][0]["key"], told["lines"][0]["own"]) == ("nmc811-cell", False)
    assert told["gaps"][0]["key"] == "nmc811-cell"
    assert sum(Fraction(gap["share"]) for gap in told["gaps"]) == pytest.approx(1, abs=1e-4)


def test_the_suppliers_of_inventories_are_those_that_can_be_read(tiers: Tiers) -> None:
    named = suppliers_of([tiers.inventory("nmc811-cathode"), tiers.inventory("lfp-cathode"), b"{}"])
    assert named == {did("nickel"), did("lithium")}


def pack_with(tiers: Tiers, **changes: Any) -> Calculation:
    """The pack anew, with something else known of what the cell maker declared."""
    received = [one._replace(**changes) for one in tiers.received["packs"]]
    return calculate(tiers.inventory("nmc811-pack"), received, did("packs"), PROGRAM)


def test_what_does_not_hold_any_more_is_computed_with_and_marked(tiers: Tiers) -> None:
    for standing in (WordStanding.WITHDRAWN, WordStanding.SUPERSEDED, WordStanding.RESTS_ON_STALE):
        document = json.loads(pack_with(tiers, standing=standing).declaration)
        assert (document["staleInputs"], document["totalKg"]) == (
            1,
            declaration(tiers, "nmc811-pack")["totalKg"],
        )
    assert declaration(tiers, "nmc811-pack")["staleInputs"] == 0


def test_a_verifiers_statement_counts_as_verified_share_while_it_is_valid_and_stands_among_the_inputs(
    tiers: Tiers,
) -> None:
    judged_ms = VALID_FROM_MS + DAY_MS
    attested = Attested("did:web:verifier.example", "third_party", 1, 0, "ee" * 32)
    plain = declaration(tiers, "nmc811-pack")["verification"]["thirdParty"]
    made = pack_with(tiers, attested=(attested,))
    share = Fraction(json.loads(made.declaration)["verification"]["thirdParty"])
    assert Fraction(plain) == 0 < share < 1
    named = f"carbon-verification-nmc811-cell {did('cells')} did:web:verifier.example"
    assert json.loads(made.record)["inputs"][named] == "ee" * 32
    expired = pack_with(tiers, attested=(attested._replace(valid_until_ms=judged_ms),))
    assert expired == pack_with(tiers)
    assert pack_with(tiers, attested=(attested._replace(valid_until_ms=judged_ms + 1),)) == made


def test_a_calculation_says_what_it_rests_on_and_keeps_its_lines_to_be_opened(tiers: Tiers) -> None:
    made = tiers.made["nmc811-pack"]
    cell = tiers.made["nmc811-cell"].declaration
    assert made.rests_on == ((did("cells"), sha256(cell).hexdigest()),)
    assert made.lines is None
    document = json.loads(tiers.inventory("nmc811-pack"))
    content = json.dumps({**document, "commitmentSecret": "5a" * 32}).encode()
    made = calculate(content, tiers.received["packs"], did("packs"), PROGRAM)
    assert made.lines is not None
    kept = msgspec.json.decode(made.lines, type=KeptLines)
    assert kept.declaration_sha256 == sha256(made.declaration).hexdigest()
    committed = msgspec.convert(json.loads(made.declaration)["inventory"], Commitment)
    assert len(kept.lines) == committed.lines_count
    assert all(opens(kept.open(index), committed) for index in range(committed.lines_count))
    assert not opens(msgspec.structs.replace(kept, secret="00" * 32).open(0), committed)
