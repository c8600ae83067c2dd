"""Recoding of small populations: the node that is found is the best of all, and what comes out keeps every rule."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from le_pipeline.publish.hierarchy import hierarchy
from le_pipeline.publish.lattice import Node, least_loss
from le_pipeline.publish.population import Place, Population, Rules
from le_pipeline.publish.showing import settled

SLOTS = ["2015 ela", "2016 ela"]
SCHOOLS = ["1/a", "1/b", "2/c"]
GRADE = hierarchy("grade", ["03", "04", "05"], [{"03": "3-4", "04": "3-4", "05": "05"}])
SEX = hierarchy("sex", ["female", "male"])
PLACE = Place(
    hierarchy("place", SCHOOLS, [{school: school[0] for school in SCHOOLS}]),
    (("lea_id", "school_id"), ("lea_id",), ()),
    is_shown_where_safe=True,
    has_teacher=True,
)
K = 3

STUDENT = st.tuples(
    st.sampled_from(["female", "male", None]),
    st.lists(
        st.tuples(st.sampled_from(["03", "04", "05"]), st.sampled_from(SCHOOLS), st.sampled_from([1, 1, 2, None])),
        min_size=2,
        max_size=2,
    ),
    st.sampled_from([SLOTS, SLOTS, SLOTS, SLOTS[1:]]),
    st.integers(0, 3),
)


def scores(students: list[Any]) -> pl.DataFrame:
    """Students as (sex, [(grade, school, level) of each year], slots, number of the teacher)."""
    rows = [
        {
            "student_key": f"s{number:03}",
            "slot": slot,
            "shape": slot,
            "level": level,
            "rows": 1,
            "school": school,
            "place": school,
            "grade": grade,
            "sex": sex,
            "staff_key": f"{school} t{teacher}",
        }
        for number, (sex, years, tested, teacher) in enumerate(students)
        for slot, (grade, school, level) in zip(SLOTS, years, strict=True)
        if slot in tested
    ]
    return pl.DataFrame(rows, schema_overrides={"level": pl.Int64, "sex": pl.String})


def population(students: list[Any], most: float = 1.0, place: Place | None = PLACE, least: float = 0.0) -> Population:
    return Population(scores(students), [GRADE, SEX], place, Rules(K, most, least))


def every_node(people: Population) -> list[Node]:
    return list(itertools.product(*(range(height + 1) for height in people.heights)))


MANY = st.lists(STUDENT, min_size=8, max_size=30)


@settings(max_examples=60, deadline=None)
@given(MANY, st.sampled_from([0.0, 0.05, 0.2, 0.4]), st.sampled_from([0.0, 0.0, 0.3, 0.7]))
def test_the_search_finds_the_best_of_all_nodes(students: list[Any], most: float, least: float) -> None:
    people = population(students, most, least=least)
    by_brute_force = [people.judge(node) for node in every_node(people)]

    found = least_loss(people.heights, people.bound, people.judge)

    assert (found and found.loss) == min((loss for loss in by_brute_force if loss is not None), default=None)


@settings(max_examples=30, deadline=None)
@given(MANY)
def test_the_bound_is_below_every_loss_and_grows_with_each_level(students: list[Any]) -> None:
    people = population(students)

    for node in every_node(people):
        loss = people.judge(node)
        assert loss is not None
        assert 0 <= people.bound(node) <= loss <= 1
        assert people.judge(node, loss + 1e-9) == loss  # no shortcut takes a better node for a worse one
        assert people.judge(node, loss) is None
        for place, height in enumerate(people.heights):
            if node[place] < height:
                coarser = (*node[:place], node[place] + 1, *node[place + 1 :])
                assert people.bound(node) <= people.bound(coarser)


def naive(students: list[Any], node: Node) -> dict[str, tuple[Any, ...]]:
    """The recoded trajectory of every student, without any of the project's code but the hierarchies."""
    levels = [known.levels[level] for known, level in zip((GRADE, SEX, PLACE.hierarchy), node, strict=True)]
    found: dict[str, list[Any]] = defaultdict(list)
    for row in scores(students).iter_rows(named=True):
        sex = "all" if node[1] == 1 else row["sex"]
        found[row["student_key"]].append((row["slot"], levels[0][row["grade"]], sex, levels[2][row["place"]]))
    return {student: tuple(sorted(rows, key=str)) for student, rows in found.items()}


@settings(max_examples=60, deadline=None)
@given(MANY, st.data())
def test_classes_are_those_that_counting_by_hand_gives(students: list[Any], data: Any) -> None:
    people = population(students)
    node = data.draw(st.sampled_from(every_node(people)))
    by_hand = naive(students, node)
    alike = Counter(by_hand.values())

    assigned = {row["student_key"]: row for row in people.assigned(node).iter_rows(named=True)}

    assert len(assigned) == len(students)
    pairs = {(by_hand[student], row["class"]) for student, row in assigned.items()}
    assert len(pairs) == len({first for first, _ in pairs}) == len({second for _, second in pairs})
    kept = {student for student, row in assigned.items() if row["is_kept"]}
    assert all(alike[by_hand[student]] >= K for student in kept)


