"""retention_survival: how long teachers stay, since when, against whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from le_pipeline.measure.inference.survival import kaplan_meier
from scenario import Row, Scenario
from steps import STEP, told

WHOLE = {"state": "all", "region": "all", "cohort": "all"}
COUNTS = ("years_since_start", "n_at_risk", "n_entered", "n_left", "n_censored")
SINCE = ("fellow_since", "mentee_since", "applied_since")


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def career(name: str, begins: int, *outcomes: str | None, **said: Any) -> list[Row]:
    """A teacher's years from `begins` on; whoever has a `<part>_since` has that part from then on."""
    return [{"staff_key": name, "school_year": begins + i, "outcome": o} | said for i, o in enumerate(outcomes)]


def role_in(row: Row) -> str:
    """The part that counts in the year: fellow before mentee before applicant, each from its first year on."""
    begun = [since.split("_")[0] for since in SINCE if row.get(since) and row[since] <= row["school_year"]]
    return {"applied": "applicant"}.get(begun[0], begun[0]) if begun else "none"


def life_tables(lake: Scenario, *careers: list[Row]) -> pl.DataFrame:
    rows = [row for years in careers for row in years]
    one = {"role": "none", "is_active": False, "poverty_band": "low", "in_high_poverty_school": False, "school_id": "1"}
    ignored = {*SINCE, "experience_years"}
    lake.write(
        "retention_outcome",
        *(one | {"role": role_in(row)} | {k: v for k, v in row.items() if k not in ignored} for row in rows),
    )
    person = ("state", "school_year", "staff_key")
    part = {"is_active": False, "years_until_program": 0, "role": "none"}
    lake.write("program_role", *(part | {k: row[k] for k in (*person, *SINCE) if k in row} for row in rows))
    post = {"position": "teacher", "is_teacher": "yes", "source": "staff_file"}
    lake.write("staff_year", *(post | {k: row[k] for k in (*person, "experience_years") if k in row} for row in rows))
    lake.run(STEP["retention_sample"])
    return lake.run(STEP["retention_survival"])


def table(found: pl.DataFrame, role: str = "none", **where: Any) -> pl.DataFrame:
    """One life table; what is not said is the strict one of the school, over everybody of the role."""
    return found.filter(**({"definition": "strict", "level": "school", "role": role} | WHOLE | where))


def counts(found: pl.DataFrame, role: str = "none", **where: Any) -> list[tuple[int, ...]]:
    return told(table(found, role, **where), *COUNTS)


def test_the_clock_of_a_fellow_starts_in_the_first_year_of_the_fellowship(lake: Scenario) -> None:
    found = life_tables(lake, career("tom", 2013, "stayer", "stayer", "stayer", "leaver", fellow_since=2015))

    assert counts(found, "fellow") == [(1, 1, 1, 0, 0), (2, 1, 0, 1, 0)]
    assert counts(found, "all") == [(1, 1, 1, 0, 0), (2, 1, 0, 0, 0), (3, 1, 0, 0, 0), (4, 1, 0, 1, 0)]


def test_people_without_a_part_count_from_the_first_year_seen_and_are_censored_when_their_part_begins(
    lake: Scenario,
) -> None:
    found = life_tables(
        lake,
        career("tom", 2013, "stayer", "stayer", "stayer", fellow_since=2015),
        career("ann", 2014, "stayer", "leaver"),
    )

    assert counts(found, "none") == [(1, 2, 2, 0, 0), (2, 2, 0, 1, 1)]


def test_whoever_has_two_parts_counts_in_each_from_its_own_start_and_once_in_all(lake: Scenario) -> None:
    said = {"applied_since": 2013, "mentee_since": 2014, "fellow_since": 2016}
    found = life_tables(lake, career("tom", 2013, *["stayer"] * 4, **said))

    assert counts(found, "applicant") == [(1, 1, 1, 0, 1)]
    assert counts(found, "mentee") == [(1, 1, 1, 0, 0), (2, 1, 0, 0, 0), (3, 1, 0, 0, 1)]
    assert counts(found, "fellow") == [(1, 1, 1, 0, 1)]
    assert counts(found, "all")[0] == (1, 1, 1, 0, 0)
    assert counts(found, "none") == []


def test_a_year_whose_end_nobody_has_seen_is_no_year_at_risk(lake: Scenario) -> None:
    found = life_tables(lake, career("tom", 2015, "stayer", None), career("ann", 2016, None))

    assert counts(found) == [(1, 1, 1, 0, 1)]


