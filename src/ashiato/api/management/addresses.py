"""The addresses of the management API that are not a participant's, and the slugs that therefore nobody may have."""

ROOT = "v1"
HEALTH_PATH = f"/{ROOT}/health"
OPENAPI_PATH = f"/{ROOT}/openapi.json"
OPERATOR_SEGMENT = "participants"
RESERVED_SLUGS = frozenset({"health", "openapi.json", OPERATOR_SEGMENT})
