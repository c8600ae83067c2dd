-- One row per student, subject, school year and teacher of the subject, with keys in the place of codes.
-- What the agreement covers is given as parameters. Rounding keeps exact scores, and the days that weights are made of,
-- from telling who somebody is; adding zero makes -0.0 of a rounded score 0.0.
with teacher as (
    select
        t.student_key, t.subject, t.school_year, t.staff_key,
        greatest(round(20 * t.weight), 1) / 20 as weight, r.role, r.is_active, r.years_in_program, r.region,
        case
            when y.experience_years < 3 then '0-2'
            when y.experience_years < 6 then '3-5'
            when y.experience_years < 11 then '6-10'
            when y.experience_years >= 11 then '11+'
        end as experience_band
    from linked.score_teacher as t
    left join linked.program_role as r on r.staff_key = t.staff_key and r.school_year = t.school_year
    left join linked.staff_year as y on y.staff_key = t.staff_key and y.school_year = t.school_year
)
select
    s.student_key, s.school_year, s.subject, s.assessment, s.grade, s.sex, s.race_ethnicity,
    s.economically_disadvantaged, s.english_learner, s.disability,
    round(s.z_score, 1) + 0.0 as z_score, round(s.percentile_rank, 0) as percentile_rank,
    s.performance_level, s.level_order, s.proficient,
    round(s.prior_z_score, 1) + 0.0 as prior_z_score, round(s.prior_percentile_rank, 0) as prior_percentile_rank,
    round(s.prior_other_z_score, 1) + 0.0 as prior_other_z_score,
    s.lea_id, s.school_id, e.exposure, t.staff_key, t.weight, t.role, t.is_active, t.years_in_program, t.region,
    t.experience_band
from linked.standard_score as s
left join linked.student_exposure as e
    on e.student_key = s.student_key and e.subject = s.subject and e.school_year = s.school_year
left join teacher as t
    on t.student_key = s.student_key and t.subject = s.subject and t.school_year = s.school_year
where s.state = $state and list_contains($school_years, s.school_year)
    and (len($subjects) = 0 or list_contains($subjects, s.subject))
