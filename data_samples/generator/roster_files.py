"""A district's OneRoster 1.1 set of a year.

Ids are the district's own and repeat from district to district; `identifier` holds the state's. Blank begin
and end dates of an enrollment mean the whole term.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import polars as pl

from .places import District
from .pupils import Pupils
from .rosters import FALL, SPRING, YEAR, Roster
from .settings import GRADES, SUBJECT_TITLES, TAUGHT_SUBJECTS, day, fall_days, first_day, last_day
from .truth import ACCEPTED, Truth

HEADERS = {
    "orgs": """
        sourcedId status dateLastModified name type identifier parentSourcedId""",
    "academicSessions": """
        sourcedId status dateLastModified title type startDate endDate parentSourcedId schoolYear""",
    "courses": """
        sourcedId status dateLastModified schoolYearSourcedId title courseCode grades orgSourcedId subjects
        subjectCodes""",
    "classes": """
        sourcedId status dateLastModified title grades courseSourcedId classCode classType location
        schoolSourcedId termSourcedIds subjects subjectCodes periods""",
    "users": """
        sourcedId status dateLastModified enabledUser orgSourcedIds role username userIds givenName familyName
        middleName identifier email sms phone agentSourcedIds grades password""",
    "enrollments": """
        sourcedId classSourcedId schoolSourcedId userSourcedId role status dateLastModified primary beginDate
        endDate""",
}
_ABSENT = ("categories", "classResources", "courseResources", "demographics", "lineItems", "resources", "results")
_SHORT = {"ela": "ELA", "mathematics": "Math"}
_COURSE = {"ela": "E", "mathematics": "M"}


def write_oneroster(folder: Path, pupils: Pupils, roster: Roster, truth: Truth) -> None:
    """Write the seven files."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "orgs": _orgs(roster.district),
        "academicSessions": _sessions(roster.year),
        "courses": _courses(roster.year),
        "classes": _classes(roster),
        "users": _users(pupils, roster),
        "enrollments": _enrollments(roster),
    }
    for name, frame in tables.items():
        columns = HEADERS[name].split()
        blank = [pl.lit("").alias(column) for column in columns if column not in frame.columns]
        _write(folder / f"{name}.csv", frame.with_columns(blank).select(columns), truth)
    _write(folder / "manifest.csv", _manifest(roster.district), truth)


def _write(path: Path, frame: pl.DataFrame, truth: Truth) -> None:
    frame.write_csv(path, quote_style="never")
    truth.file(path).add(len(frame), Counter({ACCEPTED: len(frame)}))


def _manifest(district: District) -> pl.DataFrame:
    properties = {"manifest.version": "1.0", "oneroster.version": "1.1"}
    properties |= {f"file.{name}": "bulk" for name in HEADERS}
    properties |= {f"file.{name}": "absent" for name in _ABSENT}
    properties |= {"source.systemName": f"{district.name} SIS", "source.systemCode": district.code}
    return pl.DataFrame({"propertyName": list(properties), "value": list(properties.values())})


def _orgs(district: District) -> pl.DataFrame:
    own = ("d", district.name, "district", district.code, "")
    schools = [(f"s{school.index + 1}", school.name, "school", school.school_id, "d") for school in district.schools]
    columns = ["sourcedId", "name", "type", "identifier", "parentSourcedId"]
    return pl.DataFrame([own, *schools], schema=columns, orient="row")


def _sessions(year: int) -> pl.DataFrame:
    """The year and its two semesters, which partition it."""
    turn = fall_days(year)
    spans = {
        YEAR: ("schoolYear", first_day(year), last_day(year)),
        FALL: ("semester", first_day(year), day(year, turn - 1)),
        SPRING: ("semester", day(year, turn), last_day(year)),
    }
    return pl.DataFrame(
        [
            {
                "sourcedId": _session_id(term, year),
                "title": f"{term.capitalize()} {year - 1}-{year}",
                "type": kind,
                "startDate": begin.isoformat(),
                "endDate": end.isoformat(),
                "parentSourcedId": "" if term == YEAR else _session_id(YEAR, year),
                "schoolYear": str(year),
            }
            for term, (kind, begin, end) in spans.items()
        ]
    )


def _session_id(term: str, year: int) -> str:
    return f"{term[0]}{year}"


