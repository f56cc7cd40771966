"""What the official kit expects of the connector under test in each of its tests, as data.

The kit plays the other party, and the dataset or agreement that a process is about tells the connector which
test is running. In a state without a row the connector does nothing of its own accord: the kit acts then, or
looks whether the connector held still.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

RELEASE = "1.0.0-RC6"
KIT_PARTICIPANT_ID = "TCK_PARTICIPANT"
OFFER_ID = "CD123"
PULL_FORMAT = "HttpData-PULL"

# The kit expects our next message only after its own step has returned, sometimes after a poll of 100 ms more.
# It answers a message that comes before that with an error, and some it then never expects again.
REACTION_DELAY_MS = 500


class State(StrEnum):
    """A state that a negotiation or a transfer has reached, on either side's act."""

    REQUESTED = "requested"
    OFFERED = "offered"
    ACCEPTED = "accepted"
    AGREED = "agreed"
    VERIFIED = "verified"
    STARTED = "started"
    SUSPENDED = "suspended"


class Act(StrEnum):
    """What the connector under test does then."""

    OFFER = "offer"
    COUNTER = "counter"
    ACCEPT = "accept"
    AGREE = "agree"
    VERIFY = "verify"
    FINALIZE = "finalize"
    START = "start"
    SUSPEND = "suspend"
    COMPLETE = "complete"
    TERMINATE = "terminate"


class Row(NamedTuple):
    """In this state, this act."""

    state: State
    act: Act


_REQUESTED_OFFER = Row(State.REQUESTED, Act.OFFER)
_REQUESTED_AGREE = Row(State.REQUESTED, Act.AGREE)
_REQUESTED_START = Row(State.REQUESTED, Act.START)
_REQUESTED_TERMINATE = Row(State.REQUESTED, Act.TERMINATE)
_OFFERED_ACCEPT = Row(State.OFFERED, Act.ACCEPT)
_AGREED_VERIFY = Row(State.AGREED, Act.VERIFY)

# In the order of the kit. A state that is reached twice takes its rows one after the other.
NEGOTIATIONS_AS_PROVIDER: dict[str, tuple[Row, ...]] = {
    "CN:01-01": (_REQUESTED_OFFER,),
    "CN:01-02": (_REQUESTED_OFFER, _REQUESTED_TERMINATE),
    "CN:01-03": (_REQUESTED_OFFER, Row(State.ACCEPTED, Act.AGREE), Row(State.VERIFIED, Act.FINALIZE)),
    "CN:01-04": (_REQUESTED_AGREE, Row(State.VERIFIED, Act.FINALIZE)),
    "CN:02-01": (_REQUESTED_TERMINATE,),
    "CN:02-02": (),
    "CN:02-03": (_REQUESTED_AGREE,),
    "CN:02-04": (_REQUESTED_OFFER,),
    "CN:02-05": (_REQUESTED_OFFER, Row(State.OFFERED, Act.TERMINATE)),
    "CN:02-06": (_REQUESTED_OFFER, Row(State.ACCEPTED, Act.TERMINATE)),
    "CN:02-07": (_REQUESTED_AGREE, Row(State.VERIFIED, Act.TERMINATE)),
    "CN:03-01": (_REQUESTED_AGREE, Row(State.VERIFIED, Act.FINALIZE)),
    "CN:03-02": (_REQUESTED_OFFER,),
    "CN:03-03": (_REQUESTED_OFFER,),
    "CN:03-04": (_REQUESTED_OFFER,),
}
NEGOTIATIONS_AS_CONSUMER: dict[str, tuple[Row, ...]] = {
    "CN_C:01-01": (_OFFERED_ACCEPT, _AGREED_VERIFY),
    "CN_C:01-02": (Row(State.OFFERED, Act.COUNTER),),
    "CN_C:01-03": (Row(State.OFFERED, Act.TERMINATE),),
    "CN_C:01-04": (_AGREED_VERIFY,),
    "CN_C:02-01": (),
    "CN_C:02-02": (_REQUESTED_TERMINATE,),
    "CN_C:02-03": (Row(State.AGREED, Act.TERMINATE),),
    "CN_C:02-04": (),
    "CN_C:02-05": (_OFFERED_ACCEPT,),
    "CN_C:02-06": (_AGREED_VERIFY,),
    "CN_C:03-01": (),
    "CN_C:03-02": (),
    "CN_C:03-03": (),
    "CN_C:03-04": (_OFFERED_ACCEPT,),
    "CN_C:03-05": (_OFFERED_ACCEPT,),
    "CN_C:03-06": (_OFFERED_ACCEPT,),
}
TRANSFERS_AS_PROVIDER: dict[str, tuple[Row, ...]] = {
    "TP:01-01": (_REQUESTED_START, Row(State.STARTED, Act.TERMINATE)),
    "TP:01-02": (_REQUESTED_START, Row(State.STARTED, Act.COMPLETE)),
    "TP:01-03": (
        _REQUESTED_START,
        Row(State.STARTED, Act.SUSPEND),
        Row(State.SUSPENDED, Act.TERMINATE),
    ),
    "TP:01-04": (
        _REQUESTED_START,
        Row(State.STARTED, Act.SUSPEND),
        Row(State.SUSPENDED, Act.START),
        Row(State.STARTED, Act.COMPLETE),
    ),
    "TP:01-05": (_REQUESTED_TERMINATE,),
    "TP:02-01": (_REQUESTED_START,),
    "TP:02-02": (_REQUESTED_START,),
    "TP:02-03": (_REQUESTED_START,),
    "TP:02-05": (),
    "TP:03-01": (),
    "TP:03-02": (),
    "TP:03-03": (_REQUESTED_START,),
    "TP:03-04": (_REQUESTED_START,),
    "TP:03-05": (_REQUESTED_START,),
    "TP:03-06": (_REQUESTED_START,),
}
TRANSFERS_AS_CONSUMER: dict[str, tuple[Row, ...]] = {
    "TP_C:01-01": (),
    "TP_C:01-02": (),
    "TP_C:01-03": (),
    "TP_C:01-04": (),
    "TP_C:01-05": (),
    "TP_C:02-01": (Row(State.STARTED, Act.TERMINATE),),
    "TP_C:02-02": (Row(State.STARTED, Act.COMPLETE),),
    "TP_C:02-03": (Row(State.STARTED, Act.SUSPEND), Row(State.SUSPENDED, Act.TERMINATE)),
    "TP_C:02-05": (_REQUESTED_TERMINATE,),
    "TP_C:03-01": (),
    "TP_C:03-02": (),
    "TP_C:03-03": (),
    "TP_C:03-04": (),
    "TP_C:03-05": (),
    "TP_C:03-06": (),
}
# The last one asks for a dataset that must not exist.
CATALOG = ("CAT:01-01", "CAT:01-02", "CAT:01-03")
METADATA = ("MET:01-01",)

