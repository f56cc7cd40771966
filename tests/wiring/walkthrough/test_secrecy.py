"""The search for what a company must not know: it knows the words, and it would find them."""

import base64
from pathlib import Path

import pytest

from ashiato.wiring.walkthrough.battery_chain import battery_chain
from ashiato.wiring.walkthrough.scene import Scene, set_scene
from ashiato.wiring.walkthrough.secrecy import canaries, finds, near, signed_payloads


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """The companies, not started, with the identities that they could have."""
    made = set_scene(tmp_path)
    for slug, company in made.chain.items():
        company.participant_id = f"did:web:{slug}.example"
    return made


@pytest.mark.parametrize(
    ("slug", "partners"),
    [
        ("nickel", {"cathode"}),
        ("brine", {"cathode"}),
        ("cathode", {"nickel", "lithium", "brine", "cells"}),
        ("cells", {"cathode", "graphite", "packs"}),
        ("packs", {"cells", "vehicles"}),
        ("vehicles", {"packs"}),
    ],
)
def test_a_company_deals_with_its_own_suppliers_and_customers(slug: str, partners: set[str]) -> None:
    assert near(battery_chain(), slug) == partners


def test_the_words_are_those_of_others_and_none_of_ones_own(scene: Scene) -> None:
    chain = battery_chain()
    words = canaries(scene, chain, "packs")
    assert {"did:web:nickel.example", "did:web:cathode.example", "nmc811-cathode", "nickel-sulphate"} <= words
    # What the cell maker takes of powder and of copper is in no document that the pack maker gets.
    assert {"0.358435", "0.1573"} <= words
    assert not {"did:web:cells.example", "did:web:packs.example", "nmc811-cell", "nmc811-pack"} & words
    assert not {line.amount.value for line in chain.product("nmc811-pack").lines} & words


def test_a_word_is_found_wherever_it_stands(scene: Scene) -> None:
    words = canaries(scene, battery_chain(), "vehicles")
    assert finds(words, [b"nothing", b"\x00\x01did:web:brine.example\xff", b"kg: 0.1573"]) == [
        "0.1573",
        "did:web:brine.example",
    ]
    assert finds(words, [b"did:web:packs.example nmc811-pack", b"10.1573 and 0.15731"]) == []


def test_a_word_is_found_in_what_is_signed_also_where_the_text_breaks_off(scene: Scene) -> None:
    words = canaries(scene, battery_chain(), "vehicles")
    said = base64.urlsafe_b64encode(b'{"supplier":"did:web:brine.example","kg":"1"}').rstrip(b"=")
    for signed in (b"eyJhbGciOiJFUzI1NiJ9." + said + b".c2ln", b"eyJhbGciOiJFUzI1NiJ9." + said[:-3]):
        text = b"\x00\x01" + signed + b"\xff"
        assert finds(words, [text]) == []
        assert finds(words, signed_payloads(text)) == ["did:web:brine.example"]
