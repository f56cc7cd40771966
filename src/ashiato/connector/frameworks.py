"""Framework contracts: one approval for a class of assets.

A framework contract is itself negotiated by the protocol, as a dataset of its own (`urn:ashiato:framework:…`), by either
side. Once it is finalized the provider offers every asset of the class to that partner alone, under the terms of the
framework and without a person; each agreement over such an asset names the framework.
"""

from collections.abc import Mapping

import msgspec

from ashiato.connector import offers
from ashiato.connector.catalog import rules_of
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, WrongState
from ashiato.connector.records import (
    FrameworkContract,
    FrameworkState,
    OfferDefinition,
    PolicyDefinition,
)
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.states import Role
from ashiato.facts.instants import MalformedInstant, format_datetime, parse_datetime
from ashiato.policy.builder import permit
from ashiato.policy.identity import same_rules

TARGET_PREFIX = "urn:ashiato:framework:"
CLASS_MEMBER = "ashiato:frameworkClass"
NAMED_MEMBER = "ashiato:framework"


def is_framework_target(dataset_id: str) -> bool:
    """Whether a negotiation is about a framework contract itself."""
    return dataset_id.startswith(TARGET_PREFIX)


def describe(framework: FrameworkContract) -> dict[str, object]:
    """The class of assets as it travels in the offer and the agreement of the framework."""
    return {
        "title": framework.title,
        "dataItem": framework.data_item,
        "partGroup": framework.part_group,
        "purpose": framework.purpose,
        "from": format_datetime(framework.from_ms),
        "until": format_datetime(framework.until_ms),
    }


def check(framework: FrameworkContract) -> FrameworkContract:
    """Refuse a framework contract that could cover nothing, or everything by accident."""
    # A colon behind the prefix would let a partner choose the id of what is stored beside another framework.
    if not is_framework_target(framework.framework_id) or ":" in framework.framework_id.removeprefix(
        TARGET_PREFIX
    ):
        raise Invalid(
            f"The id of a framework contract is {TARGET_PREFIX} and a name without colons.",
            id=framework.framework_id,
        )
    offers.check_id("framework", framework.framework_id)
    if framework.until_ms <= framework.from_ms:
        raise Invalid("The framework contract ends before it begins.", path="until_ms")
    if not framework.data_item and not framework.part_group:
        raise Invalid("A framework contract needs a data item or a part group.", path="data_item")
    offers.checked_policy({"@type": "Offer", **framework.policy})
    return framework


def proposed_by_peer(
    uow: UnitOfWork, negotiation: ContractNegotiation, moment: Moment, rules: dict[str, object]
) -> FrameworkContract:
    """Remember the framework contract that a partner proposes; raises `Invalid` when its class is not described."""
    described = negotiation.offer.get(CLASS_MEMBER)
    if not isinstance(described, Mapping):
        raise Invalid(
            f"An offer of a framework contract needs the member {CLASS_MEMBER!r}.", path=CLASS_MEMBER
        )
    members = {
        name: described.get(name, "")
        for name in ("title", "dataItem", "partGroup", "purpose", "from", "until")
    }
    wrong = [name for name, value in members.items() if not isinstance(value, str) or len(value) > 500]
    if wrong:
        raise Invalid(f"The member {wrong[0]!r} must be a string.", path=f"{CLASS_MEMBER}.{wrong[0]}")
    if uow.contracts.framework(negotiation.dataset_id) is not None:
        raise Invalid("This framework contract was proposed before.", id=negotiation.dataset_id)
    try:
        from_ms, until_ms = parse_datetime(str(members["from"])), parse_datetime(str(members["until"]))
    except MalformedInstant as error:
        raise Invalid(
            f"The period of the framework contract is malformed: {error}", path=CLASS_MEMBER
        ) from None
    framework = FrameworkContract(
        framework_id=negotiation.dataset_id,
        role=negotiation.role,
        peer_id=negotiation.peer_id,
        title=str(members["title"]),
        policy=rules,
        from_ms=from_ms,
        until_ms=until_ms,
        data_item=str(members["dataItem"]),
        part_group=str(members["partGroup"]),
        purpose=str(members["purpose"]),
        created_ms=moment.now_ms,
    )
    _check_unused(uow, framework.framework_id)
    check(framework)
    _insert(uow, framework, moment)
    return framework


