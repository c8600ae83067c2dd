-- One row per student, staff member, subject and school year.
-- Responsibility = enrollment share x contribution share. Days count both ends; a day is its number since 1970.
with section_span as (  -- sections with their term; where the roster names no school year, its terms span it
    select
        section_key, school_year, state, school_id, subject,
        coalesce(excluded, 'no') = 'yes' as is_excluded,
        date_diff('day', date '1970-01-01', term_begin_date) as term_first,
        date_diff('day', date '1970-01-01', term_end_date) as term_last,
        date_diff('day', date '1970-01-01', coalesce(
            year_begin_date, min(term_begin_date) over (partition by state, lea_id, school_year))) as year_first,
        date_diff('day', date '1970-01-01', coalesce(
            year_end_date, max(term_end_date) over (partition by state, lea_id, school_year))) as year_last
    from canonical.section
),
enrolled_span as (
    select
        e.student_key, s.section_key, s.school_year, s.state, s.school_id, s.subject,
        1 + s.year_last - s.year_first as year_days,
        s.is_excluded or coalesce(e.excluded, 'no') = 'yes' as is_excluded,
        greatest(s.term_first, coalesce(date_diff('day', date '1970-01-01', e.begin_date), s.term_first)) as first_day,
        least(s.term_last, coalesce(date_diff('day', date '1970-01-01', e.end_date), s.term_last)) as last_day
    from canonical.student_section_association as e
    join section_span as s on s.section_key = e.section_key and s.school_year = e.school_year
),
enrolled_reach as (  -- rosters list one stay in several rows that may overlap; no day may count twice
    select
        *, max(last_day) over (
            partition by student_key, section_key, school_year, is_excluded order by first_day, last_day
            rows between unbounded preceding and 1 preceding) as reached
    from enrolled_span
    where first_day <= last_day
),
enrolled_stay as (
    select
        *, sum(case when reached is null or first_day > reached + 1 then 1 else 0 end) over (
            partition by student_key, section_key, school_year, is_excluded order by first_day, last_day
            rows between unbounded preceding and current row) as stay
    from enrolled_reach
),
enrolled as (
    select
        student_key, section_key, school_year, is_excluded, state, school_id, subject, year_days,
        min(first_day) as first_day, max(last_day) as last_day
    from enrolled_stay
    group by student_key, section_key, school_year, is_excluded, state, school_id, subject, year_days, stay
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
cut as (  -- the days on which the teachers of a section change
    select section_key, school_year, first_day as cut_day from taught where first_day <= last_day
    union
    select section_key, school_year, last_day + 1 as cut_day from taught where first_day <= last_day
),
piece as (
    select
        section_key, school_year, cut_day as first_day,
        lead(cut_day) over (partition by section_key, school_year order by cut_day) - 1 as last_day
    from cut
),
present as (  -- who teaches the section in a piece of time in which its teachers do not change
    select distinct
        p.section_key, p.school_year, p.first_day, p.last_day,
        t.staff_key, t.position, t.given_share, t.is_excluded,
        t.given_share is null and t.position = 'teacher_of_record' as shares_the_rest
    from piece as p
    join taught as t
        on t.section_key = p.section_key and t.school_year = p.school_year
        and t.first_day <= p.first_day and t.last_day >= p.last_day
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
partial_year as (  -- the school's rule says that the student was not there for the full academic year
    select distinct student_key, school_id, school_year
    from canonical.student_school_association
    where full_academic_year = 'no'
),
shared as (
    select
        e.student_key, c.staff_key, e.subject, e.school_year, e.state,
        (1 + least(e.last_day, c.last_day) - greatest(e.first_day, c.first_day)) / nullif(e.year_days, 0) as time_share,
        c.contribution_share,
        case
            when e.is_excluded or c.is_excluded then 'teacher_student_data_link_exclusion'
            when f.student_key is not null then 'not_full_academic_year'
            when c.contribution_share is null then 'no_share_declared'
        end as excluded_reason
    from enrolled as e
    join contribution as c
        on c.section_key = e.section_key and c.school_year = e.school_year
        and c.first_day <= e.last_day and c.last_day >= e.first_day
    left join partial_year as f
        on f.student_key = e.student_key and f.school_id = e.school_id and f.school_year = e.school_year
),
roster_link as (  -- a link is excluded when all of it is; else only the time that counts makes its shares
    select
        student_key, staff_key, subject, school_year, min(state) as state,
        case
            when count_if(excluded_reason is null) > 0 then sum(time_share) filter (excluded_reason is null)
            else sum(time_share)
        end as enrollment_share,
        coalesce(sum(time_share * contribution_share) filter (excluded_reason is null), 0) as raw_weight,
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
        r.student_key, r.staff_key, r.subject, r.school_year, r.state, r.enrollment_share, r.raw_weight,
        'roster' as source, cast(null as varchar) as enrolled, r.excluded_reason
    from roster_link as r
    where not exists (
        select 1 from reported_link as g
        where g.student_key = r.student_key and g.subject = r.subject and g.school_year = r.school_year)
),
claimed as (
    select
        *, coalesce(sum(raw_weight) filter (excluded_reason is null)
            over (partition by student_key, subject, school_year), 0) as claim
    from link
)
select
    state, school_year, student_key, staff_key, subject,
    round(enrollment_share, 12) as enrollment_share,
    round(raw_weight / nullif(enrollment_share, 0), 12) as contribution_share,
    round(raw_weight, 12) as raw_weight,
    round(case
        when excluded_reason is not null then 0
        when claim > 1 + 1e-9 then raw_weight / claim
        else raw_weight
    end, 12) as weight,
    source, enrolled,
    claim < 1 - 1e-9 as is_under_claimed,
    excluded_reason
from claimed
