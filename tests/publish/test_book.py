"""The book of cells: one cell for each count, and the sums that anybody may assume between them."""

from __future__ import annotations

from le_pipeline.publish.book import Book, Key, is_protected
from schemas.profile import Profile

PROFILE = Profile.model_validate(
    {
        "profile": "ours",
        "about": "ours",
        "source": "us",
        "bands": [{"n_from": 10, "bottom": 20, "top": 80, "width": 10}],
    }
)


def sums(book: Book) -> set[tuple[str, tuple[str, ...]]]:
    return {(str(total), tuple(map(str, parts))) for total, parts in book.equations}


def test_a_total_is_its_parts_and_whoever_is_in_none() -> None:
    book = Book()
    for region, count in (("all", 12), ("North", 4), ("South", 5)):
        book.count("teacher", ("LA", region), count, "staff")

    book.add_margins(["teacher"], summed=(1,))

    assert sums(book) == {("teacher|LA|all", ("teacher|LA|North", "teacher|LA|South", "teacher~no 1|LA|all"))}
    assert book.cells[Key("teacher~no 1", ("LA", "all"))].value == 3


def test_who_is_in_no_part_of_a_group_may_be_in_any_part_of_a_part() -> None:
    book = Book()
    for region, count, stayed in (("all", 12, 4), ("North", 9, 4)):
        book.count("teacher", ("LA", region), count, "staff")
        book.count("teacher retained", ("LA", region), stayed, "staff", is_rate=True)

    book.add_margins(["teacher", "teacher retained"], summed=(1,))

    assert ("teacher retained|LA|all", ("teacher retained|LA|North", "teacher retained~no 1|LA|all")) in sums(book)


def test_people_who_are_counted_in_several_parts_make_no_sum() -> None:
    book = Book()
    for region, count in (("all", 12), ("North", 8), ("South", 9)):
        book.count("student reached", ("LA", region), count, "student")

    book.add_margins(["student reached"], summed=(1,))

    assert sums(book) == set()


def test_a_total_of_one_part_is_that_part() -> None:
    book = Book()
    for region in ("all", "North"):
        book.count("teacher", ("LA", region), 7, "staff")
    book.add_margins(["teacher"], summed=(1,))

    system, place = book.system()

    assert system.size == 1
    assert set(place.values()) == {0}


def test_nobody_is_protected_where_a_percentage_is_told() -> None:
    book = Book()
    few = book.count("student", ("LA",), 9, "student")
    none = book.count("student", ("MO",), 0, "student")
    nobody = book.count("student proficient", ("LA",), 0, "student", is_rate=True)

    assert [is_protected(book.cells[key], PROFILE) for key in (few, none, nobody)] == [True, False, True]
