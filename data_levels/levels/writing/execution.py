"""What executes is kept: tasks run in the sandbox, and programs that do nothing run beside them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from davinci.data_levels.document import Document, Dropped, Outcome
from davinci.data_levels.levels import LEVEL_VERSIONS
from davinci.data_levels.levels.writing import environments
from davinci.data_levels.levels.writing.environments import Environment
from davinci.data_levels.sandbox.run import SandboxLimits, run_tests
from davinci.data_levels.teacher.concurrency import in_order

LIMITS = SandboxLimits(piece_s=2.0, cpu_s=10, wall_s=20.0)
HASH_SEEDS = (0, 1, 2)
"""Of the first run and of those that must repeat it: each orders sets of strings in its own way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execute:
    """Runs every task in the sandbox and keeps those that hold, with the tests that test it.

    Attributes:
        workers: Sandboxes at a time.
    """

    min_tests: int
    workers: int = 1
    limits: SandboxLimits = LIMITS
    name: str = "execute"
    version: int = LEVEL_VERSIONS["L7"]

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The limits of the sandbox, and the orders of sets."""
        return {"min_tests": self.min_tests, "hash_seeds": list(HASH_SEEDS), **asdict(self.limits)}

    def run(self, documents: Iterable[Document], counts: dict[str, float]) -> Iterator[Outcome]:
        """Yield the tasks that hold, and why the others do not."""
        for document, verdict in in_order(self._judged, documents, self.workers):
            if verdict.reason:
                yield Dropped(document, verdict.reason, verdict.detail)
                continue
            environment = environments.read(document)
            assert environment is not None
            idle = len(environment.tests) - len(verdict.tests)
            counts["tests_taken_out"] = counts.get("tests_taken_out", 0) + idle
            counts["tests_kept"] = counts.get("tests_kept", 0) + len(verdict.tests)
            yield environments.written(document, environment._replace(tests=verdict.tests))

    def _judged(self, document: Document) -> tuple[Document, "Verdict"]:
        environment = environments.read(document)
        if environment is None:
            return document, Verdict("malformed_answer", "its parts cannot be told apart")
        return document, judge(environment, min_tests=self.min_tests, limits=self.limits)


class Verdict(NamedTuple):
    """Why a task goes, or the tests that stay with it."""

    reason: str = ""
    detail: str = ""
    tests: tuple[str, ...] = ()


def judge(environment: Environment, *, min_tests: int, limits: SandboxLimits) -> Verdict:
    """Return whether a task holds, by running it and programs that do nothing.

    A test that passes without any solution tests nothing, and is taken out. Of the others, at least
    `min_tests` must fail for a stub of the solution too, whose functions return None.
    """
    _, solution, tests = environment
    if len(tests) < min_tests:
        return Verdict("too_few_tests", f"{len(tests)}, at least {min_tests} are needed")
    for seed in HASH_SEEDS:
        passed = run_tests(solution, tests, limits=limits, hash_seed=seed)
        if not all(passed):
            reason = "solution_fails_tests" if seed == HASH_SEEDS[0] else "not_reproducible"
            return Verdict(reason, f"{passed.count(False)} of {len(tests)} tests fail")
    alone = run_tests("", tests, limits=limits)
    stubbed = run_tests(environments.stub_of(solution), tests, limits=limits)
    telling = [not (one or other) for one, other in zip(alone, stubbed, strict=True)]
    if sum(telling) < min_tests:
        detail = f"{sum(telling)} of {len(tests)} tests fail for a program that does nothing"
        return Verdict("vacuous_tests", detail)
    kept = tuple(test for test, passes in zip(tests, alone, strict=True) if not passes)
    return Verdict(tests=kept)


def failing_tests(limits: SandboxLimits, before: Document, after: Document) -> str:
    """Return evidence that a task does not execute, from one more run of it, or ""."""
    environment = environments.read(after)
    if environment is None:
        return "its parts cannot be told apart"
    if not environment.tests:
        return "it has no tests"
    passed = run_tests(
        environment.solution, environment.tests, limits=limits, hash_seed=len(HASH_SEEDS)
    )
    return "" if all(passed) else f"{passed.count(False)} of {len(passed)} tests fail"
