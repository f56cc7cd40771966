"""How each kind of left operand is compared, by tables that are written by hand."""

import pytest

from ashiato.facts.instants import parse_datetime
from ashiato.policy.builder import compare
from ashiato.policy.evaluation import Checkpoint, Side, decide
from ashiato.policy.odrl import parse_policy
from ashiato.policy.purposes import with_wider as wider_purposes
from ashiato.policy.regions import REGION_OF
from ashiato.policy.regions import with_wider as wider_places
from tests.policy.asking import NOW_MS, asked, permission, permits
from tests.policy.drawing import Document


def outcome(constraint: Document, **request: object) -> bool | None:
    """What the one constraint of a permission comes to."""
    decision = decide(parse_policy(permission(constraint)), asked(**request))  # type: ignore[arg-type]  # by name
    return decision.reasons[0].children[0].satisfied


@pytest.mark.parametrize(
    ("operator", "right", "now", "expected"),
    [
        ("lteq", "2026-11-24Z", "2026-11-24T23:59:59.999Z", True),
        ("lteq", "2026-11-24Z", "2026-11-25T00:00:00Z", False),
        ("lt", "2026-11-24Z", "2026-11-23T23:59:59.999Z", True),
        ("lt", "2026-11-24Z", "2026-11-24T00:00:00Z", False),
        ("gteq", "2026-11-24Z", "2026-11-24T00:00:00Z", True),
        ("gt", "2026-11-24Z", "2026-11-24T23:59:59.999Z", False),
        ("gt", "2026-11-24Z", "2026-11-25T00:00:00Z", True),
        ("eq", "2026-11-24Z", "2026-11-24T12:00:00Z", True),
        ("eq", "2026-11-24Z", "2026-11-25T12:00:00Z", False),
        ("neq", "2026-11-24Z", "2026-11-24T12:00:00Z", False),
        ("neq", "2026-11-24Z", "2026-11-23T12:00:00Z", True),
        # In Japan the day begins nine hours earlier.
        ("gteq", "2026-11-24+09:00", "2026-11-23T15:00:00Z", True),
        ("gteq", "2026-11-24+09:00", "2026-11-23T14:59:59.999Z", False),
        # Without a zone: certain only where all zones agree.
        ("lteq", "2026-11-24", "2026-11-24T09:59:59.999Z", True),
        ("lteq", "2026-11-24", "2026-11-24T10:00:00Z", None),
        ("lteq", "2026-11-24", "2026-11-25T13:59:59.999Z", None),
        ("lteq", "2026-11-24", "2026-11-25T14:00:00Z", False),
        ("lt", "2026-11-24T12:00:00", "2026-11-23T21:59:59.999Z", True),
        ("lt", "2026-11-24T12:00:00", "2026-11-23T22:00:00Z", None),
        ("lt", "2026-11-24T12:00:00", "2026-11-25T02:00:00Z", False),
        ("eq", "2026-11-24", "2026-11-24T00:00:00Z", None),
        ("eq", "2026-11-24", "2026-11-26T00:00:00Z", False),
        ("neq", "2026-11-24", "2026-11-26T00:00:00Z", True),
        ("neq", "2026-11-24", "2026-11-24T00:00:00Z", None),
    ],
)
def test_a_day_and_a_missing_zone_are_taken_for_what_they_are(
    operator: str, right: str, now: str, expected: bool | None
) -> None:
    assert outcome(compare("dateTime", operator, right), now_ms=parse_datetime(now)) is expected


