"""Asks other companies' connectors: where they speak the protocol, and what they offer."""

import re
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from ashiato.clients.egress import Egress, EgressError, EgressResponse
from ashiato.connector.node import Node, Tenant
from ashiato.connector.problems import NotFound, Problem
from ashiato.dsp import v2025_1 as wire
from ashiato.dsp.catalog import Catalog, Dataset
from ashiato.dsp.errors import MalformedMessage
from ashiato.dsp.messages import CatalogRequestMessage
from ashiato.facts.strict_json import MalformedJson, parse_strict
from ashiato.identity import dcp_v1_0 as dcp
from ashiato.identity.signed_tokens import CannotResolve, Documents
from ashiato.identity.wallet import OfferedCredential
from ashiato.statements.contract_texts import CONTRACT_TEXT_SERVICE, LONGEST_TEXT_BYTES
from ashiato.statements.self_descriptions import (
    SELF_DESCRIPTION_SERVICE,
    MalformedDescription,
    VerifiedDescription,
    verify_answer,
)
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import TokenRefused

ADDRESS_FRESH_MS = 300_000
MOST_CATALOG_BYTES = 64 * 1_048_576
MOST_DESCRIPTION_BYTES = 1_048_576

_LINK = re.compile(r"<([^<>]*)>([^<]*)")
_NEXT = re.compile(r';\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next\b)', re.IGNORECASE)


class PartnerUnavailable(Problem):
    """The partner's connector cannot be asked now, or does not answer as the protocol says."""

    code = "partner-unavailable"


class PartnerPage(msgspec.Struct, frozen=True):
    """One page of a partner's catalog and the cursor of the next, which only that partner understands."""

    catalog: Catalog
    cursor: str | None


