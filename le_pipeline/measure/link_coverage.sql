-- One row per state, school year, subject and group: how many test takers are linked to a teacher of the subject.
with taught as (
    select
        student_key, subject, school_year, count(*) as n_teachers, bool_or(is_under_claimed) as is_under_claimed,
        bool_or(is_over_claimed) as is_over_claimed, bool_or(is_disputed) as is_disputed
    from linked.score_teacher
    group by student_key, subject, school_year
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
