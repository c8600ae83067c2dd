"""achievement_sample: the outcome, who taught, and what effects on achievement hold equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from scenario import Row, Scenario
from steps import STEP, told

# fay is a fellow, max a mentee, alf a former fellow, apa an applicant who was not selected; everybody else has no part
ROLES: tuple[Row, ...] = (
    {"staff_key": "fay", "role": "fellow", "is_active": True, "region": "North"},
    {"staff_key": "max", "role": "mentee", "is_active": True},
    {"staff_key": "alf", "role": "fellow", "is_active": False, "application_decision": "not_selected"},
    {"staff_key": "apa", "role": "applicant", "is_active": False, "application_decision": "not_selected"},
    {"staff_key": "sel", "role": "applicant", "is_active": False, "application_decision": "selected"},
    {"staff_key": "una", "role": "none", "is_active": False},
)


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home").write("program_role", *(ROLES))


def score(student: str, **said: Any) -> Row:
    one = {"student_key": student, "subject": "ela", "assessment": "LEAP", "grade": "05", "school_id": "1"}
    one |= {"scale_score": 700, "percentile_rank": 50, "reference_n": 9, "reference_mean": 700, "z_score": 0.0}
    return one | {"prior_z_score": 0.0, "prior_other_z_score": 0.0} | said


def link(student: str, staff: str, weight: float = 1.0, **said: Any) -> Row:
    one = {"student_key": student, "staff_key": staff, "subject": "ela", "source": "roster"}
    return one | {"raw_weight": weight, "weight": weight} | said


def sample(lake: Scenario, scores: list[Row], links: list[Row]) -> pl.DataFrame:
    lake.write("standard_score", *scores).write("teacher_student_link", *links)
    for name in ("score_teacher", "student_exposure"):
        lake.run(STEP[name])
    return lake.run(STEP["achievement_sample"])


def test_each_teacher_of_a_student_has_a_row_and_the_shares_are_those_of_all_together(lake: Scenario) -> None:
    weights = {"fay": 0.4, "max": 0.2, "alf": 0.1, "apa": 0.1, "una": 0.1, "sel": 0.05}

    found = sample(lake, [score("ann")], [link("ann", staff, weight) for staff, weight in weights.items()])

    assert told(found, "staff_key", "part", "weight", "is_main_teacher", "teacher_key") == [
        ("alf", "former", 0.1, False, "fay"),
        ("apa", "applicant", 0.1, False, "fay"),
        ("fay", "fellow", 0.4, True, "fay"),
        ("max", "mentee", 0.2, False, "fay"),
        ("sel", "none", 0.05, False, "fay"),
        ("una", "none", 0.1, False, "fay"),
    ]
    shares = ("linked_share", "fellow_share", "mentee_share", "former_share", "applicant_share")
    assert set(told(found, *shares)) == {(0.95, 0.4, 0.2, 0.1, 0.1)}


def test_the_region_is_that_of_the_fellow_though_another_has_the_largest_share(lake: Scenario) -> None:
    found = sample(lake, [score("ann")], [link("ann", "fay", 0.2), link("ann", "una", 0.8)])

    assert told(found, "staff_key", "teacher_key", "region") == [("fay", "una", "North"), ("una", "una", "North")]


def test_students_without_a_standard_score_or_without_a_teacher_have_no_row(lake: Scenario) -> None:
    found = sample(
        lake, [score("ann"), score("bob", z_score=None), score("cid")], [link("ann", "una"), link("bob", "una")]
    )

    assert told(found, "student_key") == [("ann",)]


def test_shares_of_the_year_before_are_those_of_the_same_subject_in_that_very_year(lake: Scenario) -> None:
    before, long_ago, other = {"school_year": 2014}, {"school_year": 2013}, {"subject": "mathematics"}
    lake.write("program_role", *(role | {"school_year": year} for role in ROLES for year in (2013, 2014, 2015)))
    scores = [score(name, **said) for name in ("ann", "bob") for said in ({}, before)]
    scores += [score("bob", **long_ago), score("bob", **before | other), score("bob", **other)]
    links = [link(name, "una") for name in ("ann", "bob")]
    links += [link("ann", "fay", 0.6, **before), link("ann", "max", 0.3, **before), link("bob", "una", **before)]
    links += [link("bob", "fay", **long_ago), link("bob", "max", **before | other), link("bob", "una", **other)]

    found = sample(lake, scores, links).filter(pl.col("school_year") == 2015)

    assert told(found, "student_key", "subject", "prior_fellow_share", "prior_mentee_share", "fellow_share") == [
        ("ann", "ela", 0.6, 0.3, 0.0),
        ("bob", "ela", 0.0, 0.0, 0.0),
        ("bob", "mathematics", 0.0, 1.0, 0.0),
    ]


def test_shares_of_the_other_subject_before_are_those_of_the_very_score_that_is_held_equal(lake: Scenario) -> None:
    before, other = {"school_year": 2014}, {"subject": "mathematics"}
    lake.write("program_role", *(role | {"school_year": year} for role in ROLES for year in (2014, 2015)))
    scores = [score("ann", prior_other_subject="mathematics"), score("ann", **before), score("ann", **before | other)]
    scores += [score("bob"), score("bob", **before | other)]
    links = [link(name, "una") for name in ("ann", "bob")]
    links += [link("ann", "una", **before), link("ann", "fay", 0.7, **before | other)]
    links += [link("ann", "max", 0.3, **before | other), link("bob", "fay", **before | other)]

    found = sample(lake, scores, links).filter(pl.col("school_year") == 2015)

    shares = ("prior_fellow_share", "prior_other_fellow_share", "prior_other_mentee_share")
    assert told(found, "student_key", *shares) == [("ann", 0.0, 0.7, 0.3), ("bob", 0.0, 0.0, 0.0)]


def test_a_student_without_a_score_of_the_year_before_stays_and_does_not_count_in_means_of_it(lake: Scenario) -> None:
    scores = [score("ann", prior_z_score=-2.0), score("bob", prior_z_score=None), score("cid", prior_z_score=1.0)]

    found = sample(lake, scores, [link(name, "una") for name in ("ann", "bob", "cid")])

    powers = ("prior_z_score", "prior_z_score_squared", "prior_z_score_cubed")
    means = ("class_prior_z_score", "school_grade_prior_z_score")
    assert told(found, "student_key", *powers, *means) == [
        ("ann", -2.0, 4.0, -8.0, -0.5, -0.5),
        ("bob", None, None, None, -0.5, -0.5),
        ("cid", 1.0, 1.0, 1.0, -0.5, -0.5),
    ]


def test_where_nobody_of_a_class_has_a_score_of_before_its_mean_is_0(lake: Scenario) -> None:
    found = sample(lake, [score("ann", prior_z_score=None, prior_other_z_score=None)], [link("ann", "una")])

    columns = ("class_prior_z_score", "school_grade_prior_z_score", "prior_other_z_score", "lacks_prior_other")
    assert told(found, *columns) == [(0.0, 0.0, 0.0, 1)]


def test_means_of_a_class_are_of_a_teachers_grade_and_those_of_a_school_of_its_grade(lake: Scenario) -> None:
    """Two classes of a school; dan is in another grade of the first teacher, eve in another school, una's too."""
    black, asian, white = ({"race_ethnicity": race} for race in ("black_or_african_american", "asian", "white"))
    poor, learner, disabled = ({n: "yes"} for n in ("economically_disadvantaged", "english_learner", "disability"))
    scores = [
        score("ann", prior_z_score=1.0, prior_other_z_score=0.5, **black | poor),
        score("bob", prior_z_score=0.0, prior_other_z_score=None, **asian | learner),
        score("cid", prior_z_score=2.0, prior_other_z_score=1.0, **white | disabled | poor),
        score("dan", prior_z_score=9.0, grade="06"),
        score("eve", prior_z_score=-7.0, school_id="2", race_ethnicity="two_or_more"),
        score("fox", prior_z_score=5.0, subject="mathematics"),
    ]
    links = [link("ann", "una"), link("bob", "una"), link("cid", "new"), link("dan", "una"), link("eve", "una")]

    found = sample(lake, scores, [*links, link("fox", "una", subject="mathematics")])

    columns = ("prior_z_score", "prior_other_z_score", "disadvantaged_share", "english_learner_share")
    columns = (*columns, "disability_share", "minority_share")
    ann, bob, cid, dan, eve, fox = told(found, *(f"class_{name}" for name in columns))
    assert ann == bob == eve == pytest.approx((-2, 0.5 / 3, 1 / 3, 1 / 3, 0, 2 / 3))
    assert cid == (2, 1, 1, 0, 1, 0)
    assert (dan, fox) == ((9, 0, 0, 0, 0, 0), (5, 0, 0, 0, 0, 0))
    ann, bob, cid, dan, eve, fox = told(found, *(f"school_grade_{name}" for name in columns))
    assert ann == bob == cid == pytest.approx((1, 0.5, 2 / 3, 1 / 3, 1 / 3, 1 / 3))
    assert (dan, fox) == ((9, 0, 0, 0, 0, 0), (5, 0, 0, 0, 0, 0))
    assert eve == (-7, 0, 0, 0, 0, 1)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, {"lacks_demographics": 1, "lacks_status": 1}),
        ({"sex": "female"}, {"is_female": 1, "lacks_demographics": 1, "lacks_status": 1}),
        ({"sex": "male", "race_ethnicity": "white"}, {"lacks_status": 1}),
        ({"sex": "male", "race_ethnicity": "hispanic_or_latino"}, {"is_hispanic": 1, "lacks_status": 1}),
        ({"sex": "male", "race_ethnicity": "two_or_more"}, {"is_other_race": 1, "lacks_status": 1}),
        ({"economically_disadvantaged": "yes", "english_learner": "no"}, {"is_disadvantaged": 1}),
    ],
)
def test_what_is_not_known_of_a_student_is_0_with_a_flag_beside(lake: Scenario, said: Row, expected: Row) -> None:
    found = sample(lake, [score("ann", **said)], [link("ann", "una")])

    flags = ["is_female", "is_black", "is_hispanic", "is_asian", "is_other_race", "is_disadvantaged"]
    flags += ["is_english_learner", "has_disability", "lacks_demographics", "lacks_status", "is_mobile"]
    if "economically_disadvantaged" in said:
        expected = expected | {"lacks_demographics": 1, "lacks_status": 1}
    assert found.select(flags).row(0, named=True) == dict.fromkeys(flags, 0) | expected


