-- One row per state, definition, level, role, region, cohort, year since the start and school in which people came under
-- observation: how many were at risk, left, were censored. The schools are the clusters of the difference's error.
-- A year counts where its outcome is known: whoever's next year has not been observed was last seen the year before.
with level_of as (
    select * from (values ('school'), ('lea'), ('state'), ('high_poverty_school')) as v (level)
),
definition_of as (
    select * from (values ('strict'), ('inclusive')) as v (definition)
),
observed as (
    select
        r.*, p.fellow_since, p.mentee_since, p.applied_since, y.experience_years,
        s.retained_in_school, s.retained_in_lea, s.retained_in_state, s.retained_in_high_poverty_school,
        s.retained_in_school_or_promoted, s.retained_in_lea_or_promoted,
        s.retained_in_state_or_promoted, s.retained_in_high_poverty_school_or_promoted,
        r.state || ' ' || coalesce(r.school_id, '') as school
    from linked.retention_outcome as r
    join linked.retention_sample as s on s.staff_key = r.staff_key and s.school_year = r.school_year
    left join linked.program_role as p on p.staff_key = r.staff_key and p.school_year = r.school_year
    left join linked.staff_year as y on y.staff_key = r.staff_key and y.school_year = r.school_year
    where r.outcome is not null
),
part as (  -- a part counts from its first year on, whatever follows; none and applicant until a part begins
    select 'fellow' as clock, fellow_since as since, * from observed where school_year >= fellow_since
    union all
    select 'mentee', mentee_since, * from observed where school_year >= mentee_since
    union all
    select 'applicant', applied_since, * from observed where role = 'applicant'
    union all
    select 'none', cast(null as bigint), * from observed where role = 'none'
    union all
    select 'all', cast(null as bigint), * from observed
),
spell as (  -- people stay where they came under observation: their state, region, cohort, school and poverty
    select
        clock as role, staff_key, school_year,
        retained_in_school, retained_in_lea, retained_in_state, retained_in_high_poverty_school,
        retained_in_school_or_promoted, retained_in_lea_or_promoted,
        retained_in_state_or_promoted, retained_in_high_poverty_school_or_promoted,
        first_value(school_year) over person as entry_year,
        coalesce(since, first_value(school_year) over person) as start_year,
        first_value(state) over person as state,
        first_value(region) over person as region,
        first_value(cohort) over person as cohort,
        first_value(school) over person as school,
        first_value(experience_years) over person as experience_years,
        first_value(in_high_poverty_school) over person as began_in_high_poverty_school
    from part
    window person as (partition by clock, staff_key order by school_year)
),
flagged as (
    select
        d.definition, l.level, s.*,
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
    from spell as s
    cross join level_of as l
    cross join definition_of as d
    where l.level <> 'high_poverty_school' or s.began_in_high_poverty_school
),
lasting as (  -- in how many years before this one they were retained
    select
        *,
        coalesce(sum(case when is_retained then 1 else 0 end) over (
            partition by definition, level, role, staff_key order by school_year
            rows between unbounded preceding and 1 preceding), 0) as years_retained
    from flagged
),
at_risk as (  -- retained in every year since they came under observation, and this year's outcome is known
    select
        *,
        lead(school_year) over (partition by definition, level, role, staff_key order by school_year) as next_year
    from lasting
    where is_retained is not null and years_retained = school_year - entry_year
),
by_school as (
    select
        state, definition, level, role, region, cohort, school, school_year - start_year + 1 as years_since_start,
        count(*) as n_at_risk, count_if(school_year = entry_year) as n_entered, count_if(not is_retained) as n_left,
        count_if(is_retained and next_year is null) as n_censored,
        count(experience_years) as n_experience_known,
        sum(cast(experience_years as decimal(18, 6))) as experience_sum
    from at_risk
    group by state, definition, level, role, region, cohort, school, school_year - start_year + 1
),
cell as (
    select
        case when grouping(state) = 1 then 'all' else state end as state,
        definition, level, role,
        case when grouping(region) = 1 then 'all' else region end as region,
        case when grouping(cohort) = 1 then 'all' else cohort end as cohort,
        years_since_start, school,
        sum(n_at_risk) as n_at_risk, sum(n_entered) as n_entered, sum(n_left) as n_left,
        sum(n_censored) as n_censored, sum(n_experience_known) as n_experience_known,
        sum(experience_sum) as experience_sum  -- a decimal, which adds up alike in any order
    from by_school
    group by definition, level, role, years_since_start, school, cube (state, region, cohort)
)
select
    state, definition, level, role, region, cohort, years_since_start, school, n_at_risk, n_entered, n_left,
    n_censored, n_experience_known, experience_sum
from cell
where region is not null and cohort is not null  -- who has no region or no cohort is in all of them only
