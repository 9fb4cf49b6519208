"""Planning benchmarks of the harness: their data once, and every checkpoint's answers."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from davinci.platform.config.recipe import EvaluationSettings, Protocol
from davinci.platform.plan.graph import Plan


def plan_benchmarks(plan: Plan, evaluation: EvaluationSettings) -> dict[str, str]:
    """Plan the snapshot of every benchmark's data; return roles and digests."""
    tasks = {}
    for benchmark in evaluation.benchmarks:
        name = benchmark.name
        settings = {"name": name, "data": benchmark.data, "harness": benchmark.harness}
        carried = {"name": benchmark.path or name, "mirror": benchmark.mirror}
        tasks[f"benchmark.{name}"] = plan.add("benchmark", settings, {}, f"{name} data", carried)
    return tasks


def plan_asking(
    plan: Plan,
    evaluation: EvaluationSettings,
    protocols: Collection[Protocol],
    checkpoint: str,
    data: Mapping[str, str],
    label: str,
) -> dict[str, str]:
    """Plan the asking of one checkpoint; return `<protocol>.<benchmark>` and digests."""
    tasks = {}
    for benchmark in evaluation.benchmarks:
        name = benchmark.name
        inputs = {
            "segment": checkpoint,
            "tokenizer": data["tokenizer"],
            "benchmark": data[f"benchmark.{name}"],
        }
        for protocol in benchmark.protocols:
            if protocol not in protocols:
                continue
            settings = EvaluationSettings(
                protocols=(protocol,),
                max_items=evaluation.max_items,
                benchmarks=(replace(benchmark, protocols=(protocol,)),),
                server=evaluation.server,
            )
            if protocol == "generative":
                settings = replace(
                    settings,
                    num_samples=evaluation.num_samples,
                    temperature=evaluation.temperature,
                )
            tasks[f"{protocol}.{name}"] = plan.add(
                "evaluation", {"evaluation": settings}, inputs, f"{protocol} {name} {label}"
            )
    return tasks
