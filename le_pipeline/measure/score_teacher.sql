-- One row per standard score and teacher: who answers for the subject, and to what share.
with link as (
    select
        student_key, subject, school_year, staff_key, weight, enrollment_share, is_under_claimed, is_over_claimed,
        is_disputed
    from linked.teacher_student_link
    where excluded_reason is null and weight > 0
),
kin as (  -- a test of algebra is taught in a section of mathematics, but not in one of geometry
    select t.subject as tested, c.subject as taught
    from reference.subject_family as t
    join reference.subject_family as c
        on c.family = t.family and c.subject <> t.subject and (t.kind = 'general' or c.kind = 'general')
),
matched as (
    select s.state, s.subject as tested, l.*, true as is_of_very_subject
    from linked.standard_score as s
    join link as l on l.student_key = s.student_key and l.subject = s.subject and l.school_year = s.school_year
    union all
    select s.state, s.subject, l.*, false
    from linked.standard_score as s
    join kin as k on k.tested = s.subject
    join link as l on l.student_key = s.student_key and l.subject = k.taught and l.school_year = s.school_year
),
nearest as (  -- teachers of the very subject, else of its kin
    select *
    from matched
    qualify is_of_very_subject = bool_or(is_of_very_subject) over (partition by student_key, tested, school_year)
),
teacher as (  -- each once; summed as decimals, which add up alike in whatever order an engine takes them
    select
        state, school_year, student_key, tested as subject, staff_key, is_of_very_subject,
        sum(cast(weight as decimal(18, 12))) as claimed, max(enrollment_share) as enrollment_share,
        bool_or(is_under_claimed) as is_under_claimed,
        bool_or(is_over_claimed) as is_over_claimed, bool_or(is_disputed) as is_disputed
    from nearest
    group by state, school_year, student_key, tested, staff_key, is_of_very_subject
),
totalled as (
    select *, cast(sum(claimed) over (partition by student_key, subject, school_year) as double) as total
    from teacher
)
select  -- the classes of two kindred subjects may claim a student twice
    state, school_year, student_key, subject, staff_key,
    case when total > 1 then round(cast(claimed as double) / total, 12) else cast(claimed as double) end as weight,
    enrollment_share, is_of_very_subject, is_under_claimed, is_over_claimed, is_disputed
from totalled
