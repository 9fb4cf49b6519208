"""Runs datatrove pipelines over the parts of a corpus, so that a killed build goes on where it was.

A stage is a datatrove pipeline run once per rank; ranks are parts of a corpus, or buckets of
hashes. What a rank writes must be the same however often it runs: a rank that a kill interrupted
runs anew, one that has ended is skipped.
"""

import shutil
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datatrove.executor.base import DistributedEnvVars, PipelineExecutor
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from loguru import logger

from davinci.data_levels.corpus import Progress, silent

Pipeline = Sequence[PipelineStep | Callable[..., Any]]

logger.disable("datatrove")
logger.disable("davinci")


class SerialExecutor(PipelineExecutor):  # type: ignore[misc]  # datatrove has no types
    """Runs rank after rank in this process.

    datatrove's own executor starts a manager process for each stage, which costs more than a small
    stage itself, and cannot report progress.
    """

    def __init__(
        self, pipeline: Pipeline, *, tasks: int, logging_dir: str, on_rank: Callable[[int], None]
    ) -> None:
        """Take the pipeline and its number of ranks; `on_rank` is told how many have ended."""
        super().__init__(list(pipeline), logging_dir)
        self.pipeline: list[Any]
        self.tasks = tasks
        self._on_rank = on_rank

    @property
    def world_size(self) -> int:
        """The number of ranks."""
        return self.tasks

    def run(self) -> None:
        """Run every rank that has not ended yet."""
        pipeline = self.pipeline
        todo = self.get_incomplete_ranks()
        for index, rank in enumerate(todo):
            self._on_rank(self.tasks - len(todo) + index)
            self.pipeline = deepcopy(pipeline)
            self._run_for_rank(rank)
        self.pipeline = pipeline

    def get_distributed_env(self, node_rank: int = -1) -> DistributedEnvVars:
        """Return what datatrove wants in the environment: one process, here."""
        return DistributedEnvVars(
            datatrove_node_ips="localhost",
            datatrove_cpus_per_task="1",
            datatrove_mem_per_cpu="-1",
            datatrove_gpus_on_node="-1",
            datatrove_executor="LOCAL",
        )


class ParallelExecutor(LocalPipelineExecutor):  # type: ignore[misc]
    """Runs ranks in several processes; being of this module, it silences datatrove's log there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Where stages run, and where they note which ranks have ended.

    Attributes:
        work: Folder for the notes; it survives a kill and is removed when the corpus is done.
        workers: Processes that run ranks at the same time.
    """

    work: Path
    workers: int = 1
    progress: Progress = silent

    def run(self, name: str, pipeline: Pipeline, num_ranks: int, note: str = "") -> None:
        """Run a pipeline once per rank; `name` is that of the stage, unique within the corpus.

        Raises:
            Exception: Whatever a rank raised; ranks that had ended stay so.
        """
        if num_ranks == 0:
            return
        notes = str(self.work / "stages" / name)
        if self.workers == 1:
            executor: PipelineExecutor = SerialExecutor(
                pipeline,
                tasks=num_ranks,
                logging_dir=notes,
                on_rank=lambda done: self.progress(done, num_ranks, note or name),
            )
        else:
            executor = ParallelExecutor(
                list(pipeline), tasks=num_ranks, workers=self.workers, logging_dir=notes
            )
        executor.run()
        self.progress(num_ranks, num_ranks, note or name)

    def clear(self) -> None:
        """Remove the notes and whatever levels prepared."""
        shutil.rmtree(self.work, ignore_errors=True)
