"""The effect of fellows and mentees on their students' achievement, by every declared specification.

One fit per specification, population and cell, over linked.achievement_sample in the engine. A student is treated to
the share of the responsibility that fellows (or mentees) have for the subject.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import duckdb

from le_pipeline.errors import EstimationError
from le_pipeline.measure.impact import ALL, FEW, Cell, Row, cells, literal
from le_pipeline.measure.inference.least_squares import Errors, LinearFit, LinearModel, least_squares
from le_pipeline.measure.inference.sums import Rows
from schemas.analysis_plan import AchievementSpecification, AnalysisPlan, Population

OUTCOME, EFFECT_WITHIN = "achievement", "grade_year"
CLUSTER: dict[Population, str] = {
    "fellow": "teacher_key",
    "mentee": "school",
}  # mentees are chosen in the fellow's school
# CR2 takes rows of a cluster for independent; those of a school are not, since they share teachers (docs/methods.md)
FEW_ERRORS: dict[Population, Errors] = {"fellow": "CR2", "mentee": "jackknife"}
EFFECTS = {"school": "school", "teacher": "teacher_key"}
# held by the engine while it scans them again and again: the rows of a cell, and those of one contrast
OF_CELL, COMPARED = "achievement_of_cell", "compared_in_contrast"
NOTHING = 1e-9  # a standard error below it is rounding
LARGEST = 3.0  # standard deviations: beyond them, covariates nearly make up the treatment
FEWEST_DEGREES = 2.0  # of freedom: with fewer an interval is wider than four standard errors either way, and unstable
SHARES = ("fellow_share", "mentee_share")


@dataclass(frozen=True)
class Contrast:
    """One population under one specification, in one cell."""

    name: str
    specification: AchievementSpecification
    covariates: tuple[str, ...]
    population: Population
    cell: Cell

    @property
    def treatment(self) -> str:
        """The column with how far a row is treated."""
        return f"{self.population}_share"

    @property
    def other(self) -> str:
        """The column with how far a row is treated by the other population."""
        return next(share for share in SHARES if share != self.treatment)

    @property
    def cluster(self) -> str:
        """The column that errors are clustered by."""
        return CLUSTER[self.population]

    @property
    def is_matched(self) -> bool:
        """Whether rows are weighted by a match."""
        return self.specification.matching is not None

    @property
    def weight(self) -> str | None:
        """The column with the rows' weights."""
        if self.is_matched:
            return "match_weight"
        return "dosage" if self.specification.roster == "full_roster" else None

    @property
    def rows(self) -> str:
        """The rows that are compared, as a query; those without a prior score are among them.

        In the full roster a row is a student with one teacher, who is its `teacher_key`, and treated where that teacher
        is. Beside a teacher's own students of before, treated are those whose main teacher had any then.
        """
        each = self.specification.roster == "full_roster"
        teacher = "s.staff_key" if each else "s.teacher_key"
        shares = [
            f"case when s.part = '{share.removesuffix('_share')}' then 1 else 0 end" if each else f"s.{share}"
            for share in SHARES
        ]
        told = ", ".join(f"{share} as {name}" for share, name in zip(shares, SHARES, strict=True))
        rows = f"select s.* exclude ({', '.join(SHARES)}, teacher_key), {told}, {teacher} as teacher_key"
        source = f"from (select * from {OF_CELL} where {' and '.join(self._kept)}) as s"
        if self.is_matched:
            rows += f", m.match_weight{' * s.dosage' if each else ''} as match_weight"
            source += (
                f" join ({self._matched}) as m on m.state = s.state and m.subject = s.subject"
                f" and m.school_year = s.school_year and m.staff_key = {teacher}"
            )
        if self.specification.effects != "teacher":
            return f"{rows} {source}"
        untreated = f"case when {self.treatment} = 0 and prior_z_score is not null then school_year end"
        return (
            f"select * from ({rows} {source})"
            f" qualify {self.treatment} = 0 or min({untreated}) over (partition by teacher_key) < school_year"
        )

    @property
    def _matched(self) -> str:
        """The matched teachers, as a query: of a region the treated, with whom they are matched with wherever that is.

        A comparison teacher weighs what makes each set's sum that of the treated who are left in it.
        """
        matched = (
            f"select * from linked.matched_teacher where match_weight > 0 and population = '{self.population}'"
            f" and comparison = '{self.specification.comparison}' and matching = '{self.specification.matching}'"
        )
        if self.cell.region == ALL:
            return matched
        is_here = f"is_treated and region = {literal(self.cell.region)}"
        share = f"count(*) filter ({is_here}) over of_set / nullif(count(*) filter (is_treated) over of_set, 0)"
        return (
            f"select * exclude (match_weight, kept_share),"
            " case when is_treated then match_weight else match_weight * kept_share end as match_weight"
            f" from (select *, {share} as kept_share from ({matched}) window of_set as (partition by state, match_set))"
            f" where kept_share > 0 and (not is_treated or region = {literal(self.cell.region)})"
        )

    @property
    def _kept(self) -> list[str]:
        each = self.specification.roster == "full_roster"
        kept = ["dosage > 0"] if each else ["is_main_teacher"]
        if self.cell.region != ALL and not self.is_matched:
            kept.append(f"region = {literal(self.cell.region)}")
        if self.specification.comparison == "applicant":
            kept.append(
                f"part in ('{self.population}', 'applicant')"
                if each
                else f"{self.other} = 0 and ({self.treatment} > 0 or applicant_share > 0)"
            )
        return kept


