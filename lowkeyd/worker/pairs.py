"""Two items at once: what one of them needs from a single core does not leave the others idle."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def two_at_once(
    work: Callable[[T], R], items: Iterable[T], begin: Callable[[], None] = lambda: None
) -> Iterator[tuple[T, Future[R]]]:
    """Items in order, each with what comes of it, once the next one was begun too. Both threads call `begin` first.

    No more than two are begun and not handed out, since photos are large.
    """
    begun: deque[tuple[T, Future[R]]] = deque()
    with ThreadPoolExecutor(2, initializer=begin) as threads:
        for item in items:
            begun.append((item, threads.submit(work, item)))
            if len(begun) > 1:
                yield begun.popleft()
        yield from begun
