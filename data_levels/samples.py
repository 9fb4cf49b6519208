"""Which documents a manifest shows before and after: a pseudo-random handful, every reason seen.

Samples are kept while documents go by, a few of each kind by the hash of their ids, so that they
are the same however a corpus is split into parts.
"""

import heapq
import os
from collections import defaultdict
from collections.abc import Iterable
from itertools import zip_longest
from typing import NamedTuple

from davinci.data_levels.corpus import hash_order
from davinci.data_levels.document import Document
from davinci.data_levels.manifest import MAX_SAMPLES, Sample

MAX_DROPPED = 10
MAX_EDITED = 10
MAX_UNCHANGED = 4
MAX_SAMPLE_CHARS = 1500
MAX_LEAD_CHARS = 200
"""What is shown before the first change of a text that is changed far from its beginning."""

EDITED, UNCHANGED = "edited", "unchanged"


class _Kept(NamedTuple):
    """A sample with its place; the largest hash is at the top of a heap, to be let go first.

    `texts` tells apart what shares an id: samples themselves have no order.
    """

    rank: int
    texts: tuple[str, str, str]
    sample: Sample


class Samples:
    """A bounded choice among all documents that were shown to it."""

    def __init__(self) -> None:
        self._kinds: dict[str, list[_Kept]] = defaultdict(list)

    def add(
        self, before: Document | None, after: Document | None, reason: str = "", detail: str = ""
    ) -> None:
        """Consider a document: `after` is None where it was dropped, `before` where it is new."""
        one = before or after
        assert one is not None, "a sample needs a document"
        changed = before is None or (after is not None and before.text != after.text)
        kind = reason or (EDITED if changed else UNCHANGED)
        rank = -int.from_bytes(hash_order("samples", one.id)[:8], "big")
        heap = self._kinds[kind]
        if len(heap) >= _limit(kind) and rank <= heap[0].rank:
            return
        self._keep(kind, rank, _sample(one.id, before, after, reason, detail))

    def merge(self, samples: Iterable[Sample]) -> None:
        """Consider what was chosen from another part."""
        for sample in samples:
            edited = sample.before != sample.after
            kind = sample.reason or (EDITED if edited else UNCHANGED)
            rank = -int.from_bytes(hash_order("samples", sample.id)[:8], "big")
            self._keep(kind, rank, sample)

    def all(self) -> list[Sample]:
        """Return everything kept, to be merged with that of other parts."""
        return [kept.sample for kind in sorted(self._kinds) for kept in self._sorted(kind)]

    def chosen(self) -> tuple[Sample, ...]:
        """Return dropped documents of every reason in turn, then edited ones, then unchanged."""
        reasons = [kind for kind in sorted(self._kinds) if kind not in (EDITED, UNCHANGED)]
        rounds = zip_longest(*(self._sorted(reason) for reason in reasons))
        dropped = [kept.sample for one in rounds for kept in one if kept is not None]
        kept = [k.sample for kind in (EDITED, UNCHANGED) for k in self._sorted(kind)]
        return tuple((dropped[:MAX_DROPPED] + kept)[:MAX_SAMPLES])

    def _keep(self, kind: str, rank: int, sample: Sample) -> None:
        heap = self._kinds[kind]
        texts = (sample.before, sample.after, sample.detail)
        heapq.heappush(heap, _Kept(rank, texts, sample))
        if len(heap) > _limit(kind):
            heapq.heappop(heap)

    def _sorted(self, kind: str) -> list[_Kept]:
        return sorted(self._kinds.get(kind, ()), key=lambda kept: (-kept.rank, kept.sample.id))


def _limit(kind: str) -> int:
    return {EDITED: MAX_EDITED, UNCHANGED: MAX_UNCHANGED}.get(kind, MAX_DROPPED)


def _sample(
    name: str, before: Document | None, after: Document | None, reason: str, detail: str
) -> Sample:
    old, new = before.text if before else "", after.text if after else ""
    start = _start(old, new) if before and after and old != new else 0
    return Sample(
        id=name,
        before=_shorten(old, start),
        after=_shorten(new, start),
        reason=reason,
        detail=detail,
    )


def _start(old: str, new: str) -> int:
    """Return where to begin so that the first change is seen."""
    changed = len(os.path.commonprefix((old, new)))
    return 0 if changed < MAX_SAMPLE_CHARS - MAX_LEAD_CHARS else changed - MAX_LEAD_CHARS


def _shorten(text: str, start: int) -> str:
    shown = text[start : start + MAX_SAMPLE_CHARS]
    end = " [...]" if start + MAX_SAMPLE_CHARS < len(text) else ""
    return f"{'[...] ' if start else ''}{shown}{end}"
