"""A task: one unit of work, named by what determines its result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from davinci.platform.config.identity import digest

Kind = Literal[
    "held_out",
    "benchmark",
    "corpus",
    "tokenizer",
    "shards",
    "checkpoint",
    "segment",
    "decision",
    "evaluation",
    "contamination",
]

KIND_VERSIONS: Mapping[Kind, int] = {
    "held_out": 2,
    "benchmark": 1,
    "corpus": 2,
    "tokenizer": 2,
    "shards": 2,
    "checkpoint": 1,
    "segment": 2,
    "decision": 1,
    "evaluation": 3,
    "contamination": 1,
}
"""The declared version of each kind's code; raise it when the same settings give other results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One unit of work.

    Attributes:
        settings: Canonical plain data; with the kind's version and the inputs, all of its identity.
        inputs: Name of each input -> digest of the task that makes it.
        label: A few words for people; not part of the identity.
        carried: What the work needs beside its identity, such as where documents are found now.
        digest: The sha256 that names this task and its artifact.
    """

    kind: Kind
    settings: Mapping[str, Any]
    inputs: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    carried: Mapping[str, Any] = field(default_factory=dict)

    digest: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Compute the digest, once."""
        parts = (self.kind, KIND_VERSIONS[self.kind], self.settings, self.inputs)
        named = dict(zip(("kind", "version", "settings", "inputs"), parts, strict=True))
        object.__setattr__(self, "digest", digest(named))
