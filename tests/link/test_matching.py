"""Record matching: who is one person, who is not, and who has to be asked."""

from __future__ import annotations

import logging
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from le_pipeline.errors import MatchingError
from le_pipeline.link.matching import Matches, match, match_lists, scoring
from le_pipeline.link.matching.spelling import Kind, nicknames

FEBRL = Path(__file__).parents[3] / "shared" / "data" / "febrl4"
FIELDS: dict[str, Kind] = {
    "given": "given_name",
    "surname": "surname",
    "middle": "middle_name",
    "born": "birth_date",
    "email": "email",
    "id": "identifier",
    "place": "place",
    "schools": "context",
}
SCHEMA = dict.fromkeys(FIELDS, pl.String) | {"schools": pl.List(pl.String)}
NAMES = ("given", "surname")


def people(*rows: dict[str, Any], fields: dict[str, Kind] = FIELDS) -> pl.DataFrame:
    """Rows as records; a list named by its letter at the head of the key: `a1` stands in list a."""
    told = [{"lists": [row["key"][0]], "is_known": True} | row for row in rows]
    schema = {"key": pl.String, "lists": pl.List(pl.String), "is_known": pl.Boolean}
    return pl.DataFrame(told, schema=schema | {name: SCHEMA[name] for name in fields})


def found(matches: Matches) -> dict[tuple[str, str], tuple[str, str | None]]:
    """Status and reason of each pair."""
    columns = ("left_key", "right_key", "match_status", "review_reason")
    return {
        (left, right): (status, reason) for left, right, status, reason in matches.pairs.select(columns).iter_rows()
    }


def accepted(matches: Matches) -> set[tuple[str, str]]:
    return {pair for pair, (status, _) in found(matches).items() if status == "accepted"}


def evidence(*rows: dict[str, Any]) -> str:
    """The evidence of the only pair, which is accepted."""
    pairs = match(people(*rows), FIELDS).pairs
    assert pairs["match_status"].to_list() == ["accepted"]
    told: str = pairs["evidence"].item()
    return told


def ann(key: str, **said: Any) -> dict[str, Any]:
    return {"key": key, "given": "Annabel", "surname": "Fairweather", "born": "1984-03-07"} | said


def town(list_name: str, count: int, **said: Any) -> list[dict[str, Any]]:
    """People who are nobody else's double: so many of one list, so that frequencies can be told."""
    number = {"a": 0, "b": 1}[list_name]
    return [
        {
            "key": f"{list_name}{index:05}",
            "given": word(index * 7 + number * 3, 3),
            "surname": word(index * 31 + number * 17, 4),
            "born": date(1950 + (index * 13 + number * 29) % 50, 1 + index % 12, 1 + index * 5 % 28).isoformat(),
        }
        | said
        for index in range(count)
    ]


