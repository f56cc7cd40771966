"""Which of a partner's offers is meant, and how its catalog is shown."""

from ashiato.api.management.calls import Call
from ashiato.api.management.models.processes import Dataset
from ashiato.connector.frameworks import standing_terms
from ashiato.connector.negotiations import Partner
from ashiato.connector.problems import Invalid, NotFound
from ashiato.dsp import catalog
from ashiato.dsp.catalog import offers_of
from ashiato.policy.identity import same_rules

TITLE_MEMBERS = ("title", "dct:title", "http://purl.org/dc/terms/title", "name")


async def chosen_offer(
    call: Call, partner: Partner, asset_id: str, offer_id: str | None, wire_format: str | None = None
) -> tuple[dict[str, object], Partner]:
    """The partner's offer for that dataset, and the partner where it negotiates; raises `NotFound` or `Invalid`.

    By its id; without one, the offer on the terms of a framework contract with that partner, or the only terms there are.
    """
    partner_id = partner.participant_id
    dataset = await call.around.partners.dataset(call.tenant, partner_id, partner.address, asset_id)
    named = [offer for offer in offers_of(dataset) if offer_id in (None, offer.get("@id"))]
    if not named:
        raise NotFound(
            f"{partner_id} makes you no such offer for {asset_id!r}.", asset_id=asset_id, offer_id=offer_id
        )
    standing = await call.read(lambda uow: standing_terms(uow, partner_id, call.moment.now_ms))
    covered = [offer for offer in named if any(same_rules(offer, terms) for terms in standing)]
    chosen = [*covered, *named][0]
    if not covered and not all(same_rules(offer, chosen) for offer in named):
        ids = [offer.get("@id") for offer in named]
        raise Invalid(
            f"{partner_id} makes several offers for {asset_id!r}; name one as offer_id.", offer_ids=ids
        )
    return {**chosen, "target": asset_id}, Partner(
        partner_id, _negotiates_at(dataset, wire_format) or partner.address
    )


def _negotiates_at(dataset: catalog.Dataset, wire_format: str | None) -> str | None:
    """Where the dataset says that it is negotiated (DSP 2025-1, 5.3.2), which need not be where its catalog is read."""
    for distribution in dataset.distributions:
        service = distribution.access_service
        if wire_format in (None, distribution.format) and isinstance(service, catalog.DataService):
            return service.endpoint_url.rstrip("/")
    return None


def shown(dataset: catalog.Dataset) -> Dataset:
    """The dataset as the API shows it."""
    title = next(
        (text for name in TITLE_MEMBERS if isinstance(text := dataset.extensions.get(name), str)), ""
    )
    return Dataset.model_validate(
        {
            "asset_id": dataset.dataset_id,
            "title": title,
            "offers": offers_of(dataset),
            "formats": list(dict.fromkeys(distribution.format for distribution in dataset.distributions)),
            "properties": dataset.extensions,
        }
    )


def all_datasets(page: catalog.Catalog) -> list[catalog.Dataset]:
    """The datasets of a catalog and of the catalogs nested in it."""
    found = [*page.datasets]
    for nested in page.catalogs:
        found += all_datasets(nested)
    return found
