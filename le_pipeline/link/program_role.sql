-- One row per staff member and school year: the part in the programme.
-- A part that runs comes before one that is over, a fellow's before a mentee's before an applicant's; each counts from its
-- first school year on.
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
    select *
    from linked.program_participant
    where role = 'applicant' and staff_key is not null
),
since as (  -- over the whole life that is observed, so that the years before a part can be told from those of others
    select
        staff_key,
        min(first_school_year) filter (role = 'fellow') as fellow_since,
        min(first_school_year) filter (role = 'mentee') as mentee_since,
        min(first_school_year) filter (role = 'applicant') as applied_since,
        min(first_school_year) as first_part
    from (
        select staff_key, role, first_school_year from fellowship
        union all
        select staff_key, role, first_school_year from mentorship
        union all
        select staff_key, role, first_school_year from application
    ) as part_of
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
    select state, school_year, staff_key, lea_id, position, is_teacher from linked.staff_year
    union all
    select
        min(l.state), l.school_year, l.staff_key, cast(null as varchar) as lea_id, cast(null as varchar) as position,
        cast(null as varchar) as is_teacher
    from listed as l
    where not exists (
        select 1 from linked.staff_year as y where y.staff_key = l.staff_key and y.school_year = l.school_year)
    group by l.school_year, l.staff_key
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
        p.staff_key, p.school_year, f.cohort, f.region,
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
        p.staff_key, p.school_year, bool_or(p.school_year <= m.last_school_year) as is_active,
        min(f.region) filter (p.school_year <= m.last_school_year) as region
    from person_year as p
    join mentorship as m on m.staff_key = p.staff_key and m.first_school_year <= p.school_year
    left join fellowship as f on f.staff_key = m.fellow_key
    group by p.staff_key, p.school_year
),
application_year as (  -- the latest one known in the year
    select p.staff_key, p.school_year, a.decision
    from person_year as p
    join application as a on a.staff_key = p.staff_key and a.first_school_year <= p.school_year
    qualify row_number() over (
        partition by p.staff_key, p.school_year
        order by a.first_school_year desc, a.school_year desc, a.delivery_id, a.source_row
    ) = 1
),
part as (
    select
        p.state, p.school_year, p.staff_key, p.lea_id, p.position, p.is_teacher,
        case
            when f.is_active then 'fellow'
            when m.is_active then 'mentee'
            when f.staff_key is not null then 'fellow'
            when m.staff_key is not null then 'mentee'
            when a.staff_key is not null then 'applicant'
            else 'none'
        end as role,
        coalesce(f.is_active, false) or coalesce(m.is_active, false) as is_active,
        f.cohort as fellow_cohort, f.region as fellow_region, m.region as mentee_region,
        a.decision as application_decision
    from person_year as p
    left join fellow_year as f on f.staff_key = p.staff_key and f.school_year = p.school_year
    left join mentee_year as m on m.staff_key = p.staff_key and m.school_year = p.school_year
    left join application_year as a on a.staff_key = p.staff_key and a.school_year = p.school_year
),
begun as (
    select
        p.*, s.fellow_since, s.mentee_since, s.applied_since,
        case p.role
            when 'fellow' then s.fellow_since when 'mentee' then s.mentee_since when 'applicant' then s.applied_since
        end as first_school_year,
        case when p.role = 'none' then s.first_part - p.school_year end as years_until_program
    from part as p
    left join since as s on s.staff_key = p.staff_key
)
select
    b.state, b.school_year, b.staff_key, b.role, b.is_active,
    case
        when b.role in ('fellow', 'mentee') and b.is_active then b.role
        when b.role in ('fellow', 'mentee') then 'former'
        when b.application_decision = 'not_selected' then 'applicant'
        else 'none'
    end as part,
    case when b.role = 'fellow' then b.fellow_cohort end as cohort,
    coalesce(
        case when b.role = 'fellow' then b.fellow_region when b.role = 'mentee' then b.mentee_region end, r.region
    ) as region,
    b.first_school_year, b.school_year - b.first_school_year + 1 as years_in_program,
    b.fellow_since, b.mentee_since, b.applied_since, b.application_decision,
    b.years_until_program is not null as is_pre_program, b.years_until_program, b.position, b.is_teacher
from begun as b
left join lea_region as r on r.state = b.state and r.lea_id = b.lea_id
