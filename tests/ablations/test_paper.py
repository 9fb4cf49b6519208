"""The papers' claims, judged from what they printed."""

import pytest

from davinci.ablations.paper.rejudge import Rejudged, claims, rejudge


def one(study: str, metric: str, place: int = 0) -> Rejudged:
    found = [r for r in rejudge() if (r.claim.study, r.claim.metric) == (study, metric)]
    return found[place]


def test_every_claim_has_a_verdict() -> None:
    found = rejudge()
    assert len(found) == len(claims()) == 128
    assert len({r.claim.study for r in found}) == 24
    assert all(r.reason for r in found)
    assert {r.state for r in found} == {"inconclusive", "contradicted", "void"}
    assert all((r.effect is None) == (r.state == "void") for r in found)


def test_the_effects_are_those_that_the_papers_print() -> None:
    for found in rejudge():
        claimed = found.claim.claimed
        if claimed is not None and found.effect is not None:
            sign = -1 if found.claim.direction == "less" else 1
            assert found.effect == pytest.approx(sign * claimed, abs=0.025)


def test_mbpp_is_inconclusive_and_math_lies_near_its_bound() -> None:
    mbpp = one("code-filter-l2-vs-l3", "MBPP")
    assert mbpp.z == pytest.approx(1.1, abs=0.05)
    assert (mbpp.state, mbpp.on_items) == ("inconclusive", "within")
    assert mbpp.interval is not None
    assert mbpp.interval[0] < 0 < mbpp.interval[1]
    refined = one("math-refine-l4-vs-original", "MATH")
    assert refined.z == pytest.approx(2.3, abs=0.06)
    assert refined.state == "inconclusive"
    assert "beyond the noise of the items alone" in refined.reason


def test_what_the_numbers_refute_is_contradicted() -> None:
    transfer = one("l5-qa-source-cc-vs-code", "Avg-Science", 1)
    assert transfer.claim.direction == "approx_equal"
    assert transfer.effect == pytest.approx(3.93)
    assert transfer.state == "contradicted"
    assert transfer.holds is False
    masked = [r for r in rejudge() if r.claim.study == "qa-loss-masking" and r.holds is False]
    assert len(masked) == 5  # "consistent gains" that are losses, all within the noise
    assert {r.state for r in masked} == {"inconclusive"}


def test_ranks_read_off_a_radar_are_no_scores() -> None:
    radar = [r for r in rejudge() if r.claim.study == "code-science-balance"]
    assert {r.state for r in radar} == {"void"}


def test_the_noise_of_an_average_is_that_of_its_benchmarks() -> None:
    # two averages of 9, 3 and 7 benchmarks, of 19 in all, at the released model's scores
    spread = {
        metric: one("stage1-2-domain-shift", metric).se
        for metric in ("Avg-General", "Avg-Code", "Avg-Science")
    }
    assert spread["Avg-General"] == pytest.approx(2**0.5 * 0.47, abs=0.01)
    assert spread["Avg-Code"] == pytest.approx(2**0.5 * 1.95, abs=0.02)
    assert spread["Avg-Science"] == pytest.approx(2**0.5 * 0.53, abs=0.01)
