"""The vault, its uses, receipts and watches in SQL."""

import msgspec
from sqlalchemy import bindparam, func, select

from ashiato.connector.vault_records import (
    KeptReceipt,
    ReceiptWatch,
    UsageTotal,
    VaultAccount,
    VaultItem,
    VaultUse,
)
from ashiato.stores.schema import (
    OF_PARTICIPANT,
    RECEIPT,
    RECEIPT_WATCH,
    VAULT_ACCOUNT,
    VAULT_ITEM,
    VAULT_USE,
)
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Row, Statement, Values, insert, upsert

_item = msgspec.json.Decoder(VaultItem).decode
_use = msgspec.json.Decoder(VaultUse).decode
_account = msgspec.json.Decoder(VaultAccount).decode
_receipt = msgspec.json.Decoder(KeptReceipt).decode
_watch = msgspec.json.Decoder(ReceiptWatch).decode

_P = OF_PARTICIPANT
_I, _U, _A, _R, _W = VAULT_ITEM.c, VAULT_USE.c, VAULT_ACCOUNT.c, RECEIPT.c, RECEIPT_WATCH.c

_PUT_ITEM = upsert(VAULT_ITEM)
_GET_ITEM = Statement(
    select(_I.body).where(_I.participant_id == _P, _I.received_id == bindparam("received_id")), locks=True
)
_ITEMS = (
    select(_I.body)
    .where(_I.participant_id == _P, _I.received_id > bindparam("after_id"))
    .order_by(_I.received_id)
    .limit(bindparam("limit_count"))
)
_LIST_ITEMS = {
    False: Statement(_ITEMS),
    True: Statement(_ITEMS.where(_I.agreement_id == bindparam("agreement_id"))),
}
_ADD_USE = insert(VAULT_USE)
_USES = Statement(
    select(_U.body)
    .where(_U.participant_id == _P, _U.agreement_id == bindparam("agreement_id"))
    .order_by(_U.at_ms.desc(), _U.use_id.desc())
    .limit(bindparam("limit_count"))
)
_GROUP = (_U.agreement_id, _U.app, _U.purpose)
_TOTALS = (
    select(*_GROUP, func.count(), func.min(_U.at_ms), func.max(_U.at_ms))
    .where(_U.participant_id == _P)
    .group_by(*_GROUP)
    .order_by(*_GROUP)
)
_USAGE = {
    False: Statement(_TOTALS),
    True: Statement(_TOTALS.where(_U.agreement_id == bindparam("agreement_id"))),
}
_PUT_ACCOUNT = upsert(VAULT_ACCOUNT)
_GET_ACCOUNT = Statement(
    select(_A.body).where(_A.participant_id == _P, _A.agreement_id == bindparam("agreement_id")), locks=True
)
_PUT_RECEIPT = upsert(RECEIPT)
_RECEIPTS = Statement(
    select(_R.body)
    .where(
        _R.participant_id == _P,
        _R.agreement_id == bindparam("agreement_id"),
        _R.sequence > bindparam("after_sequence"),
    )
    .order_by(_R.sequence)
    .limit(bindparam("limit_count"))
)
_PUT_WATCH = upsert(RECEIPT_WATCH)
_GET_WATCH = Statement(
    select(_W.body).where(_W.participant_id == _P, _W.agreement_id == bindparam("agreement_id")), locks=True
)
_LIST_WATCHES = Statement(
    select(_W.body)
    .where(_W.participant_id == _P, _W.agreement_id > bindparam("after_id"))
    .order_by(_W.agreement_id)
    .limit(bindparam("limit_count"))
)


class SqlVault:
    """The port `Vault` of one participant."""

    __slots__ = ("_participant_id", "_session")

    def __init__(self, session: Session, participant_id: str) -> None:
        self._session = session
        self._participant_id = participant_id

    def put_item(self, item: VaultItem) -> None:
        self._write(
            _PUT_ITEM,
            received_id=item.received_id,
            agreement_id=item.agreement_id,
            state=item.state.value,
            body=to_json(item),
        )

    def item(self, received_id: str) -> VaultItem | None:
        row = self._one(_GET_ITEM, received_id=received_id)
        return None if row is None else _item(row[0])

    def list_items(
        self, after_id: str, limit_count: int, *, agreement_id: str | None = None
    ) -> list[VaultItem]:
        rows = self._all(
            _LIST_ITEMS[agreement_id is not None],
            after_id=after_id,
            limit_count=limit_count,
            agreement_id=agreement_id,
        )
        return [_item(body) for (body,) in rows]

    def add_use(self, use: VaultUse) -> None:
        self._write(
            _ADD_USE,
            use_id=use.use_id,
            agreement_id=use.agreement_id,
            app=use.app,
            purpose=use.purpose,
            at_ms=use.at_ms,
            body=to_json(use),
        )

    def last_uses(self, agreement_id: str, limit_count: int) -> list[VaultUse]:
        rows = self._all(_USES, agreement_id=agreement_id, limit_count=limit_count)
        return [_use(body) for (body,) in rows]

    def usage(self, agreement_id: str | None = None) -> list[UsageTotal]:
        rows = self._all(_USAGE[agreement_id is not None], agreement_id=agreement_id)
        return [
            UsageTotal(
                agreement_id=of_agreement,
                app=app,
                purpose=purpose,
                uses_count=count,
                first_ms=first_ms,
                last_ms=last_ms,
            )
            for of_agreement, app, purpose, count, first_ms, last_ms in rows
        ]

    def put_account(self, account: VaultAccount) -> None:
        self._write(_PUT_ACCOUNT, agreement_id=account.agreement_id, body=to_json(account))

    def account(self, agreement_id: str) -> VaultAccount | None:
        row = self._one(_GET_ACCOUNT, agreement_id=agreement_id)
        return None if row is None else _account(row[0])

    def put_receipt(self, receipt: KeptReceipt) -> None:
        self._write(
            _PUT_RECEIPT, agreement_id=receipt.agreement_id, sequence=receipt.sequence, body=to_json(receipt)
        )

    def list_receipts(self, agreement_id: str, after_sequence: int, limit_count: int) -> list[KeptReceipt]:
        rows = self._all(
            _RECEIPTS, agreement_id=agreement_id, after_sequence=after_sequence, limit_count=limit_count
        )
        return [_receipt(body) for (body,) in rows]

    def put_watch(self, watch: ReceiptWatch) -> None:
        self._write(_PUT_WATCH, agreement_id=watch.agreement_id, body=to_json(watch))

    def watch(self, agreement_id: str) -> ReceiptWatch | None:
        row = self._one(_GET_WATCH, agreement_id=agreement_id)
        return None if row is None else _watch(row[0])

    def list_watches(self, after_id: str, limit_count: int) -> list[ReceiptWatch]:
        rows = self._all(_LIST_WATCHES, after_id=after_id, limit_count=limit_count)
        return [_watch(body) for (body,) in rows]

    def _write(self, statement: Statement, **values: object) -> None:
        self._session.write(statement, self._of_participant(values))

    def _one(self, statement: Statement, **values: object) -> Row | None:
        return self._session.one(statement, self._of_participant(values))

    def _all(self, statement: Statement, **values: object) -> list[Row]:
        return self._session.all(statement, self._of_participant(values))

    def _of_participant(self, values: Values) -> Values:
        return {"participant_id": self._participant_id, **values}