def word(number: int, length: int) -> str:
    syllables = [onset + vowel for onset in "bdfgklmnprst" for vowel in "aeiou"]
    return "".join(
        syllables[(number * 7919 // 61**place + number * (place + 1)) % len(syllables)] for place in range(length)
    )


# who is one person


def test_the_same_name_and_birth_date_are_one_person_whatever_way_they_are_written() -> None:
    matches = match(
        people(
            ann("a1", given="José", surname="O'Neil", born="1984-03-07"),
            ann("b1", given="JOSE ", surname="ONEIL", born="19840307"),
        ),
        FIELDS,
    )
    assert accepted(matches) == {("a1", "b1")}
    assert matches.pairs["method"].to_list() == ["exact_name_birth_date"]
    assert matches.clusters.rows() == [("a1", "a1"), ("b1", "a1")]


@pytest.mark.parametrize(
    ("left", "right", "told"),
    [
        ({"given": "Bob"}, {"given": "Robert"}, "given nickname"),
        ({"given": "Bob"}, {"given": "Rob"}, "given nickname"),
        ({"given": "Pepe"}, {"given": "José"}, "given nickname"),
        ({"given": "Anabel"}, {}, "given typing error"),
        ({"given": "A."}, {}, "given initial"),
        ({"given": "Mary Ann"}, {"given": "Mary"}, "given part"),
        ({"surname": "Fairwaether"}, {}, "surname typing error"),
        ({"surname": "Smith-Fairweather"}, {}, "surname part"),
        ({"surname": "de la Cruz"}, {"surname": "Cruz"}, "surname part"),
        ({"surname": "de la Cruz"}, {"surname": "Delacruz"}, "surname exact"),
        ({"surname": "Fairweather Jr."}, {}, "surname exact"),
        ({"given": "Fairweather", "surname": "Annabel"}, {}, "given swapped; surname swapped"),
        ({"born": "1984-07-03"}, {}, "born day and month swapped"),
        ({"born": "1984-03-17"}, {}, "born one digit"),
        ({"born": date(1984, 3, 7).isoformat() + "T00:00:00"}, {}, "born exact"),
    ],
)
def test_one_person_is_found_over_a_difference_of_spelling(
    left: dict[str, str], right: dict[str, str], told: str
) -> None:
    shared = {"place": "Baton Rouge"}
    assert told in evidence(ann("a1", **shared, **left), ann("b1", **shared, **right))


def test_a_maiden_name_is_bridged_by_the_e_mail_address() -> None:
    said = {"email": "Annabel84@mail.org", "born": None}
    assert evidence(ann("a1", **said), ann("b1", surname="Okafor", **said | {"email": "annabel84@MAIL.org"})) == (
        "given exact; surname differs; middle missing; born missing; email exact; id missing; place missing; "
        "schools missing"
    )


def test_a_maiden_name_is_bridged_by_the_birth_date_and_the_school() -> None:
    said = {"schools": ["P S 12@2014"]}
    told = evidence(ann("a1", **said), ann("b1", surname="Okafor", **said))
    assert "born exact" in told and "schools shared" in told


def test_a_school_of_the_year_after_is_weaker_than_the_same_year() -> None:
    told = {}
    for year in (2014, 2015, 2016):
        records = people(
            ann("a1", born=None, place="x", schools=["12@2014"]),
            ann("b1", born=None, place="x", schools=[f"12@{year}"]),
        )
        told[year] = match(records, FIELDS).pairs.select("match_weight", "evidence").row(0)
    assert "schools shared" in told[2014][1] and "schools adjacent year" in told[2015][1]
    assert told[2014][0] > told[2015][0] > told[2016][0]


def test_an_identifier_with_a_typing_error_still_says_much() -> None:
    assert "id typing error" in evidence(ann("a1", born=None, id="433-54-3937"), ann("b1", born=None, id="433543973"))


def test_the_local_part_of_an_address_says_less_than_the_address() -> None:
    weights = [
        match(people(ann("a1", email="bell84@x.org"), ann("b1", email=other)), FIELDS).pairs["match_weight"].item()
        for other in ("bell84@x.org", "bell84@y.org", "fair@y.org")
    ]
    assert weights == sorted(weights, reverse=True)


def test_a_key_with_two_spellings_is_found_by_either() -> None:
    records = people(ann("a1"), ann("a1", surname="Okafor"), ann("b1", surname="Okafor"))
    assert accepted(match(records, FIELDS)) == {("a1", "b1")}


# who is not


def test_twins_are_two_people() -> None:
    said = {"place": "Ruston", "email": "family@mail.org"}
    matches = match(people(ann("a1", **said), ann("b1", given="Rosalind", **said)), FIELDS)
    assert not accepted(matches)
    assert {reason for _, reason in found(matches).values()} <= {"given_name_differs"}


def test_father_and_son_are_two_people() -> None:
    said = {"place": "Ruston"}
    matches = match(people(ann("a1", **said), ann("b1", born="1951-11-22", **said)), FIELDS)
    assert not accepted(matches)


def test_junior_and_senior_are_two_people_even_without_a_birth_date() -> None:
    said = {"place": "Ruston", "born": None}
    matches = match(
        people(ann("a1", surname="Fairweather Sr", **said), ann("b1", surname="Fairweather Jr", **said)), FIELDS
    )
    assert not accepted(matches)


def test_two_keys_of_one_list_are_never_one_person() -> None:
    matches = match(people(ann("a1"), ann("a2"), ann("b1")), FIELDS)
    assert not accepted(matches)
    assert matches.clusters.is_empty()
    assert found(matches)["a1", "a2"] == ("review", "in_one_list")
    assert found(matches)["a1", "b1"] == found(matches)["a2", "b1"] == ("review", "ambiguous")


def test_middle_names_that_contradict_go_to_review_and_an_initial_does_not_contradict() -> None:
    assert accepted(match(people(ann("a1", middle="Q."), ann("b1", middle="Quincy")), FIELDS))
    matches = match(people(ann("a1", middle="Rose"), ann("b1", middle="Quincy")), FIELDS)
    assert found(matches) == {("a1", "b1"): ("review", "middle_name_differs")}


def test_a_name_alone_is_never_enough() -> None:
    matches = match(people(ann("a1", born=None), ann("b1", born=None), *town("a", 200), *town("b", 200)), FIELDS)
    assert ("a1", "b1") not in accepted(matches)
    assert all(reason == "names_alone" for pair, (_, reason) in found(matches).items() if pair == ("a1", "b1"))


def test_a_rare_name_in_a_big_school_is_accepted_and_a_common_name_is_not() -> None:
    school = {"schools": ["big@2014"], "born": None}
    james = {"given": "James", "surname": "Smith", "born": None}
    rows = []
    for side in "ab":
        rows += [{"key": f"{side}j{index}", "schools": [f"{side}{index}@2014"]} | james for index in range(20)]
        both = [row | {"key": side + row["key"], "schools": ["small@2014"], "born": None} for row in town("a", 100)]
        rows += [*both, *(row | (school if index % 4 == 0 else {}) for index, row in enumerate(town(side, 300)))]
        rows += [{"key": f"{side}common"} | james | school, ann(f"{side}rare", **school)]
    matches = match(people(*rows), FIELDS)
    assert ("arare", "brare") in accepted(matches)
    assert ("acommon", "bcommon") not in accepted(matches)


def test_a_near_rival_sends_both_to_review() -> None:
    rows = [
        ann("a1", email="bell84@x.org"),
        ann("b1", surname="Fairwether", email="bell84@x.org"),
        ann("b2", surname="Fairweathr", email="bell84@x.org"),
    ]
    matches = match(people(*rows), FIELDS)
    assert found(matches) == {("a1", "b1"): ("review", "near_rival"), ("a1", "b2"): ("review", "near_rival")}
    assert all(abs(margin) < 1 for margin in matches.pairs["margin_weight"])


def test_the_better_of_two_is_accepted_where_it_is_far_better_and_the_other_is_rejected() -> None:
    said = {"id": "433543937", "surname": "Fairwether"}
    rows = [
        ann("a1", **said),
        ann("b1", **said | {"born": "1984-03-17"}),
        ann("b2", born="1984-03-08", **said | {"id": None}),
    ]
    matches = match(people(*rows), FIELDS)
    assert found(matches)["a1", "b1"] == ("accepted", None)
    assert found(matches)["a1", "b2"] == ("rejected", "matched_elsewhere")


def taught(key: str, given: str, surname: str, school: str, **said: Any) -> dict[str, Any]:
    return {"key": key, "given": given, "surname": surname, "schools": [school]} | said


@pytest.mark.parametrize("given", ["Dina", "Dan", "Danna"])
def test_an_exact_name_never_weighs_less_than_one_with_a_typing_error(given: str) -> None:
    staff = [row | {"schools": [f"{index % 20}@2015"]} for index, row in enumerate(town("a", 600))]
    danas = [taught(f"ad{index}", "Dana", word(index, 4), f"{index % 20}@2015") for index in range(40)]
    entry = taught("x1", "Dana", "Oglethorpe", "7@2015", is_known=False)
    two = [taught("a1", given, "Oglethorpe", "7@2015"), taught("a2", "Dana", "Oglethorpe", "7@2015")]
    pairs = match(people(*staff, *danas, *two, entry), FIELDS).pairs.filter(right_key="x1")
    weights = dict(pairs.select("left_key", "match_weight").iter_rows())
    assert weights["a2"] >= weights.get("a1", 0)
    assert "a1" not in pairs.filter(match_status="accepted")["left_key"]


@pytest.mark.parametrize(
    ("said", "status"),
    [({}, ("review", "namesake")), ({"email": "m.oglethorpe@leap.org"}, ("accepted", None))],
)
def test_a_school_alone_does_not_decide_against_the_very_name_on_a_list(
    said: dict[str, str], status: tuple[str, str | None]
) -> None:
    staff = [row | {"schools": [f"{index}@2015"]} for index, row in enumerate(town("a", 600))]
    two = [taught("a1", "Robert", "Oglethorpe", "7@2015", **said), taught("a2", "Bob", "Oglethorpe", "8@2015")]
    entry = taught("x1", "Bob", "Oglethorpe", "7@2015", is_known=False, **said)
    assert found(match(people(*staff, *two, entry), FIELDS))["a1", "x1"] == status


@pytest.mark.parametrize(("others", "status"), [(5, "review"), (0, "accepted")])
def test_names_one_letter_apart_are_two_people_where_others_are_called_so_too(others: int, status: str) -> None:
    rows = [*town("a", 200), *town("b", 200)]
    for list_name, name in (("a", "Jovarin"), ("b", "Jovaryn")):
        said = {"born": "2004-05-06", "schools": ["s@2015"]}
        rows.append({"key": f"{list_name}x", "given": name, "surname": "Wrzesniewski"} | said)
        rows += [row | {"key": f"{list_name}o{row['key']}", "given": name} for row in town(list_name, others)]
    assert found(match(people(*rows), FIELDS))["ax", "bx"][0] == status


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Daniel", "Danielle"),
        ("Eric", "Erica"),
        ("Jaden", "Jayden"),
        ("Zoe", "Zoey"),
        ("Kathleen", "Katherine"),
        ("Kristin", "Kirstin"),
        ("Marquis", "Marquise"),
    ],
)
def test_names_that_twins_have_are_two_peoples_however_few_are_called_so(one: str, other: str) -> None:
    said = {"born": "2004-05-06", "surname": "Wrzesniewski", "schools": ["s@2015"]}
    twins = [{"key": "ax", "given": one} | said, {"key": "bx", "given": other} | said]
    matches = match(people(*town("a", 200), *town("b", 200), *twins), FIELDS)
    assert found(matches)["ax", "bx"] == ("review", "given_name_differs")


