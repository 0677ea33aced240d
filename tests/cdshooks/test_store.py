"""The store: a JWT is used once, whoever asks at the same time; tables follow their migrations; what cannot be reached lets nothing through."""

from __future__ import annotations

import multiprocessing
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from cdshooks.errors import StoreError
from cdshooks.store import PURGE_SECONDS, Store, token_of
from cdshooks.store.tables import METADATA
from tests.postgres import Postgres, postgres
from tests.trust import AT, ISS


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.database)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind, empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    server: Postgres = request.getfixturevalue("server")
    store = Store(server.url)
    with store._engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    store.close()
    return server.url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    made = Store(url)
    made.migrate()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close whatever stores a test has opened."""
    opened: list[Store] = []
    original = Store.__init__

    def noted(store: Store, url: str) -> None:
        original(store, url)
        opened.append(store)

    monkeypatch.setattr(Store, "__init__", noted)
    yield
    for store in opened:
        store.close()


def use(store: Store, jti: str, issuer: str = ISS, now: float = AT, until: float = AT + 400) -> bool:
    return store.first_use(issuer, jti, now=now, until=until)


def rows(store: Store) -> int:
    with store._engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM used_tokens")).scalar_one())


def test_a_jwt_is_used_once_for_each_issuer(store: Store) -> None:
    assert [use(store, "a"), use(store, "b"), use(store, "a"), use(store, "a", "https://other"), use(store, "b")] == [True, True, False, True, False]


@pytest.mark.parametrize("jti", ["\x00", "\ud800", "x" * 100_000, "ä'; DROP TABLE used_tokens; --"])
def test_any_text_is_a_name(store: Store, jti: str) -> None:
    assert [use(store, jti), use(store, jti)] == [True, False]


def test_no_two_pairs_are_taken_for_one() -> None:
    pairs = [("a", "bc"), ("ab", "c"), ("", "abc"), ("abc", ""), ("a\x00b", "c"), ("a", "b\x00c")]
    assert len({token_of(*pair) for pair in pairs}) == len(pairs) and {len(token_of(*pair)) for pair in pairs} == {32}


def test_of_many_threads_one_is_first(store: Store) -> None:
    with ThreadPoolExecutor(16) as pool:
        for number in range(20):
            assert sorted(pool.map(lambda _, jti=str(number): use(store, jti), range(16))) == [False] * 15 + [True]


def _uses(url: str, ready: Any, names: list[str], results: Any) -> None:
    store = Store(url)
    ready.wait()
    results.put([use(store, name) for name in names])
    store.close()


def test_of_many_processes_one_is_first(url: str) -> None:
    Store(url).migrate()
    spawn = multiprocessing.get_context("spawn")
    ready, results = spawn.Barrier(2), spawn.Queue()
    names = [str(number) for number in range(40)]
    workers = [spawn.Process(target=_uses, args=(url, ready, names, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    told = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(20)
    assert [sum(column) for column in zip(*told, strict=True)] == [1] * len(names)


def test_what_has_expired_is_forgotten_and_nothing_else(store: Store) -> None:
    use(store, "short", until=AT + 10)
    use(store, "long", until=AT + 5000)
    later = AT + PURGE_SECONDS - 1
    use(store, "x", now=later, until=later + 5000)
    assert rows(store) == 3  # not yet looked at again
    later = AT + PURGE_SECONDS
    use(store, "y", now=later, until=later + 5000)
    assert rows(store) == 3 and not use(store, "long", now=later) and use(store, "short", now=later)


def test_a_time_of_expiry_is_never_cut_short(store: Store) -> None:
    use(store, "a", until=AT + 10.9)
    use(store, "b", now=AT + 10.9)
    store._next_purge = 0
    assert not use(store, "a", now=AT + 10.9)


def test_migrating_twice_changes_nothing_and_says_so(url: str) -> None:
    store = Store(url)
    assert store.migrate() == (None, "0001") and use(store, "a")
    assert store.migrate() == ("0001", "0001") and not use(store, "a")


def test_several_hosts_may_migrate_at_once(url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert {after for _, after in pool.map(lambda _: Store(url).migrate(), range(4))} == {"0001"}
    assert use(Store(url), "a")


def test_migrations_make_the_tables_that_the_code_knows(store: Store) -> None:
    with store._engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_a_database_of_a_newer_version_is_left_alone(store: Store, url: str) -> None:
    with store._engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer than this version"):
        Store(url).migrate()


def test_without_its_tables_the_store_is_not_reachable_and_lets_nothing_through(url: str) -> None:
    store = Store(url)
    assert not store.reachable()
    with pytest.raises(StoreError):
        use(store, "a")
    store.migrate()
    assert store.reachable() and use(store, "a")


def test_sqlite_writes_ahead_and_to_the_disk(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/store.db")
    store.migrate()
    with store._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2


def test_a_locked_sqlite_lets_nothing_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdshooks.store.PATIENCE", 0.1)
    store = Store(f"sqlite:///{tmp_path}/store.db")
    store.migrate()
    holder = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        use(store, "a")
    holder.execute("ROLLBACK")
    holder.close()
    assert use(store, "a")


@pytest.mark.database
def test_postgresql_may_restart_and_while_it_is_gone_nothing_is_let_through() -> None:
    with postgres() as server:
        store = Store(server.url)
        store.migrate()
        assert use(store, "a")
        server.stop()
        with pytest.raises(StoreError) as told:
            use(store, "b")
        assert "pa55word" not in str(told.value) and "***" in str(told.value)
        assert not store.reachable()
        server.start()
        assert use(store, "b") and not use(store, "a") and store.reachable()
        store.close()


@pytest.mark.database
def test_a_lock_in_postgresql_is_waited_for_only_a_little(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdshooks.store.PATIENCE", 1)
    store = Store(server.url)
    store.migrate()
    with store._engine.begin() as holder:
        holder.execute(text("LOCK TABLE used_tokens IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(StoreError, match="timeout"):
            use(store, "locked")
    assert use(store, "locked")
    store.close()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite://", "in memory is shared by no workers"),
        ("sqlite:///:memory:", "in memory is shared by no workers"),
        ("postgresql+nodriver://u:pa55word@h/d", "driver 'postgresql\\+nodriver' cannot be used; use sqlite or postgresql\\+psycopg"),
        ("no url", "is no SQLAlchemy URL"),
    ],
)
def test_a_url_that_cannot_be_used(url: str, told: str) -> None:
    with pytest.raises(StoreError, match=told) as error:
        Store(url)
    assert "pa55word" not in str(error.value)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open database file"):
        Store(f"sqlite:///{tmp_path}/none/store.db").migrate()


def test_a_purge_that_fails_harms_no_call(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = store._do, list[int]()

    def second_fails(work: Any) -> Any:
        calls.append(threading.get_ident())
        if len(calls) == 2:
            raise StoreError("gone")
        return real(work)

    monkeypatch.setattr(store, "_do", second_fails)
    assert use(store, "a") and len(calls) == 2 and not use(store, "a")
