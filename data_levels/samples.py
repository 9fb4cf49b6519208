"""Which documents a manifest shows before and after: a pseudo-random handful, every reason seen."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from davinci.data_levels.corpus import hash_order
from davinci.data_levels.document import Document, Dropped
from davinci.data_levels.manifest import MAX_SAMPLES, Sample

MAX_DROPPED = 10
MAX_EDITED = 10
MAX_UNCHANGED = 4
MAX_SAMPLE_CHARS = 1500


def choose_samples(
    before: Mapping[str, str], kept: Sequence[Document], dropped: Sequence[Dropped]
) -> tuple[Sample, ...]:
    """Return dropped documents of every reason in turn, then edited ones, then unchanged ones.

    Args:
        before: Text by id, as it came in; empty where nothing came in (L0).
        kept: Documents as they came out.
        dropped: Documents that did not.
    """
    edited = [document for document in kept if before.get(document.id, "") != document.text]
    unchanged = [document for document in kept if before.get(document.id, "") == document.text]
    chosen = [_dropped_sample(drop) for drop in _every_reason(dropped)[:MAX_DROPPED]]
    for documents, limit in ((edited, MAX_EDITED), (unchanged, MAX_UNCHANGED)):
        chosen += [_kept_sample(before, document) for document in _shuffled(documents)[:limit]]
    return tuple(chosen[:MAX_SAMPLES])


def _every_reason(dropped: Sequence[Dropped]) -> list[Dropped]:
    """Return the dropped documents, one of each reason after the other."""
    by_reason: dict[str, list[Dropped]] = defaultdict(list)
    for drop in sorted(dropped, key=lambda d: hash_order("samples", d.document.id)):
        by_reason[drop.reason].append(drop)
    rounds = zip_longest(*(by_reason[reason] for reason in sorted(by_reason)))
    return [drop for one_round in rounds for drop in one_round if drop is not None]


def _shuffled(documents: Sequence[Document]) -> list[Document]:
    return sorted(documents, key=lambda document: hash_order("samples", document.id))


def _dropped_sample(drop: Dropped) -> Sample:
    before = _shorten(drop.document.text)
    return Sample(id=drop.document.id, before=before, after="", reason=drop.reason)


def _kept_sample(before: Mapping[str, str], document: Document) -> Sample:
    text = _shorten(before.get(document.id, ""))
    return Sample(id=document.id, before=text, after=_shorten(document.text))


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_SAMPLE_CHARS else text[:MAX_SAMPLE_CHARS] + " [...]"
