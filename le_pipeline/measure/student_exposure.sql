-- One row per student, subject and school year with a valid score: by which kind of teacher the student was taught.
with link as (
    select
        l.student_key, l.subject, l.school_year, l.staff_key, l.weight, r.region,
        case
            when r.role in ('fellow', 'mentee') and r.is_active then r.role
            when r.role in ('fellow', 'mentee') then 'former'
            else 'none'
        end as exposure
    from linked.teacher_student_link as l
    left join linked.program_role as r on r.staff_key = l.staff_key and r.school_year = l.school_year
    where l.excluded_reason is null and l.weight > 0
),
kin as (  -- a test of algebra is taught in a section of mathematics, but not in one of geometry
    select t.subject as tested, c.subject as taught
    from reference.subject_family as t
    join reference.subject_family as c
        on c.family = t.family and c.subject <> t.subject and (t.kind = 'general' or c.kind = 'general')
),
matched as (
    select
        s.student_key, s.subject, s.school_year, l.staff_key, l.weight, l.exposure, l.region, true as is_very_subject
    from linked.standard_score as s
    join link as l on l.student_key = s.student_key and l.subject = s.subject and l.school_year = s.school_year
    union all
    select s.student_key, s.subject, s.school_year, l.staff_key, l.weight, l.exposure, l.region, false
    from linked.standard_score as s
    join kin as k on k.tested = s.subject
    join link as l on l.student_key = s.student_key and l.subject = k.taught and l.school_year = s.school_year
),
nearest as (  -- teachers of the very subject, else of its kin
    select *
    from matched
    qualify is_very_subject = bool_or(is_very_subject) over (partition by student_key, subject, school_year)
),
teacher as (  -- each once; a teacher's part in the programme is one for the whole year
    select
        student_key, subject, school_year, staff_key, exposure, region,
        sum(cast(weight as decimal(18, 12))) as weight
    from nearest
    group by student_key, subject, school_year, staff_key, exposure, region
),
taught as (  -- the part in the programme and its region are of one and the same teacher
    select
        student_key, subject, school_year, staff_key as teacher_key,
        first_value(exposure) over by_part as exposure, first_value(region) over by_part as region
    from teacher
    window by_part as (
        partition by student_key, subject, school_year
        order by case exposure when 'fellow' then 1 when 'mentee' then 2 when 'former' then 3 else 4 end, weight desc, staff_key
    )
    qualify row_number() over (partition by student_key, subject, school_year order by weight desc, staff_key) = 1
)
select
    s.state, s.school_year, s.student_key, s.subject, coalesce(t.exposure, 'unlinked') as exposure, t.teacher_key,
    t.region
from linked.standard_score as s
left join taught as t
    on t.student_key = s.student_key and t.subject = s.subject and t.school_year = s.school_year
