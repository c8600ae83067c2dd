-- One row per student, subject and school year: the score on a common scale, with the scores of the year before.
with enrolled as (  -- what the test file leaves out, the enrolment may say; the latest one counts
    select coalesce(p.person_key, e.student_key) as student_key, e.* exclude (student_key)
    from canonical.student_school_association as e
    left join linked.person_alias as p on p.alias_key = e.student_key
    qualify row_number() over (
        partition by coalesce(p.person_key, e.student_key), e.school_year
        order by coalesce(e.entry_date, date '1900-01-01') desc, e.school_id, e.delivery_id, e.source_row
    ) = 1
),
assessed as (  -- who is known by several keys is one person
    select coalesce(p.person_key, a.student_key) as student_key, a.* exclude (student_key)
    from canonical.student_assessment as a
    left join linked.person_alias as p on p.alias_key = a.student_key
),
graded as (  -- without a grade a score has nobody to be compared with
    select
        a.state, a.school_year, a.student_key, a.assessment, a.subject, a.administration, a.attempt,
        coalesce(a.grade, e.grade) as grade, a.test_date, a.scale_score, a.performance_level, a.level_order, a.proficient,
        a.school_id, a.lea_id, a.sex, a.race_ethnicity, a.economically_disadvantaged, a.english_learner, a.disability,
        coalesce(a.administration, '') as season, a.delivery_id, a.source_row
    from assessed as a
    left join enrolled as e on e.student_key = a.student_key and e.school_year = a.school_year
    where coalesce(a.void, 'no') = 'no' and coalesce(a.grade, e.grade) is not null
),
sitting as (  -- of one assessment the spring sitting counts, then the latest, then the last attempt
    select *
    from graded
    qualify row_number() over (
        partition by student_key, assessment, subject, school_year
        order by
            case when administration = 'spring' then 0 else 1 end,
            coalesce(test_date, date '1900-01-01') desc,
            coalesce(attempt, 0) desc,
            case administration when 'winter' then 1 when 'fall' then 2 else 3 end,
            scale_score desc, delivery_id, source_row
    ) = 1
),
tally as (  -- students of one score together, so that ranks do not have to be made of rows
    select state, assessment, subject, grade, season, school_year, scale_score, count(*) as equal
    from sitting
    group by state, assessment, subject, grade, season, school_year, scale_score
),
ranked as (
    select
        *, sum(equal) over (
            partition by state, assessment, subject, grade, season, school_year order by scale_score
            rows between unbounded preceding and current row) - equal as below
    from tally
),
centre as (  -- summed as decimals, which add up alike in whatever order an engine takes them
    select
        state, assessment, subject, grade, season, school_year, sum(equal) as reference_n,
        cast(sum(cast(equal * scale_score as decimal(38, 12))) as double) / sum(equal) as reference_mean
    from tally
    group by state, assessment, subject, grade, season, school_year
),
cell as (  -- the reference is everyone in the state's file, not only the programme's students
    select
        c.state, c.assessment, c.subject, c.grade, c.season, c.school_year, c.reference_n, c.reference_mean,
        sqrt(cast(sum(cast(t.equal * power(t.scale_score - c.reference_mean, 2) as decimal(38, 12))) as double)
            / nullif(c.reference_n - 1, 0)) as reference_sd
    from centre as c
    join tally as t
        on t.state = c.state and t.assessment = c.assessment and t.subject = c.subject and t.grade = c.grade
        and t.season = c.season and t.school_year = c.school_year
    group by c.state, c.assessment, c.subject, c.grade, c.season, c.school_year, c.reference_n, c.reference_mean
),
scale as (
    select
        c.*, r.scale_score,
        round((r.scale_score - c.reference_mean) / nullif(c.reference_sd, 0), 12) as z_score,
        round(100 * (r.below + r.equal / 2) / c.reference_n, 12) as percentile_rank
    from ranked as r
    join cell as c
        on c.state = r.state and c.assessment = r.assessment and c.subject = r.subject and c.grade = r.grade
        and c.season = r.season and c.school_year = r.school_year
),
counted as (  -- of several assessments the spring one counts, then the one that most students sat
    select
        s.state, s.school_year, s.student_key, s.subject, s.assessment, s.grade, s.school_id, s.lea_id, s.scale_score,
        c.z_score, c.percentile_rank, c.reference_n, round(c.reference_mean, 9) as reference_mean,
        round(c.reference_sd, 9) as reference_sd, s.performance_level, s.level_order, s.proficient, s.sex,
        s.race_ethnicity, s.economically_disadvantaged, s.english_learner, s.disability
    from sitting as s
    join scale as c
        on c.state = s.state and c.assessment = s.assessment and c.subject = s.subject and c.grade = s.grade
        and c.season = s.season and c.school_year = s.school_year and c.scale_score = s.scale_score
    qualify row_number() over (
        partition by s.student_key, s.subject, s.school_year
        order by case when s.administration = 'spring' then 0 else 1 end, c.reference_n desc, s.assessment, s.state
    ) = 1
),
other_core as (  -- mathematics for reading and language, language for the rest; the first that was tested
    select
        student_key, school_year + 1 as school_year, subject = 'mathematics' as is_mathematics, subject, z_score
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
    o.z_score as prior_other_z_score, o.subject as prior_other_subject, p.assessment as prior_assessment, p.proficient as prior_proficient,
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
    and o.is_mathematics
        = (c.subject in ('ela', 'reading', 'english', 'english_1', 'english_2', 'english_proficiency', 'writing'))
