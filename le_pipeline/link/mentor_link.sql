-- One row per fellow, mentee, subject, begin date and school year in which the mentorship ran.
with mentorship as (
    select
        p.state, p.school_year as listed_year, p.delivery_id, p.source_row, p.fellow_key, p.staff_key as mentee_key,
        m.subject, m.begin_date, m.end_date, p.first_school_year, p.last_school_year
    from linked.program_participant as p
    join canonical.mentorship as m on m.delivery_id = p.delivery_id and m.source_row = p.source_row
    where p.role = 'mentee' and p.staff_key is not null and p.fellow_key is not null
),
observed_year as (
    select school_year from linked.staff_year
    union
    select school_year from linked.program_participant
),
ran as (  -- lists of several years say the same thing; of what they say about a year the latest counts
    select m.*, y.school_year
    from mentorship as m
    join observed_year as y on y.school_year between m.first_school_year and m.last_school_year
    qualify row_number() over (
        partition by m.fellow_key, m.mentee_key, m.subject, m.begin_date, y.school_year
        order by m.listed_year desc, m.end_date desc, m.delivery_id, m.source_row
    ) = 1
)
select
    r.state, r.school_year, r.fellow_key, r.mentee_key, r.subject, r.begin_date, r.end_date,
    f.state = e.state and f.school_id = e.school_id as is_same_school,
    coalesce(o.role = 'fellow' and o.is_active, false) as is_fellow_active
from ran as r
left join linked.staff_year as f on f.staff_key = r.fellow_key and f.school_year = r.school_year
left join linked.staff_year as e on e.staff_key = r.mentee_key and e.school_year = r.school_year
left join linked.program_role as o on o.staff_key = r.fellow_key and o.school_year = r.school_year
