"""The linked tables of this stage, in the order in which one builds on another."""

from __future__ import annotations

from le_pipeline.warehouse.engine import step

STEPS = (
    step("teacher_student_claim", __file__, partitioned=True),
    step("teacher_student_link", __file__, partitioned=True),
    step("staff_year", __file__, partitioned=True),
    step("program_participant", __file__),
    step("program_role", __file__, partitioned=True),
    step("mentor_link", __file__, partitioned=True),
)
