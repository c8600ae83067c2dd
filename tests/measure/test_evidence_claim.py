"""evidence_claim: what is claimed in public is held against the estimate that would support it best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from scipy import stats
from typer.testing import CliRunner, Result

from le_pipeline import line
from le_pipeline.cli import app
from le_pipeline.errors import QueryError
from le_pipeline.privacy.keys import Keys
from le_pipeline.warehouse import ddl
from scenario import Row, Scenario
from schemas import registry
from schemas.yaml_file import ContractError
from steps import STEP

CLAIM = STEP["evidence_claim"]
COUNTS = ("n_cells", "n_cells_supporting", "n_cells_positive", "n_cells_negative", "n_cells_null")
MENTEES = {"outcome": "achievement", "population": "mentee", "subject": "mathematics", "region": "all", "period": "all"}


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def effect(size: float | None, error: float | None = 0.02, **said: Any) -> Row:
    """A row of program_impact: a large sample at many schools, with an error of very many degrees of freedom."""
    known = size is not None and error is not None
    p = float(2 * stats.norm.sf(abs(size / error))) if known else None  # type: ignore[operator]
    return (
        MENTEES
        | {"specification": "all_teachers", "estimate": size, "estimate_unit": "student_sd", "standard_error": error}
        | {"ci_low": size - 1.96 * error if known else None, "ci_high": size + 1.96 * error if known else None}  # type: ignore[operator]
        | {"p_value": p, "degrees_of_freedom": 1e6, "error_kind": "CR1", "effect_size": size}
        | {"is_most_conservative": False, "n": 2000, "n_treated": 500, "n_schools": 40, "n_treated_schools": 9}
        | {"baseline_equivalence": "satisfied", "covariates": "prior_z_score", "comparison_mean": 0.0}
        | {"specification_hash": "a1", "plan_status": "planned"}
        | said
    )


def retention(points: float, error: float, **said: Any) -> Row:
    """A row of program_impact on retention in high-poverty schools, where 80 percent of others are retained."""
    outcome = {"outcome": "retained_in_high_poverty_school", "subject": "all", "estimate_unit": "percentage_points"}
    row = effect(points, error, comparison_mean=80.0, effect_size=0.2, population="fellow")
    return row | outcome | {"specification": "retained_in_high_poverty_school"} | said


def growth(gain: float, error: float | None, role: str = "fellow", **said: Any) -> Row:
    """A row of student_growth; of others, who gain 1 point with an error of 0.3, the error is in their own row."""
    common = {"region": "North", "subject": "ela", "n": 300, "n_teachers": 41, "n_without_prior": 0}
    own = {"percentile_rank_gain": gain, "percentile_rank_gain_standard_error": error}
    beside = {"comparison_n": 900, "n_comparison_teachers": 61, "comparison_percentile_rank_gain": 1.0}
    return common | own | {"role": role} | (beside if role != "none" else {"n": 900, "n_teachers": 61}) | said


def closed(share: float | None, error: float | None = 0.02, **said: Any) -> Row:
    known = share is not None and error is not None
    return (
        {"region": "all", "role": "fellow", "school_year": 2016, "subject": "mathematics", "grade_band": "all"}
        | {"benchmark": "act_college_readiness", "benchmark_share": 0.4, "benchmark_source": "a report"}
        | {"benchmark_confidence": "source", "n": 500, "n_teachers": 20, "closed_share": share}
        | {"standard_error": error, "ci_low": share - 1.96 * error if known else None}  # type: ignore[operator]
        | {"ci_high": share + 1.96 * error if known else None}  # type: ignore[operator]
        | {"comparison_n": 900, "comparison_closed_share": 0.21}
        | said
    )


def claim(lake: Scenario, name: str) -> Row:
    return lake.run(CLAIM).row(by_predicate=pl.col("claim") == name, named=True)


def impact(lake: Scenario, *rows: Row) -> Row:
    return claim(lake.write("program_impact", *rows), "mentee_mathematics")


# -- verdicts: 2 percentiles are an effect of 0.0502 ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "verdict", "is_claimed_in_interval"),
    [
        (effect(0.06, 0.01), "supported", True),
        (effect(0.30, 0.01), "supported", False),  # more than the 3 claimed
        (effect(0.04, 0.01), "partly_supported", True),
        (effect(0.03, 0.005), "partly_supported", False),
        (effect(0.06, 0.04), "unsupported", True),
        (effect(0.00, 0.01), "unsupported", False),
        (effect(0.01, 0.01), "unsupported", False),
        (effect(-0.06, 0.01), "contradicted", False),
        (effect(0.06, None), "unsupported", None),
        (effect(None, None, null_reason="too_few_treated"), "not_measured", None),
    ],
)
def test_a_claim_is_supported_where_the_estimate_reaches_it_and_the_interval_excludes_0(
    lake: Scenario, row: Row, verdict: str, is_claimed_in_interval: bool | None
) -> None:
    found = impact(lake, row)

    assert (found["verdict"], found["is_claimed_in_interval"]) == (verdict, is_claimed_in_interval)


def test_an_effect_is_told_as_the_rank_of_the_median_student_with_its_interval(lake: Scenario) -> None:
    found = impact(lake, effect(0.3, 0.05))

    expected = [100 * (stats.norm.cdf(d) - 0.5) for d in (0.3, 0.3 - 0.098, 0.3 + 0.098)]
    assert [found[name] for name in ("estimate", "ci_low", "ci_high")] == pytest.approx(expected)
    assert found["standard_error"] == pytest.approx(100 * stats.norm.pdf(0.3) * 0.05)
    assert found["minimum_detectable_effect"] == pytest.approx(100 * (stats.norm.cdf(2.80159 * 0.05) - 0.5), rel=1e-4)
    assert (found["unit"], found["effect_size"]) == ("percentile points", 0.3)
    assert found["rests_on"] == (
        "marts.program_impact, improvement_index: outcome achievement, population mentee, state LA, region all,"
        " subject mathematics, period all, specification all_teachers"
    )


def test_a_specification_that_was_declared_afterwards_is_told_as_such(lake: Scenario) -> None:
    late = impact(lake, effect(0.06, 0.01, plan_status="exploratory"))

    assert "Its specification was declared after estimates had been seen (exploratory)." in late["says"]
    assert "exploratory" not in impact(lake, effect(0.06, 0.01))["says"]


def test_retention_is_told_against_that_of_the_comparison_group(lake: Scenario) -> None:
    found = claim(lake.write("program_impact", retention(12, 2)), "high_poverty_retention")

    assert (found["verdict"], found["unit"]) == ("supported", "percent")
    assert [found[name] for name in ("estimate", "ci_low", "ci_high")] == pytest.approx([15, 10.1, 19.9])


def test_what_is_said_has_the_figures_and_what_the_data_could_have_shown(lake: Scenario) -> None:
    found = impact(lake, effect(0.06, 0.04))

    assert found["says"] == (
        "The one cell (achievement, mentee, LA, mathematics, all_teachers): 2.4 percentile points (95 percent"
        " interval -0.7 to 5.5), effect converted to a rank of the median comparison student, not measured; n 2,000."
        " Its interval holds 0, so it does not support the claimed 2.0 to 3.0. From 4.5 percentile points on it would"
        " have been found with a probability of 0.8. Beside it, measured gain in percentile rank less that of students"
        " of other teachers: no estimate."
    )


# -- a maximum is never alone --------------------------------------------------------------------------------------


def regions(lake: Scenario, *gains: tuple[float, float]) -> Row:
    cells = [(growth(gain, error), f"R{i}") for i, (gain, error) in enumerate(gains)]
    rows = [row | {"region": region} for row, region in cells]
    others = [growth(1.0, 0.3, "none", region=region) for _, region in cells]
    return claim(lake.write("student_growth", *rows, *others), "percentile_rank_gain")


def test_the_largest_of_many_stands_beside_the_number_of_those_that_do_not_and_go_the_other_way(lake: Scenario) -> None:
    found = regions(lake, (13, 1), (5, 1), (1, 1), (2, 1), (-4, 1))

    assert (found["verdict"], found["estimate"]) == ("supported", 12)
    assert [found[name] for name in COUNTS] == [5, 1, 2, 1, 2]
    assert "Best of 5 cells" in found["says"]
    assert "Of 5 intervals 2 lie above 0, 1 below, 2 hold it. Chance alone would put 0.125 above 0." in found["says"]
    assert "It describes groups and shows no effect of the programme." in found["says"]
    assert (found["essa_tier"], found["why_not_higher"], found["is_cluster_corrected"]) == (None, None, True)


def test_a_cell_that_is_certain_supports_a_claim_better_than_a_larger_one_that_is_not(lake: Scenario) -> None:
    found = regions(lake, (25, 30), (12, 0.4))

    assert (found["verdict"], found["estimate"]) == ("supported", 11)
    assert "R1" in found["rests_on"]


def test_one_in_twenty_that_excludes_0_is_what_chance_gives(lake: Scenario) -> None:
    alone = regions(lake, (12, 4.8))
    among = regions(lake, (12, 4.8), *((1, 4.8) for _ in range(19)))

    assert (alone["verdict"], among["verdict"]) == ("supported", "unsupported")
    assert alone["p_value"] == among["p_value"] < 0.05 < among["adjusted_p_value"]
    p = among["adjusted_p_value"]
    assert f"Its own interval excludes 0; its test among all 20 cells does not (p {p:.2g})." in among["says"]
    assert (among["n_cells_supporting"], among["n_cells_positive"]) == (1, 1)


def test_a_measured_gain_is_a_difference_with_the_errors_of_both_groups(lake: Scenario) -> None:
    found = regions(lake, (12, 0.4))

    assert (found["estimate"], found["standard_error"]) == (11, pytest.approx(0.5))
    half = stats.t.ppf(0.975, 40) * 0.5  # the fewer teachers, less 1
    assert (found["ci_low"], found["ci_high"]) == (pytest.approx(11 - half), pytest.approx(11 + half))
    assert found["p_value"] == pytest.approx(2 * stats.t.sf(22, 40))
    assert found["n"] == 1200


def test_whole_states_and_all_regions_together_are_no_cell_of_a_claim_about_some(lake: Scenario) -> None:
    rows = [growth(20, 0.4, region="all"), growth(20, 0.4, state="all"), growth(20, 0.4, role="all"), growth(2, 0.4)]
    others = [growth(1, 0.3, "none"), growth(1, 0.3, "none", region="all"), growth(1, 0.3, "none", state="all")]

    found = claim(lake.write("student_growth", *rows, *others), "percentile_rank_gain")

    assert (found["n_cells"], found["estimate"]) == (1, 1)


def test_measured_and_converted_gains_are_told_apart_side_by_side(lake: Scenario) -> None:
    lake.write("program_impact", effect(0.10, 0.01, region="North", period="2015", population="fellow"))

    found = regions(lake, (12, 0.4))

    assert "measured gain in percentile rank" in found["says"]
    assert "Beside it, effect converted to a rank of the median comparison student, not measured: 4.0" in found["says"]


def test_what_the_most_conservative_specification_does_not_show_is_supported_in_part(lake: Scenario) -> None:
    rows = (effect(0.09, 0.01), effect(0.02, 0.02, specification="applicants", is_most_conservative=True))
    found = impact(lake, *rows)

    assert (found["verdict"], found["n_cells"], found["n_cells_supporting"]) == ("partly_supported", 2, 1)
    assert "though not by the most conservative specification." in found["says"]
    low, high = (100 * (stats.norm.cdf(d) - 0.5) for d in (0.02 - 0.0392, 0.02 + 0.0392))
    assert found["most_conservative_estimate"] == pytest.approx(100 * (stats.norm.cdf(0.02) - 0.5))
    assert (found["most_conservative_ci_low"], found["most_conservative_ci_high"]) == pytest.approx((low, high))
    assert "By the most conservative specification, applicants: 0.8 percentile points" in found["says"]


def test_the_claim_about_louisiana_is_judged_by_the_most_conservative_specification_alone(lake: Scenario) -> None:
    rows = (effect(0.40, 0.01), effect(0.02, 0.02, specification="applicants", is_most_conservative=True))

    found = claim(lake.write("program_impact", *rows), "louisiana_gain")

    assert (found["verdict"], found["n_cells"]) == ("unsupported", 1)
    assert "applicants" in found["rests_on"]


# -- counts, closure, and what no table measures -------------------------------------------------------------------


def test_a_count_is_of_people_each_once_over_all_years_and_says_the_largest_year(lake: Scenario) -> None:
    fellows = [(f"f{i}x", year) for year in (2015, 2016) for i in range(600 if year == 2015 else 701)]
    role = {"role": "fellow", "is_active": True}
    lake.write("program_role", *({"staff_key": name, "school_year": year} | role for name, year in fellows))
    reach = {"state": "all", "region": "all", "n_mentees": 0, "n_students": 0, "n_schools": 9}
    reach |= {"n_high_poverty_schools": 0}
    years = ((2015, 600), (2016, 701))
    lake.write(
        "program_reach",
        *({"school_year": year, "n_fellows": n, "n_teachers_supported": n} | reach for year, n in years),
    )

    leaders, teachers = claim(lake, "teacher_leaders"), claim(lake, "teachers_reached")

    assert (leaders["verdict"], leaders["estimate"], leaders["unit"]) == ("supported", 701, "people")
    assert leaders["says"] == (
        "701 people, fellows, each once; n 701. That reaches the claimed 700; who is in no delivered file is not"
        " counted. Beside it, fellows, each once: 701 people, best of 2 cells (2016)."
    )
    assert (teachers["verdict"], teachers["estimate"]) == ("unsupported", 701)
    assert (teachers["essa_tier"], teachers["is_cluster_corrected"]) == (None, None)


def test_students_are_counted_once_whoever_teaches_them(lake: Scenario) -> None:
    active = {"role": "fellow", "is_active": True}
    lake.write(
        "program_role",
        {"staff_key": "ann", "school_year": 2015} | active,
        {"staff_key": "ann", "school_year": 2016} | active,
        {"staff_key": "bob", "school_year": 2016, "role": "fellow", "is_active": False},
    )
    link = {"source": "roster", "subject": "ela", "weight": 1.0, "raw_weight": 1.0}
    lake.write(
        "teacher_student_link",
        *({"student_key": name, "staff_key": "ann", "school_year": 2015} | link for name in "xy"),
        {"student_key": "x", "staff_key": "ann", "school_year": 2016} | link,
        {"student_key": "z", "staff_key": "ann", "school_year": 2016, "excluded_reason": "no_share"} | link,
        {"student_key": "z", "staff_key": "bob", "school_year": 2016} | link,
    )

    assert claim(lake, "students_reached")["estimate"] == 2


def test_the_share_closed_is_told_beside_that_of_students_of_other_teachers(lake: Scenario) -> None:
    found = claim(lake.write("benchmark_gap", closed(0.26), closed(0.30, school_year=2015)), "mathematics_gap_closed")

    assert (found["verdict"], found["estimate"], found["n_cells"]) == ("supported", 0.26, 1)
    assert "26.0 percent of the distance" in found["says"]
    assert "Students of other teachers closed 21.0 percent of the distance." in found["says"]


def test_without_an_interval_a_share_closed_does_not_support_a_claim(lake: Scenario) -> None:
    found = claim(lake.write("benchmark_gap", closed(0.4, None)), "mathematics_gap_closed")

    assert found["verdict"] == "unsupported"
    assert "It has no interval, so it does not support the claimed 25.0." in found["says"]


def test_every_claim_is_a_row_also_where_no_table_measures_it(lake: Scenario) -> None:
    found = lake.run(CLAIM)

    assert found.height == 10
    assert set(found["verdict"]) == {"not_measured"}
    skills = claim(lake, "leadership_skills")
    assert (skills["says"], skills["estimate"]) == ("Not measured: no table measures leadership skills yet.", None)
    assert claim(lake, "louisiana_gain")["says"].startswith("Not measured: these data have no such rows.")


# -- tiers ---------------------------------------------------------------------------------------------------------


def test_an_effect_with_equivalent_groups_carries_tier_2_which_is_the_ceiling(lake: Scenario) -> None:
    found = impact(lake, effect(0.06, 0.01))

    assert (found["essa_tier"], found["why_not_higher"]) == (2, "who takes part was not drawn by lot")
    assert (found["baseline_equivalence"], found["n_sites"], found["is_cluster_corrected"]) == ("satisfied", 9, True)


def test_the_tier_is_that_of_the_most_conservative_specification(lake: Scenario) -> None:
    cautious = {"specification": "applicants", "is_most_conservative": True, "n": 90, "baseline_equivalence": None}

    found = impact(lake, effect(0.09, 0.01), effect(0.06, 0.02, **cautious))

    assert (found["verdict"], found["essa_tier"]) == ("supported", 3)
    assert found["why_not_higher"] == "baseline equivalence is not known; the sample has 90 people, under 350"


def test_a_significant_negative_effect_elsewhere_overrides_a_tier(lake: Scenario) -> None:
    elsewhere = effect(-0.2, 0.01, state="MO", region="West", period="2015")
    other_subject = effect(-0.2, 0.01, subject="ela")

    assert impact(lake, effect(0.06, 0.01), other_subject)["essa_tier"] == 2
    found = impact(lake, effect(0.06, 0.01), other_subject, elsewhere)
    assert (found["essa_tier"], found["verdict"]) == (None, "supported")
    assert found["why_not_higher"] == "1 estimate of the same outcome is significantly negative"


def test_with_few_clusters_an_effect_is_significant_where_the_bootstrap_says_so_too(lake: Scenario) -> None:
    found = impact(lake, effect(0.06, 0.01, wild_bootstrap_p_value=0.2))

    assert (found["verdict"], found["p_value"], found["essa_tier"]) == ("unsupported", 0.2, None)
    assert "Its own interval excludes 0; its test does not (p 0.2)." in found["says"]


def test_a_claim_that_names_its_rationale_carries_tier_4_without_an_effect(lake: Scenario) -> None:
    own(lake, rationale="The logic model of 2024")
    lake.write("program_impact", effect(0.0, 0.01, population="fellow"))

    found = claim(lake, "mine")

    assert (found["essa_tier"], found["why_not_higher"]) == (4, "the effect is not significant and positive")


# -- claims of one's own -------------------------------------------------------------------------------------------

MINE = """\
claims:
  mine:
    words: Fellows' students gain a twentieth of a standard deviation
    source: A brochure
    kind: causal
    claimed: 0.05
    rests_on:
      table: program_impact
      figure: effect_size
      where: {outcome: achievement, population: fellow, region: all, period: all}
      each: [state, subject, specification]
