"""A state's school directory and staff list of a year, and the truth about its teachers."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import polars as pl

from .careers import primary_job
from .places import District
from .programme import Programme
from .settings import DIRT, RACES, RETENTION, SCHOOL_YEARS, day
from .truth import ACCEPTED, Truth
from .workforce import TEACHER, Job, Workforce


def write_directory(path: Path, districts: tuple[District, ...], year: int, truth: Truth) -> None:
    """One row per school."""
    rows = [
        {
            "SchoolCode": school.school_id,
            "SchoolName": school.name,
            "LEACode": district.code,
            "LEAName": district.name,
            "Level": school.level,
            "Charter": "Y" if school.charter else "N",
            "FRPLShare": f"{school.frpl_share[year]:.4f}",
            "NCESSchoolID": school.nces_id,
        }
        for district in districts
        for school in district.schools
    ]
    pl.DataFrame(rows).write_csv(path, quote_style="never")
    truth.file(path).add(len(rows), Counter({ACCEPTED: len(rows)}))


def write_staff(path: Path, workforce: Workforce, year: int, truth: Truth, *, dirt: bool) -> None:
    """One row per assignment; the faults are rows of people without an id, who stand nowhere else."""
    jobs = sorted([*workforce.jobs[year], *workforce.second_jobs[year]], key=lambda job: job.person.number)
    rows = [_staff_row(job, workforce.districts[job.school.district]) for job in jobs]
    statuses = Counter({ACCEPTED: len(rows)})
    faults = len(rows) // DIRT.staff_rows_per_fault if dirt else 0
    for number in range(faults):
        like = jobs[(2 * number + 1) * len(jobs) // (2 * faults)]
        nobody = Job(workforce.hire(year), year, like.school, TEACHER, fte=0.5)
        rows.append(_staff_row(nobody, workforce.districts[like.school.district]) | {"StaffID": ""})
        truth.add_fault(path, len(rows), "missing_staff_id", None)
    if faults:
        statuses["missing_staff_id"] = faults
    pl.DataFrame(rows).write_csv(path, quote_style="never")
    truth.file(path).add(len(rows), statuses)


def _staff_row(job: Job, district: District) -> dict[str, str]:
    person = job.person
    experience = person.experience_when_hired + job.year - person.hired
    begin = date(job.year - 1, 8, 1) if job.begin is None else day(job.year, job.begin)
    return {
        "StaffID": person.staff_id,
        "LastName": person.last_name,
        "FirstName": person.first_name,
        "Email": person.email,
        "BirthDate": person.birth_date.isoformat(),
        "SchoolYear": f"{job.year - 1}-{job.year}",
        "LEACode": district.code,
        "SchoolCode": job.school.school_id,
        "Position": job.position,
        "FTE": f"{job.fte:.1f}",
        "BeginDate": begin.isoformat(),
        "EndDate": "" if job.end is None else day(job.year, job.end).isoformat(),
        "SeparationReason": job.separation_reason,
        "ExperienceYears": str(experience),
        "Degree": person.degree,
        "Certification": "Standard" if experience >= 3 else "Provisional",
        "Sex": person.sex,
        "EthnicityRace": RACES[person.race],
    }


def add_staff_truth(workforce: Workforce, programme: Programme, truth: Truth) -> None:
    """One row per teacher and year; the outcome is null where the next year is not observed."""
    for year in SCHOOL_YEARS:
        second = {job.person: job for job in workforce.second_jobs[year]}
        rows = []
        for job in workforce.jobs[year]:
            if job.position != TEACHER:
                continue
            primary = primary_job([job, second[job.person]] if job.person in second else [job])
            district = workforce.districts[primary.school.district]
            role = programme.role(job.person, year)
            frpl_share = primary.school.frpl_share[year]
            outcome = job.outcome if year != SCHOOL_YEARS[-1] else None
            rows.append(
                {
                    "state": workforce.profile.code,
                    "school_year": year,
                    "staff_id": job.person.staff_id,
                    "school_id": primary.school.school_id,
                    "lea_id": district.code,
                    "position": primary.position,
                    "is_teacher": True,
                    "fte": primary.fte,
                    "frpl_share": frpl_share,
                    "role": role.name,
                    "is_active": role.is_active,
                    "cohort": role.cohort,
                    "region": role.region or district.region,
                    "outcome": outcome,
                }
            )
            band = "high_poverty" if frpl_share > RETENTION.high_poverty_above else "lower_poverty"
            truth.realised[f"{role.name} / {band} / {outcome or 'not_observed'}"] += 1
        truth.append("staff_year", pl.DataFrame(rows, infer_schema_length=None))
