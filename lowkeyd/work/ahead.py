"""What one item needs from a single core is done while the item before it keeps the others, or the GPU, busy."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def one_ahead(work: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, Future[R]]]:
    """Items in order, each with what comes of it: it was begun, in a thread, when the one before was handed out.

    No more than one is ahead, since photos are large.
    """
    begun: deque[tuple[T, Future[R]]] = deque()
    with ThreadPoolExecutor(1) as thread:
        for item in items:
            begun.append((item, thread.submit(work, item)))
            if len(begun) > 1:
                yield begun.popleft()
        yield from begun
