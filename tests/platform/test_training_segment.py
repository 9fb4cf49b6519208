import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests import small_training as small
from tests.small_training import Shards, write_shards

from davinci.models.build import load_model
from davinci.models.settings import OptimizerSettings
from davinci.models.size import flops_per_token
from davinci.platform.training.batches import SegmentBatches, Shard
from davinci.platform.training.sampler import build_sampler
from davinci.platform.training.segment import train_segment
from davinci.platform.training.settings import SegmentSettings, TrainingDiverged, TrainingRuntime

SETTINGS = replace(small.SETTINGS, num_steps=12, lr=replace(small.LAW, total_tokens=64 * 12))
LAW = SETTINGS.lr
MODEL = SETTINGS.model
RUNTIME = small.RUNTIME


FROZEN_LOSSES = [3.30570, 3.30780]
"""In nats, of the first two steps: a change here is a change of the training itself."""


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return write_shards(tmp_path_factory.mktemp("shards"))


def train(
    out: Path,
    shards: Shards,
    settings: SegmentSettings = SETTINGS,
    parent: Path | None = None,
    runtime: TrainingRuntime = RUNTIME,
) -> Path:
    return small.train(out, shards, settings, parent, runtime)


def weights_digest(segment: Path) -> str:
    return hashlib.sha256((segment / "model" / "model.safetensors").read_bytes()).hexdigest()


def moments_of(segment: Path) -> dict[str, torch.Tensor]:
    (file,) = (segment / "optimizer").glob("*.safetensors")
    return load_file(file)


def test_the_same_settings_give_the_same_bits(tmp_path: Path, shards: Shards) -> None:
    first = train(tmp_path / "first", shards)
    assert weights_digest(first) == weights_digest(train(tmp_path / "second", shards))
    other = train(tmp_path / "other", shards, replace(SETTINGS, seed=1))
    assert weights_digest(first) != weights_digest(other)


def test_a_segment_leaves_its_checkpoint_curves_and_costs(tmp_path: Path, shards: Shards) -> None:
    notes: list[tuple[int, int, str]] = []
    train_segment(
        replace(SETTINGS, tokens_before=1000),
        shards=shards,
        parent=None,
        out=tmp_path,
        runtime=RUNTIME,
        progress=lambda *note: notes.append(note),
    )
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["steps"], result["tokens"]) == (12, 768)
    assert result["flops"] == 768 * flops_per_token(MODEL, 16)
    assert sum(result["tokens_per_domain"].values()) == 768
    assert result["tokens_per_domain"]["math"] == pytest.approx(0.75 * 768, abs=32)
    assert result["epochs_per_domain"]["math"] == result["tokens_per_domain"]["math"] / 500
    assert result["wall_s"] > 0
    assert result["max_rss_bytes"] > 1e7
    curves = json.loads((tmp_path / "curve.json").read_text())
    assert set(curves) == {
        *("loss", "lr", "grad_norm", "batch_tokens", "tokens_per_s"),
        *("data_wait_frac", "memory_bytes", "share_math", "share_code"),
    }
    assert curves["loss"]["tokens"] == [1000 + 320, 1000 + 640, 1000 + 768]
    assert curves["lr"]["values"][-1] == pytest.approx(1e-3)
    assert curves["loss"]["values"][0] > curves["loss"]["values"][-1] == result["final_loss"]
    assert [(done, total) for done, total, _ in notes] == [(320, 768), (640, 768), (768, 768)]
    assert "tokens/s" in notes[0][2]
    assert load_model(tmp_path / "model").config.hidden_size == 16


def test_the_first_losses_are_frozen(tmp_path: Path, shards: Shards) -> None:
    train(tmp_path, shards, runtime=replace(RUNTIME, log_interval_steps=1))
    losses = json.loads((tmp_path / "curve.json").read_text())["loss"]["values"]
    assert losses[0] == pytest.approx(np.log(32), abs=0.2)
    assert losses[:2] == pytest.approx(FROZEN_LOSSES, abs=1e-4)


def test_weights_and_moments_carry_over_from_a_parent(tmp_path: Path, shards: Shards) -> None:
    parent = train(tmp_path / "parent", shards)
    second = replace(SETTINGS, stage_index=1, tokens_before=768)
    child = train(tmp_path / "child", shards, second, parent=parent)
    moments = moments_of(child)
    assert {float(value) for name, value in moments.items() if name.startswith("step.")} == {24.0}
    frozen = replace(second, lr=replace(LAW, start_frac=0.0, end_frac=0.0))
    still = train(tmp_path / "still", shards, frozen, parent=parent)
    assert weights_digest(still) == weights_digest(parent)


