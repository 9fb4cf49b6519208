"""Declared ablations with their versions, sweeps and verdicts; results of others."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Go from version 0003 to 0004."""
    op.create_table(
        "ablation",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(128), nullable=False, index=True),
        sa.Column("declared", sa.JSON, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
    )
    op.create_table(
        "sweep_ablation",
        sa.Column("sweep", sa.String(64), sa.ForeignKey("sweep.digest"), primary_key=True),
        sa.Column("ablation", sa.String(64), sa.ForeignKey("ablation.digest"), primary_key=True),
        sa.Column("created", sa.String(32), nullable=False),
    )
    op.create_table(
        "verdict",
        sa.Column("sweep", sa.String(64), sa.ForeignKey("sweep.digest"), primary_key=True),
        sa.Column("ablation", sa.String(64), sa.ForeignKey("ablation.digest"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
    )
    op.create_table(
        "external",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
    )