class Partners:
    """The client side of the catalog protocol. Addresses are remembered for five minutes; a miss is never remembered."""

    def __init__(self, node: Node, egress: Egress, documents: Documents) -> None:
        self._node = node
        self._egress = egress
        self._documents = documents
        self._addresses: dict[str, tuple[str, int]] = {}

    async def locate(self, partner_id: str) -> str:
        """The base address of the protocol at that partner: its DID document names the version document (DSP 2025-1, 4.3)."""
        now_ms = self._node.moment().now_ms
        known = self._addresses.get(partner_id)
        if known is not None and now_ms - known[1] < ADDRESS_FRESH_MS:
            return known[0]
        document = await self._document_of(partner_id, now_ms)
        connector = document.service(wire.DATA_SERVICE)
        offering = document.service(wire.CATALOG_SERVICE)
        if connector is not None:
            address = await self._base_of(partner_id, wire.root_of_data_service(connector.endpoint))
        elif offering is not None:
            address = wire.base_of_catalog_service(offering.endpoint)
        else:
            raise PartnerUnavailable(
                f"The DID document of {partner_id} names no connector (service DataService)."
            )
        self._addresses[partner_id] = (address, now_ms)
        return address

    async def catalog(
        self,
        tenant: Tenant,
        partner_id: str,
        address: str | None,
        filter_items: list[object],
        cursor: str | None,
    ) -> PartnerPage:
        """One page of what the partner offers to `tenant`."""
        base = (address or await self.locate(partner_id)).rstrip("/")
        first_url = f"{base}/{wire.CATALOG_REQUEST}"
        body = wire.encode(CatalogRequestMessage(filter=filter_items))
        response = await self._ask(tenant, partner_id, "POST", _page_url(first_url, cursor), body)
        # A sender may spread its links over several header lines.
        links = ",".join(value for name, value in response.headers.items() if name.lower() == "link")
        try:
            return PartnerPage(wire.decode_catalog(response.body), _next_cursor(first_url, links))
        except MalformedMessage as error:
            raise PartnerUnavailable(f"The catalog of {partner_id} is malformed: {error}") from error

    async def dataset(self, tenant: Tenant, partner_id: str, address: str | None, asset_id: str) -> Dataset:
        """One dataset with the offers that the partner makes to `tenant`; raises `NotFound` when it shows none."""
        base = (address or await self.locate(partner_id)).rstrip("/")
        response = await self._ask(tenant, partner_id, "GET", f"{base}/{wire.dataset_path(asset_id)}", None)
        try:
            return wire.decode_dataset(response.body)
        except MalformedMessage as error:
            raise PartnerUnavailable(f"The dataset of {partner_id} is malformed: {error}") from error

    async def issues(self, issuer_id: str) -> tuple[OfferedCredential, ...]:
        """What an issuer issues, by its metadata (DCP 1.0, 6.7)."""
        document = await self._document_of(issuer_id, self._node.moment().now_ms)
        service = document.service(dcp.ISSUER_SERVICE)
        if service is None:
            raise PartnerUnavailable(f"The DID document of {issuer_id} names no {dcp.ISSUER_SERVICE}.")
        try:
            response = await self._egress.request(
                "GET", f"{service.endpoint.rstrip('/')}/{dcp.METADATA_PATH}"
            )
            if response.status != 200:
                raise PartnerUnavailable(f"{issuer_id} answered {response.status} and not with its metadata.")
            return dcp.decode_metadata(response.body)
        except (EgressError, dcp.MalformedDcpMessage) as error:
            raise PartnerUnavailable(f"The metadata of {issuer_id} cannot be had: {error}") from error

    async def describe(
        self, tenant: Tenant, partner_id: str, asset_id: str | None
    ) -> tuple[VerifiedDescription, ...]:
        """What the partner says of itself, signed; or of one of its assets, for which it is told who asks."""
        document = await self._document_of(partner_id, self._node.moment().now_ms)
        service = document.service(SELF_DESCRIPTION_SERVICE)
        if service is None:
            raise PartnerUnavailable(
                f"The DID document of {partner_id} names no service {SELF_DESCRIPTION_SERVICE}."
            )
        asker = None if asset_id is None else tenant
        query = "" if asset_id is None else f"?asset={quote(asset_id, safe='')}"
        response = await self._ask(
            asker, partner_id, "GET", service.endpoint + query, None, MOST_DESCRIPTION_BYTES
        )
        try:
            members = parse_strict(response.body, max_bytes=MOST_DESCRIPTION_BYTES)
            listed = members.get("descriptions") if isinstance(members, dict) else None
            return verify_answer(listed, document, self._node.moment().now_ms, asset_id)
        except (MalformedJson, MalformedDescription) as error:
            raise PartnerUnavailable(
                f"The self-description of {partner_id} is malformed: {error.problem[:300]}"
            ) from error
        except TokenRefused as error:
            raise PartnerUnavailable(
                f"The self-description of {partner_id} does not hold: {error.sentence}"
            ) from error

    async def contract_text(self, tenant: Tenant, partner_id: str, text_sha256: str) -> bytes:
        """The bytes of a contract text that an offer of the partner names; raises `NotFound` when it has none of that hash."""
        document = await self._document_of(partner_id, self._node.moment().now_ms)
        service = document.service(CONTRACT_TEXT_SERVICE)
        if service is None:
            raise PartnerUnavailable(
                f"The DID document of {partner_id} names no service {CONTRACT_TEXT_SERVICE}."
            )
        url = f"{service.endpoint}/{quote(text_sha256, safe='')}"
        return (await self._ask(tenant, partner_id, "GET", url, None, LONGEST_TEXT_BYTES)).body

    async def _document_of(self, partner_id: str, now_ms: int) -> DidDocument:
        try:
            return await self._documents.resolve(partner_id, now_ms)
        except CannotResolve as error:
            raise PartnerUnavailable(
                f"The DID document of {partner_id} cannot be had: {error.why}"
            ) from error

    async def _ask(
        self,
        tenant: Tenant | None,
        partner_id: str,
        method: str,
        url: str,
        body: bytes | None,
        most_bytes: int = MOST_CATALOG_BYTES,
    ) -> EgressResponse:
        """The answer; without a `tenant` the partner is not told who asks."""
        headers = {"Content-Type": wire.MEDIA_TYPE}
        if tenant is not None:
            moment = self._node.moment()
            headers["Authorization"] = await self._node.identity.token_for(
                tenant.participant_id, partner_id, moment.now_ms, moment.fresh_id()
            )
        try:
            response = await self._egress.request(
                method, url, headers=headers, body=body, max_response_bytes=most_bytes
            )
        except EgressError as error:
            raise PartnerUnavailable(f"{partner_id} cannot be asked: {error}") from error
        if response.status == 404 and tenant is not None:
            raise NotFound(f"{partner_id} shows nothing of that id to {tenant.participant_id}.")
        if response.status != 200:
            text = response.body[:300].decode("utf-8", "replace")
            raise PartnerUnavailable(f"{partner_id} answered {response.status}: {text}")
        return response

    async def _base_of(self, partner_id: str, root_url: str) -> str:
        try:
            response = await self._egress.request("GET", f"{root_url}/{wire.VERSIONS_PATH}")
            path = wire.base_path(wire.decode_versions(response.body)) if response.status == 200 else None
        except (EgressError, MalformedMessage) as error:
            raise PartnerUnavailable(f"The versions of {partner_id} cannot be had: {error}") from error
        if path is None:
            raise PartnerUnavailable(f"{partner_id} does not speak version {wire.VERSION} of the protocol.")
        return f"{root_url}/{path.lstrip('/')}".rstrip("/")


def _page_url(first_url: str, cursor: str | None) -> str:
    if not cursor:
        return first_url
    if not cursor.startswith("/"):
        return f"{first_url}?{cursor}"
    parts = urlsplit(first_url)
    return f"{parts.scheme}://{parts.netloc}{cursor}"


def _next_cursor(first_url: str, links: str) -> str | None:
    """What of the link to the next page is needed to follow it: its query, or its path too where that is another.

    The page is asked for at the address that is known of the partner, whatever host its link names.
    """
    asked = urlsplit(first_url)
    for target, parameters in _LINK.findall(links):
        if _NEXT.search(parameters) is None:
            continue
        try:
            link = urlsplit(urljoin(first_url, target))
        except ValueError:
            return None
        query = f"?{link.query}" if link.query else ""
        if (link.scheme, link.netloc) == (asked.scheme, asked.netloc) and link.path != asked.path:
            return f"{link.path}{query}"
        return link.query or None
    return None
