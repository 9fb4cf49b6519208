"""How arrays stand in the tables: little-endian float64 blobs."""

from collections.abc import Sequence

import numpy as np

from davinci.platform.store.records import Floats


def floats(values: Sequence[float]) -> bytes:
    """Return numbers as a blob; None becomes NaN."""
    return np.asarray([np.nan if v is None else v for v in values], dtype="<f8").tobytes()


def array(blob: bytes) -> Floats:
    """Return what `floats` made, shape (N,), not to be written to."""
    return np.frombuffer(blob, dtype="<f8").astype(np.float64, copy=False)
