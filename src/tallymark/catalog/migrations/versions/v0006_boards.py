"""What people make on the pages: saved questions, dashboards, annotations and links to share them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    for name in ("saved_question", "dashboard"):
        op.create_table(
            name,
            sa.Column("project", sa.String(63), nullable=False),
            sa.Column("id", sa.String(63), nullable=False),
            sa.Column("name", sa.Text, nullable=False),
            sa.Column("description", sa.Text, nullable=False),
            sa.Column("content", sa.Text, nullable=False),
            sa.Column("owner", sa.String(254), nullable=False),
            sa.Column("changed_by", sa.String(254), nullable=False),
            sa.Column("version", sa.Integer, nullable=False),
            sa.Column("created_at", sa.BigInteger, nullable=False),
            sa.Column("updated_at", sa.BigInteger, nullable=False),
            sa.PrimaryKeyConstraint("project", "id", name=f"pk_{name}"),
            sa.ForeignKeyConstraint(["project"], ["project.id"], name=f"fk_{name}_project"),
        )
    op.create_table(
        "annotation",
        sa.Column("id", sa.String(8), nullable=False),
        sa.Column("project", sa.String(63), nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(254), nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_annotation"),
        sa.ForeignKeyConstraint(["project"], ["project.id"], name="fk_annotation_project"),
    )
    op.create_index("ix_annotation_project", "annotation", ["project", "at_us"])
    op.create_table(
        "share",
        sa.Column("id", sa.String(8), nullable=False),
        sa.Column("project", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("target", sa.String(63), nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("password", sa.Text),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("owner", sa.String(254), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.Column("views", sa.BigInteger, nullable=False),
        sa.Column("viewed_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_share"),
        sa.UniqueConstraint("digest", name="uq_share_digest"),
        sa.ForeignKeyConstraint(["project"], ["project.id"], name="fk_share_project"),
    )
    op.create_index("ix_share_project", "share", ["project", "created_at"])


def downgrade() -> None:
    """Remove the tables."""
    for name in ("share", "annotation", "dashboard", "saved_question"):
        op.drop_table(name)
