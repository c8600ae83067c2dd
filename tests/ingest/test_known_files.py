"""What the shipped layouts make of their files: of the public samples, where they are at hand, and of made-up lines."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from le_pipeline.home import Home, Partition
from le_pipeline.ingest.partition import FeedReport, ingest_feed
from le_pipeline.ingest.rehearsal import rehearse
from le_pipeline.privacy.keys import Keys, record
from le_pipeline.warehouse.lake import Lake
from schemas import layout, registry

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "assessments"
FEED = "student_assessment"
sampled = pytest.mark.skipif(not DATA.exists(), reason=f"the public files are not at {DATA}")

SCORE = ("assessment", "subject", "administration", "grade", "scale_score", "performance_level", "proficient")


class Intake:
    """One file, brought in, and what the table then holds."""

    def __init__(self, home: Home, keys: Keys) -> None:
        self.home, self.keys = home, keys

    def sample(self, name: str, folder: str) -> Intake:
        target = self.home.landing / folder / Path(name).name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(DATA / name, target)
        return self.run(folder)

    def text(self, name: str, text: str) -> Intake:
        path = self.home.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return self.run(str(Path(name).parent))

    def run(self, folder: str) -> Intake:
        state, year = folder.split("/")
        self.report: FeedReport = ingest_feed(self.home, self.keys, FEED, Partition(state, int(year)))
        return self

    def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        frame = Lake(self.home.lake).read(registry.feeds()[FEED])
        return frame.sort("source_row", "subject").select(columns).rows()

    def delivery(self) -> dict[str, Any]:
        return self.report.deliveries.rows(named=True)[-1]


@pytest.fixture
def intake(home: Home, keys: Keys) -> Intake:
    return Intake(home, keys)


def csv(*rows: dict[str, str]) -> str:
    """A file with the columns of its rows."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [",".join(row.get(name, "") for name in columns) for row in rows]
    return "\n".join([",".join(columns), *lines]) + "\n"


# -- Missouri ----------------------------------------------------------------------------------------------------


@sampled
def test_an_end_of_course_test_has_its_course_its_score_and_its_window(intake: Intake) -> None:
    found = intake.sample("Missouri_Assessment_Program/sample_anonymized_file.txt", "MO/2025")

    assert found.rows(*SCORE) == [
        ("Missouri MAP", "ela", "spring", "06", 390.0, "Basic", "no"),
        ("Missouri MAP", "mathematics", "spring", "05", 311.0, "Below Basic", "no"),
        ("Missouri EOC", "government", "fall", "11", 364.0, "Below Basic", "no"),
        ("Missouri EOC", "government", "spring", "09", 368.0, "Below Basic", "no"),
    ]
    assert found.delivery()["excluded_by_reason"] == '{"alternate": 4}'


# -- Smarter Balanced --------------------------------------------------------------------------------------------


@sampled
def test_interim_results_are_kept_apart_from_summative_ones_and_counted(intake: Intake) -> None:
    found = intake.sample("CERS/sample_anonymized_file.csv", "CA/2025")

    assert found.delivery()["excluded_by_reason"] == '{"alternate": 25, "interim": 294}'
    tests = pl.DataFrame(found.rows("assessment", "subject"), schema=["assessment", "subject"], orient="row")
    assert sorted(tests.group_by("assessment", "subject").len().rows()) == [
        ("CAST", "science", 3),
        ("Smarter Balanced Summative", "ela", 7),
        ("Smarter Balanced Summative", "mathematics", 7),
        ("Summative ELPAC", "english_proficiency", 13),
    ]


@sampled
def test_the_same_place_of_a_level_is_proficient_in_one_assessment_and_not_in_another(intake: Intake) -> None:
    found = intake.sample("CERS/sample_anonymized_file.csv", "CA/2025")

    levels = {row for row in found.rows("assessment", "level_order", "proficient") if row[1] == 3}
    assert ("Smarter Balanced Summative", 3, "yes") in levels
    assert ("Summative ELPAC", 3, "no") in levels


# -- Texas -------------------------------------------------------------------------------------------------------


@sampled
def test_fixed_width_and_delimited_files_of_one_year_say_the_same(intake: Intake, tmp_path: Path) -> None:
    columns = (*SCORE, "raw_score", "school_id", "lea_id", "sex", "race_ethnicity", "english_learner")
    read = []
    for name in ("sample_anonymized_file.csv", "sample_anonymized_file.txt"):
        intake.home = Home.at(tmp_path / name)
        intake.home.create()
        record(intake.home, intake.keys)
        read.append(intake.sample(f"STAAR_Summative/{name}", "TX/2023").rows(*columns))

    assert read[0] == read[1]
    assert [row[:7] for row in read[0][:2]] == [
        ("STAAR", "ela", "spring", "03", 1444.0, "Approaches", "no"),
        ("STAAR", "mathematics", "spring", "03", 1423.0, "Approaches", "no"),
    ]