def propose(uow: UnitOfWork, framework: FrameworkContract, moment: Moment) -> FrameworkContract:
    """Remember a framework contract that we are about to propose; raises `Invalid` when there is one with its id."""
    if uow.contracts.framework(framework.framework_id) is not None:
        raise Invalid(
            f"The framework contract {framework.framework_id!r} exists already.", id=framework.framework_id
        )
    _check_unused(uow, framework.framework_id)
    framework = msgspec.structs.replace(
        check(framework), state=FrameworkState.PROPOSED, created_ms=moment.now_ms
    )
    _insert(uow, framework, moment)
    return framework


def check_terms(negotiation: ContractNegotiation, document: Mapping[str, object]) -> None:
    """Refuse an offer or agreement that would change the class of a proposed framework, or whose terms cannot be held."""
    if not is_framework_target(negotiation.dataset_id):
        return
    if document.get(CLASS_MEMBER) != negotiation.offer.get(CLASS_MEMBER):
        raise Invalid(
            "The class of a framework contract stays as it was proposed; propose another framework instead.",
            path=CLASS_MEMBER,
        )
    offers.checked_policy({"@type": "Offer", **rules_of(document)})


def is_closed(uow: UnitOfWork, negotiation: ContractNegotiation) -> bool:
    """Whether the negotiation is about a framework contract that was ended while it was still being proposed."""
    if not is_framework_target(negotiation.dataset_id):
        return False
    framework = uow.contracts.framework(negotiation.dataset_id)
    return framework is None or framework.state is FrameworkState.ENDED


def activate(
    uow: UnitOfWork, framework_id: str, rules: dict[str, object], moment: Moment
) -> FrameworkContract:
    """The framework was agreed by both sides: at the provider its class is offered to the partner from now on.

    One that was ended in the meantime stays ended.
    """
    framework = _known(uow, framework_id)
    if framework.state is FrameworkState.ENDED:
        return framework
    framework = msgspec.structs.replace(framework, state=FrameworkState.ACTIVE, policy=rules)
    _put(uow, framework, "framework.active", moment)
    if framework.role is Role.PROVIDER:
        access_id = _access_policy_id(framework_id)
        access = permit(
            "use",
            participants=[framework.peer_id],
            not_before_ms=framework.from_ms,
            until_ms=framework.until_ms - 1,
        )
        contract = PolicyDefinition(policy_id=framework_id, document={"@type": "Offer", **rules})
        offers.put_policy(uow, contract, moment)
        offers.put_policy(uow, PolicyDefinition(policy_id=access_id, document=access), moment)
        offers.put_offer(uow, _class_offer(framework, access_id), moment, in_slices=True)
    return framework


def end(uow: UnitOfWork, framework_id: str, reason: str, moment: Moment) -> FrameworkContract:
    """No further agreements under this framework; those that exist stay until they end by themselves."""
    framework = _known(uow, framework_id)
    if framework.state is FrameworkState.ENDED:
        raise WrongState("This framework contract has ended already.", id=framework_id)
    ended = msgspec.structs.replace(
        framework, state=FrameworkState.ENDED, ended_ms=moment.now_ms, end_reason=reason
    )
    _put(uow, ended, "framework.ended", moment)
    if framework.role is Role.PROVIDER and framework.state is FrameworkState.ACTIVE:
        uow.assets.delete_entries(offer_id=framework_id)
        uow.assets.delete_offer(framework_id)
    return ended


def covering(uow: UnitOfWork, negotiation: ContractNegotiation, now_ms: int) -> FrameworkContract | None:
    """The active framework contract under which we, as provider, give the dataset on the terms of the present offer.

    Where several cover it, the one whose own offer is asked for.
    """
    asset = uow.assets.asset(negotiation.dataset_id)
    if asset is None or negotiation.role is not Role.PROVIDER:
        return None
    found = [
        framework
        for framework in uow.contracts.list_frameworks(negotiation.peer_id)
        if framework.role is Role.PROVIDER
        and _in_force(framework, now_ms)
        and framework.data_item in ("", asset.data_item)
        and framework.part_group in ("", asset.part_group)
        and same_rules(framework.policy, negotiation.offer)
    ]
    asked = uow.negotiations.context(negotiation.own_pid).get("offer_id")
    return next(
        (framework for framework in found if framework.framework_id == asked), found[0] if found else None
    )