def test_who_has_left_once_is_not_at_risk_again(lake: Scenario) -> None:
    found = life_tables(
        lake,
        career("tom", 2013, "leaver") + career("tom", 2015, "stayer", "leaver"),
        career("ann", 2013, "mover_within_lea", "stayer", "stayer"),
    )

    assert counts(found) == [(1, 2, 2, 2, 0)]
    assert counts(found, level="lea") == [(1, 2, 2, 1, 0), (2, 1, 0, 0, 0), (3, 1, 0, 0, 1)]


def test_after_a_gap_in_the_files_people_are_censored(lake: Scenario) -> None:
    found = life_tables(lake, career("tom", 2013, "stayer", None) + career("tom", 2016, "leaver"))

    assert counts(found) == [(1, 1, 1, 0, 1)]


def test_who_started_before_the_first_file_enters_late(lake: Scenario) -> None:
    found = life_tables(
        lake,
        career("tom", 2015, "stayer", "leaver", fellow_since=2013),
        career("ann", 2015, "stayer", "stayer", "leaver", fellow_since=2015),
        career("eve", 2015, "stayer", "stayer", fellow_since=2014, state="MO"),
    )

    assert counts(found, "fellow") == [(1, 1, 1, 0, 0), (2, 2, 1, 0, 0), (3, 3, 1, 1, 1), (4, 1, 0, 1, 0)]
    assert table(found, "fellow")["survival_share"].to_list() == [1, 1, pytest.approx(2 / 3), 0]
    late = table(found, "fellow", state="MO")
    assert late["hazard"].to_list() == [0, 0]
    assert late["survival_share"].to_list() == [None, None]


def test_a_year_in_which_nobody_was_at_risk_is_no_row_and_survival_ends_before_it(lake: Scenario) -> None:
    found = life_tables(
        lake,
        career("tom", 2015, "stayer", fellow_since=2015),
        career("ann", 2015, "stayer", fellow_since=2013),
    )

    assert counts(found, "fellow") == [(1, 1, 1, 0, 1), (3, 1, 1, 0, 1)]
    assert table(found, "fellow")["survival_share"].to_list() == [1, None]


def test_who_is_promoted_is_retained_under_the_inclusive_definition_and_not_followed_further(lake: Scenario) -> None:
    found = life_tables(lake, career("tom", 2015, "promoted_within"))

    assert counts(found, definition="strict") == [(1, 1, 1, 1, 0)]
    assert counts(found, definition="inclusive") == [(1, 1, 1, 0, 1)]


def test_high_poverty_schools_are_followed_for_those_who_start_in_one(lake: Scenario) -> None:
    there: Row = {"in_high_poverty_school": True, "poverty_band": "high"}
    found = life_tables(
        lake,
        career("tom", 2014, "mover_out_of_lea", "stayer", next_in_high_poverty_school=True, **there),
        career("ann", 2014, "stayer", next_in_high_poverty_school=False, **there),
        career("eve", 2014, "stayer", next_in_high_poverty_school=None, **there),
        career("joe", 2014, "stayer", next_in_high_poverty_school=True),
    )

    assert counts(found, level="high_poverty_school") == [(1, 2, 2, 1, 0), (2, 1, 0, 0, 1)]


def test_every_dimension_has_its_values_and_all_of_them_together(lake: Scenario) -> None:
    found = life_tables(
        lake,
        career("tom", 2015, "stayer", fellow_since=2015, region="North", cohort="1"),
        career("ann", 2015, "stayer", fellow_since=2015, region="South", cohort="1", state="MO"),
        career("eve", 2015, "stayer", region="North"),
    ).filter(definition="strict", level="school")

    cells = {row[:-1]: row[-1] for row in told(found, "state", "role", "region", "cohort", "n_at_risk")}
    assert cells["all", "fellow", "all", "1"] == 2
    assert cells["all", "fellow", "North", "1"] == cells["LA", "fellow", "all", "all"] == 1
    assert cells["all", "all", "North", "all"] == 2
    assert cells["LA", "none", "North", "all"] == 1
    assert ("MO", "fellow", "North", "all") not in cells
    assert {region for _, _, region, _ in cells} == {"all", "North", "South"}
    assert {cohort for _, role, _, cohort in cells if role == "none"} == {"all"}


