"""The inbox as an asset that is offered: open to whom its owner lets in, on terms that let them write and nothing more."""

import msgspec

from ashiato.connector import offers
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import NotFound
from ashiato.connector.records import (
    AccessForm,
    Approval,
    Asset,
    OfferDefinition,
    PolicyDefinition,
    Visibility,
)
from ashiato.connector.sources import SupplyInboxPlace
from ashiato.policy.builder import permit
from ashiato.supply.messages import INBOX_ASSET_ID


def open_inbox(uow: UnitOfWork, access: tuple[AccessForm, ...], approval: Approval, moment: Moment) -> Asset:
    """Offer the inbox, on terms that let its reader write and nothing more; `access` says to whom (empty: to everybody)."""
    asset = Asset(
        asset_id=INBOX_ASSET_ID,
        title="Requests for data, and answers",
        source=msgspec.to_builtins(SupplyInboxPlace()),
        methods=("POST",),
        finite=False,
        access=access,
    )
    offers.put_policy(uow, PolicyDefinition(policy_id=INBOX_ASSET_ID, document=permit("use")), moment)
    stored = offers.put_asset(uow, asset, moment)
    offer = OfferDefinition(
        offer_id=INBOX_ASSET_ID,
        contract_policy_id=INBOX_ASSET_ID,
        asset_ids=(INBOX_ASSET_ID,),
        approval=approval,
    )
    offers.put_offer(uow, offer, moment)
    return stored


def ensure_open(uow: UnitOfWork, moment: Moment) -> None:
    """Whoever asks must be able to hear the answer: an inbox that was never opened is opened to everybody who is known."""
    if uow.assets.asset(INBOX_ASSET_ID) is None:
        open_inbox(uow, (), Approval.AUTOMATIC, moment)


def close_inbox(uow: UnitOfWork, moment: Moment) -> None:
    """Take no further messages: the asset is hidden, and agreements over it open nothing any more."""
    asset = uow.assets.asset(INBOX_ASSET_ID)
    if asset is None or asset.visibility is Visibility.HIDDEN:
        raise NotFound("The inbox is not open.", id=INBOX_ASSET_ID)
    offers.put_asset(uow, msgspec.structs.replace(asset, visibility=Visibility.HIDDEN, methods=()), moment)