@pytest.mark.parametrize(
    ("operator", "right", "held", "expected"),
    [
        ("eq", "trust", ["base"], False),
        ("eq", "trust", ["base", "trust"], True),
        ("eq", "trust", ["trust+"], True),
        ("neq", "trust", ["trust+"], False),
        ("neq", "trust", ["base"], True),
        ("isAnyOf", ["trust", "trust+"], ["trust"], True),
        ("isAnyOf", [], ["trust+"], False),
        ("isNoneOf", ["trust"], ["base"], True),
        ("gteq", "idsc:TRUST_SECURITY_PROFILE", ["trust"], True),
        ("gt", "trust", ["trust"], False),
        ("gt", "trust", ["trust+"], True),
        ("lteq", "base", ["base"], True),
        ("lt", "trust", ["trust"], False),
        ("lt", "base", [], True),
        ("gteq", "base", ["platinum"], False),
        ("eq", "platinum", ["trust+"], None),
        ("gteq", ["base", "trust"], ["trust+"], None),
        ("isAllOf", ["base"], ["base"], None),
    ],
)
def test_security_levels_are_ordered_and_a_level_means_at_least(
    operator: str, right: str | list[str], held: list[str], expected: bool | None
) -> None:
    constraint = compare("security_profile", operator, right)
    assert outcome(constraint, claims={"security_profile": held}) is expected


@pytest.mark.parametrize(
    ("operator", "right", "places", "permitted", "barred"),
    [
        ("isAnyOf", ["JP"], ["JP"], True, True),
        ("isAnyOf", ["JP"], ["JP-13"], True, True),
        ("isAnyOf", ["JP-13"], ["JP"], False, False),
        ("isAnyOf", ["cx.region.asia:1"], ["JP"], True, True),
        ("isAnyOf", ["cx.region.all:1"], ["AQ"], True, True),
        ("isPartOf", ["cx.region.europe:1", "JP"], ["DE"], True, True),
        ("eq", "http://ontologi.es/place/DE", ["DE"], True, True),
        ("isAnyOf", ["JP"], ["JP", "US"], False, True),
        ("isNoneOf", ["US"], ["JP", "US"], False, True),
        ("isNoneOf", ["US"], ["JP"], True, True),
        ("neq", "US", ["US"], False, False),
        ("isAllOf", ["JP", "US"], ["US-CA", "JP"], True, True),
        ("isAnyOf", ["JP"], [], False, False),
        ("isNoneOf", ["US"], [], True, True),
        ("isAnyOf", ["Atlantis"], ["Atlantis"], True, True),
        ("isAnyOf", ["cx.region.all:1"], ["Atlantis"], False, False),
    ],
)
def test_of_several_places_a_permission_fits_each_and_a_prohibition_any(
    operator: str, right: str | list[str], places: list[str], permitted: bool, barred: bool
) -> None:
    constraint = compare("location", operator, right)
    request = asked(claims={"location": places})
    assert permits(permission(constraint), request) is permitted
    document: Document = {
        "permission": [{"action": "use"}],
        "prohibition": [{"action": "use", "constraint": [constraint]}],
    }
    assert permits(document, request) is not barred


def test_every_country_lies_in_one_region() -> None:
    assert len(REGION_OF) == 249
    assert all(len(country) == 2 and country.isupper() for country in REGION_OF)
    assert len(set(REGION_OF.values())) == 7
    assert wider_places("JP-13", NOW_MS) == {"JP-13", "JP", "cx.region.asia:1", "cx.region.all:1"}
    assert wider_places("cx.region.asia:1", NOW_MS) == {"cx.region.asia:1", "cx.region.all:1"}
    assert wider_places("BR", NOW_MS) >= {"cx.region.southAmerica:1"}
    assert wider_places("Lyonesse", NOW_MS) == {"Lyonesse"}


MEMBERS_OF_2026 = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()
ANY_REGION = permission(compare("location", "isPartOf", ["EU", "JP"]))


def test_the_union_has_27_states_in_2026_and_the_area_three_more() -> None:
    at_ms = parse_datetime("2026-11-24T00:00:00Z")
    in_union = {country for country in REGION_OF if "EU" in wider_places(country, at_ms)}
    in_area = {country for country in REGION_OF if "EEA" in wider_places(country, at_ms)}
    # Territories that belong to it have codes of their own (Articles 349 and 355 TFEU).
    assert in_union == {*MEMBERS_OF_2026, "AX", "GF", "GP", "MF", "MQ", "RE", "YT"}
    assert in_area - in_union == {"IS", "LI", "NO"}
    assert in_union <= in_area


