"""Rosters on their way to schools: whose students are whose, with names from the vault, to be corrected there.

A corrected sheet comes back as a delivery (layouts `roster_verification` and `roster_verification_text`). So only
people whose ids make the same pseudonym again when they come back stand on it; the others are on a sheet of their own.
Since a student who is not on a sheet is not the teacher's, so are all students of a teacher who has such a student.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import xlsxwriter

from le_pipeline.errors import RosterError
from le_pipeline.home import Home, Partition
from le_pipeline.privacy import handout
from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.pseudonym import pseudonyms
from le_pipeline.privacy.vault import Vault
from le_pipeline.warehouse.engine import Engine, inputs_of
from le_pipeline.warehouse.lake import Lake
from schemas import registry

SQL = Path(__file__).with_suffix(".sql")
LINK = {
    "state": pl.String(),
    "school_year": pl.Int32(),
    "lea_id": pl.String(),
    "school_id": pl.String(),
    "school_name": pl.String(),
    "staff_key": pl.String(),
    "student_key": pl.String(),
    "subject": pl.String(),
    "share_percent": pl.Float64(),
    "excluded_reason": pl.String(),
    "is_on_roster": pl.Boolean(),
}
KEYS = {"student": ("student_key",), "teacher": ("staff_key", "name_key")}
PERSON = {"key": pl.String(), "id": pl.String(), "last": pl.String(), "first": pl.String(), "age": pl.Int32()}

PLACE = ("School Year", "School ID", "School Name")
TEACHER = ("Teacher ID", "Teacher Last Name", "Teacher First Name")
STUDENT = ("Student ID", "Student Last Name", "Student First Name")
COLUMNS = (*PLACE, *TEACHER, *STUDENT, "Subject", "Share percent", "Remark")
# what stands beside has other columns, so that no layout takes it for a roster
NOT_COUNTED = ("School", "Teacher", "Student", "In subject", "Why it is not counted")
NOT_HERE = ("School", "Teacher", "Student", "In subject", "Share now", "Why it cannot be verified here")
WIDTHS = {"School Name": 28, "Remark": 40, "School": 36, "Teacher": 36, "Student": 36}
WIDTHS |= {NOT_COUNTED[-1]: 60, NOT_HERE[-1]: 90}
NAME_CHARACTERS = 24  # Excel allows 31, of which the number takes some

NO_ID = "no id is on file; send a file that has it"
OTHER_ISSUER = "the id on file was given by somebody else than the state, so it would not be recognised"
NAMELESS = "(no name on file)"
NOT_ENROLLED = "Student: not on the enrolment roster of the year; send a roster that has the student"
INCOMPLETE = (
    "Teacher: has other students in this subject who cannot stand on a sheet (listed here); "
    "without them a sheet that comes back would take them away"
)
WORDS = {  # of linked.teacher_student_link.excluded_reason
    "teacher_student_data_link_exclusion": "The roster itself leaves this student out for this teacher",
    "not_full_academic_year": "The student was not in the school for the full academic year",
    "no_share": "The file that named the teacher gives them a share of 0, or other teachers the whole",
    "no_share_declared": "The teacher helps in the class, and no share is declared for such help",
    "removed_by_verification": "A sheet that a school has corrected takes the student from this teacher",
    "not_enrolled_with_teacher": "The file that named the teacher says that the student was not enrolled with them",
}
INSTRUCTIONS = (
    "Please check whose students are whose",
    "",
    "Each sheet is a school. Each row says: this student was taught by this teacher in this subject and school year.",
    "The share is the part of the year's teaching in the subject that is this teacher's. 100%: all year, alone.",
    "",
    "1.  Is the share wrong? Type the right one, with the percent sign: 50%",
    "2.  Is the student not the teacher's? Type 0% or delete the row.",
    "3.  Is a student missing? Copy a row of the teacher below the last one, and type the student's id and the share.",
    "     The names of the student may stay empty; the id must be the one of the state.",
    "4.  Is none of a teacher's students of a subject theirs? Type 0% in every row. Do not delete all of them:",
    "     where a teacher has no row left in a subject, nobody can tell that you have looked, and nothing changes.",
    "5.  Save the workbook (or one sheet as CSV), and send it back in the safe way it came to you.",
    "",
    "A teacher with at least one row in a subject counts as checked in it: only the rows that are there will count.",
    "So send back every row that is right as well, and leave the first row with the names of the columns as it is.",
    "Remarks are for people; they change nothing.",
    "",
    "'Not counted' lists links that count for nobody, each with the reason. Should one count, add a row to its school.",
    "'Cannot be verified here' lists links that this workbook cannot change, each with the reason.",
    "",
    "This workbook holds names of children. Keep it where only you can open it, and delete it once you have sent it.",
)


@dataclass(frozen=True)
class Choice:
    """Whose rosters: those of an LEA's schools; without a year, of the latest that has links."""

    lea_id: str
    state: str | None = None
    school_year: int | None = None
    school_id: str | None = None


