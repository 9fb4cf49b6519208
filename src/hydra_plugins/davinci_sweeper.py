"""What `-m` means: every point composed, validated and digested before anything starts."""

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, ListConfig


class DavinciSweeper(Sweeper):
    """Hands a sweep's overrides to davinci's own expansion, planner and executor."""

    def __init__(self, params: dict[str, Any] | None = None) -> None:
        """Take axes from the config: override -> values, as Hydra's own sweeper has them."""
        self._params = [f"{key}={_values(value)}" for key, value in (params or {}).items()]

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra knows; the task function of single runs is not used."""
        self.hydra_context, self.config = hydra_context, config

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep to its report.

        Raises:
            ConfigError: With the problems of all points together.
            SystemExit: With code 1, when a task has failed.
        """
        from davinci.reports.publish import sweep_and_publish

        assert self.hydra_context is not None
        assert self.config is not None
        loader = self.hydra_context.config_loader
        words = [*self._params, *arguments]
        if code := sweep_and_publish(words, loader, self.config.hydra.job.config_name):
            raise SystemExit(code)


def _values(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | ListConfig) else str(value)


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="davinci",
    node={"_target_": f"{DavinciSweeper.__module__}.{DavinciSweeper.__name__}", "params": None},
    provider="davinci",
)
