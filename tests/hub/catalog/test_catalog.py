"""Publishing, withdrawing and searching, over rows in memory; `tests/stores/hub` holds the engines against the same rows."""

import msgspec
import pytest

from ashiato.hub.catalog.indexing import Query
from ashiato.hub.catalog.publishing import Outcome, enter, prepare, withdraw
from ashiato.hub.catalog.searching import one, search
from ashiato.hub.catalog.showing import OFFLINE_AFTER_MS, as_catalog, as_dataset
from ashiato.statements.publications import Publication, Shown, record_iri
from ashiato.trust.standing import Standing
from tests.hub.catalog.publishing_company import (
    BUYER,
    CELL_MAKERS,
    MAKER,
    NOW_MS,
    OTHER,
    Rows,
    offer,
    publication,
    query,
)

HUB = "did:web:hub.example"
CELL_MAKER = Standing(BUYER, {"role": frozenset({"cell_maker"})})
STRANGER = Standing(OTHER)


@pytest.fixture
def rows() -> Rows:
    return Rows()


def publish(rows: Rows, one: Publication, **claims: frozenset[str]) -> Outcome:
    return enter(rows, prepare(one, claims, NOW_MS))


def found(rows: Rows, wanted: Query, caller: Standing = STRANGER) -> list[str]:
    return [hit.found.record.publication.asset_id for hit in search(rows, caller, NOW_MS, wanted).hits]


def test_the_same_publication_again_changes_nothing(rows: Rows) -> None:
    assert publish(rows, publication()) is Outcome.ENTERED
    assert publish(rows, publication()) is Outcome.UNCHANGED
    assert rows.writes_count == 1


def test_the_higher_revision_counts_in_whatever_order_they_come(rows: Rows) -> None:
    assert publish(rows, publication(revision=3, data_item="D-02")) is Outcome.ENTERED
    assert publish(rows, publication(revision=2, data_item="D-01")) is Outcome.STALE
    assert publish(rows, publication(revision=4, data_item="D-03")) is Outcome.CHANGED
    assert found(rows, query(data_item="D-03")) == ["cells"]
    assert found(rows, query(data_item="D-02")) == []


def test_one_revision_says_one_thing(rows: Rows) -> None:
    publish(rows, publication())
    assert publish(rows, publication(data_item="D-01")) is Outcome.CONTRADICTED
    assert found(rows, query(data_item="D-01")) == []


def test_a_new_role_of_the_owner_is_entered_with_the_same_revision(rows: Rows) -> None:
    publish(rows, publication())
    assert publish(rows, publication(), role=frozenset({"cell_maker"})) is Outcome.CHANGED
    assert found(rows, query(role="cell_maker")) == ["cells"]


def test_the_name_of_another_is_refused_and_its_record_stays(rows: Rows) -> None:
    name = "urn:uuid:6b1f2a5e-0000-4000-8000-000000000001"
    publish(rows, publication(name))
    assert publish(rows, publication(name, publisher=OTHER, revision=9)) is Outcome.TAKEN
    assert withdraw(rows, OTHER, name, 9) is Outcome.TAKEN
    assert [
        hit.found.record.publication.publisher for hit in search(rows, STRANGER, NOW_MS, Query()).hits
    ] == [MAKER]


def test_two_companies_may_call_their_assets_by_the_same_short_name(rows: Rows) -> None:
    publish(rows, publication())
    assert publish(rows, publication(publisher=OTHER)) is Outcome.ENTERED


def test_what_is_withdrawn_is_gone_and_an_older_publication_does_not_bring_it_back(rows: Rows) -> None:
    publish(rows, publication())
    assert withdraw(rows, MAKER, "cells", 2) is Outcome.WITHDRAWN
    assert withdraw(rows, MAKER, "cells", 2) is Outcome.UNCHANGED
    assert publish(rows, publication()) is Outcome.STALE
    assert found(rows, Query()) == []
    assert publish(rows, publication(revision=3)) is Outcome.ENTERED


def test_a_withdrawal_that_comes_before_its_publication_keeps_it_out(rows: Rows) -> None:
    assert withdraw(rows, MAKER, "cells", 2) is Outcome.WITHDRAWN
    assert publish(rows, publication(revision=1)) is Outcome.STALE


def test_an_old_withdrawal_does_not_take_out_what_is_newer(rows: Rows) -> None:
    publish(rows, publication(revision=5))
    assert withdraw(rows, MAKER, "cells", 4) is Outcome.STALE
    assert found(rows, Query()) == ["cells"]


def test_two_callers_search_for_the_same_and_see_different_things(rows: Rows) -> None:
    publish(rows, publication("open"))
    publish(rows, publication("for-cell-makers", offers=(offer("c", CELL_MAKERS),)))
    assert found(rows, query("電池"), STRANGER) == ["open"]
    assert found(rows, query("電池"), CELL_MAKER) == ["for-cell-makers", "open"]