@dataclass(frozen=True)
class Exported:
    """What stands in a workbook: links to verify, of how many schools, and links beside."""

    state: str
    school_year: int
    rows: int
    schools: int
    not_counted: int
    not_here: int


def export(home: Home, keys: Keys, choice: Choice, target: Path) -> Exported:
    """Write the links of a district's schools into a workbook (mode 0600), a sheet for each school; the look is logged.

    Raises:
        RosterError: there are no such links, or those of several states.
        HandoutError: the target lies where names must not be.
    """
    links = _links(home, choice)
    state, school_year = links["state"][0], links["school_year"][0]
    vault = Vault(home, keys)
    for kind, key in (("student", "student_key"), ("teacher", "staff_key")):
        found = _people(home, keys, vault, kind, links.select("state", "school_year", key).unique())
        links = links.join(found, on=key, how="left")
    named = _whole_only(_in_words(links))
    why = named["why"].is_not_null()
    counted = named["excluded_reason"].is_null()
    rows, not_counted, not_here = named.filter(counted & ~why), named.filter(~counted & ~why), named.filter(why)
    handout.make_room(home, target)
    schools = rows["School ID"].n_unique()
    vault.log("roster export", "let schools say whose students are whose", rows=named.height, schools=schools)
    with xlsxwriter.Workbook(target, {"strings_to_numbers": False, "strings_to_formulas": False}) as book:
        sheets = _Sheets(book)
        sheets.instructions()
        for place, school in enumerate(rows.partition_by("School ID", maintain_order=True), start=1):
            name = school["School Name"][0] or school["School ID"][0] or "no school"
            sheets.roster(f"{place} {name}", school)
        sheets.beside("Not counted", not_counted.select(NOT_COUNTED))
        sheets.beside("Cannot be verified here", not_here.select(NOT_HERE))
    return Exported(state, school_year, rows.height, schools, not_counted.height, not_here.height)


def _links(home: Home, choice: Choice) -> pl.DataFrame:
    """The links of the choice, of one state and school year."""
    sql = SQL.read_text(encoding="utf-8")
    asked = {"lea_id": choice.lea_id, "state": choice.state, "school_year": choice.school_year}
    asked = {name: value for name, value in (asked | {"school_id": choice.school_id}).items() if value is not None}
    where = " and ".join(f"{name} = ?" for name in asked)
    with Engine(home).connection(inputs_of(sql)) as con:
        query = f"select {', '.join(LINK)} from ({sql}) where {where}"  # names of columns, values apart
        found = pl.DataFrame(con.execute(query, list(asked.values())).fetchall(), schema=LINK, orient="row")
    said = " and ".join(f"{name} {value}" for name, value in asked.items())
    if found.is_empty():
        raise RosterError(f"there are no teacher-student links of {said}; `le run` makes them of what has landed")
    if found["state"].n_unique() > 1:
        states = ", ".join(found["state"].unique().sort())
        raise RosterError(f"several states have links of {said}: {states}; say which with --state")
    return found.filter(pl.col("school_year") == pl.col("school_year").max())


