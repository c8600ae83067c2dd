"""Work on items ahead of whoever asks for them, so that reading, checking and writing a file keep every core busy."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
WORKERS = 2  # what is worked on holds memory; Polars itself uses every core for each


def worked_ahead(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The result of each item, in order; no more than `WORKERS` are worked on or wait."""
    with ThreadPoolExecutor(WORKERS) as pool:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) == WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
