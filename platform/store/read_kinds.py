"""What tasks of each kind have taken before, for forecasts."""

from sqlalchemy import Engine, func, select

from davinci.platform.store import tables


def seconds_by_kind(engine: Engine) -> dict[str, float]:
    """Return the mean processor seconds of finished tasks, by kind."""
    query = (
        select(tables.task.c.kind, func.avg(tables.task.c.cpu_s))
        .where(tables.task.c.state == "done", tables.task.c.cpu_s > 0)
        .group_by(tables.task.c.kind)
    )
    with engine.connect() as connection:
        return {kind: float(mean) for kind, mean in connection.execute(query)}
