"""From positions to tensors: the micro-batches of a segment, for one of its processes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from davinci.data_levels.document import Domain
from davinci.data_levels.tokens.read import Tokens, load_question_ranges, load_shards
from davinci.models.module import MicroBatch
from davinci.platform.training.sampler import MixtureSampler, Windows

POSITIONS_PER_LOOKUP = 4096

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """A domain's tokens, and which of them belong to questions.

    Attributes:
        tokens: Shape (num_tokens,).
        questions: Runs [start, end) of question tokens, shape (num_runs, 2); in order, apart.
    """

    tokens: Tokens
    questions: NDArray[np.int64]

    def window(self, begin: int, length: int) -> NDArray[np.int64]:
        """Return `length` tokens from `begin` on; past the end it goes on at the beginning."""
        stop = begin + length
        if stop <= len(self.tokens):
            return self.tokens[begin:stop].astype(np.int64)
        return np.take(self.tokens, np.arange(begin, stop), mode="wrap").astype(np.int64)

    def answers(self, begin: int, length: int) -> Bools:
        """Return which of `length` tokens from `begin` on belong to no question."""
        kept = np.ones(length, dtype=np.bool_)
        size = len(self.tokens)
        for lap in range((begin + length - 1) // size + 1):
            start, stop = begin - lap * size, begin + length - lap * size
            first = np.searchsorted(self.questions[:, 1], start, side="right")
            last = np.searchsorted(self.questions[:, 0], min(stop, size), side="left")
            for run in self.questions[first:last]:
                kept[max(0, int(run[0]) - start) : max(0, int(run[1]) - start)] = False
        return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentBatches:
    """The micro-batches of one process in order, from optimizer step `first_step` on.

    Of the positions of one step, process `rank` of `world_size` takes its contiguous part.
    """

    sampler: MixtureSampler
    shards: tuple[Shard, ...]
    num_steps: int
    batch_size: int
    micro_batch_size: int
    first_position: int = 0
    mask_questions: bool = False
    rank: int = 0
    world_size: int = 1
    first_step: int = 0

    @property
    def micro_batches_per_step(self) -> int:
        """Micro-batches that this process takes for one optimizer step."""
        return self.batch_size // (self.micro_batch_size * self.world_size)

    def __len__(self) -> int:
        """Return the number of micro-batches."""
        return (self.num_steps - self.first_step) * self.micro_batches_per_step

    def __iter__(self) -> Iterator[MicroBatch]:
        """Yield the micro-batches."""
        steps_per_lookup = max(1, POSITIONS_PER_LOOKUP // self.batch_size)
        for first_step in range(self.first_step, self.num_steps, steps_per_lookup):
            yield from self._steps(first_step, min(first_step + steps_per_lookup, self.num_steps))

    def _steps(self, first_step: int, last_step: int) -> Iterator[MicroBatch]:
        begin = self.first_position + first_step * self.batch_size
        found = self.sampler.windows(begin, begin + (last_step - first_step) * self.batch_size)
        for step in range(last_step - first_step):
            yield from self._step(found, step * self.batch_size)

    def _step(self, found: Windows, begin: int) -> Iterator[MicroBatch]:
        every = range(begin, begin + self.batch_size)
        share = self.batch_size // self.world_size
        mine = every[self.rank * share : (self.rank + 1) * share]
        masked = every if self.mask_questions else range(0)
        # All processes divide by the loss tokens of the whole step, so each counts all of them.
        masks = {place: self._mask(found, place) for place in masked}
        num_loss_tokens = self.batch_size * self.sampler.context_length
        if self.mask_questions:
            num_loss_tokens = max(1, sum(int(mask.sum()) for mask in masks.values()))
        for start in range(0, share, self.micro_batch_size):
            places = mine[start : start + self.micro_batch_size]
            rows = [self._window(found, place) for place in places]
            yield MicroBatch(
                windows_BS=torch.from_numpy(np.stack(rows)),
                mask_BT=torch.from_numpy(np.stack([masks[place] for place in places]))
                if self.mask_questions
                else None,
                num_loss_tokens=num_loss_tokens,
            )

    def _window(self, found: Windows, place: int) -> NDArray[np.int64]:
        shard = self.shards[int(found.domains[place])]
        return shard.window(int(found.begins[place]), self.sampler.context_length + 1)

    def _mask(self, found: Windows, place: int) -> Bools:
        shard = self.shards[int(found.domains[place])]
        return shard.answers(int(found.begins[place]) + 1, self.sampler.context_length)


def open_shards(
    shards: Mapping[Domain, Path], *, vocab_size: int, mask_questions: bool
) -> dict[Domain, Shard]:
    """Return each domain's tokens, mapped from disk, with its questions where they are masked.

    Raises:
        ValueError: If a folder holds no shards, or a token that the model has no embedding for.
    """
    opened = {}
    for domain, path in shards.items():
        tokens = load_shards(path)
        if len(tokens) and int(tokens.max()) >= vocab_size:
            raise ValueError(
                f"Token ids must be below the model's `vocab_size` {vocab_size}, but the {domain} "
                f"shards hold {int(tokens.max())}."
            )
        none = np.zeros((0, 2), dtype=np.int64)
        opened[domain] = Shard(tokens, load_question_ranges(path) if mask_questions else none)
    return opened
