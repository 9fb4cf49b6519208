from collections.abc import Mapping

import numpy as np
import pytest

from davinci.data_levels.document import Domain
from davinci.platform.training.permutation import permuted
from davinci.platform.training.sampler import MixtureSampler, build_sampler

WEIGHTS: Mapping[Domain, float] = {"general": 0.1, "code": 0.25, "math": 0.6, "qa": 0.05}
NUM_TOKENS: Mapping[Domain, int] = {"general": 5000, "code": 1607, "math": 90_000, "qa": 90}
CONTEXT = 32


def make(
    seed: int = 0, stage_index: int = 0, first_draws: Mapping[Domain, int] | None = None
) -> MixtureSampler:
    return build_sampler(
        weights=WEIGHTS,
        num_tokens=NUM_TOKENS,
        context_length=CONTEXT,
        seed=seed,
        stage_index=stage_index,
        first_draws=first_draws,
    )


@pytest.mark.parametrize("size", [1, 2, 3, 17, 64, 65, 1000])
def test_a_permutation_meets_every_index_once(size: int) -> None:
    indices = np.arange(size, dtype=np.uint64)
    assert sorted(permuted(indices, size, key=7).tolist()) == list(range(size))


def test_permutations_depend_on_their_key_and_mix_well() -> None:
    indices = np.arange(1000, dtype=np.uint64)
    first, second = (permuted(indices, 1000, key).astype(float) for key in (1, 2))
    assert abs(np.corrcoef(first, indices)[0, 1]) < 0.1
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1


def test_any_stretch_can_be_read_by_itself() -> None:
    whole = make().windows(0, 4000)
    for start, stop in ((0, 10), (1234, 1300), (3999, 4000)):
        for part, full in zip(make().windows(start, stop), whole, strict=True):
            assert np.array_equal(part, full[start:stop])


def test_the_seed_changes_domains_and_windows_and_the_stage_the_domains_alone() -> None:
    first = make().windows(0, 500)
    maths = make().domains.index("math")
    drawn = first.begins[first.domains == maths][:200].tolist()
    for key, same_windows in (((1, 0), False), ((0, 1), True)):
        other = make(*key).windows(0, 500)
        assert first.domains.tolist() != other.domains.tolist()
        assert (other.begins[other.domains == maths][:200].tolist() == drawn) is same_windows


def test_a_later_stage_goes_on_where_the_one_before_left_each_domain() -> None:
    first = make()
    draws = dict(zip(first.domains, first.num_draws(900), strict=True))
    later = make(stage_index=1, first_draws=draws)
    for index, (domain, num_tokens) in enumerate(zip(first.domains, first.num_tokens, strict=True)):
        used: set[int] = set()
        for windows, stop in ((first.windows(0, 900), 900), (later.windows(0, 700), 700)):
            mine = (windows.domains == index) & (windows.epochs == 0)
            begins = windows.begins[mine][:stop].tolist()
            assert not used & set(begins), domain
            used |= set(begins)
        assert len(used) <= num_tokens // CONTEXT


def test_the_same_seed_gives_the_same_order_and_another_does_not() -> None:
    first, same, other, later = (
        make(*key).windows(0, 500).begins.tolist() for key in ((0, 0), (0, 0), (1, 0), (0, 1))
    )
    assert first == same
    assert first != other
    assert first != later


def test_weights_hold_at_every_prefix() -> None:
    sampler = make(seed=5)
    shares = np.array([WEIGHTS[domain] for domain in sampler.domains])
    for position in range(1, 3000):
        assert np.abs(np.array(sampler.num_draws(position)) - position * shares).max() < 4


def test_draws_counted_at_once_are_those_met_one_by_one() -> None:
    sampler = make(seed=2)
    met = np.bincount(sampler.windows(0, 777).domains, minlength=len(sampler.domains))
    assert sampler.num_draws(777) == tuple(met.tolist())


def test_no_token_is_trained_on_twice_within_an_epoch() -> None:
    sampler = make()
    windows = sampler.windows(0, 5000)
    for index, num_tokens in enumerate(sampler.num_tokens):
        for epoch in range(3):
            begins = windows.begins[(windows.domains == index) & (windows.epochs == epoch)]
            targets = (begins[:, None] + 1 + np.arange(CONTEXT)) % num_tokens
            assert len(np.unique(targets)) == targets.size


def test_a_later_epoch_cuts_elsewhere() -> None:
    sampler = make()
    windows = sampler.windows(0, 1000)
    code = windows.domains == sampler.domains.index("code")
    first, second = (set(windows.begins[code & (windows.epochs == e)].tolist()) for e in (0, 1))
    assert len(first) == len(second) == 1607 // CONTEXT
    assert not first & second


def test_epochs_are_trained_tokens_over_a_shards_tokens() -> None:
    sampler = make()
    draws = dict(zip(sampler.domains, sampler.num_draws(800), strict=True))
    assert sampler.epochs(0, 800)["code"] == draws["code"] * CONTEXT / 1607
    parts = [sampler.epochs(0, 300)["code"], sampler.epochs(300, 800)["code"]]
    assert sum(parts) == pytest.approx(sampler.epochs(0, 800)["code"])


def test_a_domain_without_weight_needs_no_tokens() -> None:
    sampler = build_sampler(
        weights={"math": 1.0, "qa": 0.0},
        num_tokens={"math": 100},
        context_length=8,
        seed=0,
        stage_index=0,
    )
    assert sampler.domains == ("math",)
    assert sampler.num_draws(9) == (9,)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"math": 0.5, "code": 0.5}, "code has none"),
        ({"math": 0.5}, "sum to 1"),
        ({"math": 1.5, "qa": -0.5}, ">= 0"),
    ],
)
def test_weights_that_cannot_be_served_are_refused(
    weights: Mapping[Domain, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build_sampler(
            weights=weights,
            num_tokens={"math": 100, "code": 0},
            context_length=8,
            seed=0,
            stage_index=0,
        )
