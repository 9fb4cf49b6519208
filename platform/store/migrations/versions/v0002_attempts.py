"""Attempts, jobs on clusters, searches; progress of a task; counts beyond 2^31."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Go from version 0001 to 0002."""
    _add_to_task()
    _create_attempt()
    _create_job()
    _create_search()
    if op.get_bind().dialect.name != "sqlite":  # where any integer has 64 bits
        for table, column in (
            ("task", "max_rss_bytes"),
            ("segment", "tokens"),
            ("segment", "num_parameters"),
        ):
            op.alter_column(table, column, type_=sa.BigInteger(), existing_nullable=False)
    op.drop_table("davinci_schema")


def _add_to_task() -> None:
    for name, kind, default in (
        ("place", sa.String(128), ""),
        ("progress", sa.BigInteger(), "0"),
        ("progress_total", sa.BigInteger(), "0"),
        ("note", sa.Text(), ""),
    ):
        op.add_column("task", sa.Column(name, kind, nullable=False, server_default=default))


def _create_attempt() -> None:
    op.create_table(
        "attempt",
        sa.Column("task", sa.String(64), sa.ForeignKey("task.digest"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("place", sa.String(128), nullable=False),
        sa.Column("cause", sa.String(32), nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("finished", sa.Float),
        sa.Column("wall_s", sa.Float, nullable=False),
        sa.Column("cpu_s", sa.Float, nullable=False),
        sa.Column("max_rss_bytes", sa.BigInteger, nullable=False),
    )


def _create_job() -> None:
    op.create_table(
        "job",
        sa.Column("executor", sa.String(16), primary_key=True),
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("plan", sa.String(64), nullable=False),
        sa.Column("tasks", sa.JSON, nullable=False),
        sa.Column("submitted", sa.Float, nullable=False),
        sa.Column("ended", sa.Float),
        sa.Column("state", sa.String(32), nullable=False),
    )


def _create_search() -> None:
    op.create_table(
        "search",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
    )
    op.create_table(
        "trial",
        sa.Column("search", sa.String(64), sa.ForeignKey("search.digest"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("batch", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        *(
            sa.Column(name, sa.JSON, nullable=False)
            for name in ("parameters", "overrides", "runs", "values", "rungs", "constraints")
        ),
    )