@pytest.mark.parametrize(
    ("member", "value", "facet", "wanted"),
    [
        ("data_item", "D-01", "data_item", "D-01"),
        ("part_group", "cells", "part_group", "cells"),
        ("parts", ("LFP-50", "LFP-52"), "part", "LFP-52"),
        ("region", "JP-23", "region", "JP-23"),
        ("region", "JP-23", "region", "JP"),
        ("licence", "https://maker.example/terms", "licence", "https://maker.example/terms"),
        (
            "conforms_to",
            ("urn:samm:io.catenax.pcf:7.0.0#Pcf",),
            "standard",
            "urn:samm:io.catenax.pcf:7.0.0#Pcf",
        ),
    ],
)
def test_a_facet_finds_what_is_published_with_it(
    rows: Rows, member: str, value: object, facet: str, wanted: str
) -> None:
    publish(rows, publication("with", **{member: value}))
    publish(rows, publication("without"))
    assert found(rows, query(**{facet: wanted})) == ["with"]


def test_certification_and_role_are_those_that_were_verified(rows: Rows) -> None:
    publish(rows, publication("claimed", certifications=("CFB-EV",)))
    publish(rows, publication("verified"), certification=frozenset({"CFB-EV"}))
    assert found(rows, query(certification="CFB-EV")) == ["verified"]


def test_freshness_is_the_last_change_of_the_data(rows: Rows) -> None:
    publish(rows, publication("old", modified_ms=NOW_MS - 1000))
    publish(rows, publication("new", modified_ms=NOW_MS))
    assert found(rows, Query(modified_since_ms=NOW_MS)) == ["new"]


def test_a_listed_asset_is_not_found_by_what_is_not_told_of_it(rows: Rows) -> None:
    listed = publication("secret-name", shown=Shown.LISTED, data_item="D-01", region="JP", modified_ms=NOW_MS)
    publish(rows, listed, role=frozenset({"cell_maker"}))
    assert found(rows, Query()) == ["secret-name"]
    assert found(rows, query(role="cell_maker")) == ["secret-name"]
    for wanted in (query("電池"), query(data_item="D-01"), query(region="JP"), Query(modified_since_ms=1)):
        assert found(rows, wanted) == []


def test_of_a_listed_asset_only_its_owners_role_is_shown(rows: Rows) -> None:
    listed = publication("secret-name", shown=Shown.LISTED, data_item="D-01", parts=("LFP-50",))
    publish(rows, listed, role=frozenset({"cell_maker"}))
    page = search(rows, STRANGER, NOW_MS, Query())
    catalog = as_catalog(HUB, page.hits, OTHER, NOW_MS)
    text = msgspec.json.encode(catalog).decode()
    for secret in ("secret-name", MAKER, "D-01", "LFP-50", "maker.example", "電池", "o1"):
        assert secret not in text
    assert '"ashiato:ownerRole":["cell_maker"]' in text


def test_who_guesses_the_name_of_a_listed_asset_learns_nothing(rows: Rows) -> None:
    publish(rows, publication("urn:x:1", shown=Shown.LISTED))
    assert one(rows, STRANGER, NOW_MS, "urn:x:1") is None
    assert one(rows, Standing(MAKER), NOW_MS, "urn:x:1") is not None


def test_one_record_is_shown_by_the_rule_of_the_list(rows: Rows) -> None:
    publish(rows, publication(offers=(offer("c", CELL_MAKERS),)))
    iri = record_iri(MAKER, "cells")
    assert one(rows, STRANGER, NOW_MS, iri) is None
    assert one(rows, CELL_MAKER, NOW_MS, iri) is not None


def test_whom_the_owner_lets_in_is_not_shown(rows: Rows) -> None:
    publish(rows, publication(access=(CELL_MAKERS,), offers=(offer("c", CELL_MAKERS),)))
    for caller in (CELL_MAKER, Standing(MAKER)):
        catalog = as_catalog(HUB, search(rows, caller, NOW_MS, Query()).hits, caller.participant_id, NOW_MS)
        assert "ashiato:access" not in msgspec.json.encode(catalog["dcat:dataset"]).decode()


def test_a_connector_that_is_not_heard_of_is_marked_and_its_records_stay(rows: Rows) -> None:
    publish(rows, publication())
    rows.heard_of(MAKER, NOW_MS)

    def is_online(at_ms: int) -> object:
        (hit,) = search(rows, STRANGER, at_ms, Query()).hits
        return as_dataset(HUB, hit, OTHER, at_ms)["ashiato:online"]

    assert is_online(NOW_MS + OFFLINE_AFTER_MS - 1) is True
    assert is_online(NOW_MS + OFFLINE_AFTER_MS) is False


def test_pages_follow_each_other_without_gap_or_repetition(rows: Rows) -> None:
    for number in range(7):
        rule = (CELL_MAKERS,) if number % 3 == 0 else ()
        publish(rows, publication(f"a{number}", access=rule))
    seen: list[str] = []
    page = search(rows, STRANGER, NOW_MS, Query(), size_count=2)
    while True:
        seen += [hit.found.record.publication.asset_id for hit in page.hits]
        if page.next_below is None:
            break
        page = search(rows, STRANGER, NOW_MS, Query(), page.next_below, 2)
    assert seen == ["a5", "a4", "a2", "a1"]
