-- One row per entry of a fellow, mentor or applicant list and role, with the staff member it stands for.
-- By staff id; else by e-mail address where that is one person's; neither where it is that of somebody with another name
-- (linked.identity_conflict). Else by name, where the vault's comparison of names, birth dates and schools, or a
-- person's decision, has tied it to one person (linked.person_alias).
with mention as (  -- whom an entry names; a mentor list names the mentee, and the fellow as the mentor beside
    select
        state, school_year, delivery_id, source_row, 'fellow' as side, staff_key as id_key,
        email_key, name_key
    from canonical.fellowship
    union all
    select
        state, school_year, delivery_id, source_row, 'mentee', mentee_staff_key, mentee_email_key,
        mentee_name_key
    from canonical.mentorship
    union all
    select
        state, school_year, delivery_id, source_row, 'mentor', fellow_staff_key, fellow_email_key,
        fellow_name_key
    from canonical.mentorship
    union all
    select state, school_year, delivery_id, source_row, 'applicant', staff_key, email_key, name_key
    from canonical.applicant
),
disbelieved as (  -- an id or address that stands beside somebody else's name must be a typing error
    select distinct person_key, name_key, claimed_by
    from linked.identity_conflict
    where not is_linked and name_key is not null
),
claim as (  -- a person is known by one key
    select
        m.state, m.school_year, m.delivery_id, m.source_row, m.side, m.email_key, m.name_key,
        d.person_key is not null as is_of_somebody_else,
        case when d.person_key is null then coalesce(a.person_key, m.id_key) end as id_key
    from mention as m
    left join linked.person_alias as a on a.alias_key = m.id_key
    left join disbelieved as d
        on d.person_key = coalesce(a.person_key, m.id_key) and d.name_key = m.name_key and d.claimed_by = 'id'
),
known as (
    select distinct state, staff_key from linked.staff_year
),
address as (  -- staff files say whose an address is, and so do lists that give id and address together
    select s.state, s.email_key, coalesce(a.person_key, s.staff_key) as staff_key
    from canonical.staff_assignment as s
    left join linked.person_alias as a on a.alias_key = s.staff_key
    where s.email_key is not null
    union
    select state, email_key, id_key from claim where email_key is not null and id_key is not null
),
owner as (  -- nobody, where an address is given for several people
    select
        a.state, a.email_key,
        case when count(distinct a.staff_key) = 1 then min(a.staff_key) end as staff_key
    from address as a
    join known as k on k.state = a.state and k.staff_key = a.staff_key
    group by a.state, a.email_key
),
waiting as (
    select left_key as name_key from linked.person_match where match_status = 'review'
    union
    select right_key from linked.person_match where match_status = 'review'
),
candidate as (
    select
        c.delivery_id, c.source_row, c.side, c.is_of_somebody_else or d.person_key is not null as is_of_somebody_else,
        i.staff_key as by_id, case when d.person_key is null then o.staff_key end as by_email,
        n.staff_key as by_name, w.name_key is not null as is_waiting, o.email_key is not null as has_owners
    from claim as c
    left join known as i on i.state = c.state and i.staff_key = c.id_key
    left join owner as o on o.state = c.state and o.email_key = c.email_key
    left join disbelieved as d
        on d.person_key = o.staff_key and d.name_key = c.name_key and d.claimed_by = 'email'
    left join linked.person_alias as a on a.alias_key = c.name_key
    left join known as n on n.state = c.state and n.staff_key = a.person_key
    left join waiting as w on w.name_key = c.name_key
),
found as (  -- what a decision can settle comes before what has to be corrected
    select
        delivery_id, source_row, side, is_of_somebody_else, coalesce(by_id, by_email, by_name) as staff_key,
        case
            when by_id is not null then 'staff_id'
            when by_email is not null then 'email'
            when by_name is not null then 'name'
        end as resolved_by,
        case
            when coalesce(by_id, by_email, by_name) is not null then null
            when is_waiting then 'waits_for_review'
            when is_of_somebody_else then 'id_of_somebody_else'
            when has_owners then 'several_people'
            else 'not_on_staff'
        end as unresolved_reason
    from candidate
),
entry as (
    select
        state, school_year, delivery_id, source_row, 'fellow' as role, cohort, region,
        cast(null as varchar) as decision,
        year(begin_date) + case when month(begin_date) >= 7 then 1 else 0 end as first_school_year,
        year(end_date) + case when month(end_date) >= 7 then 1 else 0 end as last_school_year
    from canonical.fellowship
    union all
    select  -- a mentee without an end is one for the year of the list
        state, school_year, delivery_id, source_row, 'mentee', cast(null as varchar), cast(null as varchar),
        cast(null as varchar),
        coalesce(year(begin_date) + case when month(begin_date) >= 7 then 1 else 0 end, school_year),
        coalesce(
            year(end_date) + case when month(end_date) >= 7 then 1 else 0 end,
            greatest(school_year, year(begin_date) + case when month(begin_date) >= 7 then 1 else 0 end))
    from canonical.mentorship
    union all
    select
        state, school_year, delivery_id, source_row, 'applicant', cast(null as varchar), cast(null as varchar), decision,
        applied_year, cast(null as integer)
    from canonical.applicant
)
select
    e.state, e.school_year, e.delivery_id, e.source_row, e.role, p.staff_key, p.resolved_by, f.staff_key as fellow_key,
    e.cohort, e.region, e.decision, e.first_school_year, e.last_school_year,
    coalesce(p.unresolved_reason, f.unresolved_reason) as unresolved_reason,
    case
        when coalesce(p.unresolved_reason, f.unresolved_reason) = 'waits_for_review'
            then 'Waits for review: decide with `le review`'
        when p.is_of_somebody_else
            then 'The staff id or e-mail address is that of somebody with another name: correct it'
        when p.unresolved_reason = 'several_people'
            then 'Several staff members have this e-mail address: give the staff id'
        when p.unresolved_reason = 'not_on_staff'
            then 'No staff record has this staff id, e-mail address or name: correct the entry, or land the staff file that has the person'
        when f.is_of_somebody_else
            then 'The fellow''s staff id or e-mail address is that of somebody with another name: correct it'
        when f.unresolved_reason = 'several_people'
            then 'Several staff members have the fellow''s e-mail address: give the fellow''s staff id'
        when f.unresolved_reason = 'not_on_staff'
            then 'No staff record has the fellow''s staff id, e-mail address or name: correct the entry, or land the staff file that has the fellow'
    end as fix
from entry as e
join found as p on p.delivery_id = e.delivery_id and p.source_row = e.source_row and p.side = e.role
left join found as f
    on f.delivery_id = e.delivery_id and f.source_row = e.source_row and f.side = 'mentor' and e.role = 'mentee'