@pytest.mark.parametrize(("sexes", "expected"), [("ff", ("accepted", None)), ("fm", ("review", "sex_differs"))])
def test_two_sexes_are_two_people_whatever_else_agrees(sexes: str, expected: tuple[str, str | None]) -> None:
    fields: dict[str, Kind] = FIELDS | {"sex": "sex"}
    pair = [ann(f"{name}x") | {"sex": sex} for name, sex in zip("ab", sexes, strict=True)]
    rows = people(*town("a", 50), *town("b", 50), *pair)
    told = {row["key"]: row.get("sex") for row in pair}
    matches = match(rows.with_columns(sex=pl.col("key").replace_strict(told, default=None)), fields)
    assert found(matches)["ax", "bx"] == expected


def test_birth_years_ten_years_apart_are_not_one_mistyped_digit() -> None:
    rows = [*town("a", 200), *town("b", 200), ann("ax", born="1958-04-02"), ann("bx", born="1988-04-02")]
    assert found(match(people(*rows), FIELDS)).get(("ax", "bx"), ("review", "birth_date_differs")) == (
        "review",
        "birth_date_differs",
    )


@pytest.mark.parametrize(("schools", "is_enough"), [(2, False), (100, True)])
def test_a_school_of_the_year_after_is_not_enough_where_half_of_all_are_in_it(schools: int, is_enough: bool) -> None:
    rows = [
        row | {"schools": [f"{index % schools}@{year}"]}
        for list_name, year in (("a", 2015), ("b", 2016))
        for index, row in enumerate([*town(list_name, 300), ann(f"{list_name}x", born=None)])
    ]
    rows += [row | {"key": f"bs{row['key']}", "lists": ["b"], "schools": ["s@2016"]} for row in town("a", 60)]
    assert (("ax", "bx") in accepted(match(people(*rows), FIELDS))) is is_enough


