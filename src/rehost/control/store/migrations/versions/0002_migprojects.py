"""Migration projects."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "migprojects",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("description", sa.String(length=255), nullable=False),
        sa.Column("isdefault", sa.Boolean(), nullable=False),
        sa.Column("region", sa.String(length=255), nullable=False),
        sa.Column("start_target_server", sa.Boolean(), nullable=False),
        sa.Column("speed_limit", sa.Integer(), nullable=False),
        sa.Column("use_public_ip", sa.Boolean(), nullable=False),
        sa.Column("exist_server", sa.Boolean(), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("enterprise_project", sa.String(length=255), nullable=False),
        sa.Column("syncing", sa.Boolean(), nullable=False),
        sa.Column("start_network_check", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_migprojects_project_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_migprojects")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_migprojects_project_id_name")),
    )
    op.create_index(
        "uq_migprojects_default",
        "migprojects",
        ["project_id"],
        unique=True,
        sqlite_where=sa.text("isdefault = 1"),
        postgresql_where=sa.text("isdefault"),
    )
