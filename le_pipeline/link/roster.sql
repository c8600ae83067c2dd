-- One row per link, with the school on whose sheet it stands: the one that its source names, else the teacher's.
with placed as (
    select l.*, coalesce(c.school_id, y.school_id) as school_id, y.lea_id as staff_lea_id
    from linked.teacher_student_link as l
    left join linked.teacher_student_claim as c
        on c.student_key = l.student_key and c.staff_key = l.staff_key and c.subject = l.subject
        and c.school_year = l.school_year and c.source = l.source
    left join linked.staff_year as y on y.staff_key = l.staff_key and y.school_year = l.school_year
)
select
    l.state, l.school_year, coalesce(s.lea_id, l.staff_lea_id) as lea_id, l.school_id, s.school_name, l.staff_key,
    l.student_key, l.subject, l.excluded_reason,
    -- as percentages of two decimals that add up as the weights do: the largest takes what rounding leaves
    round(round(100 * l.weight, 2) + case when row_number() over person_subject_first = 1
        then round(100 * sum(l.weight) over person_subject, 2) - sum(round(100 * l.weight, 2)) over person_subject
        else 0
    end, 2) as share_percent,
    -- a sheet's student is looked for on the roster, where there is one
    r.state is null or exists (
        select 1
        from canonical.student_school_association as e
        left join linked.person_alias as a on a.alias_key = e.student_key
        where e.state = l.state and e.school_year = l.school_year
            and coalesce(a.person_key, e.student_key) = l.student_key
    ) as is_on_roster
from placed as l
left join canonical.school as s
    on s.state = l.state and s.school_id = l.school_id and s.school_year = l.school_year
left join (select distinct state, school_year from canonical.student_school_association) as r
    on r.state = l.state and r.school_year = l.school_year
window
    person_subject as (partition by l.student_key, l.subject, l.school_year),
    person_subject_first as (
        partition by l.student_key, l.subject, l.school_year order by l.weight desc, l.staff_key)
