"""Apps and the hashes of their tokens in SQL."""

import msgspec
from sqlalchemy import bindparam, delete, select

from ashiato.connector.vault_records import App, AppToken
from ashiato.stores.schema import APP, APP_TOKEN, OF_PARTICIPANT
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Statement, upsert

_app = msgspec.json.Decoder(App).decode
_token = msgspec.json.Decoder(AppToken).decode

_P = OF_PARTICIPANT
_A, _T = APP.c, APP_TOKEN.c

_PUT_APP = upsert(APP)
_GET_APP = Statement(
    select(_A.body).where(_A.participant_id == _P, _A.app_id == bindparam("app_id")), locks=True
)
_LIST_APPS = Statement(
    select(_A.body)
    .where(_A.participant_id == _P, _A.app_id > bindparam("after_id"))
    .order_by(_A.app_id)
    .limit(bindparam("limit_count"))
)
_PUT_TOKEN = upsert(APP_TOKEN)
_GET_TOKEN = Statement(
    select(_T.body).where(_T.participant_id == _P, _T.token_sha256 == bindparam("token_sha256"))
)
_DELETE_TOKEN = Statement(
    delete(APP_TOKEN).where(_T.participant_id == _P, _T.token_sha256 == bindparam("token_sha256"))
)
_DELETE_TOKENS = Statement(delete(APP_TOKEN).where(_T.participant_id == _P, _T.app_id == bindparam("app_id")))


class SqlApps:
    """The port `Apps` of one participant."""

    __slots__ = ("_participant_id", "_session")

    def __init__(self, session: Session, participant_id: str) -> None:
        self._session = session
        self._participant_id = participant_id

    def put_app(self, app: App) -> None:
        self._session.write(
            _PUT_APP,
            {"participant_id": self._participant_id, "app_id": app.app_id, "body": to_json(app)},
        )

    def app(self, app_id: str) -> App | None:
        row = self._session.one(_GET_APP, {"participant_id": self._participant_id, "app_id": app_id})
        return None if row is None else _app(row[0])

    def list_apps(self, after_id: str, limit_count: int) -> list[App]:
        rows = self._session.all(
            _LIST_APPS,
            {"participant_id": self._participant_id, "after_id": after_id, "limit_count": limit_count},
        )
        return [_app(body) for (body,) in rows]

    def put_token(self, token: AppToken) -> None:
        self._session.write(
            _PUT_TOKEN,
            {
                "participant_id": self._participant_id,
                "token_sha256": token.token_sha256,
                "app_id": token.app_id,
                "body": to_json(token),
            },
        )

    def token(self, token_sha256: str) -> AppToken | None:
        values = {"participant_id": self._participant_id, "token_sha256": token_sha256}
        row = self._session.one(_GET_TOKEN, values)
        return None if row is None else _token(row[0])

    def delete_token(self, token_sha256: str) -> None:
        values = {"participant_id": self._participant_id, "token_sha256": token_sha256}
        self._session.write(_DELETE_TOKEN, values)

    def delete_tokens(self, app_id: str) -> None:
        self._session.write(_DELETE_TOKENS, {"participant_id": self._participant_id, "app_id": app_id})