@sampled
@pytest.mark.parametrize("name", ["sample_anonymized_file.csv", "sample_anonymized_file.txt"])
@pytest.mark.parametrize("year", [2021, 2022, 2024, 2025, 2026])
def test_another_years_file_is_refused_though_it_could_be_read(home: Home, name: str, year: int) -> None:
    (found,) = rehearse(home, DATA / "STAAR_Summative" / name, "TX", year)

    assert not found.parts
    assert "is for another state or year; check the folder it landed in" in str(found.refusal)


def staar_line(year: int, **cells: str) -> str:
    """A line of the year's fixed-width file, filled where its layout says."""
    positions = layout.load_layout(layout.SHIPPED / f"tx_staar_3_8_{year}_fixed.yaml").read.positions
    text = [" "] * 3999 + ["."]
    for name, cell in cells.items():
        first, last = positions[name]
        text[first - 1 : last] = cell.ljust(last - first + 1)
    return "".join(text)


def staar_student(number: int, year: int = 2024, dated: str = "0524", **cells: str) -> str:
    student = {
        "administration_date": dated,
        "grade_level_tested": "08",
        "county_district_campus_number": "999901001",
        "last_name": "Tester",
        "sex_code": "F",
        "date_of_birth": "02032010",
        "tx_unique_student_id": f"{7000000000 + number}",
        "score_code_mathematics": "S",
        "mathematics_raw_score": "20",
        "mathematics_scale_score": "1600",
        "approaches_grade_level_in_mathematics": "1",
        "meets_grade_level_in_mathematics": "1",
        "masters_grade_level_in_mathematics": "0",
    }
    return staar_line(year, **student | cells)


def test_a_line_of_another_year_in_a_years_file_is_quarantined(intake: Intake) -> None:
    lines = [staar_student(number) for number in range(99)]

    found = intake.text("TX/2024/staar.txt", "\r\n".join([*lines, staar_student(99, dated="0523")]) + "\r\n")

    assert found.delivery()["rows_accepted"] == 99
    assert found.delivery()["quarantined_by_rule"] == '{"unreadable": 1}'


def test_the_file_of_one_year_under_the_folder_of_the_next_is_refused(intake: Intake) -> None:
    path = intake.home.landing / "TX" / "2024" / "staar.txt"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(staar_student(number, dated="0523") for number in range(20)), encoding="utf-8")

    (found,) = rehearse(intake.home, path)

    assert str(found.refusal) == (
        "no layout fits: the nearest is tx_staar_3_8_2023_fixed, which is for another state or year;"
        " check the folder it landed in"
    )


def test_only_the_score_code_s_is_a_score_and_algebra_is_a_test_of_its_own(intake: Intake) -> None:
    algebra = {"algebra_1_score_code": "S", "algebra_1_scale_score": "4200", "algebra_1_approaches": "1"}
    algebra |= {"algebra_1_meets": "1", "algebra_1_masters": "1"}
    absent = {"score_code_mathematics": "A", "mathematics_scale_score": "", "mathematics_raw_score": ""}
    absent |= dict.fromkeys([f"{level}_grade_level_in_mathematics" for level in ("approaches", "meets", "masters")], "")

    found = intake.text(
        "TX/2024/staar.txt",
        "\n".join(
            [
                staar_student(1, **algebra),
                staar_student(2, **absent),
                staar_student(3, score_code_mathematics="O"),
            ]
        ),
    )

    assert found.rows(*SCORE) == [
        ("STAAR EOC", "algebra_1", "spring", "08", 4200.0, "Masters", "yes"),
        ("STAAR", "mathematics", "spring", "08", 1600.0, "Meets", "yes"),
    ]
    assert found.delivery()["excluded_by_reason"] == '{"not_tested": 12, "void": 1}'


def test_writing_was_a_subject_until_2021(intake: Intake) -> None:
    writing = {"score_code_writing": "S", "writing_scale_score": "3900", "approaches_grade_level_in_writing": "1"}
    writing |= {"meets_grade_level_in_writing": "0", "masters_grade_level_in_writing": "0"}

    found = intake.text("TX/2021/staar.txt", staar_student(1, 2021, "0521", grade_level_tested="04", **writing))

    assert ("STAAR", "writing", "spring", "04", 3900.0, "Approaches", "no") in found.rows(*SCORE)


