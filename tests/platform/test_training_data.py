"""What is drawn: questions left out of the loss, and data that go on from stage to stage."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.small_training import SETTINGS, Shards, result_of, train, write_shards

from davinci.platform.training.batches import SegmentBatches, Shard
from davinci.platform.training.data import open_data
from davinci.platform.training.sampler import build_sampler

NUM_TOKENS = 60
RUNS = np.array([[0, 5], [12, 20], [55, 60]], dtype=np.int64)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return write_shards(tmp_path_factory.mktemp("shards"))


def in_a_question(place: int) -> bool:
    return any(start <= place % NUM_TOKENS < end for start, end in RUNS.tolist())


@pytest.mark.parametrize("begin", range(61))
@pytest.mark.parametrize("length", [1, 16, 75])
def test_answers_are_the_tokens_of_no_question_around_the_end_as_well(
    begin: int, length: int
) -> None:
    shard = Shard(np.arange(NUM_TOKENS, dtype=np.uint16), RUNS)
    expected = [not in_a_question(begin + offset) for offset in range(length)]
    assert shard.answers(begin, length).tolist() == expected


def test_masks_stand_over_predicted_tokens_and_all_processes_count_the_whole_step() -> None:
    shard = Shard(np.arange(NUM_TOKENS, dtype=np.uint16), RUNS)
    sampler = build_sampler(
        weights={"qa": 1.0}, num_tokens={"qa": 60}, context_length=8, seed=0, stage_index=0
    )
    batches = [
        list(
            SegmentBatches(
                sampler=sampler,
                shards=(shard,),
                num_steps=2,
                batch_size=4,
                micro_batch_size=1,
                mask_questions=True,
                rank=rank,
                world_size=2,
            )
        )
        for rank in (0, 1)
    ]
    totals = [0, 0]
    for of_rank in batches:
        for index, batch in enumerate(of_rank):
            assert batch.mask_BT is not None
            predicted = batch.windows_BS[:, 1:]
            expected = [[not in_a_question(token) for token in row] for row in predicted.tolist()]
            assert batch.mask_BT.tolist() == expected
            totals[index // 2] += int(batch.mask_BT.sum())
    for rank in (0, 1):
        assert [batch.num_loss_tokens for batch in batches[rank]] == [
            *(totals[0], totals[0]),
            *(totals[1], totals[1]),
        ]


def test_masking_changes_what_is_learned_and_is_no_excuse_for_other_data(
    tmp_path: Path, shards: Shards
) -> None:
    plain = train(tmp_path / "plain", shards)
    masked = train(tmp_path / "masked", shards, replace(SETTINGS, mask_questions=True))
    assert (plain / "model" / "model.safetensors").read_bytes() != (
        masked / "model" / "model.safetensors"
    ).read_bytes()
    assert result_of(plain)["tokens_per_domain"] == result_of(masked)["tokens_per_domain"]


def test_epochs_are_counted_over_the_whole_run_and_another_level_starts_anew(
    tmp_path: Path, shards: Shards
) -> None:
    first = train(tmp_path / "first", shards)
    assert result_of(first)["epochs_total_per_domain"] == result_of(first)["epochs_per_domain"]
    second = replace(SETTINGS, stage_index=1, tokens_before=64 * 24, weights={"math": 1.0})
    child = result_of(train(tmp_path / "child", shards, second, parent=first))
    before = result_of(first)["epochs_per_domain"]["math"]
    assert child["epochs_total_per_domain"]["math"] == pytest.approx(before + 64 * 24 / 500, 0.04)
    assert child["epochs_per_domain"]["math"] == 64 * 24 / 500
    refined = write_shards(tmp_path / "L5")
    renamed = refined["math"].rename(tmp_path / "another digest")
    anew = open_data(second, {"math": renamed}, tmp_path / "first", weights=None, max_epochs=0)
    assert anew.sampler.first_draws == (0,)
    goes_on = open_data(second, shards, tmp_path / "first", weights=None, max_epochs=0)
    assert goes_on.sampler.first_draws[0] == result_of(first)["tokens_per_domain"]["math"] // 16


def test_a_domain_that_runs_out_is_an_error_where_the_policy_says_so(
    tmp_path: Path, shards: Shards
) -> None:
    with pytest.raises(ValueError, match=r"`max_epochs` is 2, but math would be trained on 2\.34"):
        open_data(SETTINGS, shards, None, weights=None, max_epochs=2)
    assert open_data(SETTINGS, shards, None, weights=None, max_epochs=2.5)


def test_weights_of_a_decision_take_the_place_of_the_settings(
    tmp_path: Path, shards: Shards
) -> None:
    given = train(tmp_path, shards, replace(SETTINGS, weights={}), weights={"code": 1.0})
    assert result_of(given)["tokens_per_domain"] == {"code": 64 * 24}
