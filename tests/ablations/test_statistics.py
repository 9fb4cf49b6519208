import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from davinci.ablations.statistics import (
    Block,
    Paired,
    arm_score,
    arm_scores,
    correct,
    estimate,
    mcnemar,
    num_replicates_to_settle,
    paired_effect,
    paired_effects,
    variance,
)
from davinci.ablations.statistics.effects import detectable
from davinci.ablations.statistics.family import Method

approx = pytest.approx

# Two seeds (rows) and two items: mean 4, seed means 2 and 6, item means 2 and 6, rests 1 -1 -1 1.
SQUARE = np.array([[1.0, 3.0], [3.0, 9.0]])
ONES = np.ones(2)


def paired(differences: np.ndarray, weights: np.ndarray | None = None) -> Paired:
    weights = np.ones(differences.shape[1]) if weights is None else weights
    return Paired(differences + 5.0, np.full_like(differences, 5.0), weights)


def test_a_two_by_two_table_gives_the_variance_computed_by_hand() -> None:
    # mean squares over S * I: seeds 8/2, items 8/2, rest 4/4; so 4 + 4 - 1 = 7
    found = estimate([Block(SQUARE, ONES)])
    assert found.mean == 4.0
    assert found.se == approx(math.sqrt(7))
    assert found.df == approx(49 / (16 + 16 + 1))
    assert found.components[:3] == approx((6.0, 3.0, 2.0))
    assert found.scope == "seeds_and_items"


def test_the_components_add_up_to_the_variance_of_the_mean() -> None:
    seed, item, rest, _ = estimate([Block(SQUARE, ONES)]).components
    assert item + (seed + rest) / 2 == approx(7.0)


def test_the_interval_and_the_p_value_are_those_of_students_t() -> None:
    effect = paired_effect([paired(SQUARE)])
    half = stats.t.ppf(0.975, 49 / 33) * math.sqrt(7)
    assert (effect.low, effect.high) == approx((4 - half, 4 + half))
    assert effect.p_value == approx(2 * stats.t.sf(4 / math.sqrt(7), 49 / 33))
    assert effect.se_seed == approx(math.sqrt((6 + 2) / 2))
    assert effect.se_item == approx(math.sqrt(3))


def test_what_both_arms_share_cancels() -> None:
    hardness = np.array([[0.0, 10.0, 20.0], [1.0, 11.0, 21.0], [2.0, 12.0, 22.0]])
    effect = paired_effect([Paired(hardness + 0.5, hardness, np.ones(3))])
    assert (effect.mean, effect.se, effect.low, effect.high) == (0.5, 0.0, 0.5, 0.5)


def test_weights_make_the_mean_a_weighted_score() -> None:
    effect = paired_effect([paired(np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([1.0, 3.0]))])
    assert effect.mean == approx(0.75)
    # influence values 2 * (1/4, 3/4) * (-3/4, 1/4) = (-.375, .375); variance .28125 over 2 items
    assert effect.se == approx(math.sqrt(0.28125 / 2))


def test_equal_weights_of_any_size_change_nothing() -> None:
    one, many = (paired_effect([paired(SQUARE, ONES * scale)]) for scale in (1.0, 700.0))
    assert (one.se, one.df, one.p_value) == approx((many.se, many.df, many.p_value))


def test_seeds_alone_give_the_paired_t_test() -> None:
    rows = np.array([0.1, 0.3, 0.8, 0.4])
    effect = paired_effect([paired(rows[:, None] + np.zeros((1, 50)))])
    reference = stats.ttest_1samp(rows, 0.0)
    assert effect.p_value == approx(reference.pvalue)
    assert effect.df == approx(3.0)


def test_items_alone_give_the_t_test_over_items() -> None:
    columns = np.random.default_rng(0).normal(size=40)
    effect = paired_effect([paired(columns[None, :] + np.zeros((3, 1)))])
    assert effect.p_value == approx(stats.ttest_1samp(columns, 0.0).pvalue)
    assert effect.df == approx(39.0)


def test_one_replicate_speaks_of_items_only() -> None:
    effect = paired_effect([paired(np.array([[1.0, 2.0, 3.0]]))])
    assert effect.scope == "items"
    assert effect.se == approx(math.sqrt(1 / 3))
    assert math.isnan(effect.se_seed)
    assert num_replicates_to_settle(effect).reason == "unknown"


def test_one_item_speaks_of_seeds_only() -> None:
    effect = paired_effect([paired(np.array([[1.0], [2.0], [3.0]]))])
    assert effect.scope == "seeds"
    assert (effect.se, effect.df) == approx((math.sqrt(1 / 3), 2.0))


def test_one_replicate_of_one_item_has_no_interval() -> None:
    effect = paired_effect([paired(np.array([[1.0]]))])
    assert effect.scope == "nothing"
    assert effect.mean == 1.0
    assert all(math.isnan(x) for x in (effect.low, effect.high, effect.p_value, effect.se))


