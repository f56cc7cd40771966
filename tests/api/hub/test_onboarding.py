from tests.dcp_parties import Holder
from tests.hubs import Hub, company, quoted

APPLICATION = "/v1/onboarding/application"


async def test_a_company_applies_and_is_admitted_with_every_step_written_down(
    hub: Hub, maker: Holder
) -> None:
    applied = await hub.party(maker, "PUT", APPLICATION, company(1, roles=["cell-maker"]))
    assert (applied.status, applied.document["state"]) == (200, "applied")
    await hub.decide(maker, "review", "papers came")
    admitted = await hub.decide(maker, "admit", "papers fit")
    assert (admitted.status, admitted.document["state"]) == (200, "admitted")
    shown = await hub.party(maker, "GET", APPLICATION)
    steps = [(step["act"], step["before"], step["after"], step["reason"]) for step in shown.document["steps"]]
    assert steps == [
        ("apply", None, "applied", ""),
        ("review", "applied", "under_review", "papers came"),
        ("admit", "under_review", "admitted", "papers fit"),
    ]
    assert shown.document["steps"][0]["actor"] == maker.did
    assert shown.document["steps"][1]["actor"].startswith("key:")
    own = await hub.party(maker, "GET", "/v1/party/self")
    assert (own.status, own.document["roles"]) == (200, ["cell-maker"])


async def test_a_number_that_another_party_holds_is_refused_without_saying_whose_it_is(
    hub: Hub, maker: Holder, other: Holder
) -> None:
    await hub.admitted(maker, 1)
    refused = await hub.party(other, "PUT", APPLICATION, company(1, name="Another name"))
    assert (refused.status, refused.document["type"]) == (409, "urn:ashiato:problem:wrong-state")
    assert "ask the operator" in refused.document["detail"]
    assert refused.document["fields"]["identifier"] == "corporate_number:8000000000001"
    assert "maker" not in str(refused.document)
    assert "Company 1" not in str(refused.document)
    assert (await hub.party(other, "GET", APPLICATION)).status == 404


async def test_the_numbers_of_who_was_refused_are_free_and_those_of_who_was_expelled_are_not(
    hub: Hub, maker: Holder, other: Holder
) -> None:
    await hub.party(maker, "PUT", APPLICATION, company(1))
    await hub.decide(maker, "refuse")
    assert (await hub.party(other, "PUT", APPLICATION, company(1))).status == 200
    for act in ("review", "admit", "expel"):
        await hub.decide(other, act)
    assert (await hub.party(maker, "PUT", APPLICATION, company(1))).status == 409
    assert (await hub.party(maker, "PUT", APPLICATION, company(2))).status == 200


async def test_an_application_that_the_operator_entered_needs_the_companys_own_token(
    hub: Hub, maker: Holder
) -> None:
    body = {"party": maker.did, "company": company(1)}
    assert (await hub.operator("POST", "/v1/operator/applications", body)).status == 201
    await hub.decide(maker, "review")
    refused = await hub.decide(maker, "admit")
    assert (refused.status, "not proved its DID" in refused.document["detail"]) == (409, True)
    assert (await hub.party(maker, "POST", f"{APPLICATION}/confirm")).status == 200
    assert (await hub.decide(maker, "admit")).document["state"] == "admitted"


async def test_a_step_that_is_not_possible_changes_nothing(hub: Hub, maker: Holder) -> None:
    await hub.party(maker, "PUT", APPLICATION, company(1))
    refused = await hub.decide(maker, "suspend")
    assert (refused.status, refused.document["fields"]["possible"]) == (409, ["amend", "refuse", "review"])
    shown = (await hub.party(maker, "GET", APPLICATION)).document
    assert (shown["party"]["state"], len(shown["steps"])) == ("applied", 1)


async def test_one_company_sees_its_own_application_and_no_other(
    hub: Hub, maker: Holder, other: Holder
) -> None:
    await hub.admitted(maker, 1)
    assert (await hub.party(other, "GET", APPLICATION)).status == 404
    assert (await hub.party(other, "POST", f"{APPLICATION}/confirm")).status == 404


async def test_the_operator_grants_other_roles_than_were_asked_for(hub: Hub, maker: Holder) -> None:
    await hub.party(maker, "PUT", APPLICATION, company(1, roles=["cell-maker", "authority"]))
    await hub.decide(maker, "review")
    assert (await hub.decide(maker, "admit", roles=["king"])).status == 422
    admitted = await hub.decide(maker, "admit", roles=["cell-maker"])
    assert admitted.document["roles"] == ["cell-maker"]


async def test_the_register_comes_in_pages_and_by_state(hub: Hub, maker: Holder, other: Holder) -> None:
    await hub.admitted(maker, 1)
    await hub.party(other, "PUT", APPLICATION, company(2))
    first = (await hub.operator("GET", "/v1/operator/parties?limit=1")).document
    assert [one["party"] for one in first["items"]] == [maker.did]
    cursor = quoted(first["next_cursor"])
    rest = (await hub.operator("GET", f"/v1/operator/parties?limit=1&cursor={cursor}")).document
    assert ([one["party"] for one in rest["items"]], rest["next_cursor"]) == ([other.did], None)
    applied = (await hub.operator("GET", "/v1/operator/parties?state=applied")).document
    assert [one["party"] for one in applied["items"]] == [other.did]
