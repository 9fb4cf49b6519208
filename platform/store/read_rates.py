"""How fast models were trained before, for forecasts."""

from typing import NamedTuple

from sqlalchemy import Engine, func, select

from davinci.platform.store import tables


class Rate(NamedTuple):
    """How fast a model of some size was trained here before, per processor or device second."""

    flops_per_s: float
    num_segments: int


def training_rates(engine: Engine) -> dict[int, Rate]:
    """Return FLOP per processor second by the number of parameters, over finished segments."""
    query = (
        select(
            tables.segment.c.num_parameters,
            func.sum(tables.segment.c.flops),
            func.sum(tables.task.c.cpu_s),
            func.count(),
        )
        .join(tables.task, tables.task.c.digest == tables.segment.c.task)
        .where(tables.task.c.state == "done", tables.task.c.cpu_s > 0)
        .group_by(tables.segment.c.num_parameters)
    )
    with engine.connect() as connection:
        return {
            size: Rate(flops / cpu_s, number)
            for size, flops, cpu_s, number in connection.execute(query)
        }
