"""Do two protocols rank alike: the paper's own example, planted reversals, and coin tosses."""

import math

import numpy as np
import pytest
from scipy import stats

from davinci.ablations.agreement import Measured, Subject, agreement, binomial
from davinci.ablations.averages import averages, missing
from davinci.ablations.paper.read import final_models, printed_averages, published
from davinci.platform.evaluation.harness.suite import suite


def test_the_averages_of_table_6_come_out_of_its_own_numbers() -> None:
    models, printed = final_models(), printed_averages()
    assert len(models) == 8
    for model, scores in models.items():
        assert missing(scores) == ()
        assert len(scores) == 19
        for name, value in averages(scores).items():
            assert value == pytest.approx(printed[model][name], abs=0.0051), (model, name)


def test_an_average_that_lacks_a_benchmark_is_none() -> None:
    scores = dict.fromkeys(suite(), 50.0)
    del scores["mbpp"]
    found = averages(scores)
    assert missing(scores) == ("mbpp",)
    assert math.isnan(found["code"])
    assert math.isnan(found["overall"])
    assert found["general"] == 50.0


def figure_12(num_generative: int) -> list[Subject]:
    by_model: dict[str, dict[str, float]] = {}
    for number in published("davinci_fig12_mmlu_protocols"):
        if number.benchmark == "MMLU":
            by_model.setdefault(number.config, {})[number.protocol] = number.value
    num_ppl = suite()["mmlu"].items
    return [
        Subject(
            name=name,
            ppl=binomial(found["ppl"], num_ppl),
            generative=binomial(found["generative"], num_generative),
        )
        for name, found in by_model.items()
    ]


@pytest.mark.parametrize("num_generative", [499, 14042])
def test_figure_12_is_a_swing_and_no_proven_reversal(num_generative: int) -> None:
    """Whatever the number of generative items, which the paper does not say."""
    found = agreement("MMLU", figure_12(num_generative))
    pairs = {(pair.first, pair.second): pair for pair in found.pairs}
    pair = pairs["Qwen-2.5-3B", "OLMo-2-7B"]
    assert pair.ppl == pytest.approx(-0.20)
    assert pair.generative == pytest.approx(2.90)
    assert pair.shift == pytest.approx(3.10)
    assert pair.reading == "swing"
    assert pair.ppl_p > 0.9
    assert found.count("reversal") == 0
    # 10.82 and 11.30 points are beyond doubt
    assert pairs["LLaMa-3.2-3B", "Qwen-2.5-3B"].reading == "agree"
    assert found.kendall == pytest.approx(1 / 3)


def subject(name: str, ppl: float, generative: float, se: float = 0.01) -> Subject:
    return Subject(name=name, ppl=Measured(ppl, se), generative=Measured(generative, se))


def test_a_reversal_needs_both_differences() -> None:
    both = agreement("x", [subject("a", 0.6, 0.3), subject("b", 0.5, 0.4)])
    assert [pair.reading for pair in both.pairs] == ["reversal"]
    one = agreement("x", [subject("a", 0.505, 0.3), subject("b", 0.5, 0.4)])
    assert [pair.reading for pair in one.pairs] == ["swing"]
    unknown = agreement("x", [subject("a", 0.6, 0.3, math.nan), subject("b", 0.5, 0.4)])
    assert [pair.reading for pair in unknown.pairs] == ["swing"]
    same = agreement("x", [subject("a", 0.6, 0.5), subject("b", 0.5, 0.4)])
    assert [pair.reading for pair in same.pairs] == ["agree"]
    assert math.isnan(same.kendall)


def test_rank_correlations_are_those_of_the_rankings() -> None:
    up = [subject(str(i), i / 10, i / 20) for i in range(6)]
    assert agreement("x", up).kendall == pytest.approx(1)
    down = [subject(str(i), i / 10, -i / 20) for i in range(6)]
    found = agreement("x", down)
    assert found.kendall == pytest.approx(-1)
    assert found.spearman == pytest.approx(-1)
    assert found.kendall_p < 0.01
    assert found.count("reversal") > 0


def test_many_pairs_must_each_show_more() -> None:
    pair = [subject("a", 0.6, 0.3, 0.03), subject("b", 0.5, 0.4, 0.03)]  # p = .018 each
    assert [one.reading for one in agreement("x", pair).pairs] == ["reversal"]
    others = [subject(str(i), 0.55, 0.35, 0.03) for i in range(3)]
    among = {(p.first, p.second): p for p in agreement("x", [*pair, *others]).pairs}
    assert among["a", "b"].ppl_p > 0.1
    assert among["a", "b"].reading == "swing"


def test_three_alike_are_no_proof() -> None:
    found = agreement("x", [subject(str(i), i / 10, i / 20) for i in range(3)])
    assert found.spearman == pytest.approx(1)
    assert found.spearman_p == pytest.approx(2 / 6)
    assert found.kendall_p == pytest.approx(2 / 6)


@pytest.mark.parametrize("num", [3, 4, 5, 7, 9])
def test_kendalls_p_value_is_the_usual_one_where_nothing_ties(num: int) -> None:
    rng = np.random.default_rng(num)
    for _ in range(5):
        first, second = rng.random((2, num)).tolist()
        found = agreement("x", list(map(subject, "abcdefghi", first, second)))
        usual = stats.kendalltau(first, second)
        assert found.kendall == pytest.approx(usual.statistic)
        assert found.kendall_p == pytest.approx(usual.pvalue)


def test_subjects_that_tie_are_counted_as_such() -> None:
    # of the 6 orders of (1, 1, 2) beside (1, 2, 3), 4 are as far as tau = 2 / sqrt(2 * 3)
    found = agreement("x", list(map(subject, "abc", [1, 1, 2], [1, 2, 3])))
    assert found.kendall == pytest.approx(stats.kendalltau([1, 1, 2], [1, 2, 3]).statistic)
    assert found.spearman == pytest.approx(stats.spearmanr([1, 1, 2], [1, 2, 3]).statistic)
    assert found.kendall_p == pytest.approx(4 / 6)


def test_spearmans_p_value_goes_over_into_the_usual_one() -> None:
    ppl, free = [1, 2, 3, 4, 5, 6, 7], [2, 1, 4, 3, 7, 5, 6]
    pairs = enumerate(zip(ppl, free, strict=True))
    found = agreement("x", [subject(str(i), a, b) for i, (a, b) in pairs])
    assert found.spearman == pytest.approx(stats.spearmanr(ppl, free).statistic)
    assert found.spearman_p == pytest.approx(stats.spearmanr(ppl, free).pvalue, abs=0.015)


def test_arms_that_are_alike_seldom_reverse() -> None:
    rng = np.random.default_rng(0)
    count = 0
    for _ in range(300):
        draws = rng.normal(0.5, 0.02, (4, 2))
        arms = [subject(str(i), ppl, free, 0.02) for i, (ppl, free) in enumerate(draws)]
        count += agreement("x", arms).count("reversal") > 0
    assert count <= 3
