"""One kind of error for whatever a user typed: field, value, rule, and the nearest valid choice."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with a configuration.

    `rule` completes the sentence "`field` = value: ..."; `allowed` are the valid choices, if few.
    """

    field: str
    value: str
    rule: str
    allowed: tuple[str, ...] = ()

    def __str__(self) -> str:
        value = redact(self.value)
        text = f"{self.field}={value}: {self.rule}" if value else f"{self.field}: {self.rule}"
        if self.allowed:
            text += f" Valid: {', '.join(self.allowed)}."
            near = nearest(self.value or self.field, self.allowed)
            if near:
                text += f" Did you mean {near}?"
        return text


class ConfigError(ValueError):
    """What a user asked for cannot be run; nothing has been started."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest(value: str, choices: Iterable[str]) -> str:
    """Return the choice most like `value`, or "" when none is near."""
    folded = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(value.lower(), folded, n=1, cutoff=0.5)
    return folded[near[0]] if near else ""


def redact(text: str) -> str:
    """Return text in which whatever an address says about its user is `***`."""
    text = re.sub(r"(://)[^@\s]*@", r"\1***@", text)
    return re.sub(r"((?:password|passwd|token|secret|key)=)[^&\s]+", r"\1***", text, flags=re.I)
