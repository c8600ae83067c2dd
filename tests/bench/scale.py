"""Files of millions of scores: what ingesting one costs beside a bare copy of it, and beside earthmover.

Every figure is taken in a process of its own, which tells the seconds of its work without those of its start. The copy
splits rows into cells and writes them as Parquet, and nothing else; ingest also reads values as their types, checks
every record, makes pseudonyms, fills the vault and looks for records that stand twice.

earthmover is measured where its program is: on the path, or where EARTHMOVER says. The project never imports it.
"""

from __future__ import annotations

import sys
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from generator.names import FIRST_NAMES, SURNAMES
from le_pipeline.home import Home, Partition
from le_pipeline.ingest.partition import ingest_feed
from le_pipeline.privacy.keys import load_keys

FEED = "student_assessment"
TOLD = "seconds of work:"
LEVELS = ["Unsatisfactory", "Approaching Basic", "Basic", "Mastery", "Advanced"]
FAULTS = {"StudentID": "", "BirthDate": "13/13/2013", "Grade": "33", "ScaleScore": "9999"}
LAYOUT = """\
layout: state_scores
feed: student_assessment
issuer: "*"
about: Scores of a state, one row per student and subject
recognise: {columns: [StudentID, Subject, ScaleScore, AchievementLevel]}
read: {format: delimited}
fill:
  student_id: StudentID
  last_name: LastName
  first_name: FirstName
  middle_name: MiddleInitial
  birth_date: {from: BirthDate, date: "%m/%d/%Y"}
  lea_id: DistrictCode
  school_id: SchoolCode
  grade: Grade
  administration: {value: spring}
  subject: {from: Subject, map: {ELA: ela, Math: mathematics}}
  scale_score: {from: ScaleScore, range: [650, 850]}
  performance_level: AchievementLevel
  sex: {from: Gender, map: {F: female, M: male}}
  race_ethnicity:
    from: Ethnicity
    map: {"1": american_indian_or_alaska_native, "2": asian, "3": black_or_african_american,
          "4": hispanic_or_latino, "5": white, "6": two_or_more_races}
  economically_disadvantaged: EconomicallyDisadvantaged
  english_learner: EnglishLearner
  disability: Disability
levels: {order: [Unsatisfactory, Approaching Basic, Basic, Mastery, Advanced], proficient_from: Mastery}
tolerance: 0.05
"""


def write_scores(path: Path, rows: int, bad_share: float) -> None:
    """A file of two rows per student; one row in `1 / bad_share` breaks a rule, of four in turn.

    Values look drawn and are not: the same rows come out everywhere.
    """
    every = round(1 / bad_share) if bad_share else rows + 1
    row = pl.col("row")
    fault = pl.when(row % every == every - 1).then(row // every % len(FAULTS))
    ability = row.hash(9) % 201
    school = _drawn("school") % 3000
    born = pl.date(2005, 9, 1) + pl.duration(days=_drawn("born") % 2000)

    def spoilt(column: str, right: pl.Expr) -> pl.Expr:
        kind = list(FAULTS).index(column)
        return pl.when(fault == kind).then(pl.lit(FAULTS[column])).otherwise(right).alias(column)

    pl.LazyFrame({"row": pl.arange(rows, eager=True)}).select(
        spoilt("StudentID", (3_000_000_000 + row // 2).cast(pl.String)),
        _one_of(SURNAMES, "LastName"),
        _one_of(FIRST_NAMES, "FirstName"),
        _one_of(["A", "B", "", "J", "M", "R", ""], "MiddleInitial"),
        spoilt("BirthDate", born.dt.strftime("%m/%d/%Y")),
        (school // 15).cast(pl.String).str.zfill(3).alias("DistrictCode"),
        school.cast(pl.String).str.zfill(6).alias("SchoolCode"),
        spoilt("Grade", _one_of(["03", "04", "05", "06", "07", "08"], "Grade")),
        pl.when(row % 2 == 0).then(pl.lit("ELA")).otherwise(pl.lit("Math")).alias("Subject"),
        spoilt("ScaleScore", (650 + ability).cast(pl.String)),
        pl.lit(pl.Series(LEVELS)).gather(ability // 41).alias("AchievementLevel"),
        _one_of(["F", "M"], "Gender"),
        _one_of(["1", "2", "3", "3", "3", "4", "5", "5", "5", "6"], "Ethnicity"),
        _one_of(["Y", "N"], "EconomicallyDisadvantaged"),
        _one_of(["N", "N", "N", "Y", "N"], "EnglishLearner"),
        _one_of(["N", "N", "N", "N", "Y", "N", "N"], "Disability"),
    ).sink_csv(path, quote_style="never")


def _drawn(name: str) -> pl.Expr:
    """A number for the student, another for each name."""
    return (pl.col("row") // 2).hash(zlib.crc32(name.encode()))


def _one_of(values: Sequence[str], name: str) -> pl.Expr:
    return pl.lit(pl.Series(values)).gather(_drawn(name) % len(values)).alias(name)


def copy(path: str, out: str) -> None:
    """The bare copy: text in, text out."""
    pl.scan_csv(path, infer_schema=False).sink_parquet(out, compression="zstd")


def ingest(root: str) -> None:
    """One feed of one partition, through the library."""
    home = Home.at(root, Path(root) / "landing")
    ingest_feed(home, load_keys(home), FEED, Partition("LA", 2016))


def make(path: str, rows: str, bad_share: str) -> None:
    """A file of scores."""
    write_scores(Path(path), int(rows), float(bad_share))


WORKS: dict[str, Callable[..., None]] = {"copy": copy, "ingest": ingest, "make": make}

if __name__ == "__main__":
    began, used = time.monotonic(), time.process_time()
    WORKS[sys.argv[1]](*sys.argv[2:])
    print(TOLD, time.monotonic() - began, time.process_time() - used)
