"""Work on a stream in threads, results in order."""

import threading
import time
from collections.abc import Iterator

import pytest

from serving.ordered import ordered_map


def test_results_come_in_the_order_of_the_items_whichever_is_ready_first() -> None:
    def work(item: int) -> int:
        time.sleep(0.002 * (5 - item))
        return item

    assert list(ordered_map(work, range(5), threads=3, at_a_time=4)) == [0, 1, 2, 3, 4]


def test_a_result_comes_out_before_the_next_item_comes_in() -> None:
    asked = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        assert asked.wait(timeout=5)
        yield 2

    results = ordered_map(lambda item: item * 10, items(), threads=2, at_a_time=8)
    assert next(results) == 10
    asked.set()
    assert list(results) == [20]


def test_it_reads_no_further_ahead_than_it_was_told() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for item in range(50):
            read.append(item)
            yield item

    results = ordered_map(lambda item: item, items(), threads=2, at_a_time=3)
    next(results)
    time.sleep(0.02)
    assert len(read) <= 4
    results.close()  # type: ignore[attr-defined]  # it is a generator


def test_a_failing_item_is_raised_in_its_place() -> None:
    results = ordered_map(lambda item: 1 // item, [1, 0, 1], threads=2, at_a_time=2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_a_failing_source_is_raised_after_what_came_before() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the pipe is gone")

    results = ordered_map(lambda item: item, items(), threads=2, at_a_time=2)
    assert next(results) == 1
    with pytest.raises(OSError, match="the pipe is gone"):
        next(results)


def test_nothing_in_gives_nothing_out() -> None:
    assert list(ordered_map(lambda item: item, [], threads=2, at_a_time=2)) == []