@pytest.mark.parametrize(
    ("country", "union", "at", "belongs"),
    [
        ("GB", "EU", "2020-01-31T22:59:59Z", True),
        ("GB", "EU", "2020-02-01T00:00:00Z", False),
        ("GB", "EEA", "2020-02-01T00:00:00Z", False),
        ("HR", "EU", "2013-06-30T23:59:59Z", False),
        ("HR", "EU", "2013-07-01T00:00:00Z", True),
        ("HR", "EEA", "2014-04-11T23:59:59Z", False),
        ("HR", "EEA", "2014-04-12T00:00:00Z", True),
        ("PL", "EU", "2004-04-30T23:59:59Z", False),
        ("PL", "EEA", "2004-05-01T00:00:00Z", True),
        ("AT", "EU", "1994-06-01T00:00:00Z", False),
        ("AT", "EEA", "1994-06-01T00:00:00Z", True),
        ("GL", "EU", "1984-06-01T00:00:00Z", True),
        ("GL", "EU", "1990-06-01T00:00:00Z", False),
        ("CH", "EEA", "2026-01-01T00:00:00Z", False),
    ],
)
def test_who_belongs_to_a_union_depends_on_the_day(country: str, union: str, at: str, belongs: bool) -> None:
    assert (union in wider_places(country, parse_datetime(at))) is belongs


@pytest.mark.parametrize(
    ("places", "permitted"),
    [(["DE"], True), (["DE-BY"], True), (["DE", "FR"], True), (["NO"], False), (["DE", "US"], False),
     (["JP-13"], True), (["EU"], True), ([], False)],
)  # fmt: skip
def test_a_region_of_several_countries_is_met_by_each_of_them(places: list[str], permitted: bool) -> None:
    assert permits(ANY_REGION, asked(claims={"location": places})) is permitted


def test_a_prohibition_for_the_union_reaches_its_countries() -> None:
    document: Document = {
        "permission": [{"action": "use"}],
        "prohibition": [{"action": "use", "constraint": [compare("location", "eq", "EU")]}],
    }
    assert not permits(document, asked(claims={"location": ["FR"]}))
    assert permits(document, asked(claims={"location": ["CH"]}))


def test_a_purpose_lies_under_its_families_and_under_no_other() -> None:
    assert wider_purposes("cx.bpdm.vas.bdv.upload:1") == {
        "cx.bpdm.vas.bdv.upload:1", "cx.bpdm.vas.bdv.upload", "cx.bpdm.vas.bdv", "cx.bpdm.vas", "cx.bpdm",
    }  # fmt: skip
    assert "cx.bpdm.pool" not in wider_purposes("cx.bpdm.poolAll:1")
    assert wider_purposes("cx") == {"cx"}
    assert wider_purposes("cx.a..b") == {"cx.a..b"}
    assert wider_purposes("research.battery") == {"research.battery"}


@pytest.mark.parametrize(
    ("operator", "right", "stated", "expected"),
    [
        ("isAnyOf", ["cx.circular"], ["cx.circular.dpp:1"], True),
        ("isAnyOf", ["cx.circular.dpp:1"], ["cx.circular"], False),
        ("eq", "research", ["research"], True),
        ("isAnyOf", ["research"], ["research", "marketing"], False),
        ("isNoneOf", ["cx.circular"], ["cx.circular.smc:1"], False),
        ("isAnyOf", ["research"], [], False),
    ],
)
def test_a_purpose_is_judged_wherever_it_is_stated(
    operator: str, right: str | list[str], stated: list[str], expected: bool
) -> None:
    for side in Side:
        assert outcome(compare("purpose", operator, right), facts={"purpose": stated}, side=side) is expected