# mere names


def test_two_mere_names_are_never_compared_and_one_has_at_most_one_person() -> None:
    names = [ann("x1", lists=["fellows"], is_known=False), ann("y1", lists=["mentees"], is_known=False)]
    assert found(match(people(*names), FIELDS)) == {}
    matches = match(people(*names, ann("a1")), FIELDS)
    assert accepted(matches) == {("a1", "x1"), ("a1", "y1")}
    assert matches.clusters.rows() == [("a1", "a1"), ("x1", "a1"), ("y1", "a1")]
    two = [ann("a1", given="Bella", lists=[]), ann("b1", given="Belle", lists=[]), names[0]]
    matches = match(people(*two), FIELDS)
    assert not {("a1", "x1"), ("b1", "x1")} <= accepted(matches)


def test_a_list_of_names_parts_no_two_staff_keys() -> None:
    staff = [row | {"schools": [f"{index % 20}@2015"]} for index, row in enumerate(town("a", 300))]
    staff += [row | {"schools": [f"{index % 20}@2016"]} for index, row in enumerate(town("b", 300))]
    staff += [row | {"key": f"b{row['key']}", "schools": ["3@2016"]} for row in town("a", 30)]
    said = {"given": "Christabel", "born": "1984-03-07"}
    mover = [
        {"key": "an", "surname": "Maidenberg", "schools": ["7@2015"]} | said,
        {"key": "bm", "surname": "Marriedsen", "schools": ["7@2016"]} | said,
    ]
    entry = taught("x1", "Christabel", "Maidenberg", "7@2015", lists=["f"], is_known=False)
    matches = match(people(*staff, *mover, entry), FIELDS)
    assert {("an", "bm"), ("an", "x1")} <= accepted(matches)
    assert {key for key, person in matches.clusters.rows() if person == "an"} == {"an", "bm", "x1"}