"""


def own(lake: Scenario, text: str = MINE, **more: str) -> None:
    added = "".join(f"    {name}: {value}\n" for name, value in more.items())
    lake.home.evidence_claims.write_text(text + added, encoding="utf-8")


def test_a_home_adds_claims_of_its_own_and_the_table_is_made_anew(lake: Scenario) -> None:
    lake.write("program_impact", effect(0.07, 0.01, population="fellow"))
    assert lake.run(CLAIM).height == 10

    own(lake)

    found = claim(lake, "mine")
    assert (found["verdict"], found["estimate"]) == ("supported", pytest.approx(0.07))
    assert lake.run(CLAIM).height == 11


@pytest.mark.parametrize(
    ("instead", "by", "said"),
    [
        ("kind: causal", "kind: causl", "line 5: claims.mine.kind: Input should be 'count', 'comparison' or 'causal'"),
        ("    words:", "    text:", "line 3: claims.mine.text: is not a key that is known here"),
        ("figure: effect_size", "figure: gain", "line 7: claims.mine.rests_on: program_impact has the figures"),
        ("region: all, ", "", "line 7: claims.mine.rests_on: says not, or twice, which region: name it under where"),
        ("[state,", "[role, state,", "line 7: claims.mine.rests_on: program_impact has no role to choose by"),
        ("population: fellow", "population: fellows", "rests_on: population is never fellows, but one of fellow"),
        ("claimed: 0.05", "claimed: 0", "line 2: claims.mine: claimed: must be given, as a number above 0"),
        ("kind: causal", "kind: comparison", "line 2: claims.mine: a comparison claim cannot rest on program_impact"),
        ("  mine:", "  louisiana_gain:", "line 2: claims.louisiana_gain: is a claim already; give yours another name"),
    ],
)
def test_a_mistake_in_a_claim_is_told_with_file_line_and_key(lake: Scenario, instead: str, by: str, said: str) -> None:
    own(lake, MINE.replace(instead, by))

    with pytest.raises(ContractError, match=r"evidence_claims\.yaml, line") as told_so:
        lake.run(CLAIM)
    assert said in str(told_so.value)


def test_a_mistake_is_told_before_a_run_does_any_work(lake: Scenario, keys: Keys) -> None:
    own(lake, MINE.replace("kind: causal", "kind: count"))

    with pytest.raises(ContractError, match="a count claim cannot rest on program_impact"):
        next(line.run(lake.home, keys, []))


# -- the same in every run -----------------------------------------------------------------------------------------


def test_the_order_of_rows_is_of_no_effect(lake: Scenario, tmp_path: Path) -> None:
    rows = [effect(0.06, 0.01, specification=name) for name in ("b", "a", "c")] + [effect(-0.1, 0.01, state="MO")]
    other = Scenario(tmp_path / "other").write("program_impact", *reversed(rows))

    found = lake.write("program_impact", *rows).run(CLAIM)

    assert other.run(CLAIM).equals(found)
    mentees = found.filter(claim="mentee_mathematics").select("verdict", "n_cells", "rests_on").rows()
    assert [(verdict, cells, key[-15:]) for verdict, cells, key in mentees] == [("supported", 4, "specification a")]


# -- le evidence ---------------------------------------------------------------------------------------------------


def warehouse(lake: Scenario) -> Path:
    path = lake.home.warehouse
    with duckdb.connect(path) as con:
        con.execute("create schema marts")
        for statement in ddl.create_table(CLAIM.table):
            con.execute(statement)
        con.register("claims", lake.run(CLAIM).to_arrow())
        con.execute("insert into marts.evidence_claim select * from claims")
    return path


def le_evidence(path: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["evidence", *words, "--home", str(path)], catch_exceptions=False)


def test_the_command_tells_a_claim_its_figures_and_its_tier_in_a_hundred_columns(lake: Scenario) -> None:
    rows = (effect(0.09, 0.01), effect(0.02, 0.02, specification="applicants", is_most_conservative=True))
    said = le_evidence(warehouse(lake.write("program_impact", *rows)), "--claim", "mentee_mathematics").stdout

    assert said.splitlines()[:11] == [
        "mentee_mathematics" + " " * 66 + "PARTLY SUPPORTED",
        "  “Students of mentored teachers gain 2 or 3 percentiles in mathematics in a year”",
        "  claimed     2 to 3 percentile points (causal)",
        "  found       3.59 percentile points, 95 percent interval 2.81 to 4.36; n 2,000, 9 treated schools",
        "  rests on    marts.program_impact, improvement_index: outcome achievement, population mentee, state",
        "              LA, region all, subject mathematics, period all, specification all_teachers",
        "  cells       2 in all; would support the claim: 1; above 0: 1, below: 0, holding 0: 1",
        "  cautious    0.798 percentile points, 95 percent interval -0.766 to 2.36",
        "  ESSA tier   none: the effect is not significant and positive; the claim names no rationale (a",
        "              logic model)",
        "  Best of 2 cells (achievement, mentee, LA, mathematics, all_teachers): 3.6 percentile points (95",
    ]
    assert max(map(len, said.splitlines())) <= 100


def test_the_command_tells_every_claim_those_that_are_not_measured_too(lake: Scenario) -> None:
    said = le_evidence(warehouse(lake)).stdout

    assert [line.split()[0] for line in said.splitlines() if line.endswith("NOT MEASURED")] == sorted(
        lake.run(CLAIM)["claim"]
    )
    assert max(map(len, said.splitlines())) <= 100


def test_an_unknown_claim_and_a_warehouse_without_the_table_are_told_plainly(lake: Scenario, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="there is no claim 'x'; there are high_poverty_retention, leadership_skills"):
        le_evidence(warehouse(lake), "--claim", "x")
    duckdb.connect(tmp_path / "old.duckdb").close()
    with pytest.raises(QueryError, match=r"the warehouse has no marts\.evidence_claim; `le run` makes it"):
        le_evidence(tmp_path / "old.duckdb")


def test_every_claim_is_sourced_and_its_columns_are_those_of_the_contract() -> None:
    assert CLAIM.table is registry.tables()["evidence_claim"]
    assert set(CLAIM.inputs) >= {"marts.program_impact", "marts.student_growth", "marts.benchmark_gap"}
