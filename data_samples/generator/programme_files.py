"""The programme's own lists of a year, as workbooks: fellows, mentors and applicants."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from pathlib import Path

import xlsxwriter

from .programme import Programme
from .settings import COHORTS, SUBJECT_TITLES
from .truth import ACCEPTED, Truth
from .workforce import Person, Workforce

Row = list[str | int | date | None]
_WHO = ["State Staff ID", "Last Name", "First Name", "Email", "School"]
_PAIR = ["Fellow Staff ID", "Fellow Email", "Mentee Staff ID", "Mentee Email"]
HEADERS = {
    "fellows": [*_WHO, "Cohort", "Region", "Role", "Start Date", "End Date", "Status"],
    "mentors": [*_PAIR, "Subject", "School Year", "Start Date", "End Date"],
    "applicants": [*_WHO, "Applied Year", "Decision"],
}


def write_programme(folder: Path, workforce: Workforce, programme: Programme, year: int, truth: Truth) -> None:
    """The year's lists; there are none before the first cohort."""
    if year not in COHORTS:
        return
    lists = {
        "fellows": _fellows(workforce, programme, year),
        "mentors": _mentors(programme, year),
        "applicants": _applicants(programme, year),
    }
    for name, rows in lists.items():
        path = folder / f"{name}_{year}.xlsx"
        _write_workbook(path, name.capitalize(), [list(HEADERS[name]), *rows])
        truth.file(path).add(len(rows), Counter({ACCEPTED: len(rows)}))


def _fellows(workforce: Workforce, programme: Programme, year: int) -> list[Row]:
    """Those active in the year, at the school where they teach in it."""
    school = {job.person: job.school.name for job in workforce.jobs[year]}
    return [
        [
            *_who(fellowship.person, school[fellowship.person]),
            fellowship.cohort,
            fellowship.region,
            "Fellow",
            fellowship.begin_date,
            fellowship.end_date,
            fellowship.status(year),
        ]
        for fellowship in programme.fellowships.values()
        if fellowship.is_active(year)
    ]


def _mentors(programme: Programme, year: int) -> list[Row]:
    """One row per fellow and mentee."""
    return [
        [
            _listed_id(pair.fellow),
            _listed_email(pair.fellow),
            _listed_id(pair.mentee),
            _listed_email(pair.mentee),
            SUBJECT_TITLES[pair.subject],
            f"{year - 1}-{year}",
            pair.begin_date,
            pair.end_date,
        ]
        for pair in programme.mentorships
        if pair.year == year
    ]


def _applicants(programme: Programme, year: int) -> list[Row]:
    """Everyone who applied to the year's cohort."""
    return [
        [
            *_who(application.job.person, application.job.school.name),
            year,
            "Selected" if application.selected else "Not selected",
        ]
        for application in programme.applications
        if application.year == year
    ]


def _who(person: Person, school: str) -> Row:
    return [_listed_id(person), person.last_name, person.first_name, _listed_email(person), school]


def _listed_id(person: Person) -> str | None:
    return None if person.listed_by_email_only else person.staff_id


def _listed_email(person: Person) -> str:
    """In another letter case than the staff list's where it has to stand in for the id."""
    return person.email.upper() if person.listed_by_email_only else person.email


def _write_workbook(path: Path, sheet: str, rows: list[Row]) -> None:
    """One sheet with real dates, and with a fixed time of creation, so that the bytes do not change."""
    with xlsxwriter.Workbook(path) as workbook:
        workbook.set_properties({"created": datetime(2016, 7, 1)})
        dates = workbook.add_format({"num_format": "yyyy-mm-dd"})
        page = workbook.add_worksheet(sheet)
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                if isinstance(cell, date):
                    page.write_datetime(row, column, cell, dates)
                elif cell is not None:
                    page.write(row, column, cell)
