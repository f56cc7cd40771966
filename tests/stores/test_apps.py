from ashiato.connector.ports import UnitOfWork
from ashiato.stores.engine import SqlStore
from tests.stores.samples import MAKER, app, app_token


async def test_apps_come_back_page_by_page(store: SqlStore) -> None:
    def put(uow: UnitOfWork) -> None:
        for number in (3, 1, 2):
            uow.apps.put_app(app(f"{number}"))
        uow.apps.put_app(app("1", mark="again"))

    await store.run(MAKER, put)
    assert await store.run(MAKER, lambda uow: uow.apps.app("1")) == app("1", mark="again")
    assert await store.run(MAKER, lambda uow: uow.apps.app("no")) is None
    assert await store.read(MAKER, lambda uow: uow.apps.list_apps("1", 1)) == [app("2")]


async def test_a_token_is_found_by_its_hash_until_it_is_taken_back(store: SqlStore) -> None:
    def put(uow: UnitOfWork) -> None:
        uow.apps.put_token(app_token("00", expires_ms=1 << 40))
        uow.apps.put_token(app_token("01"))
        uow.apps.put_token(app_token("02"))
        uow.apps.put_token(app_token("03", "app-2"))

    await store.run(MAKER, put)
    assert await store.read(MAKER, lambda uow: uow.apps.token("00")) == app_token("00", expires_ms=1 << 40)
    await store.run(MAKER, lambda uow: uow.apps.delete_token("00"))
    tokens = ("00", "01", "02", "03")
    found = await store.read(MAKER, lambda uow: [uow.apps.token(token) for token in tokens])
    assert found == [None, app_token("01"), app_token("02"), app_token("03", "app-2")]
    await store.run(MAKER, lambda uow: uow.apps.delete_tokens("app-1"))
    found = await store.read(MAKER, lambda uow: [uow.apps.token(token) for token in tokens])
    assert found == [None, None, None, app_token("03", "app-2")]
