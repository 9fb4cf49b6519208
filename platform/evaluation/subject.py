"""The checkpoint under evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import Qwen2ForCausalLM

from davinci.models.build import END_OF_TEXT_ID
from davinci.platform.evaluation.engine.rolling import token_nlls_nats
from davinci.platform.evaluation.settings import EvaluationRuntime

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The checkpoint under evaluation: model (in evaluation mode), tokenizer and runtime.

    `end_id` is the end of text, which stands before and after every document of the training.
    """

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