def _people(home: Home, keys: Keys, vault: Vault, kind: str, wanted: pl.DataFrame) -> pl.DataFrame:
    """Id and names of each person wanted (a state, a school year and a key each), and why an id cannot be given.

    A person may have several keys, of several ids: the id is one that makes one of these keys again.
    """
    state, school_year, own = wanted["state"][0], wanted["school_year"][0], wanted.columns[-1]
    alias = Lake(home.lake).read(registry.tables()["person_alias"]).select("alias_key", "person_key")
    people = wanted.select(key=own, person=own)
    others = alias.select(key="alias_key", person="person_key").join(people, on="person", how="semi")
    known = pl.concat([people, others]).unique("key")
    seen = _seen(vault, kind, Partition(state, school_year), known).join(known, on="key")
    field = registry.field_of(KEYS[kind][0])
    again = pseudonyms(seen["id"], domain=str(field.domain), issuer=state, keys=keys)
    same = seen.filter((seen["key"] == again) & seen["id"].is_not_null())
    ids = same.sort(pl.col("key") != pl.col("person"), "key", "id").unique("person", keep="first")
    names = seen.drop_nulls(["last", "first"]).sort("age", "last", "first").unique("person", keep="first")
    foreign = seen.drop_nulls("id").select("person", is_foreign=True).unique()
    why = pl.when(pl.col("id").is_null()).then(
        pl.when(pl.col("is_foreign")).then(pl.lit(OTHER_ISSUER)).otherwise(pl.lit(NO_ID))
    )
    titles = {"student": STUDENT, "teacher": TEACHER}[kind]
    return (
        people.select("person")
        .join(ids.select("person", pl.col("id").str.strip_chars()), on="person", how="left")
        .join(names.select("person", "last", "first"), on="person", how="left")
        .join(foreign, on="person", how="left")
        .select(
            pl.col("person").alias(own),
            *(pl.col(name).alias(title) for name, title in zip(("id", "last", "first"), titles, strict=True)),
            (kind.capitalize() + ": " + why).alias(f"why_{kind}"),
        )
    )


def _seen(vault: Vault, kind: str, partition: Partition, known: pl.DataFrame) -> pl.DataFrame:
    """Every time that one of the keys stands in the vault: key, id and names, and how many years ago that was."""
    found = [pl.DataFrame(schema=PERSON)]
    for feed, table in registry.feeds().items():
        # where a feed knows teachers, the names are theirs and not the students'
        is_named = (kind == "teacher") == ("staff_key" in table.column_names)
        there = [key for key in KEYS[kind] if key in table.column_names]
        for path in sorted((vault.root / feed).glob(f"{partition.state}-*.identity.vault")) if there else ():
            other = Partition.parse(path.name.removesuffix(".identity.vault"))
            for frame in vault.read(f"{feed}/{other}.identity"):
                found += [
                    _told(frame, key, is_named=is_named)
                    .join(known, on="key", how="semi")
                    .with_columns(age=pl.lit(abs(partition.school_year - other.school_year), pl.Int32))
                    for key in there
                ]
    return pl.concat(found).unique()


def _told(frame: pl.DataFrame, key: str, *, is_named: bool) -> pl.DataFrame:
    given = {"key": key, "id": key.replace("_key", "_id"), "last": "last_name", "first": "first_name"}
    there = {"key", "id", "last", "first"} if is_named else {"key", "id"}
    return frame.select(
        pl.col(column).alias(name) if name in there and column in frame.columns else pl.lit(None, pl.String).alias(name)
        for name, column in given.items()
    ).drop_nulls("key")


def _in_words(links: pl.DataFrame) -> pl.DataFrame:
    """The links as a principal reads them, by school, teacher, subject and student."""
    capital = _capital(pl.col("subject").str.replace_all("_", " "))
    spoken = pl.when(pl.col("subject") == "ela").then(pl.lit("ELA")).otherwise(capital)
    share = pl.col("share_percent").map_elements(
        lambda percent: f"{percent:.2f}".rstrip("0").rstrip(".") + "%", pl.String
    )
    absent = pl.when(~pl.col("is_on_roster")).then(pl.lit(NOT_ENROLLED))
    why = pl.concat_str("why_teacher", "why_student", absent, separator=". ", ignore_nulls=True)
    return links.with_columns(
        pl.format("{}-{}", pl.col("school_year") - 1, "school_year").alias("School Year"),
        pl.col("school_id").alias("School ID"),
        pl.col("school_name").alias("School Name"),
        *(spoken.alias(title) for title in ("Subject", "In subject")),
        *(share.alias(title) for title in ("Share percent", "Share now")),
        pl.lit("").alias("Remark"),
        pl.concat_str("school_id", "school_name", separator=" ", ignore_nulls=True).alias("School"),
        _person(TEACHER).replace("", NAMELESS).alias("Teacher"),
        _person(STUDENT).replace("", NAMELESS).alias("Student"),
        pl.col("excluded_reason").replace(WORDS).alias(NOT_COUNTED[-1]),
        why.alias(NOT_HERE[-1]),
        pl.when(why != "").then(why).alias("why"),
    ).sort(
        *("School Name", "School ID", *TEACHER[1:], "Teacher ID", "Subject", *STUDENT[1:], "Student ID"),
        nulls_last=True,
    )


