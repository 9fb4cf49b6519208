"""L2, rules: deterministic selection. What survives is unchanged, what falls has a named reason.

Documents are judged one by one (`rules`, `published_rules`); of those that are fit, exact
duplicates go, then near-duplicates; of each group the first stays (`duplicates`). All of it is
decided in passes over the whole corpus before any part is written, so that the rules are asked
once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from davinci.data_levels.document import Document, Dropped, Outcome
from davinci.data_levels.levels import LEVEL_VERSIONS
from davinci.data_levels.levels.operator import LevelContext, Prepared, part_of
from davinci.data_levels.levels.selection.duplicates import decide, read_decisions
from davinci.data_levels.levels.selection.near_duplicates import TEXT_DIGEST_BYTES, first_of_each
from davinci.data_levels.levels.selection.rules import check_rules, rule_broken
from davinci.data_levels.settings import RuleSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """An operator that drops what was decided about a part before.

    `work` is the folder that holds the decisions.
    """

    name: str
    version: int
    work: Path
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def run(self, documents: Iterable[Document], counts: dict[str, float]) -> Iterator[Outcome]:
        """Yield every document of a part, or why it goes."""
        drops = read_decisions(self.work, part_of(documents))[self.name]
        for document in documents:
            drop = drops.get(document.id)
            yield document if drop is None else Dropped(document, *drop)


def prepare(context: LevelContext) -> Prepared:
    """Decide about every document of the corpus.

    Raises:
        ValueError: If a setting names an unknown language or set of rules.
    """
    rules = context.settings.rules
    check_rules(rules)
    judge = partial(rule_broken, rules=rules)
    decide(context.parent, context.work, judge, rules, context.engine)
    operators = tuple(
        Decided(name=name, version=LEVEL_VERSIONS["L2"], work=context.work, parameters=parameters)
        for name, parameters in _parameters(rules).items()
    )
    return Prepared(operators=operators, strict=True)


def _parameters(rules: RuleSettings) -> dict[str, dict[str, Any]]:
    """Return the parameters of every step, as plain data."""
    values = asdict(rules)
    minhash = {name: value for name, value in values.items() if name.startswith("minhash_")}
    return {
        "rules": {name: value for name, value in values.items() if name not in minhash},
        "exact_duplicates": {"digest": "blake2b", "digest_bits": 8 * TEXT_DIGEST_BYTES},
        "near_duplicates": minhash,
    }


def survivors(documents: Sequence[Document], rules: RuleSettings) -> list[Document]:
    """Return the documents that L2 keeps of a list, in order; for lists that fit into memory."""
    fit = [document for document in documents if rule_broken(document, rules=rules) is None]
    return [fit[place] for place in first_of_each([document.text for document in fit], rules)]
