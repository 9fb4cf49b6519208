"""Keys and values of the answers in the making: one slot each, filled from the left.

Legend: S slots, R rows of a pass, Q tokens of a row, H key heads, C tokens of a slot, D head width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import Qwen2ForCausalLM

from davinci.platform.evaluation.engine.passes import Prefix, hidden_states


class Slots:
    """Room for `num_slots` answers of up to `capacity` tokens, prompts counted.

    The slots in use are the first ones, always. It stands in for transformers' cache, as `Prefix`
    does: `update` writes what a pass computes into the slots of its rows.
    """

    def __init__(self, model: Qwen2ForCausalLM, num_slots: int, capacity: int) -> None:
        """Allocate the memory."""
        config = model.config
        heads = config.num_key_value_heads or config.num_attention_heads
        shape = (num_slots, heads, capacity, int(config.head_dim))
        layers = range(config.num_hidden_layers)
        self._keys = [torch.zeros(shape, dtype=model.dtype, device=model.device) for _ in layers]
        self._values = [torch.zeros_like(keys) for keys in self._keys]
        self._model = model
        self._slots_R = torch.zeros(0, dtype=torch.long)
        self._places_RQ = torch.zeros(0, 0, dtype=torch.long)
        self._seen = 0

    def fill(self, first: int, prompts: Sequence[Sequence[int]], prefix: Prefix) -> Tensor:
        """Read prompts into the slots from `first` on; return their last hidden states, (R, width).

        `prefix` holds the first tokens of all of them.
        """
        shared = prefix.length
        rows = len(prompts)
        for layer in range(len(self._keys) if shared else 0):
            keys, values = prefix.layer(layer)
            self._keys[layer][first : first + rows, :, :shared] = keys
            self._values[layer][first : first + rows, :, :shared] = values
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=self._model.device)
        longest = int(lengths.max())
        ids = torch.zeros(rows, longest - shared, dtype=torch.long)
        for row, prompt in zip(ids, prompts, strict=True):
            row[: len(prompt) - shared] = torch.tensor(prompt[shared:])
        places_RQ = torch.arange(shared, longest, device=self._model.device).expand(rows, -1)
        seen_K = torch.arange(longest, device=self._model.device)
        mask_RQK = seen_K[None, None, :] <= places_RQ[:, :, None]
        self._slots_R = torch.arange(first, first + rows, device=self._model.device)
        self._places_RQ, self._seen = places_RQ, longest
        hidden_RQD = hidden_states(
            self._model, ids.to(self._model.device), mask_RQK[:, None], places_RQ, self
        )
        return hidden_RQD[torch.arange(rows), lengths - shared - 1]

    def step(self, ids: Sequence[int], lengths: Sequence[int]) -> Tensor:
        """Add one token to each of the first slots; return their hidden states, (R, width).

        Args:
            ids: The new tokens, (R,).
            lengths: How many tokens each slot has had before.
        """
        device = self._model.device
        places_R1 = torch.tensor(lengths, device=device)[:, None]
        seen_K = torch.arange(max(lengths) + 1, device=device)
        mask_R11K = (seen_K[None, :] <= places_R1)[:, None, None, :]
        self._slots_R = torch.arange(len(ids), device=device)
        self._places_RQ, self._seen = places_R1, len(seen_K)
        ids_R1 = torch.tensor(ids, device=device)[:, None]
        return hidden_states(self._model, ids_R1, mask_R11K, places_R1, self)[:, 0]

    def move(self, source: int, target: int) -> None:
        """Let the slot `target` have what `source` has."""
        for part in (*self._keys, *self._values):
            part[target] = part[source]

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: object) -> tuple[Tensor, Tensor]:
        """Write the keys and values of this pass; return all that its rows may look at."""
        found = []
        first, rows = int(self._slots_R[0]), len(self._slots_R)
        for kept, new in ((self._keys[layer], keys), (self._values[layer], values)):
            kept[self._slots_R[:, None], :, self._places_RQ] = new.transpose(1, 2)
            found.append(kept[first : first + rows, :, : self._seen])
        return found[0], found[1]

    def get_seq_length(self, *_: object) -> int:
        """Return how many tokens the longest slot has; transformers asks for it."""
        return self._seen