def test_a_name_that_is_one_of_two_people_is_neither() -> None:
    two = [ann("a1", middle="Rose"), ann("b1", middle="Quincy")]
    matches = match(people(*two, ann("x1", lists=["f"], is_known=False)), FIELDS)
    assert found(matches)["a1", "b1"] == ("review", "middle_name_differs")
    assert not accepted(matches)


NAMES_ALONE = st.fixed_dictionaries(
    {
        "given": st.sampled_from(["Annabel", "Anabel", "Bob", "Robert", "Rosalind"]),
        "surname": st.sampled_from(["Fairweather", "Fairwether", "Zorn", "Okafor", "Smith-Okafor"]),
        "born": st.sampled_from(["1984-03-07", "1984-07-03", None]),
        "email": st.sampled_from(["x@y.z", None]),
        "schools": st.sampled_from([["1@2014"], ["2@2015"], None]),
        "lists": st.sampled_from([[], ["f"], ["g"]]),
    }
)


@settings(max_examples=4, deadline=None)
@given(st.lists(NAMES_ALONE, min_size=1, max_size=6))
def test_mere_names_change_nothing_among_known_keys(names: list[dict[str, Any]]) -> None:
    known = [row for row in ROWS if row.get("is_known", True)]
    before = match(people(*known), FIELDS)
    added = [{"key": f"{index}x", "is_known": False} | row for index, row in enumerate(names)]
    after = match(people(*known, *added), FIELDS)
    keys = {row["key"] for row in known}
    among = pl.col("left_key").is_in(keys) & pl.col("right_key").is_in(keys)
    assert after.pairs.filter(among).equals(before.pairs)
    several = after.clusters.filter(pl.col("key").is_in(keys)).filter(pl.len().over("person_key") > 1)
    assert several.equals(before.clusters)


# decisions


