"""Several items at once: results in order, few items held, failures at once."""

import threading
import time
from collections.abc import Iterator

import pytest

from davinci.data_levels.teacher.concurrency import in_order


def test_results_come_in_order_whoever_is_done_first() -> None:
    def slow_if_even(number: int) -> int:
        time.sleep(0.01 if number % 2 == 0 else 0.0)
        return number * number

    assert list(in_order(slow_if_even, range(20), 4)) == [n * n for n in range(20)]
    assert list(in_order(slow_if_even, [], 4)) == []


def test_items_are_worked_on_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=5)
    list(in_order(lambda _: together.wait(), range(6), 3))


def test_no_more_than_two_items_a_worker_are_read_ahead() -> None:
    taken = 0

    def feed() -> Iterator[int]:
        nonlocal taken
        for number in range(100):
            taken = number + 1
            yield number

    for given_back, _ in enumerate(in_order(abs, feed(), 3), start=1):
        assert taken - given_back < 6


def test_the_feed_is_read_in_the_thread_of_the_reader() -> None:
    def feed() -> Iterator[threading.Thread]:
        for _ in range(5):
            yield threading.current_thread()

    assert set(in_order(lambda thread: thread, feed(), 2)) == {threading.current_thread()}


def test_a_failure_is_raised_before_slower_items_are_done_and_the_rest_is_given_up() -> None:
    release, begun = threading.Event(), []

    def work(number: int) -> int:
        begun.append(number)
        if number == 0:
            release.wait(5)
        if number == 1:
            raise OSError("disk on fire")
        return number

    started = time.monotonic()
    with pytest.raises(OSError, match="disk on fire"):
        list(in_order(work, range(100), 2))
    assert time.monotonic() - started < 2
    release.set()
    time.sleep(0.02)
    assert len(begun) <= 4


def test_a_failure_of_the_feed_is_raised_too() -> None:
    def feed() -> Iterator[int]:
        yield 1
        raise ValueError("bad part")

    with pytest.raises(ValueError, match="bad part"):
        list(in_order(abs, feed(), 2))


def test_who_stops_reading_stops_the_work() -> None:
    begun, release = [], threading.Event()

    def work(number: int) -> None:
        begun.append(number)
        if number > 0:
            release.wait(5)

    results = in_order(work, range(1000), 2)
    next(results)
    while sorted(begun) != [0, 1, 2]:
        time.sleep(0.001)
    results.close()  # type: ignore[attr-defined]
    release.set()
    time.sleep(0.02)
    assert sorted(begun) == [0, 1, 2]
