"""match_rate over the public files: a roster and every assessment file of several vendors and states in one folder."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from le_pipeline import line
from le_pipeline.home import Home, Partition
from le_pipeline.privacy.keys import Keys
from le_pipeline.warehouse.engine import Engine
from le_pipeline.warehouse.lake import Lake
from schemas import registry
from schemas.layout import SHIPPED
from steps import STEP

DATA = Path(__file__).parents[3] / "shared" / "data"
FOLDER = Partition("TX", 2023)
YEARS = range(2017, 2027)
HOLD_NO_SCORE = {"SR_Dashboard_Standards_v2_sample_anonymized_file.csv", "SR_SkillArea_v1_sample_anonymized_file.csv"}
# records and those of students on the roster, of files that hold records; the others hold interim and alternate tests
MATCHED = {
    "edfi/StudentAssessment-ACT__StudentAssessment.csv": (335, 335),
    "edfi/StudentAssessment-StateAssessment__StudentAssessment.csv": (32, 32),
    "scores/ACCESS/2021_to_2025_sample_anonymized_file_ACCESS.csv": (1, 1),
    "scores/ACCESS/sample_anonymized_file_ACCESS.csv": (4, 4),
    "scores/ACT/sample_anonymized_file.csv": (28, 28),
    "scores/Beacon/sample_anonymized_file_24_25.csv": (6, 6),
    "scores/Beacon/sample_anonymized_file_25_26.csv": (6, 6),
    "scores/CERS/sample_anonymized_file.csv": (30, 0),
    "scores/IN_ILEARN/ilearn_sample_data.csv": (5, 0),
    "scores/KRA/KRA_sample_file_deidentified.csv": (10, 10),
    "scores/KRA/KRA_sample_file_deidentified_new.csv": (13, 0),
    "scores/MAP_Growth/sample_anonymized_file.csv": (6, 6),
    "scores/Missouri_Assessment_Program/sample_anonymized_file.txt": (4, 4),
    "scores/STAAR_Summative/sample_anonymized_file.txt": (20, 0),
    "scores/STAR/SR_sample_anonymized_file.csv": (5, 5),
    "scores/i-Ready/sample_anonymized_file_ela.csv": (5, 5),
    "scores/i-Ready/sample_anonymized_file_math.csv": (5, 5),
}
# students as the district has them; which school each is in the file does not tell
ROSTER = """\
layout: edfi_students
feed: student_enrollment
issuer: "*"
about: Ed-Fi Student as CSV, taken for a roster
recognise: {columns: [StudentUniqueId, Name.FirstName, Name.LastSurname, BirthData.BirthDate]}
read: {format: delimited}
fill:
  student_id: StudentUniqueId
  last_name: Name.LastSurname
  first_name: Name.FirstName
  birth_date: BirthData.BirthDate
  school_id: {value: "255901"}
tolerance: 0.05
"""


@pytest.mark.skipif(not DATA.exists(), reason=f"the public files are not at {DATA}")
def test_every_assessment_file_has_its_match_rate(home: Home, keys: Keys) -> None:
    folder = home.landing / FOLDER.state / str(FOLDER.school_year)
    shutil.copytree(DATA / "edfi_grandbend", folder / "edfi", ignore=shutil.ignore_patterns("LICENSE"))
    shutil.copytree(DATA / "assessments", folder / "scores", ignore=shutil.ignore_patterns("LICENSE", "columns"))
    for path in SHIPPED.glob("*.yaml"):  # files of every state and year are to be read in this one folder
        text = path.read_text(encoding="utf-8")
        if "feed: student_assessment" in text and "staar_3_8" not in path.name:
            text = re.sub(r"\n  (school_years|states): .*", "", re.sub(r"\nissuer: .*", '\nissuer: "*"', text))
        if "feed: student_assessment" in text:
            (home.layouts / path.name).write_text(re.sub(r"\ntolerance: .*", "", text) + "\ntolerance: 1\n", "utf-8")
    (home.layouts / "edfi_students.yaml").write_text(ROSTER, encoding="utf-8")

    for year in YEARS:  # the files are of several years, and so is the roster
        elsewhere = home.landing / FOLDER.state / str(year) / "edfi"
        elsewhere.mkdir(parents=True, exist_ok=True)
        shutil.copy(DATA / "edfi_grandbend" / "Student.csv", elsewhere)
    for partition in home.partitions():
        list(line.ingest(home, keys, partition))
    Engine(home).run(STEP["match_rate"])
    lake = Lake(home.lake)
    rates = lake.read(registry.tables()["match_rate"]).filter(
        (pl.col("breakdown") == "all") & (pl.col("feed") == "student_assessment")
    )

    read = lake.read(registry.tables()["delivery"]).filter(pl.col("feed") == "student_assessment")
    landed = {path.relative_to(home.landing).as_posix() for path in (folder / "scores").rglob("*.*")}
    assert {path.rpartition("/")[2] for path in landed - set(read["path"])} == HOLD_NO_SCORE
    assert set(rates["path"]) == {*read["path"], "all"}
    with_records = rates.filter(pl.col("n") > 0, pl.col("path") != "all").group_by("path")
    counts = with_records.agg(pl.col("n", "n_matched").sum())
    assert {path.removeprefix("TX/2023/"): (n, matched) for path, n, matched in counts.iter_rows()} == MATCHED
