"""What the catalogue has, read without Hydra, and what the store knows of each: quick to list."""

import dataclasses
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from sqlalchemy import Engine, select

from davinci.ablations.declaration import Ablation, Claim, declare
from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.store import tables
from davinci.platform.store.records import Sweep
from davinci.platform.store.write import replace

if TYPE_CHECKING:  # statistics take half a second to import, and a listing needs none
    from davinci.ablations.verdicts import Verdict

CATALOGUE = Path(__file__).parent / "catalogue" / "ablation"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One claim's verdict in one sweep, as it was recorded.

    `content` has `metric`, `words`, `effect`, `low`, `high`, `p`, `se`, `num_replicates`, `scale`
    and `reason`.
    """

    ablation: str
    registration: str
    sweep: str
    number: int
    state: str
    created: str
    content: Mapping[str, Any]


def names() -> tuple[str, ...]:
    """Return the names of all ablations of the catalogue."""
    return tuple(sorted(path.stem for path in CATALOGUE.glob("*.yaml") if path.stem != "none"))


def read(name: str) -> Ablation:
    """Return one ablation of the catalogue.

    Raises:
        ConfigError: If there is none of that name, or it is wrong.
    """
    path = CATALOGUE / f"{name}.yaml"
    if name not in names():
        rule = "there is no such ablation in the catalogue."
        raise ConfigError([Problem(field="ablation", value=name, rule=rule, allowed=names())])
    return declare(_with_defaults(yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)))


def _with_defaults(plain: dict[str, Any]) -> dict[str, Any]:
    """Return a declaration with all fields, as Hydra's composition would give it."""
    usual: dict[str, Any] = {"setting": [], "accepted": {}, "sources": ["microworld"]}
    claims = [{**_claim_defaults(), **claim} for claim in plain["claims"]]
    return {**usual, **plain, "claims": claims}


def _claim_defaults() -> dict[str, Any]:
    return {
        field.name: field.default if field.default is not None else {}
        for field in dataclasses.fields(Claim)
        if field.default is not dataclasses.MISSING
    }


def record_verdicts(
    engine: Engine,
    sweep: str,
    registration: str,
    verdicts: "tuple[Verdict, ...]",
    *,
    baseline: str,
    scale: str,
) -> None:
    """Write down what a sweep says of every claim; what stood there of this sweep is replaced."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with engine.begin() as connection:
        for number, verdict in enumerate(verdicts):
            row = {
                "sweep": sweep,
                "ablation": registration,
                "number": number,
                "state": verdict.state,
                "content": json.loads(json.dumps(_content(verdict, baseline, scale))),
                "created": now,
            }
            replace(connection, tables.verdict, row)


def findings(engine: Engine, name: str = "") -> list[Finding]:
    """Return everything that the store knows of one ablation or of all, newest first."""
    verdict, ablation = tables.verdict, tables.ablation
    query = select(verdict, ablation.c.name).join(ablation, verdict.c.ablation == ablation.c.digest)
    if name:
        query = query.where(ablation.c.name == name)
    query = query.order_by(verdict.c.created.desc(), verdict.c.sweep, verdict.c.number)
    with engine.connect() as connection:
        return [
            Finding(
                ablation=row["name"],
                registration=row["ablation"],
                sweep=row["sweep"],
                number=row["number"],
                state=row["state"],
                created=row["created"],
                content=row["content"],
            )
            for row in connection.execute(query).mappings()
        ]


def answered(engine: Engine, name: str) -> list[Finding]:
    """Return the verdicts of earlier sweeps that settled the first claim of an ablation."""
    settled = ("supported", "contradicted")
    return [f for f in findings(engine, name) if f.number == 0 and f.state in settled]


def expected_power(
    engine: Engine, ablation: Ablation, num_replicates: int, num_parameters: int
) -> list[str]:
    """Return what a design can find, claim by claim, from the noise of earlier sweeps like it.

    Like it are those of models of the same size, in the same metric: their standard errors, as if
    of one replicate, and their mean square. Nothing is said of metrics without.
    """
    from davinci.ablations.statistics.effects import detectable

    size, known = _short(num_parameters), findings(engine)
    found = []
    for number, claim in enumerate(ablation.claims, start=1):
        noise = [
            f.content["se"] ** 2 * f.content["num_replicates"]
            for f in known
            if f.content["metric"] == claim.metric
            and f.content.get("se")
            and f.content["scale"].startswith(f"{size} ")
        ]
        if not noise or num_replicates < 2:
            continue
        se = math.sqrt(sum(noise) / len(noise) / num_replicates)
        least = detectable(se, num_replicates - 1)
        short = f", where {claim.min_effect:g} is claimed" if least > claim.min_effect else ""
        found.append(
            f"Claim {number}: {num_replicates} replicates find a difference of {least:.3g} with "
            f"80 % power{short} (noise of {len(noise)} earlier effects)."
        )
    return found


def _content(verdict: "Verdict", baseline: str, scale: str) -> dict[str, Any]:
    effect = verdict.effect
    known = effect is not None and effect.low == effect.low
    return {
        "metric": verdict.claim.metric,
        "words": verdict.claim.words(baseline),
        "effect": effect.mean if effect else None,
        "low": effect.low if effect and known else None,
        "high": effect.high if effect and known else None,
        "p": verdict.support if verdict.support == verdict.support else None,
        "num_replicates": effect.num_replicates if effect else 0,
        "se": effect.se if effect and effect.se == effect.se else None,
        "scale": scale,
        "reason": verdict.reason,
    }


def scale_words(sweep: Sweep) -> str:
    """Return at which scale a sweep ran: parameters and trained tokens of its finished runs."""
    done = [run for arm in sweep.arms for run in arm.runs if run.state == "done" and run.cost]
    if not done:
        return "nothing finished"
    parameters = sorted({run.num_parameters for run in done})
    tokens = sorted({run.cost.tokens for run in done if run.cost})
    return f"{_span(parameters)} parameters, {_span(tokens)} tokens"


def _span(values: list[int]) -> str:
    ends = [_short(value) for value in (values[0], values[-1])]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def _short(value: int) -> str:
    for size, name in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            return f"{value / size:.3g}{name}"
    return str(value)
