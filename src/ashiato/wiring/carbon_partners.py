"""What the carbon app gets of other companies through the app interface, and believes only after it has verified it."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from ashiato.apps.carbon.accepting import AgreedLink, UnacceptableDeclaration, accept
from ashiato.apps.carbon.calculating import Received
from ashiato.apps.carbon.revisions import Item
from ashiato.clients.app_interface import AppInterface, AppInterfaceError
from ashiato.statements.signed_words import WordStanding
from ashiato.trust.did import DidDocument, InvalidDid, InvalidDidDocument, parse_did_document

NOT_FOUND = 404


class Partners:
    """Suppliers and verifiers at one moment; the keys of each are asked for once."""

    def __init__(self, interface: AppInterface) -> None:
        self._interface = interface
        self._verifiers = interface.verifiers()
        self._notices: dict[str, dict[str, WordStanding]] = {}
        for notice in interface.notices():
            told = self._notices.setdefault(notice["partner"], {})
            told[notice["sha256"]] = WordStanding(notice["standing"])
        self._documents: dict[str, DidDocument | None] = {}

    def known(self, suppliers: Iterable[str]) -> list[Item]:
        """What is known beside the documents that came, as far as a result depends on it: notices, and who is believed."""
        notices = [
            Item(partner, f"notice {standing.value}", sha256)
            for partner in suppliers
            for sha256, standing in self._notices.get(partner, {}).items()
        ]
        return [*notices, *(Item(did, "verifier", "") for did in self._verifiers)]

    def without_keys(self, dids: Iterable[str]) -> list[str]:
        """Those of the companies whose signatures cannot be verified now, in their order."""
        return [did for did in sorted(dids) if self._document_of(did) is None]

    def accepted(self, item: Mapping[str, Any], content: bytes) -> Received | None:
        """The declaration in what came, None where it does not count; why, and which statements do not, is told."""
        partner, named = item["partner"], f"{item['asset_id']} of {item['partner']}"
        try:
            found = accept(
                partner,
                item["received_ms"],
                content,
                self._document_of,
                self._verifiers,
                self._notices.get(partner),
            )
        except UnacceptableDeclaration as error:
            print(f"{named} is not used: {error}", file=sys.stderr, flush=True)
            return None
        for sentence in found.passed_over:
            print(f"{named}: {sentence}", file=sys.stderr, flush=True)
        return found.received

    def link(self, link_id: str) -> AgreedLink | None:
        """The trade link, None where it is not confirmed by both sides."""
        try:
            link = self._interface.trade_link(link_id)
        except AppInterfaceError as error:
            if error.status != NOT_FOUND:
                raise
            return None
        return AgreedLink(link["partner"], link["side"], link["partner_part_id"])

    def _document_of(self, did: str) -> DidDocument | None:
        if did not in self._documents:
            self._documents[did] = self._resolved(did)
        return self._documents[did]

    def _resolved(self, did: str) -> DidDocument | None:
        try:
            return parse_did_document(self._interface.did_document(did), did)
        except AppInterfaceError as error:
            if error.status != NOT_FOUND:
                raise
            print(error, file=sys.stderr, flush=True)
        except (InvalidDidDocument, InvalidDid) as error:
            print(error, file=sys.stderr, flush=True)
        return None
