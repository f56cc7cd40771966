import pytest

from tests.trust.parties import ACME, GLOBEX, Party, new_party


@pytest.fixture(scope="session")
def acme() -> Party:
    """The participant that calls."""
    return new_party(ACME)


@pytest.fixture(scope="session")
def globex() -> Party:
    """The participant that is called."""
    return new_party(GLOBEX)
