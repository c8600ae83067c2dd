"""What a run came to, for people at a terminal: rows, headline figures, troubles, where to look next."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import duckdb
import polars as pl
from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from le_pipeline import agreements, destruction, line
from le_pipeline.agreements import AgreementReport, Holding
from le_pipeline.home import Home, Partition
from le_pipeline.ingest.identity import low
from le_pipeline.ingest.partition import FeedReport, held_back, left_out
from le_pipeline.ingest.rehearsal import Part, Rehearsal
from le_pipeline.link import person_match, review
from le_pipeline.link.person_match import PeopleReport
from le_pipeline.link.review import Pair
from le_pipeline.privacy.scan import ScanReport
from le_pipeline.warehouse.build import WarehouseReport
from le_pipeline.warehouse.engine import TableReport
from le_pipeline.warehouse.lake import Lake
from schemas import registry

HEADLINES = {
    "Do teachers stay in their school? (percent, last observed year)": """
        select state, role, school_year as year, n, round(100 * retention_share, 1) as stayed,
               round(100 * ci_low, 1) as ci_low, round(100 * ci_high, 1) as ci_high
        from marts.teacher_retention
        where definition = 'strict' and level = 'school' and region = 'all' and cohort = 'all' and poverty_band = 'all'
          and state <> 'all' and role in ('fellow', 'mentee', 'none') and n > 0
        qualify school_year = max(school_year) over (partition by state)
        order by state, role""",
    "How far behind are economically disadvantaged students? (Hedges g, last year)": """
        select state, subject, school_year as year, n, round(hedges_g, 3) as gap, round(ci_low, 3) as ci_low,
               round(ci_high, 3) as ci_high
        from marts.achievement_gap
        where subgroup = 'economically_disadvantaged' and role = 'all' and region = 'all' and grade_band = 'all'
          and state <> 'all' and subject in ('mathematics', 'ela', 'reading')
        qualify school_year = max(school_year) over (partition by state)
        order by state, subject""",
    "Did students gain? (standard deviations, by the most conservative specification, all years)": """
        select state, population as role, subject, n, round(estimate, 3) as effect, round(ci_low, 3) as ci_low,
               round(ci_high, 3) as ci_high, specification
        from marts.program_impact
        where outcome = 'achievement' and is_most_conservative and period = 'all' and region = 'all' and state <> 'all'
        order by state, population, subject""",
    "Whom did the programme reach? (last year)": """
        select state, school_year as year, n_fellows as fellows, n_mentees as mentees, n_students as students,
               n_schools as schools
        from marts.program_reach where region = 'all' and state <> 'all' and n_fellows > 0
        qualify school_year = max(school_year) over (partition by state)
        order by state""",
}
ROWS_SHOWN = 10
YEAR = "year"


@dataclass
class Outcome:
    """The reports of a run, added up.

    `reasons` are the files that need somebody, `noted` those that somebody should look at, each with what to do.
    """

    began: float = field(default_factory=time.monotonic)
    done: int = 0
    current: int = 0
    reasons: list[str] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)
    last: str = ""
    scan: ScanReport | None = None

    def add(self, report: line.Report) -> None:
        """Count a report."""
        match report:
            case AgreementReport():
                self.last = "agreements"
                self.noted += [
                    f"the data of the agreement {name} were destroyed: LE_HOME/certificates says what, and what is"
                    " to be done by hand"
                    for name in report.destroyed
                ]
                return
            case line.Refused():
                self.reasons.append(report.reason)
                return
            case ScanReport():
                self.last = "leak scan"
                self.scan = report
                return
            case FeedReport():
                self.last = f"{report.partition} {report.feed}"
                self.reasons += report.held_by.values()
                self.noted += [] if report.is_current else [*left_out(report.deliveries), *low(report.matches)]
                refused = report.deliveries.filter(pl.col("delivery_status") == "refused")["delivery_reason"]
                self.reasons += [reason for reason in refused if reason not in self.reasons]
            case PeopleReport():
                self.last = "who is who"
                conflicts = report.rows[person_match.CONFLICT.name]
                self.noted += [] if report.is_current else person_match.told(report.waiting, conflicts)
            case TableReport():
                self.last = report.table.qualified_name
            case WarehouseReport():
                self.last = "warehouse"
        self.current += report.is_current
        self.done += not report.is_current


def after_run(home: Home, outcome: Outcome) -> RenderableType:
    """What to show at the end of a run."""
    seconds = time.monotonic() - outcome.began
    parts: list[RenderableType] = []
    if outcome.done:
        parts += [
            deliveries(home),
            figures(home),
            f"\n{outcome.done} tables made, {outcome.current} were up to date, in {seconds:.0f} s",
        ]
    else:
        parts.append(f"Nothing new: all {outcome.current} tables are up to date ({seconds:.1f} s)")
    parts.append(f"warehouse  {home.warehouse}")
    if reasons := [*misplaced(home), *outcome.reasons, *outcome.noted]:
        parts.append(troubles(reasons))
    return Group(*parts)


def scanned(report: ScanReport) -> str:
    """What a scan has read, and what it could not look for everywhere."""
    searched = f"{report.files:,} files, {report.unchanged:,} of them unchanged since they were clean, searched for"
    told = [f"{searched} {report.values:,} values of the vault: found in {len(report.leaks):,} places"]
    told += [f"  {count:,} {what}" for what, count in report.unsearched.items()]
    return "\n".join(told)


def figures(home: Home) -> RenderableType:
    """Row counts of the marts and the headline rows, read from the warehouse."""
    marts = [table for table in registry.tables().values() if table.layer == "marts"]
    with duckdb.connect(home.warehouse, read_only=True) as con:
        counts = [
            (t.name, con.execute(f"select count(*) from {t.qualified_name}").fetchall()[0][0], t.grain) for t in marts
        ]
        shown = [_table("Marts", ["mart", "rows", "one row is"], counts)]
        for title, query in HEADLINES.items():
            answer = con.execute(query)
            shown.append(_table(title, [column[0] for column in answer.description or ()], answer.fetchall()))
    return Group(*shown)


def deliveries(home: Home) -> RenderableType:
    """The records of every delivery in the lake, by state and school year."""
    counts = ["rows_read", "rows_accepted", "rows_quarantined", "rows_excluded", "rows_duplicate"]
    files = Lake(home.lake).read(registry.tables()["delivery"]).filter(pl.col("feed").is_not_null())
    rows = (
        files.filter(pl.col("delivery_status") == "accepted")
        .group_by("state", pl.col("school_year").alias(YEAR))
        .agg(pl.len().alias("files"), *(pl.col(name).sum().alias(name.removeprefix("rows_")) for name in counts))
        .sort("state", YEAR)
    )
    return _table("Deliveries, in records", rows.columns, rows.rows())


def open_troubles(home: Home) -> list[str]:
    """Why files are refused or held, as the last run left it."""
    files = Lake(home.lake).read(registry.tables()["delivery"])
    waiting = files.filter(pl.col("delivery_status").is_in(["refused", "held"]))
    reasons = [*misplaced(home), *held_back(home), *waiting["delivery_reason"].drop_nulls(), *left_out(files)]
    conflicts = Lake(home.lake).read(person_match.CONFLICT).height
    return list(dict.fromkeys([*reasons, *person_match.told(review.waiting(home).height, conflicts)]))


def covered(home: Home) -> str:
    """Which landing folders no agreement covers, and whose data wait to be destroyed, in a line."""
    due = [*agreements.due(home), *(stone["agreement"]["agreement"] for stone in destruction.unfinished(home))]
    said = [f"to be destroyed by the next `le run`: {', '.join(dict.fromkeys(due))}"] if due else []
    none = agreements.undeclared(home)
    said += [f"none covers {', '.join(map(str, none))}"] if none else []
    return "; ".join(said) or "every landing folder is covered"


def agreement_table(held: list[Holding]) -> RenderableType:
    """Which agreement covers what, until when, with its vault files and the records of its deliveries."""
    rows = [
        (each.name, each.covers, each.until, each.status, each.vault_files, f"{each.files:,}", f"{each.rows:,}")
        for each in held
    ]
    return _table("Agreements", ["agreement", "covers", "until", "status", "vault", "files", "records"], rows)


def behind(known: dict[str, dict[str, str]]) -> RenderableType:
    """Who is behind pseudonyms, as the vault has them: for the owner's eyes alone."""
    fields = list(dict.fromkeys(name for told in known.values() for name in told))
    rows = [(name, *(told.get(name, "") for told in known.values())) for name in fields]
    return _table("For your eyes alone", ["", *known], rows)