def test_survival_is_the_product_of_the_years_and_each_part_stands_beside_people_without_one(lake: Scenario) -> None:
    found = life_tables(
        lake,
        *(career(f"f{i}", 2014, "stayer", "stayer", fellow_since=2014, experience_years=9.0) for i in range(3)),
        career("f3", 2014, "stayer", "leaver", fellow_since=2014),
        *(career(f"n{i}", 2014, "stayer", "stayer", experience_years=1.0 + i) for i in range(2)),
        *(career(f"n{i}", 2014, "leaver", experience_years=4.0) for i in range(2, 4)),
        career("m1", 2014, "stayer", state="MO"),
    )

    rows = table(found, "fellow", state="LA")
    assert rows["survival_share"].to_list() == [1, 0.75]
    assert rows["comparison_n_at_risk"].to_list() == [4, 2]
    assert rows["comparison_survival_share"].to_list() == [0.5, 0.5]
    assert rows["survival_difference_percentage_points"].to_list() == [50, 25]
    assert rows["start_experience_years"].to_list() == [9, 9]
    assert rows["comparison_start_experience_years"].to_list() == [2.75, 1.5]
    assert rows["survival_difference_standard_error"].to_list() == [None, None]  # all of them are in one school
    for role in ("none", "all"):
        assert table(found, role)["comparison_n_at_risk"].null_count() == table(found, role).height


def teachers(seed: int, people: int = 300) -> list[list[Row]]:
    random = np.random.default_rng(seed)
    made = []
    for i in range(people):
        begins, years = int(random.integers(2012, 2016)), int(random.integers(1, 5))
        school, is_fellow = int(random.integers(0, 12)), random.random() < 0.3
        stays = 0.6 + 0.1 * is_fellow + 0.02 * school
        outcomes = ["stayer" if random.random() < stays else "leaver" for _ in range(years)]
        until = outcomes.index("leaver") + 1 if "leaver" in outcomes else years
        since = {"fellow_since": begins - int(random.integers(0, 2) * (seed % 2))} if is_fellow else {}
        said = {"school_id": str(school), "state": ("LA", "MO")[school % 2]}
        made.append(career(f"t{i}x", begins, *outcomes[:until], **said, **since))
    return made


@pytest.mark.parametrize("seed", range(4))
def test_from_year_to_year_nobody_is_lost_and_the_curve_is_kaplan_meiers(lake: Scenario, seed: int) -> None:
    careers = teachers(seed)

    found = life_tables(lake, *careers)

    for cell in found.partition_by("state", "definition", "level", "role", "region", "cohort"):
        carried = cell["n_at_risk"] - cell["n_left"] - cell["n_censored"]
        assert (cell["n_at_risk"] - cell["n_entered"]).to_list() == [0, *carried.to_list()[:-1]]
        assert carried[-1] == 0
    fellows = [years for years in careers if "fellow_since" in years[0]]
    start = [years[0]["school_year"] - years[0]["fellow_since"] for years in fellows]
    ends = [s + len(years) for s, years in zip(start, fellows, strict=True)]
    curve = kaplan_meier(ends, [years[-1]["outcome"] == "leaver" for years in fellows], start)
    rows = table(found, "fellow").filter(pl.col("n_left") > 0)
    for name in ("n_at_risk", "survival_share", "standard_error", "ci_low", "ci_high"):
        assert rows[name].to_list() == pytest.approx(curve[name].to_list(), abs=1e-12), name


def test_in_the_first_year_difference_and_error_are_those_of_teacher_retention(lake: Scenario) -> None:
    careers = [years[:1] for years in teachers(6)]
    same_year = [
        [row | {"school_year": 2014} | ({"fellow_since": 2014} if "fellow_since" in row else {}) for row in years]
        for years in careers
    ]

    found = life_tables(lake, *same_year)
    other = lake.run(STEP["teacher_retention"]).filter(poverty_band="all", definition="strict", level="school")

    for state in ("all", "LA", "MO"):
        (row,) = table(found, "fellow", state=state).to_dicts()
        (same,) = other.filter(state=state, role="fellow", region="all", cohort="all").to_dicts()
        assert row["survival_share"] == pytest.approx(same["retention_share"])
        assert row["n_clusters"] == same["n_clusters"]
        for end in ("percentage_points", "standard_error", "ci_low", "ci_high"):
            assert row[f"survival_difference_{end}"] == pytest.approx(same[f"risk_difference_{end}"], abs=1e-10)


def test_the_error_of_a_later_difference_is_near_that_of_leaving_out_one_school_after_another(lake: Scenario) -> None:
    careers = teachers(8, people=1500)
    found = table(life_tables(lake, *careers), "fellow").to_dicts()

    schools = sorted({years[0]["school_id"] for years in careers})
    left_out = []
    for school in schools:
        rest = [years for years in careers if years[0]["school_id"] != school]
        left_out.append(table(life_tables(lake, *rest), "fellow")["survival_difference_percentage_points"].to_numpy())
    jackknife = np.sqrt((len(schools) - 1) * np.var(left_out, axis=0))
    assert len(found) == 4
    for row, expected in zip(found, jackknife, strict=True):
        assert row["survival_difference_standard_error"] == pytest.approx(expected, rel=0.1)
