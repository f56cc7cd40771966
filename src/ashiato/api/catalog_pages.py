"""A page of the catalog, and one dataset, as they go over HTTP (DSP 2025-1, 6.2 and 6.3)."""

import base64
import binascii
import gzip
import re
from collections.abc import Sequence

import structlog
from starlette.requests import Request
from starlette.responses import Response

from ashiato.connector import catalog, transfers
from ashiato.connector.node import Tenant
from ashiato.connector.problems import Invalid
from ashiato.dsp import v2025_1 as wire
from ashiato.dsp.catalog import DataService, Distribution
from ashiato.dsp.errors import UnsendableMessage

GZIP_FROM_BYTES = 1024

log = structlog.get_logger()

_REFUSING_WEIGHT = re.compile(r"q=0(\.0*)?")


def page_response(
    request: Request, tenant: Tenant, base_url: str, page: catalog.CatalogPage, owner_roles: Sequence[str]
) -> Response:
    """The page with links to the one before and the one behind it (6.3.1); `owner_roles` stand with what is only listed."""
    body = wire.encode_catalog(
        f"{tenant.root_url}/catalog",
        tenant.participant_id,
        _encode_datasets(tenant, base_url, page.datasets, owner_roles),
        services=(_service(base_url),),
    )
    links = (("previous", "before", page.previous_before), ("next", "after", page.next_after))
    told = ", ".join(
        f'<{base_url}/{wire.CATALOG_REQUEST}?{parameter}={_as_cursor(asset_id)}>; rel="{relation}"'
        for relation, parameter, asset_id in links
        if asset_id is not None
    )
    return _compressed(request, body, {"Link": told} if told else {})


def dataset_response(
    request: Request, base_url: str, dataset: catalog.Dataset, owner_roles: Sequence[str]
) -> Response:
    """One dataset. Alone it says by itself where its service is; in a catalog the id of the service says it."""
    body = wire.encode_root_dataset(_encode_dataset(dataset, _service(base_url), owner_roles))
    return _compressed(request, body, {})


def cursor(request: Request, parameter: str) -> str | None:
    """The asset id in a link of ours, None without one; raises `Invalid`."""
    text = request.query_params.get(parameter)
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        asset_id = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        asset_id = "\0"
    if not asset_id.isprintable():
        raise Invalid("The cursor is not one of ours; begin again without it.", path=parameter)
    return asset_id


def _as_cursor(asset_id: str) -> str:
    return base64.urlsafe_b64encode(asset_id.encode()).decode().rstrip("=")


def _encode_datasets(
    tenant: Tenant, base_url: str, datasets: Sequence[catalog.Dataset], owner_roles: Sequence[str]
) -> list[bytes | dict[str, object]]:
    service_id = _service(base_url).service_id
    encoded: list[bytes | dict[str, object]] = []
    for dataset in datasets:
        try:
            encoded.append(_encode_dataset(dataset, service_id, owner_roles))
        except UnsendableMessage as error:
            # One that the protocol cannot carry must not hide the others.
            log.error(
                "dataset left out of the catalog",
                participant=tenant.participant_id,
                asset=dataset.asset.asset_id,
                why=str(error),
            )
    return encoded


def _encode_dataset(
    dataset: catalog.Dataset, service: str | DataService, owner_roles: Sequence[str]
) -> bytes:
    asset = dataset.asset
    if dataset.is_listing:
        listed: dict[str, object] = {"ashiato:visibility": "listed"}
        if owner_roles:
            listed["ashiato:ownerRole"] = list(owner_roles)
        distributions = [Distribution(format=transfers.PULL_FORMAT, access_service=service)]
        return wire.encode_dataset(asset.asset_id, dataset.offers, distributions, listed)
    properties: dict[str, object] = {"title": asset.title or asset.asset_id}
    for name, value in (
        ("dataItem", asset.data_item),
        ("partGroup", asset.part_group),
        ("mediaType", asset.media_type),
    ):
        if value:
            properties[f"ashiato:{name}"] = value
    properties.update({name: value for name, value in asset.properties.items() if name not in properties})
    distributions = [
        Distribution(format=name, access_service=service) for name in transfers.formats_of(asset)
    ]
    return wire.encode_dataset(asset.asset_id, dataset.offers, distributions, properties)


def _service(base_url: str) -> DataService:
    return DataService(service_id=base_url, endpoint_url=base_url)


def _compressed(request: Request, body: bytes, headers: dict[str, str]) -> Response:
    headers["Vary"] = "Accept-Encoding"
    if len(body) >= GZIP_FROM_BYTES and _takes_gzip(request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, 1, mtime=0)
    return Response(body, headers=headers, media_type=wire.MEDIA_TYPE)


def _takes_gzip(accepted: str) -> bool:
    """Whether gzip is named, and not with the weight 0 that refuses it (RFC 9110, 12.5.3)."""
    for item in accepted.lower().split(","):
        name, _, weight = item.partition(";")
        if name.strip() == "gzip":
            return _REFUSING_WEIGHT.fullmatch(weight.replace(" ", "")) is None
    return False