def test_experience_is_the_mean_of_the_teachers_whose_experience_is_known_by_weight(lake: Scenario) -> None:
    post = {"position": "teacher", "is_teacher": "yes", "source": "staff_file"}
    experience = {"fay": 10.0, "una": 1.0, "max": 2.0, "new": None}
    lake.write("staff_year", *({"staff_key": name, "experience_years": y} | post for name, y in experience.items()))
    links = [link("ann", "fay", 0.3), link("ann", "una", 0.1), link("ann", "new", 0.6)]
    links += [link("bob", "max"), link("cid", "new"), link("dan", "nowhere")]

    found = sample(lake, [score(name) for name in ("ann", "bob", "cid", "dan")], links)

    columns = ("student_key", "experience_years", "is_novice", "lacks_experience")
    assert sorted(set(told(found, *columns))) == [
        ("ann", pytest.approx(7.75), 0, 0),
        ("bob", 2.0, 1, 0),
        ("cid", 0.0, 0, 1),
        ("dan", 0.0, 0, 1),
    ]


def test_mobile_is_who_was_in_several_schools_in_the_year_under_whatever_key(lake: Scenario) -> None:
    lake.write("person_alias", {"alias_key": "other ann", "person_key": "ann", "person_kind": "student"})
    schools = [("ann", "1", 2015), ("other ann", "2", 2015), ("bob", "1", 2015), ("bob", "1", 2015)]
    schools += [("cid", "1", 2015), ("cid", "2", 2014), ("dan", "1", 2015), ("dan", "3", 2015)]
    lake.write(
        "student_school_association",
        *({"student_key": name, "school_id": school, "school_year": year} for name, school, year in schools),
    )
    names = ("ann", "bob", "cid", "dan")

    found = sample(lake, [score(name) for name in names], [link(name, "una") for name in names])

    assert told(found, "student_key", "is_mobile") == [("ann", 1), ("bob", 0), ("cid", 0), ("dan", 1)]