_SCRIPTS = {
    **NEGOTIATIONS_AS_PROVIDER,
    **NEGOTIATIONS_AS_CONSUMER,
    **TRANSFERS_AS_PROVIDER,
    **TRANSFERS_AS_CONSUMER,
}
TESTS = (*METADATA, *CATALOG, *_SCRIPTS)
"""Every test that the release runs, by its id. TP:02-04 and TP_C:02-04 are in it too, but disabled there."""


def key_of(test_id: str) -> str:
    """The id of the dataset (CAT, CN, CN_C) or agreement (TP, TP_C) of a test: ACNC0101 for CN_C:01-01."""
    group, _, number = test_id.partition(":")
    letters = group.replace("_", "")
    prefix = "" if group == "CAT" else "A"
    return f"{prefix}{letters}{number.replace('-', '')}"


def keys_of(test_ids: Iterable[str]) -> tuple[str, ...]:
    """The ids of the datasets or agreements of these tests, in the same order."""
    return tuple(key_of(test_id) for test_id in test_ids)


def offer_id_of(dataset_id: str) -> str:
    """The id that our catalog gives to a dataset under the one offer; to the kit it means nothing."""
    return f"{OFFER_ID}:{dataset_id}"


_ROWS = {key_of(test_id): rows for test_id, rows in _SCRIPTS.items()}


def reaction(key: str, state: State, occurrence_count: int) -> Act | None:
    """What to do when the process about `key` has reached `state` `occurrence_count` times; None is to wait."""
    acts = [row.act for row in _ROWS.get(key, ()) if row.state is state]
    return acts[occurrence_count - 1] if 0 < occurrence_count <= len(acts) else None


def parameters() -> dict[str, str]:
    """The kit's parameters of each test: which dataset, offer, agreement and format it uses."""
    found: dict[str, str] = {}
    for test_id in (*CATALOG, *NEGOTIATIONS_AS_PROVIDER, *NEGOTIATIONS_AS_CONSUMER):
        found[f"{_prefix(test_id)}_DATASETID"] = key_of(test_id)
    for test_id in NEGOTIATIONS_AS_PROVIDER:
        found[f"{_prefix(test_id)}_OFFERID"] = offer_id_of(key_of(test_id))
    for test_id in (*TRANSFERS_AS_PROVIDER, *TRANSFERS_AS_CONSUMER):
        found[f"{_prefix(test_id)}_AGREEMENTID"] = key_of(test_id)
        found[f"{_prefix(test_id)}_FORMAT"] = PULL_FORMAT
    return found


def _prefix(test_id: str) -> str:
    return test_id.replace(":", "_").replace("-", "_")