def effects(con: duckdb.DuckDBPyConnection, plan: AnalysisPlan) -> Iterator[Row]:
    """A row of marts.program_impact for every specification of achievement, population, and cell with any treated."""
    treated = {
        population: list(cells(con, f"from linked.achievement_sample where {population}_share > 0 and is_main_teacher"))
        for population in CLUSTER
    }
    for population, of_population in treated.items():
        for cell in of_population:
            yield from effects_in(con, plan, population, cell)


def effects_in(con: duckdb.DuckDBPyConnection, plan: AnalysisPlan, population: Population, cell: Cell) -> Iterator[Row]:
    """A row of marts.program_impact for every specification of achievement of one population, in one cell."""
    con.execute(
        f"create or replace temp table {OF_CELL} as select * from linked.achievement_sample"
        # a region's matched teachers may be compared with others' of the state
        f" where {replace(cell, region=ALL).where} and former_share = 0 and linked_share > 0"
    )
    for name, specification in plan.specifications.items():
        if isinstance(specification, AchievementSpecification) and population in specification.populations:
            contrast = Contrast(name, specification, plan.columns(specification), population, cell)
            con.execute(f"create or replace temp table {COMPARED} as {contrast.rows}")
            yield _row(con, contrast)


def _row(con: duckdb.DuckDBPyConnection, contrast: Contrast) -> Row:
    counts = _counted(con, contrast)
    n_comparison, groups = counts.pop("n_comparison_clusters"), counts.pop("groups")
    row = counts | {
        "outcome": OUTCOME,
        "population": contrast.population,
        "specification": contrast.name,
        "estimate_unit": "student_sd",
        **contrast.cell.row,
    }
    if counts["n_treated_clusters"] < 2:  # noqa: PLR2004
        return row | {"null_reason": "too_few_treated"}
    if n_comparison < 2:  # noqa: PLR2004
        return row | {"null_reason": "too_few_comparison"}
    described = _standardised(groups)
    pooled, omega = described.pop("pooled_sd"), described.pop("omega")
    row |= described
    is_few = min(counts["n_treated_clusters"], n_comparison) < FEW
    told = _estimated(con, contrast, FEW_ERRORS[contrast.population] if is_few else "CR1")
    if "estimate" in told and pooled:
        told |= {"effect_size": omega * told["estimate"] / pooled}
    return row | told


def _estimated(con: duckdb.DuckDBPyConnection, contrast: Contrast, errors: Errors) -> Row:
    """The estimate with all that belongs to it, or why there is none."""
    try:
        fit = _fit(con, contrast, errors)
    except EstimationError:
        # without one of the clusters a covariate may not be there, so that there is no jackknife
        return _estimated(con, contrast, "CR2") if errors == "jackknife" else {"null_reason": "not_estimable"}
    if contrast.treatment not in fit.names:
        return {"null_reason": "not_estimable"}
    told = _told(fit, contrast, errors)
    if not (told["standard_error"] or 0) > NOTHING:
        return {"null_reason": "no_variation"}
    if abs(told["estimate"]) > LARGEST or not (told["degrees_of_freedom"] or 0) >= FEWEST_DEGREES:
        return {"null_reason": "not_estimable"}
    return told


