"""A data sharing agreement as a person writes it: what is wrong with it is told with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.agreement import load_agreements
from schemas.yaml_file import ContractError

GOOD = """\
agreement: la_study
about: Louisiana, data of the years 2013 to 2016
discloser: Louisiana Department of Education
legal_basis: FERPA studies exception, 34 CFR 99.31(a)(6)
purpose: study of the fellowship
covers: {state: LA, school_years: [2013, 2016]}
begins: 2012-07-01
destroy_by: 2027-06-30
contact: privacy office
"""


def write(folder: Path, text: str, name: str = "la_study") -> Path:
    (folder / f"{name}.yaml").write_text(text)
    return folder


def test_an_agreement_is_read(tmp_path: Path) -> None:
    (found,) = load_agreements(write(tmp_path, GOOD)).values()
    assert found.covers.has("LA", 2013) and found.covers.has("LA", 2016)
    assert not found.covers.has("LA", 2017) and not found.covers.has("MO", 2014)
    assert found.destroy_by.isoformat() == "2027-06-30"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("legal_basis: FERPA studies exception, 34 CFR 99.31(a)(6)\n", "", "line 1: legal_basis: is missing"),
        ("contact:", "contacts:", "line 9: contacts: is not a key that is known here"),
        ("2027-06-30", "30.6.2027", "line 8: destroy_by:"),
        ("2027-06-30", "2011-06-30", "destroy_by: must be later than begins"),
        ("[2013, 2016]", "[2016, 2013]", "line 6: covers: school_years: the first comes after the last"),
        ("[2013, 2016]", "[2013]", "line 6: covers.school_years"),
        ("state: LA", "state: Louisiana", "line 6: covers.state"),
        ("agreement: la_study", "agreement: La Study", "line 1: agreement:"),
        ("agreement: la_study", "agreement: other", "line 1: agreement: must be named as its file, la_study"),
        ("purpose: study of the fellowship", "purpose:", "line 5: purpose:"),
        ("begins:", "agreement: la_study\nbegins:", "line 7: key 'agreement' stands twice"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_key(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in GOOD
    with pytest.raises(ContractError) as trouble:
        load_agreements(write(tmp_path, GOOD.replace(old, new)))
    assert str(trouble.value).startswith("la_study.yaml, line")
    assert told in str(trouble.value)


def test_undeclared_is_no_agreement(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="stands for what no agreement covers"):
        load_agreements(write(tmp_path, GOOD.replace("la_study", "undeclared"), "undeclared"))


def test_two_agreements_that_cover_one_folder_are_refused(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, GOOD.replace("la_study", "la_later").replace("[2013, 2016]", "[2017, 2018]"), "la_later")
    write(tmp_path, GOOD.replace("la_study", "mo_study").replace("state: LA", "state: MO"), "mo_study")
    assert len(load_agreements(tmp_path)) == 3
    write(tmp_path, GOOD.replace("la_study", "zz").replace("[2013, 2016]", "[2016, 2020]"), "zz")
    with pytest.raises(ContractError, match=r"zz\.yaml, line 6: covers: la_later\.yaml covers some"):
        load_agreements(tmp_path)
