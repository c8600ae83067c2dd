"""The programme's own lists of a year, as workbooks: fellows, mentors and applicants.

Beside each stands a list of names and schools, as a region keeps it, without ids. On it are
- every other fellow in the second year, who is on the first year's list with id;
- every other selected applicant, who is on the fellow list with id, and a few administrators who were not selected, who
  are on no other list;
- some pairs of fellow and mentee in another subject, and a few mentees who are on no other list of the year.

One applicant of a year has somebody else's id beside the right name.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, datetime
from math import ceil
from pathlib import Path

import polars as pl
import xlsxwriter

from .listed_names import ID_OF_SOMEBODY_ELSE, NO_TROUBLE, OF_THE_SCHOOL, Named, NameTrouble, administrators
from .programme import Fellowship, Mentorship, Programme, cohort_quota
from .settings import COHORTS, PROGRAMME, STATES, SUBJECT_TITLES, TAUGHT_SUBJECTS
from .truth import ACCEPTED, Truth
from .workforce import Job, Person, Workforce

Row = list[str | int | date | None]
_WHO = ["State Staff ID", "Last Name", "First Name", "Email", "School"]
_PAIR = ["Fellow Staff ID", "Fellow Email", "Mentee Staff ID", "Mentee Email"]
_NAMED_PAIR = ["Fellow Last Name", "Fellow First Name", "Mentee Last Name", "Mentee First Name", "School"]
_FELLOWSHIP = ["Cohort", "Region", "Start Date", "End Date", "Status"]
_TERMS = ["Subject", "School Year", "Start Date", "End Date"]
HEADERS = {
    "fellows": [*_WHO, "Cohort", "Region", "Role", "Start Date", "End Date", "Status"],
    "mentors": [*_PAIR, *_TERMS],
    "applicants": [*_WHO, "Applied Year", "Decision"],
    "fellow_names": ["Last Name", "First Name", "School", *_FELLOWSHIP],
    "mentor_names": [*_NAMED_PAIR, *_TERMS],
    "applicant_names": ["Name", "School", "Applied Year", "Decision"],
}


@dataclass(frozen=True)
class _Mention:
    """Whom an entry means on one side, and by what it names them."""

    side: str
    person: Person
    given: str
    trouble: str = NO_TROUBLE
    only_by_name: bool = False


@dataclass(frozen=True)
class _Entry:
    cells: Row
    mentions: tuple[_Mention, ...]


class ProgrammeFiles:
    """The lists of one state, year after year."""

    def __init__(
        self, workforce: Workforce, programme: Programme, trouble: NameTrouble, truth: Truth, *, dirt: bool
    ) -> None:
        self._workforce = workforce
        self._programme = programme
        self._trouble = trouble
        self._truth = truth
        self._dirt = dirt

    def write(self, folder: Path, year: int) -> None:
        """The year's lists; there are none before the first cohort."""
        if year not in COHORTS:
            return
        lists = {**self._fellows(year), **self._mentors(year), **self._applicants(year)}
        for name, entries in lists.items():
            if not entries:
                continue
            path = folder / f"{name}_{year}.xlsx"
            _write_workbook(path, name.capitalize(), [list(HEADERS[name]), *(entry.cells for entry in entries)])
            self._truth.file(path).add(len(entries), Counter({ACCEPTED: len(entries)}))
            self._add_truth(path, name, entries, year)

    def _fellows(self, year: int) -> dict[str, list[_Entry]]:
        """Those active in the year, at the school where they teach in it."""
        job = {job.person: job for job in self._workforce.jobs[year]}
        active = [each for each in self._programme.fellowships.values() if each.is_active(year)]
        second = [job[each.person] for each in active if each.cohort < year]
        named = {name.person: name for name in self._trouble.some(second, len(second) // 2)}
        listed = [each for each in active if each.person not in named]
        return {
            "fellows": [
                _entry(
                    [*_who(each.person, job[each.person].school.name), *_fellowship(each, year, "Fellow")],
                    "fellow",
                    each.person,
                )
                for each in listed
            ],
            "fellow_names": [
                _named_entry([*_names(named[each.person]), *_fellowship(each, year)], "fellow", named[each.person])
                for each in active
                if each.person in named
            ],
        }

    def _mentors(self, year: int) -> dict[str, list[_Entry]]:
        """One row per fellow and mentee; some pairs are listed for another subject too, by name."""
        pairs = [pair for pair in self._programme.mentorships if pair.year == year]
        job = {job.person: job for job in self._workforce.jobs[year]}
        only = self._trouble.alone([job[pair.mentee] for pair in pairs], self._quota(year, PROGRAMME.mentees_by_name))
        alone = {name.person: name for name in only}
        listed = [pair for pair in pairs if pair.mentee not in alone]
        count = ceil(len(listed) / 12)
        mentees = {name.person: name for name in self._trouble.some([job[pair.mentee] for pair in listed], count)}
        of_fellow = {pair.fellow: pair for pair in listed if pair.mentee not in mentees}
        fellows = {name.person: name for name in self._trouble.some([job[fellow] for fellow in of_fellow], count)}
        entries = [
            *(
                _named_pair(pair, _as_listed(job[pair.fellow]), alone[pair.mentee], pair.subject)
                for pair in pairs
                if pair.mentee in alone
            ),
            *(
                _named_pair(pair, _as_listed(job[pair.fellow]), mentees[pair.mentee], _other_subject(pair.subject))
                for pair in listed
                if pair.mentee in mentees
            ),
            *(
                _named_pair(pair, fellows[pair.fellow], _as_listed(job[pair.mentee]), _other_subject(pair.subject))
                for pair in of_fellow.values()
                if pair.fellow in fellows
            ),
        ]
        return {"mentors": [_pair(pair) for pair in listed], "mentor_names": entries}

    def _applicants(self, year: int) -> dict[str, list[_Entry]]:
        """Everyone who applied to the year's cohort."""
        applications = [each for each in self._programme.applications if each.year == year]
        selected = [each.job for each in applications if each.selected]
        named = {name.person: name for name in self._trouble.some(selected, len(selected) // 2)}
        offices = [job for job in administrators(self._workforce, year) if not self._has_part(job.person)]
        alone = self._trouble.alone(offices, self._quota(year, PROGRAMME.administrators_by_name))
        outside = [job for job in offices if job.person not in {name.person for name in alone}]
        listed = [each for each in applications if each.job.person not in named]
        wrong = next((each.job.person for each in listed if each.selected and self._dirt), None)
        stranger = self._trouble.stranger(wrong, outside) if wrong else None
        entries = []
        for each in listed:
            person, decision = each.job.person, _decision(selected=each.selected)
            entry = _entry([*_who(person, each.job.school.name), year, decision], "applicant", person)
            if person is wrong and stranger:
                cells: Row = [stranger.staff_id, person.last_name, person.first_name, None, each.job.school.name]
                mention = _Mention("applicant", person, "staff_id", ID_OF_SOMEBODY_ELSE)
                entry = _Entry([*cells, year, decision], (mention,))
            entries.append(entry)
        by_name = [*(named[job.person] for job in selected if job.person in named), *alone]
        return {
            "applicants": entries,
            "applicant_names": [
                _named_entry(
                    [_whole(name, year), name.school, year, _decision(selected=not name.only_by_name)],
                    "applicant",
                    name,
                )
                for name in by_name
            ],
        }

    def _quota(self, year: int, total: int) -> int:
        programme = self._programme
        return cohort_quota(STATES.index(programme.profile), year, total, programme.students)

    def _has_part(self, person: Person) -> bool:
        programme = self._programme
        return (
            person in programme.fellowships
            or person in programme.turned_down
            or any(person in mentees for mentees in programme.mentored.values())
        )

    def _add_truth(self, path: Path, name: str, entries: list[_Entry], year: int) -> None:
        rows = [
            {
                "state": self._workforce.profile.code,
                "school_year": year,
                "list": name,
                "row": row,
                "side": mention.side,
                "staff_id": mention.person.staff_id,
                "given": mention.given,
                "trouble": mention.trouble,
                "only_by_name": mention.only_by_name,
            }
            for row, entry in enumerate(entries, start=1)
            for mention in entry.mentions
        ]
        self._truth.append("listing", pl.DataFrame(rows).with_columns(file=pl.lit(self._truth.name(path))))


def _entry(cells: Row, side: str, person: Person) -> _Entry:
    return _Entry(cells, (_mention(side, person),))


def _mention(side: str, person: Person) -> _Mention:
    return _Mention(side, person, "email" if person.listed_by_email_only else "staff_id")


def _named_entry(cells: Row, side: str, name: Named) -> _Entry:
    return _Entry(cells, (_named_mention(side, name),))


def _named_mention(side: str, name: Named) -> _Mention:
    return _Mention(side, name.person, "name", name.trouble, name.only_by_name)


def _pair(pair: Mentorship) -> _Entry:
    cells: Row = [
        _listed_id(pair.fellow),
        _listed_email(pair.fellow),
        _listed_id(pair.mentee),
        _listed_email(pair.mentee),
        *_terms(pair, pair.subject),
    ]
    return _Entry(cells, (_mention("fellow", pair.fellow), _mention("mentee", pair.mentee)))


def _named_pair(pair: Mentorship, fellow: Named, mentee: Named, subject: str) -> _Entry:
    """Both are of one school, which the list names once: trouble with the school is both people's."""
    school = mentee.school if mentee.trouble != NO_TROUBLE else fellow.school
    if mentee.trouble in OF_THE_SCHOOL:
        fellow = replace(fellow, trouble=mentee.trouble)
    elif fellow.trouble in OF_THE_SCHOOL:
        mentee = replace(mentee, trouble=fellow.trouble)
    cells: Row = [fellow.last_name, fellow.first_name, mentee.last_name, mentee.first_name, school]
    mentions = (_named_mention("fellow", fellow), _named_mention("mentee", mentee))
    return _Entry([*cells, *_terms(pair, subject)], mentions)


def _terms(pair: Mentorship, subject: str) -> Row:
    return [SUBJECT_TITLES[subject], f"{pair.year - 1}-{pair.year}", pair.begin_date, pair.end_date]


def _other_subject(subject: str) -> str:
    return next(other for other in TAUGHT_SUBJECTS if other != subject)


def _fellowship(fellowship: Fellowship, year: int, *role: str) -> Row:
    terms = [fellowship.begin_date, fellowship.end_date, fellowship.status(year)]
    return [fellowship.cohort, fellowship.region, *role, *terms]


def _as_listed(job: Job) -> Named:
    return Named(job.person, job.person.last_name, job.person.first_name, job.school.name)


def _names(name: Named) -> Row:
    return [name.last_name, name.first_name, name.school]


def _whole(name: Named, year: int) -> str:
    """Each year's list has the parts of a name in another order."""
    return f"{name.first_name} {name.last_name}" if year % 2 else f"{name.last_name}, {name.first_name}"


def _decision(*, selected: bool) -> str:
    return "Selected" if selected else "Not selected"


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
