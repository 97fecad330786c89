"""Users: who may sign in, what they may do in which project, and who is signed in."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "user",
        sa.Column("id", sa.String(8), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("password", sa.Text),
        sa.Column("is_owner", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("disabled_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_user"),
        sa.UniqueConstraint("email", name="uq_user_email"),
    )
    op.create_table(
        "member",
        sa.Column("user_id", sa.String(8), nullable=False),
        sa.Column("project", sa.String(63), nullable=False),
        sa.Column("role", sa.String(8), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "project", name="pk_member"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_member_user_id"),
        sa.ForeignKeyConstraint(["project"], ["project.id"], name="fk_member_project"),
    )
    for name, end in (("sign_in", "seen_at"), ("invitation", "expires_at")):
        op.create_table(
            name,
            sa.Column("digest", sa.LargeBinary(32), nullable=False),
            sa.Column("user_id", sa.String(8), nullable=name == "invitation"),
            sa.Column("created_at", sa.BigInteger, nullable=False),
            sa.Column(end, sa.BigInteger, nullable=False),
            sa.PrimaryKeyConstraint("digest", name=f"pk_{name}"),
            sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=f"fk_{name}_user_id"),
        )


def downgrade() -> None:
    """Remove the tables."""
    for name in ("invitation", "sign_in", "member", "user"):
        op.drop_table(name)