def test_a_student_who_is_known_by_two_keys_has_one_row_with_the_score_of_before(lake: Scenario) -> None:
    """Ann was tested as `anne` a year ago; the tables before this one know her by one key, and so does this one."""
    lake.write("person_alias", {"alias_key": "anne", "person_key": "ann", "person_kind": "student"})
    test = {"assessment": "LEAP", "subject": "ela", "grade": "05", "administration": "spring", "attempt": 1}
    results = [("anne", 1.0, 2014), ("bob", 3.0, 2014), ("ann", 5.0, 2015), ("bob", 4.0, 2015)]
    lake.write(
        "student_assessment",
        *({"student_key": name, "scale_score": s, "school_year": year} | test for name, s, year in results),
    )
    lake.write("teacher_student_link", link("ann", "fay"), link("bob", "una"))
    for name in ("standard_score", "score_teacher", "student_exposure"):
        lake.run(STEP[name])

    found = lake.run(STEP["achievement_sample"])

    half = 0.5**0.5
    assert told(found, "student_key", "z_score", "prior_z_score") == [
        ("ann", pytest.approx(half), pytest.approx(-half)),
        ("bob", pytest.approx(-half), pytest.approx(half)),
    ]


@pytest.mark.parametrize(("enrollment_share", "dosage"), [(0.8, 0.8), (1.0, 1.0), (1.2, 1.0), (None, 0.5), (0.3, 0.3)])
def test_in_the_full_roster_a_link_weighs_the_time_spent_together_whoever_else_teaches(
    lake: Scenario, enrollment_share: float | None, dosage: float
) -> None:
    one = link("ann", "fay", 0.5, enrollment_share=enrollment_share, contribution_share=0.5)

    found = sample(lake, [score("ann")], [one, link("ann", "una", 0.5)])

    assert told(found, "staff_key", "weight", "dosage") == [("fay", 0.5, dosage), ("una", 0.5, 0.5)]