def test_three_worlds_are_the_unit_whatever_happens_inside() -> None:
    worlds = [Block(SQUARE * 0 + mean, ONES) for mean in (1.0, 2.0, 6.0)]
    found = estimate(worlds)
    assert (found.mean, found.df, found.scope) == (3.0, 2.0, "worlds")
    assert found.se == approx(math.sqrt(7 / 3))
    assert (found.num_worlds, found.num_replicates, found.num_items) == (3, 6, 6)


def test_two_worlds_are_averaged_and_the_interval_holds_for_these_two() -> None:
    found = estimate([Block(SQUARE, ONES), Block(SQUARE + 10, ONES)])
    assert (found.mean, found.scope) == (9.0, "fixed_worlds")
    assert found.se == approx(math.sqrt(7 / 2))
    assert found.df == approx(2 * 49 / 33)


def test_a_perfect_score_keeps_an_honest_width() -> None:
    score = arm_score([Block(np.ones((3, 40)), np.ones(40))], bounded=True)
    t = stats.t.ppf(0.975, 39)
    assert (score.mean, score.high) == (1.0, 1.0)
    assert score.low == approx(1 / (1 + t**2 / 40))


def test_bounded_scores_stay_between_0_and_1() -> None:
    values = np.zeros((3, 40))
    values[0, 0] = 1.0
    score = arm_score([Block(values, np.ones(40))], bounded=True)
    assert 0.0 <= score.low < score.mean < score.high <= 1.0


def test_all_items_won_alike_is_not_certainty() -> None:
    effect = paired_effect([Paired(np.ones((3, 40)), np.zeros((3, 40)), np.ones(40))], bounded=True)
    assert effect.se == approx(math.sqrt(2 / (40 * 39)))
    assert effect.low < 1.0


def test_arms_that_answer_alike_differ_by_nothing() -> None:
    effect = paired_effect([Paired(np.ones((3, 40)), np.ones((3, 40)), np.ones(40))], bounded=True)
    assert (effect.mean, effect.p_value) == (0.0, 1.0)
    assert effect.high == approx(stats.t.ppf(0.975, 39) * math.sqrt(2 / (40 * 39)))


@pytest.mark.parametrize("num_seeds", [2, 3, 5, 10, 30])
def test_a_true_difference_of_the_minimum_detectable_effect_is_found_with_80_percent(
    num_seeds: int,
) -> None:
    least = detectable(1.0, num_seeds - 1)
    bound = stats.t.ppf(0.975, num_seeds - 1)
    assert stats.nct.sf(bound, num_seeds - 1, least) == approx(0.8, abs=5e-4)


def test_right_and_wrong_answers_of_one_run_are_tested_exactly() -> None:
    first, second = np.zeros((1, 20)), np.zeros((1, 20))
    first[0, :7], second[0, 5:8] = 1.0, 1.0  # five items won, one lost
    effect = paired_effect([Paired(first, second, np.ones(20))], bounded=True)
    assert effect.p_value == approx(2 * (1 + 6) / 2**6)
    same = paired_effect([Paired(first, first, np.ones(20))], bounded=True)
    assert same.p_value == 1.0
    twice = paired_effect([Paired(first, second, np.ones(20))] * 2, bounded=True)
    assert twice.p_value == approx(stats.binomtest(10, 12).pvalue), "worlds add up"


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (1, 0), (3, 3), (2, 9), (40, 11)])
def test_mcnemar_is_the_binomial_test(won: int, lost: int) -> None:
    expected = stats.binomtest(won, won + lost).pvalue if won + lost else 1.0
    assert mcnemar(won, lost) == approx(expected)


@pytest.mark.parametrize(
    ("weights", "num_items", "scale"),
    [(np.arange(1.0, 21.0), 0, 1.0), (np.ones(20), 40, 1.0), (np.ones(20), 0, 0.5)],
    ids=["weighted", "clustered", "partial credit"],
)
def test_other_scores_of_one_run_are_not_tested_exactly(
    weights: np.ndarray, num_items: int, scale: float
) -> None:
    first, second = np.zeros((1, 20)), np.zeros((1, 20))
    first[0, :7], second[0, 5:8] = scale, scale
    effect = paired_effect([Paired(first, second, weights, num_items)], bounded=True)
    assert effect.p_value == approx(2 * stats.t.sf(abs(effect.mean) / effect.se, effect.df))


def test_seeds_that_tie_by_luck_do_not_close_the_interval() -> None:
    rng = np.random.default_rng(0)
    right = np.repeat([1.0, 0.0], [12, 28])
    rows = np.array([rng.permutation(right) for _ in range(3)])  # each of them has 12 right
    other = np.array([rng.permutation(right) for _ in range(3)])
    effect = paired_effect([Paired(rows, other, np.ones(40))], bounded=True)
    assert effect.mean == 0.0
    rest = effect.components.rest / 3
    item = max(effect.components.item, 0.0)
    assert effect.se**2 == approx(rest * stats.chi2.ppf(0.02, 2) / 2 + item)
    assert effect.high > 0.02


