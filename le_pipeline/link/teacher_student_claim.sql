-- One row per student, staff member, subject, school year and source: what each source says by itself.
-- Responsibility = enrollment share x contribution share. Days count both ends; a day is its number since 1970.
-- Shares are summed as decimals, which add up alike in whatever order an engine takes them.
with term as (  -- summer sessions lie beside the school year, and make it no longer
    select
        *, coalesce(lea_id, school_id) as calendar_id,
        term_end_date >= make_date(school_year - 1, 9, 1) and term_begin_date < make_date(school_year, 5, 15) as is_regular
    from canonical.section
),
section_date as (  -- the roster's school year, else what the terms of the LEA span, or of the school where it names none
    select
        *,
        coalesce(
            year_begin_date, min(case when is_regular then term_begin_date end) over calendar, term_begin_date
        ) as calendar_begin_date,
        coalesce(
            year_end_date, max(case when is_regular then term_end_date end) over calendar, term_end_date
        ) as calendar_end_date
    from term
    window calendar as (partition by state, calendar_id, school_year)
),
section_day as (  -- the school year is at least as long as a regular term
    select
        section_key, school_year, state, school_id, subject,
        coalesce(excluded, 'no') = 'yes' as is_excluded,
        date_diff('day', date '1970-01-01', term_begin_date) as term_first,
        date_diff('day', date '1970-01-01', term_end_date) as term_last,
        date_diff('day', date '1970-01-01', case
            when is_regular then least(term_begin_date, calendar_begin_date) else calendar_begin_date
        end) as year_first,
        date_diff('day', date '1970-01-01', case
            when is_regular then greatest(term_end_date, calendar_end_date) else calendar_end_date
        end) as year_last
    from section_date
),
section_subject as (  -- a section of all subjects is one of each core subject
    select * exclude (subject), subject, false as is_of_all
    from section_day
    where subject <> 'all_subjects'
    union all
    select d.* exclude (subject), c.subject, true
    from section_day as d
    cross join reference.self_contained_subject as c
    where d.subject = 'all_subjects'
),
lesson as (
    select
        *, 1 + year_last - year_first as year_days,
        row_number() over (order by section_key, school_year, subject) as lesson_no,
        dense_rank() over (order by subject, school_year) as subject_no
    from section_subject
),
taught as (
    select
        s.lesson_no, coalesce(a.person_key, t.staff_key) as staff_key,
        dense_rank() over (order by coalesce(a.person_key, t.staff_key)) as staff_no, t.position,
        t.contribution_percent / 100 as given_share,
        coalesce(t.excluded, 'no') = 'yes' as is_excluded,
        greatest(s.term_first, coalesce(date_diff('day', date '1970-01-01', t.begin_date), s.term_first)) as first_day,
        least(s.term_last, coalesce(date_diff('day', date '1970-01-01', t.end_date), s.term_last)) as last_day
    from canonical.staff_section_association as t
    join lesson as s on s.section_key = t.section_key and s.school_year = t.school_year
    left join linked.person_alias as a on a.alias_key = t.staff_key
),
taught_cut as (  -- the days on which the teachers of a section change
    select lesson_no, first_day as cut_day from taught where first_day <= last_day
    union
    select lesson_no, last_day + 1 from taught where first_day <= last_day
),
taught_piece as (
    select
        lesson_no, cut_day as first_day, lead(cut_day) over (partition by lesson_no order by cut_day) - 1 as last_day
    from taught_cut
),
present as (  -- who teaches the section in a piece of time, each once, with the larger share where listed twice
    select
        p.lesson_no, p.first_day, p.last_day, t.staff_no,
        max(t.given_share) as given_share, bool_or(t.is_excluded) as is_excluded,
        bool_or(t.position = 'teacher_of_record') as is_of_record
    from taught_piece as p
    join taught as t
        on t.lesson_no = p.lesson_no and t.first_day <= p.first_day and t.last_day >= p.last_day
    group by p.lesson_no, p.first_day, p.last_day, t.staff_no
),
contribution as (  -- the roster's own percentage, else an equal part of what the percentages leave
    select
        lesson_no, first_day, last_day, staff_no, is_excluded, is_of_record,
        case
            when given_share is not null then given_share
            when is_of_record then greatest(0, 1 - coalesce(sum(given_share) over piece_of_section, 0))
                / count_if(is_of_record and given_share is null) over piece_of_section
        end as contribution_share
    from present
    window piece_of_section as (partition by lesson_no, first_day)
),
unsteady as (  -- sections with a teacher who is there in several pieces of time
    select distinct lesson_no from contribution group by lesson_no, staff_no having count(*) > 1
),
person as (  -- numbers stand for keys: millions of stays take a third of the room
    select
        e.student_key as listed_key, coalesce(a.person_key, e.student_key) as student_key,
        dense_rank() over (order by coalesce(a.person_key, e.student_key)) as student_no
    from (select distinct student_key from canonical.student_section_association) as e
    left join linked.person_alias as a on a.alias_key = e.student_key
),
student as (
    select distinct student_no, student_key from person
),
teacher as (
    select distinct staff_no, staff_key from taught
),
stay as (  -- a student in a section, as one row of the roster has it
    select
        p.student_no, s.lesson_no, s.subject_no, s.is_of_all,
        s.is_excluded or coalesce(e.excluded, 'no') = 'yes' as is_excluded,
        greatest(s.term_first, coalesce(date_diff('day', date '1970-01-01', e.begin_date), s.term_first)) as first_day,
        least(s.term_last, coalesce(date_diff('day', date '1970-01-01', e.end_date), s.term_last)) as last_day
    from canonical.student_section_association as e
    join person as p on p.listed_key = e.student_key
    join lesson as s on s.section_key = e.section_key and s.school_year = e.school_year
),
subject_stay as (
    select
        student_no, subject_no, count(*) as n_rows, min(lesson_no) as lesson_no, min(first_day) as first_day,
        max(last_day) as last_day, bool_or(is_excluded) as is_excluded
    from stay
    group by student_no, subject_no
),
sorted_stay as (  -- most students have one row of a subject, with teachers who stay: nothing there has to be cut
    select g.*, g.n_rows = 1 and u.lesson_no is null as is_plain
    from subject_stay as g
    left join unsteady as u on u.lesson_no = g.lesson_no
),
dated_stay as (
    select e.*
    from stay as e
    join sorted_stay as g on g.student_no = e.student_no and g.subject_no = e.subject_no
    where not g.is_plain and e.first_day <= e.last_day
),
left_for_another as (  -- on the day on which the stay in another section of the subject begins
    select distinct e.student_no, e.lesson_no, e.last_day
    from dated_stay as e
    join dated_stay as o
        on o.student_no = e.student_no and o.subject_no = e.subject_no and o.first_day = e.last_day
    where o.lesson_no <> e.lesson_no and o.first_day > e.first_day
),
several_span as (  -- that day is one of the section moved to
    select
        e.student_no, e.lesson_no, e.subject_no, e.is_of_all, e.is_excluded, e.first_day,
        case when m.student_no is null then e.last_day else e.last_day - 1 end as last_day
    from dated_stay as e
    left join left_for_another as m
        on m.student_no = e.student_no and m.lesson_no = e.lesson_no and m.last_day = e.last_day
),
several_cut as (  -- rosters list one stay in several rows that may overlap; no day may count twice
    select student_no, lesson_no, first_day as cut_day from several_span
    union
    select student_no, lesson_no, last_day + 1 from several_span
),
several_piece as (
    select
        student_no, lesson_no, cut_day as first_day,
        lead(cut_day) over (partition by student_no, lesson_no order by cut_day) - 1 as last_day
    from several_cut
),
several as (  -- a day is excluded where any of the rows that have it says so
    select
        p.student_no, p.lesson_no, p.first_day, p.last_day, e.subject_no, e.is_of_all,
        bool_or(e.is_excluded) as is_excluded
    from several_piece as p
    join several_span as e
        on e.student_no = p.student_no and e.lesson_no = p.lesson_no
        and e.first_day <= p.first_day and e.last_day >= p.last_day
    group by p.student_no, p.lesson_no, p.first_day, p.last_day, e.subject_no, e.is_of_all
),
homeroom as (
    select * from several where is_of_all
),
own_time as (  -- when students of a homeroom have a section of the subject itself, with a teacher and not only help
    select
        e.student_no, e.subject_no, greatest(e.first_day, c.first_day) as first_day,
        least(e.last_day, c.last_day) as last_day
    from several as e
    join contribution as c
        on c.lesson_no = e.lesson_no and c.first_day <= e.last_day and c.last_day >= e.first_day
    where not e.is_of_all and c.is_of_record
),
homeroom_cut as (
    select student_no, lesson_no, first_day as cut_day from homeroom
    union
    select student_no, lesson_no, last_day + 1 from homeroom
    union
    select h.student_no, h.lesson_no, o.first_day
    from homeroom as h
    join own_time as o on o.student_no = h.student_no and o.subject_no = h.subject_no
    where o.first_day between h.first_day and h.last_day
    union
    select h.student_no, h.lesson_no, o.last_day + 1
    from homeroom as h
    join own_time as o on o.student_no = h.student_no and o.subject_no = h.subject_no
    where o.last_day between h.first_day and h.last_day
),
homeroom_piece as (
    select
        student_no, lesson_no, cut_day as first_day,
        lead(cut_day) over (partition by student_no, lesson_no order by cut_day) - 1 as last_day
    from homeroom_cut
),
enrolled as (
    select true as is_plain, student_no, lesson_no, first_day, last_day, is_excluded
    from sorted_stay
    where is_plain and first_day <= last_day
    union all
    select false, student_no, lesson_no, first_day, last_day, is_excluded
    from several
    where not is_of_all
    union all
    select false, h.student_no, h.lesson_no, p.first_day, p.last_day, h.is_excluded
    from homeroom_piece as p
    join homeroom as h
        on h.student_no = p.student_no and h.lesson_no = p.lesson_no
        and h.first_day <= p.first_day and h.last_day >= p.last_day
    where not exists (  -- a specialist's section takes the subject over
        select 1 from own_time as o
        where o.student_no = h.student_no and o.subject_no = h.subject_no
            and o.first_day <= p.first_day and o.last_day >= p.last_day)
),
partial_year as (  -- a file says that the student was not in the school for the full academic year
    select coalesce(a.person_key, e.student_key) as student_key, e.school_id, e.school_year
    from canonical.student_school_association as e
    left join linked.person_alias as a on a.alias_key = e.student_key
    where e.full_academic_year = 'no'
    union
    select coalesce(a.person_key, t.student_key), t.school_id, t.school_year
    from canonical.student_assessment as t
    left join linked.person_alias as a on a.alias_key = t.student_key
    where t.full_academic_year = 'no'
),
partial_stay as (
    select p.student_no, f.school_id, f.school_year
    from partial_year as f
    join student as p on p.student_key = f.student_key
),
shared as (
    select
        e.is_plain, e.student_no, c.staff_no, s.subject_no, e.lesson_no, c.contribution_share,
        (1 + least(e.last_day, c.last_day) - greatest(e.first_day, c.first_day)) / s.year_days as time_share,
        case
            when e.is_excluded or c.is_excluded then 'teacher_student_data_link_exclusion'
            when f.student_no is not null then 'not_full_academic_year'
            when c.contribution_share is null then 'no_share_declared'
        end as excluded_reason
    from enrolled as e
    join lesson as s on s.lesson_no = e.lesson_no
    join contribution as c
        on c.lesson_no = e.lesson_no and c.first_day <= e.last_day and c.last_day >= e.first_day
    left join partial_stay as f
        on f.student_no = e.student_no and f.school_id = s.school_id and f.school_year = s.school_year
),
roster_claim as (  -- a claim is excluded when all of it is; else only the time that counts makes its shares
    select
        h.student_no, h.staff_no, min(h.lesson_no) as lesson_no,
        count(*) = count(s.school_id) and min(s.school_id) = max(s.school_id) as is_of_one_school,
        case
            when count_if(h.excluded_reason is null) > 0
                then sum(cast(h.time_share as decimal(18, 15))) filter (h.excluded_reason is null)
            else sum(cast(h.time_share as decimal(18, 15)))
        end as enrollment_share,
        sum(cast(h.time_share * h.contribution_share as decimal(18, 15))) filter (h.excluded_reason is null)
            as raw_weight,
        case when count_if(h.excluded_reason is null) = 0 then min(h.excluded_reason) end as excluded_reason
    from shared as h
    join lesson as s on s.lesson_no = h.lesson_no
    where not h.is_plain
    group by h.student_no, h.staff_no, h.subject_no
    union all
    select
        student_no, staff_no, lesson_no, true, cast(time_share as decimal(18, 15)),
        case when excluded_reason is null then cast(time_share * contribution_share as decimal(18, 15)) end,
        excluded_reason
    from shared
    where is_plain
),
listed_teacher as (  -- whom anything but a verified sheet knows
    select state, staff_key from canonical.staff_assignment
    union
    select state, staff_key from canonical.staff_section_association
    union
    select state, staff_key
    from canonical.reported_teacher_student_link
    where coalesce(link_source, 'reported') <> 'verified' and staff_key is not null
),
known_teacher as (
    select distinct t.state, coalesce(a.person_key, t.staff_key) as staff_key
    from listed_teacher as t
    left join linked.person_alias as a on a.alias_key = t.staff_key
),
known_school as (
    select state, school_id from canonical.school
    union
    select state, school_id from canonical.section where school_id is not null
    union
    select state, school_id from canonical.staff_assignment where school_id is not null
),
bare_school as (  -- a spreadsheet takes leading zeros away
    select state, regexp_replace(school_id, '^0+', '') as bare_id, min(school_id) as school_id
    from known_school
    group by state, regexp_replace(school_id, '^0+', '')
    having count(*) = 1
),
named as (  -- whom a list names as a student's teacher; a teacher known by name alone counts among the others
    select
        coalesce(s.person_key, r.student_key) as student_key, coalesce(t.person_key, r.staff_key) as staff_key,
        coalesce(t.person_key, r.staff_key, r.name_key) as named_key, r.subject, r.school_year, r.state,
        coalesce(r.link_source, 'reported') as source, coalesce(k.school_id, b.school_id, r.school_id) as school_id,
        r.weight, r.enrolled, r.school_id is null or k.school_id is not null or b.school_id is not null as is_known_school
    from canonical.reported_teacher_student_link as r
    left join linked.person_alias as s on s.alias_key = r.student_key
    left join linked.person_alias as t on t.alias_key = coalesce(r.staff_key, r.name_key)
    left join known_school as k on k.state = r.state and k.school_id = r.school_id
    left join bare_school as b on b.state = r.state and b.bare_id = regexp_replace(r.school_id, '^0+', '')
),
recognised as (  -- what a sheet says of somebody or a place that nobody else knows is most likely mistyped
    select
        n.*,
        case
            when n.source <> 'verified' then null
            when n.state in (select state from known_teacher) and k.staff_key is null then 'unknown_teacher'
            when n.state in (select state from known_school) and not n.is_known_school then 'unknown_school'
        end as not_recognised
    from named as n
    left join known_teacher as k on k.state = n.state and k.staff_key = n.staff_key
),
named_once as (
    select
        n.student_key, n.named_key, n.subject, n.school_year, n.source, min(n.staff_key) as staff_key,
        min(n.state) as state,
        case when count(*) = count(n.school_id) and min(n.school_id) = max(n.school_id) then min(n.school_id) end
            as school_id,
        sum(cast(n.weight as decimal(18, 15))) as given_weight, max(n.enrolled) as enrolled,
        bool_and(f.student_key is not null) as is_partial_year
    from recognised as n
    left join partial_year as f
        on f.student_key = n.student_key and f.school_id = n.school_id and f.school_year = n.school_year
    where n.not_recognised is null
    group by n.student_key, n.named_key, n.subject, n.school_year, n.source
),
named_claim as (  -- who has no weight shares equally what the weights leave
    select
        *,
        case
            when given_weight is not null then cast(given_weight as double)
            else cast(greatest(0, 1 - coalesce(sum(given_weight) over subject_of_source, 0)) as double)
                / count_if(given_weight is null) over subject_of_source
        end as raw_weight
    from named_once
    window subject_of_source as (partition by student_key, subject, school_year, source)
)
select
    s.state, s.school_year, p.student_key, t.staff_key, s.subject, 'roster' as source,
    case when r.is_of_one_school then s.school_id end as school_id,
    round(cast(r.enrollment_share as double), 12) as enrollment_share,
    case when r.excluded_reason is null
        then round(cast(r.raw_weight as double) / nullif(cast(r.enrollment_share as double), 0), 12) end
        as contribution_share,
    round(cast(coalesce(r.raw_weight, 0) as double), 12) as raw_weight, true as is_weighted,
    cast(null as varchar) as enrolled,
    coalesce(r.excluded_reason, case when round(cast(r.raw_weight as double), 12) = 0 then 'no_share' end)
        as excluded_reason
