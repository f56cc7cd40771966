"""Every path of the HTTPS bindings, from DSP 2025-1, 6.2, 8.2, 8.3, 10.2 and 10.3."""

import pytest

from ashiato.dsp.messages import CatalogRequestMessage, Message
from ashiato.dsp.states import Role
from ashiato.dsp.v2025_1 import dataset_path, delivery_path, negotiation_path, transfer_path
from tests.dsp.conversation import NEGOTIATION_MESSAGES, TRANSFER_MESSAGES

MESSAGES: dict[str, Message] = {
    "catalog": CatalogRequestMessage(),
    **{f"negotiation {name}": message for name, message in NEGOTIATION_MESSAGES.items()},
    **{f"transfer {name}": message for name, message in TRANSFER_MESSAGES.items()},
}
TO_PROVIDER = """
catalog                          -  catalog/request
negotiation opening_request      -  negotiations/request
negotiation request              7  negotiations/7/request
negotiation accepted             7  negotiations/7/events
negotiation verification         7  negotiations/7/agreement/verification
negotiation termination          7  negotiations/7/termination
transfer request                 -  transfers/request
transfer start                   7  transfers/7/start
transfer suspension              7  transfers/7/suspension
transfer completion              7  transfers/7/completion
transfer termination             7  transfers/7/termination
"""
TO_CONSUMER = """
negotiation opening_offer        -  negotiations/offers
negotiation offer                7  negotiations/7/offers
negotiation agreement            7  negotiations/7/agreement
negotiation finalized            7  negotiations/7/events
negotiation termination          7  negotiations/7/termination
transfer start                   7  transfers/7/start
transfer suspension              7  transfers/7/suspension
transfer completion              7  transfers/7/completion
transfer termination             7  transfers/7/termination
"""


def rows(table: str, role: Role) -> list[tuple[Role, str, str | None, str]]:
    parsed = [line.rsplit(maxsplit=2) for line in table.strip().splitlines()]
    return [(role, name.strip(), None if pid == "-" else pid, path) for name, pid, path in parsed]


@pytest.mark.parametrize(
    ("role", "name", "pid", "path"), rows(TO_PROVIDER, Role.PROVIDER) + rows(TO_CONSUMER, Role.CONSUMER)
)
def test_a_message_goes_to_its_endpoint(role: Role, name: str, pid: str | None, path: str) -> None:
    assert delivery_path(MESSAGES[name], role, pid) == path


@pytest.mark.parametrize(
    ("role", "name"),
    [
        (Role.CONSUMER, "catalog"),
        (Role.CONSUMER, "negotiation request"),
        (Role.CONSUMER, "negotiation verification"),
        (Role.CONSUMER, "transfer request"),
        (Role.PROVIDER, "negotiation offer"),
        (Role.PROVIDER, "negotiation agreement"),
    ],
)
def test_a_role_without_the_endpoint_is_no_receiver(role: Role, name: str) -> None:
    with pytest.raises(ValueError, match="has no endpoint"):
        delivery_path(MESSAGES[name], role, "7")


def test_a_message_within_a_conversation_needs_the_receiver_s_process_id() -> None:
    with pytest.raises(ValueError, match="needs the receiver's process id"):
        delivery_path(MESSAGES["negotiation verification"], Role.PROVIDER, None)


def test_the_state_of_a_process_and_a_dataset_can_be_asked_for() -> None:
    assert negotiation_path("urn:uuid:1") == "negotiations/urn:uuid:1"
    assert transfer_path("urn:uuid:1") == "transfers/urn:uuid:1"
    assert dataset_path("urn:uuid:1") == "catalog/datasets/urn:uuid:1"


def test_an_id_stays_one_segment_whatever_it_holds() -> None:
    assert (
        negotiation_path("https://x.example/a?b#c %2e")
        == "negotiations/https:%2F%2Fx.example%2Fa%3Fb%23c%20%252e"
    )
    assert dataset_path("電池") == "catalog/datasets/%E9%9B%BB%E6%B1%A0"
    for pid in ("", ".", ".."):
        with pytest.raises(ValueError, match="one segment"):
            negotiation_path(pid)
