-- One row per state, region, role, subject and school year, with the sums and the squared influences of teachers that
-- the gains and their errors are made of. Scores are summed as decimals, which add up alike in whatever order.
with tested as (
    select
        s.student_key, s.state, e.region, e.exposure as role, s.subject, s.school_year,
        coalesce(e.teacher_key, 'school ' || s.state || ' ' || coalesce(s.school_id, '')) as cluster,
        s.z_score is not null and s.prior_z_score is not null as is_followed,
        cast(s.z_score as decimal(28, 12)) - cast(s.prior_z_score as decimal(28, 12)) as gain,
        cast(s.prior_percentile_rank as decimal(28, 12)) as start_rank,
        cast(s.percentile_rank as decimal(28, 12)) as end_rank
    from linked.standard_score as s
    join linked.student_exposure as e
        on e.student_key = s.student_key and e.subject = s.subject and e.school_year = s.school_year
),
by_teacher as (
    select
        case when grouping(state) = 1 then 'all' else state end as state,
        case when grouping(region) = 1 then 'all' else region end as region,
        case when grouping(role) = 1 then 'all' else role end as role,
        subject, school_year, cluster,
        count_if(is_followed) as n, count_if(not is_followed) as n_without_prior,
        coalesce(sum(case when is_followed then gain end), 0) as gain,
        coalesce(sum(case when is_followed then start_rank end), 0) as start_rank,
        coalesce(sum(case when is_followed then end_rank end), 0) as end_rank
    from tested
    group by subject, school_year, cluster, cube (state, region, role)
),
cell as (  -- who has no region is in all of them only
    select
        state, region, role, subject, school_year,
        sum(n) as n, sum(n_without_prior) as n_without_prior, count_if(n > 0) as n_teachers,
        cast(sum(gain) as double) / nullif(sum(n), 0) as gain_sd,
        cast(sum(start_rank) as double) / nullif(sum(n), 0) as start_mean_percentile_rank,
        cast(sum(end_rank) as double) / nullif(sum(n), 0) as end_mean_percentile_rank,
        cast(sum(end_rank - start_rank) as double) / nullif(sum(n), 0) as percentile_rank_gain
    from by_teacher
    where region is not null
    group by state, region, role, subject, school_year
),
compared as (  -- beside each part in the programme, and what is unlinked: students of teachers without one, all else equal
    select
        c.*, k.n as comparison_n, k.n_teachers as n_comparison_teachers, k.gain_sd as comparison_gain_sd,
        k.percentile_rank_gain as comparison_percentile_rank_gain
    from cell as c
    left join cell as k
        on c.role not in ('none', 'all') and k.role = 'none' and k.n > 0
        and k.state = c.state and k.region = c.region and k.subject = c.subject and k.school_year = c.school_year
),
member as (  -- the teachers of both groups, each with the own sums in either
    select
        state, region, role, subject, school_year, cluster,
        n, gain, end_rank - start_rank as rank_gain, 0 as other_n, 0 as other_gain
    from by_teacher
    where n > 0
    union all
    select
        c.state, c.region, c.role, c.subject, c.school_year, b.cluster,
        0 as n, 0 as gain, 0 as rank_gain, b.n as other_n, b.gain as other_gain
    from compared as c
    join by_teacher as b
        on b.role = 'none' and b.n > 0
        and b.state = c.state and b.region = c.region and b.subject = c.subject and b.school_year = c.school_year
    where c.comparison_n > 0 and c.n > 0
),
teacher_sum as (
    select
        state, region, role, subject, school_year, cluster,
        sum(n) as n, cast(sum(gain) as double) as gain, cast(sum(rank_gain) as double) as rank_gain,
        sum(other_n) as other_n, cast(sum(other_gain) as double) as other_gain
    from member
    group by state, region, role, subject, school_year, cluster
),
influence as (  -- how far each teacher moves the means
    select
        c.state, c.region, c.role, c.subject, c.school_year,
        (t.gain - t.n * c.gain_sd) / nullif(c.n, 0) as of_gain,
        (t.rank_gain - t.n * c.percentile_rank_gain) / nullif(c.n, 0) as of_rank_gain,
        (t.other_gain - t.other_n * c.comparison_gain_sd) / nullif(c.comparison_n, 0) as of_other_gain
    from compared as c
    join teacher_sum as t
        on t.state = c.state and t.region = c.region and t.role = c.role and t.subject = c.subject
        and t.school_year = c.school_year
),
spread as (
    select
        state, region, role, subject, school_year, count(*) as n_clusters,
        cast(sum(cast(power(of_gain, 2) as decimal(38, 24))) as double) as gain_influence,
        cast(sum(cast(power(of_rank_gain, 2) as decimal(38, 24))) as double) as rank_gain_influence,
        cast(sum(cast(power(of_gain - of_other_gain, 2) as decimal(38, 24))) as double) as difference_influence
    from influence
    group by state, region, role, subject, school_year
),
growth as (
    select
        case when grouping(t.state) = 1 then 'all' else t.state end as state,
        case when grouping(t.region) = 1 then 'all' else t.region end as region,
        case when grouping(t.role) = 1 then 'all' else t.role end as role,
        t.subject, t.school_year, g.student_growth_percentile, count(*) as students
    from tested as t
    join linked.student_growth_percentile as g
        on g.student_key = t.student_key and g.subject = t.subject and g.school_year = t.school_year
    group by t.subject, t.school_year, g.student_growth_percentile, cube (t.state, t.region, t.role)
),
growth_rank as (
    select
        *, sum(students) over (
            partition by state, region, role, subject, school_year order by student_growth_percentile
            rows between unbounded preceding and current row) as up_to,
        sum(students) over (partition by state, region, role, subject, school_year) as of_all
    from growth
),
middle as (  -- the median of an even number is the mean of the two in the middle
    select
        state, region, role, subject, school_year, max(of_all) as n_student_growth_percentile,
        (min(case when 2 * up_to >= of_all then student_growth_percentile end)
            + min(case when 2 * up_to > of_all then student_growth_percentile end)) / 2
            as median_student_growth_percentile
    from growth_rank
    group by state, region, role, subject, school_year
)
select
    c.state, c.region, c.role, c.subject, c.school_year, c.n, c.n_teachers, c.n_without_prior,
    c.start_mean_percentile_rank, c.end_mean_percentile_rank, c.percentile_rank_gain, c.gain_sd,
    c.comparison_n, c.n_comparison_teachers, c.comparison_gain_sd, c.comparison_percentile_rank_gain,
    s.n_clusters, s.gain_influence, s.rank_gain_influence, s.difference_influence,
    m.median_student_growth_percentile, m.n_student_growth_percentile
from compared as c
left join spread as s
    on s.state = c.state and s.region = c.region and s.role = c.role and s.subject = c.subject
    and s.school_year = c.school_year
left join middle as m
    on m.state = c.state and m.region = c.region and m.role = c.role and m.subject = c.subject
    and m.school_year = c.school_year
