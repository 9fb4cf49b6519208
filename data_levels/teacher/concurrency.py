"""Work on several items at once, with the results in order and a bounded number of items held."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

ITEMS_PER_WORKER = 2
"""Items taken from the feed and not yet given back, for each worker."""


def in_order(function: Callable[[T], R], items: Iterable[T], num_workers: int) -> Iterator[R]:
    """Yield `function(item)` of every item, in order, working on `num_workers` of them at once.

    Items are taken in this thread, no more than `2 * num_workers` ahead of the results. An
    exception of any call is raised as soon as it happens, and when it is, or when nobody wants more
    results, calls that have not begun are given up. Calls on their way go on in their threads:
    whoever owns what they use waits for them, as an `Endpoint` does when it is closed.

    Raises:
        Exception: Whatever a call or the feed raised.
    """
    feed = iter(items)
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(num_workers, thread_name_prefix="in_order")
    try:
        while True:
            room = ITEMS_PER_WORKER * num_workers - len(waiting)
            waiting.extend(pool.submit(function, item) for item in islice(feed, room))
            if not waiting:
                return
            _wait_for_first(waiting)
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _wait_for_first(futures: Sequence["Future[R]"]) -> None:
    """Return when the first future is done; raise when any of them has failed."""
    while True:
        for future in futures:
            if future.done() and (failure := future.exception()) is not None:
                raise failure
        if futures[0].done():
            return
        wait([future for future in futures if not future.done()], return_when=FIRST_COMPLETED)