def covers_offer(uow: UnitOfWork, negotiation: ContractNegotiation, now_ms: int) -> bool:
    """Whether an offer that a partner makes to us stands under a framework contract that we approved, on its terms."""
    named = negotiation.offer.get(NAMED_MEMBER)
    framework = uow.contracts.framework(named) if isinstance(named, str) else None
    return (
        framework is not None
        and framework.role is Role.CONSUMER
        and framework.peer_id == negotiation.peer_id
        and _in_force(framework, now_ms)
        and same_rules(framework.policy, negotiation.offer)
    )


def standing_terms(uow: UnitOfWork, peer_id: str, now_ms: int) -> list[dict[str, object]]:
    """The terms of the framework contracts under which we take data of that partner now."""
    return [
        framework.policy
        for framework in uow.contracts.list_frameworks(peer_id)
        if framework.role is Role.CONSUMER and _in_force(framework, now_ms)
    ]


def named_in(uow: UnitOfWork, agreement: Mapping[str, object], peer_id: str) -> str | None:
    """The framework that an agreement names, when it is one of ours with that partner."""
    named = agreement.get(NAMED_MEMBER)
    framework = uow.contracts.framework(named) if isinstance(named, str) else None
    return framework.framework_id if framework is not None and framework.peer_id == peer_id else None


def keeps_framework(uow: UnitOfWork, negotiation: ContractNegotiation, now_ms: int) -> bool:
    """Whether the agreement names the framework contract under which we accepted the offer, if there was one."""
    if not covers_offer(uow, negotiation, now_ms):
        return True
    agreement = negotiation.agreement or {}
    return agreement.get(NAMED_MEMBER) == negotiation.offer.get(NAMED_MEMBER)


def _access_policy_id(framework_id: str) -> str:
    return f"{framework_id}:access"


def _check_unused(uow: UnitOfWork, framework_id: str) -> None:
    """Refuse an id under which the owner has stored something of its own: activation would replace it."""
    policy_ids = (framework_id, _access_policy_id(framework_id))
    if uow.assets.offer(framework_id) is not None or any(uow.assets.policy(name) for name in policy_ids):
        raise Invalid("This id of a framework contract is taken; choose another.", id=framework_id)


def _insert(uow: UnitOfWork, framework: FrameworkContract, moment: Moment) -> None:
    uow.contracts.insert_framework(framework)
    _note(uow, framework, "framework.proposed", moment)


def _put(uow: UnitOfWork, framework: FrameworkContract, event: str, moment: Moment) -> None:
    uow.contracts.put_framework(framework)
    _note(uow, framework, event, moment)


def _note(uow: UnitOfWork, framework: FrameworkContract, event: str, moment: Moment) -> None:
    details: dict[str, object] = {"title": framework.title, "role": framework.role}
    if framework.end_reason:
        details["reason"] = framework.end_reason
    offers.note(uow, moment, event, framework.framework_id, details, framework.peer_id)


def _in_force(framework: FrameworkContract, now_ms: int) -> bool:
    return framework.state is FrameworkState.ACTIVE and framework.from_ms <= now_ms < framework.until_ms


def _class_offer(framework: FrameworkContract, access_id: str) -> OfferDefinition:
    return OfferDefinition(
        offer_id=framework.framework_id,
        contract_policy_id=framework.framework_id,
        access_policy_id=access_id,
        data_item=framework.data_item or None,
        part_group=framework.part_group or None,
    )


def _known(uow: UnitOfWork, framework_id: str) -> FrameworkContract:
    framework = uow.contracts.framework(framework_id)
    if framework is None:
        raise NotFound(f"There is no framework contract {framework_id!r}.", id=framework_id)
    return framework
