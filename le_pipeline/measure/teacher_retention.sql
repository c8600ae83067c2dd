-- One row per state, definition, level, role, region, cohort, poverty band and school year, with what intervals need:
-- counts, and the sum over schools of squared contributions to the difference from teachers whom nobody reached.
with level_of as (
    select * from (values ('school'), ('lea'), ('state'), ('high_poverty_school')) as v (level)
),
definition_of as (
    select * from (values ('strict'), ('inclusive')) as v (definition)
),
flagged as (  -- one row per teacher, definition and level; who starts outside high poverty cannot leave it
    select
        d.definition, l.level, r.state, r.role, r.region, r.cohort, r.poverty_band, r.school_year,
        r.state || ' ' || coalesce(r.school_id, '') as school,
        case l.level || ' ' || d.definition
            when 'school strict' then s.retained_in_school
            when 'school inclusive' then s.retained_in_school_or_promoted
            when 'lea strict' then s.retained_in_lea
            when 'lea inclusive' then s.retained_in_lea_or_promoted
            when 'state strict' then s.retained_in_state
            when 'state inclusive' then s.retained_in_state_or_promoted
            when 'high_poverty_school strict' then s.retained_in_high_poverty_school
            when 'high_poverty_school inclusive' then s.retained_in_high_poverty_school_or_promoted
        end = 1 as is_retained
    from linked.retention_outcome as r
    join linked.retention_sample as s on s.staff_key = r.staff_key and s.school_year = r.school_year
    cross join level_of as l
    cross join definition_of as d
    where l.level <> 'high_poverty_school' or r.in_high_poverty_school
),
by_school as (
    select
        definition, level, school_year, school,
        case when grouping(state) = 1 then 'all' else state end as state,
        case when grouping(role) = 1 then 'all' else role end as role,
        case when grouping(region) = 1 then 'all' else region end as region,
        case when grouping(cohort) = 1 then 'all' else cohort end as cohort,
        case when grouping(poverty_band) = 1 then 'all' else poverty_band end as poverty_band,
        count(is_retained) as n, count_if(is_retained) as retained, count_if(is_retained is null) as n_not_observed
    from flagged
    group by definition, level, school_year, school, cube (state, role, region, cohort, poverty_band)
),
cell as (  -- who has no region or no cohort is in all of them only
    select
        state, definition, level, role, region, cohort, poverty_band, school_year,
        sum(n) as n, sum(n_not_observed) as n_not_observed, count_if(n > 0) as n_schools, sum(retained) as retained
    from by_school
    where region is not null and cohort is not null
    group by state, definition, level, role, region, cohort, poverty_band, school_year
),
compared as (  -- beside each part in the programme: people without one, all else equal
    select
        c.*, k.n as comparison_n, k.retained as comparison_retained,
        c.retained / nullif(c.n, 0) as share, k.retained / nullif(k.n, 0) as comparison_share
    from cell as c
    left join cell as k
        on c.role not in ('none', 'all') and k.role = 'none' and k.cohort = 'all' and k.n > 0
        and k.state = c.state and k.definition = c.definition and k.level = c.level and k.region = c.region
        and k.poverty_band = c.poverty_band and k.school_year = c.school_year
),
member as (  -- the schools of both groups, each with its own counts in either
    select
        c.state, c.definition, c.level, c.role, c.region, c.cohort, c.poverty_band, c.school_year, s.school,
        s.n, s.retained, 0 as other_n, 0 as other_retained
    from compared as c
    join by_school as s
        on s.state = c.state and s.definition = c.definition and s.level = c.level and s.role = c.role
        and s.region = c.region and s.cohort = c.cohort and s.poverty_band = c.poverty_band
        and s.school_year = c.school_year
    where c.comparison_n > 0 and c.n > 0
    union all
    select
        c.state, c.definition, c.level, c.role, c.region, c.cohort, c.poverty_band, c.school_year, s.school,
        0 as n, 0 as retained, s.n as other_n, s.retained as other_retained
    from compared as c
    join by_school as s
        on s.role = 'none' and s.cohort = 'all' and s.state = c.state and s.definition = c.definition
        and s.level = c.level and s.region = c.region and s.poverty_band = c.poverty_band
        and s.school_year = c.school_year
    where c.comparison_n > 0 and c.n > 0
),
school_count as (
    select
        state, definition, level, role, region, cohort, poverty_band, school_year, school,
        sum(n) as n, sum(retained) as retained, sum(other_n) as other_n, sum(other_retained) as other_retained
    from member
    group by state, definition, level, role, region, cohort, poverty_band, school_year, school
    having sum(n) + sum(other_n) > 0
),
spread as (
    select
        c.state, c.definition, c.level, c.role, c.region, c.cohort, c.poverty_band, c.school_year,
        count(*) as n_clusters,
        count_if(s.n > 0) as n_own_clusters, count_if(s.other_n > 0) as n_comparison_clusters,
        cast(sum(cast(power(  -- as decimals, which add up alike in whatever order an engine takes them
            (s.retained - s.n * c.share) / nullif(c.n, 0)
            - (s.other_retained - s.other_n * c.comparison_share) / nullif(c.comparison_n, 0), 2
        ) as decimal(38, 24))) as double) as squared_influence
    from compared as c
    join school_count as s
        on s.state = c.state and s.definition = c.definition and s.level = c.level and s.role = c.role
        and s.region = c.region and s.cohort = c.cohort and s.poverty_band = c.poverty_band
        and s.school_year = c.school_year
    group by c.state, c.definition, c.level, c.role, c.region, c.cohort, c.poverty_band, c.school_year
)
select
    c.state, c.definition, c.level, c.role, c.region, c.cohort, c.poverty_band, c.school_year, c.n,
    c.n_not_observed, c.n_schools, case when c.n > 0 then c.retained end as retained,
    c.comparison_n, c.comparison_retained, p.n_clusters,
    case when least(p.n_own_clusters, p.n_comparison_clusters) > 1 then p.squared_influence end as squared_influence
from compared as c
left join spread as p
    on p.state = c.state and p.definition = c.definition and p.level = c.level and p.role = c.role
    and p.region = c.region and p.cohort = c.cohort and p.poverty_band = c.poverty_band
    and p.school_year = c.school_year
