import httpx2
import pytest

from ashiato.api.management import answers
from ashiato.connector import problems as inner
from ashiato.connector.ports import Conflict, UnitOfWork
from ashiato.stores.errors import StoreUnavailable
from tests.api.management.offering import assert_problem, ok
from tests.api.management.program import Program


@pytest.mark.parametrize(
    ("problem", "status_code", "code"),
    [
        (inner.NotFound("No."), 404, "not-found"),
        (inner.Invalid("No."), 422, "invalid"),
        (inner.WrongState("No."), 409, "wrong-state"),
        (inner.NotPermitted("No."), 403, "not-permitted"),
        (inner.QuotaExceeded("No."), 429, "quota-exceeded"),
        (inner.Problem("No."), 500, "internal"),
    ],
)
def test_each_problem_of_the_inner_rooms_has_its_status(
    problem: inner.Problem, status_code: int, code: str
) -> None:
    answer = answers.answer_to(problem)
    assert answer.status_code == status_code
    assert f'"urn:ashiato:problem:{code}"'.encode() in bytes(answer.body)


def test_a_problem_that_specialises_another_is_answered_like_it() -> None:
    class Refined(inner.WrongState):
        code = "refined-elsewhere"

    answer = answers.answer_to(Refined("No."))
    assert (answer.status_code, b'"urn:ashiato:problem:wrong-state"' in bytes(answer.body)) == (409, True)


async def test_a_defect_tells_nothing_of_the_inside(
    program: Program, maker: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(participant_id: str, work: object) -> None:
        raise RuntimeError("password hunter2 in /secret/path.py")

    monkeypatch.setattr(program.store, "read", broken)
    found = await assert_problem(maker.get("/v1/maker/assets"), 500, "internal")
    assert "hunter2" not in str(found)
    assert "RuntimeError" not in str(found)


async def test_a_store_that_is_away_is_said_to_be_away(
    program: Program, maker: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(participant_id: str, work: object) -> None:
        raise StoreUnavailable("disk full at /secret")

    monkeypatch.setattr(program.store, "read", away)
    answer = await maker.get("/v1/maker/assets")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "/secret" not in answer.text


async def test_what_fails_leaves_nothing_behind(program: Program, maker: httpx2.AsyncClient) -> None:
    def half(uow: UnitOfWork) -> None:
        uow.records.add_history(1, "half.done", "p", "", {})
        raise inner.Invalid("No.")

    with pytest.raises(inner.Invalid):
        await program.store.run("did:web:maker.example", half)
    assert (await ok(maker.get("/v1/maker/history")))["items"] == []


async def test_a_lost_race_asks_for_a_repetition(
    program: Program, maker: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def raced(participant_id: str, work: object) -> None:
        raise Conflict("duplicate key in /secret")

    monkeypatch.setattr(program.store, "read", raced)
    answer = await maker.get("/v1/maker/assets")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["type"] == "urn:ashiato:problem:busy"
    assert "/secret" not in answer.text
