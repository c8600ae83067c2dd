-- One row per staff member and school year: the part in the programme.
-- A fellow before a mentee before an applicant, each from the first school year of the part on.
with fellowship as (  -- each year's list says it anew; of one fellow and cohort the latest list counts
    select *
    from linked.program_participant
    where role = 'fellow' and staff_key is not null
    qualify row_number() over (
        partition by staff_key, cohort order by school_year desc, first_school_year desc, delivery_id, source_row
    ) = 1
),
mentorship as (
    select *
    from linked.program_participant
    where role = 'mentee' and staff_key is not null
),
application as (
    select staff_key, min(first_school_year) as first_school_year
    from linked.program_participant
    where role = 'applicant' and staff_key is not null
    group by staff_key
),
listed as (  -- whoever a list names in its own year has a part in it, on the staff file or not
    select p.state, p.school_year, p.staff_key
    from linked.program_participant as p
    join fellowship as f on f.staff_key = p.staff_key and f.cohort = p.cohort
    where p.role = 'fellow'
        and p.school_year between f.first_school_year and coalesce(f.last_school_year, p.school_year)
    union
    select state, school_year, staff_key from mentorship
    where school_year between first_school_year and last_school_year
),
person_year as (
    select state, school_year, staff_key, lea_id from linked.staff_year
    union all
    select l.state, l.school_year, l.staff_key, cast(null as varchar) as lea_id
    from listed as l
    where not exists (
        select 1 from linked.staff_year as y where y.staff_key = l.staff_key and y.school_year = l.school_year)
),
lea_region as (
    select y.state, y.lea_id, f.region
    from fellowship as f
    join linked.staff_year as y
        on y.staff_key = f.staff_key
        and y.school_year between f.first_school_year and coalesce(f.last_school_year, y.school_year)
    where f.region is not null and y.lea_id is not null
    group by y.state, y.lea_id, f.region
    qualify row_number() over (partition by y.state, y.lea_id order by count(*) desc, f.region) = 1
),
fellow_year as (  -- who was selected twice belongs to the cohort begun last
    select
        p.staff_key, p.school_year, f.cohort, f.region, min(f.first_school_year) over person as first_school_year,
        bool_or(p.school_year <= coalesce(f.last_school_year, p.school_year)) over person as is_active
    from person_year as p
    join fellowship as f on f.staff_key = p.staff_key and f.first_school_year <= p.school_year
    window person as (partition by p.staff_key, p.school_year)
    qualify row_number() over (
        partition by p.staff_key, p.school_year order by f.first_school_year desc, f.cohort desc
    ) = 1
),
mentee_year as (
    select
        p.staff_key, p.school_year, min(m.first_school_year) as first_school_year,
        bool_or(p.school_year <= m.last_school_year) as is_active,
        min(f.region) filter (p.school_year <= m.last_school_year) as region
    from person_year as p
    join mentorship as m on m.staff_key = p.staff_key and m.first_school_year <= p.school_year
    left join fellowship as f on f.staff_key = m.fellow_key
    group by p.staff_key, p.school_year
),
part as (
    select
        p.state, p.school_year, p.staff_key, p.lea_id, f.cohort,
        case
            when f.staff_key is not null then 'fellow'
            when m.staff_key is not null then 'mentee'
            when a.staff_key is not null then 'applicant'
            else 'none'
        end as role,
        case when f.staff_key is not null then f.is_active else coalesce(m.is_active, false) end as is_active,
        case
            when f.staff_key is not null then f.first_school_year
            when m.staff_key is not null then m.first_school_year
            else a.first_school_year
        end as first_school_year,
        case when f.staff_key is not null then f.region else m.region end as own_region
    from person_year as p
    left join fellow_year as f on f.staff_key = p.staff_key and f.school_year = p.school_year
    left join mentee_year as m on m.staff_key = p.staff_key and m.school_year = p.school_year
    left join application as a on a.staff_key = p.staff_key and a.first_school_year <= p.school_year
)
select
    p.state, p.school_year, p.staff_key, p.role, p.is_active, p.cohort,
    coalesce(p.own_region, r.region) as region,
    p.first_school_year, p.school_year - p.first_school_year + 1 as years_in_program
from part as p
left join lea_region as r on r.state = p.state and r.lea_id = p.lea_id