def _courses(year: int) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "sourcedId": f"{_COURSE[subject]}{grade}",
                "schoolYearSourcedId": _session_id(YEAR, year),
                "title": f"{_SHORT[subject]} {grade}",
                "courseCode": f"{_COURSE[subject]}{grade}",
                "grades": f"{grade:02d}",
                "orgSourcedId": "d",
                "subjects": SUBJECT_TITLES[subject],
            }
            for grade in GRADES
            for subject in TAUGHT_SUBJECTS
        ]
    )


def _classes(roster: Roster) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "sourcedId": f"c{item.number}",
                "title": f"{_SHORT[item.subject]} {item.grade}-{item.section + 1}",
                "grades": f"{item.grade:02d}",
                "courseSourcedId": f"{_COURSE[item.subject]}{item.grade}",
                "classType": "scheduled",
                "schoolSourcedId": f"s{item.school.index + 1}",
                "termSourcedIds": _session_id(item.term, roster.year),
                "subjects": SUBJECT_TITLES[item.subject],
            }
            for item in roster.classes
        ]
    )


def _users(pupils: Pupils, roster: Roster) -> pl.DataFrame:
    """Students with a class, then the district's teachers, some of whom have none."""
    attending = pl.DataFrame(roster.attendance._asdict()).rename({"rows": "pupil"})
    rostered = attending.join(roster.enrollments.select("pupil").unique(), on="pupil", how="semi").sort("pupil")
    people = pl.concat([pupils.people[rostered["pupil"].to_numpy()], rostered], how="horizontal")
    students = people.select(
        sourcedId=pl.format("u{}", pl.col("pupil") + 1),
        enabledUser=pl.lit("true"),
        orgSourcedIds=pl.format("s{}", pl.col("school") + 1),
        role=pl.lit("student"),
        username=pl.format("u{}", pl.col("pupil") + 1),
        givenName="first_name",
        familyName="last_name",
        identifier="student_id",
        email=pl.lit(""),
        grades=pl.col("grade").cast(pl.String).str.zfill(2),
    )
    teachers = [
        {
            "sourcedId": f"t{job.person.number}",
            "enabledUser": "true",
            "orgSourcedIds": f"s{job.school.index + 1}",
            "role": "teacher",
            "username": f"t{job.person.number}",
            "givenName": job.person.first_name,
            "familyName": job.person.last_name,
            "identifier": job.person.staff_id,
            "email": job.person.email,
            "grades": "",
        }
        for job in sorted(roster.teachers, key=lambda job: job.person.number)
    ]
    return pl.concat([students, pl.DataFrame(teachers)])


def _enrollments(roster: Roster) -> pl.DataFrame:
    """Students by class, then the teachers: equals and successors are primary, helpers are not."""
    students = roster.enrollments.sort("class_number", "pupil", "begin").select(
        class_number="class_number",
        school="school",
        userSourcedId=pl.format("u{}", pl.col("pupil") + 1),
        role=pl.lit("student"),
        primary=pl.lit(""),
        begin="begin",
        end="end",
        class_begin="class_begin",
        class_end="class_end",
    )
    teachers = pl.DataFrame(
        [
            {
                "class_number": part.school_class.number,
                "school": part.school_class.school.index,
                "userSourcedId": f"t{part.person.number}",
                "role": part.role,
                "primary": "true" if part.role == "teacher" else "false",
                "begin": part.begin,
                "end": part.end,
                "class_begin": part.school_class.begin,
                "class_end": part.school_class.end,
            }
            for part in roster.staffing
        ]
    )
    both = pl.concat([students, teachers])
    return both.with_row_index("number", offset=1).select(
        sourcedId=pl.format("e{}", "number"),
        classSourcedId=pl.format("c{}", "class_number"),
        schoolSourcedId=pl.format("s{}", pl.col("school") + 1),
        userSourcedId="userSourcedId",
        role="role",
        primary="primary",
        beginDate=_date_unless("begin", "class_begin", roster.year),
        endDate=_date_unless("end", "class_end", roster.year),
    )


def _date_unless(offset: str, term: str, year: int) -> pl.Expr:
    """The date as text, or blank where it is the term's own."""
    dates = pl.lit(first_day(year)) + pl.duration(days=pl.col(offset))
    return pl.when(pl.col(offset) == pl.col(term)).then(pl.lit("")).otherwise(dates.dt.to_string("%Y-%m-%d"))
