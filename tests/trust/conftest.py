import pytest

from tests.trust.credentials import ISSUER
from tests.trust.parties import ACME, GLOBEX, Party, new_party


@pytest.fixture(scope="session")
def acme() -> Party:
    """The participant that calls."""
    return new_party(ACME)


@pytest.fixture(scope="session")
def globex() -> Party:
    """The participant that is called."""
    return new_party(GLOBEX)


@pytest.fixture(scope="session")
def issuer() -> Party:
    """Who vouches for participants."""
    return new_party(ISSUER)
