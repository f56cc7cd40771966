from pathlib import Path
from urllib.parse import quote

from tests.dcp_parties import Holder
from tests.hubs import Hub

SERIAL = "gtin_serial:(01)04006381333931(21)SN-1"
CODE = "code24:ABCDEFGHJKLMNPQRSTUVWX12"


async def register(hub: Hub, firm: Holder, *identifiers: str) -> tuple[int, dict[str, object]]:
    body = {"things": [{"kind": "item", "identifiers": list(identifiers)}]}
    answer = await hub.party(firm, "POST", "/v1/party/identities", body)
    return answer.status, answer.document


async def test_two_parties_get_the_same_identity_and_only_one_calls_it_its_own(
    hub: Hub, maker: Holder, other: Holder
) -> None:
    await hub.admitted(maker, 1)
    await hub.admitted(other, 2)
    _, first = await register(hub, maker, SERIAL)
    _, second = await register(hub, other, SERIAL)
    found = await hub.party(other, "GET", f"/v1/party/identities/find?identifier={quote(SERIAL)}")
    identities = [first["identities"][0], second["identities"][0], found.document]  # type: ignore[index]  # a document
    assert len({one["identity"] for one in identities}) == 1
    assert [one["is_own"] for one in identities] == [True, False, False]
    assert maker.did not in str(found.document)
    assert (await hub.party(other, "GET", "/v1/party/identities")).document["items"] == []
    assert len((await hub.party(maker, "GET", "/v1/party/identities")).document["items"]) == 1


async def test_a_conflict_is_told_without_the_name_of_the_other(
    hub: Hub, maker: Holder, other: Holder
) -> None:
    await hub.admitted(maker, 1)
    await hub.admitted(other, 2)
    await register(hub, maker, SERIAL)
    status, problem = await register(hub, other, SERIAL, CODE)
    assert (status, problem["fields"]) == (409, {"path": "things.0"})
    assert maker.did not in str(problem)


async def test_no_name_of_a_thing_is_kept_in_the_database(hub: Hub, maker: Holder) -> None:
    await hub.admitted(maker, 1)
    assert (await register(hub, maker, SERIAL, CODE))[0] == 200
    folder = hub.program.settings.store.directory
    kept = b"".join(path.read_bytes() for path in Path(folder).iterdir() if path.is_file())
    assert maker.did.encode() in kept
    assert b"SN-1" not in kept
    assert CODE.partition(":")[2].encode() not in kept
