"""evidence: the formulas of the What Works Clearinghouse, and every tier with every reason against a higher one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from le_pipeline.measure import evidence
from le_pipeline.measure.evidence import Study, Tier, cluster_corrected, essa_tier


def test_the_degrees_of_freedom_are_those_of_a_published_example() -> None:
    # VIVECampbell (R), reference page of df_h, after WWC Procedures and Standards Handbook 5.0 (2022), equation E.21:
    # 100 students in clusters of 5 with an intraclass correlation of 0.1
    found = cluster_corrected(2.5, 100, 5, 0.1)

    assert found is not None
    assert round(found.degrees_of_freedom, 2) == 94.4
    assert found.t == pytest.approx(2.5 * (97.2 / (98 * 1.4)) ** 0.5)  # by hand


@given(st.floats(-9, 9), st.integers(3, 5000), st.floats(1, 60))
def test_without_correlation_within_clusters_a_test_stays_what_it_is(t: float, n: int, size: float) -> None:
    found = cluster_corrected(t, n, size, 0)

    assert found is not None
    assert (found.t, found.degrees_of_freedom) == (pytest.approx(t), pytest.approx(n - 2))


@given(st.integers(3, 200), st.integers(1, 50))
def test_of_clusters_of_students_who_are_all_alike_the_clusters_count(clusters: int, size: int) -> None:
    # Hedges 2007: with a correlation of 1 it is the test of the clusters' means, of M - 2 degrees of freedom
    found = cluster_corrected(1.0, clusters * size, size, 1)

    assert found is not None
    assert found.degrees_of_freedom == pytest.approx(clusters - 2)


@given(st.floats(0.1, 9), st.integers(10, 5000), st.floats(1, 60), st.floats(0, 1))
def test_allowing_for_clusters_never_makes_an_effect_more_certain(t: float, n: int, size: float, rho: float) -> None:
    found = cluster_corrected(t, n, size, rho)

    assume(found is not None and n >= 4 * size)
    assert found is not None
    assert found.t <= t * (1 + 1e-12)
    assert found.p_value >= evidence.p_value(t, n - 2) * (1 - 1e-9)


def test_what_is_assumed_of_achievement_is_a_correlation_of_a_fifth() -> None:
    assert cluster_corrected(2.0, 400, 20) == cluster_corrected(2.0, 400, 20, evidence.ACHIEVEMENT_CORRELATION)
    assert (evidence.ACHIEVEMENT_CORRELATION, evidence.OTHER_CORRELATION) == (0.2, 0.1)


@pytest.mark.parametrize(("n", "size"), [(40, 40), (2, 1), (10, 30)])
def test_two_clusters_or_fewer_leave_nothing_to_test_with(n: int, size: int) -> None:
    assert cluster_corrected(2.0, n, size, 1) is None


def test_the_smallest_effect_that_is_found_is_2_8_errors_of_a_large_sample() -> None:
    # Bloom 1995, Evaluation Review 19, 547-556: 2.8 errors for a two-sided test at 0.05 and a power of 0.8 [recall]
    assert evidence.minimum_detectable_effect(0.1) == pytest.approx(0.28, abs=5e-4)
    # t tables: 2.228 + 0.879 with 10 degrees of freedom
    assert evidence.minimum_detectable_effect(1.0, 10) == pytest.approx(3.107, abs=1e-3)


def test_p_values_are_adjusted_as_benjamini_and_hochberg_do() -> None:
    # Benjamini and Hochberg 1995, section 3.2: of 15 hypotheses the first 4 are rejected at 0.05 [recall]
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528]
    p_values += [0.7590, 1.0]

    found = evidence.adjusted_p_values(p_values)

    assert [p < 0.05 for p in found] == [True] * 4 + [False] * 11
    assert found[:2] == pytest.approx([0.0015, 0.003])
    assert evidence.adjusted_p_values([]) == []


MODERATE = Study(
    design="quasi_experiment",
    baseline_equivalence="satisfied",
    is_adjusted=True,
    estimate=0.1,
    p_value=0.01,
    n=350,
    n_sites=2,
    n_negative=0,
    has_rationale=False,
)
NO_RATIONALE = "the claim names no rationale (a logic model)"


@pytest.mark.parametrize(
    ("study", "tier"),
    [
        (replace(MODERATE, design="randomised", baseline_equivalence=None, is_adjusted=False), Tier(1, "")),
        (MODERATE, Tier(2, "who takes part was not drawn by lot")),
        (
            replace(MODERATE, baseline_equivalence="satisfied_with_adjustment"),
            Tier(2, "who takes part was not drawn by lot"),
        ),
        (replace(MODERATE, baseline_equivalence=None), Tier(3, "baseline equivalence is not known")),
        (
            replace(MODERATE, baseline_equivalence="not_satisfied"),
            Tier(3, "baseline equivalence is not satisfied"),
        ),
        (replace(MODERATE, n=349), Tier(3, "the sample has 349 people, under 350")),
        (replace(MODERATE, n_sites=1), Tier(3, "there are not several sites")),
        (replace(MODERATE, design="randomised", n=60), Tier(3, "the sample has 60 people, under 350")),
        (
            replace(MODERATE, baseline_equivalence="satisfied_with_adjustment", is_adjusted=False),
            Tier(
                None,
                "baseline equivalence needs an adjustment that was not made; nothing controls for who takes part; "
                + NO_RATIONALE,
            ),
        ),
        (replace(MODERATE, p_value=0.05), Tier(None, f"the effect is not significant and positive; {NO_RATIONALE}")),
        (replace(MODERATE, p_value=None), Tier(None, f"the effect is not significant and positive; {NO_RATIONALE}")),
        (replace(MODERATE, estimate=-0.1), Tier(None, f"the effect is not significant and positive; {NO_RATIONALE}")),
        (
            replace(MODERATE, p_value=0.5, has_rationale=True),
            Tier(4, "the effect is not significant and positive"),
        ),
        (replace(MODERATE, n_negative=1), Tier(None, "1 estimate of the same outcome is significantly negative")),
        (
            replace(MODERATE, design="randomised", n_negative=2, has_rationale=True),
            Tier(None, "2 estimates of the same outcome are significantly negative"),
        ),
    ],
)
def test_a_tier_is_the_highest_whose_conditions_hold_and_says_why_not_a_higher(study: Study, tier: Tier) -> None:
    assert essa_tier(study) == tier


studies = st.builds(
    Study,
    design=st.sampled_from(["randomised", "quasi_experiment"]),
    baseline_equivalence=st.sampled_from([None, "satisfied", "satisfied_with_adjustment", "not_satisfied"]),
    is_adjusted=st.booleans(),
    estimate=st.floats(-1, 1),
    p_value=st.none() | st.floats(0, 1),
    n=st.integers(0, 1000),
    n_sites=st.integers(0, 5),
    n_negative=st.integers(0, 2),
    has_rationale=st.booleans(),
)


@given(studies)
def test_no_study_carries_more_than_it_shows(study: Study) -> None:
    found = essa_tier(study)

    assert (found.why_not_higher == "") == (found.tier == 1)
    if found.tier is not None:
        assert study.n_negative == 0
    if found.tier in (1, 2, 3):
        assert study.estimate > 0 and study.p_value is not None and study.p_value < 0.05
    if found.tier in (1, 2):
        assert study.n >= 350 and study.n_sites >= 2
    if study.design == "quasi_experiment":
        assert found.tier != 1