from roster_claim as r
join lesson as s on s.lesson_no = r.lesson_no
join student as p on p.student_no = r.student_no
join teacher as t on t.staff_no = r.staff_no
union all
select
    state, school_year, student_key, staff_key, subject, source, school_id, cast(null as double) as enrollment_share,
    cast(null as double) as contribution_share, round(raw_weight, 12) as raw_weight,
    given_weight is not null as is_weighted, enrolled,
    case
        when source = 'verified' and given_weight = 0 then 'removed_by_verification'
        when enrolled = 'no' then 'not_enrolled_with_teacher'
        when is_partial_year then 'not_full_academic_year'
        when round(raw_weight, 12) = 0 then 'no_share'
    end as excluded_reason
from named_claim
where staff_key is not null
union all
select
    max(n.state), n.school_year, n.student_key, n.staff_key, n.subject, n.source, cast(null as varchar),
    cast(null as double), cast(null as double), 0, true, cast(null as varchar), min(n.not_recognised)
from recognised as n
where n.not_recognised is not null
    and not exists (
        select 1 from named_once as o
        where o.student_key = n.student_key and o.staff_key = n.staff_key and o.subject = n.subject
            and o.school_year = n.school_year and o.source = n.source)
group by n.school_year, n.student_key, n.staff_key, n.subject, n.source
