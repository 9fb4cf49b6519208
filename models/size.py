"""How large a model is and what a token costs it, in closed form: no tensor is made."""

from davinci.models.settings import ModelSettings


def num_embedding_parameters(settings: ModelSettings) -> int:
    """Return the entries of the token embeddings; a tied output matrix is counted once."""
    matrices = 1 if settings.tie_embeddings else 2
    return matrices * settings.vocab_size * settings.hidden_size


def num_layer_parameters(settings: ModelSettings) -> int:
    """Return the parameters of one decoder layer: attention, SwiGLU and two RMSNorms."""
    width = settings.hidden_size
    query_width = settings.num_heads * settings.head_dim
    key_width = settings.num_kv_heads * settings.head_dim
    qkv_width = query_width + 2 * key_width
    attention = width * qkv_width + query_width * width
    biases = qkv_width if settings.qkv_bias else 0
    return attention + biases + 3 * width * settings.intermediate_size + 2 * width


def num_parameters(settings: ModelSettings) -> int:
    """Return the exact number of trainable parameters, tied weights counted once."""
    layers = settings.num_layers * num_layer_parameters(settings)
    return num_embedding_parameters(settings) + layers + settings.hidden_size


def flops_per_token(settings: ModelSettings, context: int) -> float:
    """Return the FLOPs of training on one token: forward and backward pass.

    6 N + 12 L H Q T, where N are the parameters that multiply (an untied input embedding is a
    lookup and costs nothing), L layers, H heads of dimension Q, and T = `context` tokens. The
    attention term counts the full square, not its causal half.

    Source: Chowdhery et al. 2022 (PaLM), Appendix B; daVinci-LLM's 6 N for 3B is the first term.
    """
    lookup = 0 if settings.tie_embeddings else settings.vocab_size * settings.hidden_size
    dense = 6 * (num_parameters(settings) - lookup)
    attention_width = settings.num_heads * settings.head_dim
    return float(dense + 12 * settings.num_layers * attention_width * context)
