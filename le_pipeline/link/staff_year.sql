-- One row per staff member and school year: the primary assignment.
-- Largest FTE, then earliest start, then lowest school id.
with assigned as (  -- a school year runs from July to June; an assignment that ended before is history
    select coalesce(p.person_key, a.staff_key) as staff_key, a.* exclude (staff_key)
    from canonical.staff_assignment as a
    left join linked.person_alias as p on p.alias_key = a.staff_key
    where coalesce(a.end_date, date '9999-01-01') >= make_date(a.school_year - 1, 7, 1)
        and coalesce(a.begin_date, date '1900-01-01') <= make_date(a.school_year, 6, 30)
),
from_staff_file as (
    select
        state, school_year, staff_key, school_id, lea_id, position, is_teacher, fte, experience_years, sex,
        race_ethnicity, 'staff_file' as source
    from assigned
    qualify row_number() over (
        partition by staff_key, school_year
        order by coalesce(fte, 0) desc, coalesce(begin_date, date '1900-01-01'), coalesce(school_id, '~'), position,
            state, delivery_id, source_row
    ) = 1
),
seen_at as (  -- where students were, as their tests and enrolments say
    select student_key, school_year, school_id, lea_id from canonical.student_assessment where school_id is not null
    union all
    select student_key, school_year, school_id, lea_id from canonical.student_school_association
),
seen_person as (
    select coalesce(p.person_key, s.student_key) as student_key, s.school_year, s.school_id, s.lea_id
    from seen_at as s
    left join linked.person_alias as p on p.alias_key = s.student_key
),
student_school as (
    select student_key, school_year, school_id, max(lea_id) as lea_id
    from seen_person
    group by student_key, school_year, school_id
    qualify row_number() over (partition by student_key, school_year order by count(*) desc, school_id) = 1
),
linked_student as (  -- only for states that send no staff file in any year
    select distinct l.state, l.school_year, l.staff_key, l.student_key
    from linked.teacher_student_link as l
    where l.state not in (select state from canonical.staff_assignment)
),
from_links as (
    select l.state, l.school_year, l.staff_key, s.school_id, max(s.lea_id) as lea_id
    from linked_student as l
    left join student_school as s on s.student_key = l.student_key and s.school_year = l.school_year
    group by l.state, l.school_year, l.staff_key, s.school_id
    qualify row_number() over (
        partition by l.staff_key, l.school_year
        order by case when s.school_id is null then 1 else 0 end, count(*) desc, s.school_id, l.state
    ) = 1
),
primary_assignment as (
    select * from from_staff_file
    union all
    select
        state, school_year, staff_key, school_id, lea_id, 'teacher' as position, 'yes' as is_teacher,
        cast(null as double) as fte, cast(null as double) as experience_years, cast(null as varchar) as sex,
        cast(null as varchar) as race_ethnicity, 'teacher_student_link' as source
    from from_links
)
select
    a.state, a.school_year, a.staff_key, a.school_id, coalesce(a.lea_id, s.lea_id) as lea_id, a.position,
    a.is_teacher, a.fte, s.frpl_share, a.experience_years, a.sex, a.race_ethnicity, a.source
from primary_assignment as a
left join canonical.school as s
    on s.state = a.state and s.school_id = a.school_id and s.school_year = a.school_year