@pytest.mark.parametrize("year", range(2021, 2027))
def test_every_year_has_a_layout_for_its_fixed_width_file(intake: Intake, year: int) -> None:
    dated = f"05{year % 100}"

    found = intake.text(f"TX/{year}/staar.txt", staar_student(1, year, dated))

    assert found.rows("school_year", *SCORE) == [
        (year, "STAAR", "mathematics", "spring", "08", 1600.0, "Meets", "yes"),
    ]


# -- vendors -----------------------------------------------------------------------------------------------------


@sampled
@pytest.mark.parametrize(
    ("name", "folder", "row"),
    [
        ("ACCESS/sample_anonymized_file_ACCESS.csv", "CO/2026",
         ("WIDA ACCESS", "english_proficiency", "winter", "03", 228.0, "1.4", None)),
        ("ACT/sample_anonymized_file.csv", "SC/2025", ("ACT", "composite", "fall", "11", 16.0, None, None)),
        ("Beacon/sample_anonymized_file_24_25.csv", "NE/2025",
         ("Beacon", "mathematics", "winter", "07", 452.0, "Prepared", "yes")),
        ("Beacon/sample_anonymized_file_25_26.csv", "NE/2026",
         ("Beacon", "mathematics", "fall", "KG", 417.0, "Near Target", "no")),
        ("IN_ILEARN/ilearn_sample_data.csv", "IN/2024",
         ("ILEARN", "ela", "spring", "06", 5300.0, "Below Proficiency", "no")),
        ("KRA/KRA_sample_file_deidentified.csv", "SC/2023",
         ("KRA", "kindergarten_readiness", "fall", "KG", 264.0, "Approaching Readiness", "no")),
        ("KRA/KRA_sample_file_deidentified_new.csv", "SC/2025",
         ("KRA", "kindergarten_readiness", "fall", "KG", 253.0, "Emerging Readiness", "no")),
        ("STAR/SR_sample_anonymized_file.csv", "SC/2024",
         ("Star Reading", "reading", "fall", "04", 8.0, "Urgent Intervention", "no")),
        ("i-Ready/sample_anonymized_file_ela.csv", "SC/2026",
         ("i-Ready Diagnostic", "reading", "winter", "03", 424.0, "2 Grade Levels Below", "no")),
        ("i-Ready/sample_anonymized_file_math.csv", "SC/2026",
         ("i-Ready Diagnostic", "mathematics", "winter", "03", 404.0, "2 Grade Levels Below", "no")),
        ("MAP_Growth/sample_anonymized_file.csv", "TX/2022",
         ("NWEA MAP Growth", "science", "fall", None, 208.0, None, None)),
    ],
)  # fmt: skip
def test_the_first_score_of_a_file(intake: Intake, name: str, folder: str, row: tuple[Any, ...]) -> None:
    assert intake.sample(name, folder).rows(*SCORE)[0] == row


# -- by their public columns, without a sample -------------------------------------------------------------------


def leap_student(number: int, **cells: str) -> dict[str, str]:
    student = {"LASID": f"{7000000 + number}", "LastName": "Tester", "FirstName": "Ann", "DOB": "02/03/2003"}
    student |= {"Grade": "9", "Gender": "F", "EthnicityRace": "Hispanic/Latino", "EL": "EL (Not SIFE)"}
    student |= {"AdministrationMonth": "05", "SchoolSystem": "036", "SchoolCode": "036001", "SchoolYear": "2018-2019"}
    for course in ("E1", "E2", "AL", "GM", "US", "BL"):
        student |= {f"{course}{name}": "" for name in ("RawScore", "ScaleScore", "AchievementLevel", "TestingStatus")}
        student |= {f"{course}VoidFlag": "No", f"{course}TeacherLastName": "", f"{course}TeacherFirstName": ""}
    return student | cells


def test_the_courses_of_the_louisiana_high_school_file_become_subjects(intake: Intake) -> None:
    english = {"E1ScaleScore": "742", "E1AchievementLevel": "Basic", "E1RawScore": "30", "E1TestingStatus": "Initial"}
    algebra = {"ALScaleScore": "760", "ALAchievementLevel": "Mastery", "ALVoidFlag": "Yes"}

    found = intake.text("LA/2019/hs.csv", csv(leap_student(1, **english), leap_student(2, **algebra)))

    assert found.rows(*SCORE, "school_year", "english_learner", "race_ethnicity", "lea_id") == [
        ("LEAP 2025 HS", "english_1", "spring", "09", 742.0, "Basic", "no", 2019, "yes", "hispanic_or_latino", "036"),
    ]
    assert found.delivery()["excluded_by_reason"] == '{"not_tested": 10, "void": 1}'
    assert found.delivery()["unknown_columns"] is None


