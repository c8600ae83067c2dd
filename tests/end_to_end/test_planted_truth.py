"""What the generator planted comes back: every count exactly, every figure to 1e-9."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any

import duckdb
import polars as pl
import pytest

from end_to_end.conftest import SAMPLES, SampleRun
from end_to_end.truth import Row, Truth, _with_totals
from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.pseudonym import pseudonyms

CLOSE = 1e-9
RETENTION_KEY = "state, definition, level, role, region, cohort, poverty_band, school_year"
SURVIVAL_KEY = "state, definition, level, role, region, cohort, years_since_start"
GAP_KEY = "state, region, role, school_year, subject, grade_band"
PAIRS = {
    "economically_disadvantaged": [("no", "yes")],
    "english_learner": [("no", "yes")],
    "disability": [("no", "yes")],
    "sex": [("female", "male")],
    "race_ethnicity": [
        ("white", other)
        for other in (
            "american_indian_or_alaska_native",
            "asian",
            "black_or_african_american",
            "hispanic_or_latino",
            "native_hawaiian_or_other_pacific_islander",
            "two_or_more_races",
        )
    ],
}
FAULTS = {  # what the generator calls a fault, and the rule and column that should catch it
    "missing_student_id": ("required", {"LASID", "MOSIS_STATE_ID"}),
    "impossible_grade": ("unreadable", {"Grade", "GRADE_OF_STUDENT or GRADE_LEVEL"}),
    "impossible_scale_score": (
        "range",
        {"ELAScaleScore", "MathScaleScore", "ScienceScaleScore", "SocialScaleScore", "EOC_SCORE or MAP_SCALE_SCORE"},
    ),
    "bad_encoding": ("encoding", {"the row"}),
    "conflicting_scores": ("conflict", {"the row"}),
    "missing_staff_id": ("required", {"StaffID"}),
}


@pytest.fixture(scope="module")
def truth() -> Truth:
    return Truth(SAMPLES / "truth")


@pytest.fixture
def warehouse(sample_run: SampleRun) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(sample_run.home.warehouse, read_only=True)


def rows_of(warehouse: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    answer = warehouse.execute(sql)
    names = [column[0] for column in answer.description or ()]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def close(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=0, abs_tol=CLOSE)


def key_of(keys: Keys, domain: str, state: str, ids: list[str]) -> dict[str, str]:
    """The pseudonym of each id."""
    unique = pl.Series(sorted(set(ids)))
    return dict(zip(unique, pseudonyms(unique, domain=domain, issuer=state, keys=keys), strict=True))


def test_every_retention_rate_equals_the_one_counted_from_the_careers(
    warehouse: duckdb.DuckDBPyConnection, truth: Truth
) -> None:
    found = {
        tuple(row[name.strip()] for name in RETENTION_KEY.split(",")): row
        for row in rows_of(warehouse, "select * from marts.teacher_retention")
    }
    expected = truth.retention()

    assert set(found) == set(expected)
    for key, (n, retained, not_observed) in expected.items():
        row = found[key]
        assert (row["n"], row["n_not_observed"]) == (n, not_observed), key
        assert row["retained"] == (retained if n else None), key
        assert close(row["retention_share"], retained / n if n else None), key


def test_differences_stand_beside_the_teachers_whom_the_programme_never_reached(
    warehouse: duckdb.DuckDBPyConnection, truth: Truth
) -> None:
    expected = truth.retention()
    compared = rows_of(warehouse, "select * from marts.teacher_retention where comparison_n is not null")

    assert {row["role"] for row in compared} == {"fellow", "mentee", "applicant"}
    for row in compared:
        key = tuple(row[name.strip()] for name in RETENTION_KEY.split(","))
        other = expected[(*key[:3], "none", key[4], "all", *key[6:])]
        assert (row["comparison_n"], row["comparison_retained"]) == other[:2], key
        if row["n"]:
            difference = 100 * (row["retained"] / row["n"] - other[1] / other[0])
            assert close(row["risk_difference_percentage_points"], difference), key


def test_every_life_table_equals_the_one_counted_from_the_careers(
    warehouse: duckdb.DuckDBPyConnection, truth: Truth
) -> None:
    rows = rows_of(warehouse, "select * from marts.retention_survival")
    found = {tuple(row[name.strip()] for name in SURVIVAL_KEY.split(",")): row for row in rows}
    expected = truth.survival()

    assert len(found) == len(rows)
    assert set(found) == set(expected)
    for key, (n, new, left, lost) in expected.items():
        row = found[key]
        assert (row["n_at_risk"], row["n_entered"], row["n_left"], row["n_censored"]) == (n, new, left, lost), key
        hazards = [expected[*key[:-1], year] for year in range(1, key[-1] + 1)]
        assert close(row["survival_share"], math.prod(1 - gone / at_risk for at_risk, _, gone, _ in hazards)), key


def test_every_outcome_and_role_is_the_planted_one(
    warehouse: duckdb.DuckDBPyConnection, truth: Truth, sample_keys: Keys
) -> None:
    names = ("school_id", "lea_id", "outcome", "role", "is_active", "cohort", "region")
    found = {
        (row["staff_key"], row["school_year"]): [row[name] for name in names]
        for row in rows_of(warehouse, "select * from linked.retention_outcome")
    }
    expected = {}
    for state in ("LA", "MO"):
        people = [row for row in truth.staff if row["state"] == state]
        keys = key_of(sample_keys, "staff", state, [row["staff_id"] for row in people])
        for row in people:
            cohort = None if row["cohort"] is None else str(row["cohort"])
            expected[keys[row["staff_id"]], row["school_year"]] = [row[n] if n != "cohort" else cohort for n in names]

    assert found == expected


def test_links_and_weights_are_those_of_the_rosters(
    warehouse: duckdb.DuckDBPyConnection, truth: Truth, sample_keys: Keys
) -> None:
    counted = "select * from linked.teacher_student_link where excluded_reason is null"
    found = {
        (row["student_key"], row["staff_key"], row["subject"], row["school_year"]): row
        for row in rows_of(warehouse, counted)
    }
    students: dict[str, str] = {}
    staff: dict[str, str] = {}
    for state in ("LA", "MO"):
        mine = [row for row in truth.links if row["state"] == state]
        students |= key_of(sample_keys, "student", state, [row["student_id"] for row in mine])
        staff |= key_of(sample_keys, "staff", state, [row["staff_id"] for row in mine])

    assert len(found) == len(truth.links)
    for row in truth.links:
        link = found[students[row["student_id"]], staff[row["staff_id"]], row["subject"], row["school_year"]]
        assert close(link["weight"], row["weight"])
        assert close(link["enrollment_share"], row["enrollment_share"])


def test_gaps_equal_those_computed_from_the_planted_scores(warehouse: duckdb.DuckDBPyConnection, truth: Truth) -> None:
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for score in truth.taught_scores():
        region = next(iter(score["regions"]), None)
        for state, place, role, band in _with_totals((score["state"], region, score["exposure"], score["band"])):
            for subgroup in PAIRS:
                cell = (state, place, role, score["school_year"], score["subject"], band)
                groups[*cell, subgroup, score[subgroup]].append(score)
    cells = {key[:6] for key in groups}
    expected = {
        (*cell, subgroup, a, b): (groups[*cell, subgroup, a], groups[*cell, subgroup, b])
        for cell in cells
        for subgroup, pairs in PAIRS.items()
        for a, b in pairs
        if (*cell, subgroup, a) in groups and (*cell, subgroup, b) in groups
    }
    found = rows_of(warehouse, "select * from marts.achievement_gap")

    assert len(found) == len(expected)
    for row in found:
        key = tuple(row[name.strip()] for name in f"{GAP_KEY}, subgroup, group_a, group_b".split(","))
        a, b = expected[key]
        assert (row["n_a"], row["n_b"], row["n"]) == (len(a), len(b), len(a) + len(b)), key
        assert close(row["gap_sd"], _gap([s["z"] for s in a], [s["z"] for s in b])), key
        if row["state"] == "all":
            continue  # two states' achievement levels are not compared
        assert close(row["proficient_share_a"], _proficient(truth, a)), key
        assert close(row["proficient_share_b"], _proficient(truth, b)), key


def test_every_gain_equals_the_one_of_the_planted_scores(warehouse: duckdb.DuckDBPyConnection, truth: Truth) -> None:
    scores = truth.taught_scores()
    prior = {(row["student_id"], row["subject"], row["school_year"] + 1): row["z"] for row in scores}
    gains: dict[tuple[Any, ...], list[float | None]] = defaultdict(list)
    for row in scores:
        before = prior.get((row["student_id"], row["subject"], row["school_year"]))
        for state, role in _with_totals((row["state"], row["exposure"])):
            cell = gains[state, role, row["subject"], row["school_year"]]
            cell.append(None if before is None else row["z"] - before)
    found = rows_of(warehouse, "select * from marts.student_growth where region = 'all'")

    means = {key: _mean([gain for gain in cell if gain is not None]) for key, cell in gains.items()}
    assert {tuple(row[c] for c in ("state", "role", "subject", "school_year")) for row in found} == set(gains)
    for row in found:
        key = (row["state"], row["role"], row["subject"], row["school_year"])
        assert (row["n"] + row["n_without_prior"], row["n_without_prior"]) == (
            len(gains[key]),
            gains[key].count(None),
        ), key
        assert close(row["gain_sd"], means[key]), key
        other = means.get((row["state"], "none", *key[2:])) if row["role"] not in ("all", "none") else None
        expected = None if means[key] is None or other is None else means[key] - other
        assert close(row["gain_difference_sd"], expected), key


def _mean(values: list[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _gap(a: list[float], b: list[float]) -> float | None:
    n, m = len(a), len(b)
    mean_a, mean_b = math.fsum(a) / n, math.fsum(b) / m
    within = math.fsum((x - mean_a) ** 2 for x in a) + math.fsum((x - mean_b) ** 2 for x in b)
    if n + m < 3 or within < CLOSE:
        return None
    return (mean_a - mean_b) / math.sqrt(within / (n + m - 2))


def _proficient(truth: Truth, scores: list[Row]) -> float:
    first = {"LA": "Mastery", "MO": "Proficient"}
    good = 0
    for score in scores:
        levels = truth.told["states"][score["state"]]["levels"]
        good += levels.index(score["performance_level"]) >= levels.index(first[score["state"]])
    return good / len(scores)


def test_reach_counts_each_person_and_student_once(warehouse: duckdb.DuckDBPyConnection, truth: Truth) -> None:
    active: dict[tuple[str, str, int], list[Row]] = defaultdict(list)
    for row in truth.staff:
        if row["role"] in ("fellow", "mentee") and row["is_active"]:
            for state, region in _with_totals((row["state"], row["region"])):
                active[state, region, row["school_year"]].append(row)
    students: dict[tuple[str, int], set[str]] = defaultdict(set)
    for link in truth.links:
        students[link["staff_id"], link["school_year"]].add(link["student_id"])

    found = {
        (row["state"], row["region"], row["school_year"]): row
        for row in rows_of(warehouse, "select * from marts.program_reach")
    }

    assert set(found) == set(active)
    for key, people in active.items():
        row = found[key]
        schools = {person["school_id"]: person["frpl_share"] for person in people}
        assert row["n_fellows"] == sum(person["role"] == "fellow" for person in people)
        assert row["n_mentees"] == sum(person["role"] == "mentee" for person in people)
        assert row["n_teachers_supported"] == len(people)
        assert row["n_students"] == len(set().union(*(students[p["staff_id"], p["school_year"]] for p in people)))
        assert row["n_schools"] == len(schools)
        assert close(row["high_poverty_school_share"], sum(share > 0.75 for share in schools.values()) / len(schools))


def test_every_delivered_record_is_accounted_for_as_it_was_planted(
    warehouse: duckdb.DuckDBPyConnection, truth: Truth
) -> None:
    files = rows_of(warehouse, "select * from canonical.delivery where feed is not null")
    for row in files:
        told = truth.told["files"][f"landing/{row['path']}"]
        parts = [row[f"rows_{part}"] for part in ("accepted", "quarantined", "excluded", "duplicate")]
        assert row["rows_read"] == sum(parts)
        assert row["delivery_status"] == "accepted"
        if "oneroster" in row["path"]:  # its files hold several feeds, and each excludes the others' rows
            assert row["file_rows"] == told["physical_rows"]
            continue
        assert (row["file_rows"], row["rows_read"]) == (told["physical_rows"], told["records"])
        expected = [
            told["accepted"],
            sum(told["quarantined"].values()),
            sum(told["excluded"].values()),
            told["duplicate"],
        ]
        assert parts == expected, row["path"]
    assert {f"landing/{row['path']}" for row in files} >= {
        path for path in truth.told["files"] if "oneroster" not in path
    }


def test_every_planted_fault_is_in_quarantine_with_its_row_and_rule(
    warehouse: duckdb.DuckDBPyConnection, truth: Truth
) -> None:
    pointers: dict[tuple[str, int], set[tuple[str, str]]] = defaultdict(set)
    for row in rows_of(warehouse, "select * from canonical.quarantine"):
        pointers[f"landing/{row['path']}", row["source_row"]].add((row["rule"], row["source_column"]))
    planted = Counter()
    for fault in truth.faults:
        if fault["fault"] == "duplicate":
            continue
        planted[fault["fault"]] += 1
        found = pointers.pop((fault["file"], fault["row"] + 1))  # the header is row 1
        if fault["fault"] == "bad_birth_date":
            assert found in ({("unreadable", column)} for column in ("DOB", "DATE_OF_BIRTH")) or found in (
                {("range", column)} for column in ("DOB", "DATE_OF_BIRTH")
            )
            continue
        rule, columns = FAULTS[fault["fault"]]
        assert {name for name, _ in found} == {rule}, fault["fault"]
        assert {column for _, column in found} <= columns
    assert not pointers
    assert set(planted) == {*FAULTS, "bad_birth_date"}
