"""What a provider offers, as frozen values (DSP 2025-1, 5.1, after DCAT 3)."""

import msgspec

from ashiato.dsp.messages import Policy


class DataService(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint through which a distribution can be had."""

    service_id: str
    endpoint_url: str
    extensions: dict[str, object] = msgspec.field(default_factory=dict)


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """One way to get a dataset: the transfer format and the service, by its id or as a whole."""

    format: str
    access_service: str | DataService
    offers: tuple[Policy, ...] = ()
    extensions: dict[str, object] = msgspec.field(default_factory=dict)


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """Data and the offers under which it may be had; `extensions` holds its description (title, keywords,
    ...).
    """

    dataset_id: str
    offers: tuple[Policy, ...]
    distributions: tuple[Distribution, ...]
    extensions: dict[str, object] = msgspec.field(default_factory=dict)


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a participant's catalog, with catalogs nested in it; only the outermost names the
    participant.
    """

    catalog_id: str
    participant_id: str | None = None
    datasets: tuple[Dataset, ...] = ()
    catalogs: tuple["Catalog", ...] = ()
    services: tuple[DataService, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    context: tuple[str, ...] = ()
    extensions: dict[str, object] = msgspec.field(default_factory=dict)


def offers_of(dataset: Dataset) -> list[dict[str, object]]:
    """The offers of a dataset, those of its distributions included, each once."""
    found = [*dataset.offers]
    for distribution in dataset.distributions:
        found += distribution.offers
    return list({str(offer.get("@id")): dict(offer) for offer in reversed(found)}.values())[::-1]
