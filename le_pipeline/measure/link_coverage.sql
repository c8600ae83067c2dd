-- One row per state, school year, subject and group: how many test takers are linked to a teacher of the subject.
with link as (
    select student_key, subject, school_year, staff_key, is_under_claimed, is_over_claimed, is_disputed
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
    select s.subject as tested, l.*, true as is_very_subject
    from linked.standard_score as s
    join link as l on l.student_key = s.student_key and l.subject = s.subject and l.school_year = s.school_year
    union all
    select s.subject, l.*, false
    from linked.standard_score as s
    join kin as k on k.tested = s.subject
    join link as l on l.student_key = s.student_key and l.subject = k.taught and l.school_year = s.school_year
),
nearest as (  -- teachers of the very subject, else of its kin
    select *
    from matched
    qualify is_very_subject = bool_or(is_very_subject) over (partition by student_key, tested, school_year)
),
taught as (
    select
        student_key, tested as subject, school_year, count(distinct staff_key) as n_teachers,
        bool_or(is_under_claimed) as is_under_claimed, bool_or(is_over_claimed) as is_over_claimed,
        bool_or(is_disputed) as is_disputed
    from nearest
    group by student_key, tested, school_year
),
breakdown_of as (
    select * from (values ('all'), ('school'), ('race_ethnicity'), ('english_learner')) as v (breakdown)
),
told as (
    select
        s.state, s.school_year, s.subject, b.breakdown, coalesce(t.n_teachers, 0) as n_teachers,
        coalesce(t.is_under_claimed, false) as is_under_claimed, coalesce(t.is_over_claimed, false) as is_over_claimed,
        coalesce(t.is_disputed, false) as is_disputed,
        case b.breakdown
            when 'all' then 'all'
            when 'school' then s.school_id
            when 'race_ethnicity' then s.race_ethnicity
            when 'english_learner' then s.english_learner
        end as breakdown_value
    from linked.standard_score as s
    left join taught as t
        on t.student_key = s.student_key and t.subject = s.subject and t.school_year = s.school_year
    cross join breakdown_of as b
),
counted as (
    select
        state, school_year, subject, breakdown, breakdown_value, count(*) as n, count_if(n_teachers > 0) as n_linked,
        count_if(n_teachers > 1) as n_co_taught, count_if(is_under_claimed) as n_under_claimed,
        count_if(is_over_claimed) as n_over_claimed, count_if(is_disputed) as n_disputed
    from told
    where breakdown_value is not null
    group by state, school_year, subject, breakdown, breakdown_value
)
select
    state, school_year, subject, breakdown, breakdown_value, n, n_linked, n_co_taught, n_under_claimed, n_over_claimed,
    n_disputed,
    case when breakdown <> 'all' then sum(n) over rest - n end as rest_n,
    case when breakdown <> 'all' then sum(n_linked) over rest - n_linked end as rest_linked
from counted
window rest as (partition by state, school_year, subject, breakdown)