def _whole_only(named: pl.DataFrame) -> pl.DataFrame:
    """Sets the links of a teacher in a subject apart where one that counts has to stand apart.

    A sheet that comes back is complete for its teacher and subject; it would take away the student it could not hold.
    """
    is_apart = (pl.col("why").is_not_null() & pl.col("excluded_reason").is_null()).any().over("staff_key", "subject")
    follows = pl.col("why").is_null() & pl.col("excluded_reason").is_null() & is_apart
    return named.with_columns(
        pl.when(follows).then(pl.lit(INCOMPLETE)).otherwise(pl.col(name)).alias(name) for name in ("why", NOT_HERE[-1])
    )


def _person(titles: tuple[str, ...]) -> pl.Expr:
    """Family and given name, and the id where there is one that may be given."""
    names = pl.concat_str(*titles[1:], separator=", ", ignore_nulls=True)
    return pl.concat_str(names, pl.format("({})", titles[0]), separator=" ", ignore_nulls=True)


def _capital(text: pl.Expr) -> pl.Expr:
    return text.str.slice(0, 1).str.to_uppercase() + text.str.slice(1)


class _Sheets:
    """Writes the sheets of one workbook; every cell is text, so that ids keep their zeros and shares their sign."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._text = book.add_format({"num_format": "@"})
        self._entry = book.add_format({"num_format": "@", "bg_color": "#fff7d6"})
        self._head = book.add_format({"bold": True, "bg_color": "#dddddd"})

    def instructions(self) -> None:
        sheet = self._book.add_worksheet("Read me first")
        sheet.set_column(0, 0, 120)
        for line, text in enumerate(INSTRUCTIONS):
            sheet.write_string(line, 0, text, self._head if line == 0 else None)

    def roster(self, title: str, rows: pl.DataFrame) -> None:
        sheet = self._sheet(title, rows.select(COLUMNS))
        share, subject = COLUMNS.index("Share percent"), COLUMNS.index("Subject")
        for column, width in ((share, 14), (COLUMNS.index("Remark"), WIDTHS["Remark"])):
            sheet.set_column(column, column, width, self._entry)
        last = 1_048_575  # of a sheet, so that rows that are added are helped with as well
        sheet.data_validation(1, subject, last, subject, {
            "validate": "list", "source": rows["Subject"].unique().sort().to_list(), "error_type": "warning",
            "error_title": "Another subject", "error_message": "No other row of this school has this subject.",
        })  # fmt: skip
        cell = f"{chr(ord('A') + share)}2"
        number = f'VALUE(SUBSTITUTE({cell},"%",""))'
        sheet.data_validation(1, share, last, share, {
            "validate": "custom", "value": f"=IFERROR(AND({number}>=0,{number}<=100),FALSE)",
            "error_title": "No share", "error_message": "Type a percentage from 0% to 100%, such as 50%.",
        })  # fmt: skip
        sheet.ignore_errors({"number_stored_as_text": f"A1:L{last}"})

    def beside(self, title: str, rows: pl.DataFrame) -> None:
        if rows.height:
            self._sheet(title, rows)

    def _sheet(self, title: str, rows: pl.DataFrame) -> Any:
        name = "".join(sign for sign in title if sign not in r"[]:*?/\'")
        sheet = self._book.add_worksheet(name[:NAME_CHARACTERS])
        for column, head in enumerate(rows.columns):
            sheet.set_column(column, column, WIDTHS.get(head, 16), self._text)
            sheet.write_string(0, column, head, self._head)
        for line, row in enumerate(rows.iter_rows(), start=1):
            for column, cell in enumerate(row):
                entry = rows.columns[column] in ("Share percent", "Remark")
                sheet.write_string(line, column, cell or "", self._entry if entry else self._text)
        sheet.freeze_panes(1, 0)
        return sheet
