"""Deleted tasks whose targets stay, and are still to be taken down."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column(
        "discards",
        # Not a mark beside server_id: a process of an older version deletes what is named there.
        sa.Column("kept_server_id", sa.String(255)),
    )
