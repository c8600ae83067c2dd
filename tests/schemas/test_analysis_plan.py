"""The analysis plan: what a home adds to it, what is told of its mistakes, and what makes it another plan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from le_pipeline.home import Home
from le_pipeline.line import run
from le_pipeline.privacy.keys import Keys
from schemas.analysis_plan import SHIPPED, AnalysisPlan, covariates_of, load_plan
from schemas.yaml_file import ContractError, load_model

Write = Callable[[str], Path]
OWN = """
covariates:
  little: [prior_z_score, is_female]
specifications:
  mine:
    about: Students of fellows beside others, with little held equal
    design: achievement
    covariates: [little, teacher]
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def put(text: str) -> Path:
        path = tmp_path / "analysis_plan.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return put


def changed(write: Write, old: str, new: str) -> Path:
    assert old in OWN
    return write(OWN.replace(old, new))


def test_a_plan_of_ones_own_adds_to_the_shipped_one_and_may_name_its_groups(write: Write) -> None:
    shipped, plan = load_plan(Path("none")), load_plan(write(OWN))

    assert set(plan.specifications) == {*shipped.specifications, "mine"}
    assert all(plan.hash_of(name) == shipped.hash_of(name) for name in shipped.specifications)
    assert plan.columns(plan.specifications["mine"]) == (
        *("prior_z_score", "is_female"),
        *("experience_years", "is_novice", "lacks_experience"),
    )


def test_the_shipped_plan_holds_equal_what_its_samples_have() -> None:
    plan = load_model(SHIPPED, AnalysisPlan)[0]

    for specification in plan.specifications.values():
        if specification.design != "school":
            assert set(plan.columns(specification)) <= set(covariates_of(specification.design))


DESIGN = "design: achievement\n    covariates: [little, teacher]"
RETENTION = "design: retention\n    covariates: [little]"


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("achievement", "achievements", 5, "specifications.mine: Input tag 'achievements'"),
        ("design", "matching: twins\n    design", 7, "specifications.mine.matching"),
        ("design", "model: logit\n    design", 7, "specifications.mine.model: is not a key that is known here"),
        ("about", "abouts", 5, "specifications.mine.about: is missing"),
        ("  mine:", "  my own:", 1, "a name is made of letters, digits and underscores: my own"),
        ("  mine:", "  mine: {}\n  mine:", 6, "key 'mine' stands twice"),
        (
            "teacher]",
            "teachers]",
            8,
            "specification mine names teachers among its covariates; the plan has the groups prior",
        ),
        (
            "is_female",
            "charm",
            3,
            "specification mine has the covariates charm, by its group little; linked.achievement_s",
        ),
        ("is_female", "years_observed", 3, "specification mine has the covariates years_observed"),
        ("is_female", "grade", 3, "specification mine has the covariates grade"),
        ("is_female", "z_score", 3, "specification mine has the covariates z_score"),
        ("is_female", "fellow_share", 3, "specification mine has the covariates fellow_share"),
        (
            "teacher]",
            "school]",
            8,
            "specification mine has the covariates frpl_share, is_high_poverty, lacks_frpl, by its",
        ),
        (
            DESIGN,
            RETENTION,
            3,
            "specification mine has the covariates prior_z_score, by its group little; linked.retention",
        ),
        (DESIGN, "design: retention\n    matching: full", 5, "specification mine matches teachers on nothing"),
        ("achievement", "school", 5, "a specification of design school takes no covariates"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(write: Write, old: str, new: str, line: int, told: str) -> None:
    with pytest.raises(ContractError) as error:
        load_plan(changed(write, old, new))

    assert str(error.value).startswith(f"analysis_plan.yaml, line {line}: ")
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("text", "line", "name"),
    [
        ("covariates:\n  teacher: [is_novice]\n", 2, "teacher"),
        ("specifications:\n  applicants:\n    about: a\n    design: school\n", 2, "applicants"),
    ],
)
def test_nothing_of_the_shipped_plan_can_be_replaced(write: Write, text: str, line: int, name: str) -> None:
    with pytest.raises(ContractError, match=f"line {line}: {name} is in the shipped plan"):
        load_plan(write(text))


def test_a_specification_is_about_somebody(write: Write) -> None:
    with pytest.raises(ContractError, match=r"populations"):
        load_plan(write("specifications:\n  mine:\n    about: a\n    design: achievement\n    populations: []\n"))


def test_a_run_tells_of_a_mistake_before_it_begins(home: Home, keys: Keys) -> None:
    home.analysis_plan.write_text(OWN.replace("is_female", "charm"), encoding="utf-8")

    with pytest.raises(
        ContractError, match=r"analysis_plan\.yaml, line 3: specification mine has the covariates charm"
    ):
        next(run(home, keys, []))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("is_female", "is_black"),
        (", is_female", ""),
        ("[little, teacher]", "[little]"),
        ("[little, teacher]", "[teacher, little]"),
        ("    design: achievement", "    design: achievement\n    populations: [fellow]"),
        ("    design: achievement", "    design: achievement\n    comparison: applicant"),
        ("    design: achievement", "    design: achievement\n    matching: nearest"),
        ("    design: achievement", "    design: achievement\n    effects: school"),
        ("    design: achievement", "    design: achievement\n    roster: full_roster"),
        ("design: achievement\n    covariates: [little, teacher]", "design: retention\n    covariates: [teacher]"),
    ],
)
def test_whatever_is_declared_makes_it_another_plan(write: Write, old: str, new: str) -> None:
    mine = load_plan(write(OWN)).hash_of("mine")

    assert load_plan(changed(write, old, new)).hash_of("mine") != mine


def test_no_two_specifications_of_retention_or_schools_are_one_plan(write: Write) -> None:
    retention = [
        "model: logit",
        "model: hazard",
        "definition: inclusive",
        "level: lea",
        "level: state",
        "matching: full",
    ]
    retention += ["level: high_poverty_school", "comparison: applicant", "populations: [mentee]", "about: a"]
    school = ["estimator: dosage", "comparison: not_yet_treated", "about: a"]
    declared = [f"design: retention\n    covariates: [school]\n    {said}" for said in retention]
    declared += [f"design: school\n    {said}" for said in school]
    about = [one if "about" in one else f"{one}\n    about: a" for one in declared]

    found = {load_plan(write(f"specifications:\n  mine:\n    {one}\n")).hash_of("mine") for one in about}

    assert len(found) == len(retention) + len(school)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("with little held equal", "with few things held equal"),
        ("    design: achievement", "    design: achievement\n    roster: partial_credit"),
        ("little", "few"),
    ],
)
def test_what_it_is_called_for_readers_does_not(write: Write, old: str, new: str) -> None:
    """What is said of it, a default that is spelled out, and the name of a group are no part of what is estimated."""
    mine = load_plan(write(OWN)).hash_of("mine")

    assert load_plan(changed(write, old, new)).hash_of("mine") == mine


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("    design: achievement\n", "", "lacks the key 'design', which says what it is"),
        ("covariates: [little, teacher]", "covariates: little", "is a list; write it in square brackets"),
    ],
)
def test_a_mistake_of_form_is_told_in_plain_words(write: Write, old: str, new: str, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        load_plan(changed(write, old, new))
