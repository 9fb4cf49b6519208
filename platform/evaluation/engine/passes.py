"""Passes of the model over rows of tokens that stand behind keys and values computed before.

Legend: B rows, Q tokens of a row, P tokens before them, K = P + Q keys, H key heads, D head width,
L layers.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Qwen2ForCausalLM


class Prefix:
    """Keys and values of a beginning that many rows share, each of shape (1, H, P, D).

    It stands in for transformers' cache: the model hands the keys and values of every layer to
    `update`, and attends to what it returns.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        self._learning = True

    @classmethod
    def of(cls, model: Qwen2ForCausalLM, ids: Sequence[int]) -> "Prefix":
        """Compute the keys and values of `ids`; none at all for no ids."""
        prefix = cls()
        if ids:
            row_BQ = torch.tensor([list(ids)], device=model.device)
            positions_BQ = torch.arange(len(ids), device=model.device)[None]
            mask_QQ = torch.ones(len(ids), len(ids), dtype=torch.bool, device=model.device).tril()
            hidden_states(model, row_BQ, mask_QQ[None, None], positions_BQ, prefix)
        prefix._learning = False
        return prefix

    def layer(self, index: int) -> tuple[Tensor, Tensor]:
        """Return keys and values of one layer, each of shape (1, H, P, D)."""
        return self._keys[index], self._values[index]

    @property
    def length(self) -> int:
        """P, the number of tokens."""
        return self._keys[0].shape[2] if self._keys else 0

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: object) -> tuple[Tensor, Tensor]:
        """Return a layer's keys and values with those of the beginning before them."""
        if self._learning:
            self._keys.append(keys)
            self._values.append(values)
            return keys, values
        if not self._keys:
            return keys, values
        rows = len(keys)
        before = (part.expand(rows, -1, -1, -1) for part in self.layer(layer))
        key, value = before
        return torch.cat([key, keys], dim=2), torch.cat([value, values], dim=2)

    def get_seq_length(self, *_: object) -> int:
        """Return P; transformers asks for it."""
        return self.length


def hidden_states(
    model: Qwen2ForCausalLM,
    ids_BQ: Tensor,
    mask_B1QK: Tensor,
    positions_BQ: Tensor,
    before: Any,
) -> Tensor:
    """Return the model's last hidden states, shape (B, Q, width).

    Args:
        model: In evaluation mode.
        ids_BQ: Token ids.
        mask_B1QK: True where a token may look; every token must see something.
        positions_BQ: Of each token in its sequence.
        before: A `Prefix`, or what else has its `update`.
    """
    found: Tensor = model.model(
        input_ids=ids_BQ,
        # as a mapping: transformers then takes the mask as it is
        attention_mask={"full_attention": mask_B1QK},
        position_ids=positions_BQ,
        past_key_values=before,
        use_cache=False,
    ).last_hidden_state
    return found


def value_bytes_per_token(model: Qwen2ForCausalLM) -> int:
    """Return the memory of one token's keys and values over all layers."""
    config = model.config
    num_key_heads = config.num_key_value_heads or config.num_attention_heads
    values = 2 * config.num_hidden_layers * num_key_heads * int(config.head_dim)
    return values * model.dtype.itemsize