def test_the_time_spent_together_is_that_of_classes_of_kindred_subjects_too(lake: Scenario) -> None:
    one = {"enrollment_share": 0.9, "contribution_share": 0.5, "subject": "mathematics"}
    links = [link("ann", "fay", 0.45, **one), link("ann", "una", 0.45, **one)]

    found = sample(lake, [score("ann", subject="algebra_1")], links)

    assert told(found, "staff_key", "weight", "dosage") == [("fay", 0.45, 0.9), ("una", 0.45, 0.9)]


def test_students_are_compared_within_state_assessment_grade_and_year(lake: Scenario) -> None:
    other = [{"state": "MO"}, {"assessment": "EOC"}, {"grade": "06"}, {"school_year": 2016}, {"school_id": "2"}]
    scores = [score(f"s{i}x", **said) for i, said in enumerate([{}, *other])]
    same = ("state", "school_year")
    links = [link(s["student_key"], "una", **{n: s[n] for n in same if n in s}) for s in scores]

    found = sample(lake, scores, links)

    assert told(found, "grade_year", "school") == [
        ("LA LEAP 05 2015", "LA 1"),
        ("MO LEAP 05 2015", "MO 1"),
        ("LA EOC 05 2015", "LA 1"),
        ("LA LEAP 06 2015", "LA 1"),
        ("LA LEAP 05 2016", "LA 1"),
        ("LA LEAP 05 2015", "LA 2"),
    ]


def test_whatever_the_links_there_is_one_row_per_student_and_teacher_and_shares_add_up(lake: Scenario) -> None:
    random = np.random.default_rng(5)
    teachers, years = [role["staff_key"] for role in ROLES], (2014, 2015)
    lake.write("program_role", *(role | {"school_year": year} for role in ROLES for year in years))
    scores, links = [], []
    for i in range(120):
        year, subject = years[i % 2], ("ela", "mathematics")[i % 3 == 0]
        scores.append(score(f"s{i // 2}x", school_year=year, subject=subject, grade=f"0{3 + i % 5}"))
        taking = random.choice(teachers, random.integers(1, 5), replace=False)
        for staff, share in zip(taking, random.dirichlet(np.ones(len(taking))), strict=True):
            links.append(link(f"s{i // 2}x", str(staff), float(share), school_year=year, subject=subject))

    found = sample(lake, scores, links)

    assert found.height == len(links) == found.select("student_key", "subject", "school_year", "staff_key").n_unique()
    each = found.group_by("student_key", "subject", "school_year").agg(
        pl.col("is_main_teacher").sum().alias("n_main"),
        (pl.col("weight").sum() - pl.col("linked_share").first()).alias("off"),
        *(
            (pl.col("weight").filter(pl.col("part") == part).sum() - pl.col(f"{part}_share").first()).alias(part)
            for part in ("fellow", "mentee", "former", "applicant")
        ),
    )
    assert len(each) == 120
    assert each["n_main"].to_list() == [1] * 120
    assert each.select(pl.exclude("student_key", "subject", "school_year", "n_main").abs().max()).row(0) == (
        pytest.approx((0,) * 5, abs=1e-9)
    )
