"""A segment's place in the data: what its run has consumed so far, and what it will draw."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from davinci.data_levels.document import Domain
from davinci.platform.training.batches import Shard, open_shards
from davinci.platform.training.sampler import MixtureSampler, build_sampler
from davinci.platform.training.settings import SegmentSettings

RESULT_FILE = "result.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentData:
    """The shards and the order in which they are read.

    Attributes:
        names: The name, a digest, of each domain's shards.
        consumed: Tokens drawn from shards, by name, in the whole run up to the stage's beginning.
    """

    sampler: MixtureSampler
    shards: tuple[Shard, ...]
    names: Mapping[Domain, str]
    consumed: Mapping[str, int]

    def consumed_at(self, position: int) -> dict[str, int]:
        """Return the tokens drawn from shards, by name, up to a position of the stage."""
        found = dict(self.consumed)
        draws = self.sampler.num_draws(position)
        for domain, first, drawn in zip(
            self.sampler.domains, self.sampler.first_draws, draws, strict=True
        ):
            found[self.names[domain]] = (first + drawn) * self.sampler.context_length
        return found

    def epochs_at(self, position: int) -> dict[Domain, float]:
        """Return how often each domain's tokens were used in the whole run up to a position."""
        consumed = self.consumed_at(position)
        return {
            domain: consumed[self.names[domain]] / num_tokens
            for domain, num_tokens in zip(
                self.sampler.domains, self.sampler.num_tokens, strict=True
            )
        }


def open_data(
    settings: SegmentSettings,
    shards: Mapping[Domain, Path],
    parent: Path | None,
    *,
    weights: Mapping[Domain, float] | None,
    max_epochs: float,
) -> SegmentData:
    """Return a segment's data; the draws of a domain go on where its parent left them.

    Args:
        settings: The segment's.
        shards: Folder of each domain; its name tells whether the parent drew from the same.
        parent: The segment before, None at the beginning.
        weights: Take the place of those in the settings, where a decision gave them.
        max_epochs: Most passes over a domain's tokens in the whole run; 0 sets no limit.

    Raises:
        ValueError: If shards are missing or unfit, or a domain would be seen more often than that.
    """
    context_length = settings.model.context_length
    opened = open_shards(
        shards, vocab_size=settings.model.vocab_size, mask_questions=settings.mask_questions
    )
    consumed = _consumed(parent, settings.stage_index)
    sampler = build_sampler(
        weights=settings.weights if weights is None else weights,
        num_tokens={domain: len(shard.tokens) for domain, shard in opened.items()},
        context_length=context_length,
        seed=settings.seed,
        stage_index=settings.stage_index,
        first_draws={
            domain: -(-consumed.get(path.name, 0) // context_length)
            for domain, path in shards.items()
        },
    )
    data = SegmentData(
        sampler=sampler,
        shards=tuple(opened[domain] for domain in sampler.domains),
        names={domain: path.name for domain, path in shards.items()},
        consumed=consumed,
    )
    _check_epochs(data, last_position(settings), max_epochs)
    return data


def last_position(settings: SegmentSettings) -> int:
    """Return the sequences of the stage that are drawn when the segment ends."""
    return settings.first_position + settings.num_steps * settings.batch_size


def position_of(settings: SegmentSettings, data: SegmentData) -> dict[str, Any]:
    """Return what a child needs to go on in the data, as plain data."""
    return {
        "stage_index": settings.stage_index,
        "consumed": data.consumed_at(last_position(settings)),
        "consumed_at_stage_begin": dict(data.consumed),
    }


def _consumed(parent: Path | None, stage_index: int) -> dict[str, int]:
    """Return the tokens that had been drawn from each shards when the stage began."""
    if parent is None or not (parent / RESULT_FILE).is_file():
        return {}
    position = json.loads((parent / RESULT_FILE).read_text(encoding="ascii"))["position"]
    same = position["stage_index"] == stage_index
    found: dict[str, int] = position["consumed_at_stage_begin" if same else "consumed"]
    return found


def _check_epochs(data: SegmentData, position: int, max_epochs: float) -> None:
    if not max_epochs:
        return
    for domain, epochs in data.epochs_at(position).items():
        if epochs > max_epochs:
            raise ValueError(
                f"`max_epochs` is {max_epochs:g}, but {domain} would be trained on {epochs:.2f} "
                "times; give it more documents, a smaller weight, or fewer tokens to train."
            )
