"""Starts of targets, and of copies that are tried."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    for name in ("launch", "trial"):
        op.add_column("tasks", sa.Column(name, sa.Text(), nullable=False, server_default="null"))
