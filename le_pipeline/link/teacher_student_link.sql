-- One row per student, staff member, subject and school year: of what the sources say, what counts.
-- A verified sheet speaks for the teachers whom it covers; for the others the best source in the order of
-- reference.link_source decides, as if there were no sheet. Weights above 1 together are scaled down to 1.
with source as (  -- a source that the reference table leaves out is not asked
    select source, cast(rank as integer) as rank from reference.link_source
),
said as (
    select c.*, s.rank
    from linked.teacher_student_claim as c
    join source as s on s.source = c.source
    where coalesce(c.excluded_reason, '') not in ('unknown_teacher', 'unknown_school')
),
spared as (  -- a row of a sheet that cannot be right may have been meant for one that is not there
    select distinct student_key, subject, school_year
    from linked.teacher_student_claim
    where excluded_reason in ('unknown_teacher', 'unknown_school')
),
listed as (  -- what is said beside the rosters
    select * from said where source <> 'roster'
),
sheet as (  -- a verified sheet is complete for its teacher, subject and school, where it names one
    select staff_key, subject, school_year, rank, count(school_id) = 0 as is_of_any_school
    from listed
    where source = 'verified'
    group by staff_key, subject, school_year, rank
),
sheet_school as (
    select distinct staff_key, subject, school_year, school_id from listed where source = 'verified'
),
other_school as (  -- teachers of a sheet who have students in a school that has sent none
    select distinct c.staff_key, c.subject, c.school_year
    from said as c
    join sheet as t on t.staff_key = c.staff_key and t.subject = c.subject and t.school_year = c.school_year
    left join sheet_school as a
        on a.staff_key = c.staff_key and a.subject = c.subject and a.school_year = c.school_year
        and a.school_id = c.school_id
    where c.source <> 'verified' and c.school_id is not null and a.school_id is null
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
    from said as c
    join sheet as t on t.staff_key = c.staff_key and t.subject = c.subject and t.school_year = c.school_year
),
claim as (
    select c.*
    from said as c
    join spoken_of as k
        on k.student_key = c.student_key and k.subject = c.subject and k.school_year = c.school_year
),
covered as (  -- in place of which claims a sheet speaks: those of its teachers, of sources after it in the order
    select
        c.*, o.student_key is not null as is_on_sheet,
        t.rank < c.rank and (
            o.student_key is not null
            or p.student_key is null and (
                t.is_of_any_school or a.school_id is not null or c.school_id is null and w.staff_key is null)
        ) as is_covered
    from claim as c
    left join sheet as t
        on t.staff_key = c.staff_key and t.subject = c.subject and t.school_year = c.school_year
        and c.source <> 'verified'
    left join sheet_school as a
        on a.staff_key = c.staff_key and a.subject = c.subject and a.school_year = c.school_year
        and a.school_id = c.school_id
    left join other_school as w
        on w.staff_key = c.staff_key and w.subject = c.subject and w.school_year = c.school_year
    left join spared as p
        on p.student_key = c.student_key and p.subject = c.subject and p.school_year = c.school_year
    left join on_sheet as o
        on o.student_key = c.student_key and o.staff_key = c.staff_key and o.subject = c.subject
        and o.school_year = c.school_year
),
checked as (  -- what does not count anyway keeps its own reason
    select
        * exclude (is_covered, is_on_sheet), coalesce(is_covered, false) as is_covered,
        case
            when source = 'verified' then coalesce(excluded_reason, '') = 'removed_by_verification'
            else coalesce(is_covered, false) and not is_on_sheet and excluded_reason is null
        end as is_removed
    from covered
),
asked as (  -- helpers without a share say nothing of whose the student is, as long as another source does
    select
        *,
        coalesce(
            min(case when source <> 'verified' and coalesce(excluded_reason, '') <> 'no_share_declared' then rank end)
                over student_subject,
            min(case when source <> 'verified' then rank end) over student_subject) as deciding_rank
    from checked
    window student_subject as (partition by student_key, subject, school_year)
),
judged as (
    select
        *,
        case when source = 'verified' then rank < coalesce(deciding_rank, rank + 1) else rank = deciding_rank end
            as is_decisive
    from asked
),
decided as (  -- the claims that decide and those that a sheet removes; each teacher once
    select *, case when is_removed then 'removed_by_verification' else excluded_reason end as left_out
    from judged
    where is_removed or is_decisive
    qualify row_number() over (
        partition by student_key, staff_key, subject, school_year order by is_removed or is_covered, rank) = 1
),
verified as (  -- what is verified is not scaled down in favour of what is not
    select
        *, cast(sum(cast(case when source = 'verified' and left_out is null then raw_weight else 0 end
            as decimal(18, 15))) over (partition by student_key, subject, school_year) as double) as verified_claim
    from decided
),
fitted as (  -- where sheets leave nothing, nothing is left to the others
    select
        * exclude (left_out),
        case
            when left_out is null and source <> 'verified' and verified_claim >= 1 - 1e-9 then 'removed_by_verification'
            else left_out
        end as left_out
    from verified
),
summed as (
    select
        *, cast(sum(cast(case when left_out is null then raw_weight else 0 end as decimal(18, 15)))
            over (partition by student_key, subject, school_year) as double) as claim
    from fitted
),
weighed as (
    select
        *,
        case
            when left_out is not null then 0
            when source = 'verified' then raw_weight / greatest(verified_claim, 1)
            else raw_weight / greatest((claim - verified_claim) / nullif(1 - verified_claim, 0), 1)
        end as weight
    from summed
),
opinion as (  -- what is decided, and what each source would make of the student and subject alone; a sheet has no other
    select student_key, staff_key, subject, school_year, '' as source, is_weighted, true as is_decided, weight
    from weighed
    where left_out is null and weight > 0
    union all
    select
        student_key, staff_key, subject, school_year, source, is_weighted, false,
        raw_weight / greatest(1, cast(sum(cast(raw_weight as decimal(18, 15)))
            over (partition by student_key, subject, school_year, source) as double))
    from judged
    where not is_removed and excluded_reason is null and raw_weight > 0 and (source <> 'verified' or not is_decisive)
),
other as (
    select student_key, subject, school_year, count(distinct source) as n_others
    from opinion
    where not is_decided
    group by student_key, subject, school_year
),
compared as (  -- teacher by teacher; mere names are held against names alone
    select
        p.student_key, p.subject, p.school_year,
        count_if(p.is_decided) = 0 or count_if(not p.is_decided) < max(o.n_others) as is_of_some_only,
        max(case when p.is_decided and p.is_weighted then p.weight end) as weight,
        min(case when not p.is_decided and p.is_weighted then p.weight end) as lowest,
        max(case when not p.is_decided and p.is_weighted then p.weight end) as highest
    from opinion as p
    join other as o on o.student_key = p.student_key and o.subject = p.subject and o.school_year = p.school_year
    group by p.student_key, p.subject, p.school_year, p.staff_key
),
disagreement as (  -- a sheet that removes somebody's student is one, too
    select student_key, subject, school_year
    from compared
    where is_of_some_only or weight - lowest > 0.01 or highest - weight > 0.01
    union
    select student_key, subject, school_year from judged where is_removed
),
source_count as (
    select student_key, subject, school_year, count(distinct source) as n_sources
    from judged
    group by student_key, subject, school_year
),
alone as (  -- of the rest the roster alone speaks
    select
        c.*, cast(sum(cast(case when c.excluded_reason is null then c.raw_weight else 0 end as decimal(18, 15)))
            over (partition by c.student_key, c.subject, c.school_year) as double) as claim
    from said as c
    where not exists (
        select 1 from spoken_of as k
        where k.student_key = c.student_key and k.subject = c.subject and k.school_year = c.school_year)
)
select
    d.state, d.school_year, d.student_key, d.staff_key, d.subject,
    coalesce(d.enrollment_share, r.enrollment_share) as enrollment_share, d.contribution_share,
    d.raw_weight, round(d.weight, 12) as weight, d.source, d.enrolled, d.claim < 1 - 1e-9 as is_under_claimed,
    d.claim > 1 + 1e-9 as is_over_claimed, g.student_key is not null as is_disputed, n.n_sources,
    d.left_out as excluded_reason
from weighed as d
left join linked.teacher_student_claim as r  -- how long they were together the roster says, whoever decides
    on r.student_key = d.student_key and r.staff_key = d.staff_key and r.subject = d.subject
    and r.school_year = d.school_year and r.source = 'roster'
join source_count as n
    on n.student_key = d.student_key and n.subject = d.subject and n.school_year = d.school_year
left join disagreement as g
    on g.student_key = d.student_key and g.subject = d.subject and g.school_year = d.school_year
union all
select
    state, school_year, student_key, staff_key, subject, enrollment_share, contribution_share, raw_weight,
    case when excluded_reason is null then round(raw_weight / greatest(claim, 1), 12) else 0 end, source, enrolled,
    claim < 1 - 1e-9, claim > 1 + 1e-9, false, 1, excluded_reason
from alone
