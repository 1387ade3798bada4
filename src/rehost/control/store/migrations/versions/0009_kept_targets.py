"""Deleted tasks whose targets stay, and are still to be taken down."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column(
        "discards",
        sa.Column("kept", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
