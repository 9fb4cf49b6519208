"""Notes of evaluations: items that do not fit, empty answers, digest of the prompts, versions."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Go from version 0002 to 0003."""
    op.create_table(
        "evaluation",
        sa.Column("task", sa.String(64), sa.ForeignKey("task.digest"), primary_key=True),
        sa.Column("protocol", sa.String(16), nullable=False),
        sa.Column("notes", sa.JSON, nullable=False),
    )
