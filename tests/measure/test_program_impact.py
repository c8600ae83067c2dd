"""program_impact: every declared effect, judged, and held against what had been declared before anybody looked."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from le_pipeline.errors import ChainError
from le_pipeline.measure.plan_ledger import PlanLedger
from le_pipeline.measure.program_impact import CELL
from pupils import classes, pupil, with_prior
from scenario import Row, Scenario
from schemas import analysis_plan, registry
from schemas.analysis_plan import AchievementSpecification, AnalysisPlan, load_plan
from schemas.yaml_file import ContractError
from steps import STEP

RETENTION = registry.tables()["retention_sample"]
KEYS = ("student_key", "staff_key", "teacher_key")
OWN = """
covariates:
  little: [prior_z_score]
  none_before: [is_female]
  aged: [experience_years]
  ageless: [is_female]
specifications:
  mine:
    about: Little held equal
    design: achievement
    covariates: [little]
"""


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def own(lake: Scenario, text: str) -> Scenario:
    lake.home.analysis_plan.write_text(text, encoding="utf-8")
    return lake


def impact(lake: Scenario, rows: Iterable[Row], retention: Iterable[Row] = ()) -> pl.DataFrame:
    lake.write("achievement_sample", *(row | {"region": None} for row in rows))
    lake.write("retention_sample", *retention)
    return lake.run(STEP["program_impact"])


def a_pair(year: int, state: str = "LA") -> list[Row]:
    """A fellow and another teacher: enough for a row of every specification, and for no estimate."""
    return [
        pupil(f"{part}{year}{state}x", f"{part}x", f"{state} 1", part=part, z_score=0.0, school_year=year, state=state)
        | with_prior(0.5)
        for part in ("fellow", "none")
    ]


def teachers(seed: int, parts: dict[str, int]) -> list[Row]:
    """Rows of linked.retention_sample; fellows are a fifth of a standard deviation more experienced."""
    random = np.random.default_rng(seed)
    alike = {c.name: 0 for c in RETENTION.columns if c.required and c.field.type in ("integer", "number")}
    outcomes = [c.name for c in RETENTION.columns if c.name.startswith("retained_in_")]
    return [
        alike
        | dict.fromkeys(outcomes, int(random.random() < 0.7))
        | {"staff_key": f"{part}{i}x", "part": part, "school": f"LA {i % 12}", "state": "LA", "school_year": 2015}
        | {"years_observed": 1, "experience_years": float(i % 10) + 0.6 * (part == "fellow"), "is_female": i % 3 % 2}
        for part, n in parts.items()
        for i in range(n)
    ]


# -- what is said of each estimate -----------------------------------------------------------------------------------

PARTS = {"fellow": 8, "none": 12, "applicant": 5, "mentee": 6}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """The table of one small home, with a specification that is another one under a later name."""
    lake = Scenario(tmp_path_factory.mktemp("told") / "home")
    plan = OWN + "  mine_again:\n    about: The same\n    design: achievement\n    covariates: [little]\n"
    return impact(own(lake, plan), classes(1, PARTS, size=5), teachers(1, {"fellow": 30, "none": 60}))


def test_of_each_cell_with_estimates_one_row_is_the_most_conservative_that_with_the_smallest_lower_bound(
    told: pl.DataFrame,
) -> None:
    estimated = told.drop_nulls("ci_low").filter(pl.col("error_kind") != "CR1_delta")
    cells = estimated.group_by(CELL).agg(
        n=pl.col("is_most_conservative").sum(),
        lowest=pl.col("ci_low").min(),
        marked=pl.col("ci_low").filter("is_most_conservative").first(),
    )

    assert cells.height > 6
    assert set(cells["n"]) == {1}
    assert cells["marked"].to_list() == cells["lowest"].to_list()
    assert not told.filter(pl.col("ci_low").is_null() | (pl.col("error_kind") == "CR1_delta"))[
        "is_most_conservative"
    ].any()
    assert estimated.group_by(CELL).len()["len"].max() > 3


def test_of_equal_lower_bounds_the_first_by_name_is_marked(lake: Scenario) -> None:
    """What a shipped specification declares, under two other names too; with one teacher each rosters are alike."""
    held = ", ".join(load_plan(Path("none")).specifications["all_teachers"].covariates)
    one = f"\n    about: a\n    design: achievement\n    covariates: [{held}]\n"
    own(lake, f"specifications:\n  zeta:{one}  aaa:{one}")

    found = impact(lake, classes(3, {"fellow": 4, "none": 6}, size=3)).filter(period="all", outcome="achievement")

    lowest = found.filter(ci_low=found["ci_low"].min())
    assert sorted(lowest["specification"]) == ["aaa", "all_teachers", "all_teachers_full_roster", "zeta"]
    assert found.filter("is_most_conservative")["specification"].to_list() == ["aaa"]


def test_the_smallest_effect_that_would_be_found_is_told_beside_every_error(told: pl.DataFrame) -> None:
    estimated = told.drop_nulls("standard_error")

    assert estimated.height > 20
    for row in estimated.iter_rows(named=True):
        df = row["degrees_of_freedom"]
        reach = stats.t.ppf(0.975, df) + stats.t.ppf(0.8, df)
        assert row["minimum_detectable_effect"] == pytest.approx(reach * row["standard_error"], rel=1e-6)
    assert set(told.filter(pl.col("standard_error").is_null())["minimum_detectable_effect"]) == {None}


def test_effect_sizes_are_converted_in_two_ways_that_share_no_column(told: pl.DataFrame) -> None:
    sized = told.drop_nulls("effect_size")
    d = sized["effect_size"].to_numpy()

    assert sized.height > 20
    assert sized["improvement_index"].to_list() == pytest.approx((100 * (stats.norm.cdf(d) - 0.5)).tolist(), rel=1e-6)
    gains = 100 * (stats.norm.cdf(d / 2**0.5) - 0.5)
    assert sized["mean_percentile_gain"].to_list() == pytest.approx(gains.tolist(), rel=1e-6)
    bare = told.filter(pl.col("effect_size").is_null())
    assert set(bare["improvement_index"]) | set(bare["mean_percentile_gain"]) == {None}


def test_covariates_and_hash_are_those_of_the_plan(told: pl.DataFrame) -> None:
    plan = load_plan(Path("none"))

    for name, covariates, declared in told.select("specification", "covariates", "specification_hash").unique().rows():
        if name in plan.specifications:
            assert declared == plan.hash_of(name)
            assert covariates == ", ".join(plan.columns(plan.specifications[name]))
    assert told.filter(specification="mine")["covariates"].unique().to_list() == ["prior_z_score"]


def test_no_figure_is_infinite_or_no_number(told: pl.DataFrame) -> None:
    numbers = told.select(pl.col(pl.Float64))

    assert numbers.select(pl.all().is_finite().all()).row(0) == (True,) * numbers.width


# -- baseline equivalence --------------------------------------------------------------------------------------------


def apart(difference: float) -> list[Row]:
    """Groups whose prior scores are about so many standard deviations apart; scores follow noise alone."""
    random = np.random.default_rng(0)
    spread = np.linspace(-1.6, 1.6, 9)
    return [
        pupil(f"{part}{i}s{j}x", f"{part}{i}x", f"LA {i}", part=part, z_score=float(random.normal()), is_female=j % 2)
        | with_prior(float(prior) + difference * (part == "fellow"))
        for part in ("fellow", "none")
        for i in range(6)
        for j, prior in enumerate(spread)
    ]


@pytest.mark.parametrize(
    ("difference", "adjusted", "expected"),
    [
        (0.0, "little", "satisfied"),
        (0.0, "none_before", "satisfied"),
        (0.03, "none_before", "satisfied"),
        (-0.15, "little", "satisfied_with_adjustment"),
        (0.15, "none_before", "not_satisfied"),
        (0.3, "little", "not_satisfied"),
        (-0.3, "none_before", "not_satisfied"),
    ],
)
def test_up_to_a_quarter_groups_are_alike_only_if_the_prior_score_is_held_equal(
    lake: Scenario, difference: float, adjusted: str, expected: str
) -> None:
    own(
        lake,
        OWN.replace("[little]\n", f"[{adjusted}]\n").replace("covariates: [prior_z_score]", "covariates: [little]"),
    )

    row = impact(lake, apart(difference)).filter(specification="mine", period="all").row(0, named=True)

    assert row["baseline_difference"] == pytest.approx(difference, abs=0.02)
    assert row["baseline_equivalence"] == expected


@pytest.mark.parametrize(("held", "expected"), [("aged", "satisfied_with_adjustment"), ("ageless", "not_satisfied")])
def test_of_retention_it_is_experience_that_has_to_be_held_equal(lake: Scenario, held: str, expected: str) -> None:
    own(lake, OWN.replace("design: achievement", "design: retention").replace("[little]", f"[{held}]"))

    found = impact(lake, a_pair(2015), teachers(2, {"fellow": 40, "none": 80}))

    row = found.filter(specification="mine", period="all", population="fellow").row(0, named=True)
    assert 0.05 < abs(row["baseline_difference"]) < 0.25
    assert row["baseline_equivalence"] == expected


# -- the same figures whoever runs it --------------------------------------------------------------------------------


def test_another_run_and_another_key_of_the_home_give_the_same_figures_to_the_last_digit(tmp_path: Path) -> None:
    rows, retained = classes(5, PARTS, size=4), teachers(5, {"fellow": 25, "none": 50})

    def renamed(row: Row) -> Row:
        return row | {name: row[name][::-1].strip("x") + "y" for name in KEYS if name in row}

    first, again, other = (
        impact(Scenario(tmp_path / name), achieved, stayed)
        for name, achieved, stayed in (
            ("one", rows, retained),
            ("two", rows, retained),
            ("three", [renamed(row) for row in reversed(rows)], [renamed(row) for row in reversed(retained)]),
        )
    )

    assert first.equals(again)
    assert first.equals(other)
    assert first.drop_nulls("estimate").height > 15


# -- plan before look ------------------------------------------------------------------------------------------------


def statuses(table: pl.DataFrame, specification: str) -> dict[str, str]:
    """By period."""
    of = table.filter(specification=specification, outcome="achievement", population="fellow").filter(
        pl.col("state") == pl.col("state").min()
    )
    return dict(of.select("period", "plan_status").iter_rows())


def test_the_shipped_plan_is_planned_on_the_first_run(lake: Scenario) -> None:
    found = impact(lake, a_pair(2015))

    assert set(found["plan_status"]) == {"planned"}
    assert set(found["null_reason"]) == {"too_few_treated"}


def test_what_is_declared_after_a_look_is_exploratory_for_the_years_looked_at_and_planned_for_those_to_come(
    lake: Scenario,
) -> None:
    rows = [*a_pair(2014), *a_pair(2015)]
    impact(lake, rows)

    found = impact(own(lake, OWN), rows)
    assert statuses(found, "mine") == dict.fromkeys(("2014", "2015", "all"), "exploratory")
    assert set(found.filter(pl.col("specification") != "mine")["plan_status"]) == {"planned"}

    later = impact(lake, [*rows, *a_pair(2016)])
    expected = {"2014": "exploratory", "2015": "exploratory", "2016": "planned", "all": "exploratory"}
    assert statuses(later, "mine") == expected
    assert set(later.filter(pl.col("specification") != "mine")["plan_status"]) == {"planned"}

    own(lake, OWN.replace("[prior_z_score]", "[prior_z_score, is_female]"))
    changed = impact(lake, [*rows, *a_pair(2016), *a_pair(2017)])
    assert statuses(changed, "mine") == dict.fromkeys(("2014", "2015", "2016", "all"), "exploratory") | {
        "2017": "planned"
    }

    # what was declared before it was changed is what it was
    back = impact(own(lake, OWN), [*rows, *a_pair(2016), *a_pair(2017)])
    assert statuses(back, "mine") == expected | {"2017": "planned"}


def test_what_is_declared_with_the_first_run_is_planned_and_a_group_changed_later_is_not(lake: Scenario) -> None:
    first = impact(own(lake, OWN), a_pair(2015))
    assert set(first["plan_status"]) == {"planned"}

    own(lake, OWN.replace("prior_z_score", "is_female", 1))
    found = impact(lake, a_pair(2015))

    assert set(found.filter(plan_status="exploratory")["specification"]) == {"mine"}


def test_estimators_that_change_make_every_specification_exploratory(
    lake: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    impact(lake, a_pair(2015))

    monkeypatch.setattr(analysis_plan, "METHOD", analysis_plan.METHOD + 1)

    assert set(impact(lake, a_pair(2015))["plan_status"]) == {"exploratory"}


def test_another_wording_changes_nothing_and_is_no_reason_to_run(lake: Scenario) -> None:
    impact(own(lake, OWN), a_pair(2015))

    own(lake, OWN.replace("Little held equal", "Hardly anything held equal"))

    assert lake.engine.run(STEP["program_impact"]).is_current


def test_a_mistake_in_the_plan_stops_before_anything_is_put_on_record(lake: Scenario) -> None:
    own(lake, OWN.replace("prior_z_score", "charm"))

    with pytest.raises(ContractError, match="specification mine has the covariates charm"):
        impact(lake, a_pair(2015))

    assert not lake.home.plan_ledger.exists()


@pytest.mark.parametrize(
    ("old", "new"),
    [('"mine"', '"mind"'), ("2015]", "2014]"), ('"number": 1', '"number": 2'), ('"declared"', '"declare"')],
)
def test_a_record_that_was_changed_stops_the_step(lake: Scenario, old: str, new: str) -> None:
    impact(own(lake, OWN), a_pair(2015))
    said = lake.home.plan_ledger.read_text(encoding="utf-8")
    assert old in said
    lake.home.plan_ledger.write_text(said.replace(old, new), encoding="utf-8")

    with pytest.raises(ChainError, match=r"analysis_plan\.jsonl, line"):
        impact(lake, a_pair(2016))


def test_taking_the_first_look_out_of_the_record_is_seen(lake: Scenario) -> None:
    impact(lake, a_pair(2015))
    impact(own(lake, OWN), a_pair(2015))
    lines = lake.home.plan_ledger.read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(lines) == 3  # declared, estimated, and mine declared
    lake.home.plan_ledger.write_text("".join([lines[0], lines[2]]), encoding="utf-8")

    with pytest.raises(ChainError, match="line 2"):
        impact(lake, a_pair(2016))


def plan_of(**specifications: Any) -> AnalysisPlan:
    return AnalysisPlan(
        specifications={
            name: AchievementSpecification(about="", design="achievement", **said)
            for name, said in specifications.items()
        }
    )


def test_a_state_that_comes_later_is_planned_and_all_states_together_are_not(lake: Scenario) -> None:
    first, second = plan_of(one={}), plan_of(one={}, two={"roster": "full_roster"})
    ledger = PlanLedger(lake.home)
    ledger.declare(first)
    ledger.estimated([("LA", 2014), ("LA", 2015)])
    ledger.declare(second)
    ledger.estimated([("LA", 2015), ("MO", 2015)])

    for record in (ledger, PlanLedger(lake.home)):  # as it goes on, and as it is read anew
        one, two = (
            {
                (state, period): record.status(second.hash_of(name), state, period)
                for state in ("LA", "MO", "all")
                for period in ("2014", "2015", "2016", "all")
            }
            for name in ("one", "two")
        )
        assert set(one.values()) == {"planned"}
        planned = {("LA", "2016"), ("all", "2016"), *(("MO", period) for period in ("2014", "2015", "2016", "all"))}
        assert {place for place, status in two.items() if status == "planned"} == planned


def test_what_is_on_record_already_is_not_put_there_again(lake: Scenario) -> None:
    plan = plan_of(one={})
    for _ in range(2):
        ledger = PlanLedger(lake.home)
        ledger.declare(plan)
        ledger.estimated([("LA", 2015)])

    assert len(lake.home.plan_ledger.read_text(encoding="utf-8").splitlines()) == 2
