"""The rules for scale, trainer and the token budget."""

from typing import Any

from davinci.platform.config.errors import Problem
from davinci.platform.config.rules import one_of, positive, within

ACCELERATORS = ("auto", "cpu", "gpu")
MIN_VOCAB_SIZE = 257
"""256 bytes and the end of text."""

_POSITIVE_SCALE = (
    *("hidden_size", "num_layers", "num_heads", "num_kv_heads", "head_dim", "intermediate_size"),
    *("vocab_size", "context_length", "tokens", "batch_tokens", "lr_peak"),
)


def check_training(plain: dict[str, Any]) -> list[Problem]:
    """Return what is wrong with scale and trainer, alone and together."""
    return [
        *_check_scale(plain["scale"]),
        *_check_trainer(plain["trainer"]),
        *_check_batch(plain),
        *_check_steps(plain),
    ]


def _check_scale(scale: dict[str, Any]) -> list[Problem]:
    problems = [p for name in _POSITIVE_SCALE for p in positive(f"scale.{name}", scale[name])]
    if problems:
        return problems
    batch, context = scale["batch_tokens"], scale["context_length"]
    if batch % context:
        rule = f"must be a multiple of scale.context_length, which is {context}."
        problems.append(Problem(field="scale.batch_tokens", value=str(batch), rule=rule))
    if scale["num_heads"] % scale["num_kv_heads"]:
        rule = f"must divide scale.num_heads, which is {scale['num_heads']}."
        value = str(scale["num_kv_heads"])
        problems.append(Problem(field="scale.num_kv_heads", value=value, rule=rule))
    if scale["tokens"] < batch:
        rule = f"one optimizer step takes scale.batch_tokens = {batch} tokens."
        problems.append(Problem(field="scale.tokens", value=str(scale["tokens"]), rule=rule))
    if scale["head_dim"] % 2:
        rule = "must be even: rotary positions turn its numbers in pairs."
        problems.append(Problem(field="scale.head_dim", value=str(scale["head_dim"]), rule=rule))
    if scale["vocab_size"] < MIN_VOCAB_SIZE:
        rule = f"a byte-level tokenizer needs at least {MIN_VOCAB_SIZE}."
        value = str(scale["vocab_size"])
        problems.append(Problem(field="scale.vocab_size", value=value, rule=rule))
    problems += positive("scale.rms_norm_eps", scale["rms_norm_eps"])
    problems += positive("scale.rope_theta", scale["rope_theta"])
    return problems + within("scale.warmup_frac", scale["warmup_frac"], 0, 0.5)


def _check_trainer(trainer: dict[str, Any]) -> list[Problem]:
    problems = within("trainer.beta1", trainer["beta1"], 0, 0.9999)
    problems += within("trainer.beta2", trainer["beta2"], 0, 0.999999)
    problems += positive("trainer.eps", trainer["eps"])
    problems += positive("trainer.grad_clip_norm", trainer["grad_clip_norm"])
    problems += positive("trainer.num_threads", trainer["num_threads"])
    problems += positive("trainer.log_interval_steps", trainer["log_interval_steps"])
    if trainer["weight_decay"] < 0:
        value = f"{trainer['weight_decay']:g}"
        problems.append(
            Problem(field="trainer.weight_decay", value=value, rule="cannot be negative.")
        )
    if trainer["devices"] != 1:
        rule = "one device per run is what this version trains on."
        value = str(trainer["devices"])
        problems.append(Problem(field="trainer.devices", value=value, rule=rule))
    return problems + one_of("trainer.accelerator", trainer["accelerator"], ACCELERATORS)


def _check_batch(plain: dict[str, Any]) -> list[Problem]:
    micro, scale = plain["trainer"]["micro_batch_size"], plain["scale"]
    sequences = scale["batch_tokens"] // max(1, scale["context_length"])
    if micro < 0 or (micro and sequences % micro):
        rule = f"must divide the {sequences} sequences of a batch (0 chooses)."
        field = "trainer.micro_batch_size"
        return [Problem(field=field, value=str(micro), rule=rule)]
    return []


def _check_steps(plain: dict[str, Any]) -> list[Problem]:
    """Return stages that the token budget leaves without a step."""
    if plain["scale"]["batch_tokens"] <= 0:
        return []
    steps = plain["scale"]["tokens"] // plain["scale"]["batch_tokens"]
    ends = [0.0]
    for stage in plain["curriculum"]["stages"]:
        ends.append(ends[-1] + stage["tokens_frac"])
    rule = f"scale.tokens is too small: the stage gets none of the {steps} optimizer steps."
    return [
        Problem(field=f"curriculum.stages.{index}", value="", rule=rule)
        for index in range(len(ends) - 1)
        if steps > 0 and round(steps * ends[index]) == round(steps * ends[index + 1])
    ]