def decided(*rows: tuple[str, str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["left_key", "right_key", "decision"], orient="row")


def test_yes_makes_one_person_of_two_that_nothing_speaks_for() -> None:
    records = people(ann("a1"), {"key": "b1", "given": "Quentin", "surname": "Zorn", "born": "1950-01-01"})
    matches = match(records, FIELDS, decided(("b1", "a1", "yes")))
    assert found(matches) == {("a1", "b1"): ("accepted", None)}
    assert matches.pairs["decision"].to_list() == ["yes"]
    assert matches.clusters.rows() == [("a1", "a1"), ("b1", "a1")]


def test_yes_overrules_a_list_for_its_two_keys_and_no_third() -> None:
    records = people(ann("a1"), ann("a2"), ann("a3"))
    waiting = match(records, FIELDS)
    matches = match(records, FIELDS, decided(("a1", "a2", "yes")))
    assert found(matches)["a1", "a2"] == ("accepted", None)
    assert found(matches)["a1", "a3"] == found(matches)["a2", "a3"] == ("review", "in_one_list")
    assert matches.clusters.rows() == [("a1", "a1"), ("a2", "a1")]
    evidence = [one.pairs.filter(left_key="a1", right_key="a2")["evidence"].item() for one in (waiting, matches)]
    assert evidence[0] == evidence[1]


def test_two_keys_of_one_list_that_somebody_made_one_have_the_lists_of_both() -> None:
    yes = decided(("a1", "a2", "yes"))
    listed = [ann("a1"), ann("a2", lists=["a", "b"])]
    assert match(people(*listed, ann("b1")), FIELDS, yes).clusters.rows() == [("a1", "a1"), ("a2", "a1")]
    joined = match(people(*listed, ann("c1")), FIELDS, yes)
    assert joined.clusters.rows() == [("a1", "a1"), ("a2", "a1"), ("c1", "a1")]


@pytest.mark.parametrize(("one", "other"), [("a1", "a2"), ("a2", "a1")])
def test_of_two_decisions_that_contradict_each_other_the_later_counts(one: str, other: str) -> None:
    records = people(ann("a1"), ann("a2", given="Bella"), ann("x1", lists=["f"], is_known=False, born=None))
    matches = match(records, FIELDS, decided((one, "x1", "yes"), ("x1", other, "yes")))
    assert found(matches)[other, "x1"] == ("accepted", None)
    assert found(matches)[one, "x1"] == ("rejected", "contradicted")
    assert matches.clusters.rows() == [(other, other), ("x1", other)]


def test_a_later_yes_overrules_an_earlier_no_that_it_contradicts() -> None:
    records = people(ann("a1"), ann("b1"), ann("c1"))
    yes = [("a1", "b1", "yes"), ("b1", "c1", "yes")]
    matches = match(records, FIELDS, decided(("a1", "c1", "no"), *yes))
    assert {person for _, person in matches.clusters.rows()} == {"a1"} and matches.clusters.height == 3
    matches = match(records, FIELDS, decided(*yes, ("a1", "c1", "no")))
    assert found(matches)["a1", "b1"] == ("rejected", "contradicted")
    assert matches.clusters.rows() == [("b1", "b1"), ("c1", "b1")]


def test_no_rejects_and_later_leaves_in_review() -> None:
    records = people(ann("a1"), ann("b1"))
    rejected = match(records, FIELDS, decided(("a1", "b1", "no")))
    assert found(rejected) == {("a1", "b1"): ("rejected", "decided_no")}
    later = match(records, FIELDS, decided(("a1", "b1", "later")))
    assert found(later) == {("a1", "b1"): ("review", "decided_later")}
    assert rejected.clusters.is_empty() and later.clusters.is_empty()


def test_no_frees_the_rival() -> None:
    records = people(ann("a1"), ann("b1"), ann("b2"))
    matches = match(records, FIELDS, decided(("a1", "b2", "no")))
    assert found(matches)["a1", "b1"] == ("accepted", None)


def test_no_between_two_keeps_a_third_from_joining_them() -> None:
    records = people(ann("a1"), ann("b1"), ann("c1"))
    matches = match(records, FIELDS, decided(("a1", "b1", "no")))
    assert not {("a1", "c1"), ("b1", "c1")} <= accepted(matches)


def test_decisions_on_keys_that_are_gone_do_nothing() -> None:
    records = people(ann("a1"), ann("b1"))
    assert match(records, FIELDS, decided(("a1", "z9", "no"))).pairs.equals(match(records, FIELDS).pairs)


# laws

ROWS = [
    *(ann(f"{side}1") for side in "ab"),
    ann("a2", given="Bob", surname="Zorn"),
    ann("b2", given="Robert", surname="Zorn"),
    ann("a3", surname="Okafor", email="x@y.z"),
    ann("b3", surname="Fairwether", email="x@y.z"),
    ann("c4", lists=["c", "d"], is_known=False),
    ann("e5", lists=[], surname="Okafor", schools=["1@2014"]),
    ann("e5", lists=[], surname="Smith-Okafor", schools=["1@2014", "2@2015"]),
]


@settings(max_examples=6, deadline=None)
@given(st.permutations(ROWS))
def test_the_order_of_the_rows_changes_nothing(rows: list[dict[str, Any]]) -> None:
    expected, turned = match(people(*ROWS), FIELDS), match(people(*rows), FIELDS)
    assert turned.pairs.equals(expected.pairs)
    assert turned.clusters.equals(expected.clusters)
    assert turned.model_hash == expected.model_hash


@settings(max_examples=8, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "key": st.sampled_from([f"{side}{number}" for side in "abc" for number in range(4)]),
                "lists": st.lists(st.sampled_from("abc"), max_size=2),
                "given": st.sampled_from(["Ann", "Anne", "Bob", None]),
                "surname": st.sampled_from(["Lee", "Leigh", "Lee-Cruz", None]),
                "born": st.sampled_from(["1984-03-07", "1984-07-03", "x", None]),
                "email": st.sampled_from(["ann@x.org", "ann@y.org", None]),
            }
        ),
        max_size=12,
    )
)
def test_no_person_has_two_keys_of_one_list(rows: list[dict[str, Any]]) -> None:
    records = people(*rows)
    clusters = match(records, FIELDS).clusters
    lists = records.explode("lists", empty_as_null=False).select("key", "lists").drop_nulls().unique()
    per_person = clusters.join(lists, on="key").group_by("person_key", "lists").len()
    assert per_person.filter(pl.col("len") > 1).is_empty()


