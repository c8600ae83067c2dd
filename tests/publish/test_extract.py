"""What is handed out, what is not, and what whoever receives it can try."""

from __future__ import annotations

import datetime
import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from le_pipeline.errors import AgreementError, AnonymityError, ChainError, ExtractError
from le_pipeline.privacy.keys import Keys, create_key_file, load_keys
from le_pipeline.privacy.vault import EXTRACT_CODES, Vault
from le_pipeline.publish import extract as module
from le_pipeline.publish import handover, register, summary
from le_pipeline.publish.extract import make
from publish.extracts import State, rows_of
from scenario import key

QUASI = [
    "school_code", "grade", "race_ethnicity", "sex", "economically_disadvantaged", "english_learner", "disability",
    "school_year",
]  # fmt: skip
FILES = {"README.md", "data_dictionary.csv", "manifest.json", "research_extract.csv", "research_extract.parquet"}


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "home")


def told(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "manifest.json").read_text(encoding="utf-8")))


def trajectories(rows: pl.DataFrame) -> pl.DataFrame:
    """Everything but scores and teachers that the rows of a student tell, as an intruder would put it together."""
    seen = ["school_year", "subject", "grade", "sex", "race_ethnicity", "economically_disadvantaged"]
    seen += ["english_learner", "disability", "district_code", "school_code"]
    seen = [name for name in seen if name in rows.columns]
    return rows.group_by("student_code").agg(pl.concat_list(pl.col(seen).cast(pl.String)).unique().sort().alias("seen"))


def smallest(rows: pl.DataFrame) -> int:
    return int(min(trajectories(rows).group_by("seen").len()["len"]))


def test_students_who_are_alike_are_handed_out_as_they_are(state: State) -> None:
    state.students(12)
    state.students(10, sex="male", teachers=("bob",))

    made = make(state.write().home, state.agreement())

    rows = rows_of(made.folder)
    assert {path.name for path in made.folder.iterdir()} == FILES
    assert (rows.height, rows["student_code"].n_unique(), made.measures.k, made.measures.l) == (88, 22, 10, 3)
    assert set(rows["sex"]) == {"female", "male"}
    assert rows["teacher_code"].n_unique() == 2
    assert rows["school_code"].n_unique() == rows["district_code"].n_unique() == 1
    assert rows["school_code"].null_count() == rows["teacher_code"].null_count() == 0
    manifest = told(made.folder)
    assert manifest["what"] == "de-identified with a record code"
    assert (manifest["rows_suppressed"], manifest["information_loss"]) == (0, 0.0)
    assert manifest["columns"] == rows.columns
    assert "anonymous." in (made.folder / "README.md").read_text(encoding="utf-8")


def test_scores_are_rounded_and_weights_too(state: State) -> None:
    state.students(12, teachers=("ann", "bob", "cleo"))

    rows = rows_of(make(state.write().home, state.agreement()).folder)

    assert all(round(z, 1) == z for z in rows["z_score"])
    assert set(rows["weight"]) == {0.35}


def test_a_student_in_several_subjects_and_classes_counts_once(state: State) -> None:
    state.students(30)
    state.students(3, sex="male", teachers=("ann", "bob", "cleo"))  # 36 rows, three boys

    made = make(state.write().home, state.agreement())

    rows = rows_of(made.folder)
    assert made.measures.k >= 10
    assert set(rows["sex"]) == {"all"}


def test_a_student_alone_in_race_and_school_is_not_singled_out(state: State) -> None:
    state.students(30)
    state.students(30, school_id="01002", teachers=("bob",))
    (alone,) = state.students(1, race_ethnicity="asian", school_id="01002", teachers=("bob",))

    rows = rows_of(make(state.write().home, state.agreement()).folder)

    assert alone not in rows["student_code"]
    assert smallest(rows) >= 10
    assert min(rows.group_by(QUASI).agg(pl.col("student_code").n_unique())["student_code"]) >= 10
    assert "asian" not in rows["race_ethnicity"]


