-- One row per teacher and school year: where the teacher is in the next school year.
-- Empty, not leaver, where the state's staff file of the next year has not come.
with observed as (  -- a tenth of the people of the year before are a file; fewer are rows with a wrong year
    select t.state, t.school_year
    from (select state, school_year, count(*) as people from linked.staff_year group by state, school_year) as t
    left join (select state, school_year, count(*) as people from linked.staff_year group by state, school_year) as p
        on p.state = t.state and p.school_year = t.school_year - 1
    where t.people >= 0.1 * coalesce(p.people, 0)
),
observed_lea as (
    select distinct state, lea_id, school_year from linked.staff_year
),
cohort as (
    select
        t.state, t.school_year, t.staff_key, t.school_id, t.lea_id, t.frpl_share,
        o.state is not null as next_is_observed,
        n.staff_key is not null as is_there, l.state is not null as next_has_lea,
        n.school_id as next_school_id, n.lea_id as next_lea_id, n.position as next_position,
        n.is_teacher = 'yes' as teaches_next, n.frpl_share as next_frpl_share
    from linked.staff_year as t
    left join observed as o on o.state = t.state and o.school_year = t.school_year + 1
    left join observed_lea as l
        on l.state = t.state and l.lea_id is not distinct from t.lea_id and l.school_year = t.school_year + 1
    left join linked.staff_year as n
        on n.staff_key = t.staff_key and n.school_year = t.school_year + 1 and n.state = t.state
    where t.is_teacher = 'yes'
),
told as (
    select
        *,
        case
            when not next_is_observed then null
            when not is_there then 'leaver'
            when teaches_next and next_school_id is not distinct from school_id
                and (next_lea_id is not distinct from lea_id
                    or (school_id is not null and (next_lea_id is null or lea_id is null))) then 'stayer'
            when teaches_next and next_lea_id = lea_id then 'mover_within_lea'
            when teaches_next then 'mover_out_of_lea'
            when next_position in ('instructional_coach', 'assistant_principal', 'principal', 'district_leader')
                and (next_lea_id = lea_id or next_school_id = school_id) then 'promoted_within'
            else 'role_change'
        end as outcome
    from cohort
)
select
    t.state, t.school_year, t.staff_key, t.school_id, t.lea_id, t.outcome,
    case
        when t.outcome = 'stayer' then 'stay'
        when t.outcome in ('mover_within_lea', 'mover_out_of_lea') then 'transfer'
        when t.outcome is not null then 'leave'
    end as sdp_status,
    t.next_school_id, case when t.next_is_observed then t.next_has_lea end as next_year_has_lea, t.frpl_share,
    case
        when t.frpl_share is null then 'unknown'
        when t.frpl_share > 0.75 then 'high'
        when t.frpl_share > 0.50 then 'mid_high'
        when t.frpl_share > 0.25 then 'mid_low'
        else 'low'
    end as poverty_band,
    t.frpl_share > 0.75 as in_high_poverty_school,
    t.next_frpl_share > 0.75 as next_in_high_poverty_school,
    coalesce(r.role, 'none') as role, coalesce(r.is_active, false) as is_active, r.cohort, r.region
from told as t
left join linked.program_role as r on r.staff_key = t.staff_key and r.school_year = t.school_year
