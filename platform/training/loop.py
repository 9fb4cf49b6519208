"""Lightning's loop around a segment, without its announcements."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import Any

from lightning import Trainer

from davinci.models.module import LanguageModule
from davinci.platform.training.loader import Loader
from davinci.platform.training.settings import SegmentSettings, TrainingRuntime
from davinci.platform.training.strategy import build_strategy


def fit(
    module: LanguageModule,
    loader: Loader,
    callbacks: list[Any],
    settings: SegmentSettings,
    runtime: TrainingRuntime,
) -> None:
    """Train the steps that are left, with the callbacks in their order."""
    num_micro_batches = len(loader) // (settings.num_steps - module.first_step)
    with _quiet_lightning():
        trainer = Trainer(
            accelerator=runtime.accelerator,
            devices=runtime.devices,
            num_nodes=runtime.num_nodes,
            strategy=build_strategy(runtime),
            precision=settings.precision,
            max_steps=settings.num_steps - module.first_step,
            accumulate_grad_batches=num_micro_batches,
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            limit_val_batches=0,
            use_distributed_sampler=False,
        )
        trainer.fit(module, train_dataloaders=loader)


@contextlib.contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's announcements off the progress display; warnings still pass."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # Lightning 2.6 asks torch's pytree for a leaf in a way that torch 2.13 deprecates.
            warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
            # SLURM is installed, but davinci starts processes itself.
            warnings.filterwarnings("ignore", message="The `srun` command is available")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
