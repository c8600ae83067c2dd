"""The files of an extract: rows, dictionary, papers and manifest; written beside, swapped in whole, never changed."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from string import Template
from typing import Any

import polars as pl

from le_pipeline.errors import ExtractError
from le_pipeline.files import hash_of
from le_pipeline.home import Home, shown
from le_pipeline.publish import register
from le_pipeline.publish.hierarchy import Hierarchy
from le_pipeline.publish.measures import Measures
from le_pipeline.publish.recoding import Recoding
from le_pipeline.warehouse.ddl import sql_type
from le_pipeline.warehouse.engine import code_version
from schemas.extract_agreement import Agreement
from schemas.registry import Column, research_extract

PROSE = Path(__file__).with_name("research_extract.md")
NAME, MANIFEST = "research_extract", "manifest.json"
FORMULA = r"^([=+\-@\t\r])"  # what makes a spreadsheet take a text for a formula (OWASP, CSV injection)
BESIDE = re.compile(r"\..+\.part")  # how a folder is called while it is written
WORDS = "de-identified with a record code"


@contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """A folder beside the place of an extract, to write it in; what a run that was cut off left there goes."""
    place = folder.with_name(f".{folder.name}.part")  # BESIDE knows it
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def write(folder: Path, table: pl.DataFrame, recoding: Recoding, measures: Measures) -> dict[str, Any]:
    """Write rows, dictionary, papers and manifest into the folder.

    Returns:
        The manifest.
    """
    agreement = recoding.agreement
    table.write_parquet(folder / f"{NAME}.parquet", compression="zstd")
    without_formulas(table).write_csv(folder / f"{NAME}.csv")
    without_formulas(dictionary(recoding)).write_csv(folder / "data_dictionary.csv")
    told = _told(table, recoding, measures)
    (folder / "README.md").write_text(_papers(agreement, told), encoding="utf-8")
    manifest = {
        "what": WORDS,
        **agreement.model_dump(
            mode="json", include={"agreement", "recipient", "purpose", "covers", "k", "max_suppressed", "least_shown"}
        ),
        **told,
        "code_version": code_version(Path(__file__).parent)[:16],
        "files": {path.name: hash_of(path) for path in sorted(folder.iterdir())},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest


def entry(agreement: Agreement, manifest: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What the register says of an extract."""
    said = (
        "recipient",
        "contact",
        "legal_basis",
        "agreement",
        "purpose",
        "covers",
        "elements",
        "destroy_by",
        "keep_codes",
    )
    return {
        **agreement.model_dump(mode="json", include=set(said)),
        "columns": manifest["columns"],
        "rows": manifest["rows"],
        "students": manifest["students"],
        "files": {**manifest["files"], MANIFEST: hash_of(folder / MANIFEST)},
    }


def swap_in(folder: Path, target: Path) -> None:
    """Put an extract in its place, in one step, and let nobody change it."""
    for path in folder.iterdir():
        path.chmod(0o444)
        with path.open("rb") as file:
            os.fsync(file.fileno())
    folder.rename(target)
    target.chmod(0o555)


def verify(home: Home, head: str | None = None) -> list[str]:
    """Hold every extract against the hashes in the register, and the register against what lies there.

    Args:
        home: where extracts are.
        head: the hash of a head of the register that was kept elsewhere; it must be that of some entry.

    Returns:
        The folders that are as they were handed out.

    Raises:
        ExtractError: a file is gone, was changed or came later, or something there is not on the register.
        ChainError: the register was changed, or has not the head.
    """
    there = _folders(home)  # before the register is read: an extract is on it before it is there
    register.require_head(home, head)
    files = {said["folder"]: said["files"] for said in register.entries(home) if said["kind"] == register.EXTRACT}
    if strangers := sorted(there - set(files)):
        raise ExtractError(
            f"{', '.join(map(shown, strangers))} in {home.extracts} is not on the register. Put the register back from"
            " a backup if it was changed; what never was an extract, take away"
        )
    for name, hashes in files.items():
        _require_same(home.extracts / name, hashes)
    return list(files)


def _folders(home: Home) -> set[str]:
    """What lies where extracts do, such as `study/2026-11-27`; but what a run that was cut off has left."""
    found = (path for path in home.extracts.glob("*/*") if not BESIDE.fullmatch(path.name))
    return {path.relative_to(home.extracts).as_posix() for path in found}