def _fit(con: duckdb.DuckDBPyConnection, contrast: Contrast, errors: Errors) -> LinearFit:
    source = f"(select * from {COMPARED} where prior_z_score is not null)"
    effects, dummies = [EFFECT_WITHIN], []
    if contrast.specification.effects:
        # errors for few clusters take one absorbed effect; the others are columns
        effects = [EFFECTS[contrast.specification.effects]]
        found = con.sql(f"select distinct {EFFECT_WITHIN} from {source} order by all").fetchall()
        dummies = [f"{EFFECT_WITHIN}_{place}" for place in range(len(found) - 1)]
        said = ", ".join(
            f"case when {EFFECT_WITHIN} = '{str(value).replace(chr(39), chr(39) * 2)}' then 1 else 0 end as {name}"
            for name, (value,) in zip(dummies, found[1:], strict=True)
        )
        source = f"(select *{', ' if dummies else ''}{said} from {source})"
    model = LinearModel(
        outcome="z_score",
        # the treatment last: where the others make it up, it is the one that goes
        covariates=(contrast.other, *contrast.covariates, *dummies, contrast.treatment),
        clusters=(contrast.cluster,),
        fixed_effects=tuple(effects),
        weight=contrast.weight,
        errors=errors,
        tested=(contrast.treatment,),
    )
    return least_squares(Rows(con, source), model)


def _told(fit: LinearFit, contrast: Contrast, errors: Errors) -> Row:
    told = fit.table().row(fit.names.index(contrast.treatment), named=True)
    return {
        "estimate": told["estimate"],
        "standard_error": told["standard_error"],
        "ci_low": told["ci_low"],
        "ci_high": told["ci_high"],
        "p_value": told["p_value"],
        "degrees_of_freedom": told["degrees_of_freedom"],
        "error_kind": errors,
        "wild_bootstrap_p_value": fit.wild_bootstrap(contrast.treatment) if errors != "CR1" else None,
    }


@dataclass(frozen=True)
class _Group:
    """Rows of one group, with sums of the outcome and of the prior score; `weighted` ones by the rows' weights."""

    rows: int
    weight: float
    weighted_after: float
    weighted_before: float
    after: float
    after_squares: float
    before: float
    before_squares: float


def _counted(con: duckdb.DuckDBPyConnection, contrast: Contrast) -> Row:
    """Counts of a contrast's rows; sums of its two groups, under `groups`."""
    treatment, cluster, weight = contrast.treatment, contrast.cluster, contrast.weight or "1"
    compared = f"""
        (select
            student_key, student_key || subject || cast(school_year as varchar) as student, teacher_key, school,
            {cluster} as cluster, {treatment} > 0 as is_treated, greatest(fellow_share, mentee_share) > 0 as is_any,
            {weight} as weight, prior_z_score as before, z_score as after
        from {COMPARED})
    """
    (counts,) = (
        con.sql(
            f"""
        select
            count(distinct student) as n,
            count(distinct student_key) as n_students,
            count(distinct student) filter (is_treated) as n_treated,
            count(distinct teacher_key) as n_teachers,
            count(distinct teacher_key) filter (is_treated) as n_treated_teachers,
            count(distinct school) as n_schools,
            count(distinct school) filter (is_treated) as n_treated_schools,
            count(distinct cluster) as n_clusters,
            count(distinct cluster) filter (is_treated) as n_treated_clusters,
            count(distinct cluster) filter (not is_any) as n_comparison_clusters,
            (select count(distinct student) from {compared} where before is null) as n_without_prior
        from {compared} where before is not null
        """
        )
        .pl()
        .iter_rows(named=True)
    )
    terms = ("weight", "weight * after", "weight * before", "after", "after * after", "before", "before * before")
    sums = ", ".join(f"cast(sum(cast({term} as decimal(28, 12))) as double)" for term in terms)
    found = con.sql(
        f"select is_treated, count(*), {sums} from {compared} where before is not null and (is_treated or not is_any)"
        " group by is_treated"
    ).fetchall()
    return counts | {"groups": {is_treated: _Group(*rest) for is_treated, *rest in found}}


def _spread(rows: int, total: float, squares: float) -> float:
    return (squares - total * total / rows) if rows else 0.0


def _standardised(groups: dict[bool, _Group]) -> Row:
    """Mean of the comparison group, Hedges g of the groups' prior scores; what a g of scores is made with."""
    treated, other = groups[True], groups[False]
    freedom = treated.rows + other.rows - 2
    omega = 1 - 3 / (4 * (treated.rows + other.rows) - 9)
    pooled = {
        name: max(
            sum(_spread(g.rows, getattr(g, name), getattr(g, f"{name}_squares")) for g in (treated, other)) / freedom, 0
        )
        ** 0.5
        for name in ("after", "before")
    }
    apart = treated.weighted_before / treated.weight - other.weighted_before / other.weight
    return {
        "comparison_mean": other.weighted_after / other.weight,
        "baseline_difference": omega * apart / pooled["before"] if pooled["before"] else None,
        "pooled_sd": pooled["after"],
        "omega": omega,
    }
