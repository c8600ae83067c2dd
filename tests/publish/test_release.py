"""Releases: what is in them, that they never change, and that nothing is promoted that has not passed."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import fastexcel
import polars as pl
import pytest

from le_pipeline.errors import ChainError, DestructionError, DisclosureError, ReleaseError
from le_pipeline.files import hash_of
from le_pipeline.home import Home
from le_pipeline.publish import control, ledger, release
from le_pipeline.publish.auditor import Audit
from le_pipeline.warehouse.gate import Expectation
from publish import released
from schemas.yaml_file import ContractError

TABLES = ("achievement_gap", "program_reach", "teacher_retention")


def filled(root: Path, students: pl.DataFrame | None = None) -> Home:
    """A home with a warehouse of a few thousand people."""
    teachers = released.teachers(200, 1)
    return released.home_with(
        root,
        program_reach=released.program_reach(teachers),
        teacher_retention=released.teacher_retention(teachers),
        achievement_gap=released.achievement_gap(released.students(1_200, 1) if students is None else students),
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = filled(tmp_path_factory.mktemp("released") / "home")
    release.make(home, "first")
    return home


@pytest.fixture
def folder(made: Home) -> Path:
    return made.published / "first"


@pytest.fixture
def own(tmp_path: Path) -> Home:
    """A home that a test may change."""
    return filled(tmp_path / "own")


def test_a_release_holds_every_table_in_four_forms_and_its_papers(made: Home, folder: Path) -> None:
    forms = {f"{table}.{form}" for table in TABLES for form in ("csv", "parquet")}
    papers = {"release.duckdb", "release.xlsx", "data_dictionary.csv", "README.md", "manifest.json"}

    assert {path.name for path in folder.iterdir()} == forms | papers
    assert (made.published / "current").readlink() == Path("first")


def test_the_four_forms_say_the_same(folder: Path) -> None:
    workbook = fastexcel.read_excel(folder / "release.xlsx")
    with duckdb.connect(folder / "release.duckdb", read_only=True) as con:
        for table in TABLES:
            figures = pl.read_parquet(folder / f"{table}.parquet")
            assert con.execute(f"from published.{table}").pl().equals(figures)
            with (folder / f"{table}.csv").open(encoding="utf-8", newline="") as file:
                lines = list(csv.DictReader(file))
            sheet = workbook.load_sheet(table, dtypes="string").to_polars().to_dicts()
            assert len(lines) == figures.height == len(sheet)
            for row, line, cells in zip(figures.iter_rows(named=True), lines, sheet, strict=True):
                hidden = row.pop("suppressed").split(", ")
                for column, value in row.items():
                    shown = "NR" if row["state"] == "LA" else "*"
                    if column in hidden:
                        assert value is None and line[column] == shown and cells[column] == shown
                    elif value is None:
                        assert line[column] == "" and not cells[column]
                    elif isinstance(value, str):
                        assert line[column] == cells[column] == value
                    else:
                        assert float(line[column]) == float(cells[column]) == value
        comments = con.sql("select comment from duckdb_columns() where schema_name = 'published'").fetchall()
    assert all(comment for (comment,) in comments)


def test_the_manifest_says_what_it_was_made_from_and_how(folder: Path) -> None:
    told = json.loads((folder / "manifest.json").read_text())

    assert told["files"] == {path.name: hash_of(path) for path in folder.iterdir() if path.name != "manifest.json"}
    assert {name: said["rows"] for name, said in told["tables"].items()} == {
        table: pl.read_parquet(folder / f"{table}.parquet").height for table in TABLES
    }
    assert told["profiles"]["LA"]["profile"] == "louisiana" and told["profiles"]["all"]["marker"] == "*"
    assert told["audit"] == {"passed": True, "together_with": []}
    assert told["expectations"]["all"] == told["expectations"]["met"] > 50
    assert set(told) >= {"release", "made_at", "breakdowns", "code_version", "seeds", "deliveries"}


def test_whether_a_small_count_or_a_secondary_one_is_hidden_looks_alike(folder: Path) -> None:
    gaps = pl.read_parquet(folder / "achievement_gap.parquet")
    truth = released.achievement_gap(released.students(1_200, 1))
    key = ["state", "region", "role", "subgroup", "group_a", "group_b"]
    left_out = truth.join(gaps, on=key, how="anti")

    assert left_out.filter(pl.col("n_b") < 10).height and left_out.filter(pl.col("n_b") >= 10).height
    assert gaps["n_b"].min() >= 10  # type: ignore[operator]


def test_nobody_may_write_into_a_release(folder: Path) -> None:
    assert folder.stat().st_mode & 0o222 == 0
    assert all(path.stat().st_mode & 0o222 == 0 for path in folder.iterdir())


def test_the_ledger_knows_every_count_and_nobody_else_may_read_it(made: Home) -> None:
    (entry,) = ledger.entries(made)
    cells, equations = ledger.read(made, entry)

    shown = [cell for cell in cells.values() if cell.is_known]
    assert len(shown) == entry["shown"] and len(cells) == entry["cells"]
    assert any(0 < cell.value < 10 and not cell.is_known for cell in cells.values())
    assert all(not 0 < cell.value < 5 for cell in shown)
    assert equations
    assert made.ledger.stat().st_mode & 0o077 == 0


def test_a_text_that_a_spreadsheet_would_compute_is_shown_as_text(tmp_path: Path) -> None:
    evil = '=HYPERLINK("http://example.org")'
    students = released.students(1_200, 1).with_columns(pl.col("region").replace("North", evil))
    home = filled(tmp_path / "home", students)
    release.make(home)

    current = home.published / "current"
    assert f"'{evil}" in pl.read_csv(current / "achievement_gap.csv")["region"].to_list()
    assert evil in pl.read_parquet(current / "achievement_gap.parquet")["region"].to_list()
    with zipfile.ZipFile(current / "release.xlsx") as book:
        sheets = [book.read(name) for name in book.namelist() if name.startswith("xl/worksheets/sheet")]
    assert sheets and not any(b"<f>" in sheet or b"<hyperlink" in sheet for sheet in sheets)


def changed(folder: Path) -> None:
    path = folder / "achievement_gap.csv"
    path.chmod(0o644)
    path.write_text(path.read_text(encoding="utf-8").replace("NR", "3", 1), encoding="utf-8")


def gone(folder: Path) -> None:
    folder.chmod(0o755)
    (folder / "program_reach.parquet").unlink()


def added(folder: Path) -> None:
    folder.chmod(0o755)
    (folder / "more.csv").write_text("a\n1\n", encoding="utf-8")


def papers_changed(folder: Path) -> None:
    path = folder / "manifest.json"
    path.chmod(0o644)
    path.write_text(path.read_text(encoding="utf-8").replace("true", "false"), encoding="utf-8")


@pytest.mark.parametrize(
    ("tamper", "name"),
    [
        (changed, "achievement_gap.csv"),
        (gone, "program_reach.parquet"),
        (added, "more.csv"),
        (papers_changed, "manifest.json"),
    ],
)
def test_a_release_that_was_changed_is_noticed(own: Home, tamper: Callable[[Path], None], name: str) -> None:
    release.make(own, "first")
    assert release.verify(own) == ["first"]

    tamper(own.published / "first")

    with pytest.raises(ReleaseError, match=f"is not what was released: {name}"):
        release.verify(own)
    with pytest.raises(ReleaseError, match="is not what was released"):
        release.make(own, "second")


def test_a_folder_that_was_never_released_is_noticed(own: Home) -> None:
    release.make(own, "first")
    (own.published / "second").mkdir()

    with pytest.raises(ReleaseError, match="never released: second"):
        release.verify(own)


def test_a_ledger_that_was_changed_is_noticed(own: Home) -> None:
    release.make(own, "first")
    path = own.ledger / "ledger.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"first"', '"other"'), encoding="utf-8")

    with pytest.raises(ChainError, match="chain of hashes is broken"):
        release.verify(own)


def test_what_the_ledger_keeps_of_a_release_may_not_change(own: Home) -> None:
    release.make(own, "first")
    cells = own.ledger / "first" / "cells.parquet"
    cells.chmod(0o644)
    pl.read_parquet(cells).head(10).write_parquet(cells)

    with pytest.raises(ReleaseError, match="is not what the ledger says"):
        release.verify(own)


def test_there_is_no_release_of_that_name(made: Home) -> None:
    with pytest.raises(ReleaseError, match="there is no release second"):
        release.verify(made, "second")


@pytest.mark.parametrize("name", ["first", "current", "../out", "Q1 2026", ".hidden", "", "line\n"])
def test_a_name_is_free_and_a_name(made: Home, name: str) -> None:
    with pytest.raises(ReleaseError, match=r"already|the name of a release"):
        release.stage(made, name)


def test_releases_of_one_day_are_numbered(own: Home) -> None:
    names = [release.make(own).release for _ in range(2)]

    assert names[1] == f"{names[0]}-2"
    assert (own.published / "current").readlink() == Path(names[1])


def test_nothing_is_promoted_where_the_auditor_finds_something(own: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    true_audit = control.audit

    def strict(*given: object, **also: object) -> Audit:
        found = true_audit(*given, **also)  # type: ignore[arg-type]
        some = int(next(iter(given[2][0].argsort())))  # type: ignore[index]
        return control.replace(found, exposures=(control.Exposure(some, 3, 3),))

    monkeypatch.setattr(control, "audit", strict)

    staged = release.stage(own)
    assert staged.refusal is not None and "LE_HOME/release.yaml" in staged.refusal
    with pytest.raises(DisclosureError, match=r"could be worked out \(.*: 1\)"):
        staged.require()
    with pytest.raises(ReleaseError, match="no candidate that passed"):
        release.promote(own)
    assert not (own.published / "current").exists() and ledger.entries(own) == []


def test_nothing_is_promoted_where_an_expectation_is_not_met(own: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    unmet = Expectation("achievement_gap", "expect_column_values_to_not_be_in_set", "n_b", is_met=False)
    monkeypatch.setattr(release.gate, "check", lambda *_: [unmet])

    staged = release.stage(own)
    with pytest.raises(ReleaseError, match=r"achievement_gap\.n_b"):
        staged.require()
    with pytest.raises(ReleaseError, match="no candidate that passed"):
        release.promote(own)


def test_a_small_count_in_a_table_does_not_meet_its_expectations() -> None:
    """Should masking ever fail, the last look is by other means."""
    table = release.registry.tables()["program_reach"]
    masked = release.Masked(
        table=table,
        figures=pl.DataFrame(
            [("LA", "all", 2016, 3, 20, 23, 100, 3, 1, 0.3)],
            schema=release.polars_schema(table),
            orient="row",
        ),
        texts=pl.DataFrame(),
        hidden=0,
        left_out=0,
        told=frozenset(),
    )
    protected_by = {"LA": release.of_state(release.profiles(Path("none")), "LA")}

    failed = [e.column for e in release._expectations([masked], protected_by) if not e.is_met]

    assert failed == ["n_fellows"]


def test_nothing_that_leaves_counts_what_is_hidden(folder: Path, made: Home) -> None:
    """How many cells are protected, or rows left out, tells how many groups are small; the ledger alone has it."""
    told = (folder / "manifest.json").read_text() + (folder / "README.md").read_text()
    (entry,) = ledger.entries(made)

    assert entry["protected"] > 10
    assert not [word for word in ("protected", "left_out", '"not_shown"', "tables_tried") if word in told]


def test_a_candidate_that_was_never_promoted_is_made_anew(own: Home) -> None:
    release.stage(own, "first")
    assert not any(path for path in own.published.iterdir() if not path.name.startswith("."))

    release.stage(own, "second")
    assert release.promote(own) == "second"
    assert release.verify(own) == ["second"]


def test_a_release_that_was_cut_off_after_the_ledger_is_finished_by_whoever_comes_next(
    own: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as cut:
        cut.setattr(release, "swap_in", _cut_off)
        with pytest.raises(KeyboardInterrupt):
            release.make(own, "first")
    assert not (own.published / "first").exists()

    assert release.verify(own) == ["first"]
    assert (own.published / "current" / "manifest.json").exists()
    assert release.make(own, "second").manifest["audit"]["together_with"] == ["first"]


def test_a_release_that_was_cut_off_before_the_ledger_was_never_made(
    own: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as cut:
        cut.setattr(ledger, "append", _cut_off)
        with pytest.raises(KeyboardInterrupt):
            release.make(own, "first")

    assert release.verify(own) == []
    assert release.make(own, "first").release == "first"


def _cut_off(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_candidate_from_before_another_release_is_not_promoted(own: Home) -> None:
    release.stage(own, "late")
    for folder in (own.published, own.ledger):
        (folder / ".candidate").rename(own.root / f"aside {folder.name}")
    release.make(own, "first")
    for folder in (own.published, own.ledger):
        (own.root / f"aside {folder.name}").rename(folder / ".candidate")

    with pytest.raises(ReleaseError, match="another release came between"):
        release.promote(own)


def test_there_is_nothing_to_release_without_a_warehouse(home: Home) -> None:
    with pytest.raises(ReleaseError, match="`le run` builds it"):
        release.stage(home)


def test_what_a_release_holds_can_be_chosen(own: Home) -> None:
    own.release_content.write_text("tables: [program_reach]\nbreakdowns: []\n", encoding="utf-8")

    release.make(own)

    rows = pl.read_parquet(own.published / "current" / "program_reach.parquet")
    assert rows["region"].unique().to_list() == ["all"]
    assert not (own.published / "current" / "achievement_gap.csv").exists()


@pytest.mark.parametrize("text", ["tables: [students]", "breakdowns: [[school]]", "tables: []", "more: 1"])
def test_a_wrong_choice_is_told_with_its_line(own: Home, text: str) -> None:
    own.release_content.write_text(text, encoding="utf-8")

    with pytest.raises(ContractError, match=r"release\.yaml.*line 1"):
        release.stage(own)


def test_a_state_s_own_profile_is_kept(own: Home) -> None:
    (own.profiles / "ours.yaml").write_text(
        "profile: ours\nabout: ours\nsource: us\nstates: [LA]\nstudents: 30\nstaff: 10\nmarker: few\n"
        "bands: [{n_from: 30, bottom: 20, top: 80, width: 10}]\n",
        encoding="utf-8",
    )
    shipped = (Path(control.__file__).parents[2] / "schemas" / "profiles" / "louisiana.yaml").read_text()
    (own.profiles / "louisiana.yaml").write_text(shipped.replace("states: [LA]\n", ""), encoding="utf-8")

    release.make(own)

    rows = pl.read_csv(own.published / "current" / "achievement_gap.csv", infer_schema=False)
    ours = rows.filter(pl.col("state") == "LA")
    counts = [int(n) for n in ours["n_b"] if n not in ("few", "")]
    assert counts and min(counts) >= 30
    assert "few" in ours["proficient_share_b"].to_list()


def test_a_figure_whose_count_may_not_be_shown_is_not_told_to_be_there_or_not(folder: Path) -> None:
    """A group without a comparison and one whose comparison is too small look alike."""
    rows = pl.read_parquet(folder / "teacher_retention.parquet")
    in_program = rows.filter(pl.col("role").is_in(["fellow", "mentee"]) & pl.col("comparison_n").is_null())

    assert all("comparison_n" in hidden.split(", ") for hidden in in_program["suppressed"])


def test_nothing_is_released_while_something_is_to_be_destroyed(own: Home) -> None:
    (own.agreements / "la_study.yaml").write_text(
        "agreement: la_study\nabout: Louisiana\ndiscloser: the department\nlegal_basis: 34 CFR 99.31(a)(6)\n"
        "purpose: a study\ncovers: {state: LA, school_years: [2013, 2016]}\nbegins: 2012-07-01\n"
        "destroy_by: 2020-06-30\ncontact: privacy office\n",
        encoding="utf-8",
    )

    with pytest.raises(DestructionError, match="la_study covers is to be destroyed"):
        release.stage(own)


@pytest.mark.parametrize("name", [".evil", "a folder"])
def test_a_folder_that_is_no_release_is_noticed_wherever_it_lies(own: Home, name: str) -> None:
    release.make(own, "first")
    (own.published / name).mkdir()

    with pytest.raises(ReleaseError, match="never released"):
        release.verify(own)


def test_a_folder_inside_a_release_is_noticed(own: Home) -> None:
    release.make(own, "first")
    (own.published / "first").chmod(0o755)
    (own.published / "first" / "more").mkdir()

    with pytest.raises(ReleaseError, match="more changed, gone or new"):
        release.verify(own)


def test_a_damaged_warehouse_is_told(own: Home) -> None:
    own.warehouse.write_bytes(b"no database")

    with pytest.raises(ReleaseError, match="cannot be read"):
        release.stage(own)


def test_a_ledger_that_was_taken_away_with_its_releases_is_noticed_by_a_head_that_was_kept(own: Home) -> None:
    release.make(own, "first")
    head = ledger.entries(own)[-1]["hash"]
    assert release.verify(own, head=head) == ["first"]

    for folder in (own.published, own.ledger):
        folder.rename(own.root / f"away {folder.name}")

    assert release.verify(own) == []
    with pytest.raises(ChainError):
        release.verify(own, head=head)
