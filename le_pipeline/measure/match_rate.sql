-- One row per state, school year, feed, file and group: how many records are of people whom the roster or staff file has.
with roster as (
    select distinct e.state, e.school_year, coalesce(a.person_key, e.student_key) as person_key
    from canonical.student_school_association as e
    left join linked.person_alias as a on a.alias_key = e.student_key
),
staff as (
    select distinct s.state, s.school_year, coalesce(a.person_key, s.staff_key) as person_key
    from canonical.staff_assignment as s
    left join linked.person_alias as a on a.alias_key = s.staff_key
),
of_student as (
    select
        'student_assessment' as feed, state, school_year, delivery_id, student_key, school_id, race_ethnicity,
        english_learner
    from canonical.student_assessment
    union all
    select
        'student_section', e.state, e.school_year, e.delivery_id, e.student_key, s.school_id,
        cast(null as varchar), cast(null as varchar)
    from canonical.student_section_association as e
    left join canonical.section as s on s.section_key = e.section_key and s.school_year = e.school_year
),
of_staff as (
    select 'staff_section' as feed, t.state, t.school_year, t.delivery_id, t.staff_key, s.school_id
    from canonical.staff_section_association as t
    left join canonical.section as s on s.section_key = t.section_key and s.school_year = t.school_year
    union all
    select 'teacher_student_link', state, school_year, delivery_id, coalesce(staff_key, name_key), school_id
    from canonical.reported_teacher_student_link
),
listed as (
    select state, school_year, delivery_id, source_row, 'fellowship' as feed, 'fellow' as role, school_id
    from canonical.fellowship
    union all
    select state, school_year, delivery_id, source_row, 'mentorship', 'mentee', school_id from canonical.mentorship
    union all
    select state, school_year, delivery_id, source_row, 'applicant', 'applicant', school_id from canonical.applicant
),
record as (  -- what a record says of itself; what only the roster says is known of those alone whom it has
    select
        o.feed, o.state, o.school_year, o.delivery_id, o.school_id, o.race_ethnicity, o.english_learner,
        r.person_key is not null as is_matched
    from of_student as o
    left join linked.person_alias as a on a.alias_key = o.student_key
    left join roster as r
        on r.state = o.state and r.school_year = o.school_year
        and r.person_key = coalesce(a.person_key, o.student_key)
    union all
    select
        o.feed, o.state, o.school_year, o.delivery_id, o.school_id, cast(null as varchar), cast(null as varchar),
        s.person_key is not null
    from of_staff as o
    left join linked.person_alias as a on a.alias_key = o.staff_key
    left join staff as s
        on s.state = o.state and s.school_year = o.school_year and s.person_key = coalesce(a.person_key, o.staff_key)
    union all
    select
        l.feed, l.state, l.school_year, l.delivery_id, l.school_id, cast(null as varchar), cast(null as varchar),
        p.staff_key is not null and (l.feed <> 'mentorship' or p.fellow_key is not null)
    from listed as l
    left join linked.program_participant as p
        on p.delivery_id = l.delivery_id and p.source_row = l.source_row and p.role = l.role
    union all
    select  -- set apart at the door, since no roster had their id
        d.feed, q.state, q.school_year, q.delivery_id, cast(null as varchar), cast(null as varchar),
        cast(null as varchar), false
    from (
        select distinct state, school_year, delivery_id, source_row, part
        from canonical.quarantine
        where rule = 'not_on_roster'
    ) as q
    join canonical.delivery as d on d.delivery_id = q.delivery_id
    where d.delivery_status = 'accepted'
),
breakdown_of as (
    select * from (values ('all'), ('school'), ('race_ethnicity'), ('english_learner')) as v (breakdown)
),
told as (
    select
        r.state, r.school_year, r.feed, d.path, b.breakdown, r.is_matched,
        case b.breakdown
            when 'all' then 'all'
            when 'school' then r.school_id
            when 'race_ethnicity' then r.race_ethnicity
            when 'english_learner' then r.english_learner
        end as breakdown_value
    from record as r
    join canonical.delivery as d on d.delivery_id = r.delivery_id
    cross join breakdown_of as b
),
counted as (
    select
        state, school_year, feed, breakdown, breakdown_value,
        case when grouping(path) = 1 then 'all' else path end as path,
        count(*) as n, count_if(is_matched) as n_matched
    from told
    where breakdown_value is not null
    group by state, school_year, feed, breakdown, breakdown_value, cube (path)
),
without_record as (  -- a file of which nothing is in the table has its row all the same; of one path the latest counts
    select d.state, d.school_year, d.feed, d.path, d.delivery_status
    from canonical.delivery as d
    where d.feed in (
            'student_assessment', 'student_section', 'staff_section', 'teacher_student_link', 'fellowship', 'mentorship',
            'applicant')
        and d.delivery_status <> 'withdrawn'
        and not exists (
            select 1 from counted as c
            where c.state = d.state and c.feed = d.feed and c.path = d.path and c.breakdown = 'all')
    qualify row_number() over (
        partition by d.state, d.school_year, d.feed, d.path order by d.received_at desc, d.delivery_id) = 1
),
cell as (
    select
        state, school_year, feed, breakdown, breakdown_value, path, n, n_matched, 'accepted' as delivery_status
    from counted
    union all
    select state, school_year, feed, 'all', 'all', path, 0, 0, delivery_status from without_record
),
set_apart as (  -- files with records of which nobody here knows the group
    select distinct d.state, d.school_year, d.feed, d.path
    from canonical.quarantine as q
    join canonical.delivery as d on d.delivery_id = q.delivery_id
    where q.rule = 'not_on_roster' and d.delivery_status = 'accepted'
),
groups_unknown as (
    select state, school_year, feed, path from set_apart
    union
    select state, school_year, feed, 'all' from set_apart
),
reference_year as (
    select state, school_year, 'roster' as kind from roster
    union
    select state, school_year, 'staff' from staff
),
reference_state as (  -- entries of lists are looked for in every year
    select distinct state from linked.staff_year
),
judged as (
    select
        c.*,
        case
            when c.feed in ('student_assessment', 'student_section') and y.state is null then 'no_roster'
            when c.feed in ('staff_section', 'teacher_student_link') and y.state is null then 'no_staff_file'
            when c.feed in ('fellowship', 'mentorship', 'applicant') and s.state is null then 'no_staff_file'
            when c.delivery_status <> 'accepted' then c.delivery_status
            when c.n = 0 then 'no_record'
            when c.breakdown <> 'all' and g.path is not null then 'groups_unknown'
        end as null_reason
    from cell as c
    left join reference_year as y
        on y.state = c.state and y.school_year = c.school_year
        and y.kind = case when c.feed in ('student_assessment', 'student_section') then 'roster' else 'staff' end
    left join reference_state as s on s.state = c.state
    left join groups_unknown as g
        on g.state = c.state and g.school_year = c.school_year and g.feed = c.feed and g.path = c.path
)
select
    state, school_year, feed, path, breakdown, breakdown_value, n,
    case when null_reason is null then n_matched end as n_matched,
    case when breakdown <> 'all' then sum(n) over rest - n end as rest_n,
    case when breakdown <> 'all' and null_reason is null then sum(n_matched) over rest - n_matched end as rest_matched,
    null_reason
from judged
window rest as (partition by state, school_year, feed, path, breakdown)
