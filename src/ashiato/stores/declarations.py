"""Groups of partners and declared facts in SQL."""

import msgspec
from sqlalchemy import bindparam, delete, or_, select

from ashiato.connector.records import DeclaredFact, PartnerGroup
from ashiato.stores.schema import DECLARED_FACT, OF_PARTICIPANT, PARTNER_GROUP, PARTNER_GROUP_MEMBER
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Statement, insert, upsert

_group = msgspec.json.Decoder(PartnerGroup).decode
_fact = msgspec.json.Decoder(DeclaredFact).decode

_P = OF_PARTICIPANT
_G, _M, _F = PARTNER_GROUP.c, PARTNER_GROUP_MEMBER.c, DECLARED_FACT.c

_PUT_GROUP = upsert(PARTNER_GROUP)
_GET_GROUP = Statement(select(_G.body).where(_G.participant_id == _P, _G.group_id == bindparam("group_id")))
_LIST_GROUPS = Statement(select(_G.body).where(_G.participant_id == _P).order_by(_G.group_id))
_DELETE_GROUP = Statement(
    delete(PARTNER_GROUP)
    .where(_G.participant_id == _P, _G.group_id == bindparam("group_id"))
    .returning(_G.group_id)
)
_PUT_MEMBER = insert(PARTNER_GROUP_MEMBER)
_DELETE_MEMBERS = Statement(
    delete(PARTNER_GROUP_MEMBER).where(_M.participant_id == _P, _M.group_id == bindparam("group_id"))
)
_GROUPS_OF = Statement(
    select(_M.group_id).where(_M.participant_id == _P, _M.member_id == bindparam("member_id"))
)
_PUT_FACT = upsert(DECLARED_FACT)
_FACTS = select(_F.body).where(_F.participant_id == _P).order_by(_F.agreement_id, _F.name)
_GET_FACT = Statement(
    _FACTS.where(
        _F.name == bindparam("name"), or_(_F.agreement_id == "", _F.agreement_id == bindparam("agreement_id"))
    )
)
_LIST_FACTS = {
    False: Statement(_FACTS),
    True: Statement(_FACTS.where(_F.agreement_id == bindparam("agreement_id"))),
}
_DELETE_FACT = Statement(
    delete(DECLARED_FACT)
    .where(
        _F.participant_id == _P,
        _F.agreement_id == bindparam("agreement_id"),
        _F.name == bindparam("name"),
    )
    .returning(_F.name)
)


class SqlDeclarations:
    """The port `Declarations` of one participant."""

    __slots__ = ("_participant_id", "_session")

    def __init__(self, session: Session, participant_id: str) -> None:
        self._session = session
        self._participant_id = participant_id

    def put_group(self, group: PartnerGroup) -> None:
        key = {"participant_id": self._participant_id, "group_id": group.group_id}
        self._session.write(_PUT_GROUP, {**key, "body": to_json(group)})
        self._session.write(_DELETE_MEMBERS, key)
        for member_id in dict.fromkeys(group.members):
            self._session.write(_PUT_MEMBER, {**key, "member_id": member_id})

    def group(self, group_id: str) -> PartnerGroup | None:
        row = self._session.one(_GET_GROUP, {"participant_id": self._participant_id, "group_id": group_id})
        return None if row is None else _group(row[0])

    def list_groups(self) -> list[PartnerGroup]:
        rows = self._session.all(_LIST_GROUPS, {"participant_id": self._participant_id})
        return [_group(body) for (body,) in rows]

    def delete_group(self, group_id: str) -> bool:
        key = {"participant_id": self._participant_id, "group_id": group_id}
        self._session.write(_DELETE_MEMBERS, key)
        return self._session.one(_DELETE_GROUP, key) is not None

    def groups_of(self, member_id: str) -> frozenset[str]:
        values = {"participant_id": self._participant_id, "member_id": member_id}
        return frozenset(str(group_id) for (group_id,) in self._session.all(_GROUPS_OF, values))

    def put_fact(self, fact: DeclaredFact) -> None:
        self._session.write(
            _PUT_FACT,
            {
                "participant_id": self._participant_id,
                "agreement_id": fact.agreement_id,
                "name": fact.name,
                "body": to_json(fact),
            },
        )

    def fact(self, name: str, agreement_id: str) -> frozenset[str] | None:
        values = {"participant_id": self._participant_id, "name": name, "agreement_id": agreement_id}
        found = [_fact(body) for (body,) in self._session.all(_GET_FACT, values)]
        return frozenset(value for fact in found for value in fact.values) if found else None

    def list_facts(self, agreement_id: str | None) -> list[DeclaredFact]:
        values = {"participant_id": self._participant_id, "agreement_id": agreement_id}
        rows = self._session.all(_LIST_FACTS[agreement_id is not None], values)
        return [_fact(body) for (body,) in rows]

    def delete_fact(self, name: str, agreement_id: str) -> bool:
        values = {"participant_id": self._participant_id, "name": name, "agreement_id": agreement_id}
        return self._session.one(_DELETE_FACT, values) is not None
