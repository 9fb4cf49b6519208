"""The part of the schema that declares ablations: nothing of it changes a result by itself."""

from dataclasses import dataclass

from omegaconf import MISSING

from davinci.platform.config.roles import cosmetic


@dataclass
class ClaimConfig:
    """One claim of an ablation, and the rule that decides it; see `davinci.ablations.claims`.

    `metric` is `protocol/domain`, or `protocol/mean` over all domains. The difference is that of
    `arm` to `against` (the baseline if empty), of the two ends of the `trend` through arms in
    order, or of any `contrast` (arm -> weight, 0 in all). `expect` is `better`, `worse`, `equal`
    or `best` (better than every other arm); less than `min_effect`, in units of the score, is none.
    """

    metric: str = cosmetic(MISSING)
    expect: str = cosmetic(MISSING)
    arm: str = cosmetic()
    against: str = cosmetic()
    trend: list[str] = cosmetic([])
    contrast: dict[str, float] = cosmetic({})
    min_effect: float = cosmetic(0.01)
    paper: str = cosmetic()


@dataclass
class AblationConfig:
    """A declared ablation: what is asked, which arms answer it, what is claimed beforehand.

    `factor` are the fields that its arms may differ in; what else differs confounds them, unless
    `accepted` has the field with a reason. `setting` are overrides of all arms, `arms` those of
    each; the words of the command line come behind `setting`. `sources` are the data on which it
    makes sense.
    """

    name: str = cosmetic()
    theme: str = cosmetic()
    question: str = cosmetic()
    informs: str = cosmetic()
    source: str = cosmetic()
    factor: list[str] = cosmetic([])
    setting: list[str] = cosmetic([])
    arms: dict[str, list[str]] = cosmetic({})
    baseline: str = cosmetic()
    accepted: dict[str, str] = cosmetic({})
    claims: list[ClaimConfig] = cosmetic([])
    sources: list[str] = cosmetic(["microworld"])
