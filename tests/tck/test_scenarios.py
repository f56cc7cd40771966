"""Expected values come from the suites of the kit itself: its test classes and its sample configuration."""

import re
from pathlib import Path

import pytest

from tests.tck import scenarios
from tests.tck.scenarios import Act, State, reaction


def acts_of(key: str, *states: State) -> list[Act | None]:
    """What the connector does along the way of one process."""
    return [reaction(key, state, states[: index + 1].count(state)) for index, state in enumerate(states)]


def test_the_release_of_the_list_is_the_one_that_is_fetched() -> None:
    pom = (Path(__file__).parent / "pom.xml").read_text("utf-8")
    assert re.findall(r"<tck\.version>(.*)</tck\.version>", pom) == [scenarios.RELEASE]


@pytest.mark.parametrize(
    ("test_id", "key"),
    [
        ("CAT:01-03", "CAT0103"),
        ("CN:01-02", "ACN0102"),
        ("CN_C:03-06", "ACNC0306"),
        ("TP:02-05", "ATP0205"),
        ("TP_C:03-01", "ATPC0301"),
    ],
)
def test_a_test_has_the_dataset_or_agreement_of_the_kits_sample(test_id: str, key: str) -> None:
    assert scenarios.key_of(test_id) == key


def test_no_two_tests_share_a_dataset_or_agreement() -> None:
    keys = scenarios.keys_of(test_id for test_id in scenarios.TESTS if not test_id.startswith("MET"))
    assert len(set(keys)) == len(keys) == 64


def test_a_whole_negotiation_is_offered_agreed_and_finalized() -> None:
    states = (State.REQUESTED, State.OFFERED, State.ACCEPTED, State.AGREED, State.VERIFIED)
    assert acts_of("ACN0103", *states) == [Act.OFFER, None, Act.AGREE, None, Act.FINALIZE]


def test_the_second_request_of_a_negotiation_takes_the_second_row() -> None:
    states = (State.REQUESTED, State.OFFERED, State.REQUESTED, State.REQUESTED)
    assert acts_of("ACN0102", *states) == [Act.OFFER, None, Act.TERMINATE, None]


def test_a_resumed_transfer_is_completed_and_not_suspended_again() -> None:
    states = (State.REQUESTED, State.STARTED, State.SUSPENDED, State.STARTED)
    assert acts_of("ATP0104", *states) == [Act.START, Act.SUSPEND, Act.START, Act.COMPLETE]


def test_a_consumer_that_accepted_does_not_verify_where_the_kit_looks_for_agreed() -> None:
    states = (State.REQUESTED, State.OFFERED, State.ACCEPTED, State.AGREED)
    assert acts_of("ACNC0306", *states) == [None, Act.ACCEPT, None, None]


def test_a_process_about_anything_else_is_left_alone() -> None:
    assert reaction("somebody's dataset", State.REQUESTED, 1) is None


def test_the_first_occurrence_is_number_one() -> None:
    assert reaction("ACN0101", State.REQUESTED, 0) is None


def test_the_kit_is_told_what_each_kind_of_test_needs() -> None:
    parameters = scenarios.parameters()
    assert parameters["CAT_01_01_DATASETID"] == "CAT0101"
    assert parameters["CN_03_04_DATASETID"] == "ACN0304"
    assert parameters["CN_03_04_OFFERID"] == "CD123:ACN0304"
    assert parameters["CN_C_01_01_DATASETID"] == "ACNC0101"
    assert "CN_C_01_01_OFFERID" not in parameters
    assert parameters["TP_01_01_AGREEMENTID"] == "ATP0101"
    assert parameters["TP_C_02_05_FORMAT"] == "HttpData-PULL"
    assert not any(name.startswith("MET") for name in parameters)
    assert len(parameters) == 3 + 2 * 15 + 16 + 2 * 15 + 2 * 15
