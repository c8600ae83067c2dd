"""Attacks on what is released: who has only the published files works out no count that may not be known."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import polars as pl
import pytest

from le_pipeline.publish import release
from publish import released
from publish.attacker import Attacker, Cell, small_counts, small_staff_counts

FEWEST, FEWEST_STAFF = 10, 5
SHARES = {"proficient_share_a": "n_a", "proficient_share_b": "n_b", "retention_share": "n"}


def published(root: Path, students: pl.DataFrame, teachers: pl.DataFrame) -> Path:
    """The folder of a release of these people."""
    home = released.home_with(
        root,
        program_reach=released.program_reach(teachers),
        teacher_retention=released.teacher_retention(teachers),
        achievement_gap=released.achievement_gap(students),
    )
    return home.published / release.make(home).release


def told(attacker: Attacker, truth: dict[Cell, int], fewest: int) -> list[Cell]:
    """The counts that the attacker knows too well: not down to less than they are, or not up to what may be shown."""
    found = attacker.ranges(list(truth))
    return [
        cell
        for cell, value in truth.items()
        if found[cell][0] > max(0, value - 1) + 1e-6 or found[cell][1] < fewest - 1e-6
    ]


@pytest.fixture(scope="module", params=[1, 2, 3])
def people(request: pytest.FixtureRequest) -> tuple[pl.DataFrame, pl.DataFrame]:
    return released.students(900 * request.param, request.param), released.teachers(250, request.param)


@pytest.fixture(scope="module")
def folder(people: tuple[pl.DataFrame, pl.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published(tmp_path_factory.mktemp("home"), *people)


def test_a_total_minus_the_rest_tells_of_no_few_students(
    folder: Path, people: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    truth = small_counts(people[0])

    assert len(truth) > 15
    assert told(Attacker.of(folder), truth, FEWEST) == []


def test_a_level_minus_another_tells_of_no_few_teachers(
    folder: Path, people: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    truth = small_staff_counts(people[1])

    assert len(truth) > 5
    assert told(Attacker.of(folder), truth, FEWEST_STAFF) == []


def test_the_attack_finds_what_is_hidden_alone(people: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    """Where small counts are hidden and nothing beside them, the attack works: it is no attack that cannot succeed."""
    gap = released.achievement_gap(people[0])
    small = pl.col("n_b") < FEWEST
    hidden = [pl.when(~small).then(pl.col(name)).alias(name) for name in ("n", "n_b", "proficient_share_b")]
    coded = [pl.lit(None, pl.String).alias(f"proficient_share_{side}_coded") for side in "ab"]
    gap.with_columns(*hidden, *coded).write_parquet(tmp_path / "achievement_gap.parquet")

    assert told(Attacker.of(tmp_path), small_counts(people[0]), FEWEST)


def test_a_percentage_times_n_is_no_count_of_few(folder: Path) -> None:
    seen = 0
    for name, fewest in (("achievement_gap", FEWEST), ("teacher_retention", FEWEST_STAFF)):
        for row in pl.read_parquet(folder / f"{name}.parquet").iter_rows(named=True):
            for share, n in SHARES.items():
                if row.get(share) is None:
                    continue
                assert row[n] is not None
                part = round(row[share] * row[n])
                assert fewest <= part <= row[n] - fewest
                assert abs(part / row[n] - row[share]) < 1e-4
                seen += 1
    assert seen > 10


def test_a_gap_and_one_side_do_not_give_the_other(folder: Path) -> None:
    rows = list(pl.read_parquet(folder / "achievement_gap.parquet").iter_rows(named=True))
    for row in rows:
        if row["n_a"] is None or row["n_b"] is None:
            assert {row[name] for name in ("gap_sd", "hedges_g", "standard_error", "v_statistic")} == {None}
        if row["proficient_share_a"] is None or row["proficient_share_b"] is None:
            assert row["proficiency_gap_percentage_points"] is None
    retention = list(pl.read_parquet(folder / "teacher_retention.parquet").iter_rows(named=True))
    for row in retention:
        if row["risk_difference_percentage_points"] is not None:
            assert row["comparison_retained"] is not None and row["retained"] is not None
    assert any(row["gap_sd"] is not None for row in rows)


def test_a_mean_is_of_enough_students(folder: Path) -> None:
    rows = pl.read_parquet(folder / "achievement_gap.parquet")
    for side in "ab":
        of_some = rows.filter(pl.col(f"mean_z_{side}").is_not_null())
        assert of_some.height and int(of_some[f"n_{side}"].min()) >= FEWEST  # type: ignore[arg-type]


def test_nobody_and_everybody_of_a_group_are_told_by_its_size_only(tmp_path: Path) -> None:
    students = released.students(2_000, 5)
    nobody = (pl.col("region") == "South") & (pl.col("race_ethnicity") == "black_or_african_american")
    students = students.with_columns((pl.col("proficient") & ~nobody).alias("proficient"))
    folder = published(tmp_path, students, released.teachers(250, 5))
    truth = small_counts(students)
    zeros = [cell for cell, value in truth.items() if value == 0 and "black_or_african_american" in cell]

    assert len(zeros) >= 4
    assert told(Attacker.of(folder), truth, FEWEST) == []
    rows = pl.read_parquet(folder / "achievement_gap.parquet").filter(
        (pl.col("region") == "South") & (pl.col("group_b") == "black_or_african_american")
    )
    assert rows.height
    assert rows["proficient_share_b"].null_count() == rows.height
    assert all(label is None or label.startswith("<") for label in rows["proficient_share_b_coded"])


def test_two_tables_of_the_same_people_tell_no_more_together(tmp_path: Path) -> None:
    """Each table alone is safe with the one of two counts shown that the other table hides."""
    for seed in range(4):
        teachers = released.teachers(60, seed)
        folder = published(tmp_path / str(seed), released.students(1_000, seed), teachers)
        attacker = Attacker.of(folder)
        reach = pl.read_parquet(folder / "program_reach.parquet")
        for row in reach.iter_rows(named=True):  # who is in the program is who has the role
            place = ("0", "staff", row["state"], row["region"])
            for role, column in (("fellow", "n_fellows"), ("mentee", "n_mentees")):
                if row[column] is not None:
                    attacker.known.setdefault((*place, role), row[column])
            if row["n_teachers_supported"] is not None:
                supported = (*place, "supported")
                attacker.known[supported] = row["n_teachers_supported"]
                attacker.sums.append({supported: -1.0, (*place, "fellow"): 1.0, (*place, "mentee"): 1.0})

        assert told(attacker, small_staff_counts(teachers), FEWEST_STAFF) == []


def test_a_student_who_is_alone_in_a_group_learns_of_no_other(tmp_path: Path) -> None:
    for seed in range(40):
        students = released.students(700, seed)
        counts = small_counts(students)
        lone = [cell for cell, value in counts.items() if value == 1 and "proficient" not in cell and cell[3] != "all"]
        if lone:
            break
    folder = published(tmp_path, students, released.teachers(250, 1))
    someone = lone[0]
    attacker = Attacker.of(folder)
    attacker.known[someone] = 1
    attacker.known[*someone, "proficient"] = counts[*someone, "proficient"]
    own = small_counts(students.filter(_is_in(someone)))  # the cells that hold them and nobody else
    others = {cell: value for cell, value in counts.items() if value > 0 and not (value == 1 and own.get(cell) == 1)}

    found = attacker.ranges(list(others))

    assert len(others) > 10
    assert [cell for cell in others if found[cell][1] - found[cell][0] < 1e-6] == []


def _is_in(cell: Cell) -> pl.Expr:
    _, state, region, role, subgroup, group = cell
    named = {"state": state, "region": region, "role": role, subgroup: group}
    return pl.all_horizontal(pl.col(name) == value for name, value in named.items() if value != "all")


@pytest.mark.parametrize("change", ["moved", "came", "corrected"])
def test_a_release_minus_the_one_before_does_not_show_the_student_who_changed(tmp_path: Path, change: str) -> None:
    students, teachers = released.students(2_000, 7), released.teachers(250, 7)
    first = published(tmp_path, students, teachers)
    lines = students.with_row_index()
    if change == "moved":
        later = lines.with_columns(
            region=pl.when(pl.col("index") == 0)
            .then(pl.lit("South") if students["region"][0] == "North" else pl.lit("North"))
            .otherwise(pl.col("region"))
        )
    elif change == "came":
        later = pl.concat([lines, lines.head(1)])
    else:
        later = lines.with_columns(z=pl.when(pl.col("index") == 0).then(pl.col("z") + 1.5).otherwise(pl.col("z")))
    later = later.drop("index")

    second = published(tmp_path, later, teachers)

    before, after = (pl.read_parquet(folder / "achievement_gap.parquet") for folder in (first, second))
    told = json.loads((second / "manifest.json").read_text())
    assert before.height > 50 and after.is_empty()  # of this year and subject nothing is told anew
    assert [(gone["people"], gone["state"], gone["subject"]) for gone in told["not_released_again"]] == [
        ("students", "LA", "ela"),
        ("students", "all", "ela"),
    ]
    for name in ("teacher_retention.csv", "program_reach.csv"):  # what did not change is told again as it was
        assert (first / name).read_bytes() == (second / name).read_bytes()

    third = published(tmp_path, students, teachers)

    assert (first / "achievement_gap.csv").read_bytes() == (third / "achievement_gap.csv").read_bytes()


def test_a_year_that_comes_new_is_released_beside_one_that_was_corrected(tmp_path: Path) -> None:
    students, teachers = released.students(1_200, 7), released.teachers(250, 7)
    published(tmp_path, students, teachers)
    home = released.home_with(
        tmp_path,
        achievement_gap=pl.concat(
            [
                released.achievement_gap(students.tail(-1)),
                released.achievement_gap(released.students(1_200, 8)).with_columns(school_year=pl.lit(2017, pl.Int32)),
            ]
        ),
    )

    folder = home.published / release.make(home).release

    assert pl.read_parquet(folder / "achievement_gap.parquet")["school_year"].unique().to_list() == [2017]


def crossed(teachers: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {"teacher_retention": released.teacher_retention(teachers)}


def test_finer_rows_do_not_tell_on_each_other_where_coarser_ones_are_not_asked_for(tmp_path: Path) -> None:
    for seed in range(3):
        teachers = released.teachers(90, seed)
        home = released.home_with(tmp_path / str(seed), **crossed(teachers))
        home.release_content.write_text("tables: [teacher_retention]\nbreakdowns: [[region, role]]\n")

        folder = home.published / release.make(home).release

        assert told(Attacker.of(folder), small_staff_counts(teachers), FEWEST_STAFF) == []


def test_breakdowns_of_several_releases_do_not_tell_on_each_other(tmp_path: Path) -> None:
    for seed in range(3):
        teachers = released.teachers(90, seed)
        home = released.home_with(tmp_path / str(seed), **crossed(teachers))
        folders = []
        for breakdowns in ("[[region], [role]]", "[[region, role]]", "[[role]]"):
            home.release_content.write_text(f"tables: [teacher_retention]\nbreakdowns: {breakdowns}\n")
            folders.append(home.published / release.make(home).release)

        # the same people in all of them: what one tells is known of the others
        attacker = Attacker.of(folders[0])
        for folder in folders[1:]:
            attacker.read_retention(folder, "0")
        assert told(attacker, small_staff_counts(teachers), FEWEST_STAFF) == []


def test_tables_of_several_releases_do_not_tell_on_each_other(tmp_path: Path) -> None:
    """Who has the role and is no longer in the program: three of them, in tables that never come together."""
    teachers = released.teachers(400, 3)
    gone = teachers.filter(
        ~((pl.col("role") == "fellow") & (pl.col("region") == "North") & (pl.int_range(pl.len()) < 40))
    )
    marts = {
        "teacher_retention": released.teacher_retention(teachers),
        "program_reach": released.program_reach(gone),
    }
    home = released.home_with(tmp_path, **marts)
    shown: dict[str, pl.DataFrame] = {}
    for name in marts:
        home.release_content.write_text(f"tables: [{name}]\nbreakdowns: [[region], [role]]\n")
        shown[name] = pl.read_parquet(home.published / release.make(home).release / f"{name}.parquet")

    roles = shown["teacher_retention"].filter(pl.col("role") == "fellow").unique(["state", "region"])
    both = roles.join(shown["program_reach"], on=["state", "region"]).with_columns(
        gone=pl.col("n") - pl.col("n_fellows")
    )
    differences = both["gone"].drop_nulls().to_list()
    assert both.height and not [few for few in differences if 0 < few < FEWEST_STAFF]


def test_teachers_outside_high_poverty_schools_are_no_difference_of_few(tmp_path: Path) -> None:
    teachers = released.teachers(300, 4)
    few = pl.int_range(pl.len()) < 15
    high = (
        released.teacher_retention(teachers.filter(~few))
        .with_columns(level=pl.lit("high_poverty_school"))
        .filter(pl.col("definition") == "strict")
        .unique(["state", "region", "role"], maintain_order=True)
    )
    band = released.teacher_retention(teachers.filter(~few)).with_columns(poverty_band=pl.lit("high"))
    mart = pl.concat([released.teacher_retention(teachers), high, band])
    home = released.home_with(tmp_path, teacher_retention=mart)

    rows = pl.read_parquet(home.published / release.make(home).release / "teacher_retention.parquet")

    assert rows["poverty_band"].unique().to_list() == ["all"]
    everybody = rows.filter(pl.col("level") == "school").unique(["state", "region", "role"])
    in_high = rows.filter(pl.col("level") == "high_poverty_school").unique(["state", "region", "role"])
    both = everybody.join(in_high, on=["state", "region", "role"], suffix="_high")
    differences = (both["n"] - both["n_high"]).drop_nulls().to_list()
    assert both.height > 4 and differences
    assert not [few for few in differences if 0 < few < FEWEST_STAFF]


def test_a_share_of_few_who_were_judged_is_not_told(tmp_path: Path) -> None:
    students = released.students(1_200, 1)
    gap = released.achievement_gap(students).with_columns(
        n_judged_a=pl.lit(3, pl.Int64),
        n_judged_b=pl.lit(12, pl.Int64),
        proficient_share_a=1 / 3,
        proficient_share_b=0.5,
    )
    home = released.home_with(tmp_path, achievement_gap=gap)

    rows = pl.read_parquet(home.published / release.make(home).release / "achievement_gap.parquet")

    assert rows.height
    assert rows["n_judged_a"].null_count() == rows["proficient_share_a"].null_count() == rows.height


def test_release_after_release_the_same_people_give_the_same_tables(tmp_path: Path) -> None:
    students, teachers = released.students(1_500, 3), released.teachers(250, 3)
    folders = [published(tmp_path, students, teachers) for _ in range(3)]

    assert len(set(folders)) == 3
    for one, other in itertools.pairwise(folders):
        for name in ("achievement_gap.csv", "teacher_retention.csv", "program_reach.csv"):
            assert (one / name).read_bytes() == (other / name).read_bytes()