def test_who_moves_between_schools_is_not_known_by_the_move(state: State) -> None:
    # each school alone has many students in each year; the two together have one
    state.students(40)
    state.students(40, school_id="02001", lea_id="02", teachers=("bob",))
    state.students(1, school_id=("01001", "02001"), teachers=("ann",))

    rows = rows_of(make(state.write().home, state.agreement()).folder)

    schools = rows.drop_nulls("school_code").group_by("student_code").agg(pl.col("school_code").n_unique())
    assert max(schools["school_code"]) == 1
    assert smallest(rows) >= 10


def test_who_is_there_in_one_year_only_is_not_known_by_the_year(state: State) -> None:
    state.students(300)
    state.students(10, grade="05")
    state.students(2, years=(2016,))

    rows = rows_of(make(state.write().home, state.agreement()).folder)

    assert set(rows.group_by("student_code").agg(pl.col("school_year").n_unique())["school_year"]) == {2}


def test_nor_by_an_unusual_set_of_tests(state: State) -> None:
    state.students(300)
    state.students(10, grade="05")
    state.students(2, subjects=("ela",))

    rows = rows_of(make(state.write().home, state.agreement()).folder)

    assert set(rows.group_by("student_code").agg(pl.len())["len"]) == {4}


def test_a_class_of_three_cannot_be_found(state: State) -> None:
    state.students(60)
    state.students(12, school_id="01002", teachers=("bob",))
    state.students(3, teachers=("three",))

    made = make(state.write().home, state.agreement())

    rows = rows_of(made.folder)
    assert smallest(rows) >= 10
    classes = rows.drop_nulls("teacher_code").group_by("teacher_code", "school_year", "subject")
    assert min(classes.agg(pl.col("student_code").n_unique())["student_code"]) >= 10
    # those without a teacher are no class of three either: others were left without theirs
    assert rows.filter(pl.col("teacher_code").is_null())["student_code"].n_unique() == 15
    assert rows["teacher_code"].drop_nulls().n_unique() == 1


def test_teachers_do_not_tell_the_school_of_those_whose_school_is_not_shown(state: State) -> None:
    state.students(40)
    state.students(40, school_id="01002", teachers=("bob",))
    state.students(12, school_id="01004", teachers=("dot",))
    state.students(6, school_id="01003", teachers=("cleo",))  # a school of six

    rows = rows_of(make(state.write().home, state.agreement()).folder)

    hidden = rows.filter(pl.col("school_code").is_null())
    assert hidden["student_code"].n_unique() >= 10
    for name in ("teacher_code", "weight", "role", "exposure"):
        assert hidden[name].null_count() == hidden.height
    assert rows["school_code"].n_unique() == 3  # two schools and none


def test_rows_of_several_teachers_are_one_where_the_school_is_not_shown(state: State) -> None:
    state.students(40)
    state.students(12, school_id="01002", teachers=("bob", "cleo"), grade="05", sex="male")
    state.students(3, school_id="01003", teachers=("dot", "eve"), grade="05", sex="male")

    made = make(state.write().home, state.agreement())

    hidden = rows_of(made.folder).filter(pl.col("school_code").is_null())
    assert hidden.height == hidden.unique(["student_code", "school_year", "subject"]).height > 0
    manifest = told(made.folder)
    assert manifest["rows_covered"] == manifest["rows"] + manifest["rows_suppressed"] + manifest["rows_merged"]
    assert manifest["rows_merged"] > 0


def test_those_left_out_cannot_be_told_from_the_whole(state: State) -> None:
    # how many are at each achievement level is published: less those of the extract, one alone would be told by it
    state.students(300)
    state.students(11, grade="05", subjects=("ela",))
    state.students(1, sex="male", subjects=("science",))

    made = make(state.write().home, state.agreement())

    rows, manifest = rows_of(made.folder), told(made.folder)
    assert "science" not in rows["subject"]
    assert (manifest["students_suppressed"], manifest["students"]) == (1, 311)

    state.students(1, sex="male", subjects=("ela",), years=(2016,))
    other = state.agreement(("agreement: study", "agreement: other"), ("Example Institute", "Another"))
    made = make(state.write().home, other)

    assert told(made.folder)["students_suppressed"] == 13  # the eleven as well
    assert set(rows_of(made.folder)["subject"]) == {"ela", "mathematics"}


