-- One row per student, subject and school year with a valid score: by which kind of teacher the student was taught.
with link as (
    select l.student_key, l.subject, l.school_year, l.staff_key, l.weight, r.role, r.is_active, r.region
    from linked.teacher_student_link as l
    left join linked.program_role as r on r.staff_key = l.staff_key and r.school_year = l.school_year
    where l.excluded_reason is null and l.weight > 0
),
taught as (
    select
        student_key, subject, school_year, staff_key as teacher_key, region,
        case
            when bool_or(role = 'fellow' and is_active) over student then 'fellow'
            when bool_or(role = 'mentee' and is_active) over student then 'mentee'
            else 'none'
        end as exposure
    from link
    window student as (partition by student_key, subject, school_year)
    qualify row_number() over (partition by student_key, subject, school_year order by weight desc, staff_key) = 1
)
select
    s.state, s.school_year, s.student_key, s.subject, coalesce(t.exposure, 'unlinked') as exposure, t.teacher_key,
    t.region
from linked.standard_score as s
left join taught as t
    on t.student_key = s.student_key and t.subject = s.subject and t.school_year = s.school_year
