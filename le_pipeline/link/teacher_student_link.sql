-- One row per student, staff member, subject and school year.
-- Responsibility = enrollment share x contribution share. Days count both ends; a day is its number since 1970.
-- Shares are summed as decimals, which add up alike in whatever order an engine takes them.
with section_day as (  -- the dates of a section; the school year is at least as long as the term
    select
        section_key, school_year, state, school_id, subject,
        coalesce(excluded, 'no') = 'yes' as is_excluded,
        date_diff('day', date '1970-01-01', term_begin_date) as term_first,
        date_diff('day', date '1970-01-01', term_end_date) as term_last,
        date_diff('day', date '1970-01-01', least(term_begin_date, coalesce(
            year_begin_date, min(term_begin_date) over (partition by state, lea_id, school_year)))) as year_first,
        date_diff('day', date '1970-01-01', greatest(term_end_date, coalesce(
            year_end_date, max(term_end_date) over (partition by state, lea_id, school_year)))) as year_last
    from canonical.section
),
section_span as (  -- where the roster names no school year, the terms of the LEA span it
    select *, 1 + year_last - year_first as year_days from section_day
),
enrolled_span as (
    select
        e.student_key, s.section_key, s.school_year, s.is_excluded or coalesce(e.excluded, 'no') = 'yes' as is_excluded,
        greatest(s.term_first, coalesce(date_diff('day', date '1970-01-01', e.begin_date), s.term_first)) as first_day,
        least(s.term_last, coalesce(date_diff('day', date '1970-01-01', e.end_date), s.term_last)) as last_day
    from canonical.student_section_association as e
    join section_span as s on s.section_key = e.section_key and s.school_year = e.school_year
),
enrolled_cut as (  -- rosters list one stay in several rows that may overlap; no day may count twice
    select student_key, section_key, school_year, first_day as cut_day from enrolled_span where first_day <= last_day
    union
    select student_key, section_key, school_year, last_day + 1 from enrolled_span where first_day <= last_day
),
enrolled_piece as (
    select
        student_key, section_key, school_year, cut_day as first_day,
        lead(cut_day) over (partition by student_key, section_key, school_year order by cut_day) - 1 as last_day
    from enrolled_cut
),
enrolled as (  -- a day is excluded where any of the rows that have it says so
    select
        p.student_key, p.section_key, p.school_year, p.first_day, p.last_day, bool_or(e.is_excluded) as is_excluded
    from enrolled_piece as p
    join enrolled_span as e
        on e.student_key = p.student_key and e.section_key = p.section_key and e.school_year = p.school_year
        and e.first_day <= p.first_day and e.last_day >= p.last_day
    group by p.student_key, p.section_key, p.school_year, p.first_day, p.last_day
),
taught as (
    select
        t.staff_key, s.section_key, s.school_year, t.position, t.contribution_percent / 100 as given_share,
        coalesce(t.excluded, 'no') = 'yes' as is_excluded,
        greatest(s.term_first, coalesce(date_diff('day', date '1970-01-01', t.begin_date), s.term_first)) as first_day,
        least(s.term_last, coalesce(date_diff('day', date '1970-01-01', t.end_date), s.term_last)) as last_day
    from canonical.staff_section_association as t
    join section_span as s on s.section_key = t.section_key and s.school_year = t.school_year
),
taught_cut as (  -- the days on which the teachers of a section change
    select section_key, school_year, first_day as cut_day from taught where first_day <= last_day
    union
    select section_key, school_year, last_day + 1 from taught where first_day <= last_day
),
taught_piece as (
    select
        section_key, school_year, cut_day as first_day,
        lead(cut_day) over (partition by section_key, school_year order by cut_day) - 1 as last_day
    from taught_cut
),
present as (  -- who teaches the section in a piece of time, each once, with the larger share where listed twice
    select
        p.section_key, p.school_year, p.first_day, p.last_day, t.staff_key,
        max(t.given_share) as given_share, bool_or(t.is_excluded) as is_excluded,
        max(t.given_share) is null and bool_or(t.position = 'teacher_of_record') as shares_the_rest
    from taught_piece as p
    join taught as t
        on t.section_key = p.section_key and t.school_year = p.school_year
        and t.first_day <= p.first_day and t.last_day >= p.last_day
    group by p.section_key, p.school_year, p.first_day, p.last_day, t.staff_key
),
contribution as (  -- the roster's own percentage, else an equal part of what the percentages leave
    select
        section_key, school_year, first_day, last_day, staff_key, is_excluded,
        case
            when given_share is not null then given_share
            when shares_the_rest then greatest(0, 1 - coalesce(sum(given_share) over piece_of_section, 0))
                / count_if(shares_the_rest) over piece_of_section
        end as contribution_share
    from present
    window piece_of_section as (partition by section_key, school_year, first_day)
),
partial_year as (  -- a file says that the student was not in the school for the full academic year
    select student_key, school_id, school_year
    from canonical.student_school_association
    where full_academic_year = 'no'
    union
    select student_key, school_id, school_year
    from canonical.student_assessment
    where full_academic_year = 'no'
),
shared as (
    select
        e.student_key, c.staff_key, s.subject, e.school_year, s.state, c.contribution_share,
        (1 + least(e.last_day, c.last_day) - greatest(e.first_day, c.first_day)) / s.year_days as time_share,
        case
            when e.is_excluded or c.is_excluded then 'teacher_student_data_link_exclusion'
            when f.student_key is not null then 'not_full_academic_year'
            when c.contribution_share is null then 'no_share_declared'
        end as excluded_reason
    from enrolled as e
    join section_span as s on s.section_key = e.section_key and s.school_year = e.school_year
    join contribution as c
        on c.section_key = e.section_key and c.school_year = e.school_year
        and c.first_day <= e.last_day and c.last_day >= e.first_day
    left join partial_year as f
        on f.student_key = e.student_key and f.school_id = s.school_id and f.school_year = e.school_year
),
roster_link as (  -- a link is excluded when all of it is; else only the time that counts makes its shares
    select
        student_key, staff_key, subject, school_year, min(state) as state,
        case
            when count_if(excluded_reason is null) > 0
                then sum(cast(time_share as decimal(18, 15))) filter (excluded_reason is null)
            else sum(cast(time_share as decimal(18, 15)))
        end as enrollment_share,
        sum(cast(time_share * contribution_share as decimal(18, 15))) filter (excluded_reason is null) as raw_weight,
        case when count_if(excluded_reason is null) = 0 then min(excluded_reason) end as excluded_reason
    from shared
    group by student_key, staff_key, subject, school_year
),
reported_link as (
    select
        student_key, staff_key, subject, school_year, state, weight as raw_weight, enrolled,
        case when enrolled = 'no' then 'not_enrolled_with_teacher' end as excluded_reason
    from canonical.reported_teacher_student_link
),
link as (  -- where the state itself says whose student a student is, rosters are not asked
    select
        student_key, staff_key, subject, school_year, state, cast(null as double) as enrollment_share, raw_weight,
        'reported' as source, enrolled, excluded_reason
    from reported_link
    union all
    select
        r.student_key, r.staff_key, r.subject, r.school_year, r.state, cast(r.enrollment_share as double),
        cast(coalesce(r.raw_weight, 0) as double), 'roster' as source, cast(null as varchar) as enrolled,
        r.excluded_reason
    from roster_link as r
    where not exists (
        select 1 from reported_link as g
        where g.student_key = r.student_key and g.subject = r.subject and g.school_year = r.school_year)
),
claimed as (
    select
        *, cast(sum(cast(case when excluded_reason is null then raw_weight else 0 end as decimal(18, 15)))
            over (partition by student_key, subject, school_year) as double) as claim
    from link
)
select
    state, school_year, student_key, staff_key, subject,
    round(enrollment_share, 12) as enrollment_share,
    case when excluded_reason is null then round(raw_weight / nullif(enrollment_share, 0), 12) end
        as contribution_share,
    round(raw_weight, 12) as raw_weight,
    case when excluded_reason is null then round(raw_weight / greatest(claim, 1), 12) else 0 end as weight,
    source, enrolled,
    claim < 1 - 1e-9 as is_under_claimed,
    excluded_reason
from claimed