def test_levels_that_are_all_the_same_are_not_handed_out(state: State) -> None:
    state.students(40)
    for row in state.scores:
        if row["student_key"] >= "0028":
            row.update(sex="male", level_order=3, performance_level="Mastery")

    made = make(state.write().home, state.agreement())

    assert made.measures.l == 3  # the twelve boys, all of them at Mastery, are no class of their own
    assert set(rows_of(made.folder)["sex"]) == {"all"}


def test_without_known_levels_there_is_no_l_and_no_t(state: State) -> None:
    state.students(20)
    for row in state.scores:
        row.update(level_order=None, performance_level=None)

    made = make(state.write().home, state.agreement())

    assert (made.measures.k, made.measures.l, made.measures.t) == (20, None, None)


# -- codes -----------------------------------------------------------------------------------------------------------


def two(state: State) -> tuple[Path, Path]:
    """Two extracts of the same data, for two recipients."""
    state.students(30)
    state.students(30, school_id="01002", teachers=("bob",))
    home = state.write().home
    other = state.agreement(("agreement: study", "agreement: other"), ("Example Institute", "Another Institute"))
    return make(home, state.agreement()).folder, make(home, other).folder


def test_codes_of_two_extracts_have_nothing_in_common(state: State) -> None:
    first, second = map(rows_of, two(state))

    for name in ("student_code", "teacher_code", "school_code", "district_code"):
        assert first[name].n_unique() == second[name].n_unique()
        assert set(first[name].drop_nulls()) & set(second[name].drop_nulls()) == set()


def test_the_order_of_rows_tells_nothing(state: State) -> None:
    first, second = map(rows_of, two(state))

    for rows in (first, second):
        assert rows["student_code"].is_sorted()
        # the students of the first school come first in the data, and anywhere in the rows
        schools = rows.unique("student_code", keep="first", maintain_order=True)["school_code"].to_list()
        assert sum(here != there for here, there in itertools.pairwise(schools)) > 5
    assert first["z_score"].to_list() != second["z_score"].to_list()


def test_no_key_and_no_hash_of_one_is_in_any_byte(state: State) -> None:
    folder, _ = two(state)
    names = {row[name] for row in [*state.scores, *state.links] for name in ("student_key", "staff_key") if name in row}
    secret: set[bytes] = {b"01001", b"01002"}
    for name in names:
        for text in (name, key(name)):
            secret.add(str(text).encode())
            for algorithm in ("md5", "sha1", "sha256"):
                secret.add(hashlib.new(algorithm, str(text).encode()).hexdigest()[:12].encode())

    for path in folder.iterdir():
        content = path.read_bytes()
        assert [word for word in secret if word in content] == [], path.name
    # and the search finds what is there
    assert rows_of(folder)["student_code"][0].encode() in (folder / "research_extract.csv").read_bytes()


