"""The engine and a second evaluator, written from the rules alone, never differ."""

import pytest
from hypothesis import HealthCheck, given, settings

from ashiato.policy.evaluation import Request, decide
from ashiato.policy.odrl import parse_policy
from tests.policy.drawing import ACTIONS, Document, documents, requests
from tests.policy.second_opinion import COVERS, permitted


@settings(max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents, requests)
def test_the_engine_and_a_second_evaluator_agree(document: Document, request: Request) -> None:
    assert decide(parse_policy(document), request).permitted is permitted(document, request)


@pytest.mark.fuzz
@settings(max_examples=200_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents, requests)
def test_the_engine_and_a_second_evaluator_agree_for_long(document: Document, request: Request) -> None:
    assert decide(parse_policy(document), request).permitted is permitted(document, request)


def test_the_second_evaluator_knows_every_action_that_is_drawn() -> None:
    assert set(COVERS) == set(ACTIONS)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents, requests)
def test_a_permit_comes_from_a_permission_and_a_denial_always_has_a_reason(
    document: Document, request: Request
) -> None:
    decision = decide(parse_policy(document), request)
    assert decision.reasons
    assert decision.permitted is (decision.reasons[0].code == "permission_applies")
    assert decision == decide(parse_policy(document), request)
