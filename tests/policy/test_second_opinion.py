"""The engine and a second evaluator, written from the rules alone, never differ."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ashiato.policy.evaluation import Request, decide
from ashiato.policy.odrl import parse_policy
from tests.policy.drawing import ACTIONS, Document, atoms, constraints, documents, requests, some_duties
from tests.policy.second_opinion import COVERS, permitted


def agree(document: Document, request: Request) -> None:
    request = msgspec.structs.replace(request, action="read")
    assert decide(parse_policy(document), request).permitted is permitted(document, request)


def drawn(examples_count: int) -> settings:
    return settings(max_examples=examples_count, deadline=None, suppress_health_check=list(HealthCheck))


@drawn(1000)
@given(documents, requests)
def test_the_engine_and_a_second_evaluator_agree(document: Document, request: Request) -> None:
    assert decide(parse_policy(document), request).permitted is permitted(document, request)


@drawn(2500)
@given(st.one_of(atoms, constraints), requests)
def test_they_agree_on_every_condition_of_a_permission_and_of_a_prohibition(
    node: Document, request: Request
) -> None:
    agree({"permission": [{"action": "use", "constraint": [node]}]}, request)
    barred = {"action": "use", "constraint": [node]}
    agree({"permission": [{"action": "use"}], "prohibition": [barred]}, request)


@drawn(1200)
@given(some_duties(), requests)
def test_they_agree_on_every_duty_of_a_permission_and_of_a_policy(
    duties: list[Document], request: Request
) -> None:
    agree({"permission": [{"action": "use", "duty": duties}]}, request)
    agree({"permission": [{"action": "use"}], "obligation": duties}, request)


@pytest.mark.fuzz
@drawn(200_000)
@given(documents, requests)
def test_the_engine_and_a_second_evaluator_agree_for_long(document: Document, request: Request) -> None:
    assert decide(parse_policy(document), request).permitted is permitted(document, request)


def test_the_second_evaluator_knows_every_action_that_is_drawn() -> None:
    assert set(COVERS) == set(ACTIONS)


@drawn(150)
@given(documents, requests)
def test_a_permit_comes_from_a_permission_and_a_denial_always_has_a_reason(
    document: Document, request: Request
) -> None:
    decision = decide(parse_policy(document), request)
    assert decision.reasons
    assert decision.permitted is (decision.reasons[0].code == "permission_applies")
    assert decision == decide(parse_policy(document), request)
