"""Agreements of research extracts: what may be asked for, and what is said of one that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas import registry
from schemas.extract_agreement import load_agreement, offered
from schemas.yaml_file import ContractError

SAMPLE = Path(__file__).parents[2] / "data_samples" / "extract_agreement_LA.yaml"
TEXT = SAMPLE.read_text(encoding="utf-8")


def told(tmp_path: Path, old: str, new: str) -> str:
    """What is said of the sample with one text changed."""
    assert old in TEXT
    path = tmp_path / "agreement.yaml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ContractError) as error:
        load_agreement(path)
    return str(error.value)


def test_the_sample_is_an_agreement_and_its_columns_stand_in_the_order_of_the_registry() -> None:
    agreement = load_agreement(SAMPLE)

    names = [column.name for column in agreement.columns]
    assert names == [name for name in registry.research_extract().column_names if name in names]
    assert {"student_code", "teacher_code", "school_code", "district_code"} <= set(names)
    assert (agreement.k, agreement.max_suppressed, agreement.keep_codes) == (10, 0.05, False)


@pytest.mark.parametrize(
    ("element", "says"),
    [
        ("last_name", "'last_name' identifies a person and never leaves the vault"),
        ("student_id", "'student_id' identifies a person"),
        ("birth_date", "'birth_date' identifies a person"),
        ("email_key", "'email_key' is a pseudonym, and pseudonyms stay inside"),
        ("section_key", "'section_key' is a pseudonym"),
        ("homeless", "'homeless' helps to identify a person, and k-anonymity does not count it"),
        ("separation_reason", "'separation_reason' helps to identify a person"),
        ("test_date", "'test_date' is not part of a research extract"),
        ("delivery_id", "'delivery_id' is not part of a research extract"),
        ("scale_score", "'scale_score' is not part of a research extract"),
        ("shoe_size", "'shoe_size' is no field of the registry"),
    ],
)
def test_what_must_not_leave_is_refused_by_name(tmp_path: Path, element: str, says: str) -> None:
    assert f"agreement.yaml, line 9: elements.18: {says}" in told(tmp_path, "role,", f"{element},")


def test_no_direct_identifier_and_no_pseudonym_is_ever_delivered() -> None:
    for asked, column in offered().items():
        assert column.field.privacy != "direct"
        assert column.field.type != "key"
        assert asked in {column.name, column.field.code_of}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("k: 10", "k: 9", "line 11: k: Input should be greater than or equal to 10"),
        ("k: 10", "max_suppressed: 0.06", "max_suppressed: Input should be less than or equal to 0.05"),
        ("k: 10", "kk: 10", "line 11: kk: is not a key that is known here"),
        ("destroy_by: 2034", "destroy_by: 2021", "destroy_by: must be later than begins"),
        ("begins: 2024-08-01", "begins: soon", "begins: Input should be a valid date"),
        ("recipient: Example Research Institute, Education Lab", "recipient: ' '", "recipient: String should have"),
        ("purpose: ", "aim: ", "purpose: is missing"),
        ("[2015, 2016]", "[]", "covers.school_years: Tuple should have at least 1 item"),
        ("[2015, 2016]", "[2015, 2015]", "covers.school_years: 2015 stands twice"),
        ("[ela, mathematics]", "[maths]", "covers.subjects.0: 'maths' is no subject; give some of ela"),
        ("state: LA", "state: Louisiana", "covers.state: String should match pattern"),
        ("agreement: LA-impact-study", "agreement: ../../etc", "agreement: String should match pattern"),
        ("agreement: LA-impact-study", "agreement: .hidden", "agreement: String should match pattern"),
        ("[student_key, ", "[", "elements must hold student_key"),
        ("weight, role", "weight, weight", "elements: weight stands twice"),
    ],
)
def test_a_mistake_is_told_with_line_and_key(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert says in told(tmp_path, old, new)


def test_stricter_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "agreement.yaml"
    path.write_text(TEXT.replace("k: 10", "k: 25\nmax_suppressed: 0.01\nkeep_codes: true"), encoding="utf-8")

    agreement = load_agreement(path)

    assert (agreement.k, agreement.max_suppressed, agreement.keep_codes) == (25, 0.01, True)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="there is no such file"):
        load_agreement(tmp_path / "none.yaml")
