"""The tables of this stage, in the order in which one builds on another."""

from __future__ import annotations

from le_pipeline.measure import (
    achievement_gap,
    benchmark_gap,
    evidence_claim,
    link_coverage,
    match_balance,
    match_rate,
    matched_teacher,
    program_impact,
    retention_survival,
    school_event_study,
    student_growth,
    student_growth_percentile,
    teacher_effectiveness,
    teacher_retention,
)
from le_pipeline.warehouse.engine import estimated, step

STEPS = (
    step("retention_outcome", __file__, partitioned=True),
    step("retention_sample", __file__, partitioned=True),
    step("standard_score", __file__, partitioned=True),
    step("score_teacher", __file__, partitioned=True),
    step("student_exposure", __file__, partitioned=True),
    step("school_outcome", __file__, partitioned=True),
    step("achievement_sample", __file__, partitioned=True),
    estimated("teacher_effectiveness", __file__, teacher_effectiveness.estimate),
    step("matching_candidate", __file__),
    step("matched_teacher", __file__, matched_teacher.finish),
    step("match_balance", __file__, match_balance.finish),
    step("teacher_retention", __file__, teacher_retention.finish),
    step("retention_survival", __file__, retention_survival.finish),
    step("achievement_gap", __file__, achievement_gap.finish),
    step(
        "student_growth_percentile",
        __file__,
        student_growth_percentile.finish,
        is_wanted=student_growth_percentile.is_wanted,
    ),
    step("student_growth", __file__, student_growth.finish),
    step("benchmark_gap", __file__, benchmark_gap.finish),
    estimated("school_event_study", __file__, school_event_study.estimate),
    step("program_reach", __file__),
    estimated("program_impact", __file__, program_impact.estimate, program_impact.settings),
    step("match_rate", __file__, match_rate.finish),
    step("link_coverage", __file__, link_coverage.finish),
    step("unresolved_record", __file__),
    estimated("evidence_claim", __file__, evidence_claim.estimate, evidence_claim.settings),
)
