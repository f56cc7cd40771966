"""ashiato framework, contract: the contract master."""

import hashlib
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ashiato.cli.commanding import Session, command, group
from ashiato.cli.documents import (
    STANDARD_INPUT,
    Address,
    Allow,
    DataItem,
    Elapsed,
    Id,
    Limit,
    NotBefore,
    PartGroup,
    PartnerFilter,
    PolicyFile,
    Reason,
    Until,
    Uses,
    WithPartner,
    given,
    instant_ms,
    policy_of,
    read_bytes,
)
from ashiato.cli.saving import Overwrite, ToFile, opened, save
from ashiato.cli.texts import say

SCAN_TYPES = {
    ".pdf": "application/pdf",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}


class Part(StrEnum):
    """The part of a company in a contract."""

    PROVIDER = "provider"
    CONSUMER = "consumer"


class Kind(StrEnum):
    """The kinds of contracts."""

    FRAMEWORK = "framework"
    PAPER = "paper"
    AGREEMENT = "agreement"


def add_to(app: typer.Typer) -> None:
    """Adds the groups to the program."""
    _frameworks(group(app, "framework"))
    contracts = group(app, "contract")
    _contracts(contracts)
    _agreements(contracts)


def _frameworks(app: typer.Typer) -> None:
    @command(app, "list", "framework.list")
    def list_frameworks(session: Session, partner: PartnerFilter = None, limit: Limit = 100) -> None:
        columns = ("framework_id", "state", "role", "partner", "title", "data_item", "part_group", "until_ms")
        session.list_all(session.path("frameworks"), columns, limit, partner=partner)

    @command(app, "show", "framework.show")
    def show_framework(session: Session, framework_id: Id) -> None:
        session.output.show(session.get("frameworks", framework_id))

    @command(app, "propose", "framework.propose")
    def propose_framework(
        session: Session,
        title: Annotated[str, typer.Option("--title", help=say("option.title"))],
        partner: WithPartner,
        role: Annotated[Part, typer.Option("--as", help=say("option.role"))],
        from_instant: Annotated[str, typer.Option("--from", help=say("option.from_instant"))],
        until_instant: Annotated[str, typer.Option("--to", help=say("option.until_instant"))],
        data_item: DataItem = "",
        part_group: PartGroup = "",
        purpose: Annotated[str, typer.Option("--purpose", help=say("option.purpose"))] = "",
        policy: PolicyFile = None,
        allow: Allow = None,
        not_before: NotBefore = None,
        until: Until = None,
        elapsed: Elapsed = None,
        uses: Uses = None,
        framework_id: Annotated[str | None, typer.Option("--id", help=say("option.framework_id"))] = None,
        address: Address = None,
    ) -> None:
        body = given(
            framework_id=framework_id,
            role=role.upper(),
            partner=partner,
            address=address,
            title=title,
            policy=policy_of(policy, allow, not_before, until, elapsed, uses),
            from_ms=instant_ms(from_instant),
            until_ms=instant_ms(until_instant),
            data_item=data_item,
            part_group=part_group,
            purpose=purpose,
        )
        proposed = session.post(body, "frameworks")
        session.output.show(
            proposed
            if session.output.as_json
            else {**proposed["framework"], "negotiation_pid": proposed["negotiation_pid"]}
        )

    @command(app, "end", "framework.end")
    def end_framework(session: Session, framework_id: Id, reason: Reason = "") -> None:
        session.output.show(session.post({"reason": reason}, "frameworks", framework_id, "end"))


def _contracts(app: typer.Typer) -> None:
    @command(app, "list", "contract.list")
    def list_contracts(
        session: Session,
        partner: PartnerFilter = None,
        kind: Annotated[Kind | None, typer.Option("--kind", help=say("option.kind"))] = None,
        limit: Limit = 100,
    ) -> None:
        if session.output.as_json:
            session.list_all(session.path("contracts"), (), limit, partner=partner, kind=kind)
            return
        page = session.get("contracts", partner=partner, kind=kind, limit=min(limit, 500))
        rows = [_row(contract["kind"], contract[contract["kind"]]) for contract in page["items"]]
        session.output.table(
            rows, ("kind", "id", "partner", "what", "state", "since_ms"), page["next_cursor"]
        )

    @command(app, "show", "contract.show")
    def show_agreement(session: Session, agreement_id: Id) -> None:
        session.output.show(session.get("agreements", agreement_id))

    @command(app, "decision", "contract.decision")
    def decision_of_contract(session: Session, agreement_id: Id) -> None:
        session.output.show(session.get("agreements", agreement_id, "decision"))

    @command(app, "end", "contract.end")
    def end_agreement(session: Session, agreement_id: Id, reason: Reason = "") -> None:
        session.output.show(session.post({"reason": reason}, "agreements", agreement_id, "terminate"))

    @command(app, "paper", "contract.paper")
    def put_paper(
        session: Session,
        paper_id: Id,
        scan: Annotated[Path, typer.Argument(help=say("option.scan"))],
        partner: WithPartner,
        title: Annotated[str, typer.Option("--title", help=say("option.title"))],
        signed_on: Annotated[str, typer.Option("--signed-on", help=say("option.signed_on"))],
        note: Annotated[str, typer.Option("--note", help=say("option.note"))] = "",
    ) -> None:
        stored = session.client.document(
            "PUT",
            session.path("papers", paper_id),
            query={"partner": partner, "title": title, "signed_on": signed_on, "note": note},
            body=read_bytes(str(scan)),
            media_type=SCAN_TYPES.get(scan.suffix.lower(), "application/octet-stream"),
        )
        session.output.show(stored)

    @command(app, "scan", "contract.scan")
    def save_scan(session: Session, paper_id: Id, to: ToFile, overwrite: Overwrite = False) -> None:
        paper = session.get("papers", paper_id)
        path = session.path("papers", paper_id, "scan")
        save(session, path, to, paper["size_bytes"], paper["scan_sha256"], overwrite=overwrite)


def _agreements(app: typer.Typer) -> None:
    @command(app, "renew", "contract.renew")
    def renew_agreement(
        session: Session,
        agreement_id: Id,
        offer: Annotated[str | None, typer.Option("--offer", help=say("option.offer_choice"))] = None,
        address: Address = None,
    ) -> None:
        body = given(offer_id=offer, address=address)
        session.output.show(session.post(body, "agreements", agreement_id, "renew"))

    @command(app, "retire", "contract.retire")
    def retire_agreement(session: Session, agreement_id: Id) -> None:
        session.output.show(session.post(None, "agreements", agreement_id, "retire"))

    @command(app, "export", "contract.export")
    def export_agreement(
        session: Session, agreement_id: Id, to: ToFile, overwrite: Overwrite = False
    ) -> None:
        document = session.get("agreements", agreement_id, "export")
        body = json.dumps(document, ensure_ascii=False, indent=1).encode()
        with opened(to, overwrite=overwrite) as file:
            file.write(body)
        if to != STANDARD_INPUT:
            sha256 = hashlib.sha256(body).hexdigest()
            session.output.done("done.saved", path=to, size_bytes=len(body), sha256=sha256)


def _row(kind: str, contract: dict[str, object]) -> dict[str, object]:
    identifier = contract.get(f"{kind}_id")
    since_ms = contract.get("agreed_ms") or contract.get("from_ms") or contract.get("created_ms")
    return {
        "kind": kind,
        "id": identifier,
        "partner": contract.get("partner"),
        "what": contract.get("title") or contract.get("asset_id"),
        "state": contract.get("state") or contract.get("signed_on"),
        "since_ms": since_ms,
    }