def test_codes_are_kept_in_the_vault_only_if_the_agreement_says_so(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.students(20)
    state.write()
    create_key_file(state.home)
    keys: Keys = load_keys(state.home)
    vault = Vault(state.home, keys)

    make(state.home, state.agreement(), vault)
    assert vault.names("") == []

    kept = state.agreement(("agreement: study", "agreement: kept"), ("begins:", "keep_codes: true\nbegins:"))
    folder = make(state.home, kept, vault).folder
    (name,) = vault.names("")
    (sealed,) = vault.read(name)
    assert name == f"{EXTRACT_CODES}/kept-{folder.name}"
    students = sealed.filter(pl.col("of") == "student_key")
    assert set(students["code"]) == set(rows_of(folder)["student_code"])
    assert set(students["key"]) == {key(row["student_key"]) for row in state.scores}
    assert students["code"][0].encode() not in vault.path(name).read_bytes()


# -- what is refused -------------------------------------------------------------------------------------------------

REFUSED = {
    "not begun": (("begins: 2020-01-01", "begins: 2098-01-01"), "begins on 2098-01-01"),
    "over": (("destroy_by: 2099-12-31", "destroy_by: 2021-12-31"), "was to be destroyed by 2021-12-31"),
    "another state": (("state: LA", "state: MO"), "no scores of MO for 2015, 2016"),
    "a year without data": (("[2015, 2016]", "[2015, 2017]"), "no scores of LA for 2017"),
    "a subject without data": (("[2015, 2016]}", "[2015], subjects: [ela, biology]}"), "no scores of LA for biology"),
}


@pytest.mark.parametrize(("change", "says"), REFUSED.values(), ids=REFUSED)
def test_an_agreement_that_does_not_hold_today_or_here_is_refused(
    state: State, change: tuple[str, str], says: str
) -> None:
    state.students(20)

    with pytest.raises(AgreementError, match=says):
        make(state.write().home, state.agreement(change))

    assert list(state.home.extracts.rglob("*.*")) == []


def test_too_few_students_are_refused_whatever_is_recoded(state: State) -> None:
    state.students(9)

    with pytest.raises(AnonymityError, match=r"k = 10 cannot be reached: .* 100\.0% of the rows"):
        make(state.write().home, state.agreement())

    assert register.entries(state.home) == []


def test_too_few_teachers_are_refused(state: State) -> None:
    state.students(40)
    state.students(40, school_id="01002", teachers=("bob",))
    state.students(6, school_id="01003", teachers=("cleo",))

    with pytest.raises(AnonymityError, match=r"46\.5% would show school and teachers; .* at least 50\.0% must"):
        make(state.write().home, state.agreement(("least_shown: 0", "least_shown: 0.5")))


def test_teachers_of_small_classes_are_refused_where_they_are_most(state: State) -> None:
    for teacher in ("ann", "bob", "cleo", "dot"):
        state.students(6, teachers=(teacher,))

    with pytest.raises(AnonymityError, match=r"fewer than 10 students .* no more than 0\.0% of the rows would show"):
        make(state.write().home, state.agreement(("least_shown: 0", "least_shown: 0.5")))


def test_an_extract_never_changes(state: State) -> None:
    state.students(20)
    made = make(state.write().home, state.agreement())
    before = {path.name: path.read_bytes() for path in made.folder.iterdir()}

    with pytest.raises(ExtractError, match="already, and extracts never change"):
        make(state.home, state.agreement())

    assert {path.name: path.read_bytes() for path in made.folder.iterdir()} == before
    assert {path.stat().st_mode & 0o777 for path in made.folder.iterdir()} == {0o444}
    assert made.folder.stat().st_mode & 0o777 == 0o555
    assert state.home.extracts.stat().st_mode & 0o777 == 0o700


def test_what_was_made_wrongly_is_not_handed_out(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    state.students(40)
    state.students(3, teachers=("three",))
    state.write()
    # a fault of ours, made on purpose: everybody's teacher is shown
    monkeypatch.setattr(
        "le_pipeline.publish.recoding.settled", lambda students, *_: students.with_columns(is_shown=pl.lit(value=True))
    )

    with pytest.raises(AnonymityError, match="smallest class of a teacher 3"):
        make(state.home, state.agreement())

    assert register.entries(state.home) == []
    assert list(state.home.extracts.rglob("*.csv")) == []


def test_a_run_that_is_cut_off_leaves_no_half_extract(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    state.students(20)
    state.write()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as half_way:
        half_way.setattr(handover, "entry", killed)
        with pytest.raises(KeyboardInterrupt):
            make(state.home, state.agreement())
    assert list(state.home.extracts.rglob("*.parquet")) == []

    assert make(state.home, state.agreement()).folder.is_dir()


# -- a second extract ------------------------------------------------------------------------------------------------


def test_a_recipient_gets_no_second_extract_of_the_same_students_recoded_otherwise(state: State) -> None:
    state.students(30)
    state.students(30, sex="male", race_ethnicity="asian", teachers=("bob",))
    home = state.write().home
    first = make(home, state.agreement(("sex, race_ethnicity,", "sex,"))).folder
    second = state.agreement(
        ("agreement: study", "agreement: second"), ("sex, race_ethnicity,", "race_ethnicity,"),
        ("Example Institute", "  example  INSTITUTE"),
    )  # fmt: skip

    with pytest.raises(ExtractError, match=f"le extract destroyed study {first.name}"):
        make(home, second)
    register.destroyed(home, "study", first.name)

    assert make(home, second).folder.is_dir()


def test_another_year_another_recipient_or_the_same_rows_are_no_second_extract(state: State) -> None:
    state.students(30)
    home = state.write().home
    make(home, state.agreement(("[2015, 2016]", "[2015]")))

    make(home, state.agreement(("agreement: study", "agreement: b"), ("[2015, 2016]", "[2016]")))
    make(home, state.agreement(("agreement: study", "agreement: c"), ("Example Institute", "Another")))
    make(home, state.agreement(("agreement: study", "agreement: d"), ("[2015, 2016]", "[2015]")))

    assert len(register.out(home)) == 4


# -- register and files ----------------------------------------------------------------------------------------------


def test_the_register_says_what_the_law_asks(state: State) -> None:
    state.students(20)
    made = make(state.write().home, state.agreement())

    (entry,) = register.entries(state.home)

    assert entry["kind"] == "extract"
    assert (entry["recipient"], entry["purpose"]) == ("Example Institute", "To test")
    assert entry["legal_basis"].startswith("FERPA")
    assert entry["elements"] == list(state.agreement().elements)
    assert entry["columns"] == rows_of(made.folder).columns
    assert (entry["rows"], entry["students"], entry["destroy_by"]) == (80, 20, "2099-12-31")
    assert entry["at"][:10] == datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    assert set(entry["files"]) == FILES
    for name, digest in entry["files"].items():
        assert hashlib.sha256((made.folder / name).read_bytes()).hexdigest() == digest


def test_a_register_that_was_changed_is_noticed(state: State) -> None:
    state.students(20)
    home = state.write().home
    for number in range(3):
        make(home, state.agreement(("agreement: study", f"agreement: study{number}")))
    path = home.extracts / "register.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(register.entries(home)) == 3

    for changed in (
        [lines[0], lines[2]],
        [lines[1], lines[2]],
        [lines[0].replace("Example", "Another"), *lines[1:]],
        [lines[1], lines[0], lines[2]],
        [lines[0], "no entry\n", *lines[1:]],
    ):
        path.write_text("".join(changed), encoding="utf-8")
        with pytest.raises(ChainError, match="the chain of hashes is broken"):
            register.entries(home)
        with pytest.raises(ChainError):
            make(home, state.agreement(("agreement: study", "agreement: late")))


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_that_was_changed_is_noticed(state: State, name: str) -> None:
    state.students(20)
    made = make(state.write().home, state.agreement())
    assert handover.verify(state.home) == [f"study/{made.folder.name}"]
    path = made.folder / name
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b" ")

    with pytest.raises(ExtractError, match=f"not what was handed out: {name} changed"):
        handover.verify(state.home)


def test_an_extract_without_its_register_is_noticed(state: State) -> None:
    state.students(20)
    made = make(state.write().home, state.agreement())
    (state.home.extracts / "register.jsonl").unlink()
    with pytest.raises(ExtractError, match=rf"study/{made.folder.name} in .* is not on the register"):
        handover.verify(state.home)


def test_what_lies_among_extracts_and_is_none_is_named(state: State) -> None:
    state.students(20)
    made = make(state.write().home, state.agreement())
    (made.folder.parent / ".2026-01-01.part").mkdir()  # of a run that was cut off
    (state.home.extracts / "refused").mkdir()  # of an agreement whose extract was refused
    assert handover.verify(state.home) == [f"study/{made.folder.name}"]

    (state.home.extracts / "other" / "2026-01-01").mkdir(parents=True)
    (made.folder.parent / "2026-01-02").mkdir()
    with pytest.raises(ExtractError, match=r"other/2026-01-01, study/2026-01-02 in .* is not on the register"):
        handover.verify(state.home)


def test_a_folder_inside_an_extract_is_named(state: State) -> None:
    state.students(20)
    made = make(state.write().home, state.agreement())
    made.folder.chmod(0o755)
    (made.folder / "more").mkdir()
    (made.folder / "README.md").unlink()
    (made.folder / "README.md").mkdir()
    with pytest.raises(ExtractError, match=r"README\.md, more changed, gone or new"):
        handover.verify(state.home)


def test_a_head_that_was_kept_elsewhere_shows_what_was_cut_off(state: State) -> None:
    state.students(20)
    made = make(state.write().home, state.agreement())
    first = register.head(state.home)
    register.destroyed(state.home, "study", made.folder.name)
    kept = register.head(state.home)
    assert handover.verify(state.home, first) == handover.verify(state.home, kept) == [f"study/{made.folder.name}"]
    assert kept and f"{kept}; keep a copy elsewhere" in summary.register(register.entries(state.home))

    path = state.home.extracts / "register.jsonl"
    path.write_text(path.read_text(encoding="utf-8").splitlines(keepends=True)[0], encoding="utf-8")
    assert handover.verify(state.home, first)
    with pytest.raises(ChainError, match="no entry has the hash that was kept elsewhere"):
        handover.verify(state.home, kept)


def test_a_head_without_a_register_is_noticed(state: State) -> None:
    assert register.head(state.home) is None
    with pytest.raises(ChainError, match="no entry has the hash"):
        handover.verify(state.home, "f" * 64)


def test_a_file_too_many_or_too_few_is_noticed(state: State) -> None:
    state.students(20)
    made = make(state.write().home, state.agreement())
    made.folder.chmod(0o755)
    (made.folder / "more.csv").write_text("x")
    with pytest.raises(ExtractError, match=r"more\.csv"):
        handover.verify(state.home)

    (made.folder / "more.csv").unlink()
    (made.folder / "README.md").unlink()
    with pytest.raises(ExtractError, match=r"README\.md"):
        handover.verify(state.home)


def test_destruction_of_what_is_not_out_cannot_be_put_on_record(state: State) -> None:
    with pytest.raises(ExtractError, match="no extract study/2026-01-01 is out"):
        register.destroyed(state.home, "study", "2026-01-01")


@pytest.mark.parametrize("begins", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_text_that_would_be_a_formula_is_none(state: State, begins: str) -> None:
    state.students(20)
    for row in state.scores:
        row["performance_level"] = f"{begins} {row['performance_level']}"

    folder = make(state.write().home, state.agreement()).folder

    cells = pl.read_csv(folder / "research_extract.csv")["performance_level"]
    assert all(cell.startswith(f"'{begins}") for cell in cells)
    assert all(level.startswith(begins) for level in rows_of(folder)["performance_level"])


def test_the_dictionary_explains_every_column_and_how_it_was_recoded(state: State) -> None:
    state.students(30)
    state.students(3, grade="05")

    folder = make(state.write().home, state.agreement()).folder

    explained = pl.read_csv(folder / "data_dictionary.csv", infer_schema=False)
    assert explained["column"].to_list() == rows_of(folder).columns
    assert explained["description"].null_count() == 0
    grade = explained.row(by_predicate=pl.col("column") == "grade", named=True)
    assert "3-5: 03, 04, 05" in grade["recoding"]
    assert explained.row(by_predicate=pl.col("column") == "student_code", named=True)["data_element"] == "student_key"
    assert set(rows_of(folder)["grade"]) == {"3-5"}


def test_only_what_is_asked_for_is_handed_out(state: State) -> None:
    state.students(20)
    agreement = state.agreement()
    few = agreement.model_copy(update={"elements": ("student_key", "school_year", "subject", "z_score")})

    made = make(state.write().home, few)

    rows = rows_of(made.folder)
    assert rows.columns == ["student_code", "school_year", "subject", "z_score"]
    assert rows.height == 80
    assert (made.measures.k, made.measures.smallest_teacher_class) == (20, None)


def test_the_inputs_are_read_off_the_sql() -> None:
    assert module.INPUTS == (
        "linked.program_role", "linked.score_teacher", "linked.staff_year", "linked.standard_score",
        "linked.student_exposure",
    )  # fmt: skip
