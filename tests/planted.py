"""A synthetic state in the linked tables, with the effects that the generator plants and once more without them.

It is what `deliver` writes without faults, short of the files: the generator's people, rosters and scores go to the
tables that linking would make of them, and the pipeline's own steps do the rest, from linked.standard_score on.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from generator.careers import outcome_chances, primary_job
from generator.delivery import Options, draw_rosters, draw_staff
from generator.programme import Programme
from generator.pupils import Pupils
from generator.rosters import Roster
from generator.scores import Tests, draw_tests, teaching_effects
from generator.settings import LOUISIANA, RACES, RETENTION, SCHOOL_YEARS, SCORES, TAUGHT_SUBJECTS
from generator.workforce import TEACHER, Workforce
from le_pipeline.home import Home
from le_pipeline.measure import achievement_effect, retention_effect
from le_pipeline.measure.impact import ALL, Cell, Row
from le_pipeline.warehouse.lake import polars_schema
from scenario import part
from schemas import registry
from schemas.analysis_plan import AnalysisPlan
from steps import STEP

STATE = LOUISIANA
PLANTED, NOTHING = "planted", "nothing"
NONE = dict.fromkeys(TAUGHT_SUBJECTS, 0.0)
# the two arms are one state, with the same draws: their difference is what was planted, and hardly any noise
MODELS = {PLANTED: SCORES, NOTHING: replace(SCORES, fellow_effect=NONE, mentee_effect=NONE)}
RETENTION_MODELS = {PLANTED: RETENTION, NOTHING: replace(RETENTION, fellow_stayer_bonus_in_high_poverty=0.0)}
POSITIONS = {"Teacher": "teacher", "Instructional Coach": "instructional_coach", "Principal": "principal"}
POSITIONS |= {"Assistant Principal": "assistant_principal", "Counselor": "counselor"}


@dataclass(frozen=True)
class State:
    """One draw: tables by name that both arms share, and the assessments of each arm."""

    tables: dict[str, pl.DataFrame]
    assessments: dict[str, pl.DataFrame]


def draw(students: int, seed: int) -> State:
    """Draw Louisiana, of a world with so many students."""
    options = Options(students, seed, dirt=False)
    workforce, programme = draw_staff(STATE, round(students * STATE.student_share), options)
    assessments: dict[str, list[pl.DataFrame]] = {arm: [] for arm in MODELS}
    links, enrolments = [], []
    for district in workforce.districts:
        rng = options.random(0, 3, district.index)
        for roster, pupils in draw_rosters(workforce, district, rng):
            links.append(_links(pupils, roster, workforce))
            enrolments.append(_enrolments(pupils, roster))
            teaching = {
                arm: teaching_effects(STATE, pupils, roster, workforce.people, programme, model=model)
                for arm, model in MODELS.items()
            }
            same = deepcopy(rng)  # both arms are tested with the very same draws
            tests = {
                PLANTED: draw_tests(STATE, pupils, roster, teaching[PLANTED], rng),
                NOTHING: draw_tests(STATE, pupils, roster, teaching[NOTHING], same),
            }
            for arm, taken in tests.items():
                assessments[arm].append(_scores(pupils, roster, taken))
    return State(
        {
            "teacher_student_link": pl.concat(links),
            "student_school_association": pl.concat(enrolments),
            "staff_year": _staff(workforce),
            "program_role": _roles(workforce, programme),
        },
        {arm: pl.concat(parts) for arm, parts in assessments.items()},
    )


@dataclass(frozen=True)
class Careers:
    """The teachers of one draw: tables by name, and the chance that was drawn from, of each to stay in the school."""

    tables: dict[str, pl.DataFrame]
    chances: pl.DataFrame


def draw_careers(students: int, seed: int, arm: str) -> Careers:
    """Draw the teachers of such a state alone. The arms have no draw in common: who stays has another life."""
    options, model = Options(students, seed, dirt=False), RETENTION_MODELS[arm]
    workforce, programme = draw_staff(STATE, round(students * STATE.student_share), options, model)
    chances = [
        (job.person.staff_id, year, outcome_chances(model, job.school.frpl_share[year], is_fellow=is_fellow)["stayer"])
        for year, jobs in workforce.jobs.items()
        for job in jobs
        for is_fellow in [programme.role(job.person, year).name == "fellow"]
    ]
    return Careers(
        {"staff_year": _staff(workforce), "program_role": _roles(workforce, programme)},
        pl.DataFrame(chances, schema=["staff_key", "school_year", "chance"], orient="row"),
    )


def connected(tables: dict[str, pl.DataFrame]) -> duckdb.DuckDBPyConnection:
    """The tables in a database in memory."""
    con = duckdb.connect(config={"threads": 1})
    con.execute("create schema canonical; create schema linked; create schema reference")
    family = str(registry.HERE / "reference" / "subject_family.csv")
    con.execute(f"create view reference.subject_family as from read_csv('{family}', header = true, all_varchar = true)")
    for name, rows in (tables | {"person_alias": pl.DataFrame()}).items():
        _put(con, name, rows)
    return con


def put_scores(con: duckdb.DuckDBPyConnection, assessments: pl.DataFrame) -> None:
    """Make everything up to linked.achievement_sample from the assessments of one arm."""
    _put(con, "student_assessment", assessments)
    for name in ("standard_score", "score_teacher", "student_exposure", "achievement_sample"):
        con.execute(f"create or replace table linked.{name} as {STEP[name].sql}")


def put_matches(con: duckdb.DuckDBPyConnection) -> None:
    """Make what follows on the sample, up to linked.matched_teacher."""
    effectiveness, matched = STEP["teacher_effectiveness"], STEP["matched_teacher"]
    assert effectiveness.estimate and matched.finish
    _put(con, effectiveness.table.name, effectiveness.estimate(Home.at(Path()), con, con.sql(effectiveness.sql).pl()))
    con.execute(f"create or replace table linked.matching_candidate as {STEP['matching_candidate'].sql}")
    _put(con, matched.table.name, matched.finish(con.sql(matched.sql).pl()))


def estimates(con: duckdb.DuckDBPyConnection, plan: AnalysisPlan) -> list[Row]:
    """Effects over all years of the state: rows of marts.program_impact with, as `planted`, what should be found.

    Standard scores are in units of the state's standard deviation, which is not the generator's: `planted` is in them.
    """
    rows = con.sql(
        """
        select a.subject, a.fellow_share, a.mentee_share, s.reference_sd
        from linked.achievement_sample as a
        join linked.standard_score as s using (student_key, subject, school_year)
        where a.is_main_teacher and a.prior_z_score is not null
        """
    ).pl()
    found = []
    for population, subject in product(achievement_effect.CLUSTER, TAUGHT_SUBJECTS):
        share, scale = pl.col(f"{population}_share"), STATE.points_per_sd / pl.col("reference_sd")
        mean_scale = rows.filter(subject=subject).select((share * scale).sum() / share.sum()).item()
        planted = {"planted": getattr(SCORES, f"{population}_effect")[subject] * mean_scale}
        cell = Cell(STATE.code, ALL, subject, ALL)
        found += [row | planted for row in achievement_effect.effects_in(con, plan, population, cell)]
    return found


def put_careers(con: duckdb.DuckDBPyConnection) -> None:
    """Make everything up to linked.retention_sample."""
    for name in ("retention_outcome", "retention_sample"):
        con.execute(f"create or replace table linked.{name} as {STEP[name].sql}")


def put_chances(con: duckdb.DuckDBPyConnection, chances: pl.DataFrame) -> None:
    """Put the chance to stay in the place of whether somebody stayed: a linear model then gives what it expects."""
    con.register("chances", chances.to_arrow())
    con.execute(
        """
        create or replace table linked.retention_sample as
        select r.* replace (case when r.retained_in_school is not null then c.chance end as retained_in_school)
        from linked.retention_sample as r
        join chances as c using (staff_key, school_year)
        """
    )


def retention_estimates(con: duckdb.DuckDBPyConnection, plan: AnalysisPlan) -> list[Row]:
    """Effects on being retained in the school, in percentage points, as `estimates` gives those on achievement.

    What is planted for a fellow of a high-poverty school is spread over all fellows; for mentees it is nothing.
    """
    fellows = con.sql("select * from linked.retention_sample where part = 'fellow' and retained_in_school is not null")
    share = fellows.pl()["is_high_poverty"].mean()
    planted = {"fellow": 100 * RETENTION.fellow_stayer_bonus_in_high_poverty * share, "mentee": 0.0}
    return [
        row | {"planted": effect, "subject": ALL}
        for population, effect in planted.items()
        for row in retention_effect.effects_in(con, plan, population, Cell(STATE.code, ALL, ALL, ALL))
    ]


def _put(con: duckdb.DuckDBPyConnection, name: str, rows: pl.DataFrame) -> None:
    """Replace a table by the rows; columns that they do not have are null."""
    table = registry.tables()[name]
    typed = rows.select(
        (pl.col(column) if column in rows.columns else pl.lit(None)).cast(type_).alias(column)
        for column, type_ in polars_schema(table).items()
    )
    con.register("put", typed.to_arrow())
    con.execute(f"create or replace table {table.qualified_name} as from put")
    con.unregister("put")


def _links(pupils: Pupils, roster: Roster, workforce: Workforce) -> pl.DataFrame:
    staff = pl.Series([person.staff_id for person in workforce.people], dtype=pl.String)
    return roster.links.select(
        state=pl.lit(STATE.code),
        school_year=pl.lit(roster.year),
        student_key=pupils.people["student_id"].gather(roster.links["pupil"]),
        staff_key=staff.gather(roster.links["staff_number"] - 1),
        subject="subject",
        enrollment_share="enrollment_share",
        weight="weight",
        is_under_claimed=pl.lit(value=False),
        is_over_claimed=pl.lit(value=False),
        is_disputed=pl.lit(value=False),
    )


def _enrolments(pupils: Pupils, roster: Roster) -> pl.DataFrame:
    schools = pl.Series([school.school_id for school in roster.district.schools])
    places = roster.enrollments.select("pupil", "school").unique(maintain_order=True)
    return pl.DataFrame(
        {
            "state": [STATE.code] * places.height,
            "school_year": [roster.year] * places.height,
            "student_key": pupils.people["student_id"].gather(places["pupil"]),
            "school_id": schools.gather(places["school"]),
        }
    )


def _scores(pupils: Pupils, roster: Roster, tests: Tests) -> pl.DataFrame:
    people = pupils.people[tests.rows]
    schools = np.array([school.school_id for school in roster.district.schools])
    described = people.select(
        pl.lit(STATE.code).alias("state"),
        pl.lit(roster.year).alias("school_year"),
        pl.col("student_id").alias("student_key"),
        pl.lit("LEAP").alias("assessment"),
        pl.Series("grade", np.char.zfill(tests.grade.astype(str), 2)),
        pl.Series("school_id", schools[tests.school]),
        pl.when("is_female").then(pl.lit("female")).otherwise(pl.lit("male")).alias("sex"),
        pl.Series("race_ethnicity", list(RACES)).gather(people["race"]),
        *(
            pl.when(flag).then(pl.lit("yes")).otherwise(pl.lit("no")).alias(name)
            for flag, name in (
                ("is_disadvantaged", "economically_disadvantaged"),
                ("is_english_learner", "english_learner"),
                ("has_disability", "disability"),
            )
        ),
    )
    counts = tests.is_tested & ~tests.is_void
    return pl.concat(
        described.with_columns(subject=pl.lit(subject), scale_score=pl.Series(tests.score[:, column])).filter(
            pl.Series(counts[:, column])
        )
        for column, subject in enumerate(STATE.subjects)
        if subject in TAUGHT_SUBJECTS
    )


def _staff(workforce: Workforce) -> pl.DataFrame:
    rows = []
    for year in SCHOOL_YEARS:
        second = {job.person: job for job in workforce.second_jobs[year]}
        for job in workforce.jobs[year]:
            person = job.person
            primary = primary_job([job, second[person]] if person in second else [job])
            rows.append(
                {
                    "state": STATE.code,
                    "school_year": year,
                    "staff_key": person.staff_id,
                    "school_id": primary.school.school_id,
                    "lea_id": workforce.districts[primary.school.district].code,
                    "position": POSITIONS[job.position],
                    "is_teacher": "yes" if job.position == TEACHER else "no",
                    "fte": primary.fte,
                    "frpl_share": primary.school.frpl_share[year],
                    "experience_years": float(person.experience_when_hired + year - person.hired),
                    "sex": person.sex.lower(),
                    "race_ethnicity": person.race,
                    "source": "staff_file",
                }
            )
    return pl.DataFrame(rows)


def _roles(workforce: Workforce, programme: Programme) -> pl.DataFrame:
    mentored = {
        person: min(year for year, mentees in programme.mentored.items() if person in mentees)
        for person in set().union(*programme.mentored.values())
    }
    rows = []
    for year in SCHOOL_YEARS:
        for job in workforce.jobs[year]:
            person, role = job.person, programme.role(job.person, year)
            fellowship, turned_down = programme.fellowships.get(person), programme.turned_down.get(person)
            since = (fellowship.cohort if fellowship else None), mentored.get(person), turned_down
            said = {
                "role": role.name,
                "is_active": role.is_active,
                "application_decision": "not_selected" if turned_down and turned_down <= year else None,
            }
            rows.append(
                {
                    "state": STATE.code,
                    "school_year": year,
                    "staff_key": person.staff_id,
                    **said,
                    "part": part(said),
                    "cohort": role.cohort,
                    "region": role.region or workforce.districts[job.school.district].region,
                    "fellow_since": since[0],
                    "mentee_since": since[1],
                    "applied_since": since[2],
                    "is_pre_program": role.name == "none" and any(since),
                }
            )
    return pl.DataFrame(rows, infer_schema_length=None)