def test_lists_that_have_nobody_in_common_give_nothing() -> None:
    matches = match(people(*town("a", 2000), *town("b", 2000)), FIELDS)
    assert accepted(matches) == set()


def test_the_hash_is_that_of_the_model() -> None:
    one, same, other = (
        match(people(ann("a1"), ann("b1", given=name)), FIELDS).model_hash for name in ("Annabel", "Annabel", "Zoe")
    )
    assert len(one) == 16 and int(one, 16) >= 0
    assert one == same != other


# small and damaged


def test_lists_of_three() -> None:
    left = pl.DataFrame(
        {"key": [1, 2, 3], "g": ["Ann", "Bob", "Cy"], "s": ["Lee", "Zorn", "Fox"], "b": [date(2000, 1, 5)] * 3}
    )
    right = left.with_columns(g=pl.Series(["Ann", "Robert", "Di"]))
    matches = match_lists(left, right, {"g": "given_name", "s": "surname", "b": "birth_date"})
    assert accepted(matches) == {("1", "1"), ("2", "2")}
    assert matches.clusters.rows()[0] == ("left/1", "left/1")


@pytest.mark.parametrize("rows", [[], [ann("a1")]])
def test_nobody_to_compare(rows: list[dict[str, Any]]) -> None:
    matches = match(people(*rows), FIELDS)
    assert matches.pairs.is_empty() and matches.clusters.is_empty()
    assert matches.pairs.schema == match(people(ann("a1"), ann("b1")), FIELDS).pairs.schema


def test_columns_without_a_value() -> None:
    records = pl.DataFrame({"key": ["a", "b"], "lists": [None, None], "is_known": [True, True]}).with_columns(
        *(pl.lit(None).alias(name) for name in FIELDS)
    )
    assert match(records, FIELDS).pairs.is_empty()


def test_damaged_dates_are_no_dates() -> None:
    for damaged in ("", "13/13/2013", "unknown", "0000-00-00", "19840", "1984-03-07x"):
        (pair,) = match(people(ann("a1", born=damaged), ann("b1", born=damaged)), FIELDS).pairs.rows(named=True)
        assert "born missing" in pair["evidence"]
        assert pair["match_status"] == "review"


def test_digits_that_are_no_day_of_the_calendar_are_compared_as_they_were_typed() -> None:
    (pair,) = match(people(ann("a1", born="1984-99-99"), ann("b1", born="1984-99-99")), FIELDS).pairs.rows(named=True)
    assert "born exact" in pair["evidence"]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(MatchingError, match="records lack born"):
        match(people(ann("a1")).drop("born"), FIELDS)
    with pytest.raises(MatchingError, match="the left list lacks key"):
        match_lists(pl.DataFrame({"g": ["x"]}), pl.DataFrame({"g": ["x"]}), {"g": "given_name"})


