from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.apps.carbon.factors import licences
from ashiato.apps.carbon.factors.gwp import EF_3_1, Gas, Origin
from ashiato.apps.carbon.factors.licences import Act, Licence, Person, may, narrowest
from ashiato.apps.carbon.factors.model import EmissionFactor, FactorSource, GasAmount, Ownership
from ashiato.apps.carbon.factors.showing import exported, shown, shown_line
from ashiato.facts.quantities import parse_quantity

NOW_MS = 1_795_000_000_000
BOUGHT = Licence("db-3.12", holders=("did:web:cell.example",), seats=("mori",))
MORI = Person("did:web:cell.example", "mori")
SATO = Person("did:web:cell.example", "sato")
STRANGER = Person("did:web:pack.example", "mori")

# The figures that must never be seen; each is looked for in every form in which a number could leave.
CANARY_KG = "7.731984"
CANARY_FORMS = ("7.731984", "7731984", "966498/125000", "483249/62500", "62500")


def licensed(licence: Licence = BOUGHT) -> EmissionFactor:
    return EmissionFactor(
        id="db-3.12/graphite",
        name="Synthetic graphite, battery grade",
        reference=parse_quantity("1", "kg"),
        ownership=Ownership.BOUGHT,
        source=FactorSource("A licensed database", "3.12", 2025),
        licence=licence,
        gwp_set_id="EF-3.1",
        gases=(GasAmount(Gas.CO2, Origin.FOSSIL, Fraction(CANARY_KG)),),
        comment=f"calculated as {CANARY_KG}",
    )


@pytest.mark.parametrize(
    ("act", "person", "permitted"),
    [
        (Act.USE, SATO, True),
        (Act.SEE, SATO, False),
        (Act.SEE, MORI, True),
        (Act.EXPORT, MORI, False),
        (Act.USE, STRANGER, False),
        (Act.SEE, STRANGER, False),
        (Act.EXPORT, STRANGER, False),
    ],
)
def test_a_licence_gives_use_to_its_holder_sight_to_its_seats_and_export_to_nobody_unless_it_says_so(
    act: Act, person: Person, permitted: bool
) -> None:
    assert may(act, BOUGHT, person, NOW_MS).permitted is permitted


def test_an_empty_licence_allows_nothing_to_anybody() -> None:
    assert not any(may(act, Licence("empty"), MORI, NOW_MS).permitted for act in Act)


def test_export_needs_the_right_to_see() -> None:
    wide = msgspec.structs.replace(BOUGHT, may_export=True)
    assert may(Act.EXPORT, wide, MORI, NOW_MS).permitted
    assert not may(Act.EXPORT, wide, SATO, NOW_MS).permitted


def test_an_ended_licence_allows_nothing_even_if_it_was_open_to_all() -> None:
    ended = Licence("public", open_to_all=True, expires_ms=NOW_MS)
    assert may(Act.EXPORT, ended, STRANGER, NOW_MS - 1).permitted
    assert not any(may(act, ended, STRANGER, NOW_MS).permitted for act in Act)


def test_the_reason_of_a_refusal_reads_in_both_languages() -> None:
    (reason,) = may(Act.SEE, BOUGHT, SATO, NOW_MS).reasons
    assert reason.text_in(licences.ENGLISH) == "sato has no seat of the licence db-3.12"
    assert reason.text_in(licences.JAPANESE) == "sato にはライセンス db-3.12 の閲覧権がありません"
    assert licences.ENGLISH.keys() == licences.JAPANESE.keys()


def test_what_is_made_of_several_parts_needs_every_licence() -> None:
    open_licence = Licence("public", open_to_all=True)
    assert narrowest([open_licence, BOUGHT], Act.SEE, MORI, NOW_MS).permitted
    assert not narrowest([open_licence, BOUGHT], Act.SEE, STRANGER, NOW_MS).permitted


@pytest.mark.parametrize("person", [SATO, STRANGER])
def test_the_canary_is_in_nothing_that_a_person_without_the_right_gets(person: Person) -> None:
    factor = licensed()
    seen = [
        msgspec.json.encode(shown(factor, person, NOW_MS)),
        msgspec.json.encode(exported([factor], person, NOW_MS)),
        # 2 kg times the canary would tell it as well.
        msgspec.json.encode(
            shown_line(factor, "2 kg", factor.kgco2e_for(parse_quantity("2", "kg"), EF_3_1), person, NOW_MS)
        ),
        repr(factor).encode(),
        str(factor).encode(),
    ]
    for form in (*CANARY_FORMS, "15.463968"):
        assert not [text for text in seen if form.encode() in text]


def test_the_canary_is_seen_by_who_has_the_right_so_the_search_can_find_it() -> None:
    view = msgspec.json.encode(shown(licensed(), MORI, NOW_MS))
    assert CANARY_KG.encode() in view
    wide = msgspec.structs.replace(BOUGHT, may_export=True)
    assert CANARY_KG.encode() in msgspec.json.encode(exported([licensed(wide)], MORI, NOW_MS))


def test_an_export_names_what_stayed_behind_and_why() -> None:
    result = exported([licensed()], MORI, NOW_MS)
    assert result.factors == ()
    assert [(left.factor_id, left.reasons[0].code) for left in result.withheld] == [
        ("db-3.12/graphite", "licence_no_export")
    ]


@settings(max_examples=200)
@given(
    licence=st.builds(
        Licence,
        id=st.just("l"),
        open_to_all=st.booleans(),
        holders=st.lists(st.sampled_from(["a", "b"])).map(tuple),
        seats=st.lists(st.sampled_from(["p", "q"])).map(tuple),
        everybody=st.booleans(),
        may_export=st.booleans(),
        expires_ms=st.none() | st.integers(NOW_MS - 1, NOW_MS + 1),
    ),
    person=st.builds(Person, st.sampled_from(["a", "b"]), st.sampled_from(["p", "q"])),
)
def test_who_may_export_may_see_and_who_may_see_may_use(licence: Licence, person: Person) -> None:
    use, see, export = (may(act, licence, person, NOW_MS).permitted for act in (Act.USE, Act.SEE, Act.EXPORT))
    assert use >= see >= export
    assert bool(shown(licensed(licence), person, NOW_MS).kgco2e) == see
