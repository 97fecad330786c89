"""Tokens of users; the text of public keys, which is no secret, and the sites that may use them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the columns."""
    op.create_table(
        "token",
        sa.Column("id", sa.String(8), nullable=False),
        sa.Column("user_id", sa.String(8), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.String(8), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
        sa.Column("used_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_token"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_token_user_id"),
    )
    op.create_index("ix_token_user_id", "token", ["user_id"])
    op.add_column("api_key", sa.Column("text", sa.String(64)))
    op.add_column("api_key", sa.Column("origins", sa.Text))


def downgrade() -> None:
    """Remove them."""
    op.drop_column("api_key", "origins")
    op.drop_column("api_key", "text")
    op.drop_index("ix_token_user_id", "token")
    op.drop_table("token")