def test_the_trouble_of_an_engine_is_told_without_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise duckdb.ConversionException("Could not convert string 'Fairweather'")

    monkeypatch.setattr(scoring.Scorer, "of_rules", fails)
    with pytest.raises(MatchingError) as caught:
        match(people(ann("a1"), ann("b1", given="Bella")), FIELDS)
    assert "Fairweather" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_no_value_is_told(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level(logging.DEBUG):
        matches = match(people(ann("a1", place="Ruston"), ann("b1", given="Annabell", place="Ruston")), FIELDS)
    told = matches.pairs["evidence"].item() + caplog.text + "".join(capfd.readouterr())
    assert not [value for value in ("nnabel", "airweather", "1984", "uston") if value in told]


def test_nothing_can_reach_the_disk() -> None:
    with scoring.quiet(), scoring.database() as connection:
        assert connection.sql("select current_setting('temp_directory')").fetchone() == ("",)
        with pytest.raises(duckdb.PermissionException):
            connection.execute("copy (select 1) to '/tmp/x.csv'")


def test_nicknames_stand_for_names() -> None:
    told = dict(nicknames().iter_rows())
    assert len(told) >= 200
    assert "robert" in told["bob"] and "jose" in told["pepe"]


# public data


def febrl(name: str) -> pl.DataFrame:
    rows = pl.read_csv(FEBRL / f"dataset4{name}.csv", infer_schema=False)
    rows = rows.rename({column: column.strip() for column in rows.columns}).with_columns(pl.all().str.strip_chars())
    return rows.with_columns(pl.when(pl.all() != "").then(pl.all())).rename({"rec_id": "key"})


def precision_and_recall(matches: Matches) -> tuple[float, float]:
    pairs = matches.pairs.filter(match_status="accepted")
    right = (pairs["left_key"].str.extract(r"(\d+)") == pairs["right_key"].str.extract(r"(\d+)")).sum()
    return right / pairs.height, right / 5000


FEBRL_FIELDS: dict[str, Kind] = {
    "given_name": "given_name",
    "surname": "surname",
    "street_number": "text",
    "address_1": "text",
    "address_2": "text",
    "suburb": "place",
    "postcode": "place",
    "state": "place",
    "date_of_birth": "birth_date",
    "soc_sec_id": "identifier",
}
needs_febrl = pytest.mark.skipif(not FEBRL.exists(), reason=f"the FEBRL lists are not at {FEBRL}")


@needs_febrl
def test_febrl_with_all_fields() -> None:
    precision, recall = precision_and_recall(match_lists(febrl("a"), febrl("b"), FEBRL_FIELDS))
    assert 2 * precision * recall / (precision + recall) >= 0.999


@needs_febrl
def test_febrl_with_names_and_place_only() -> None:
    fields = {name: FEBRL_FIELDS[name] for name in ("given_name", "surname", "suburb", "postcode", "state")}
    matches = match_lists(febrl("a"), febrl("b"), fields)
    precision, recall = precision_and_recall(matches)
    assert precision >= 0.999 and recall > 0.7
    pairs = matches.pairs.filter(match_status="accepted")
    assert pairs["left_key"].is_unique().all() and pairs["right_key"].is_unique().all()


def test_a_yes_about_a_pair_of_one_name_and_birth_date_is_told_once() -> None:
    rows = people(*town("a", 30), *town("b", 30), ann("ax"), ann("bx"))
    for said in (["yes"], ["no", "yes"]):
        decisions = pl.DataFrame({"left_key": "ax", "right_key": "bx", "decision": said})
        pairs = match(rows, FIELDS, decisions).pairs
        assert pairs.select("left_key", "right_key", "match_status", "decision").rows() == [
            ("ax", "bx", "accepted", "yes")
        ]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "name at least one column to compare"),
        ({"email": "address"}, "of each what it is: birth_date, context, email"),
        ({"key": "identifier"}, "key cannot be compared; give the column another name"),
    ],
)
def test_what_cannot_be_compared_is_told(fields: dict[str, Any], told: str) -> None:
    lists = pl.DataFrame({"key": ["1", "2"], "email": ["a@x.org", "b@x.org"]})
    with pytest.raises(MatchingError, match=told):
        match_lists(lists, lists, fields)


def test_lists_of_addresses_alone_are_matched_and_nothing_is_accepted_by_a_word_that_is_no_decision() -> None:
    lists = pl.DataFrame({"key": ["1", "2"], "email": ["a@x.org", "b@x.org"]})
    assert match_lists(lists, lists, {"email": "email"}).pairs.filter(match_status="rejected").is_empty()
    perhaps = pl.DataFrame({"left_key": ["a1"], "right_key": ["b1"], "decision": ["perhaps"]})
    with pytest.raises(MatchingError, match="a decision is yes, no or later"):
        match(people(ann("a1"), ann("b1")), FIELDS, perhaps)


def test_another_master_key_makes_other_keys_and_the_same_weights() -> None:
    rows = people(*town("a", 1000), *town("b", 1000), ann("ax"), ann("bx", given="Anabel"))
    other = pl.col("key").str.slice(0, 1) + pl.col("key").hash(seed=7).cast(pl.String)
    weights = [
        match(each, FIELDS).pairs["match_weight"].sort().to_list() for each in (rows, rows.with_columns(key=other))
    ]
    assert weights[0] == weights[1] != []