def _require_same(folder: Path, hashes: Mapping[str, str]) -> None:
    found = {path.name: _hash_if_file(path) for path in folder.iterdir()} if folder.is_dir() else {}
    changed = sorted({name for name, _ in set(found.items()) ^ set(hashes.items())})
    if changed:
        raise ExtractError(
            f"{folder} is not what was handed out: {', '.join(map(shown, changed))} changed, gone or new. Put it back"
            " from a backup; the hashes in the register tell what the recipient has"
        )


def _hash_if_file(path: Path) -> str | None:
    return hash_of(path) if path.is_file() else None


def without_formulas(table: pl.DataFrame) -> pl.DataFrame:
    """The table with an apostrophe before every text that a spreadsheet would compute."""
    return table.with_columns(pl.selectors.string().str.replace(FORMULA, "'${1}"))


def dictionary(recoding: Recoding) -> pl.DataFrame:
    """Every column that is delivered: the data element it is, what it means, its values, how it was recoded."""
    rows = [_explained(column, recoding) for column in recoding.agreement.columns]
    return pl.DataFrame(rows, schema=dict.fromkeys(rows[0], pl.String))


def _explained(column: Column, recoding: Recoding) -> dict[str, str | None]:
    field = column.field
    level = recoding.levels.get(column.name)
    recoded = recoding.hierarchies[column.name] if level else None
    return {
        "column": column.name,
        "data_element": field.code_of or column.name,
        "description": field.description,
        "type": sql_type(column),
        "unit": field.unit,
        "values": ", ".join(dict.fromkeys(recoded.levels[level or 0].values()) if recoded else column.values or ())
        or None,
        "standard": field.standard,
        "recoding": _recoding(recoded, level or 0) if recoded else None,
    }


def _recoding(known: Hierarchy, level: int) -> str:
    """Which values became which, such as `3-5: 03, 04, 05`."""
    became: dict[str, list[str]] = {}
    for value, to in known.levels[level].items():
        became.setdefault(to, []).append(value)
    return "; ".join(f"{to}: {', '.join(values)}" for to, values in became.items())


def _told(table: pl.DataFrame, recoding: Recoding, measures: Measures) -> dict[str, Any]:
    """What the manifest says of the rows: counts and shares."""
    students, population = recoding.students, recoding.population
    out = students.filter(~pl.col("is_kept"))
    hidden = students.filter(pl.col("is_kept") & ~pl.col("is_shown") & population.shows_places)
    suppressed = int(out["rows"].sum())
    measured = asdict(measures)
    return {
        "columns": table.columns,
        "rows": table.height,
        "students": measured.pop("students"),
        "rows_covered": population.rows,
        "rows_suppressed": suppressed,
        "rows_suppressed_share": suppressed / population.rows,
        "rows_merged": population.rows - suppressed - table.height,
        "students_suppressed": out.height,
        "students_without_school_and_teacher": hidden.height,
        "rows_without_school_and_teacher_share": int(hidden["rows"].sum()) / population.rows,
        "measures": measured,
        "recoding": _levels(recoding),
        "information_loss": population.loss(students),
        "lattice_nodes": {"all": population.nodes, "judged": recoding.found.visited},
    }


def _levels(recoding: Recoding) -> dict[str, dict[str, int]]:
    heights = zip(recoding.population.hierarchies, recoding.population.heights, strict=True)
    return {known.element: {"level": recoding.levels[known.element], "of": height} for known, height in heights}


def _papers(agreement: Agreement, told: Mapping[str, Any]) -> str:
    table = research_extract()
    return Template(PROSE.read_text(encoding="utf-8")).substitute(
        agreement.model_dump(mode="json"),
        state=agreement.covers.state,
        school_years=", ".join(map(str, agreement.covers.school_years)),
        rows=f"{told['rows']:,}",
        students=f"{told['students']:,}",
        grain=table.grain,
        warnings="\n".join(f"- {warning}" for warning in table.warnings),
        suppressed=f"{told['rows_suppressed_share']:.1%}",
        hidden=f"{told['rows_without_school_and_teacher_share']:.1%}",
    )
