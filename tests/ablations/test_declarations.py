"""Declarations that cannot be judged are refused, each with one clear error."""

from typing import Any

import pytest

from davinci.ablations.declaration import check, declare, registered, restore
from davinci.platform.config.errors import ConfigError

CLAIM: dict[str, Any] = {
    "metric": "bpb/math",
    "expect": "better",
    "arm": "new",
    "against": "",
    "trend": [],
    "contrast": {},
    "min_effect": 0.01,
    "paper": "",
}
GOOD: dict[str, Any] = {
    "name": "made_up",
    "theme": "mixture_design",
    "question": "Is new better?",
    "informs": "Nothing.",
    "source": "made up",
    "factor": ["data.level"],
    "setting": [],
    "arms": {"old": ["data.level=L2"], "new": ["data.level=L3"], "third": ["data.level=L4"]},
    "baseline": "old",
    "accepted": {},
    "claims": [CLAIM],
    "sources": ["microworld"],
}


def claims(**changes: Any) -> dict[str, Any]:
    return {**GOOD, "claims": [{**CLAIM, **changes}]}


def test_a_good_one_passes_and_comes_back_from_what_was_registered() -> None:
    assert check(GOOD) == []
    ablation = declare(GOOD)
    assert restore(registered(ablation, seeds=3, worlds=1)) == ablation


@pytest.mark.parametrize(
    ("bad", "field", "says"),
    [
        ({**GOOD, "baseline": ""}, "baseline", "must name the arm"),
        ({**GOOD, "baseline": "odl"}, "baseline", "no such arm"),
        ({**GOOD, "arms": {"old": []}, "claims": [{**CLAIM, "arm": "old", "against": "old",
          "expect": "best"}]}, "arms", "compares two or more"),
        ({**GOOD, "theme": "mixtures"}, "theme", "no such theme"),
        ({**GOOD, "question": " "}, "question", "must be said"),
        ({**GOOD, "factor": []}, "factor", "must name the fields"),
        ({**GOOD, "claims": []}, "claims", "must say what is expected"),
        ({**GOOD, "arms": {**GOOD["arms"], "new": ["data.level"]}}, "arms.new", "field=value"),
        (claims(metric="bpb"), "claims.0.metric", "bpb is scored per domain"),
        (claims(metric="accuracy/math"), "claims.0.metric", "begins with a protocol"),
        (claims(metric="ppl/maths"), "claims.0.metric", "ppl is scored per domain"),
        (claims(expect=""), "claims.0.expect", "a claim has a direction"),
        (claims(expect="bigger"), "claims.0.expect", "no such direction"),
        (claims(arm="nwe"), "claims.0.arm", "no such arm"),
        (claims(arm="old"), "claims.0.arm", "compared with itself"),
        (claims(arm=""), "claims.0", "one of arm, trend and contrast"),
        (claims(trend=["old", "new", "third"]), "claims.0", "one of arm, trend and contrast"),
        (claims(arm="", trend=["old", "new"]), "claims.0.trend", "three arms or more"),
        (claims(arm="", contrast={"old": 1.0, "new": 1.0}), "claims.0.contrast", "sum to 0"),
        (claims(min_effect=0.0), "claims.0.min_effect", "above 0"),
    ],
)  # fmt: skip
def test_each_fault_is_one_error(bad: dict[str, Any], field: str, says: str) -> None:
    [problem] = check(bad)
    assert problem.field == f"ablation.{field}"
    assert says in problem.rule
    with pytest.raises(ConfigError):
        declare(bad)