def test_the_teacher_beside_each_tested_course_of_that_file_becomes_a_link(home: Home, keys: Keys) -> None:
    english = {"E1ScaleScore": "742", "E1TeacherLastName": "Able", "E1TeacherFirstName": "Ruth"}
    biology = {"BLScaleScore": "700", "BLTeacherLastName": "ABLE ", "BLTeacherFirstName": "ruth"}
    history = {"USScaleScore": "", "USTeacherLastName": "Able", "USTeacherFirstName": "Ruth"}  # enrolled, not tested
    voided = {"ALScaleScore": "", "ALVoidFlag": "Yes", "ALTeacherLastName": "Able", "ALTeacherFirstName": "Ruth"}
    nameless = {"E2ScaleScore": "742", "GMScaleScore": "700", "GMTeacherLastName": "Able"}
    elsewhere = english | {"SchoolCode": "036002"}
    students = [english | biology | history, voided, nameless, elsewhere]
    path = home.landing / "LA/2019/hs.csv"
    path.parent.mkdir(parents=True)
    path.write_text(csv(*(leap_student(number, **cells) for number, cells in enumerate(students))), encoding="utf-8")

    report = ingest_feed(home, keys, "teacher_student_link", Partition("LA", 2019))

    (delivery,) = report.deliveries.rows(named=True)
    assert (delivery["layout"], delivery["rows_read"]) == ("la_leap_hs_teacher", 24)
    assert delivery["excluded_by_reason"] == '{"no_first_name": 1, "not_tested": 19}'
    assert (delivery["rows_quarantined"], delivery["unknown_columns"]) == (0, None)
    links = Lake(home.lake).read(registry.feeds()["teacher_student_link"]).sort("source_row", "subject")
    assert links.select("school_year", "school_id", "subject", "link_source", "weight", "staff_key").rows() == [
        (2019, "036001", "biology", "test_file", None, None),
        (2019, "036001", "english_1", "test_file", None, None),
        (2019, "036001", "algebra_1", "test_file", None, None),
        (2019, "036002", "english_1", "test_file", None, None),
    ]
    of_biology, of_english, of_algebra, of_elsewhere = links["name_key"]
    assert of_biology == of_english == of_algebra != of_elsewhere  # a name is one person within a school


def test_the_state_file_of_louisiana_grades_3_to_8_is_known_by_its_own_columns(intake: Intake) -> None:
    student = {"SchoolSystemNbr": "036", "SchoolNbr": "036001", "LastName": "Tester", "FirstName": "Ann"}
    student |= {"LASID": "7000001", "DOB": "02/03/2011", "Grade": "06", "EthnicityRace": "Black or African American"}
    student |= {"EducationClassificationSummary": "Special", "English Learner": "No"}
    student |= {"LAP Economically Disadvantaged": "Economically Disadvantaged", "Homeless (McKinney Vento)": "No"}
    for subject, score in {"ELA": "725", "Math": "706", "Science": "", "Social": ""}.items():
        student |= {f"{subject}ScaleScore": score, f"{subject}Achievement": "Basic" if score else ""}
        student |= {f"{subject}VoidFlag": "No" if score else ""}

    found = intake.text("LA/2024/leap.csv", csv(student))

    assert found.delivery()["layout"] == "la_leap_3_8_state"
    assert found.rows(*SCORE, "economically_disadvantaged", "english_learner", "disability", "homeless") == [
        ("LEAP 3-8", "ela", "spring", "06", 725.0, "Basic", "no", "yes", "no", "yes", "no"),
        ("LEAP 3-8", "mathematics", "spring", "06", 706.0, "Basic", "no", "yes", "no", "yes", "no"),
    ]


