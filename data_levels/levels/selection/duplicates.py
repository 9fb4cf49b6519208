"""Decides, for a whole corpus, which documents go: by rules, as exact or as near-duplicates.

    judge       groups of parts: rules are asked, and survivors signed, in one pass
    compare     buckets of hashes: datatrove finds the pairs with equal signatures
    cluster     pairs become clusters; of each the first document stays, in the corpus's order

What every stage writes is under the level's work folder:

    judged/<part>.json        what the rules drop, and id and text digest of every survivor
    signatures/, pairs/       datatrove's
    decisions/<part>.json     by step and id: reason and detail

Memory holds one part, and a few numbers for every document that has a duplicate. An exact
duplicate's signature is that of the original, so that clusters hold both kinds; within them,
128-bit digests of the texts tell them apart.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from datatrove.data import Document as TroveDocument
from datatrove.pipeline.dedup.minhash import MinhashDedupBuckets
from datatrove.utils.binaryio import read_tuples_from_file

from davinci.data_levels.corpus import part_names, read_part, utf8, write_aside
from davinci.data_levels.document import Document
from davinci.data_levels.engine import Engine
from davinci.data_levels.levels.selection.near_duplicates import (
    Clusters,
    Signatures,
    minhash_config,
    text_digest,
)
from davinci.data_levels.levels.selection.rules import Broken
from davinci.data_levels.settings import RuleSettings

STEPS = ("rules", "exact_duplicates", "near_duplicates")
MAX_GROUPS = 256
"""Groups of parts, hence files of signatures that are open at once when they are compared."""

_PAIRS_AT_ONCE = 65_536
_DOCUMENT_BITS = 32

Judge = Callable[[Document], Broken | None]
Decisions = dict[str, dict[str, Broken]]
"""By step, then by id of the document that goes."""


def decide(parent: Path, work: Path, judge: Judge, rules: RuleSettings, engine: Engine) -> None:
    """Write what happens to every document of a corpus; stages that have ended are skipped.

    Args:
        parent: The corpus.
        work: Where to write.
        judge: Tells which rule a document breaks; it must be picklable.
        rules: The shape of the signatures.
        engine: Runs the stages.
    """
    num_groups = len(groups_of(parent))
    if not num_groups:
        return
    signatures, pairs = work / "signatures", work / "pairs"
    judged = partial(judge_group, parent=parent, work=work, judge=judge)
    compare = MinhashDedupBuckets(
        str(signatures), str(pairs), config=minhash_config(rules), lines_to_buffer=64
    )
    cluster = partial(cluster_corpus, parent=parent, work=work)
    engine.run("judge", [judged, Signatures(signatures, rules)], num_groups, "rules, signatures")
    engine.run("compare", [compare], rules.minhash_buckets, "near-duplicates")
    engine.run("cluster", [cluster], 1, "clusters of duplicates")


def read_decisions(work: Path, part: str) -> Decisions:
    """Return what was decided about the documents of one part."""
    rows: dict[str, dict[str, list[str]]] = _read(work / "decisions" / f"{part}.json")
    return {step: {name: Broken(*drop) for name, drop in rows[step].items()} for step in STEPS}


def groups_of(corpus: Path) -> list[list[str]]:
    """Return the names of the parts, in order, in at most `MAX_GROUPS` groups."""
    parts = part_names(corpus)
    size = max(1, -(-len(parts) // MAX_GROUPS))
    return [parts[start : start + size] for start in range(0, len(parts), size)]


def judge_group(
    data: object, rank: int, world_size: int, *, parent: Path, work: Path, judge: Judge
) -> Iterator[TroveDocument]:
    """Yield what survives the rules in one group of parts; write down who, and what falls."""
    for part in groups_of(parent)[rank]:
        broken: dict[str, Broken] = {}
        survivors: list[tuple[str, str]] = []
        for document in read_part(parent, part):
            drop = judge(document)
            if drop is not None:
                broken[document.id] = drop
                continue
            survivors.append((document.id, text_digest(document.text).hex()))
            yield TroveDocument(text=document.text, id=document.id)
        _write(work / "judged" / f"{part}.json", {"rules": broken, "survivors": survivors})


def cluster_corpus(data: object, rank: int, world_size: int, *, parent: Path, work: Path) -> None:
    """Join the pairs into clusters, and write what happens to the documents of every part."""
    clusters = Clusters()
    for path in sorted((work / "pairs").glob("*.dups")):
        with path.open("rb") as file:
            for group, one, other_group, other in read_tuples_from_file(
                file, "4I", lines_to_buffer=_PAIRS_AT_ONCE
            ):
                clusters.join(_number(group, one), _number(other_group, other))
    firsts = _Firsts(clusters)
    for group, parts in enumerate(groups_of(parent)):
        number = _number(group, 0)
        for part in parts:
            judged = _read(work / "judged" / f"{part}.json")
            decisions: Decisions = {step: {} for step in STEPS}
            decisions["rules"] = judged["rules"]
            for name, digest in judged["survivors"]:
                if number in clusters and (found := firsts.meet(number, name, digest)):
                    step, drop = found
                    decisions[step][name] = drop
                number += 1
            _write(work / "decisions" / f"{part}.json", decisions)


class _Firsts:
    """Meets the members of all clusters in order, and remembers the first of each and its texts."""

    def __init__(self, clusters: Clusters) -> None:
        self._clusters = clusters
        self._names: dict[int, str] = {}
        self._texts: dict[tuple[int, str], str] = {}

    def meet(self, number: int, name: str, digest: str) -> tuple[str, Broken] | None:
        """Return the step that drops a document, and of what it is a duplicate; None: it stays.

        Every copy of a text that was met before is an exact duplicate of the first that had it.
        Other texts are near-duplicates of the document that stays.
        """
        first = self._clusters.first(number)
        twin = self._texts.setdefault((first, digest), name)
        if twin != name:
            return "exact_duplicates", Broken("exact_duplicate", twin)
        kept = self._names.setdefault(first, name)
        return None if kept == name else ("near_duplicates", Broken("near_duplicate", kept))


def _number(group: int, document: int) -> int:
    return group << _DOCUMENT_BITS | document


def _read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _write(path: Path, rows: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_aside(path, utf8(json.dumps(rows)))
