"""What Alembic runs: the migrations, on the connection that `store.migrate` gives."""

from alembic import context

from davinci.platform.store.tables import davinci_version, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=davinci_version.name,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