def misplaced(home: Home) -> list[str]:
    """Files that nothing reads, for where they lie, each with what to do."""
    return [f"{path} is in no folder such as LA/2016 (state, ending year); move it there" for path in home.misplaced()]


def troubles(reasons: Iterable[str]) -> RenderableType:
    """Files that were refused or held, each with what to do."""
    return _table("Files that need somebody", ["file and what to do"], [(reason,) for reason in dict.fromkeys(reasons)])


def waiting(home: Home, chosen: list[Partition]) -> RenderableType:
    """What waits in quarantine: a line for each file, rule and column."""
    rows = Lake(home.lake).read(registry.tables()["quarantine"])
    rows = rows.filter(pl.format("{}-{}", "state", "school_year").is_in([str(partition) for partition in chosen]))
    if rows.is_empty():
        return "Nothing waits in quarantine."
    grouped = rows.group_by("path", "rule", "source_column", "fix", maintain_order=True).agg(
        pl.col("source_row").n_unique().alias("rows"),
        pl.col("source_row").min().alias("first_row"),
        pl.col("value_shape").mode().first().alias("shape"),
    )
    columns = ["rows", "first row", "rule", "looks like", "what to do"]
    ordered = grouped.sort("path", "rows", descending=[False, True])
    files = [
        _table(str(path), columns, mine.select("rows", "first_row", "rule", "shape", "fix").rows())
        for (path,), mine in ordered.group_by("path", maintain_order=True)
    ]
    return Group(*files, "`le quarantine export` gives the rows in full, to mend them")


