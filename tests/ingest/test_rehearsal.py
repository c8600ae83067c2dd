"""What `le check` asks the library: the verdict a run would give, with nothing written anywhere."""

from __future__ import annotations

from pathlib import Path

from landed import LA_2016, SCORES, Landed, account, scores, students
from le_pipeline.home import Home
from le_pipeline.ingest.rehearsal import rehearse

ROWS = [*students(10), students(1)[0], *(row.replace("500", "600") for row in students(2)[1:]), ",Bo,,04,1,500"]


def everything(root: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder below a place, with its size and time."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in root.rglob("*")}


def test_a_rehearsal_says_what_a_run_then_does_and_writes_nothing(landed: Landed, tmp_path: Path) -> None:
    path = landed.file("scores.csv", scores(*ROWS))
    before = everything(tmp_path)
    (rehearsal,) = rehearse(landed.home, path)
    assert everything(tmp_path) == before
    (part,) = rehearsal.parts
    landed.run()
    assert (rehearsal.partition, rehearsal.refusal, part.refusal) == (LA_2016, None, None)
    assert part.layout.name == "scores"
    assert account(landed.delivery("scores.csv")) == account(part.account.columns())
    assert part.account.columns()["quarantined_by_rule"] == landed.delivery("scores.csv")["quarantined_by_rule"]


def test_a_rehearsal_needs_neither_home_nor_key_nor_folder(tmp_path: Path) -> None:
    (tmp_path / "la_leap.csv").write_text("StateID,Canary\n1,2\n", encoding="utf-8")
    before = everything(tmp_path)
    (rehearsal,) = rehearse(Home.at(tmp_path / "none"), tmp_path / "la_leap.csv")
    assert (rehearsal.partition, rehearsal.parts) == (None, [])
    assert str(rehearsal.refusal) == "no layout fits: it shares no column with any layout; is its header there?"
    assert everything(tmp_path) == before


def test_a_file_that_is_not_there_is_said_to_be_missing(landed: Landed) -> None:
    (rehearsal,) = rehearse(landed.home, landed.home.landing / "LA" / "2016" / "none.csv")
    assert str(rehearsal.refusal) == "is not there, or is not a file"


def test_a_file_over_its_tolerance_would_be_held(landed: Landed) -> None:
    path = landed.file("scores.csv", scores(*students(1), ",Bo,,04,1,500"))
    ((part,),) = [found.parts for found in rehearse(landed.home, path)]
    assert str(part.refusal) == "breaks rules in 50.00% of its records, over its tolerance of 25.00%"
    assert part.pointers.select("source_row", "rule", "source_column").rows() == [(3, "required", "ID")]


def test_a_file_that_cannot_be_read_would_be_refused_by_the_layout_that_knows_it(landed: Landed) -> None:
    landed.layout(
        SCORES.replace("lea_id: District", "subject: Subject").replace("  subject: {value: mathematics}\n", "")
    )
    path = landed.file("scores.csv", scores(*students(1)))
    ((part,),) = [found.parts for found in rehearse(landed.home, path)]
    assert str(part.refusal) == "lacks Subject, which layout scores needs; ask the sender for a file with it"


def test_state_and_year_may_be_said_where_the_folder_does_not(landed: Landed, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(scores(*students(1)), encoding="utf-8")
    assert str(rehearse(landed.home, path, "MO", 2014)[0].partition) == "MO-2014"


def test_a_file_in_which_others_look_values_up_needs_no_layout_of_its_own(landed: Landed) -> None:
    landed.layout(
        SCORES.replace("read:", "lookup: {school: {file: schools.csv, key: Code, by: District}}\nread:").replace(
            "lea_id: District", "school_id: school.Name"
        )
    )
    landed.file("scores.csv", scores(*students(3)))
    schools = landed.file("schools.csv", "Code,Name\n1,North\n")

    (found,) = rehearse(landed.home, schools)

    assert (found.is_lookup, found.refusal, found.parts) == (True, None, [])
