"""The stages of a curriculum, as fractions of a token budget, made into whole optimizer steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import lcm
from typing import Any, cast

from davinci.data_levels.chain import canonical_name
from davinci.data_levels.document import DOMAINS, Domain
from davinci.platform.config.recipe import BatchStep, Schedule, StageSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A stretch of a stage at one batch size; `multiple` counts `scale.batch_tokens`."""

    stage: int
    multiple: int
    end_frac: float


def resolve_stages(plain: Mapping[str, Any]) -> tuple[StageSettings, ...]:
    """Return the stages of a config that `check_curriculum` has no objection to.

    Boundaries are rounded, not lengths, and to batches of both sides, so that every curriculum
    trains the same tokens: the whole batches of `scale.batch_tokens` that fit `scale.tokens`.
    """
    base = plain["scale"]["batch_tokens"]
    batches = whole_batches(plain)
    return tuple(
        _stage(plain, index, tuple(BatchStep(batch_tokens=m * base, num_steps=n) for m, n in parts))
        for index, parts in enumerate(batches)
    )


def whole_batches(plain: Mapping[str, Any]) -> list[list[tuple[int, int]]]:
    """Return per stage its batch sizes in multiples of `scale.batch_tokens`, with their steps.

    A part that is too short for one step has 0 of them.
    """
    scale, stages = plain["scale"], plain["curriculum"]["stages"]
    total = scale["tokens"] // scale["batch_tokens"]
    parts = _parts(stages)
    found: list[list[tuple[int, int]]] = [[] for _ in stages]
    begun = 0
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        if following is None:
            end = total - (total - begun) % part.multiple
        else:
            unit = lcm(part.multiple, following.multiple)
            end = min(round(total * part.end_frac / unit) * unit, total)
            end -= (end - begun) % part.multiple
        found[part.stage].append((part.multiple, (end - begun) // part.multiple))
        begun = end
    if begun < total:  # less than a batch remains of a budget that the last one does not divide
        found[-1].append((total - begun, 1))
    return found


def _parts(stages: Sequence[Mapping[str, Any]]) -> list[_Part]:
    parts, begun = [], 0.0
    for index, stage in enumerate(stages):
        ramp = stage["ramp"] or [{"batch": stage["batch"], "tokens_frac": 1.0}]
        within = 0.0
        for step in ramp:
            within += step["tokens_frac"]
            end = begun + stage["tokens_frac"] * within
            parts.append(_Part(stage=index, multiple=step["batch"], end_frac=end))
        begun += stage["tokens_frac"]
    return parts


def _stage(plain: Mapping[str, Any], index: int, batches: tuple[BatchStep, ...]) -> StageSettings:
    stage, scale = plain["curriculum"]["stages"][index], plain["scale"]
    tokens = sum(part.tokens for part in batches)
    masked = plain["curriculum"]["mask_questions"]
    decay_frac = stage["decay_frac"] if stage["schedule"] == "wsd" else 0.0
    return StageSettings(
        name=f"stage-{index + 1}",
        tokens=tokens,
        batches=batches,
        weights=stage_weights(plain, index),
        levels=_levels(plain["data"], stage),
        schedule=cast(Schedule, stage["schedule"]),
        warmup_tokens=_whole(tokens, warmup_frac(plain, stage), scale["batch_tokens"]),
        decay_tokens=_whole(tokens, decay_frac, scale["batch_tokens"]),
        lr_start_frac=float(stage["lr_start_frac"]),
        lr_end_frac=float(stage["lr_end_frac"]),
        mask_questions=stage["mask_questions"] if masked is None else masked,
        num_checkpoints=stage["checkpoints"],
    )


def warmup_frac(plain: Mapping[str, Any], stage: Mapping[str, Any]) -> float:
    """Return the share of a stage's tokens that its warmup takes."""
    if stage["warmup_frac"] is not None:
        return float(stage["warmup_frac"])
    return float(plain["scale"]["warmup_frac"]) if stage["warmup"] else 0.0


def stage_weights(plain: Mapping[str, Any], index: int) -> dict[Domain, float]:
    """Return a stage's weights: its own or the mixture's, with its share of `qa` if it names one.

    The other domains keep their proportions.
    """
    stage = plain["curriculum"]["stages"][index]
    weights = dict(stage["weights"] or plain["mixture"]["weights"])
    qa, rest = stage["qa_frac"], 1.0 - weights["qa"]
    if qa is not None and rest > 0:
        # six digits, as in the files: a share is meant, not its floating-point noise
        weights = {d: round(w * (1.0 - qa) / rest, 6) for d, w in weights.items()}
        weights["qa"] = round(1.0 - sum(w for d, w in weights.items() if d != "qa"), 6)
    return {d: float(weights[d]) for d in DOMAINS if weights[d] > 0}


def _levels(data: Mapping[str, Any], stage: Mapping[str, Any]) -> dict[Domain, str]:
    """Return the chains of levels in which a stage differs from the recipe."""
    found = {}
    for domain in DOMAINS:
        own = stage["level_of"][domain] or stage["level"]
        usual = canonical_name(data["level_of"][domain] or data["level"])
        if own and canonical_name(own) != usual:
            found[domain] = canonical_name(own)
    return found


def _whole(tokens: int, frac: float, batch_tokens: int) -> int:
    return round(tokens // batch_tokens * frac) * batch_tokens
