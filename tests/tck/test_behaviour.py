import pytest

from ashiato.identity.signed_tokens import NotAuthenticated
from tests.tck import behaviour, connector_under_test, scenarios


async def test_only_the_header_of_the_kit_is_the_kit() -> None:
    identity = behaviour.KitIdentity()
    caller = await identity.authenticate("did:web:example.org", behaviour.AUTHORIZATION, now_ms=1_000)
    assert caller.participant_id == "TCK_PARTICIPANT"
    assert caller.expires_ms > 1_000
    for other in (None, "", "Bearer somebody-else"):
        with pytest.raises(NotAuthenticated):
            await identity.authenticate("did:web:example.org", other, now_ms=1_000)


async def test_the_same_header_again_is_no_replay() -> None:
    identity = behaviour.KitIdentity()
    callers = [
        await identity.authenticate("did:web:example.org", behaviour.AUTHORIZATION, now_ms=1_000)
        for _ in range(2)
    ]
    assert callers[0].token_id != callers[1].token_id


def test_the_dataset_that_must_not_exist_is_not_offered() -> None:
    offered = connector_under_test.offered_asset_ids()
    assert "CAT0101" in offered
    assert "CAT0102" in offered
    assert "CAT0103" not in offered
    assert set(scenarios.keys_of(scenarios.NEGOTIATIONS_AS_PROVIDER)) <= set(offered)
