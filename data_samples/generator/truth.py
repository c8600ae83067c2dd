"""What a correct reader should find: counts per delivered file, and the tables behind the deliveries."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import polars as pl

from . import settings
from .places import District

ACCEPTED = "accepted"
DUPLICATE = "duplicate"
EXCLUDED_REASONS = ("not_tested", "void", "alternate")
QUARANTINE_RULES = (
    "missing_student_id",
    "impossible_grade",
    "impossible_scale_score",
    "bad_encoding",
    "bad_birth_date",
    "conflicting_scores",
    "missing_staff_id",
)

TABLES: dict[str, dict[str, type[pl.DataType]]] = {
    "student_score": {
        "state": pl.String,
        "school_year": pl.Int16,
        "student_id": pl.String,
        "subject": pl.String,
        "grade": pl.String,
        "school_id": pl.String,
        "lea_id": pl.String,
        "scale_score": pl.Int16,
        "performance_level": pl.String,
        "sex": pl.String,
        "race_ethnicity": pl.String,
        "economically_disadvantaged": pl.String,
        "english_learner": pl.String,
        "disability": pl.String,
    },
    "staff_year": {
        "state": pl.String,
        "school_year": pl.Int16,
        "staff_id": pl.String,
        "school_id": pl.String,
        "lea_id": pl.String,
        "position": pl.String,
        "is_teacher": pl.Boolean,
        "fte": pl.Float64,
        "frpl_share": pl.Float64,
        "role": pl.String,
        "is_active": pl.Boolean,
        "cohort": pl.Int16,
        "region": pl.String,
        "outcome": pl.String,
    },
    "link": {
        "state": pl.String,
        "school_year": pl.Int16,
        "student_id": pl.String,
        "staff_id": pl.String,
        "subject": pl.String,
        "enrollment_share": pl.Float64,
        "weight": pl.Float64,
    },
    "listing": {
        "file": pl.String,
        "row": pl.Int32,
        "list": pl.String,
        "state": pl.String,
        "school_year": pl.Int16,
        "side": pl.String,
        "staff_id": pl.String,
        "given": pl.String,
        "trouble": pl.String,
        "only_by_name": pl.Boolean,
    },
    "fault": {
        "file": pl.String,
        "row": pl.Int32,
        "fault": pl.String,
        "student_id": pl.String,
    },
}
# Rows kept in memory before they are set down as a part: a small delivery is one part.
_ROWS_PER_PART = 500_000


@dataclass
class FileCount:
    """One file's rows, and records = accepted + duplicate + sum of quarantined + sum of excluded."""

    physical_rows: int = 0
    records: int = 0
    accepted: int = 0
    duplicate: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, int | dict[str, int]]:
        """As `truth.json` shows it."""
        return vars(self) | {"quarantined": dict(self.quarantined), "excluded": dict(self.excluded)}

    def add(self, rows: int, statuses: Counter[str]) -> None:
        """Count so many more rows, and their records by what should become of them."""
        self.physical_rows += rows
        self.records += statuses.total()
        self.accepted += statuses[ACCEPTED]
        self.duplicate += statuses[DUPLICATE]
        for status, number in statuses.items():
            if status in QUARANTINE_RULES:
                self.quarantined[status] += number
            elif status in EXCLUDED_REASONS:
                self.excluded[status] += number


class _Table:
    """A Parquet file written in parts, so that a large state never stands in memory as a whole."""

    def __init__(self, path: Path, schema: dict[str, type[pl.DataType]]) -> None:
        self._path = path
        self._schema = schema
        self._waiting: list[pl.DataFrame] = []
        self._rows = 0
        self._parts: list[Path] = []

    def append(self, rows: pl.DataFrame) -> None:
        self._waiting.append(rows.select(pl.col(name).cast(dtype) for name, dtype in self._schema.items()))
        self._rows += len(rows)
        if self._rows >= _ROWS_PER_PART:
            self._set_down()

    def close(self) -> None:
        self._set_down()
        pl.scan_parquet(self._parts).sink_parquet(
            self._path, compression="zstd", compression_level=12, row_group_size=_ROWS_PER_PART
        )
        for part in self._parts:
            part.unlink()

    def _set_down(self) -> None:
        part = self._path.with_suffix(f".part{len(self._parts):05d}.parquet")
        pl.concat([pl.DataFrame(schema=self._schema), *self._waiting]).write_parquet(part)
        self._parts.append(part)
        self._waiting, self._rows = [], 0


class Truth:
    """Collects the truth while the files are written, and writes it at the end."""

    def __init__(self, out: Path) -> None:
        self.files: dict[str, FileCount] = {}
        self.realised: Counter[str] = Counter()
        self.districts: dict[str, dict[str, dict[str, str | None]]] = {}
        self._out = out
        self._folder = out / "truth"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._tables = {name: _Table(self._folder / f"{name}.parquet", schema) for name, schema in TABLES.items()}

    def file(self, path: Path) -> FileCount:
        """The count of a file."""
        return self.files.setdefault(self.name(path), FileCount())

    def append(self, table: str, rows: pl.DataFrame) -> None:
        """Add rows to one of the tables."""
        self._tables[table].append(rows)

    def add_fault(self, path: Path, row: int, fault: str, student_id: str | None) -> None:
        """Remember a planted fault by its file and data row, from 1."""
        found = {"file": self.name(path), "row": row, "fault": fault, "student_id": student_id}
        self.append("fault", pl.DataFrame([found], schema_overrides={"student_id": pl.String}))

    def add_districts(self, state: str, districts: tuple[District, ...]) -> None:
        """Remember the districts' regions, which no delivered file says."""
        self.districts[state] = {
            district.code: {"name": district.name, "region": district.region} for district in districts
        }

    def name(self, path: Path) -> str:
        """A file is named by its place under the output folder."""
        return path.relative_to(self._out).as_posix()

    def write(self, *, students: int, seed: int, dirt: bool) -> None:
        """Write the tables and `truth.json`."""
        for table in self._tables.values():
            table.close()
        content = {
            "seed": seed,
            "students": students,
            "dirt": dirt,
            "school_years": settings.SCHOOL_YEARS,
            "cohorts": settings.COHORTS,
            "states": {profile.code: asdict(profile) for profile in settings.STATES},
            "score_model": asdict(settings.SCORES),
            "retention_model": asdict(settings.RETENTION),
            "programme": asdict(settings.PROGRAMME),
            "roster": asdict(settings.ROSTER),
            "testing": asdict(settings.TESTING),
            "dirt_model": asdict(settings.DIRT),
            "districts": self.districts,
            "realised": dict(sorted(self.realised.items())),
            "files": {path: count.as_dict() for path, count in sorted(self.files.items())},
        }
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (self._folder / "truth.json").write_text(text + "\n", encoding="utf-8")
