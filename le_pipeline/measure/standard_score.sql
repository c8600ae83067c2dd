-- One row per student, subject and school year: the score on a common scale, with the scores of the year before.
with sitting as (  -- of one assessment the spring sitting counts, then the latest, then the last attempt
    select *
    from canonical.student_assessment
    where coalesce(void, 'no') = 'no'
    qualify row_number() over (
        partition by student_key, assessment, subject, school_year
        order by
            case when administration = 'spring' then 0 else 1 end,
            coalesce(test_date, date '1900-01-01') desc,
            coalesce(attempt, 0) desc,
            coalesce(administration, '~'),
            scale_score desc
    ) = 1
),
scored as (  -- the reference cell is everyone in the state's file, not only the programme's students
    select
        *,
        count(*) over cell as reference_n,
        avg(scale_score) over cell as reference_mean,
        stddev_samp(scale_score) over cell as reference_sd,
        rank() over (
            partition by state, assessment, subject, grade, school_year order by scale_score) - 1 as below,
        count(*) over (partition by state, assessment, subject, grade, school_year, scale_score) as equal
    from sitting
    window cell as (partition by state, assessment, subject, grade, school_year)
),
counted as (  -- of several assessments the spring one counts, then the one that most students sat
    select
        state, school_year, student_key, subject, assessment, grade, school_id, lea_id, scale_score,
        round((scale_score - reference_mean) / nullif(reference_sd, 0), 12) as z_score,
        round(100 * (below + equal / 2) / reference_n, 12) as percentile_rank,
        reference_n, round(reference_mean, 9) as reference_mean, round(reference_sd, 9) as reference_sd,
        performance_level, level_order, proficient, sex, race_ethnicity, economically_disadvantaged, english_learner,
        disability
    from scored
    qualify row_number() over (
        partition by student_key, subject, school_year
        order by case when administration = 'spring' then 0 else 1 end, reference_n desc, assessment, state
    ) = 1
),
enrolled as (  -- what the test file leaves out, the enrolment may say; the latest one counts
    select *
    from canonical.student_school_association
    qualify row_number() over (
        partition by student_key, school_year order by coalesce(entry_date, date '1900-01-01') desc, school_id
    ) = 1
),
other_core as (  -- mathematics for reading and language, language for the rest; the first that was tested
    select
        student_key, school_year + 1 as school_year, subject = 'mathematics' as is_mathematics,
        z_score
    from counted
    where subject in ('mathematics', 'ela', 'reading', 'english')
    qualify row_number() over (
        partition by student_key, school_year, subject = 'mathematics'
        order by case subject when 'ela' then 1 when 'reading' then 2 when 'english' then 3 else 0 end
    ) = 1
)
select
    c.state, c.school_year, c.student_key, c.subject, c.assessment, c.grade, c.school_id, c.lea_id, c.scale_score,
    c.z_score, c.percentile_rank, c.reference_n, c.reference_mean, c.reference_sd, c.performance_level, c.level_order,
    c.proficient, p.z_score as prior_z_score, p.percentile_rank as prior_percentile_rank,
    o.z_score as prior_other_z_score, p.assessment as prior_assessment, p.proficient as prior_proficient,
    coalesce(c.sex, e.sex) as sex, coalesce(c.race_ethnicity, e.race_ethnicity) as race_ethnicity,
    coalesce(c.economically_disadvantaged, e.economically_disadvantaged) as economically_disadvantaged,
    coalesce(c.english_learner, e.english_learner) as english_learner,
    coalesce(c.disability, e.disability) as disability
from counted as c
left join enrolled as e on e.student_key = c.student_key and e.school_year = c.school_year
left join counted as p
    on p.student_key = c.student_key and p.subject = c.subject and p.school_year = c.school_year - 1
left join other_core as o
    on o.student_key = c.student_key and o.school_year = c.school_year
    and o.is_mathematics = (c.subject in ('ela', 'reading', 'english', 'writing'))
