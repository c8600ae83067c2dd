"""Disclosure profiles: the strict one is the strictest, states have their own, mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.profile import Profile, of_state, profiles
from schemas.yaml_file import ContractError

PROFILES = profiles(Path("no profiles of one's own"))


def test_louisiana_has_its_own_profile_and_others_the_strict_one() -> None:
    assert of_state(PROFILES, "LA").marker == "NR"
    assert of_state(PROFILES, "MO").profile == "strict"
    assert of_state(PROFILES, "all").profile == "strict"


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_the_strict_profile_is_nowhere_laxer(name: str) -> None:
    strict, other = PROFILES["strict"], PROFILES[name]

    assert strict.students >= other.students and strict.staff >= other.staff and strict.lower >= other.lower
    for n in range(1, 1_000):
        bands = strict.band(n), other.band(n)
        if bands[0] and bands[1]:
            assert bands[0].bottom >= bands[1].bottom and bands[0].top <= bands[1].top, n


def test_a_profile_of_ones_own_stands_in_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "louisiana.yaml").write_text(
        "profile: louisiana\nabout: ours\nsource: us\nstates: [LA]\nstudents: 20\nbands:\n"
        "  - {n_from: 20, bottom: 10, top: 90, width: 10}\n"
    )

    assert of_state(profiles(tmp_path), "LA").students == 20


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("students: 3", "students"),
        ("marker: '=1+1'", "marker"),
        ("states: [LA]", "more than one profile is for LA"),
        ("colour: red", "is not a key that is known here"),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, line: str, says: str) -> None:
    (tmp_path / "ours.yaml").write_text(
        f"profile: ours\nabout: ours\nsource: us\n{line}\nbands:\n  - {{n_from: 20, bottom: 10, top: 90, width: 10}}\n"
    )

    with pytest.raises(ContractError, match=says):
        profiles(tmp_path)


def test_bands_stand_in_order() -> None:
    bands = [{"n_from": 10, "bottom": 20, "top": 80, "width": 10}, {"n_from": 40, "bottom": 5, "top": 95, "width": 1}]
    with pytest.raises(ValueError, match="largest n_from first"):
        Profile.model_validate({"profile": "ours", "about": "ours", "source": "us", "bands": bands})
