-- One row per student, staff member, subject and school year: of what the sources say, what counts.
-- The best source in the order of reference.link_source decides; weights above 1 together are scaled down to 1.
with source as (  -- a source that the reference table leaves out is not asked
    select source, cast(rank as integer) as rank from reference.link_source
),
listed as (  -- what is said beside the rosters
    select c.*
    from linked.teacher_student_claim as c
    join source as s on s.source = c.source
    where c.source <> 'roster'
),
sheet as (  -- a verified sheet is complete for its teacher, subject and school, where it names one
    select staff_key, subject, school_year, count(*) > count(school_id) as is_of_any_school
    from listed
    where source = 'verified'
    group by staff_key, subject, school_year
),
sheet_school as (
    select distinct staff_key, subject, school_year, school_id from listed where source = 'verified'
),
on_sheet as (
    select student_key, staff_key, subject, school_year
    from listed
    where source = 'verified' and excluded_reason is distinct from 'removed_by_verification'
),
spoken_of as (  -- students and subjects of which more than the roster may speak; mostly few
    select student_key, subject, school_year from listed
    union
    select c.student_key, c.subject, c.school_year
    from linked.teacher_student_claim as c
    join sheet as t on t.staff_key = c.staff_key and t.subject = c.subject and t.school_year = c.school_year
),
claim as (
    select c.*, s.rank
    from linked.teacher_student_claim as c
    join source as s on s.source = c.source
    join spoken_of as k
        on k.student_key = c.student_key and k.subject = c.subject and k.school_year = c.school_year
),
checked as (
    select
        c.*,
        case
            when c.source = 'verified' then coalesce(c.excluded_reason, '') = 'removed_by_verification'
            else t.staff_key is not null and o.student_key is null
                and (t.is_of_any_school or c.school_id is null or a.school_id is not null)
        end as is_removed
    from claim as c
    left join sheet as t
        on t.staff_key = c.staff_key and t.subject = c.subject and t.school_year = c.school_year
    left join sheet_school as a
        on a.staff_key = c.staff_key and a.subject = c.subject and a.school_year = c.school_year
        and a.school_id = c.school_id
    left join on_sheet as o
        on o.student_key = c.student_key and o.staff_key = c.staff_key and o.subject = c.subject
        and o.school_year = c.school_year
),
asked as (  -- helpers without a share say nothing of whose the student is, as long as another source does
    select
        *,
        coalesce(
            min(case when not is_removed and coalesce(excluded_reason, '') <> 'no_share_declared' then rank end)
                over student_subject,
            min(case when not is_removed then rank end) over student_subject) as deciding_rank
    from checked
    window student_subject as (partition by student_key, subject, school_year)
),
opinion as (  -- what each source would make of the student and subject alone
    select
        student_key, staff_key, subject, school_year, source, is_weighted, rank = deciding_rank as is_decisive,
        raw_weight / greatest(1, cast(sum(cast(raw_weight as decimal(18, 15)))
            over (partition by student_key, subject, school_year, source) as double)) as own_weight
    from asked
    where not is_removed and excluded_reason is null and raw_weight > 0
),
other as (
    select student_key, subject, school_year, count(distinct source) as n_others
    from opinion
    where not is_decisive
    group by student_key, subject, school_year
),
compared as (  -- teacher by teacher; mere names are held against names alone
    select
        p.student_key, p.subject, p.school_year,
        count_if(p.is_decisive) = 0 or count_if(not p.is_decisive) < max(o.n_others) as is_of_some_only,
        max(case when p.is_decisive and p.is_weighted then p.own_weight end) as weight,
        min(case when not p.is_decisive and p.is_weighted then p.own_weight end) as lowest,
        max(case when not p.is_decisive and p.is_weighted then p.own_weight end) as highest
    from opinion as p
    join other as o on o.student_key = p.student_key and o.subject = p.subject and o.school_year = p.school_year
    group by p.student_key, p.subject, p.school_year, p.staff_key
),
disagreement as (  -- a sheet that removes somebody's student is one, too
    select student_key, subject, school_year
    from compared
    where is_of_some_only or weight - lowest > 0.01 or highest - weight > 0.01
    union
    select student_key, subject, school_year from asked where is_removed
),
source_count as (
    select student_key, subject, school_year, count(distinct source) as n_sources
    from asked
    group by student_key, subject, school_year
),
decided as (  -- the claims that decide and those that a sheet removes; each teacher once
    select
        *, case when is_removed then 'removed_by_verification' else excluded_reason end as left_out
    from asked
    where is_removed or rank = deciding_rank
    qualify row_number() over (
        partition by student_key, staff_key, subject, school_year order by is_removed, rank) = 1
),
link as (
    select
        d.state, d.school_year, d.student_key, d.staff_key, d.subject, d.enrollment_share, d.contribution_share,
        d.raw_weight, d.source, d.enrolled, g.student_key is not null as is_disputed, n.n_sources,
        d.left_out as excluded_reason
    from decided as d
    join source_count as n
        on n.student_key = d.student_key and n.subject = d.subject and n.school_year = d.school_year
    left join disagreement as g
        on g.student_key = d.student_key and g.subject = d.subject and g.school_year = d.school_year
    union all
    select  -- of the rest the roster alone speaks
        c.state, c.school_year, c.student_key, c.staff_key, c.subject, c.enrollment_share, c.contribution_share,
        c.raw_weight, c.source, c.enrolled, false, 1, c.excluded_reason
    from linked.teacher_student_claim as c
    join source as s on s.source = c.source
    where not exists (
        select 1 from spoken_of as k
        where k.student_key = c.student_key and k.subject = c.subject and k.school_year = c.school_year)
),
claimed as (
    select
        *, cast(sum(cast(case when excluded_reason is null then raw_weight else 0 end as decimal(18, 15)))
            over (partition by student_key, subject, school_year) as double) as claim
    from link
)
select
    state, school_year, student_key, staff_key, subject, enrollment_share, contribution_share, raw_weight,
    case when excluded_reason is null then round(raw_weight / greatest(claim, 1), 12) else 0 end as weight,
    source, enrolled, claim < 1 - 1e-9 as is_under_claimed, claim > 1 + 1e-9 as is_over_claimed, is_disputed,
    n_sources, excluded_reason
from claimed
