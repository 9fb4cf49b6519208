"""The scores as data: rows for `scores.csv`, and the JSON that a report carries inside."""

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from davinci.ablations.agreement import Agreement
from davinci.ablations.findings import Cell, MetricComparison, ProtocolPair, SweepComparison
from davinci.ablations.judgement import Judgement
from davinci.ablations.saturation import Saturation
from davinci.ablations.signal import BenchmarkSignal
from davinci.platform.store.records import Sweep

Row = dict[str, str | int | float | bool | None]


def score_rows(comparison: SweepComparison) -> Iterator[Row]:
    """Yield one row per arm and metric; None stands for what is not known."""
    for metric in comparison.metrics:
        for cell in metric.cells:
            yield _row(metric, cell, is_baseline=cell.arm == comparison.baseline)


def scores_csv(rows: Sequence[Row]) -> str:
    """Return rows of scores as CSV text; texts that a spreadsheet would run get a leading quote.

    Source: OWASP, CSV Injection.
    """
    stream = io.StringIO()
    names = list(rows[0]) if rows else ["arm"]
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_harmless(v) if isinstance(v, str) else v for v in row.values()])
    return stream.getvalue()


def report_json(
    sweep: Sweep,
    comparison: SweepComparison,
    rows: Sequence[Row],
    *,
    judgement: Judgement | None = None,
    signals: Sequence[BenchmarkSignal] = (),
    agreements: Sequence[Agreement] = (),
    saturations: Sequence[Saturation] = (),
) -> str:
    """Return what the report says as JSON that is safe inside a `<script>` element.

    `rows` are those of the scores.
    """
    content = {
        "sweep": sweep.digest,
        "baseline": comparison.baseline,
        "scores": list(rows),
        "protocols": [_protocol_row(pair) for pair in comparison.protocol_pairs],
        "findings": list(comparison.sentences),
        "verdicts": verdict_rows(judgement),
        "signals": [{**_plain(one), "decides": one.decides} for one in signals],
        "agreements": [_plain(one) for one in agreements],
        "saturations": [_plain(one) for one in saturations],
        "confounders": [found.field for found in comparison.confounders],
        "runs": [
            {
                "arm": arm.label,
                "seed": run.seed,
                "world_seed": run.world_seed,
                "state": run.state,
                "digest": run.digest,
                "mlflow_run_id": run.mlflow_run_id,
            }
            for arm in sweep.arms
            for run in arm.runs
        ],
    }
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, sort_keys=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _row(metric: MetricComparison, cell: Cell, *, is_baseline: bool) -> Row:
    score, effect, settling = cell.score, cell.effect, cell.settling
    return {
        "arm": cell.arm,
        "is_baseline": is_baseline,
        "protocol": metric.key.protocol,
        "domain": metric.key.domain,
        "benchmark": metric.key.benchmark,
        "metric": metric.key.metric,
        "headline": metric.headline,
        "higher_is_better": metric.higher_is_better,
        "chance": _known(metric.chance),
        "score": _known(score.mean) if score else None,
        "score_low": _known(score.low) if score else None,
        "score_high": _known(score.high) if score else None,
        "num_replicates": score.num_replicates if score else 0,
        "num_worlds": score.num_worlds if score else 0,
        "num_items": score.num_items if score else 0,
        "num_clusters": score.num_clusters if score else 0,
        "at_floor": cell.floor,
        "difference": _known(effect.mean) if effect else None,
        "difference_low": _known(effect.low) if effect else None,
        "difference_high": _known(effect.high) if effect else None,
        "df": _known(effect.df) if effect else None,
        "p_value": _known(effect.p_value) if effect else None,
        "p_corrected": _known(cell.p_corrected),
        "resolved": cell.resolved,
        "direction": cell.direction,
        "generalises_over": effect.scope if effect else None,
        "min_detectable": _known(effect.min_detectable) if effect else None,
        "replicates_to_settle": settling.num if settling else None,
        "notes": "; ".join(cell.notes),
    }


def _protocol_row(pair: ProtocolPair) -> Row:
    found = pair.interaction
    return {
        "arm": pair.arm,
        "domain": pair.domain,
        "benchmark": pair.benchmark,
        "interaction": _known(found.mean) if found else None,
        "interaction_low": _known(found.low) if found else None,
        "interaction_high": _known(found.high) if found else None,
        "num_replicates": found.num_replicates if found else 0,
        "num_items": found.num_items if found else 0,
        "num_clusters": found.num_clusters if found else 0,
        "p_value": _known(found.p_value) if found else None,
        "p_corrected": _known(pair.p_corrected),
        "resolved": pair.resolved,
        "kind": pair.kind,
    }


def verdict_rows(judgement: Judgement | None) -> list[Row]:
    """Return one row per claim, in the order in which they were declared."""
    if judgement is None:
        return []
    return [
        {
            "ablation": judgement.ablation.name,
            "registration": judgement.registration.digest,
            "claim": verdict.claim.words(judgement.ablation.baseline),
            "metric": verdict.claim.metric,
            "state": verdict.state,
            "effect": _known(verdict.effect.mean) if verdict.effect else None,
            "effect_low": _known(verdict.effect.low) if verdict.effect else None,
            "effect_high": _known(verdict.effect.high) if verdict.effect else None,
            "p_corrected": _known(verdict.support),
            "num_replicates": verdict.effect.num_replicates if verdict.effect else 0,
            "reason": verdict.reason,
        }
        for verdict in judgement.verdicts
    ]


def _plain(record: Any) -> Any:
    """Return a record, and all in it, as plain data; None stands for what is not known."""
    if is_dataclass(record):
        return {field.name: _plain(getattr(record, field.name)) for field in fields(record)}
    if isinstance(record, tuple) and hasattr(record, "_asdict"):
        return {name: _plain(value) for name, value in record._asdict().items()}
    if isinstance(record, tuple | list):
        return [_plain(one) for one in record]
    return _known(record) if isinstance(record, float) else record


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    if text.lstrip().startswith(("=", "+", "-", "@", "|", "%")) or text[:1] in ("\t", "\r", "\n"):
        return "'" + text
    return text
