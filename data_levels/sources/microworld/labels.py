"""Quality labels for a sample of documents, as an expert annotator of this world gives them."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from davinci.data_levels.document import Document
from davinci.data_levels.sources.microworld.plan import Kind, is_worth_keeping

MAX_LABELS = 400


def label_sample(
    seed: int, documents: Sequence[Document], kinds: Mapping[str, Kind]
) -> dict[str, bool]:
    """Return id -> worth keeping, for half of the documents and 400 at the most.

    The sample depends on the ids and the world's seed alone, not on the documents' order.
    """
    known = [document.id for document in documents if document.id in kinds]
    ranked = sorted(known, key=lambda name: sha256(f"label/{seed}/{name}".encode()).digest())
    sample = ranked[: min(MAX_LABELS, len(known) // 2)]
    return {name: is_worth_keeping(kinds[name]) for name in sorted(sample)}
