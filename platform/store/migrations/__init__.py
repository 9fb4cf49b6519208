"""Alembic's migrations of the store: how tables of an older version become those of a newer."""