def pairs_waiting(rows: pl.DataFrame) -> RenderableType:
    """How many pairs wait for review, by kind and reason."""
    if rows.is_empty():
        return "No pair waits for review."
    counts = rows.group_by("person_kind", "review_reason", "match_decision").len("pairs").sort(pl.all())
    return Group(
        _table("Pairs that may be one person", ["kind", "why it waits", "decided so far", "pairs"], counts.rows()),
        "`le review` shows them side by side; `le review export` gives them in a workbook",
    )


def side_by_side(pair: Pair, title: str) -> RenderableType:
    """A pair of `le review`: what is known of each side, field by field."""
    about = pair.about
    fields = [name for name in pair.left if pair.left[name] or pair.right[name]]
    rows = [(name.replace("_", " "), pair.left[name], pair.right[name]) for name in fields]
    sure = f"probability {about['match_probability']:.3f}; {about['evidence']}"
    return Group(
        _table(f"{about['person_kind']} {title}", ["", "A", "B"], rows),
        escape(sure),
        f"why it waits: {about['review_reason']}",
    )


def rehearsed(found: Rehearsal) -> RenderableType:
    """What `le check` says of one file."""
    where = (
        f"as {found.partition}" if found.partition else "state and year unknown: give --state and --year to be exact"
    )
    lines: list[RenderableType] = [f"[bold]{escape(found.name)}[/] ({where})"]
    if found.refusal:
        lines.append(f"  would be refused: {escape(str(found.refusal))}")
    if found.note:
        lines.append(f"  not read: {found.note}")
    if found.is_lookup:
        lines.append("  no delivery of its own: files beside it look values up in it")
    for part in found.parts:
        lines += _rehearsed_part(part)
    return Group(*lines)


def _rehearsed_part(part: Part) -> list[RenderableType]:
    account, layout = part.account, part.layout
    if layout.feed == "none":
        return [f"  layout {layout.name}: known, holds nothing that the pipeline needs"]
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(account.excluded.items()))
    excluded = f"{account.excluded.total()} excluded" + (f" ({reasons})" if reasons else "")
    others = f"{account.quarantined} quarantined, {excluded}, {account.duplicate} duplicate"
    lines: list[RenderableType] = [
        f"  layout {layout.name}, feed {layout.feed}: {layout.about}",
        f"  {account.file_rows} rows, {account.read} records: {account.accepted} would be accepted, {others}",
    ]
    if layout.has_candidates:
        lines.append("  its ids are not tried against the roster here; a run does so, and sets apart whom it has not")
    if part.refusal:
        lines.append(f"  would be refused: {escape(str(part.refusal))}")
    lines += [f"  columns of {escape(line)}" for line in part.drift]
    if part.pointers.height:
        lines.append(_broken(part.pointers))
    return lines


def _broken(pointers: pl.DataFrame) -> RenderableType:
    """One line per rule and column, with the rows of the file that break it."""
    faults = (
        pointers.group_by("rule", "source_column", "fix", maintain_order=True)
        .agg(rows=pl.col("source_row").unique().sort())
        .sort(pl.col("rows").list.len(), "rule", "source_column", descending=[True, False, False])
    )
    lines = []
    for rule, _, fix, rows in faults.iter_rows():
        more = f" and {len(rows) - ROWS_SHOWN} more" if len(rows) > ROWS_SHOWN else ""
        lines.append((rule, ", ".join(map(str, rows[:ROWS_SHOWN])) + more, fix))
    return _table("", ["broken rule", "rows", "what to do"], lines)


def _table(title: str, columns: list[str], rows: Sequence[tuple[object, ...]]) -> Table:
    table = Table(title=escape(title) or None, title_justify="left", box=box.SIMPLE_HEAD)
    for place, column in enumerate(columns):
        numeric = any(isinstance(row[place], (int, float)) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(column, value) for column, value in zip(columns, row, strict=True)))
    return table


def _cell(column: str, value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) and column != YEAR else escape(str(value))
