"""Silence for the harness and its data library, whose bars and warnings would drown our own."""

import contextlib
import io
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let them say nothing but what is wrong; exceptions pass."""
    import datasets

    datasets.utils.logging.disable_progress_bar()
    logger = logging.getLogger("lm_eval")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        # its bars cannot be turned off once tqdm is imported
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(before)
