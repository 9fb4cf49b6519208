"""The checkpoint under evaluation: what protocols ask of it, whoever computes the answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import Qwen2ForCausalLM

from davinci.models.build import END_OF_TEXT_ID
from davinci.platform.evaluation.engine.generation import Request, generate
from davinci.platform.evaluation.engine.likelihood import (
    Likelihood,
    Question,
    score_continuations,
)
from davinci.platform.evaluation.engine.rolling import token_nlls_nats
from davinci.platform.evaluation.settings import EvaluationRuntime

Floats = NDArray[np.float64]
Done = Callable[[int], None]
"""Told how many of what was asked are done."""


def _silent(done: int) -> None:
    """Tell nobody."""


class Subject(Protocol):
    """A checkpoint with its tokenizer.

    `end_id` is the end of text, which stood before and after every document of the training.
    """

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's own."""

    @property
    def end_id(self) -> int:
        """Id of the end of text."""

    @property
    def runtime(self) -> EvaluationRuntime:
        """Device, threads and limits."""

    @property
    def context_length(self) -> int:
        """Most tokens that the model reads at once; one more can be predicted."""

    def nlls_nats(self, sequences: Sequence[Sequence[int]]) -> list[Floats]:
        """Return each sequence's token losses; see `token_nlls_nats`."""

    def likelihoods(
        self, questions: Sequence[Question], progress: Done = _silent
    ) -> list[list[Likelihood]]:
        """Return the likelihood of every continuation; see `score_continuations`."""

    def answers(self, requests: Sequence[Request], progress: Done = _silent) -> list[str]:
        """Return the answer to every request; see `generate`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSubject:
    """A checkpoint in this process, in evaluation mode, on davinci's own engine."""

    model: Qwen2ForCausalLM
    tokenizer: Tokenizer
    runtime: EvaluationRuntime
    end_id: int = END_OF_TEXT_ID

    @property
    def context_length(self) -> int:
        """Most tokens that the model reads at once."""
        return int(self.model.config.max_position_embeddings)

    def nlls_nats(self, sequences: Sequence[Sequence[int]]) -> list[Floats]:
        """Return each sequence's token losses; see `token_nlls_nats`."""
        return token_nlls_nats(self.model, sequences, max_logits=self.runtime.max_logits)

    def likelihoods(
        self, questions: Sequence[Question], progress: Done = _silent
    ) -> list[list[Likelihood]]:
        """Return the likelihood of every continuation; see `score_continuations`."""
        return score_continuations(
            self.model,
            questions,
            max_tokens=self.runtime.max_tokens,
            max_logits=self.runtime.max_logits,
            progress=progress,
        )

    def answers(self, requests: Sequence[Request], progress: Done = _silent) -> list[str]:
        """Return the answer to every request; see `generate`."""
        return generate(
            self.model,
            self.tokenizer,
            requests,
            max_cache_bytes=self.runtime.max_cache_bytes,
            max_tokens=self.runtime.max_tokens,
            progress=progress,
        )
