"""What answers cost, and when to stop paying."""

import os
import time
from dataclasses import dataclass

from davinci.data_levels.settings import TeacherSettings
from davinci.data_levels.teacher.cache import Paid
from davinci.data_levels.teacher.faults import BudgetExhausted

CHARS_PER_TOKEN = 4
"""To estimate where the endpoint does not count. Source: a usual rule of thumb for English."""

THIS_PROCESS = f"process {os.getpid()} at {time.time_ns()}"
"""The task of all endpoints that are opened without one: a budget counts what its task has paid."""


def new_task(name: str) -> str:
    """Return a task of its own: endpoints that share it, in any process, share one budget."""
    return f"{name} {os.getpid()} at {time.time_ns()}"


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text has, rounded up."""
    return -(-len(text) // CHARS_PER_TOKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The limits and prices of the settings."""

    settings: TeacherSettings
    label: str

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit."""
        return self.settings.max_total_tokens > 0 or self.settings.max_usd > 0

    def usd(self, prompt_tokens: float, answer_tokens: float) -> float:
        """Return the price of so many tokens, in dollars."""
        prompt_usd = prompt_tokens * self.settings.usd_per_million_prompt_tokens
        answer_usd = answer_tokens * self.settings.usd_per_million_answer_tokens
        return (prompt_usd + answer_usd) / 1e6

    def check(self, paid: Paid) -> None:
        """Raise if nothing more may be paid.

        Calls that are on their way are not counted before they are paid, so that the limit may be
        passed by as many answers as there are calls at once.

        Raises:
            BudgetExhausted: With what was spent, and the limit.
        """
        tokens, max_tokens = sum(paid), self.settings.max_total_tokens
        if 0 < max_tokens <= tokens:
            self._stop("max_total_tokens", f"{tokens:,} tokens", tokens, max_tokens)
        usd, max_usd = self.usd(*paid), self.settings.max_usd
        if 0 < max_usd <= usd:
            self._stop("max_usd", f"${usd:.2f}", usd, max_usd)

    def _stop(self, field: str, spent: str, amount: float, limit: float) -> None:
        raise BudgetExhausted(
            f"The teacher {self.label} has cost {spent} in this task, and "
            f"`data.teacher.{field}`={limit:,} allows no more. Everything that was answered is "
            "kept: the same command goes on from there, with a new budget.",
            amount,
            limit,
        )
