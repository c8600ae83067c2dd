"""Attacks on what is released: who has only the published files works out no count that may not be known."""

from __future__ import annotations

import itertools
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
    key = ["state", "region", "role", "subgroup", "group_a", "group_b"]
    both = before.join(after, on=key, suffix="_later")
    assert both.height > 30
    shown = 0
    for row in both.iter_rows(named=True):
        for name in ("n", "n_a", "n_b"):
            if row[name] is not None and row[f"{name}_later"] is not None:
                assert not 0 < abs(row[name] - row[f"{name}_later"]) < FEWEST
                shown += 1
        for name in ("mean_z_a", "mean_z_b", "gap_sd", "proficient_share_a", "proficient_share_b"):
            if row[name] is not None and row[f"{name}_later"] is not None:
                assert row[name] == row[f"{name}_later"]
    assert shown > 50  # what did not change is shown again
    joint = Attacker.of(first, second)
    truth = small_counts(students) | small_counts(later, "1")
    assert told(joint, truth, FEWEST) == []
    then, now = _counts(students), _counts(later)
    changed = {("1", *cell): then[cell] for cell in then if 0 < abs(then[cell] - now.get(cell, 0)) < FEWEST}
    assert bool(changed) == (change != "corrected")
    for cell, (least, most) in joint.ranges(list(changed)).items():
        assert least <= changed[cell] <= most  # that nobody came or left is as possible
        assert most - least >= FEWEST - 1


def test_release_after_release_the_same_people_give_the_same_tables(tmp_path: Path) -> None:
    students, teachers = released.students(1_500, 3), released.teachers(250, 3)
    folders = [published(tmp_path, students, teachers) for _ in range(3)]

    assert len(set(folders)) == 3
    for one, other in itertools.pairwise(folders):
        for name in ("achievement_gap.csv", "teacher_retention.csv", "program_reach.csv"):
            assert (one / name).read_bytes() == (other / name).read_bytes()


def _counts(students: pl.DataFrame) -> dict[Cell, int]:
    """Students of every place and group."""
    rows = {}
    for row in released.achievement_gap(students).iter_rows(named=True):
        for side in "ab":
            place = (row["state"], row["region"], row["role"], row["subgroup"], row[f"group_{side}"])
            rows[place] = row[f"n_{side}"]
    return rows