@settings(max_examples=80, deadline=None)
@given(MANY, st.data())
def test_whatever_is_shown_is_shared_by_k(students: list[Any], data: Any) -> None:
    people = population(students)
    node = data.draw(st.sampled_from(every_node(people)))
    links = scores(students).select(
        "student_key",
        "staff_key",
        pl.col("slot").str.head(4).alias("school_year"),
        pl.col("slot").str.tail(3).alias("subject"),
    )

    settled_students = settled(people.assigned(node), links, K, people.slots)

    kept = settled_students.filter("is_kept")
    shown, hidden = kept.filter("is_shown"), kept.filter(~pl.col("is_shown"))
    for groups in (shown.group_by("class", "school"), hidden.group_by("class")):
        for _, group in groups:
            assert group.height >= K
            for slot in people.slots:  # two achievement levels, or none that is known
                assert group[f"least.{slot}"].drop_nulls().n_unique() != 1
    classes = links.join(shown, on="student_key", how="semi").group_by("staff_key", "school_year", "subject").len()
    assert min(classes["len"], default=K) >= K
    out = settled_students.filter(~pl.col("is_kept"))
    for slot in people.slots:  # nor can those who were left out be told from the whole
        left_out = scores(students).filter(pl.col("slot") == slot).join(out, on="student_key", how="semi")
        still_there = scores(students).filter(pl.col("slot") == slot).join(kept, on="student_key", how="semi")
        assert left_out.height == 0 or left_out.height >= K or still_there.height == 0


@settings(max_examples=30, deadline=None)
@given(MANY)
def test_a_coarser_node_never_leaves_more_out_for_want_of_others(students: list[Any]) -> None:
    people = population(students)

    def left_out(node: Node) -> float:
        return people.suppressed(people.groups(node, []))

    for node in every_node(people):
        for place, height in enumerate(people.heights):
            if node[place] < height:
                coarser = (*node[:place], node[place] + 1, *node[place + 1 :])
                assert left_out(coarser) <= left_out(node)


def alike(count: int, *, sex: str = "female", grade: str = "03", school: str = "1/a", teacher: int = 0) -> list[Any]:
    """Students who differ in nothing but their achievement levels."""
    return [(sex, [(grade, school, number % 2 + 1)] * 2, SLOTS, teacher) for number in range(count)]


def test_nothing_is_recoded_where_everybody_is_hidden_already() -> None:
    people = population([*alike(3), *alike(4, sex="male"), *alike(3, school="2/c")])

    found = least_loss(people.heights, people.bound, people.judge)

    assert found is not None
    assert (found.node, found.loss, found.visited) == ((0, 0, 0), 0.0, 1)


def test_one_girl_among_boys_costs_the_sex_of_all_or_her_rows() -> None:
    students = [*alike(9, sex="male"), *alike(1)]

    def best(most: float) -> Node:
        people = population(students, most, place=None)
        found = least_loss(people.heights, people.bound, people.judge)
        assert found is not None
        return found.node

    assert best(0.0) == (0, 1)
    assert best(0.1) == (0, 1)  # left out alone, she could be told from the whole


@pytest.mark.parametrize("count", [1, 2])
def test_a_school_of_fewer_than_k_is_not_shown_and_takes_others_along(count: int) -> None:
    students = [*alike(3), *alike(4, school="1/b"), *alike(count, school="2/c")]
    people = population(students)

    assigned = people.assigned((0, 0, 2))

    hidden = assigned.filter(~pl.col("is_shown"))
    assert assigned["is_kept"].all()
    assert hidden.height == count + 3  # the smallest of the others, or the few would be known by what is missing


def test_a_class_of_three_is_not_shown_by_its_teacher() -> None:
    students = [*alike(6, teacher=1), *alike(2, teacher=2), *alike(5, school="1/b")]
    links = scores(students).select(
        "student_key", "staff_key", pl.lit(2016).alias("school_year"), pl.lit("ela").alias("subject")
    )

    told = settled(population(students).assigned((0, 0, 2)), links, K, SLOTS)

    shown = scores(students).join(told.filter("is_shown"), on="student_key", how="semi")
    assert set(shown["staff_key"]) == {"1/a t1"}
    assert told.filter(~pl.col("is_shown")).height == 7


def test_where_teachers_must_be_shown_characteristics_become_coarser() -> None:
    students = [*alike(4, sex="male"), *alike(2), *alike(2, school="2/c"), *alike(4, school="2/c", sex="male")]

    def best(least: float) -> Node:
        people = population(students, 0.0, least=least)
        found = least_loss(people.heights, people.bound, people.judge)
        assert found is not None
        return found.node

    assert best(0.0)[1] == 0
    assert best(1.0)[1] == 1
