"""standard_score: scores on a common scale, with those of the year before."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenario import Row, Scenario
from steps import STEP, told


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def score(name: str, scale_score: float, **said: Any) -> Row:
    test = {"assessment": "LEAP", "subject": "mathematics", "grade": "05", "administration": "spring", "attempt": 1}
    return {"student_key": name, "scale_score": scale_score} | test | said


def scores(lake: Scenario, *rows: Row, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    return told(lake.write("student_assessment", *rows).run(STEP["standard_score"]), *columns)


def test_a_score_stands_in_standard_deviations_and_ranks_of_its_cell(lake: Scenario) -> None:
    columns = ("student_key", "z_score", "percentile_rank", "reference_n", "reference_mean", "reference_sd")

    found = scores(lake, score("ann", 600), score("bob", 700), score("cid", 800), columns=columns)

    assert found == [
        ("ann", -1.0, pytest.approx(100 / 6), 3, 700.0, 100.0),
        ("bob", 0.0, pytest.approx(50), 3, 700.0, 100.0),
        ("cid", 1.0, pytest.approx(500 / 6), 3, 700.0, 100.0),
    ]


def test_equal_scores_have_the_middle_of_their_ranks(lake: Scenario) -> None:
    rows = [score("ann", 1), score("bob", 2), score("cid", 2), score("dan", 4)]

    assert scores(lake, *rows, columns=("student_key", "percentile_rank")) == [
        ("ann", 12.5),
        ("bob", 50.0),
        ("cid", 50.0),
        ("dan", 87.5),
    ]


def test_scores_of_every_cell_have_mean_0_and_standard_deviation_1(lake: Scenario) -> None:
    random = np.random.default_rng(3)
    rows = [
        score(f"a{i}x", float(random.normal(700, 40)), grade=f"0{3 + i % 3}", state=("LA", "MO")[i % 2])
        for i in range(240)
    ]
    table = lake.write("student_assessment", *rows).run(STEP["standard_score"])

    cells = table.group_by("state", "grade")
    assert len(list(cells)) == 6
    for _, cell in cells:
        assert cell["z_score"].mean() == pytest.approx(0, abs=1e-9)
        assert cell["z_score"].std() == pytest.approx(1, abs=1e-9)
        assert cell["percentile_rank"].mean() == pytest.approx(50, abs=1e-9)


def test_cells_are_of_one_state_assessment_subject_grade_and_year(lake: Scenario) -> None:
    others = [{"state": "MO"}, {"assessment": "iLEAP"}, {"subject": "ela"}, {"grade": "06"}, {"school_year": 2014}]
    rows = [score("ann", 1), score("bob", 2), *(score(f"x{i}x", 9, **other) for i, other in enumerate(others))]

    found = scores(lake, *rows, columns=("student_key", "reference_n", "percentile_rank"))

    assert found[:2] == [("ann", 2, 25.0), ("bob", 2, 75.0)]
    assert [row[1:] for row in found[2:]] == [(1, 50.0)] * 5


def test_a_cell_of_one_or_without_variation_gives_no_standard_score(lake: Scenario) -> None:
    rows = [score("ann", 5, grade="03"), *(score(name, 700.1) for name in ("bob", "cid", "dan"))]

    assert scores(lake, *rows, columns=("student_key", "z_score", "percentile_rank", "reference_sd")) == [
        ("ann", None, 50.0, None),
        ("bob", None, 50.0, 0.0),
        ("cid", None, 50.0, 0.0),
        ("dan", None, 50.0, 0.0),
    ]


def test_a_voided_score_is_not_there_and_not_in_the_reference(lake: Scenario) -> None:
    rows = [score("ann", 1), score("bob", 3, void="no"), score("cid", 500, void="yes")]

    assert scores(lake, *rows, columns=("student_key", "reference_n", "reference_mean")) == [
        ("ann", 2, 2.0),
        ("bob", 2, 2.0),
    ]


def test_of_several_sittings_the_spring_one_counts_then_the_latest_then_the_last_attempt(lake: Scenario) -> None:
    found = scores(
        lake,
        score("ann", 1, administration="fall", test_date=date(2015, 6, 1)),
        score("ann", 2, test_date=date(2015, 4, 1)),
        score("bob", 3, administration="fall", test_date=date(2014, 10, 1)),
        score("bob", 4, administration="winter", test_date=date(2015, 1, 10)),
        score("cid", 5, attempt=1, test_date=date(2015, 4, 1)),
        score("cid", 6, attempt=2, test_date=date(2015, 4, 1)),
        columns=("student_key", "scale_score", "reference_n"),
    )

    # who sat in winter only is not compared with those who sat in spring
    assert found == [("ann", 2.0, 2), ("bob", 4.0, 1), ("cid", 6.0, 2)]


def test_of_several_assessments_the_spring_one_counts_then_the_one_that_most_students_sat(lake: Scenario) -> None:
    found = scores(
        lake,
        score("ann", 1, assessment="Interim", administration="winter"),
        score("bob", 2, assessment="Interim", administration="winter"),
        score("cid", 3, assessment="Interim", administration="winter"),
        score("ann", 10),
        score("bob", 20),
        score("bob", 30, assessment="Another", administration="spring"),
        columns=("student_key", "assessment", "scale_score", "reference_n"),
    )

    assert found == [("ann", "LEAP", 10.0, 2), ("bob", "LEAP", 20.0, 2), ("cid", "Interim", 3.0, 3)]


def test_scores_of_the_year_before_stand_beside_whatever_their_grade_and_test(lake: Scenario) -> None:
    before = {"school_year": 2014, "grade": "04", "assessment": "iLEAP"}
    found = scores(
        lake,
        score("ann", 1, proficient="no", **before),
        score("bob", 3, proficient="yes", **before),
        score("ann", 8, school_year=2013),
        score("ann", 5),
        score("bob", 7),
        columns=(
            "student_key",
            "school_year",
            "prior_z_score",
            "prior_percentile_rank",
            "prior_assessment",
            "prior_proficient",
        ),
    )

    z = pytest.approx(0.5**0.5)
    assert found == [
        ("ann", 2013, None, None, None, None),
        ("ann", 2014, None, 50.0, "LEAP", None),
        ("ann", 2015, pytest.approx(-(0.5**0.5)), 25.0, "iLEAP", "no"),
        ("bob", 2014, None, None, None, None),
        ("bob", 2015, z, 75.0, "iLEAP", "yes"),
    ]


def test_the_other_core_subject_is_mathematics_for_language_and_language_for_the_rest(lake: Scenario) -> None:
    before = {"school_year": 2014, "grade": "04"}
    now = [score("ann", 5, subject=subject) for subject in ("mathematics", "reading", "ela", "science")]

    found = scores(
        lake,
        *(score(name, n, **before) for n, name in enumerate(("ann", "bob", "cid"))),
        *(score(name, n, subject="reading", **before) for n, name in enumerate(("bob", "ann", "cid"))),
        *(score(name, n, subject="ela", **before) for n, name in enumerate(("bob", "cid", "ann"))),
        *now,
        columns=("student_key", "school_year", "subject", "prior_other_z_score"),
    )

    assert [row for row in found if row[1] == 2015] == [
        ("ann", 2015, "ela", -1.0),
        ("ann", 2015, "mathematics", 1.0),
        ("ann", 2015, "reading", -1.0),
        ("ann", 2015, "science", 1.0),
    ]


def test_what_the_test_file_leaves_out_of_a_student_the_latest_enrolment_says(lake: Scenario) -> None:
    lake.write(
        "student_school_association",
        {"student_key": "ann", "school_id": "2", "sex": "male", "disability": "yes", "entry_date": date(2015, 2, 1)},
        {"student_key": "ann", "school_id": "1", "english_learner": "yes", "disability": "no"},
    )
    columns = ("student_key", "sex", "disability", "english_learner")

    found = scores(lake, score("ann", 600, sex="female"), score("bob", 700, sex="male"), columns=columns)

    assert found == [("ann", "female", "yes", None), ("bob", "male", None, None)]


def test_a_score_without_a_grade_has_that_of_the_enrolment_or_no_place(lake: Scenario) -> None:
    lake.write(
        "student_school_association",
        {"student_key": "ann", "school_id": "1", "grade": "05", "entry_date": date(2014, 8, 1)},
        {"student_key": "bob", "school_id": "1", "grade": "05", "entry_date": date(2014, 8, 1)},
    )

    found = scores(
        lake,
        score("ann", 210, grade=None),
        score("bob", 230, grade=None),
        score("cid", 220, grade=None),
        columns=("student_key", "grade", "reference_n"),
    )

    assert found == [("ann", "05", 2), ("bob", "05", 2)]


@pytest.mark.parametrize("subject", ["english_1", "english_2", "english_proficiency"])
def test_mathematics_is_the_other_core_subject_of_every_test_of_language(lake: Scenario, subject: str) -> None:
    before = [score(name, place, school_year=2014) for place, name in enumerate(("ann", "bob", "cid"))]

    found = scores(lake, *before, score("ann", 700, subject=subject), columns=("subject", "prior_other_z_score"))

    assert (subject, -1.0) in found


def test_a_student_with_several_keys_has_one_score_a_prior_year_and_the_enrolments_of_all(lake: Scenario) -> None:
    lake.write(
        "person_alias",
        *({"alias_key": key, "person_key": "ann"} for key in ("ann2", "ann3")),
        person_kind="student",
    )
    lake.write("student_school_association", {"student_key": "ann3", "school_id": "1", "disability": "yes"})

    found = scores(
        lake,
        *(score(name, value, school_year=2014) for name, value in (("ann2", 800), ("bob", 600))),
        score("ann", 700, test_date=date(2015, 4, 1)),
        score("ann2", 650, test_date=date(2015, 3, 1)),
        score("bob", 800),
        columns=("student_key", "school_year", "scale_score", "reference_n", "prior_percentile_rank", "disability"),
    )

    assert found == [
        ("ann", 2014, 800.0, 2, None, None),
        ("ann", 2015, 700.0, 2, 75.0, "yes"),
        ("bob", 2014, 600.0, 2, None, None),
        ("bob", 2015, 800.0, 2, 25.0, None),
    ]