def test_an_attested_fact_that_is_missing_is_left_to_the_partner_and_denies_at_the_partner() -> None:
    constraint = compare("state", "eq", "sealed")
    provider = decide(parse_policy(permission(constraint)), asked())
    assert (provider.permitted, provider.reasons[0].children[0].code) == (True, "left_to_partner")
    vault = decide(parse_policy(permission(constraint)), asked(side=Side.CONSUMER))
    assert (vault.permitted, vault.reasons[0].children[0].code) == (False, "fact_unknown")
    prohibited: Document = {
        "permission": [{"action": "use"}],
        "prohibition": [{"action": "use", "constraint": [constraint]}],
    }
    assert permits(prohibited, asked())
    assert not permits(prohibited, asked(side=Side.CONSUMER))


def test_an_enforced_fact_is_asked_when_data_is_handed_over_and_then_denies_while_it_is_missing() -> None:
    policy = parse_policy(permission(compare("event", "eq", "fair")))
    for checkpoint in Checkpoint:
        early = checkpoint in (Checkpoint.CATALOG, Checkpoint.NEGOTIATION)
        assert decide(policy, asked(checkpoint)).permitted is early
    assert not decide(policy, asked(Checkpoint.CATALOG, facts={"event": []})).permitted


def test_a_promise_restricts_nothing_on_either_side_and_in_either_rule() -> None:
    promise = compare("UsageRestriction", "isAllOf", ["cx.thirdParty.forbidden:1"])
    document: Document = {
        "permission": [{"action": "use", "constraint": [compare("Liability", "eq", "cx.grossNegligence:1")]}],
        "prohibition": [{"action": "use", "constraint": [promise]}],
    }
    for side in Side:
        assert permits(document, asked(side=side))
    unreadable = permission({**compare("Liability", "eq", "x"), "rightOperand": {"some": "object"}})
    assert not permits(unreadable, asked())


@pytest.mark.parametrize(
    ("operator", "right", "paid", "expected"),
    [
        ("eq", "5.00", ["5"], True),
        ("gteq", "5", ["4.999"], False),
        ("gteq", "5", ["5.01"], True),
        ("gteq", "5", ["1", "9"], None),
        ("gteq", "5", ["much"], None),
        ("gteq", "much", ["5"], None),
        ("gteq", "5", [], None),
    ],
)
def test_an_amount_is_compared_as_a_number_in_its_own_unit(
    operator: str, right: str, paid: list[str], expected: bool | None
) -> None:
    constraint = {**compare("payAmount", operator, right), "unit": "urn:euro"}
    assert outcome(constraint, facts={"payAmount in urn:euro": paid}) is expected
    assert outcome(constraint, facts={"payAmount": paid, "payAmount in urn:yen": ["99"]}) is None


def test_any_member_of_a_credential_may_be_named() -> None:
    document = permission(compare("CompanyCertificationCredential.scheme", "eq", "TISAX"))
    assert permits(document, asked(claims={"CompanyCertificationCredential.scheme": ["TISAX"]}))
    assert not permits(document, asked(claims={"certification": ["TISAX"]}))


def test_a_claim_is_found_under_its_short_name_first_and_then_under_the_name_of_the_operand() -> None:
    document = permission(compare("Membership", "eq", "active"))
    assert permits(document, asked(claims={"membership": ["active"]}))
    assert permits(document, asked(claims={"Membership": ["active"]}))
    assert not permits(document, asked(claims={"membership": [], "Membership": ["active"]}))


def test_a_catena_x_end_reads_eq_as_until() -> None:
    ends: dict[str, str | int] = {"DataUsageEndDate": "2026-11-24T12:00:00Z", "DataUsageEndDurationDays": 1}
    day_ms = 86_400_000
    now_ms = parse_datetime("2026-11-24T12:00:00Z")
    for left, right in ends.items():
        constraint = compare(left, "eq", right)
        for now, expected in ((now_ms - 1, True), (now_ms, True), (now_ms + 1, False)):
            assert outcome(constraint, now_ms=now, agreed_at_ms=now_ms - day_ms) is expected
    assert outcome(compare("DataUsageEndDurationDays", "eq", "1000001")) is None
    assert outcome(compare("DataUsageEndDate", "lteq", "2026-11-24T12:00:00Z")) is None
    assert outcome(compare("DataFrequency", "eq", "cx.dataFrequency.twice:1")) is None
