from tests.api.conftest import pair
from tests.connector.conftest import cells, maker, postgresql_of_streets, rival, street, street_url
from tests.plugins.data_plane import consumer, parties, provider

__all__ = [
    "cells",
    "consumer",
    "maker",
    "pair",
    "parties",
    "postgresql_of_streets",
    "provider",
    "rival",
    "street",
    "street_url",
]
