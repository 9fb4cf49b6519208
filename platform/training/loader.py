"""Brings micro-batches to the training loop, ahead of it on a GPU, and counts the wait."""

import queue
import threading
import time
from collections.abc import Iterator

from davinci.models.module import MicroBatch
from davinci.platform.training.batches import SegmentBatches

AHEAD = 8
"""Micro-batches that a thread prepares beforehand."""


class Loader:
    """Iterates over a segment's micro-batches.

    Attributes:
        wait_s: Seconds that the loop has waited for data so far.
    """

    def __init__(self, batches: SegmentBatches, *, ahead: bool) -> None:
        """With `ahead`, a thread prepares pinned batches while the device works."""
        self.wait_s = 0.0
        self._batches = batches
        self._ahead = ahead

    def __len__(self) -> int:
        """Return the number of micro-batches."""
        return len(self._batches)

    def __iter__(self) -> Iterator[MicroBatch]:
        """Yield the micro-batches in their order."""
        source = _prepared(self._batches) if self._ahead else iter(self._batches)
        while True:
            begun_s = time.perf_counter()
            batch = next(source, None)
            self.wait_s += time.perf_counter() - begun_s
            if batch is None:
                return
            yield batch


def _prepared(batches: SegmentBatches) -> Iterator[MicroBatch]:
    """Yield batches that a thread has made and pinned; its errors are raised here."""
    ready: queue.Queue[MicroBatch | BaseException | None] = queue.Queue(AHEAD)
    stopped = threading.Event()

    def put(item: MicroBatch | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for batch in batches:
                if not put(_pinned(batch)):
                    return
            put(None)
        except BaseException as error:
            put(error)

    threading.Thread(target=work, name="batches", daemon=True).start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()


def _pinned(batch: MicroBatch) -> MicroBatch:
    mask_BT = batch.mask_BT
    return batch._replace(
        windows_BS=batch.windows_BS.pin_memory(),
        mask_BT=None if mask_BT is None else mask_BT.pin_memory(),
    )
