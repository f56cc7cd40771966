"""How a participant's DID document says where its connector is (DSP 2025-1, 4.4)."""

from ashiato.dsp.v2025_1.wire import CONTEXT_URL, VERSIONS_PATH

DATA_SERVICE = "DataService"
CATALOG_SERVICE = "CatalogService"
SERVICE_CONTEXT = (CONTEXT_URL, "https://www.w3.org/ns/did/v1")

_CATALOG = "catalog"


def service_endpoints(root_url: str, base_path: str) -> dict[str, str]:
    """The endpoint of each service type, for a connector whose versions are told at `root_url`.

    The official schema of the entry demands an endpoint that ends in "/catalog", the official example of a
    DataService ends otherwise. With both entries at least one satisfies the schema, as the text demands.
    """
    return {
        DATA_SERVICE: f"{root_url}/{VERSIONS_PATH}",
        CATALOG_SERVICE: f"{root_url}{base_path}/{_CATALOG}",
    }


def root_of_data_service(endpoint: str) -> str:
    """The URL below which the versions say their paths; `endpoint` may already be that URL."""
    return endpoint.rstrip("/").removesuffix(f"/{VERSIONS_PATH}").rstrip("/")


def base_of_catalog_service(endpoint: str) -> str:
    """The base URL of a catalog service, which names no version."""
    return endpoint.rstrip("/").removesuffix(f"/{_CATALOG}").rstrip("/")
