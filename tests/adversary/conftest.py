from tests.api.conftest import pair
from tests.connector.conftest import cells, maker, postgresql_of_streets, rival, street, street_url

__all__ = ["cells", "maker", "pair", "postgresql_of_streets", "rival", "street", "street_url"]
