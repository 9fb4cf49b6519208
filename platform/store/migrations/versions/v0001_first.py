"""The first tables; they were made without Alembic, and had their version in `davinci_schema`."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Change nothing: a store of this version has its tables already."""
