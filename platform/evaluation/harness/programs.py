"""Benchmarks whose answers are programs: each is run in the sandbox, several times if sampled."""

import ast
from collections.abc import Mapping, Sequence
from math import comb
from typing import Any

from davinci.data_levels.sandbox.run import Job, SandboxLimits, run_many
from davinci.platform.evaluation.harness.forms import UndefinedField, filled
from davinci.platform.evaluation.harness.suite import Known

LIMITS = SandboxLimits(piece_s=5.0, cpu_s=10, wall_s=20.0, memory_bytes=2**30)
"""Longer than for our own items: HumanEval+ has thousands of inputs per problem."""


def score_programs(
    benchmark: Known, samples: Sequence[Mapping[str, Any]], num_workers: int
) -> list[dict[str, float]]:
    """Return pass@1, and pass@k where there are k > 1 answers, of every item.

    `pass_at_k` is the unbiased estimate of Chen et al. 2021 out of n answers, here for k = n.

    Raises:
        RuntimeError: If this machine cannot isolate programs.
        ValueError: If an item lacks a field.
    """
    jobs, owners = [], []
    for owner, sample in enumerate(samples):
        for got in sample["resps"][0]:
            jobs.append(_job(benchmark, sample["doc"], str(got)))
            owners.append(owner)
    verdicts = run_many(jobs, num_workers=num_workers, limits=LIMITS)
    passed: list[list[bool]] = [[] for _ in samples]
    for owner, verdict in zip(owners, verdicts, strict=True):
        passed[owner].append(bool(verdict) and all(verdict))
    return [_scores(one) for one in passed]


def pass_at_k(num: int, num_passed: int, k: int) -> float:
    """Return the chance that one of k answers drawn from `num` passes, `num_passed` of which do."""
    if num - num_passed < k:
        return 1.0
    return 1.0 - comb(num - num_passed, k) / comb(num, k)


def _scores(passed: Sequence[bool]) -> dict[str, float]:
    num, good = len(passed), sum(passed)
    values = {"pass_at_1": pass_at_k(num, good, 1)}
    return values if num == 1 else values | {f"pass_at_{num}": pass_at_k(num, good, num)}


def _job(benchmark: Known, doc: Mapping[str, Any], got: str) -> Job:
    fields = {"test_setup_code": "", **doc, "got": got}
    try:
        program = filled(benchmark.code["program"], fields)
        # A list as text, by the task's template; nothing but literals is read.
        tests = ast.literal_eval(filled(benchmark.code["tests"], fields))
    except UndefinedField as error:
        raise ValueError(f"{benchmark.name}: an item lacks a field: {error}") from error
    return Job(program, tuple(str(test) for test in tests))
