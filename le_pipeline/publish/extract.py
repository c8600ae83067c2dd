"""The de-identified research extract: from an agreement to files that may be handed out.

Read what the agreement covers, recode it with the least loss until every student's whole trajectory is shared by k,
show school and teachers where that is safe, put random codes in the place of people and places, measure what was made,
and hand it over with its papers. docs/methods.md says why each step is there.
"""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from le_pipeline.errors import AgreementError, AnonymityError, ExtractError
from le_pipeline.home import Home
from le_pipeline.privacy.agreement import require_nothing_due
from le_pipeline.privacy.vault import EXTRACT_CODES, Vault
from le_pipeline.publish import handover, register
from le_pipeline.publish.hierarchy import hierarchies
from le_pipeline.publish.measures import Measures, measured
from le_pipeline.publish.recoding import Recoding
from le_pipeline.publish.record_code import record_codes, together
from le_pipeline.warehouse.engine import Engine, inputs_of
from schemas.extract_agreement import Agreement

SQL = Path(__file__).with_name("research_extract.sql").read_text(encoding="utf-8")
INPUTS = inputs_of(SQL)
LEAST_L = 2
PURPOSE = "keep whose code is which, as the agreement asks"


@dataclass(frozen=True)
class Extract:
    """An extract that was made: where it is, and what its manifest says. Counts and shares, no value."""

    folder: Path
    manifest: dict[str, Any]
    measures: Measures


def make(home: Home, agreement: Agreement, vault: Vault | None = None) -> Extract:
    """Make the extract of an agreement, put it on the register, and swap it in.

    Args:
        home: where lake and extracts are.
        agreement: what is asked for.
        vault: where codes are sealed, if the agreement keeps them.

    Raises:
        AgreementError: it has not begun or is over, or there are no data of what it covers.
        AnonymityError: k cannot be reached within the rows that may be left out.
        DestructionError: what an agreement covers is to be destroyed and is still there.
        ExtractError: today's extract is there already; the recipient has another one of these students; the register
            was changed.
    """
    today = datetime.datetime.now(tz=datetime.UTC).date()
    _require_in_force(agreement, today)
    require_nothing_due(home)
    engine = Engine(home)
    home.extracts.mkdir(parents=True, exist_ok=True, mode=0o700)
    with home.lock("extract"):
        folder = home.extracts / agreement.agreement / today.isoformat()
        if folder.exists():
            raise ExtractError(f"there is an extract {agreement.agreement}/{today} already, and extracts never change")
        recoding = Recoding(covered(engine, agreement), agreement, hierarchies(engine.reference("recoding")))
        table = recoding.table()
        fingerprint = hashlib.sha256(table.sort(table.columns).write_csv().encode()).hexdigest()
        _require_no_other(home, agreement, fingerprint)
        codes = record_codes(table)
        coded = _coded(table, codes, agreement)
        measures = measured(coded, recoding)
        _require_anonymous(measures, agreement)
        with handover.beside(folder) as beside:
            manifest = handover.write(beside, coded.drop("level"), recoding, measures)
            if agreement.keep_codes and vault:
                _seal(vault, f"{EXTRACT_CODES}/{agreement.agreement}-{today}", codes)
            said = {"folder": f"{agreement.agreement}/{today}", "fingerprint": fingerprint}
            register.append(home, register.EXTRACT, said | handover.entry(agreement, manifest, beside))
            handover.swap_in(beside, folder)
    return Extract(folder, manifest, measures)


def covered(engine: Engine, agreement: Agreement) -> pl.DataFrame:
    """The rows that an agreement covers, with keys: one per student, subject, school year and teacher.

    Raises:
        AgreementError: there are no scores of its state, a school year or a subject.
    """
    covers = agreement.covers
    asked = {"state": covers.state, "school_years": list(covers.school_years), "subjects": list(covers.subjects)}
    with engine.connection(INPUTS) as con:
        lines = con.sql(SQL, params=asked).pl()
    missing = [str(year) for year in covers.school_years if year not in set(lines["school_year"])]
    missing += [subject for subject in covers.subjects if subject not in set(lines["subject"])]
    if missing:
        raise AgreementError(
            f"there are no scores of {covers.state} for {', '.join(missing)}; land and run them first, or change what"
            f" {agreement.agreement} covers"
        )
    return lines


def _require_in_force(agreement: Agreement, today: datetime.date) -> None:
    name = agreement.agreement
    if today < agreement.begins:
        raise AgreementError(f"{name} begins on {agreement.begins}; nothing may be handed out before")
    if today >= agreement.destroy_by:
        raise AgreementError(
            f"what {name} covers was to be destroyed by {agreement.destroy_by}; nothing may be handed out any more"
        )


def _require_no_other(home: Home, agreement: Agreement, fingerprint: str) -> None:
    """Two extracts of one student, recoded differently, tell together what neither may tell."""
    recipient, covers = _known_as(agreement.recipient), agreement.covers
    for entry in register.out(home):
        of_same = _known_as(entry["recipient"]) == recipient and entry["covers"]["state"] == covers.state
        if (
            of_same
            and set(entry["covers"]["school_years"]) & set(covers.school_years)
            and entry["fingerprint"] != fingerprint
        ):
            raise ExtractError(
                f"{agreement.recipient} has the extract {entry['folder']}, of the same students recoded in another way;"
                " together the two would tell more than either may. Once they have destroyed it, put that on record:"
                f" `le extract destroyed {entry['folder'].replace('/', ' ')}`"
            )


def _known_as(recipient: str) -> str:
    return " ".join(recipient.casefold().split())


def _require_anonymous(measures: Measures, agreement: Agreement) -> None:
    """What was made is measured by other code than made it; a difference is a fault of ours, and nothing leaves."""
    small = measures.smallest_teacher_class
    if (
        measures.k < agreement.k
        or (measures.l is not None and measures.l < LEAST_L)
        or (small is not None and small < agreement.k)
    ):
        raise AnonymityError(
            f"the rows that were made do not keep what they should (k = {measures.k}, l = {measures.l}, smallest class"
            f" of a teacher {small}); nothing was handed out. Report this as a fault of the project"
        )


def _coded(table: pl.DataFrame, codes: dict[str, pl.DataFrame], agreement: Agreement) -> pl.DataFrame:
    """The table with codes in the place of keys and ids, columns as in the registry, rows in the order of the codes."""
    for column, known in codes.items():
        code = pl.col("code").alias(column)
        table = table.join(known, on=column, how="left").with_columns(code).drop("code")
    asked = {column.field.code_of or column.name: column.name for column in agreement.columns}
    ordered = table.rename(asked).select(*asked.values(), "level")
    return ordered.sort(ordered.columns)


def _seal(vault: Vault, name: str, codes: dict[str, pl.DataFrame]) -> None:
    sealed = together(codes)
    vault.log("codes of an extract sealed", PURPOSE, extract=name, codes=sealed.height)
    with vault.replacing(name) as file:
        file.add(sealed)
        file.keep()
