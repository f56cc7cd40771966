import pytest

from ashiato.connector.deletion import DeletionTerms, deletion_terms
from ashiato.facts.instants import parse_datetime
from ashiato.policy.odrl import parse_policy
from tests.connector.vaulting import AGREED_MS, DAY_MS, use_with, when

RECEIVED_MS = AGREED_MS + DAY_MS
USED_MS = AGREED_MS + 2 * DAY_MS
ENDED_MS = AGREED_MS + 30 * DAY_MS
DEADLINE = "2027-03-01T00:00:00Z"
DEADLINE_MS = parse_datetime(DEADLINE)


def terms_of(rules: dict[str, object]) -> DeletionTerms:
    return deletion_terms(parse_policy(rules), AGREED_MS)


def delete(*constraints: dict[str, object]) -> dict[str, object]:
    return {"action": "delete", **({"constraint": list(constraints)} if constraints else {})}


def delayed(duration: str) -> dict[str, object]:
    action = {"rdf:value": {"@id": "odrl:delete"}, "refinement": [when("delayPeriod", "eq", duration)]}
    return {"action": [action]}


def ending(value: str) -> dict[str, object]:
    return use_with(when("cx-policy:ContractTermination", "eq", value))


def owed(*duties: dict[str, object]) -> dict[str, object]:
    return {**use_with(), "obligation": list(duties)}


@pytest.mark.parametrize(
    ("rules", "unused", "used", "ended"),
    [
        (use_with(), None, None, None),
        (use_with(duty=delete()), None, (USED_MS, "after-use"), None),
        (
            use_with(duty=delayed("P3D")),
            None,
            (USED_MS + 3 * DAY_MS, "after-use"),
            None,
        ),
        (owed(delete()), None, None, (ENDED_MS, "agreement-ended")),
        (owed(delayed("P3D")), (RECEIVED_MS + 3 * DAY_MS, "delay"), 1, 1),
        (owed(delete(when("elapsedTime", "lteq", "P10D"))), (AGREED_MS + 10 * DAY_MS, "deadline"), 1, 1),
        (owed(delete(when("dateTime", "lteq", DEADLINE))), (DEADLINE_MS, "deadline"), 1, 1),
        (use_with(duty=delete(when("dateTime", "lteq", DEADLINE))), (DEADLINE_MS, "deadline"), 1, 1),
        # A condition beside is not waited for: deleting earlier breaks nothing.
        (owed(delete(when("dateTime", "gteq", DEADLINE))), None, None, (ENDED_MS, "agreement-ended")),
        (owed({"action": "inform"}), None, None, None),
        (ending("cx.data.deletion:1"), None, None, (ENDED_MS, "agreement-ended")),
    ],
)
def test_the_words_of_a_policy_become_a_date(
    rules: dict[str, object], unused: object, used: object, ended: object
) -> None:
    terms = terms_of(rules)
    assert terms.due(RECEIVED_MS, None, None) == unused
    assert terms.due(RECEIVED_MS, USED_MS, None) == (unused if used == 1 else used)
    assert terms.due(RECEIVED_MS, None, ENDED_MS) == (unused if ended == 1 else ended)


def test_of_several_dates_the_earliest_counts() -> None:
    terms = terms_of({**use_with(duty=delete()), "obligation": [delayed("P1M"), delete()]})
    assert terms.due(RECEIVED_MS, USED_MS, ENDED_MS) == (USED_MS, "after-use")
    assert terms.due(RECEIVED_MS, None, RECEIVED_MS + 5) == (RECEIVED_MS + 5, "agreement-ended")
