"""Work on a stream in several threads, and give the results in order, each as soon as it is ready."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


def ordered_map(work: Callable[[Item], Done], items: Iterable[Item], threads: int, at_a_time: int) -> Iterator[Done]:
    """Give work(item) for each item, in order. What `items` or `work` raises is raised in its place.

    The items are read in a thread of their own, so that a result comes out though the next item has not come in yet,
    as from a pipe that stays open. Never more than `at_a_time` items are read ahead of what was taken.
    """
    waiting: SimpleQueue[Future[Done] | BaseException | None] = SimpleQueue()
    free = threading.Semaphore(at_a_time)
    closed = threading.Event()

    def read() -> None:
        try:
            source = iter(items)
            while free.acquire() and not closed.is_set():
                try:
                    item = next(source)
                except StopIteration:
                    break
                waiting.put(pool.submit(work, item))
        except BaseException as error:  # handed over to the thread that waits
            waiting.put(error)
        waiting.put(None)

    pool = ThreadPoolExecutor(min(threads, at_a_time))
    threading.Thread(target=read, daemon=True).start()
    try:
        while (next_up := waiting.get()) is not None:
            if isinstance(next_up, BaseException):
                raise next_up
            yield next_up.result()
            free.release()
    finally:
        closed.set()
        free.release()
        pool.shutdown(wait=False, cancel_futures=True)