def test_the_promise_of_three_seeds_is_right_on_average() -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(0.0, math.sqrt(3.0), size=(4000, 3))  # true standard error of the mean: 1
    promised = [paired_effect([paired(values[:, None])]).min_detectable for values in rows[:1000]]
    assert np.mean(promised) == approx(detectable(1.0, 2), rel=0.06)
    found = stats.ttest_1samp(rows + detectable(1.0, 2), 0.0, axis=1).pvalue < 0.05
    assert found.mean() == approx(0.8, abs=0.02)


def test_the_number_of_seeds_that_settles_it_is_the_smallest_sufficient_one() -> None:
    rows = np.array([[-1.0], [1.0], [1.5]])  # mean .5, variance 1.75, from seeds alone
    settling = num_replicates_to_settle(paired_effect([paired(rows)]))
    assert settling.num is not None
    needed = {
        num: detectable(math.sqrt(1.75 / num), num - 1) for num in (settling.num - 1, settling.num)
    }
    assert needed[settling.num] <= 0.5 < needed[settling.num - 1]


def test_where_the_items_alone_leave_it_open_more_seeds_do_not_help() -> None:
    columns = np.array([[-3.0, -2.0, 0.0, 2.0, 4.0]])
    settling = num_replicates_to_settle(paired_effect([paired(columns + np.zeros((3, 1)))]))
    assert settling == (None, "seeds", "items")


def test_benjamini_hochberg_by_hand() -> None:
    assert correct([0.01, 0.04, math.nan, 0.03]) == approx(
        (0.03, 0.04, math.nan, 0.04), nan_ok=True
    )


@pytest.mark.parametrize(("method", "peer"), [("benjamini_hochberg", "fdr_bh"), ("holm", "holm")])
def test_corrected_p_values_are_those_of_statsmodels(method: Method, peer: str) -> None:
    rng = np.random.default_rng(1)
    for num in (1, 2, 3, 17):
        p_values = np.round(rng.uniform(0, 1, num) ** 3, 2)  # with ties
        expected = multipletests(p_values, method=peer)[1]
        assert correct(p_values.tolist(), method) == approx(expected.tolist())


def test_holm_by_hand() -> None:
    assert correct([0.01, 0.04, 0.03], "holm") == approx((0.03, 0.06, 0.06))


def test_an_empty_family_is_corrected_to_nothing() -> None:
    assert correct([]) == ()
    assert all(math.isnan(p) for p in correct([math.nan]))


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_impossible_p_values_are_refused(p: float) -> None:
    with pytest.raises(ValueError, match="0 <= p <= 1"):
        correct([p])


@pytest.mark.parametrize(
    ("values", "weights"),
    [
        (np.ones((2, 3)), np.ones(2)),
        (np.ones((0, 3)), np.ones(3)),
        (np.array([[np.nan, 1.0]]), np.ones(2)),
        (np.ones((1, 2)), np.array([1.0, 0.0])),
    ],
)
def test_unusable_blocks_are_refused(values: np.ndarray, weights: np.ndarray) -> None:
    with pytest.raises(ValueError, match="must"):
        estimate([Block(values, weights)])


def test_unpaired_shapes_and_no_world_are_refused() -> None:
    with pytest.raises(ValueError, match="paired"):
        paired_effect([Paired(np.ones((2, 3)), np.ones((3, 3)), np.ones(3))])
    with pytest.raises(ValueError, match="no world"):
        paired_effect([])


@pytest.mark.parametrize("together", [variance.MAX_TOGETHER, 60])
def test_many_at_once_are_each_alone_to_the_same_bits(
    together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variance, "MAX_TOGETHER", together)
    rng = np.random.default_rng(0)
    cases, bounded = [], []
    for number in range(60):
        shape = ((4, 7), (4, 7), (1, 7), (4, 1), (1, 1), (3, 90))[number % 6]
        worlds = []
        for _ in range((1, 1, 2, 3)[number % 4]):
            weights = np.ones(shape[1]) if number % 2 else rng.uniform(1, 9, shape[1])
            draws = rng.random((2, *shape))
            sides = draws if number % 3 else (draws < 0.5).astype(float)
            worlds.append(Paired(sides[0], sides[1], weights))
        cases.append(worlds)
        bounded.append(number % 5 > 0)
    for worlds, is_bounded, found in zip(
        cases, bounded, paired_effects(cases, bounded=bounded), strict=True
    ):
        assert repr(found) == repr(paired_effect(worlds, bounded=is_bounded))
    blocks = [[Block(w.treatment, w.weights) for w in worlds] for worlds in cases]
    for one, is_bounded, score in zip(
        blocks, bounded, arm_scores(blocks, bounded=bounded), strict=True
    ):
        assert repr(score) == repr(arm_score(one, bounded=is_bounded))
    assert arm_scores([], bounded=[]) == []
