-- One row per school, subject and school year: the mean standard score, the school's first year with a fellow, and the
-- share of its teachers who have been trained so far.
with served as (
    select state, school_id, lea_id from linked.staff_year where school_id is not null and lea_id is not null
    union all
    select state, school_id, lea_id from linked.standard_score where school_id is not null and lea_id is not null
),
school_lea as (  -- one for all years, so that a school stays in one region
    select state, school_id, lea_id
    from served
    group by state, school_id, lea_id
    qualify row_number() over (partition by state, school_id order by count(*) desc, lea_id) = 1
),
fellow_year as (
    select y.state, y.school_year, y.school_id, y.lea_id, r.region
    from linked.program_role as r
    join linked.staff_year as y on y.staff_key = r.staff_key and y.school_year = r.school_year
    where r.role = 'fellow' and r.is_active
),
first_fellow as (
    select state, school_id, min(school_year) as first_treated
    from fellow_year
    where school_id is not null
    group by state, school_id
),
school_region as (
    select state, school_id, region
    from fellow_year
    where school_id is not null and region is not null
    group by state, school_id, region
    qualify row_number() over (partition by state, school_id order by count(*) desc, region) = 1
),
lea_region as (  -- as in linked.program_role
    select state, lea_id, region
    from fellow_year
    where lea_id is not null and region is not null
    group by state, lea_id, region
    qualify row_number() over (partition by state, lea_id order by count(*) desc, region) = 1
),
trained as (  -- who was a fellow or mentee keeps the role when it is over
    select
        y.state, y.school_year, y.school_id, count(*) as n_teachers,
        count_if(r.role in ('fellow', 'mentee')) / count(*) as trained_share
    from linked.staff_year as y
    left join linked.program_role as r on r.staff_key = y.staff_key and r.school_year = y.school_year
    where y.is_teacher = 'yes' and y.school_id is not null
    group by y.state, y.school_year, y.school_id
),
scored as (  -- summed as decimals, which add up alike in whatever order an engine takes them
    select
        state, school_year, school_id, subject, count(*) as n,
        cast(sum(cast(z_score as decimal(38, 12))) as double) / count(*) as mean_z_score
    from linked.standard_score
    where z_score is not null and school_id is not null
    group by state, school_year, school_id, subject
)
select
    s.state, s.school_year, s.school_id, l.lea_id, s.state || ' ' || s.school_id as school,
    coalesce(r.region, a.region) as region, s.subject, s.n, s.mean_z_score, f.first_treated, t.trained_share,
    coalesce(t.n_teachers, 0) as n_teachers
from scored as s
left join school_lea as l on l.state = s.state and l.school_id = s.school_id
left join first_fellow as f on f.state = s.state and f.school_id = s.school_id
left join school_region as r on r.state = s.state and r.school_id = s.school_id
left join lea_region as a on a.state = l.state and a.lea_id = l.lea_id
left join trained as t on t.state = s.state and t.school_id = s.school_id and t.school_year = s.school_year
