"""From positions to tensors: the micro-batches of a segment, for one of its processes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from davinci.data_levels.document import Domain
from davinci.data_levels.tokens.shards import Tokens, load_shards
from davinci.platform.training.sampler import MixtureSampler

POSITIONS_PER_LOOKUP = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentBatches:
    """All micro-batches of one process, in order: tensors of shape (micro_batch, context + 1).

    Of the positions of one step, process `rank` of `world_size` takes its contiguous part.
    """

    sampler: MixtureSampler
    shards: tuple[Tokens, ...]
    num_steps: int
    batch_size: int
    micro_batch_size: int
    rank: int = 0
    world_size: int = 1

    def __len__(self) -> int:
        """Return the number of micro-batches."""
        return self.num_steps * self.batch_size // (self.micro_batch_size * self.world_size)

    def __iter__(self) -> Iterator[Tensor]:
        """Yield the micro-batches of token ids (int64)."""
        steps_per_lookup = max(1, POSITIONS_PER_LOOKUP // self.batch_size)
        for first_step in range(0, self.num_steps, steps_per_lookup):
            last_step = min(first_step + steps_per_lookup, self.num_steps)
            yield from self._steps(first_step, last_step)

    def _steps(self, first_step: int, last_step: int) -> Iterator[Tensor]:
        found = self.sampler.windows(first_step * self.batch_size, last_step * self.batch_size)
        places = list(zip(found.domains.tolist(), found.begins.tolist(), strict=True))
        share = self.batch_size // self.world_size
        for step in range(last_step - first_step):
            begin = step * self.batch_size + self.rank * share
            for place in range(begin, begin + share, self.micro_batch_size):
                rows = [self._window(*at) for at in places[place : place + self.micro_batch_size]]
                yield torch.from_numpy(np.stack(rows))

    def _window(self, domain_index: int, begin: int) -> NDArray[np.int64]:
        shard = self.shards[domain_index]
        stop = begin + self.sampler.context_length + 1
        if stop <= len(shard):
            return shard[begin:stop].astype(np.int64)
        return np.take(shard, np.arange(begin, stop), mode="wrap").astype(np.int64)


def open_shards(shards: Mapping[Domain, Path], *, vocab_size: int) -> dict[Domain, Tokens]:
    """Return each domain's tokens, mapped from disk.

    Raises:
        ValueError: If a folder holds no shards, or a token that the model has no embedding for.
    """
    opened = {domain: load_shards(path) for domain, path in shards.items()}
    for domain, tokens in opened.items():
        if len(tokens) and int(tokens.max()) >= vocab_size:
            raise ValueError(
                f"Token ids must be below the model's `vocab_size` {vocab_size}, but the {domain} "
                f"shards hold {int(tokens.max())}."
            )
    return opened
