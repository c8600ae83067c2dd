-- One row per state, school year, source and reason: records that are tied to nobody, or count for nobody.
with seen as (  -- where and when a key was last seen, for pairs of keys that know neither
    select state, school_year, student_key as person_key from canonical.student_school_association
    union all
    select state, school_year, student_key from canonical.student_assessment
    union all
    select state, school_year, student_key from canonical.student_section_association
    union all
    select state, school_year, student_key from canonical.reported_teacher_student_link
    union all
    select state, school_year, coalesce(staff_key, name_key) from canonical.reported_teacher_student_link
    union all
    select state, school_year, staff_key from canonical.staff_assignment
    union all
    select state, school_year, staff_key from canonical.staff_section_association
    union all
    select state, school_year, staff_key from canonical.fellowship
    union all
    select state, school_year, name_key from canonical.fellowship
    union all
    select state, school_year, staff_key from canonical.applicant
    union all
    select state, school_year, name_key from canonical.applicant
    union all
    select state, school_year, fellow_staff_key from canonical.mentorship
    union all
    select state, school_year, fellow_name_key from canonical.mentorship
    union all
    select state, school_year, mentee_staff_key from canonical.mentorship
    union all
    select state, school_year, mentee_name_key from canonical.mentorship
),
entry as (  -- whom an entry of a list names, and what is unresolved of it
    select p.state, p.school_year, 'fellowship' as feed, p.unresolved_reason, e.name_key
    from linked.program_participant as p
    join canonical.fellowship as e on e.delivery_id = p.delivery_id and e.source_row = p.source_row
    where p.role = 'fellow' and p.unresolved_reason is not null
    union all
    select p.state, p.school_year, 'applicant', p.unresolved_reason, e.name_key
    from linked.program_participant as p
    join canonical.applicant as e on e.delivery_id = p.delivery_id and e.source_row = p.source_row
    where p.role = 'applicant' and p.unresolved_reason is not null
    union all
    select p.state, p.school_year, 'mentorship', p.unresolved_reason, e.mentee_name_key
    from linked.program_participant as p
    join canonical.mentorship as e on e.delivery_id = p.delivery_id and e.source_row = p.source_row
    where p.role = 'mentee' and p.unresolved_reason is not null
    union all
    select p.state, p.school_year, 'mentorship', p.unresolved_reason, e.fellow_name_key
    from linked.program_participant as p
    join canonical.mentorship as e on e.delivery_id = p.delivery_id and e.source_row = p.source_row
    where p.role = 'mentee' and p.unresolved_reason is not null
),
nameless_link as (  -- links that name a teacher of whom nobody knows who it is
    select l.state, l.school_year, l.name_key
    from canonical.reported_teacher_student_link as l
    where l.staff_key is null
        and not exists (select 1 from linked.person_alias as a where a.alias_key = l.name_key)
),
counted_name as (
    select name_key from entry where unresolved_reason = 'waits_for_review'
    union
    select name_key from nameless_link
),
pair as (  -- that no record accounts for which is counted itself
    select m.person_kind, m.left_key, m.right_key
    from linked.person_match as m
    where m.match_status = 'review'
        and not exists (
            select 1 from counted_name as n where n.name_key = m.left_key or n.name_key = m.right_key)
),
listed as (  -- whom the rosters and the staff files have, with the reason of those whom they lack
    select 'not_on_roster' as reason, state, school_year, student_key as person_key
    from canonical.student_school_association
    union
    select 'not_on_staff', state, school_year, staff_key from canonical.staff_assignment
),
person_listed as (
    select distinct l.reason, l.state, l.school_year, coalesce(a.person_key, l.person_key) as person_key
    from listed as l
    left join linked.person_alias as a on a.alias_key = l.person_key
),
of_person as (
    select 'not_on_roster' as reason, 'student_assessment' as feed, state, school_year, student_key as person_key
    from canonical.student_assessment
    union all
    select 'not_on_roster', 'student_section', state, school_year, student_key
    from canonical.student_section_association
    union all
    select 'not_on_staff', 'staff_section', state, school_year, staff_key from canonical.staff_section_association
    union all
    select 'not_on_staff', 'teacher_student_link', state, school_year, staff_key
    from canonical.reported_teacher_student_link
    where staff_key is not null
),
place as (
    select p.person_kind, p.left_key, p.right_key, s.state, s.school_year
    from pair as p
    join seen as s on s.person_key = p.left_key or s.person_key = p.right_key
    qualify row_number() over (partition by p.left_key, p.right_key order by s.school_year desc, s.state) = 1
),
unresolved as (
    select
        state, school_year,
        case role when 'fellow' then 'fellowship' when 'mentee' then 'mentorship' else role end as record_source,
        unresolved_reason as reason
    from linked.program_participant
    where unresolved_reason is not null
    union all
    select state, school_year, 'teacher_student_link', 'name_not_on_staff' from nameless_link
    union all
    select q.state, q.school_year, d.feed, 'not_on_roster'
    from (
        select distinct state, school_year, delivery_id, source_row, part
        from canonical.quarantine
        where rule = 'not_on_roster'
    ) as q
    join canonical.delivery as d on d.delivery_id = q.delivery_id
    where d.delivery_status = 'accepted'
    union all
    select o.state, o.school_year, o.feed, o.reason  -- where there is a roster, or staff file, of the year
    from of_person as o
    join (select distinct reason, state, school_year from listed) as y
        on y.reason = o.reason and y.state = o.state and y.school_year = o.school_year
    left join linked.person_alias as a on a.alias_key = o.person_key
    left join person_listed as p
        on p.reason = o.reason and p.state = o.state and p.school_year = o.school_year
        and p.person_key = coalesce(a.person_key, o.person_key)
    where p.person_key is null
    union all
    select c.state, c.school_year, 'linked.identity_conflict', 'id_of_somebody_else'
    from linked.identity_conflict as c
    where not exists (
        select 1 from entry as e
        where e.unresolved_reason = 'id_of_somebody_else' and e.feed = c.feed and e.state = c.state
            and e.school_year = c.school_year and e.name_key = c.name_key)
    union all
    select state, school_year, 'linked.student_exposure', 'no_teacher'
    from linked.student_exposure
    where exposure = 'unlinked'
    union all
    select state, school_year, 'linked.person_match', person_kind || '_waits_for_review' from place
    union all
    select state, school_year, 'linked.teacher_student_claim', excluded_reason
    from linked.teacher_student_claim
    where excluded_reason in ('unknown_teacher', 'unknown_school')
    union all
    select state, school_year, 'linked.teacher_student_link', excluded_reason
    from linked.teacher_student_link
    where excluded_reason is not null
)
select
    state, school_year, record_source, reason, count(*) as n,
    case reason
        when 'waits_for_review' then 'Decide with `le review` whether the entry and a staff member are one person'
        when 'student_waits_for_review' then 'Decide with `le review` whether two records are one student'
        when 'staff_waits_for_review' then 'Decide with `le review` whether two records are one staff member'
        when 'several_people' then 'Give the staff id: several staff members have the e-mail address'
        when 'not_on_staff' then 'Correct the entry, or land the staff file that has the person'
        when 'id_of_somebody_else' then 'Correct the id: it is that of somebody with another name'
        when 'name_not_on_staff' then 'Land the staff file that has the teacher, or decide with `le review`'
        when 'not_on_roster' then 'Land the roster that has the person, or correct the id (`le quarantine list`)'
        when 'no_teacher' then 'Land the roster or the list that has the student''s teacher of the subject'
        when 'removed_by_verification' then 'Nothing: a school has said so; if it is a mistake, ask it for a corrected sheet'
        when 'unknown_teacher' then 'Correct the teacher''s id on the verified sheet, or land the staff file that has them'
        when 'unknown_school' then 'Correct the school''s id on the verified sheet, or land the directory that has it'
        when 'no_share' then 'Nothing, if it is so; else ask the school for their share (`le roster export`)'
        when 'no_share_declared' then 'Nothing, if they only help; else ask the school for their share (`le roster export`)'
        when 'not_enrolled_with_teacher' then 'Nothing, if it is so; else ask the sender to correct the file'
        when 'not_full_academic_year' then 'Nothing: the full-academic-year rule of the state holds'
        when 'teacher_student_data_link_exclusion' then 'Nothing: the roster itself leaves the link out'
        else 'Look at the records, and ask the sender'
    end as what_to_do
from unresolved
group by state, school_year, record_source, reason
