"""benchmark_gap: the share of the distance to a national benchmark that was closed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from le_pipeline.measure import statistics
from scenario import Row, Scenario
from steps import STEP, told

WHOLE = {"state": "all", "region": "all", "role": "all", "grade_band": "all"}
SHARES = ("n", "n_teachers", "benchmark_share", "start_share", "end_share", "closed_share")
INTERVAL = ("standard_error", "ci_low", "ci_high", "null_reason")
HEADER = "benchmark,subject,grade,school_year,benchmark_share,benchmark_source,benchmark_confidence"


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    """A lake with one benchmark: half of the nation meets it."""
    return benchmarks(Scenario(tmp_path / "home"), "nation,ela,all,all,0.5,a report,source")


def benchmarks(lake: Scenario, *lines: str) -> Scenario:
    lake.home.reference.mkdir(exist_ok=True)
    (lake.home.reference / "benchmark.csv").write_text("\n".join((HEADER, *lines)))
    return lake


def student(before: bool, now: bool, teacher: str | None = "tom", role: str = "none", **said: Any) -> Row:
    met = {"prior_proficient": _yes_no(before), "proficient": _yes_no(now), "prior_assessment": "LEAP"}
    return {"teacher_key": teacher, "exposure": role, "grade": "05", "assessment": "LEAP"} | met | said


def _yes_no(value: bool) -> str:
    return "yes" if value else "no"


def closure(lake: Scenario, *students: Row) -> pl.DataFrame:
    named = [{"student_key": f"a{i}x", "subject": "ela"} | row for i, row in enumerate(students)]
    of_exposure = ("teacher_key", "exposure", "region")
    both = ("student_key", "subject", "school_year", "state")
    lake.write("student_exposure", *({k: v for k, v in row.items() if k in of_exposure + both} for row in named))
    cell = {"scale_score": 700, "percentile_rank": 50, "reference_n": 9, "reference_mean": 700}
    lake.write("standard_score", *(cell | {k: v for k, v in row.items() if k not in of_exposure} for row in named))
    return lake.run(STEP["benchmark_gap"])


def one(found: pl.DataFrame, **where: Any) -> Row:
    return found.filter(**(WHOLE | where)).row(0, named=True)


def some(counts: tuple[int, int, int, int], **said: Any) -> list[Row]:
    """Students by (met before, meets now): (no, no), (no, yes), (yes, no), (yes, yes)."""
    kinds = ((False, False), (False, True), (True, False), (True, True))
    return [student(*kind, **said) for kind, count in zip(kinds, counts, strict=True) for _ in range(count)]


def test_the_share_closed_is_the_gain_over_the_distance_at_the_start(lake: Scenario) -> None:
    found = closure(lake, *some((6, 2, 0, 2)))

    row = one(found)
    assert [row[c] for c in SHARES] == [10, 1, 0.5, 0.2, 0.4, pytest.approx(2 / 3)]
    assert (row["benchmark_source"], row["benchmark_confidence"]) == ("a report", "source")


@pytest.mark.parametrize(("met_before", "is_told"), [(49, True), (50, False), (51, False), (55, False), (70, False)])
def test_a_distance_of_five_points_or_less_is_not_divided_by(lake: Scenario, met_before: int, is_told: bool) -> None:
    benchmarks(lake, "nation,ela,all,all,0.55,a report,source")  # in binary 0.55 - 0.50 is a hair above 0.05

    found = closure(lake, *some((100 - met_before, 0, 0, met_before)))

    row = one(found)
    assert (row["closed_share"] is not None) == is_told
    assert (row["null_reason"] == "benchmark_within_0_05") == (not is_told)


def test_only_students_of_one_test_known_in_both_years_count(lake: Scenario) -> None:
    found = closure(
        lake,
        *some((1, 1, 0, 0)),
        student(False, True, prior_assessment="iLEAP"),
        student(False, True, prior_assessment=None),
        student(False, True, prior_proficient=None),
        student(False, True, proficient=None),
    )

    assert [one(found)[c] for c in ("n", "start_share", "end_share")] == [2, 0.0, 0.5]


def test_the_figure_of_the_very_grade_and_year_comes_before_one_of_all(lake: Scenario) -> None:
    benchmarks(
        lake,
        "nation,ela,all,all,0.5,general,memory",
        "nation,ela,05,all,0.6,of the grade,source",
        "nation,ela,all,2015,0.7,of the year,source",
        "other,ela,08,all,0.9,another,user",
        "nation,mathematics,05,all,0.1,another subject,source",
    )

    found = closure(lake, *some((2, 2, 0, 0)), *some((2, 2, 0, 0), grade="08"), *some((4, 0, 0, 0), school_year=2016))

    columns = ("school_year", "grade_band", "benchmark", "n", "benchmark_share", "benchmark_confidence")
    assert told(found.filter(state="all", region="all", role="all"), *columns) == [
        (2015, "3-5", "nation", 4, 0.6, "source"),
        (2015, "6-8", "nation", 4, 0.7, "source"),
        (2015, "6-8", "other", 4, 0.9, "user"),
        (2015, "all", "nation", 8, pytest.approx(0.65), "source"),
        (2015, "all", "other", 4, 0.9, "user"),
        (2016, "3-5", "nation", 4, 0.6, "source"),
        (2016, "all", "nation", 4, 0.6, "source"),
    ]


def test_a_table_of_benchmarks_by_grade_alone_keeps_the_grades_leading_zero(lake: Scenario) -> None:
    benchmarks(lake, "nation,ela,04,2015,0.4,a report,user", "nation,ela,05,2015,0.5,a report,user")

    assert one(closure(lake, *some((2, 2, 0, 0))))["benchmark_share"] == 0.5


def test_the_comparison_groups_own_closure_stands_beside(lake: Scenario) -> None:
    found = closure(lake, *some((4, 4, 0, 0), role="fellow"), *some((8, 2, 0, 0)), *some((1, 0, 0, 0), role="unlinked"))

    columns = ("role", "n", "closed_share", "comparison_n", "comparison_closed_share")
    assert told(found.filter(state="all", region="all", grade_band="all"), *columns) == [
        ("all", 19, pytest.approx(6 / 19 / 0.5), None, None),
        ("fellow", 8, 1.0, 10, pytest.approx(0.4)),
        ("none", 10, pytest.approx(0.4), None, None),
        ("unlinked", 1, 0.0, 10, pytest.approx(0.4)),
    ]


def test_under_ten_teachers_there_is_a_figure_and_no_interval(lake: Scenario) -> None:
    found = closure(lake, *(row for i in range(9) for row in some((3, 1, 0, 0), teacher=f"t{i}x")))

    row = one(found)
    assert (row["n_teachers"], row["closed_share"]) == (9, 0.5)
    assert [row[c] for c in INTERVAL] == [None, None, None, "too_few_teachers"]


def test_students_without_a_teacher_are_clustered_by_their_school(lake: Scenario) -> None:
    found = closure(
        lake,
        *some((1, 1, 0, 0), teacher=None, school_id="1"),
        *some((1, 1, 0, 0), teacher=None, school_id="2"),
        *some((1, 1, 0, 0), teacher=None),
    )

    assert one(found)["n_teachers"] == 3


def test_the_interval_is_empty_where_resampled_teachers_come_too_near_to_the_benchmark(lake: Scenario) -> None:
    near = [row for i in range(5) for row in some((4, 0, 0, 6), teacher=f"near{i}x")]
    far = [row for i in range(5) for row in some((8, 0, 0, 2), teacher=f"far{i}x")]

    row = one(closure(lake, *near, *far))

    assert row["closed_share"] == 0
    assert [row[c] for c in INTERVAL] == [None, None, None, "interval_unstable"]


def test_the_interval_is_that_of_a_plain_bootstrap_over_teachers_and_the_same_in_every_run(
    lake: Scenario, tmp_path: Path
) -> None:
    random = np.random.default_rng(2)
    counts = {f"t{i:02}x": tuple(int(n) for n in random.multinomial(12, [0.7, 0.15, 0.05, 0.1])) for i in range(14)}
    students = [row for name, kinds in counts.items() for row in some(kinds, teacher=name)]  # type: ignore[arg-type]

    found = closure(lake, *students)

    ordered = sorted(counts.values(), key=lambda kinds: (sum(kinds), kinds[2] + kinds[3], kinds[1] + kinds[3]))
    drawn = np.random.default_rng([statistics.SEED, 14]).integers(0, 14, size=(999, 14), dtype=np.int32)
    replicates = []
    for teachers in drawn:
        kinds = [ordered[i] for i in teachers]
        n, before, now = (sum(sum(k[j] for j in part) for k in kinds) for part in ((0, 1, 2, 3), (2, 3), (1, 3)))
        replicates.append((now / n - before / n) / (0.5 - before / n))
    row = one(found)
    assert row["standard_error"] == pytest.approx(np.std(replicates, ddof=1), abs=1e-9)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(np.quantile(replicates, [0.025, 0.975]), abs=1e-9)
    assert row["null_reason"] is None
    again = benchmarks(Scenario(tmp_path / "again"), "nation,ela,all,all,0.5,a report,source")
    assert closure(again, *reversed(students)).equals(found)
    other_keys = [row | {"teacher_key": row["teacher_key"][::-1]} for row in students]
    assert closure(again, *other_keys).equals(found)
