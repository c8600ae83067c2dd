"""Work done ahead: the results come in order, and what goes wrong comes where its item stood."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from le_pipeline.ingest.ahead import WORKERS, worked_ahead


def test_results_come_in_the_order_of_the_items_however_long_each_takes() -> None:
    def work(place: int) -> int:
        time.sleep(0.01 * (place % 3 == 0))
        return -place

    assert list(worked_ahead(work, range(12))) == [-place for place in range(12)]


def test_no_more_items_are_taken_than_there_are_workers() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for place in range(10):
            taken.append(place)
            yield place

    for done, _ in enumerate(worked_ahead(lambda place: place, items()), start=1):
        assert len(taken) < done + WORKERS


def test_what_fails_comes_after_what_went_well_before_it() -> None:
    def work(place: int) -> int:
        return 12 // (place - 2)

    results = worked_ahead(work, range(5))
    assert [next(results), next(results)] == [-6, -12]
    with pytest.raises(ZeroDivisionError):
        next(results)
