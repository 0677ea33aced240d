"""The tables of the store, as SQLAlchemy knows them. A change here needs a migration beside it; a test compares the two."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, Table

# Names for all constraints and indexes, the same in every database: a later migration can then name what it changes.
METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# JWTs that were used. `token` is the SHA-256 of issuer and jti: of one size whatever a client sends, and no text of it is kept.
USED_TOKENS = Table(
    "used_tokens",
    METADATA,
    Column("token", LargeBinary(32), primary_key=True),
    Column("until", BigInteger, nullable=False, index=True),  # seconds since 1970; after that the JWT is refused as expired anyway
)