@pytest.mark.parametrize("year", ["of 2015", "of 2022"])
def test_michigan_files_of_different_years_say_the_same(intake: Intake, year: str) -> None:
    student = {"UIC": "7000000001", "LastName": "Tester", "FirstName": "Ann", "Grade": "3", "Gender": "F"}
    student |= {"Ethnicity": "9", "DistrictCode": "82000", "SchoolCode": "00100", "ContentArea": "MA", "Valid": "Y"}
    student |= {"Attemptedness": "Y", "SS": "1301", "SSSE": "8", "PL": "3"}
    own = {
        "of 2015": {"TestCycleID": "Spring 2015 M-STEP", "BirthDate": "02/03/2006", "ED": "1", "LEP": "0", "SE": "0"},
        "of 2022": {"TestCycleId": "Spring 2022 M-STEP", "BirthDate": "02-03-2013 00:00:00", "ED": "Y", "EL": "N"},
    }[year]  # fmt: skip
    out = {"UIC": "7000000002", "Attemptedness": "N", "SS": "", "PL": ""}
    void = {"UIC": "7000000003", "Valid": "N"}
    ended = int(year[-4:])

    found = intake.text(f"MI/{ended}/mstep.csv", csv(student | own, student | own | out, student | own | void))

    assert found.rows("school_year", *SCORE, "race_ethnicity", "economically_disadvantaged", "english_learner") == [
        (ended, "M-STEP", "mathematics", "spring", "03", 1301.0, "Proficient", "yes", "asian", "yes", "no"),
    ]
    assert found.delivery()["excluded_by_reason"] == '{"not_attempted": 1, "void": 1}'


def test_test_codes_of_the_parcc_family_are_subjects(intake: Intake) -> None:
    student = {"StateStudentIdentifier": "7000000001", "LocalStudentIdentifier": "71", "FirstName": "Ann"}
    student |= {"LastOrSurname": "Tester", "Birthdate": "2006-02-03", "Sex": "F", "GradeLevelWhenAssessed": "03"}
    student |= {"TestingDistrictCode": "001", "TestingSchoolCode": "0450", "TestCode": "ELA03", "Period": "Spring"}
    student |= {
        "AssessmentYear": "2015-2016",
        "TestScaleScore": "748",
        "TestPerformanceLevel": "3",
        "VoidScoreCode": "",
    }
    student |= {"EnglishLearnerEL": "N", "StudentWithDisabilities": "504", "EconomicDisadvantageStatus": "Y"}
    races = ("AmericanIndianOrAlaskaNative", "Asian", "BlackOrAfricanAmerican", "NativeHawaiianOrOtherPacificIslander")
    student |= dict.fromkeys([*races, "White", "TwoOrMoreRaces", "HispanicOrLatinoEthnicity"], "N")
    rows = [
        student | {"Asian": "Y", "White": "Y"},
        student | {"TestCode": "ALG01", "GradeLevelWhenAssessed": "8", "TestPerformanceLevel": "4", "White": "Y"},
        student | {"TestCode": "MAT2I", "GradeLevelWhenAssessed": "10", "HispanicOrLatinoEthnicity": "Y", "White": "Y"},
        student | {"TestCode": "MAT03", "VoidScoreCode": "01"},
        student | {"TestCode": "GEO01", "TestScaleScore": "", "TestPerformanceLevel": ""},
    ]

    found = intake.text("DC/2016/summative.csv", csv(*rows))

    assert found.rows(*SCORE[:4], "performance_level", "proficient", "race_ethnicity", "section_504") == [
        ("PARCC", "ela", "spring", "03", "Level 3", "no", "two_or_more_races", "yes"),
        ("PARCC", "algebra_1", "spring", "08", "Level 4", "yes", "white", "yes"),
        ("PARCC", "integrated_mathematics_2", "spring", "10", "Level 3", "no", "hispanic_or_latino", "yes"),
    ]
    assert found.delivery()["excluded_by_reason"] == '{"no_score": 1, "void": 1}'


def test_a_years_file_without_the_older_names_of_columns_misses_nothing(intake: Intake) -> None:
    found = intake.text("LA/2019/hs.csv", csv(leap_student(1, BLScaleScore="742", BLAchievementLevel="Basic")))

    assert "SchoolSystemCode" not in (found.delivery()["missing_columns"] or "")


ISSUERS: dict[str, Callable[[str], bool]] = {
    "mo_": lambda issuer: issuer == "MO",
    "tx_": lambda issuer: issuer == "TX",
    "in_": lambda issuer: issuer == "IN",
    "la_": lambda issuer: issuer == "LA",
    "mi_": lambda issuer: issuer == "MI",
}


@pytest.mark.parametrize("path", sorted(layout.SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_ids_of_a_state_are_the_states_and_ids_of_a_vendor_those_of_the_folder(path: Path) -> None:
    found = layout.load_layout(path)
    is_of_its_state = ISSUERS.get(path.stem[:3], lambda issuer: issuer == "*")
    assert is_of_its_state(found.issuer)
