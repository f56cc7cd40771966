import pytest

from ashiato.hub.certification import (
    CERTIFICATION,
    Accreditation,
    Case,
    Certificate,
    Subject,
    SubjectKind,
)
from ashiato.hub.certifying import CaseState
from ashiato.hub.ports import UnitOfWork
from ashiato.stores.engine import SqlStore
from tests.stores.hub.test_parties import MAKER, OTHER

SUBJECT = Subject(kind=SubjectKind.APP, scheme="CFP-1", scope="roll-up", app="Rollup_100%", digest="ab" * 32)


def case(number: int, applicant: str = MAKER, body: str = OTHER) -> Case:
    return Case(
        case_id=f"case-{number}",
        applicant_id=applicant,
        body_id=body,
        subject=SUBJECT,
        state=CaseState.APPLIED,
    )


def certificate(number: int, name: str) -> Certificate:
    return Certificate(
        certificate_id=f"c-{number}",
        holder_id=MAKER,
        holder_name=name,
        body_id=OTHER,
        body_name="検査機構",
        subject=SUBJECT,
        valid_from_ms=1,
        valid_until_ms=2,
        changed_ms=1,
    )


async def test_what_was_put_is_found(hub_store: SqlStore) -> None:
    accredited = Accreditation(body_id=OTHER, schemes=("CFP-1",), from_ms=1, until_ms=9)

    def put(uow: UnitOfWork) -> None:
        room = uow.room(CERTIFICATION)
        room.accredit(accredited)
        room.put_case(case(1))
        room.put_certificate(certificate(1, "Maker"))

    await hub_store.run(MAKER, put)
    room = await hub_store.read(
        MAKER,
        lambda uow: (
            uow.room(CERTIFICATION).accreditation(OTHER),
            uow.room(CERTIFICATION).case("case-1"),
            uow.room(CERTIFICATION).certificate("c-1"),
            uow.room(CERTIFICATION).case("case-2"),
        ),
    )
    assert room == (accredited, case(1), certificate(1, "Maker"), None)


async def test_a_party_has_the_cases_of_both_its_sides_and_no_others(hub_store: SqlStore) -> None:
    third = "did:web:third.example"

    def put(uow: UnitOfWork) -> None:
        for one in (case(1), case(2, OTHER, third), case(3, third, MAKER)):
            uow.room(CERTIFICATION).put_case(one)

    await hub_store.run(MAKER, put)

    async def ids(of: str | None, after_id: str = "") -> list[str]:
        found = await hub_store.read(MAKER, lambda uow: uow.room(CERTIFICATION).cases(after_id, 9, of=of))
        return [one.case_id for one in found]

    assert await ids(MAKER) == ["case-1", "case-3"]
    assert await ids(MAKER, "case-1") == ["case-3"]
    assert await ids(None) == ["case-1", "case-2", "case-3"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", ["c-1", "c-2"]),
        ("MAKER of", ["c-1"]),
        ("蓄電池", ["c-2"]),
        ("検査", ["c-1", "c-2"]),
        ("abab", ["c-1", "c-2"]),
        ("_100%", ["c-1", "c-2"]),
        ("rollup%100", []),
        ("rollup__00", []),
        ("'; --", []),
    ],
)
async def test_the_register_is_searched_by_the_text_as_it_is(
    hub_store: SqlStore, words: str, found: list[str]
) -> None:
    def put(uow: UnitOfWork) -> None:
        uow.room(CERTIFICATION).put_certificate(certificate(1, "Maker of cells"))
        uow.room(CERTIFICATION).put_certificate(certificate(2, "蓄電池株式会社"))

    await hub_store.run(MAKER, put)
    hits = await hub_store.read(MAKER, lambda uow: uow.room(CERTIFICATION).search(words, "", 9))
    assert [one.certificate_id for one in hits] == found
