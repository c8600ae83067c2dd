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
pair as (
    select person_kind, left_key, right_key from linked.person_match where match_status = 'review'
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
    select l.state, l.school_year, 'teacher_student_link', 'name_not_on_staff'
    from canonical.reported_teacher_student_link as l
    where l.staff_key is null
        and not exists (select 1 from linked.person_alias as a where a.alias_key = l.name_key)
    union all
    select q.state, q.school_year, d.feed, 'not_on_roster'
    from (
        select distinct state, school_year, delivery_id, source_row, part
        from canonical.quarantine
        where rule = 'not_on_roster'
    ) as q
    join canonical.delivery as d on d.delivery_id = q.delivery_id
    union all
    select state, school_year, 'linked.person_match', person_kind || '_waits_for_review' from place
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
        when 'id_of_somebody_else' then 'Correct the staff id: it is that of somebody with another name'
        when 'name_not_on_staff' then 'Land the staff file that has the teacher, or decide with `le review`'
        when 'not_on_roster' then 'Land the roster that has the person, or correct the id (`le quarantine list`)'
        when 'removed_by_verification' then 'Nothing: a school has said so; if it is a mistake, ask it for a corrected sheet'
        when 'no_share' then 'Nothing, if it is so; else ask the school for their share (`le roster export`)'
        when 'no_share_declared' then 'Nothing, if they only help; else ask the school for their share (`le roster export`)'
        when 'not_enrolled_with_teacher' then 'Nothing, if it is so; else ask the sender to correct the file'
        when 'not_full_academic_year' then 'Nothing: the full-academic-year rule of the state holds'
        when 'teacher_student_data_link_exclusion' then 'Nothing: the roster itself leaves the link out'
        else 'Look at the records, and ask the sender'
    end as what_to_do
from unresolved
group by state, school_year, record_source, reason
