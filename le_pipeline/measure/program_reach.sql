-- One row per state, region and school year: whom the programme reached.
with active as (
    select r.state, r.school_year, r.staff_key, r.role, r.region, y.school_id, y.frpl_share
    from linked.program_role as r
    left join linked.staff_year as y on y.staff_key = r.staff_key and y.school_year = r.school_year
    where r.is_active and r.role in ('fellow', 'mentee')
),
reached as (  -- each student once, in whatever subject
    select a.state, a.region, a.school_year, l.student_key
    from linked.teacher_student_link as l
    join active as a on a.staff_key = l.staff_key and a.school_year = l.school_year
    where l.excluded_reason is null and l.weight > 0
),
supported as (
    select
        case when grouping(state) = 1 then 'all' else state end as state,
        case when grouping(region) = 1 then 'all' else region end as region,
        school_year,
        count(distinct staff_key) filter (role = 'fellow') as n_fellows,
        count(distinct staff_key) filter (role = 'mentee') as n_mentees,
        count(distinct staff_key) as n_teachers_supported,
        count(distinct state || ' ' || school_id) as n_schools,
        count(distinct state || ' ' || school_id) filter (frpl_share > 0.75) as n_high_poverty_schools,
        count(distinct state || ' ' || school_id) filter (frpl_share is not null) as n_known_schools
    from active
    group by school_year, cube (state, region)
),
students as (
    select
        case when grouping(state) = 1 then 'all' else state end as state,
        case when grouping(region) = 1 then 'all' else region end as region,
        school_year,
        count(distinct student_key) as n_students
    from reached
    group by school_year, cube (state, region)
)
select
    s.state, s.region, s.school_year, s.n_fellows, s.n_mentees, s.n_teachers_supported,
    coalesce(t.n_students, 0) as n_students, s.n_schools, s.n_high_poverty_schools,
    s.n_high_poverty_schools / nullif(s.n_known_schools, 0) as high_poverty_school_share
from supported as s
left join students as t on t.state = s.state and t.region = s.region and t.school_year = s.school_year
where s.region is not null  -- who has no region is in all of them only
