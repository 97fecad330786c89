"""The tables of the catalog. A change here needs a migration; a test compares the two."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

PROJECT = Table(
    "project",
    METADATA,
    Column("id", String(63), primary_key=True),
    Column("name", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

API_KEY = Table(
    "api_key",
    METADATA,
    Column("id", String(8), primary_key=True),
    Column("project", String(63), ForeignKey("project.id"), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("label", Text, nullable=False),
    Column("prefix", String(16), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("expires_at", BigInteger),
    Column("replaces", String(8)),
    Column("text", String(64)),
    Column("origins", Text),
    Index("ix_api_key_project", "project"),
)

SITE = Table(
    "site",
    METADATA,
    Column("protocol", String(40), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("project", String(63), ForeignKey("project.id"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_site_project", "project"),
)

PLAN = Table(
    "plan",
    METADATA,
    Column("project", String(63), ForeignKey("project.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("content", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

DEFINITIONS = Table(
    "definitions",
    METADATA,
    Column("project", String(63), ForeignKey("project.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("content", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

USER = Table(
    "user",
    METADATA,
    Column("id", String(8), primary_key=True),
    Column("email", String(254), nullable=False),
    Column("name", Text, nullable=False),
    Column("password", Text),
    Column("is_owner", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    UniqueConstraint("email"),
)

MEMBER = Table(
    "member",
    METADATA,
    Column("user_id", String(8), ForeignKey("user.id"), primary_key=True),
    Column("project", String(63), ForeignKey("project.id"), primary_key=True),
    Column("role", String(8), nullable=False),
)

SIGN_IN = Table(
    "sign_in",
    METADATA,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("user_id", String(8), ForeignKey("user.id"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)

INVITATION = Table(
    "invitation",
    METADATA,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("user_id", String(8), ForeignKey("user.id")),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

TOKEN = Table(
    "token",
    METADATA,
    Column("id", String(8), primary_key=True),
    Column("user_id", String(8), ForeignKey("user.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("role", String(8), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("used_at", BigInteger),
    Index("ix_token_user_id", "user_id"),
)


def _named(name: str) -> Table:
    """Return a table of things that people name, each version in place of the one before."""
    return Table(
        name,
        METADATA,
        Column("project", String(63), ForeignKey("project.id"), primary_key=True),
        Column("id", String(63), primary_key=True),
        Column("name", Text, nullable=False),
        Column("description", Text, nullable=False),
        Column("content", Text, nullable=False),
        Column("owner", String(254), nullable=False),
        Column("changed_by", String(254), nullable=False),
        Column("version", Integer, nullable=False),
        Column("created_at", BigInteger, nullable=False),
        Column("updated_at", BigInteger, nullable=False),
    )


SAVED_QUESTION = _named("saved_question")
DASHBOARD = _named("dashboard")

ANNOTATION = Table(
    "annotation",
    METADATA,
    Column("id", String(8), primary_key=True),
    Column("project", String(63), ForeignKey("project.id"), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("owner", String(254), nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("ix_annotation_project", "project", "at_us"),
)

SHARE = Table(
    "share",
    METADATA,
    Column("id", String(8), primary_key=True),
    Column("project", String(63), ForeignKey("project.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("target", String(63), nullable=False),
    Column("label", Text, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("password", Text),
    Column("content", Text, nullable=False),
    Column("owner", String(254), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("views", BigInteger, nullable=False),
    Column("viewed_at", BigInteger),
    UniqueConstraint("digest"),
    Index("ix_share_project", "project", "created_at"),
)
