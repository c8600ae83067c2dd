-- One row per link, with the school on whose sheet it stands: the one whose sections it rests on, else the one that
-- reported it, else the teacher's.
with known as (
    select e.student_key, t.staff_key, s.subject, s.school_year, s.school_id, count(*) as n
    from canonical.student_section_association as e
    join canonical.staff_section_association as t
        on t.section_key = e.section_key and t.school_year = e.school_year
    join canonical.section as s on s.section_key = e.section_key and s.school_year = e.school_year
    where s.school_id is not null
    group by e.student_key, t.staff_key, s.subject, s.school_year, s.school_id
    union all
    select student_key, coalesce(staff_key, name_key), subject, school_year, school_id, 0
    from canonical.reported_teacher_student_link
    where school_id is not null
),
place as (
    select
        coalesce(a.person_key, k.student_key) as student_key, coalesce(b.person_key, k.staff_key) as staff_key,
        k.subject, k.school_year, k.school_id
    from known as k
    left join linked.person_alias as a on a.alias_key = k.student_key
    left join linked.person_alias as b on b.alias_key = k.staff_key
    qualify row_number() over (
        partition by coalesce(a.person_key, k.student_key), coalesce(b.person_key, k.staff_key), k.subject,
            k.school_year
        order by k.n desc, k.school_id
    ) = 1
),
placed as (
    select l.*, coalesce(p.school_id, y.school_id) as school_id, y.lea_id as staff_lea_id
    from linked.teacher_student_link as l
    left join place as p
        on p.student_key = l.student_key and p.staff_key = l.staff_key and p.subject = l.subject
        and p.school_year = l.school_year
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
