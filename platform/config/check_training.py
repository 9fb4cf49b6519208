"""The rules for scale, trainer and the token budget."""

from typing import Any

from davinci.platform.config.errors import Problem
from davinci.platform.config.rules import one_of, positive, within

ACCELERATORS = ("auto", "cpu", "gpu")
PARAMETRIZATIONS = ("standard", "mup")
STRATEGIES = ("auto", "ddp", "fsdp")
KEPT = ("all", "stages", "last")
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
        *_check_batches(plain),
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
    problems += one_of("scale.parametrization", scale["parametrization"], PARAMETRIZATIONS)
    if scale["parametrization"] == "mup":
        problems += positive("scale.base_hidden_size", scale["base_hidden_size"])
    if scale["chinchilla"] < 0:
        value = f"{scale['chinchilla']:g}"
        problems.append(Problem(field="scale.chinchilla", value=value, rule="cannot be negative."))
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
    for count in ("devices", "num_nodes"):
        problems += positive(f"trainer.{count}", trainer[count])
    for limit in ("snapshot_interval_s", "max_epochs"):
        if trainer[limit] < 0:
            field, value = f"trainer.{limit}", f"{trainer[limit]:g}"
            problems.append(Problem(field=field, value=value, rule="cannot be negative."))
    problems += within("trainer.snapshot_max_frac", trainer["snapshot_max_frac"], 0.001, 1)
    problems += one_of("trainer.strategy", trainer["strategy"], STRATEGIES)
    problems += one_of("trainer.keep", trainer["keep"], KEPT)
    return problems + one_of("trainer.accelerator", trainer["accelerator"], ACCELERATORS)


def _check_batches(plain: dict[str, Any]) -> list[Problem]:
    """Return what does not divide the smallest batch; the larger ones are its multiples."""
    trainer, scale = plain["trainer"], plain["scale"]
    if scale["context_length"] < 1 or scale["batch_tokens"] < 1 or trainer["devices"] < 1:
        return []
    sequences = scale["batch_tokens"] // scale["context_length"]
    processes = trainer["devices"] * max(1, trainer["num_nodes"])
    if sequences % processes:
        rule = f"{processes} processes cannot share the {sequences} sequences of a batch evenly."
        return [Problem(field="trainer.devices", value=str(trainer["devices"]), rule=rule)]
    micro, share = trainer["micro_batch_size"], sequences // processes
    if micro < 0 or (micro and share % micro):
        rule = f"must divide the {share} sequences of a batch (0 chooses)."
        if processes > 1:
            rule = f"must divide the {share} sequences of a batch that each of {processes} "
            rule += "processes takes (0 chooses)."
        allowed = tuple(str(n) for n in range(1, share + 1) if share % n == 0)
        return [
            Problem(field="trainer.micro_batch_size", value=str(micro), rule=rule, allowed=allowed)
        ]
    return []
