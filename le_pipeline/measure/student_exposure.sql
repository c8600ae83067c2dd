-- One row per student, subject and school year with a valid score: by which kind of teacher the student was taught.
with teacher as (  -- a teacher's part in the programme is one for the whole year
    select
        t.student_key, t.subject, t.school_year, t.staff_key, t.weight, r.region,
        -- of teachers with equal weights the one with more students, then with more experience, then by what is known of
        -- them: another key of the home must not choose another
        count(*) over (partition by t.staff_key, t.subject, t.school_year) as n_students,
        count(*) over (partition by t.staff_key) as n_scores,
        coalesce(y.experience_years, -1) as experience, coalesce(y.sex, '') as sex,
        coalesce(y.race_ethnicity, '') as race,
        case when r.part in ('fellow', 'mentee', 'former') then r.part else 'none' end as exposure
    from linked.score_teacher as t
    left join linked.program_role as r on r.staff_key = t.staff_key and r.school_year = t.school_year
    left join linked.staff_year as y on y.staff_key = t.staff_key and y.school_year = t.school_year
),
taught as (  -- the part in the programme and its region are of one and the same teacher
    select
        student_key, subject, school_year, staff_key as teacher_key,
        first_value(exposure) over by_part as exposure, first_value(region) over by_part as region
    from teacher
    window by_part as (
        partition by student_key, subject, school_year
        order by case exposure when 'fellow' then 1 when 'mentee' then 2 when 'former' then 3 else 4 end, weight desc, n_students desc, n_scores desc, experience desc, sex, race, staff_key
    )
    qualify row_number() over (partition by student_key, subject, school_year order by weight desc, n_students desc, n_scores desc, experience desc, sex, race, staff_key) = 1
)
select
    s.state, s.school_year, s.student_key, s.subject, coalesce(t.exposure, 'unlinked') as exposure, t.teacher_key,
    t.region
from linked.standard_score as s
left join taught as t
    on t.student_key = s.student_key and t.subject = s.subject and t.school_year = s.school_year
