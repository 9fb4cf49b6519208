"""The module that is trained: a Qwen2 model with its loss inside.

The loss is computed within `forward`, so that wherever parameters are sharded they are whole there.

Legend: B sequences, T context, S = T + 1 tokens of a window, D width.
"""

from torch import Tensor, nn
from transformers import Qwen2ForCausalLM

from davinci.models.loss import next_token_nll_sum


class Network(nn.Module):
    """Windows of tokens in, summed loss out.

    Attributes:
        model: The Qwen2 model; its parameters are all there are.
    """

    def __init__(self, model: Qwen2ForCausalLM) -> None:
        """Wrap `model`."""
        super().__init__()
        self.model = model

    def forward(self, windows_BS: Tensor, mask_BT: Tensor | None = None) -> Tensor:
        """Return the summed next-token loss in nats, shape ().

        Args:
            windows_BS: Token ids; the first T are read, the last T predicted.
            mask_BT: Which predictions count; None counts all.
        """
        read_BT, targets_BT = windows_BS[:, :-1], windows_BS[:, 1:]
        hidden_BTD = self.model.model(input_ids=read_BT, use_cache=False).last_hidden_state
        return next_token_nll_sum(
            hidden_BTD.flatten(0, 1),
            self.model.lm_head.weight,
            targets_BT.flatten(),
            None if mask_BT is None else mask_BT.flatten(),
        )

    @property
    def layers(self) -> nn.ModuleList:
        """The decoder layers, in order."""
        layers = self.model.model.layers
        assert isinstance(layers, nn.ModuleList)
        return layers


def recompute_activations(network: Network) -> None:
    """Keep each decoder layer's input alone, and compute the rest again in the backward pass."""
    enable = getattr(network.model, "activation_checkpointing_enable", None)
    # Before transformers 5 it had another name.
    enable = enable or network.model.gradient_checkpointing_enable
    enable({"use_reentrant": False})


def compile_layers(network: Network) -> None:
    """Compile every decoder layer in place; parameters keep their names.

    Layers are alike, so that torch compiles once for all of them.
    """
    for layer in network.layers:
        layer.compile()
