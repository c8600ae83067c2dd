-- One row per entry of a fellow, mentor or applicant list and role, with the staff member it stands for.
-- By staff id, else by e-mail address where that is one person's.
with entry as (
    select
        state, school_year, delivery_id, source_row, 'fellow' as role, staff_key as listed_key,
        email_key as listed_email, cast(null as varchar) as listed_fellow_key,
        cast(null as varchar) as listed_fellow_email, cohort, region,
        year(begin_date) + case when month(begin_date) >= 7 then 1 else 0 end as first_school_year,
        year(end_date) + case when month(end_date) >= 7 then 1 else 0 end as last_school_year
    from canonical.fellowship
    union all
    select  -- a mentee without an end is one for the year of the list
        state, school_year, delivery_id, source_row, 'mentee', mentee_staff_key, mentee_email_key, fellow_staff_key,
        fellow_email_key, cast(null as varchar), cast(null as varchar),
        coalesce(year(begin_date) + case when month(begin_date) >= 7 then 1 else 0 end, school_year),
        coalesce(
            year(end_date) + case when month(end_date) >= 7 then 1 else 0 end,
            greatest(school_year, year(begin_date) + case when month(begin_date) >= 7 then 1 else 0 end))
    from canonical.mentorship
    union all
    select
        state, school_year, delivery_id, source_row, 'applicant', staff_key, email_key, cast(null as varchar),
        cast(null as varchar), cast(null as varchar), cast(null as varchar), applied_year, cast(null as integer)
    from canonical.applicant
),
known as (
    select distinct state, staff_key from linked.staff_year
),
address as (  -- staff files say whose an address is, and so do lists that give id and address together
    select state, staff_key, email_key from canonical.staff_assignment where email_key is not null
    union
    select state, staff_key, email_key from canonical.fellowship where email_key is not null and staff_key is not null
    union
    select state, staff_key, email_key from canonical.applicant where email_key is not null and staff_key is not null
    union
    select state, fellow_staff_key, fellow_email_key from canonical.mentorship
    where fellow_email_key is not null and fellow_staff_key is not null
    union
    select state, mentee_staff_key, mentee_email_key from canonical.mentorship
    where mentee_email_key is not null and mentee_staff_key is not null
),
owner as (  -- nobody, where an address is given for several people
    select
        a.state, a.email_key,
        case when count(distinct a.staff_key) = 1 then min(a.staff_key) end as staff_key
    from address as a
    join known as k on k.state = a.state and k.staff_key = a.staff_key
    group by a.state, a.email_key
)
select
    e.state, e.school_year, e.delivery_id, e.source_row, e.role,
    coalesce(by_id.staff_key, by_email.staff_key) as staff_key,
    case
        when by_id.staff_key is not null then 'staff_id'
        when by_email.staff_key is not null then 'email'
    end as resolved_by,
    coalesce(fellow_by_id.staff_key, fellow_by_email.staff_key) as fellow_key,
    e.cohort, e.region, e.first_school_year, e.last_school_year,
    case
        when coalesce(by_id.staff_key, by_email.staff_key) is null and by_email.email_key is not null
            then 'Several staff members have this e-mail address: give the staff id'
        when coalesce(by_id.staff_key, by_email.staff_key) is null
            then 'No staff record has this staff id or e-mail address: correct the entry, or land the staff file that has the person'
        when coalesce(fellow_by_id.staff_key, fellow_by_email.staff_key) is null
            and fellow_by_email.email_key is not null
            then 'Several staff members have the fellow''s e-mail address: give the fellow''s staff id'
        when e.role = 'mentee' and coalesce(fellow_by_id.staff_key, fellow_by_email.staff_key) is null
            then 'No staff record has the fellow''s staff id or e-mail address: correct the entry, or land the staff file that has the fellow'
    end as fix
from entry as e
left join known as by_id on by_id.state = e.state and by_id.staff_key = e.listed_key
left join owner as by_email on by_email.state = e.state and by_email.email_key = e.listed_email
left join known as fellow_by_id on fellow_by_id.state = e.state and fellow_by_id.staff_key = e.listed_fellow_key
left join owner as fellow_by_email
    on fellow_by_email.state = e.state and fellow_by_email.email_key = e.listed_fellow_email