def test_a_child_uses_its_own_optimizer_settings(tmp_path: Path, shards: Shards) -> None:
    parent = train(tmp_path / "parent", shards)
    second = replace(SETTINGS, stage_index=1, tokens_before=768)
    digests = set()
    for decay in (0.1, 0.3):
        optimizer = OptimizerSettings(lr_peak=1e-2, weight_decay=decay)
        settings = replace(second, optimizer=optimizer)
        child = train(tmp_path / f"child-{decay}", shards, settings, parent=parent)
        digests.add(weights_digest(child))
    assert len(digests) == 2


def test_micro_batches_change_nothing_but_rounding(tmp_path: Path, shards: Shards) -> None:
    whole = train(tmp_path / "whole", shards)
    parts = train(tmp_path / "parts", shards, runtime=replace(RUNTIME, micro_batch_size=1))
    curves = [json.loads((s / "curve.json").read_text()) for s in (whole, parts)]
    for name in ("loss", "lr", "grad_norm"):
        assert curves[0][name]["tokens"] == curves[1][name]["tokens"]
        assert curves[0][name]["values"] == pytest.approx(curves[1][name]["values"], rel=1e-3)


def test_every_world_size_reads_the_same_sequences(shards: Shards) -> None:
    sampler = build_sampler(
        weights=SETTINGS.weights,
        num_tokens={"math": 500, "code": 500},
        context_length=16,
        seed=0,
        stage_index=0,
    )
    none = np.zeros((0, 2), dtype=np.int64)
    opened = tuple(
        Shard(np.load(shards[domain] / "tokens.npy"), none) for domain in sampler.domains
    )

    def read(micro_batch_size: int, rank: int, world_size: int) -> torch.Tensor:
        batches = SegmentBatches(
            sampler=sampler,
            shards=opened,
            num_steps=3,
            batch_size=8,
            micro_batch_size=micro_batch_size,
            rank=rank,
            world_size=world_size,
        )
        found = list(batches)
        assert len(found) == len(batches)
        assert {batch.num_loss_tokens for batch in found} == {8 * 16}
        return torch.cat([batch.windows_BS for batch in found]).view(3, -1, 17)

    alone = read(8, 0, 1)
    assert torch.equal(torch.cat([read(2, 0, 2), read(2, 1, 2)], dim=1), alone)
    for row in alone.view(-1, 17):
        steps = torch.tensor([(b - a) % 32 for a, b in pairwise(row.tolist())])
        assert steps.max() <= 1 or (steps > 1).sum() == 1, "windows are contiguous, but for a wrap"


def test_a_loss_that_is_no_number_ends_the_segment_and_names_the_step(
    tmp_path: Path, shards: Shards
) -> None:
    settings = replace(
        SETTINGS,
        optimizer=OptimizerSettings(lr_peak=1e38),
        lr=replace(LAW, warmup_tokens=0),
    )
    with pytest.raises(TrainingDiverged, match="step 1 ") as raised:
        train(tmp_path, shards, settings)
    assert raised.value.step == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_steps": 0}, "`num_steps` must be at least 1"),
        ({"batch_tokens": 60}, "multiple of `context_length`"),
        ({"weights": {"science": 1.0}}, "science has none"),
    ],
)
def test_a_stage_that_cannot_be_trained_is_refused(
    tmp_path: Path,
    shards: Shards,
    changes: Mapping[str, object],
    message: str,
) -> None:
    settings = replace(SETTINGS, **changes)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        train(tmp_path, shards, settings)


def test_a_parent_of_another_architecture_is_refused(tmp_path: Path, shards: Shards) -> None:
    parent = train(tmp_path / "parent", shards)
    wider = replace(SETTINGS, model=replace(MODEL, intermediate_size=32))
    with pytest.raises(ValueError, match="`intermediate_size` is 24"):
        train(tmp_path / "child", shards, wider, parent=parent)


def test_tokens_without_an_embedding_are_refused(tmp_path: Path, shards: Shards) -> None:
    smaller = replace(SETTINGS, model=replace(MODEL, vocab_size=31))
    with pytest.raises(ValueError, match="`vocab_size` 31"):
        train(tmp_path, shards, smaller)


def test_a_micro_batch_that_does_not_divide_is_refused(tmp_path: Path, shards: Shards) -> None:
    with pytest.raises(ValueError, match="`micro_batch_size` must divide the 4"):
        train(tmp_path, shards, runtime=replace(RUNTIME, micro_batch_size=3))


def test_bfloat16_trains_and_leaves_full_precision_weights(tmp_path: Path, shards: Shards) -> None:
    segment = train(tmp_path, shards, replace(SETTINGS, precision="bf16-mixed"))
    assert load_model(segment / "model").dtype == torch.float32
    assert json.loads((segment / "result.json").read_text())["final_loss"] < np.log(32)
