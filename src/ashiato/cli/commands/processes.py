"""ashiato negotiation, approval, transfer, received, access: what goes on with partners."""

from enum import StrEnum
from typing import Annotated

import typer

from ashiato.cli.commanding import Session, command, group
from ashiato.cli.documents import (
    Address,
    Id,
    Limit,
    NeededPolicyFile,
    PartnerFilter,
    PolicyFile,
    Reason,
    given,
    read_object,
)
from ashiato.cli.saving import Overwrite, Purpose, ToFile, save
from ashiato.cli.texts import say

Dataset = Annotated[str, typer.Argument(help=say("option.dataset"))]
FromCompany = Annotated[str, typer.Option("--from", help=say("option.from_company"))]
OfferChoice = Annotated[str | None, typer.Option("--offer", help=say("option.offer_choice"))]
State = Annotated[str | None, typer.Option("--state", help=say("option.state"))]
AgreementFilter = Annotated[str | None, typer.Option("--agreement", help=say("option.agreement"))]


class WireFormat(StrEnum):
    """Who moves the data: the consumer pulls, or the provider pushes."""

    PULL = "HttpData-PULL"
    PUSH = "HttpData-PUSH"


Format = Annotated[WireFormat, typer.Option("--format", help=say("option.format"))]


class NegotiationAct(StrEnum):
    """The steps in a negotiation."""

    ACCEPT = "accept"
    COUNTER = "counter"
    OFFER = "offer"
    AGREE = "agree"
    VERIFY = "verify"
    FINALIZE = "finalize"
    TERMINATE = "terminate"


class TransferAct(StrEnum):
    """The steps in a transfer."""

    START = "start"
    RESUME = "resume"
    SUSPEND = "suspend"
    COMPLETE = "complete"
    TERMINATE = "terminate"


def add_to(app: typer.Typer) -> None:
    """Adds the groups to the program."""
    _negotiations(group(app, "negotiation"))
    _approvals(group(app, "approval"))
    _transfers(group(app, "transfer"))
    _received(group(app, "received"))
    _accesses(group(app, "access"))


def _negotiations(app: typer.Typer) -> None:
    @command(app, "list", "negotiation.list")
    def list_negotiations(
        session: Session, partner: PartnerFilter = None, state: State = None, limit: Limit = 100
    ) -> None:
        columns = ("negotiation_pid", "role", "state", "partner", "asset_id", "needs_approval", "updated_ms")
        session.list_all(session.path("negotiations"), columns, limit, partner=partner, state=state)

    @command(app, "show", "negotiation.show")
    def show_negotiation(session: Session, negotiation_pid: Id) -> None:
        session.output.show(session.get("negotiations", negotiation_pid))

    @command(app, "request", "negotiation.request")
    def request_contract(
        session: Session,
        dataset: Dataset,
        provider: FromCompany,
        offer: OfferChoice = None,
        address: Address = None,
    ) -> None:
        body = given(role="CONSUMER", partner=provider, asset_id=dataset, offer_id=offer, address=address)
        session.output.show(session.post(body, "negotiations"))

    @command(app, "offer", "negotiation.offer")
    def offer_asset(
        session: Session,
        asset_id: Id,
        consumer: Annotated[str, typer.Option("--to", help=say("option.partner"))],
        offer: Annotated[str, typer.Option("--offer", help=say("option.own_offer"))],
        address: Address = None,
    ) -> None:
        body = given(role="PROVIDER", partner=consumer, asset_id=asset_id, offer_id=offer, address=address)
        session.output.show(session.post(body, "negotiations"))

    @command(app, "act", "negotiation.act")
    def act_in_negotiation(
        session: Session,
        negotiation_pid: Id,
        act: Annotated[NegotiationAct, typer.Argument(help=say("option.act"))],
        policy: PolicyFile = None,
        reason: Reason = "",
    ) -> None:
        body = given(policy=None if policy is None else read_object(policy), reason=reason)
        session.output.show(session.post(body, "negotiations", negotiation_pid, act))


def _approvals(app: typer.Typer) -> None:
    @command(app, "list", "approval.list")
    def list_approvals(session: Session, limit: Limit = 100) -> None:
        columns = ("negotiation_pid", "partner", "asset_id", "question", "choices", "since_ms")
        session.list_all(session.path("approvals"), columns, limit)

    @command(app, "show", "approval.show")
    def show_approval(session: Session, negotiation_pid: Id) -> None:
        session.output.show(session.get("approvals", negotiation_pid))

    @command(app, "approve", "approval.approve")
    def approve(session: Session, negotiation_pid: Id) -> None:
        session.output.show(session.post(None, "approvals", negotiation_pid, "approve"))

    @command(app, "counter", "approval.counter")
    def counter(session: Session, negotiation_pid: Id, policy: NeededPolicyFile) -> None:
        body = {"policy": read_object(policy)}
        session.output.show(session.post(body, "approvals", negotiation_pid, "counter"))

    @command(app, "reject", "approval.reject")
    def reject(session: Session, negotiation_pid: Id, reason: Reason = "") -> None:
        session.output.show(session.post({"reason": reason}, "approvals", negotiation_pid, "reject"))


def _transfers(app: typer.Typer) -> None:
    @command(app, "list", "transfer.list")
    def list_transfers(
        session: Session, state: State = None, agreement: AgreementFilter = None, limit: Limit = 100
    ) -> None:
        columns = ("transfer_pid", "role", "state", "partner", "asset_id", "format", "updated_ms")
        session.list_all(session.path("transfers"), columns, limit, state=state, agreement_id=agreement)

    @command(app, "show", "transfer.show")
    def show_transfer(session: Session, transfer_pid: Id) -> None:
        session.output.show(session.get("transfers", transfer_pid))

    @command(app, "request", "transfer.request")
    def request_transfer(
        session: Session, agreement_id: Id, wire_format: Format = WireFormat.PULL, address: Address = None
    ) -> None:
        body = given(agreement_id=agreement_id, format=wire_format, address=address)
        session.output.show(session.post(body, "transfers"))

    @command(app, "act", "transfer.act")
    def act_in_transfer(
        session: Session,
        transfer_pid: Id,
        act: Annotated[TransferAct, typer.Argument(help=say("option.act"))],
        reason: Reason = "",
    ) -> None:
        session.output.show(session.post({"reason": reason}, "transfers", transfer_pid, act))


def _received(app: typer.Typer) -> None:
    @command(app, "list", "received.list")
    def list_received(session: Session, limit: Limit = 100) -> None:
        columns = ("received_id", "partner", "asset_id", "media_type", "size_bytes", "received_ms")
        session.list_all(session.path("received"), columns, limit)

    @command(app, "show", "received.show")
    def show_received(session: Session, received_id: Id) -> None:
        session.output.show(session.get("received", received_id))

    @command(app, "save", "received.save")
    def save_received(
        session: Session, received_id: Id, to: ToFile, overwrite: Overwrite = False, purpose: Purpose = ""
    ) -> None:
        received = session.get("received", received_id)
        path = session.path("received", received_id, "content")
        save(
            session,
            path,
            to,
            received["size_bytes"],
            received["sha256"],
            overwrite=overwrite,
            purpose=purpose,
        )


def _accesses(app: typer.Typer) -> None:
    @command(app, "list", "access.list")
    def list_accesses(session: Session, agreement: AgreementFilter = None, limit: Limit = 100) -> None:
        columns = ("started_ms", "role", "partner", "asset_id", "method", "sent_bytes", "outcome", "sha256")
        session.list_all(session.path("accesses"), columns, limit, agreement_id=agreement)
