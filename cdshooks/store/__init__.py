"""The database: SQLite in a file, or PostgreSQL by its URL. It remembers which JWTs were used, for all workers and hosts."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib.resources import files
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, delete, event, insert, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError

from ..errors import StoreError
from .tables import USED_TOKENS

PATIENCE = 2  # seconds, for a connection, a lock or a statement
PURGE_SECONDS = 60
LOCK = 7_305_412_894  # PostgreSQL's advisory lock while migrating: any number, the same on all hosts
ANY = TypeVar("ANY")


class Store:
    """The database, by its SQLAlchemy URL. Opens nothing until it is asked for something, so it may be made before workers are forked.

    May be used from several threads. Every failure is a StoreError.
    """

    def __init__(self, url: str) -> None:
        self._url = _usable(url)
        self._engine = _engine(self._url)
        self._single = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        # SQLite has one writer: threads that take turns lose less time than by trying again, which is how SQLite itself waits.
        self._turns = threading.Lock() if self._url.get_backend_name() == "sqlite" else nullcontext()
        self._purging = threading.Lock()
        self._next_purge = float("-inf")

    @property
    def name(self) -> str:
        """The URL without its password."""
        return self._url.render_as_string(hide_password=True)

    def migrate(self) -> tuple[str | None, str | None]:
        """Bring the tables to what this version needs: the revision before and after. Several hosts may do it at once."""
        try:
            with self._talking(), self._engine.connect() as connection, _alone(connection):
                return _upgraded(connection)
        finally:
            self.close()  # no connection may be shared with workers that are forked later

    def close(self) -> None:
        """Let go of all connections; the next call opens new ones."""
        self._engine.dispose()

    def reachable(self) -> bool:
        """Whether the database answers, with the tables of this version or of a later one."""
        try:
            self._do(lambda connection: connection.execute(select(USED_TOKENS.c.until).limit(1)).first())
        except StoreError:
            return False
        return True

    def first_use(self, issuer: str, jti: str, *, now: float, until: float) -> bool:
        """Whether this is the first use of (issuer, jti) anywhere; it is remembered at least `until`, in seconds since 1970."""
        token = token_of(issuer, jti)
        try:
            self._do(lambda connection: connection.execute(insert(USED_TOKENS).values(token=token, until=int(until) + 1)))
        except IntegrityError:
            return False
        self._purge(now)
        return True

    def _purge(self, now: float) -> None:
        """Forget what has expired, once a minute in each worker. Failing is no harm: the next minute will do."""
        if now < self._next_purge or not self._purging.acquire(blocking=False):
            return
        try:
            self._next_purge = now + PURGE_SECONDS
            self._do(lambda connection: connection.execute(delete(USED_TOKENS).where(USED_TOKENS.c.until < int(now))))
        except StoreError:
            pass
        finally:
            self._purging.release()

    def _do(self, work: Callable[[Connection], ANY]) -> ANY:
        """Run one statement; once more if the connection had died meanwhile, as after a restart of the database.

        Each statement is a transaction by itself: BEGIN and COMMIT would be two more journeys to the database.
        """
        with self._talking(), self._turns:
            try:
                with self._single.connect() as connection:
                    return work(connection)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            with self._single.connect() as connection:
                return work(connection)

    @contextmanager
    def _talking(self) -> Iterator[None]:
        """Turn every failure but a broken constraint into a StoreError that tells no data and no password."""
        try:
            yield
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            why = str(error.orig).strip().partition("\n")[0] if isinstance(error, DBAPIError) else type(error).__name__
            raise StoreError(f"the database {self.name} cannot be used: {why}") from None


def token_of(issuer: str, jti: str) -> bytes:
    """What stands for a JWT in the store. JSON lets lone surrogates through, so they are let through here."""
    digest = hashlib.sha256()
    for part in (issuer, jti):
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.digest()


def _usable(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError("CDSHOOKS_DATABASE_URL is no SQLAlchemy URL: it must be as in sqlite:///cdshooks.db") from None
    backend = parsed.get_backend_name()
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StoreError("CDSHOOKS_DATABASE_URL: SQLite in memory is shared by no workers; give a file, as in sqlite:///cdshooks.db")
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed


def _engine(url: URL) -> Engine:
    sqlite = url.get_backend_name() == "sqlite"
    limits: dict[str, Any] = (
        {"timeout": PATIENCE}
        if sqlite
        else {
            "connect_timeout": PATIENCE,
            "options": f"-c statement_timeout={1000 * PATIENCE} -c lock_timeout={1000 * PATIENCE}",
            "tcp_user_timeout": 1000 * PATIENCE,
            "application_name": "cdshooks",
        }
    )
    try:
        engine = create_engine(url, connect_args=limits, pool_size=8, max_overflow=24, pool_timeout=PATIENCE, hide_parameters=True)
    except (SQLAlchemyError, ImportError, TypeError):
        raise StoreError(f"CDSHOOKS_DATABASE_URL: the driver {url.drivername!r} cannot be used; use sqlite or postgresql+psycopg") from None
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: object) -> None:
    """Readers and a writer side by side, and every commit on the disk: a use that a power cut made forgotten would let a replay through."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """One transaction, in which nobody else migrates."""
    if connection.dialect.name == "postgresql":
        with connection.begin():
            connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            connection.execute(text("SET LOCAL statement_timeout = '600s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            yield
        return
    # Python's sqlite3 opens transactions only before data is changed, not before tables are: this one is opened by hand.
    raw = connection.connection.driver_connection
    assert raw is not None
    raw.isolation_level = None
    with connection.begin():
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield


def _upgraded(connection: Connection) -> tuple[str | None, str | None]:
    config = Config()
    config.set_main_option("script_location", str(files(__package__) / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    known = ScriptDirectory.from_config(config)
    before = MigrationContext.configure(connection).get_current_revision()
    if before is not None and before not in {script.revision for script in known.walk_revisions()}:
        raise StoreError(f"the database is at revision {before!r}, which is newer than this version of the service: start the newer version")
    command.upgrade(config, "head")
    return before, known.get_current_head()
