"""One process at a time in a draft that outlives its attempts."""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

from davinci.platform.execute.layout import RESUMABLE

WAIT_S = 90.0
"""Longer than a lease: who was taken for dead is killed by its own supervisor by then."""
POLL_S = 0.2


@contextlib.contextmanager
def alone_in_draft(frozen: Path) -> Iterator[None]:
    """Keep every other process out of the draft of a frozen task, where attempts share it.

    The lock goes with the process. Where the file system knows no locks, there is none.

    Raises:
        OSError: If another process works in the draft and does not leave.
    """
    document = json.loads(frozen.read_text())
    if document["kind"] not in RESUMABLE:
        yield
        return
    import fcntl

    draft = Path(document["out"])
    draft.parent.mkdir(parents=True, exist_ok=True)
    with draft.with_suffix(".lock").open("w") as file:
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise OSError(f"another process still works in {draft}") from None
                time.sleep(POLL_S)
            except OSError:
                break
        yield
